"""Teachers: convolutional networks that read labels off radiographs, trained from nothing on real and painted findings.

Each is kept from one part of the patients, so that its readings of them are those of a stranger. This module knows
nothing of reports and of the vision tower.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetModel

from model.synthetic.cases import LABELS
from model.synthetic.painting import paint
from model.training.sight.heart import standardized

# Targets of labels that programs searched for in reports: what they name is mostly there, and what they do not may be.
_NAMED, _UNNAMED = 0.95, 0.06
# Targets of what radiologists looked for.
_SEEN, _NOT_SEEN = 0.98, 0.02
# Where the heart's share of the chest's width stands for an enlarged heart, and over which distance that is unsure.
_ENLARGED, _UNSURE = 0.51, 0.015
# How much the measured share counts beside the report's word, by view: taken from the front the heart looks wider.
_SHARE_COUNTS = {"PA": 0.7, "AP": 0.4}


class Teacher(nn.Module):
    """A ResNet-34 (He et al., CVPR 2016) for grey pictures; each label's logit is a mean over the places it looks at.

    Pictures (batch, 1, side, side) in 0 to 1 -> logits (batch, labels), and those of every place (batch, labels, rows,
    columns).
    """

    def __init__(self, labels: int, widths: Sequence[int] = (64, 128, 256, 512), depths: Sequence[int] = (3, 4, 6, 3)):
        super().__init__()
        self.body = ResNetModel(
            ResNetConfig(
                num_channels=1,
                embedding_size=widths[0],
                hidden_sizes=list(widths),
                depths=list(depths),
                layer_type="basic",
            )
        )
        self.attend = nn.Conv2d(widths[-1], labels, 1)
        self.read = nn.Conv2d(widths[-1], labels, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        shown = standardized(pictures)
        if shown.is_cuda:
            # Twice as fast there; on a CPU torch 2.13's backward pass crashes with it.
            shown = shown.contiguous(memory_format=torch.channels_last)
        seen = self.body(shown).last_hidden_state
        places = self.read(seen).float()
        weights = self.attend(seen).float().flatten(2).softmax(dim=2)
        return (weights * places.flatten(2)).sum(dim=2), places


@dataclass(frozen=True, eq=False)
class Pool:
    """What teachers and tower learn from, all on the device.

    `pictures`: (count, 1, side, side) uint8. `targets`, `known`: (count, labels), the probability that each is there,
    and 1 where anything is known. `weights`: (count,) how often a picture is shown. `plain`: rows of pictures without a
    finding, on which are painted `cases` (made, fields), whose labels are `case_labels` (made, labels), -1 unknown.
    """

    pictures: Tensor
    targets: Tensor
    known: Tensor
    weights: Tensor
    plain: Tensor
    cases: Tensor
    case_labels: Tensor

    def without(self, rows: Tensor) -> Pool:
        """The same with some pictures never shown; `rows`: (count,) bool."""
        kept = copy.copy(self)
        object.__setattr__(kept, "weights", self.weights.masked_fill(rows, 0.0))
        object.__setattr__(kept, "plain", self.plain[~rows[self.plain]])
        return kept


def targets_of(
    labels: NDArray[np.int8], read: NDArray[np.bool_], shares: NDArray[np.float32], views: Sequence[str | None]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How probable every label is, and where anything is known: two arrays (count, labels).

    `labels`: 1, 0 or -1, as collections tell them; `read`: whether radiologists looked. `shares`: the heart's share of
    the chest's width, NaN where unknown, which counts where no radiologist measured it.
    """
    by_eye = read[:, None]
    targets = np.where(labels == 1, np.where(by_eye, _SEEN, _NAMED), np.where(by_eye, _NOT_SEEN, _UNNAMED))
    known = (labels >= 0).astype(np.float32)
    heart = LABELS.index("cardiomegaly")
    measured = 1 / (1 + np.exp(-(np.nan_to_num(shares, nan=_ENLARGED) - _ENLARGED) / _UNSURE))
    counts = np.array([_SHARE_COUNTS.get(view or "", 0.5) for view in views])
    # Without a word of the report the measure stands alone, pulled towards not knowing.
    told = np.where(labels[:, heart] >= 0, targets[:, heart], 0.5)
    use = ~read & ~np.isnan(shares)
    targets[:, heart] = np.where(use, counts * measured + (1 - counts) * told, targets[:, heart])
    known[:, heart] = np.where(use, 1.0, known[:, heart])
    return targets.astype(np.float32), known


def shown_how_often(labels: NDArray[np.int8], whole: Sequence[int]) -> NDArray[np.float32]:
    """Weights (count,) by which pictures are drawn: rare findings more often, by the root of how rare they are.

    `whole`: the columns of findings without side and size, which decide.
    """
    there = labels[:, list(whole)] == 1
    counts = there.sum(axis=0).clip(1)
    nothing = ~there.any(axis=1)
    weights: NDArray[np.float64] = (there / np.sqrt(counts)).sum(axis=1) + nothing / math.sqrt(max(nothing.sum(), 1))
    return (weights / weights.sum()).astype(np.float32)


def mirror_columns() -> list[int]:
    """For each label the column of the one that a mirrored picture shows in its place."""
    other = {"right": "left", "left": "right"}

    def mirrored(label: str) -> str:
        stem, _, side = label.rpartition("_")
        return f"{stem}_{other[side]}" if side in other and f"{stem}_{other[side]}" in LABELS else label

    return [LABELS.index(mirrored(label)) for label in LABELS]


