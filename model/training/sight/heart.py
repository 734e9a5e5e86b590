"""The heart's share of the chest's width: learned from masks of heart and lungs, predicted for any radiograph.

This module knows nothing of labels and reports.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from model.synthetic.radiographs import HEART, LEFT_LUNG, MASK_SIDE, RIGHT_LUNG

CLASSES = 4
# A column belongs to an organ from so many of its pixels on; fewer are specks.
_LEAST_PIXELS = 5
# A chest narrower than this share of the picture, or a heart of a smaller area, was not found.
_LEAST_CHEST, _LEAST_HEART = 0.35, 0.01


class MaskNetwork(nn.Module):
    """A small U-Net (Ronneberger et al., MICCAI 2015): pictures (batch, 1, 256, 256) -> logits (batch, 4, 256, 256)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.down = nn.ModuleList(_block(a, b) for a, b in zip([1, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(_block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.out = nn.Conv2d(width, CLASSES, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        hidden, kept = standardized(pictures), []
        for level, block in enumerate(self.down):
            hidden = block(functional.max_pool2d(hidden, 2) if level else hidden)
            kept.append(hidden)
        for block, beside in zip(self.up, kept[-2::-1], strict=True):
            hidden = block(torch.cat([functional.interpolate(hidden, scale_factor=2.0), beside], dim=1))
        logits: Tensor = self.out(hidden)
        return logits


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def standardized(pictures: Tensor) -> Tensor:
    """Each picture (batch, 1, side, side) with mean 0 and standard deviation 1."""
    mean = pictures.mean((1, 2, 3), keepdim=True)
    return (pictures - mean) / (pictures.std((1, 2, 3), keepdim=True) + 1e-3)


def learn_masks(
    pictures: Tensor, masks: Tensor, steps: int, batch: int = 32, width: int = 24, seed: int = 0
) -> MaskNetwork:
    """A network that finds heart and lungs.

    `pictures`: (count, 1, side, side) uint8; `masks`: (count, 256, 256) uint8, values as in `Radiographs.masks`; both
    on the device that trains. `width`: channels of the first level.
    """
    torch.manual_seed(seed)
    device = pictures.device
    network = MaskNetwork(width).to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    small = functional.interpolate(pictures.float() / 255, (MASK_SIDE, MASK_SIDE), mode="bilinear", antialias=True)
    for _ in range(steps):
        chosen = torch.randint(len(small), (batch,), device=device)
        shown, wanted = _moved(small[chosen], masks[chosen].float()[:, None])
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = network(_exposed(shown))
        loss = functional.cross_entropy(logits.float(), wanted[:, 0].long())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        rates.step()
    return network.eval()


def _moved(pictures: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Both turned, scaled, stretched and shifted alike."""
    batch, device = len(pictures), pictures.device

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, device=device)

    angle, wide, tall = between(-0.2, 0.2), between(0.8, 1.3), between(0.8, 1.3)
    rows = (
        torch.stack([angle.cos() * wide, -angle.sin() * tall, between(-0.15, 0.15)], dim=1),
        torch.stack([angle.sin() * wide, angle.cos() * tall, between(-0.15, 0.15)], dim=1),
    )
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(pictures.shape), align_corners=False)
    return (
        functional.grid_sample(pictures, grid, align_corners=False),
        functional.grid_sample(masks, grid, mode="nearest", align_corners=False),
    )


def _exposed(pictures: Tensor) -> Tensor:
    """Pictures as other detectors would have given them: contrast, gamma, noise, blur."""
    shape = (len(pictures), 1, 1, 1)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(shape, device=pictures.device)

    varied = pictures.clamp(1e-3, 1) ** torch.exp(between(-0.6, 0.6))
    blurred = functional.avg_pool2d(varied, 5, stride=1, padding=2)
    varied = torch.lerp(varied, blurred, between(0, 1))
    return varied * between(0.6, 1.4) + between(-0.2, 0.2) + torch.randn_like(varied) * between(0, 0.06)


@torch.no_grad()
def heart_shares(network: MaskNetwork, pictures: Tensor, at_once: int = 256) -> Tensor:
    """The heart's greatest width over the chest's, (count,); NaN where heart or chest is not found.

    `pictures`: (count, 1, side, side) uint8 on the network's device. The chest's width is taken between the lungs'
    outer borders.
    """
    shares = []
    for part in pictures.split(at_once):
        small = functional.interpolate(part.float() / 255, (MASK_SIDE, MASK_SIDE), mode="bilinear", antialias=True)
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=pictures.is_cuda):
            logits = network(small) + network(small.flip(-1)).flip(-1)[:, [0, RIGHT_LUNG, LEFT_LUNG, HEART]]
        shares.append(shares_of(logits.argmax(dim=1)))
    return torch.cat(shares)


def shares_of(masks: Tensor) -> Tensor:
    """The heart's greatest width over the chest's, of masks (batch, rows, columns): (batch,), NaN where not found."""
    heart = _width(masks == HEART)
    chest = _width((masks == LEFT_LUNG) | (masks == RIGHT_LUNG))
    found = (chest >= _LEAST_CHEST) & ((masks == HEART).float().mean((1, 2)) >= _LEAST_HEART)
    return torch.where(found, heart / chest.clamp_min(1e-6), torch.nan)


def _width(organ: Tensor) -> Tensor:
    """From the first to the last column of an organ, as a share of the columns: (batch,)."""
    filled = organ.sum(dim=1) >= _LEAST_PIXELS
    columns = torch.arange(filled.shape[1], device=organ.device)
    first = torch.where(filled, columns, filled.shape[1]).amin(dim=1)
    last = torch.where(filled, columns, -1).amax(dim=1)
    return (last - first + 1).clamp_min(0) / filled.shape[1]
