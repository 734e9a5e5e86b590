"""The vision tower learns to see what the teachers see, picture by picture and place by place.

This module knows nothing of where pictures and labels come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from model.training.sight.teachers import Pool, Teacher, drawn
from model.training.small.step import GRID, POOL, LabelHead, see

# How much the collection's own word counts beside the teachers', where both speak.
_OWN_WORD = 0.25
# How much the places' mean squared distance counts beside the pictures' loss.
_OF_PLACES = 0.5
# Beyond this logit a teacher is sure, and how sure is nothing to learn.
_SURE = 6.0


class ReadingTower(nn.Module):
    """A vision tower with a head that reads labels off it.

    Pictures (batch, 1, side, side) in 0 to 1 -> logits (batch, labels), and those of every place (batch, labels, 8, 8).
    """

    def __init__(self, tower: nn.Module, hidden: int, labels: int) -> None:
        super().__init__()
        self.tower = tower
        self.head = LabelHead(hidden, labels)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = see(self.tower, pictures).float()
        cells = GRID // POOL
        places = self.head.read(features).transpose(1, 2).unflatten(2, (cells, cells))
        return self.head(features), places


def seeing_step(
    reader: ReadingTower, teachers: Sequence[Teacher], pool: Pool, batch: int, painted: float
) -> Callable[[], Tensor]:
    """A step of the tower on varied pictures that all teachers see as it does.

    What was painted is known; of real pictures the teachers' mean decides, beside the collection's own word.
    """
    device = pool.pictures.device
    made = round(batch * painted)

    def step() -> Tensor:
        with torch.no_grad():
            pictures, targets, known = drawn(pool, batch, painted)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False):
                seen = [teacher(pictures) for teacher in teachers]
            logits = torch.stack([whole for whole, _ in seen]).mean(0)
            places = torch.stack([part for _, part in seen]).mean(0).clamp(-_SURE, _SURE)
            cells = GRID // POOL
            places = functional.interpolate(places, (cells, cells), mode="bilinear", align_corners=False)
            believed = logits.sigmoid()
            real = (torch.arange(batch, device=device) >= made)[:, None]
            own = torch.where(real, _OWN_WORD * known, known)
            wanted = torch.lerp(believed, targets, own)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False):
            read, read_places = reader(pictures)
        loss = functional.binary_cross_entropy_with_logits(read.float(), wanted)
        distance = functional.mse_loss(read_places.float(), places) / _SURE
        return loss + _OF_PLACES * distance

    return step