def drawn(pool: Pool, batch: int, painted: float) -> tuple[Tensor, Tensor, Tensor]:
    """Varied pictures (batch, 1, side, side) in 0 to 1, their targets and what of them is known (batch, labels).

    `painted`: the share of pictures with painted findings, which come first. Draws on the device alone, so that it can
    be captured.
    """
    device = pool.pictures.device
    made = round(batch * painted)
    sums = pool.weights.cumsum(0)
    real = torch.searchsorted(sums, torch.rand(batch - made, device=device) * sums[-1]).clamp_max(len(sums) - 1)
    under = pool.plain[(torch.rand(made, device=device) * len(pool.plain)).long()]
    case = (torch.rand(made, device=device) * len(pool.cases)).long()
    pictures = pool.pictures[torch.cat([under, real])].float() / 255
    pictures = paint(pictures, pool.cases[case])
    labels = pool.case_labels[case]
    targets = torch.cat([labels.clamp(_NOT_SEEN, _SEEN), pool.targets[real]])
    return pictures, targets, torch.cat([(labels >= 0).float(), pool.known[real]])


class Repeated:
    """A training step that is repeated with a learning rate that changes; on a GPU captured as a CUDA graph.

    `step` takes nothing, draws what it needs, leaves gradients of `parameters` and returns a loss. The moving averages
    of the parameters, and of `buffers` as they are, go into `averaged`.
    """

    def __init__(self, network: nn.Module, step: Callable[[], Tensor], rate: float, decay: float) -> None:
        self.network = network
        self.averaged = copy.deepcopy(network).eval()
        self._step = step
        self._highest = rate
        device = next(network.parameters()).device
        self._on_gpu = device.type == "cuda"
        self._rate = torch.zeros((), device=device)
        self._share = torch.zeros((), device=device)
        self.loss = torch.zeros((), device=device)
        self._parameters: list[Tensor] = list(network.parameters())
        decayed = [p for p in self._parameters if p.ndim >= 2]
        plain = [p for p in self._parameters if p.ndim < 2]
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}],
            lr=self._rate if self._on_gpu else 0.0,
            betas=(0.9, 0.98),
            fused=self._on_gpu,
            capturable=self._on_gpu,
        )
        self._graph: torch.cuda.CUDAGraph | None = None

    def run(self, number: int, of: int) -> None:
        """Step `number` of `of`: the rate warms up over a twentieth, then falls to nothing as a cosine."""
        warm = max(of // 20, 1)
        done = (number - warm) / max(of - warm, 1)
        rate = self._highest * min((number + 1) / warm, (1 + math.cos(math.pi * max(done, 0.0))) / 2 + 1e-3)
        self._rate.fill_(rate)
        if not self._on_gpu:
            for group in self._optimizer.param_groups:
                group["lr"] = rate
        self._share.fill_(1 - min(0.999, (1 + number) / (10 + number)))
        if self._graph is not None:
            self._graph.replay()
        elif self._on_gpu and number == 0:
            self._capture()
        else:
            self._work()

    def _work(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._step()
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, 1.0, foreach=True)
        self._optimizer.step()
        with torch.no_grad():
            averages: list[Tensor] = list(self.averaged.parameters())
            moves = torch._foreach_sub(self._parameters, averages)
            torch._foreach_mul_(moves, self._share)
            torch._foreach_add_(averages, list(moves))
            for mean, value in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
                mean.copy_(value)
            self.loss.copy_(loss.detach())

    def _capture(self) -> None:
        """The first step, twice with a rate of nothing so that all is compiled and allocated, then captured."""
        self._rate.fill_(0.0)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._work()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            self._work()
        self._graph = graph


def teaching_step(teacher: Teacher, pool: Pool, batch: int, painted: float) -> Callable[[], Tensor]:
    """A step of a teacher: half of the pictures mirrored, half blended with another (Zhang et al., ICLR 2018)."""
    device = pool.pictures.device
    columns = torch.tensor(mirror_columns(), device=device)

    def step() -> Tensor:
        with torch.no_grad():
            pictures, targets, known = drawn(pool, batch, painted)
            turned = torch.rand(batch, 1, device=device) < 0.5
            pictures = torch.where(turned[..., None, None], pictures.flip(-1), pictures)
            targets = torch.where(turned, targets[:, columns], targets)
            known = torch.where(turned, known[:, columns], known)
            share = torch.rand(batch, 1, device=device) * 0.5 * (torch.rand(batch, 1, device=device) < 0.5)
            partner = torch.randint(1, batch, (1,), device=device) + torch.arange(batch, device=device)
            partner = partner % batch
            pictures = torch.lerp(pictures, pictures[partner], share[..., None, None])
            # Where the partner's label is unknown, the own one's stands.
            theirs = torch.where(known[partner] > 0, targets[partner], targets)
            targets = torch.lerp(targets, theirs, share)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False):
            logits, _ = teacher(pictures)
        wrong = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return (wrong * known).sum() / known.sum().clamp_min(1)

    return step


@torch.no_grad()
def readings(teacher: nn.Module, pictures: Tensor, at_once: int = 256) -> Tensor:
    """A teacher's logits (count, labels) of pictures (count, 1, side, side) uint8, the mean of each and its mirror."""
    columns = torch.tensor(mirror_columns(), device=pictures.device)
    logits = []
    for part in pictures.split(at_once):
        shown = part.float() / 255
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=pictures.is_cuda):
            (plain, _), (mirrored, _) = teacher(shown), teacher(shown.flip(-1))
        logits.append((plain + mirrored[:, columns]) / 2)
    return torch.cat(logits)
