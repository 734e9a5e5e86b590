"""Paints a case's findings into real normal radiographs, and varies the pictures as detectors and positioning do.

All of a batch is computed at once in static shapes, without a look at any value from Python, so that painting can be
part of a captured CUDA graph, once a call before it has filled the tables that are kept. This module knows nothing of
reports; of a case it knows the columns of `cases.FIELDS`.

The patient's right is the image's left. Places in a lung are (u, v): u from 0 at the mediastinum to 1 at the lateral
chest wall, v from 0 at the apex to 1 at the dome of the diaphragm. Fields over the picture are (batch, 1, side, side).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as functional
from torch import Tensor

from model.synthetic.cases import FIELDS, SIDES, ZONES

# An adult's chest between the lateral walls, and a lung's height, in millimetres: what gives nodules their size.
CHEST_WIDTH = 285.0
LUNG_HEIGHT = 225.0

_MATCHED = 32
# Where mediastinal edge, lateral wall, apex and dome of the right lung are looked for, as shares of the picture.
_SEARCHED = {
    "medial": (0.32, 0.50, 5),
    "lateral": (0.03, 0.27, 9),
    "apex": (0.00, 0.28, 8),
    "dome": (0.50, 0.94, 12),
}
_TYPICAL = (0.42, 0.13, 0.12, 0.74)
_SPREAD = (0.05, 0.08, 0.06, 0.12)


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where the lungs are, as shares of the picture's side, each (batch, 1, 1, 1); `lateral` and `medial` are columns,
    `apex` and `dome` rows."""

    medial: tuple[Tensor, Tensor]
    lateral: tuple[Tensor, Tensor]
    apex: tuple[Tensor, Tensor]
    dome: tuple[Tensor, Tensor]

    @property
    def midline(self) -> Tensor:
        return (self.medial[0] + self.medial[1]) / 2

    @property
    def width(self) -> Tensor:
        """Of the chest, between the lateral walls."""
        return self.lateral[1] - self.lateral[0]

    @property
    def height(self) -> Tensor:
        """Of the lungs, from apex to dome, the mean of both."""
        return ((self.dome[0] - self.apex[0]) + (self.dome[1] - self.apex[1])) / 2

    def column(self, side: int, u: Tensor | float) -> Tensor:
        """The column of a place in a lung."""
        return self.medial[side] + u * (self.lateral[side] - self.medial[side])

    def row(self, side: int, v: Tensor | float) -> Tensor:
        """The row of a place in a lung."""
        return self.apex[side] + v * (self.dome[side] - self.apex[side])


def _lung_shape(u: Tensor, v: Tensor, left: bool) -> Tensor:
    """How far inside a typical lung a place is: above 0 inside, below outside, about 1 a lung's width."""
    # Above the middle the lung narrows as an ellipse does; below, its lateral wall flares a little.
    top = ((0.55 - v) / 0.55).clamp(0, 1.2)
    half = (1 - top**2.4).clamp_min(0).sqrt()
    flare = 0.9 + 0.1 * ((v - 0.5) / 0.5).clamp(0, 1)
    walls = torch.minimum(u - 0.45 * (1 - half), 0.45 + (flare - 0.45) * half - u)
    apex = v * 0.6
    floor = (1 + 0.17 * ((u - 0.4) / 0.6).clamp(-0.6, 1.2) ** 2 - v) * 0.8
    shape = torch.minimum(torch.minimum(walls, floor), apex)
    if left:
        # The heart lies before the left lung's inner lower part.
        heart = 1 - ((u / 0.42) ** 2 + ((v - 0.85) / 0.38) ** 2).sqrt()
        shape = torch.minimum(shape, -heart * 0.4)
    return shape


@cache
def _templates(device: torch.device, left: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lungs of every searched size and place: parameters (count, 4), how unusual each is (count,), and patterns
    and weights (pixels, count).

    A pattern is -1 in the lung and 1 in a rim around it; beyond the rim, whatever there is counts nothing.
    """
    ranges = [torch.linspace(low, high, count, device=device) for low, high, count in _SEARCHED.values()]
    grid = torch.cartesian_prod(*ranges)
    unusual = torch.stack([((grid[:, k] - _TYPICAL[k]) / _SPREAD[k]) ** 2 for k in range(4)]).sum(0)
    if left:
        grid = torch.stack([1 - grid[:, 0], 1 - grid[:, 1], grid[:, 2], grid[:, 3]], dim=1)
    centres = (torch.arange(_MATCHED, device=device) + 0.5) / _MATCHED
    medial, lateral, apex, dome = (grid[:, k, None, None] for k in range(4))
    u = ((centres[None, None, :] - medial) / (lateral - medial)).expand(-1, _MATCHED, -1)
    v = ((centres[None, :, None] - apex) / (dome - apex)).expand(-1, -1, _MATCHED)
    shape = _lung_shape(u, v, left)
    inside = torch.sigmoid(shape * 40)
    rim = torch.sigmoid((shape + 0.22) * 40) - inside
    # Above the apex lies the neck on one side and the shoulder on the other: both brighter than lung.
    pattern = (rim - inside).flatten(1).T
    weight = (rim + inside).flatten(1).T
    return grid, unusual, pattern.contiguous(), weight.contiguous()


def estimate_anatomy(pictures: Tensor) -> Anatomy:
    """Where the lungs are in frontal radiographs (batch, 1, side, side): the best of many lungs of typical shape."""
    batch = pictures.shape[0]
    small = functional.adaptive_avg_pool2d(pictures.float(), _MATCHED).flatten(1)
    grids, scores = zip(*(_match(small, left) for left in (False, True)), strict=True)
    alone = [(score * 80).softmax(dim=1) @ grid for grid, score in zip(grids, scores, strict=True)]
    agreed = []
    for side in (0, 1):
        # Apices and domes lie at about the same height on both sides, the left ones a little lower.
        lower = 0.015 if side else -0.015
        off = grids[side][None, :, 2:] - (alone[1 - side][:, None, 2:] + lower)
        score = scores[side] - 0.02 * ((off / 0.05) ** 2).sum(dim=2)
        agreed.append((score * 80).softmax(dim=1) @ grids[side])
    right, left_lung = (parameters.view(batch, 4, 1, 1, 1).unbind(1) for parameters in agreed)
    return Anatomy(*((right[k], left_lung[k]) for k in range(4)))


def _match(small: Tensor, left: bool) -> tuple[Tensor, Tensor]:
    """The templates' parameters (count, 4), and how well each fits each picture: (batch, count)."""
    grid, unusual, pattern, weight = _templates(small.device, left)
    total = weight.sum(0)
    mean = small @ weight / total
    variance = (small**2) @ weight / total - mean**2
    pattern_mean = pattern.sum(0) / total
    pattern_variance = (pattern**2 / weight.clamp_min(1e-6)).sum(0) / total - pattern_mean**2
    covariance = small @ pattern / total - mean * pattern_mean
    score = covariance / (variance * pattern_variance).clamp_min(1e-8).sqrt()
    return grid, score - 0.02 * unusual


@cache
def _spread(device: torch.device, side: int, grains: int) -> Tensor:
    """Bicubic interpolation of so many grains to `side` pixels: (side, grains). Two products with such are a tenth of
    the time of the library's interpolation on a GPU."""
    each = torch.eye(grains, device=device)[None, :, :, None]
    return functional.interpolate(each, (side, 1), mode="bicubic", align_corners=False)[0, :, :, 0].T.contiguous()


class _Dice:
    """Random numbers for a batch, from one generator."""

    def __init__(self, batch: int, side: int, device: torch.device, generator: torch.Generator | None) -> None:
        self.batch = batch
        self.side = side
        self._device = device
        self._generator = generator

    def uniform(self, low: float, high: float) -> Tensor:
        """(batch, 1, 1, 1) between `low` and `high`."""
        return low + (high - low) * torch.rand(self.batch, 1, 1, 1, device=self._device, generator=self._generator)

    def several(self, count: int) -> Tensor:
        """(batch, 1, 1, count) between 0 and 1."""
        return torch.rand(self.batch, 1, 1, count, device=self._device, generator=self._generator)

    def chance(self, share: float) -> Tensor:
        """(batch, 1, 1, 1), 1 in about this share of the pictures and else 0."""
        return (self.several(1) < share).float()

    def choices(self, count: int, kinds: int) -> Tensor:
        """(batch, count) whole numbers from 0 to `kinds` - 1."""
        return torch.randint(kinds, (self.batch, count), device=self._device, generator=self._generator)

    def by_grade(self, grade: Tensor, ranges: tuple[tuple[float, float], ...]) -> Tensor:
        """(batch, 1, 1, 1) in the range of each case's `grade`, 1 and up; what comes of grade 0 means nothing."""
        table = torch.stack([self.uniform(low, high) for low, high in ranges])
        index = (grade.long() - 1).clamp(0, len(ranges) - 1)
        return table.gather(0, index[None])[0]

    def noise(self, rows: int, columns: int) -> Tensor:
        """Smooth noise over the picture, mean 0 and about -1 to 1, with so many grains down and across."""
        grains = torch.rand(self.batch, 1, rows, columns, device=self._device, generator=self._generator) * 2 - 1
        return _spread(self._device, self.side, rows) @ grains @ _spread(self._device, self.side, columns).T

    def texture(self, coarse: int) -> Tensor:
        """Noise of three sizes of grain, as tissue has."""
        return 0.55 * self.noise(coarse, coarse) + 0.3 * self.noise(2 * coarse, 2 * coarse) + 0.15 * self.noise(60, 60)

    def grain(self) -> Tensor:
        """Independent normal noise, a value a pixel."""
        shape = (self.batch, 1, self.side, self.side)
        return torch.randn(shape, device=self._device, generator=self._generator)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the painters of single findings share.

    `x`, `y`: the pixels' columns (1, 1, 1, side) and rows (1, 1, side, 1), as shares of the side. For either lung
    `u`, `v`, `shape` (see `_lung_shape`), `lung`, 1 in lung tissue, and `free`, the same blurred: (batch, 1, side,
    side). `tissue` and `air` are the brightness of heart and lung, (batch, 1, 1, 1).
    """

    dice: _Dice
    anatomy: Anatomy
    cases: Tensor
    x: Tensor
    y: Tensor
    u: tuple[Tensor, Tensor]
    v: tuple[Tensor, Tensor]
    shape: tuple[Tensor, Tensor]
    lung: tuple[Tensor, Tensor]
    free: tuple[Tensor, Tensor]
    tissue: Tensor
    air: Tensor

    def field(self, name: str) -> Tensor:
        """A column of the cases: (batch, 1, 1, 1)."""
        return self.cases[:, FIELDS.index(name)].view(-1, 1, 1, 1)

    def pixels(self, width: float) -> float:
        """A width in pixels of a picture of 224, as a share of the side; never below a pixel of this one."""
        return max(width / 224, 0.9 / self.dice.side)


# Findings are painted at this size, which most backgrounds come in: at 320 pixels it takes twice as long.
PAINTED_SIDE = 224


def paint(backgrounds: Tensor, case_array: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Radiographs with the cases' findings, varied as acquisition varies: (batch, 1, side, side) in 0 to 1.

    `backgrounds`: the same shape and range, frontal radiographs without findings, or with those that they are to keep
    where a case has none to paint. `case_array`: (painted, len(FIELDS)), see `cases.case_to_array`, of the first
    pictures; the others are varied alone. `generator` is of the pictures' device; without one, the device's own is
    used, as a captured graph needs.
    """
    painted, side = len(case_array), backgrounds.shape[-1]
    if painted:
        found = paint_findings(_resized(backgrounds[:painted], min(side, PAINTED_SIDE)), case_array, generator)
        backgrounds = torch.cat([_resized(found, side), backgrounds[painted:]])
    return vary(backgrounds, generator)


def _resized(pictures: Tensor, side: int) -> Tensor:
    """Pictures (batch, 1, rows, columns) at `side` pixels in 0 to 1."""
    if pictures.shape[-1] == side:
        return pictures
    resized = functional.interpolate(pictures, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return resized.clamp(0, 1)


def paint_findings(backgrounds: Tensor, case_array: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """The findings alone: what `paint` does before it varies the picture."""
    batch, _, _, side = backgrounds.shape
    dice = _Dice(batch, side, backgrounds.device, generator)
    anatomy = estimate_anatomy(backgrounds)
    centres = (torch.arange(side, device=backgrounds.device) + 0.5) / side
    x, y = centres.view(1, 1, 1, side), centres.view(1, 1, side, 1)
    tissue, air = _brightness(backgrounds, anatomy, x, y)
    pictures = _enlarge_heart(backgrounds, anatomy, case_array, x, y, dice)

    u, v, shape, lung = [], [], [], []
    between = (_smoothed(pictures, 5) - (tissue + air) / 2) / (tissue - air)
    for index in (0, 1):
        across = ((x - anatomy.medial[index]) / (anatomy.lateral[index] - anatomy.medial[index])).expand_as(pictures)
        down = ((y - anatomy.apex[index]) / (anatomy.dome[index] - anatomy.apex[index])).expand_as(pictures)
        inside = _lung_shape(across, down, left=index == 1)
        u.append(across)
        v.append(down)
        shape.append(inside)
        # The typical shape, let out a little and cut back to where the picture is dark; that also leaves out the heart.
        loose = torch.minimum(_lung_shape(across, down, left=False) + 0.09, down * 1.5 + 0.06)
        lung.append(torch.sigmoid(loose * 30) * torch.sigmoid(-between * 9 + 2.8))
    scene = _Scene(
        dice,
        anatomy,
        case_array,
        x,
        y,
        (u[0], u[1]),
        (v[0], v[1]),
        (shape[0], shape[1]),
        (lung[0], lung[1]),
        (_smoothed(lung[0], 9), _smoothed(lung[1], 9)),
        tissue,
        air,
    )
    pictures = _edema(pictures, scene)
    for index in (0, 1):
        pictures = _opacities(pictures, scene, index)
        pictures = _atelectasis(pictures, scene, index)
        pictures = _nodule(pictures, scene, index)
        pictures = _pneumothorax(pictures, scene, index)
        pictures = _effusion(pictures, scene, index)
    return _devices(pictures, scene).clamp(0, 1)


def _smoothed(pictures: Tensor, width: int) -> Tensor:
    """Blurred over about `width` pixels, an odd number."""
    padded = functional.pad(pictures, [width // 2] * 4, mode="replicate")
    once = functional.avg_pool2d(padded, width, stride=1)
    return functional.avg_pool2d(functional.pad(once, [width // 2] * 4, mode="replicate"), width, stride=1)


def _toward(pictures: Tensor, level: Tensor, share: Tensor) -> Tensor:
    """Lighter where `share` is above 0, up to `level` where it is 1; what is lighter already stays."""
    return pictures + (level.clamp_max(1) - pictures).clamp_min(0) * share


def _brightness(pictures: Tensor, anatomy: Anatomy, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """How bright the heart is, and the lungs: (batch, 1, 1, 1) each, the first always the brighter."""

    def mean(weight: Tensor) -> Tensor:
        return (pictures * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(1e-3)

    heart = torch.exp(-(((x - anatomy.midline - 0.03) / 0.05) ** 2 + ((y - anatomy.row(0, 0.75)) / 0.1) ** 2))
    lungs = torch.zeros_like(pictures)
    for index in (0, 1):
        column, row = anatomy.column(index, 0.55), anatomy.row(index, 0.5)
        lungs = lungs + torch.exp(-(((x - column) / 0.06) ** 2 + ((y - row) / 0.16) ** 2))
    tissue, air = mean(heart), mean(lungs)
    return torch.maximum(tissue, air + 0.12), air


def _enlarge_heart(pictures: Tensor, anatomy: Anatomy, cases: Tensor, x: Tensor, y: Tensor, dice: _Dice) -> Tensor:
    """Stretches the heart until it takes the share of the chest's width that its grade means."""
    grade = cases[:, FIELDS.index("cardiomegaly")].view(-1, 1, 1, 1)
    right, left = (_heart_border(pictures, anatomy, index) for index in (0, 1))
    share = (left - right) / anatomy.width
    wanted = dice.by_grade(grade, ((0.53, 0.60), (0.63, 0.76)))
    least = 1.12 + 0.25 * (grade > 1)
    stretch = torch.maximum(wanted / share.clamp(0.35, 0.50), least)
    # A heart grows to the left more than to the right.
    centre_x = right + 0.38 * (left - right)
    centre_y = anatomy.row(1, 0.78)
    reach_x = 1.5 * (left - centre_x) * stretch
    reach_y = 0.42 * anatomy.height
    pull = ((1 - 1 / stretch) / math.exp(-1 / 1.5**2)).clamp_max(0.8) * (grade > 0)
    near = torch.exp(-(((x - centre_x) / reach_x) ** 2 + ((y - centre_y) / reach_y) ** 2)) * pull
    source = torch.stack([x - (x - centre_x) * near, y - (y - centre_y) * near * 0.4], dim=-1)[:, 0]
    return functional.grid_sample(pictures, source * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False)


def _heart_border(pictures: Tensor, anatomy: Anatomy, index: int) -> Tensor:
    """The column where the heart ends on one side of the body: (batch, 1, 1, 1).

    It is where the picture darkens most on the way out, somewhere about where hearts of normal size end.
    """
    batch, samples = pictures.shape[0], 64
    outward = torch.linspace(0, 0.9, samples, device=pictures.device)
    down = torch.linspace(0.70, 0.88, 9, device=pictures.device).view(1, 1, 9, 1)
    column = anatomy.midline + outward.view(1, 1, 1, samples) * (anatomy.lateral[index] - anatomy.midline)
    row = anatomy.row(index, down)
    grid = (batch, 1, 9, samples)
    points = torch.stack([column.expand(grid), row.expand(grid)], dim=-1)[:, 0] * 2 - 1
    profile = functional.grid_sample(pictures, points, align_corners=False, padding_mode="border").mean(2)
    fall = (profile[..., :-6] - profile[..., 6:])[:, 0]
    fall = fall / fall.amax(dim=1, keepdim=True).clamp_min(1e-3)
    places = outward[3:-3]
    usual, spread = ((0.26, 0.12), (0.56, 0.16))[index]
    score = 12 * fall - 0.5 * ((places - usual) / spread) ** 2
    reached = (score.softmax(dim=1) * places).sum(dim=1).view(batch, 1, 1, 1)
    return anatomy.midline + reached * (anatomy.lateral[index] - anatomy.midline)


def _edema(pictures: Tensor, scene: _Scene) -> Tensor:
    """Wider vessels, then a haze about the hila and fine lines at the bases, then clouds like a bat's wings."""
    grade = scene.field("edema")
    dice = scene.dice
    detail = pictures - _smoothed(pictures, 9)
    haze_share = dice.by_grade(grade, ((0.16, 0.26), (0.24, 0.36), (0.35, 0.5))) * (grade > 0)
    cloud_share = dice.uniform(0.45, 0.7) * (grade > 2)
    mesh_share = dice.by_grade(grade, ((0.0, 0.04), (0.16, 0.26), (0.1, 0.2))) * (grade > 1)
    texture = dice.texture(9)
    mesh = (1 - (0.6 * (dice.noise(64, 64) + dice.noise(40, 40)) * 2.2).abs().clamp_max(1)) * (
        0.6 + 0.4 * dice.noise(12, 12)
    )
    lines = (1 - (dice.noise(80, 16) * 2.5).abs().clamp_max(1)) ** 2
    for index in (0, 1):
        u, v, lung = scene.u[index], scene.v[index], scene.lung[index]
        hilum = torch.exp(-(((u - 0.12) / 0.42) ** 2 + ((v - 0.55) / 0.34) ** 2))
        wing = torch.exp(-(((u - 0.12) / 0.5) ** 2 + ((v - 0.58) / 0.36) ** 2))
        lateral_base = torch.sigmoid((u - 0.6) * 14) * torch.sigmoid((v - 0.62) * 16)
        swollen = 1.1 * (grade > 0) * lung * hilum * dice.uniform(0.8, 1.3)
        pictures = pictures + detail.clamp_min(0) * swollen
        cloud = torch.sigmoid((wing + 0.7 * texture - 0.5) * 4) * wing.sqrt()
        share = haze_share * hilum + cloud_share * cloud + mesh_share * mesh * (0.5 + 0.5 * hilum)
        share = share + 0.13 * (grade > 1) * lines * lateral_base
        pictures = _toward(pictures, scene.tissue, share.clamp(0, 0.9) * lung)
    return pictures


# Rows of a zone, as v, in which the middle of an opacity or nodule may lie.
_ZONE_ROWS = ((0.18, 0.30), (0.47, 0.58), (0.79, 0.93))
_NODULE_ROWS = ((0.18, 0.31), (0.42, 0.60), (0.71, 0.86))
# How many places are tried for a finding that must not hide.
_PLACES = 16


def _opacities(pictures: Tensor, scene: _Scene, index: int) -> Tensor:
    """Airspace opacities: clouds of tissue brightness with frayed borders, one for each zone that has one."""
    dice, u, v = scene.dice, scene.u[index], scene.v[index]
    aspect = scene.anatomy.height / scene.anatomy.width * 2
    for zone, (high, low) in zip(ZONES, _ZONE_ROWS, strict=True):
        severity = scene.field(f"opacity_{zone}_{SIDES[index]}")
        size = dice.by_grade(severity, ((0.23, 0.34), (0.24, 0.36), (0.30, 0.44)))
        # The apex is narrow, and the heart hides the inner part of the left base.
        low_u, high_u = (
            (0.4, 0.62) if zone == "upper" else (0.58, 0.82) if zone == "lower" and index == 1 else (0.4, 0.72)
        )
        across, down = _freest(
            scene,
            index,
            low_u + (high_u - low_u) * dice.several(_PLACES),
            high + (low - high) * dice.several(_PLACES),
        )
        cloud = torch.zeros_like(u)
        for _ in range(3):
            off_u, off_v = dice.uniform(-0.6, 0.6) * size, dice.uniform(-0.2, 0.2) * size
            wide, tall = size * dice.uniform(0.65, 1.1), size * dice.uniform(0.45, 0.8) / aspect
            distance = ((u - across - off_u) / wide) ** 2 + ((v - down - off_v) / tall) ** 2
            cloud = torch.maximum(cloud, torch.exp(-distance))
        edge = dice.uniform(4, 8)
        frayed = torch.sigmoid((cloud + 0.42 * dice.texture(10) - 0.45) * edge) * (cloud * 4).clamp_max(1)
        share = dice.by_grade(severity, ((0.48, 0.60), (0.58, 0.70), (0.72, 0.90))) * (severity > 0)
        # A little above the heart's brightness: at the bases lung alone comes near that.
        level = scene.tissue + 0.1 * (scene.tissue - scene.air)
        pictures = _toward(pictures, level, share * frayed * (0.9 + 0.25 * dice.texture(14)) * scene.lung[index])
    return pictures


def _freest(scene: _Scene, index: int, across: Tensor, down: Tensor, low: float = 0.0) -> tuple[Tensor, Tensor]:
    """One of several places in a lung, (batch, 1, 1, places) each: any that heart, mediastinum and diaphragm leave
    free, and where none is, the freest; the larger `low`, the lower. Returns (batch, 1, 1, 1) each."""
    anatomy = scene.anatomy
    points = torch.stack([anatomy.column(index, across), anatomy.row(index, down)], dim=-1)[:, 0] * 2 - 1
    free = functional.grid_sample(scene.free[index], points, align_corners=False, padding_mode="border")
    chosen = (free.clamp_max(0.75) * 20 + scene.dice.several(across.shape[-1]) + low * down).argmax(
        dim=-1, keepdim=True
    )
    return across.gather(-1, chosen), down.gather(-1, chosen)


def _denser(pictures: Tensor, scene: _Scene, level: Tensor, share: Tensor) -> Tensor:
    """As `_toward`, but what lies in the beam adds to what was there before: ribs and vessels shine through it, and a
    place that is bright already does not hide it."""
    contrast = scene.tissue - scene.air
    most = torch.lerp(contrast.expand_as(pictures), level - pictures, 0.4)
    most = torch.minimum(most, torch.maximum(1.04 * level - pictures, 0.4 * contrast))
    return pictures + torch.minimum(most, (1 - pictures).clamp_min(0)) * share


def _atelectasis(pictures: Tensor, scene: _Scene, index: int) -> Tensor:
    """One to three bands across the base, a little oblique, 3 to 11 mm thick, the lung beneath them less aerated."""
    present = scene.field(f"atelectasis_{SIDES[index]}")
    dice, u, v = scene.dice, scene.u[index], scene.v[index]
    slope = dice.uniform(-0.08, 0.18)
    # Fluid at the base would hide what lies in it.
    lowest = 0.98 - 0.2 * (scene.field(f"effusion_{SIDES[index]}") > 0)
    middle, base = _freest(
        scene,
        index,
        0.45 + 0.25 * dice.several(_PLACES),
        0.70 + (lowest - 0.70) * dice.several(_PLACES),
        low=30.0,
    )
    for number in range(3):
        shown = present * (dice.uniform(0, 1) < (1.0, 0.5, 0.25)[number])
        reach = dice.uniform(0.2, 0.4)
        bend = dice.uniform(-0.12, 0.12) * (u - middle) ** 2
        height = base if number == 0 else base - dice.uniform(0.03, 0.075) * number
        thickness = dice.uniform(0.012, 0.030) if number == 0 else dice.uniform(0.009, 0.02)
        below = v - height + (slope + dice.uniform(-0.06, 0.06) * (number > 0)) * (u - middle) + bend
        across = torch.exp(-((below / thickness) ** 2))
        along = torch.sigmoid((reach - (u - middle).abs()) * dice.uniform(10, 22))
        band = across * (0.85 + 0.3 * dice.noise(8, 16))
        share = dice.uniform(0.5, 0.8) * band
        if number == 0:
            share = share + dice.uniform(0.0, 0.22) * torch.sigmoid(below * 60) * torch.exp(-below.clamp_min(0) * 6)
        share = shown * along * share
        pictures = _denser(pictures, scene, scene.tissue, share.clamp(0, 1) * scene.lung[index])
        middle = middle + dice.uniform(-0.1, 0.1)
    return pictures


def _nodule(pictures: Tensor, scene: _Scene, index: int) -> Tensor:
    """A round lesion of tissue, lightest in its middle, where the beam passes most of it.

    Small ones are smooth; larger ones are lobulated or spiculated, and some are hollow, with or without a level.
    """
    dice, anatomy = scene.dice, scene.anatomy
    zone = scene.field(f"nodule_zone_{SIDES[index]}")
    diameter = scene.field(f"nodule_diameter_{SIDES[index]}")
    lung_width = (anatomy.lateral[index] - anatomy.medial[index]).abs().clamp_min(0.05)
    wide = (diameter / 2 / CHEST_WIDTH * anatomy.width).clamp_min(1e-3)
    tall = (diameter / 2 / LUNG_HEIGHT * anatomy.height).clamp_min(1e-3)
    # It lies between mediastinum and chest wall, and over the fluid where there is some.
    reach = wide / lung_width
    lateral = (1.0 - 0.9 * reach).clamp(0.5, 0.88) - 0.2 * (zone == 1)
    medial = (0.2 + 0.9 * reach).clamp(0.3, 0.48)
    high, low = (_of_zone(zone, rows) for rows in zip(*_NODULE_ROWS, strict=True))
    low = torch.where(scene.field(f"effusion_{SIDES[index]}") > 0, low.clamp_max(0.75), low)
    across, down = _freest(
        scene,
        index,
        medial + (lateral - medial) * dice.several(_PLACES),
        high + (low - high) * dice.several(_PLACES),
    )
    column, row = anatomy.column(index, across), anatomy.row(index, down)
    stretch = dice.uniform(0.9, 1.1)
    off_x, off_y = (scene.x - column) / wide * stretch, (scene.y - row) / tall / stretch
    radius = (off_x**2 + off_y**2).clamp_min(1e-8).sqrt()
    size = ((diameter - 12) / 20).clamp(0, 1)
    lobes = 0.05 + size * dice.uniform(0.08, 0.32)
    shaped = radius * (1 + lobes * dice.noise(15, 15))
    ball = (1 - (shaped / 1.08) ** 2).clamp_min(0).sqrt()
    edge = wide * 224 * torch.lerp(torch.full_like(wide, 1.6), dice.uniform(0.3, 1.2), size)
    rim = torch.sigmoid((1.02 - shaped) * edge)
    # Strands into the lung around it.
    turn = torch.atan2(off_y, off_x)
    rays = torch.cos(turn * 7 + dice.uniform(0, 6)) * torch.cos(turn * 4 + dice.uniform(0, 6))
    spiculated = dice.chance(0.35) * size
    strands = (rays * 1.6 - 0.25).clamp(0, 1) * torch.exp(-(shaped - 1).clamp_min(0) * 3.5) * (1 - rim)
    solid = rim * (0.5 + 0.5 * ball) * (1 + size * dice.uniform(0.05, 0.3) * dice.texture(12))
    # A hollow lesion has a wall of uneven thickness, and fluid may stand in it.
    hollow = dice.chance(0.25) * (diameter > 22)
    inner = dice.uniform(0.4, 0.68)
    inside = (((off_x - dice.uniform(-0.2, 0.2)) ** 2 + (off_y - dice.uniform(-0.2, 0.2)) ** 2).sqrt()) / inner
    inside = torch.sigmoid((1 - inside * (1 + 0.15 * dice.noise(16, 16))) * inner * wide * 224)
    above_fluid = torch.sigmoid((dice.uniform(-0.2, 0.35) - off_y) * tall * 224 * 1.5)
    air = inside * torch.lerp(torch.ones_like(above_fluid), above_fluid, dice.chance(0.4))
    solid = solid * (1 - hollow * air * dice.uniform(0.6, 0.85))
    share = (dice.uniform(0.55, 0.85) + ((diameter - 8) / 30).clamp(0, 1) * 0.1) * (
        solid + spiculated * dice.uniform(0.35, 0.6) * strands * scene.lung[index]
    )
    return _denser(pictures, scene, scene.tissue, (zone > 0) * share.clamp(0, 1))


def _of_zone(zone: Tensor, values: tuple[float, float, float]) -> Tensor:
    """The value of each case's zone, 1 to 3 from the top."""
    return values[0] + (values[1] - values[0]) * (zone > 1) + (values[2] - values[1]) * (zone > 2)


def _pneumothorax(pictures: Tensor, scene: _Scene, index: int) -> Tensor:
    """Air between chest wall and lung: darker, without markings, behind a thin pleural line; the lung falls "
    "together."""
    grade = scene.field(f"pneumothorax_{SIDES[index]}")
    dice, u, v = scene.dice, scene.u[index], scene.v[index]
    # The lung that is left is a typical lung, narrower and lower: below 0 within it, above 0 in the air around it.
    narrower = dice.by_grade(grade, ((0.06, 0.12), (0.14, 0.24), (0.42, 0.55)))
    lower = dice.by_grade(grade, ((0.13, 0.20), (0.20, 0.30), (0.30, 0.42)))
    # A small one ends on its way down the chest wall.
    end = dice.by_grade(grade, ((0.40, 0.60), (1.0, 1.3), (3.0, 4.0)))
    narrower = narrower * (1 - (v / end).clamp(0, 1) ** 2)
    across = (u / (1 - narrower) - 0.43).abs() / 0.52
    down = ((0.55 - (v - lower) / (1 - lower)) / 0.55).clamp_min(0)
    outside = across**2.4 + down**2.4 - 1 + 0.03 * dice.noise(6, 6)
    steep = torch.stack(torch.gradient(outside, dim=(2, 3))).square().sum(0).sqrt().clamp_min(1e-3)
    pixels = (outside / steep).clamp(-60, 60)

    top = ((0.55 - v) / 0.55).clamp(0, 1.2)
    wall = 0.45 + (0.5 + 0.08 * ((v - 0.5) / 0.5).clamp(0, 1)) * (1 - top**2.4).clamp_min(0).sqrt() - u
    cavity = torch.sigmoid((wall + 0.03) * 60) * torch.sigmoid((v + 0.03) * 60)
    cavity = cavity * torch.sigmoid((1.12 - v) * 30) * torch.sigmoid((u - 0.02) * 40) * (grade > 0)
    cavity = cavity * torch.sigmoid((end - v) * 18)
    lung = scene.lung[index]
    free = torch.sigmoid(pixels * 1.5) * cavity * lung.clamp_min(0.35)
    empty = _smoothed(pictures, 3)
    empty = empty - dice.uniform(0.28, 0.45) * (empty - scene.air * 0.35).clamp_min(0)
    pictures = pictures + (empty - pictures) * free
    collapsed = torch.sigmoid(-pixels) * lung * (grade > 0)
    share = dice.by_grade(grade, ((0.0, 0.05), (0.08, 0.16), (0.3, 0.45)))
    pictures = _toward(pictures, scene.tissue, (share * collapsed * (1 + 0.3 * dice.texture(12))).clamp(0, 1))
    line = torch.exp(-((pixels / (scene.pixels(0.9) * dice.side)) ** 2)) * cavity * lung.clamp_min(0.3)
    # Where the lung touches the chest wall there is no line to see.
    return _toward(pictures, scene.tissue, dice.uniform(0.3, 0.55) * line * torch.sigmoid((wall - 0.02) * 80))


def _effusion(pictures: Tensor, scene: _Scene, index: int) -> Tensor:
    """Fluid from the costophrenic angle up, its surface rising along the chest wall; the diaphragm drowns in it."""
    grade = scene.field(f"effusion_{SIDES[index]}")
    dice, u, v = scene.dice, scene.u[index], scene.v[index]
    at_wall = dice.by_grade(grade, ((0.80, 0.90), (0.50, 0.64), (0.12, 0.28)))
    at_heart = dice.by_grade(grade, ((1.04, 1.14), (0.80, 0.90), (0.34, 0.50)))
    curve = dice.by_grade(grade, ((1.6, 2.4), (1.8, 2.6), (1.4, 2.2)))
    level = at_heart + (at_wall - at_heart) * u.clamp(0, 1.15) ** curve + 0.012 * dice.noise(5, 5)
    below = v - level
    # Taken upright the fluid ends in a line; the more a patient lies, the more it is a veil that thickens downwards.
    lying = dice.chance(0.35) * dice.uniform(0, 1)
    surface = torch.sigmoid(below / (dice.uniform(0.016, 0.032) + 0.07 * lying))
    depth = 1 - torch.exp(-(below.clamp_min(0) + 0.02) / (dice.uniform(0.05, 0.09) + 0.12 * lying))
    top = ((0.55 - v) / 0.55).clamp(0, 1.2)
    wall = 0.45 + 0.66 * (1 - top**2.4).clamp_min(0).sqrt() - u
    cavity = torch.sigmoid(wall * 45) * torch.sigmoid((u + 0.04) * 28) * torch.sigmoid((1.34 - v) * 16)
    fluid = scene.tissue * dice.uniform(0.92, 1.06) + 0.02 * dice.noise(6, 6)
    share = (grade > 0) * surface * depth * cavity * dice.uniform(0.86, 0.95)
    return _toward(pictures, fluid, share)


def _devices(pictures: Tensor, scene: _Scene) -> Tensor:
    """Metal and plastic: thin bright courses, each a row's column or a column's row, and the pacemaker's box."""
    dice, anatomy, x, y = scene.dice, scene.anatomy, scene.x, scene.y
    apex = (anatomy.apex[0] + anatomy.apex[1]) / 2
    bottom = (anatomy.dome[0] + anatomy.dome[1]) / 2
    height, width, middle = anatomy.height, anatomy.width, anatomy.midline
    metal = torch.zeros_like(pictures)

    def upto(at: Tensor, high: Tensor) -> Tensor:
        return torch.sigmoid((high - at) * dice.side / 1.2)

    def between(at: Tensor, low: Tensor, high: Tensor) -> Tensor:
        return torch.sigmoid((at - low) * dice.side / 1.2) * upto(at, high)

    def course(off: Tensor, thickness: float) -> Tensor:
        return torch.exp(-((off / scene.pixels(thickness)) ** 2))

    # Endotracheal tube: down the trachea, its tip between clavicles and carina.
    tip = apex + height * dice.uniform(0.19, 0.31)
    trachea = middle - width * 0.012 + width * dice.uniform(-0.015, 0.015) * ((tip - y) / height)
    tube = course(x - trachea, 0.9) * 0.75 + 0.2 * between(x, trachea - width * 0.016, trachea + width * 0.016)
    metal = torch.maximum(metal, scene.field("endotracheal_tube") * tube * upto(y, tip))

    # Nasogastric tube: down the oesophagus, then into the stomach on the left.
    along = ((y - bottom + 0.05 * height) / (0.3 * height)).clamp(0, 1)
    swing = width * dice.uniform(0.008, 0.022) * torch.sin((y - apex) / height * 4 + dice.uniform(0, 6))
    gullet = middle + width * dice.uniform(-0.01, 0.03) + swing + width * dice.uniform(0.10, 0.2) * along**1.7
    end = bottom + height * dice.uniform(0.16, 0.32)
    metal = torch.maximum(metal, scene.field("nasogastric_tube") * course(x - gullet, 0.85) * 0.8 * upto(y, end))

    # Central venous line: from the right neck to the superior vena cava.
    start = apex - height * dice.uniform(0.02, 0.16)
    end = apex + height * dice.uniform(0.40, 0.55)
    cava = middle - width * dice.uniform(0.055, 0.085)
    along = ((y - start) / (end - start)).clamp(0, 1)
    vein = cava - width * dice.uniform(0.04, 0.10) * (1 - along) ** 2.2
    metal = torch.maximum(metal, scene.field("central_line") * course(x - vein, 0.8) * 0.8 * between(y, start, end))

    # Sternal wires: a row of small loops over the midline.
    pitch = height * dice.uniform(0.12, 0.155)
    first = apex + height * dice.uniform(0.12, 0.2)
    within = ((y - first) / pitch) % 1.0 - 0.5
    lean = width * dice.uniform(-0.01, 0.01) * torch.floor((y - first) / pitch)
    off = (x - middle - lean * 0.5) / (width * 0.02)
    loop = ((off**2 + (within * pitch / (height * 0.022)) ** 2).sqrt() - 1).abs() * width * 0.02
    twist = course((off - 1.2) * width * 0.02, 0.8) * ((within * pitch / (height * 0.03)).abs() < 0.5)
    wires = torch.maximum(torch.exp(-((loop / scene.pixels(0.8)) ** 2)), twist)
    metal = torch.maximum(metal, scene.field("sternal_wires") * wires * between(y, first, first + 5 * pitch))

    # Pacemaker: a box before the left upper chest, leads through the subclavian vein to the right heart.
    box_x = anatomy.column(1, dice.uniform(0.52, 0.85))
    box_y = anatomy.row(1, dice.uniform(0.14, 0.26))
    half_x, half_y = width * dice.uniform(0.076, 0.092), height * dice.uniform(0.085, 0.105)
    shape = (((x - box_x) / half_x).abs() ** 3.2 + ((y - box_y) / half_y).abs() ** 3.2).clamp_min(1e-6) ** (1 / 3.2)
    box = torch.sigmoid((1 - shape) * half_x * dice.side * 1.5)
    plain = 0.78 + 0.22 * torch.sigmoid((shape - 0.55) * 14)
    leads = torch.zeros_like(pictures)
    for number in (0, 1):
        # Over to the great veins, ...
        turn = cava + width * 0.006 * number
        vein_y = anatomy.row(1, dice.uniform(0.08, 0.12))
        along = ((box_x - x) / (box_x - turn)).clamp(0, 1)
        corner = vein_y + height * (0.05 + 0.015 * number)
        bend = width * 0.06
        arch = box_y - half_y * 0.4 + (vein_y - box_y + half_y * 0.4) * torch.sin(along * math.pi / 2)
        arch = arch + (corner - vein_y) * ((box_x - x) / (box_x - turn - bend)).clamp(0, 1) ** 4
        over = course(y - arch, 0.75) * between(x, turn + bend, box_x)
        # ... down to the right atrium, ...
        low = apex + height * (dice.uniform(0.62, 0.68) if number == 0 else dice.uniform(0.74, 0.8))
        vein = turn + bend * torch.exp(-((y - corner) / (0.06 * height)).clamp_min(0))
        down = course(x - vein, 0.75) * between(y, corner, low)
        leads = torch.maximum(leads, torch.maximum(over, down))
        # ... and one of them on to the apex of the right ventricle.
        if number == 1:
            ventricle = middle + width * dice.uniform(0.10, 0.15)
            along = ((x - turn) / (ventricle - turn)).clamp(0, 1)
            floor = low + height * (0.11 * along.clamp_min(1e-4) ** 0.5 - 0.02 * along**2)
            leads = torch.maximum(leads, course(y - floor, 0.85) * between(x, turn, ventricle))
    pacemaker = torch.maximum(box * plain, leads * 0.8)
    metal = torch.maximum(metal, scene.field("pacemaker") * pacemaker)
    return pictures + (0.98 - pictures).clamp_min(0) * metal * dice.uniform(0.8, 1.0)


# Capital letters and figures of five by seven points, a number a row: what is burnt into pictures.
_FONT: dict[str, tuple[int, int, int, int, int, int, int]] = {
    "R": (30, 17, 17, 30, 20, 18, 17),
    "L": (16, 16, 16, 16, 16, 16, 31),
    " ": (0, 0, 0, 0, 0, 0, 0),
    "A": (14, 17, 17, 31, 17, 17, 17),
    "B": (30, 17, 17, 30, 17, 17, 30),
    "D": (30, 17, 17, 17, 17, 17, 30),
    "E": (31, 16, 16, 30, 16, 16, 31),
    "I": (14, 4, 4, 4, 4, 4, 14),
    "M": (17, 27, 21, 21, 17, 17, 17),
    "N": (17, 25, 21, 19, 17, 17, 17),
    "O": (14, 17, 17, 17, 17, 17, 14),
    "P": (30, 17, 17, 30, 16, 16, 16),
    "S": (15, 16, 16, 14, 1, 1, 30),
    "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14),
    "X": (17, 17, 10, 4, 10, 17, 17),
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 6, 8, 16, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
}
# Letters in a line of text, and lines on a page of it.
_LINE, _PAGE = 14, 10


@cache
def _font(device: torch.device) -> Tensor:
    """The letters with a margin around each: (letters, 9, 7), 1 where there is ink."""
    bits = torch.tensor([[[row >> (4 - k) & 1 for k in range(5)] for row in rows] for rows in _FONT.values()])
    return functional.pad(bits.float(), (1, 1, 1, 1)).to(device)


def _written(letters: Tensor) -> Tensor:
    """Lines of text from positions in `_FONT`, (batch, lines, letters): (batch, 1, 9 * lines, 7 * letters)."""
    batch, lines, count = letters.shape
    return _font(letters.device)[letters].permute(0, 1, 3, 2, 4).reshape(batch, 1, 9 * lines, 7 * count)


def _placed(text: Tensor, x: Tensor, y: Tensor, half_width: Tensor, half_height: Tensor) -> Tensor:
    """Text scaled to a box about (0, 0), over pixels with columns `x` and rows `y` from there."""
    batch, side = text.shape[0], x.shape[-1]
    over = (batch, 1, side, side)
    points = torch.stack([(x / half_width).expand(over), (y / half_height).expand(over)], dim=-1)[:, 0]
    return functional.grid_sample(text, points, mode="bilinear", padding_mode="zeros", align_corners=False)


def _letters(pictures: Tensor, dice: _Dice, x: Tensor, y: Tensor) -> Tensor:
    """A side's letter in a few pictures, upright and on its own side, and in a few a line of text at an edge."""
    side = dice.choices(1, 2)
    out = dice.uniform(0.34, 0.44)
    # The patient's right is the picture's left.
    middle = torch.where(side.view(-1, 1, 1, 1) == 0, -out, out)
    tall = dice.uniform(0.02, 0.04)
    marker = _placed(_written(side[:, None]), x - middle, y - dice.uniform(-0.45, -0.28), tall * 0.78, tall)
    tall = dice.uniform(0.012, 0.022)
    wide = tall * dice.uniform(7, 10)
    edge = torch.where(dice.chance(0.5) > 0, dice.uniform(0.45, 0.48), dice.uniform(-0.48, -0.45))
    line = _written(dice.choices(_LINE, len(_FONT))[:, None])
    line = _placed(line, x - dice.uniform(-0.3, 0.3), y - edge, wide, tall)
    ink = torch.maximum(marker * dice.chance(0.2), line * dice.chance(0.12))
    return torch.lerp(pictures, dice.uniform(0.8, 1.0), ink)


def _wires(pictures: Tensor, dice: _Dice, x: Tensor, y: Tensor) -> Tensor:
    """Monitoring leads over the chest of a few patients: from an electrode on the skin a thin wire to the edge.

    They lie on the skin to the side of the mediastinum and run aslant, as no tube or line within the chest does.
    """
    thickness = max(0.8 / 224, 0.9 / dice.side)
    metal = torch.zeros_like(pictures)
    for number in range(3):
        left = 1.0 if number % 2 else -1.0
        at_x, at_y = left * dice.uniform(0.14, 0.34), dice.uniform(-0.3, 0.3)
        upward = dice.chance(0.5) * 2 - 1
        beyond = (y - at_y) * -upward
        aslant = left * dice.uniform(0.15, 0.9)
        bend, pitch, phase = dice.uniform(0.0, 0.05), dice.uniform(4, 9), dice.uniform(0, 6)
        course = at_x + aslant * beyond + bend * (torch.sin(beyond * pitch + phase) - torch.sin(phase))
        # How far a pixel is from the wire, which is not upright.
        off = (x - course) / (1 + aslant**2).sqrt()
        wire = torch.exp(-((off / thickness) ** 2)) * torch.sigmoid(beyond * dice.side)
        away = ((x - at_x) ** 2 + (y - at_y) ** 2).clamp_min(1e-8).sqrt() / dice.uniform(0.012, 0.02)
        disc = 0.35 * torch.sigmoid((1 - away) * 10) + 0.9 * torch.sigmoid((0.4 - away) * 14)
        metal = torch.maximum(metal, dice.chance((1.0, 0.9, 0.5)[number]) * torch.maximum(wire * 0.8, disc))
    return pictures + (0.95 - pictures).clamp_min(0) * metal.clamp_max(1) * dice.uniform(0.4, 0.9) * dice.chance(0.12)


def vary(pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Pictures (batch, 1, side, side) turned, shifted, scaled, squeezed and exposed as another machine might have done
    it, in a few with monitoring leads, collimated edges, burnt-in letters, a narrow window or the blur of a small
    picture enlarged.

    No picture is mirrored. Which side is which is told by heart, aortic arch, stomach bubble and the markers, all of
    which a mirror would turn against the report; findings are painted on both sides as it is.
    """
    batch, _, _, side = pictures.shape
    dice = _Dice(batch, side, pictures.device, generator)
    centres = (torch.arange(side, device=pictures.device) + 0.5) / side - 0.5
    x, y = centres.view(1, 1, 1, side), centres.view(1, 1, side, 1)
    angle = dice.uniform(-1, 1) * dice.uniform(0, math.radians(6))
    # What is shown of the world around: most are cut to the chest, a few have wide margins or were squeezed.
    margin = 1 + dice.chance(0.15) * dice.uniform(0.0, 0.25)
    squeezed = torch.exp(dice.chance(0.3) * dice.uniform(-0.1, 0.1))
    wide, tall = dice.uniform(0.93, 1.10) * margin * squeezed, dice.uniform(0.93, 1.10) * margin / squeezed
    column = (x * torch.cos(angle) - y * torch.sin(angle)) * wide + dice.uniform(-0.04, 0.04)
    row = (x * torch.sin(angle) + y * torch.cos(angle)) * tall + dice.uniform(-0.04, 0.04)
    points = torch.stack([column, row], dim=-1)[:, 0] * 2
    # Beyond the picture all is black, or light where a picture was inverted or scanned.
    border = dice.chance(0.12) * dice.uniform(0.3, 1.0)
    pictures = functional.grid_sample(
        pictures - border, points, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    pictures = _wires(pictures + border, dice, x, y)

    smooth = _smoothed(pictures, 3)
    # Below 0 the picture is sharpened, above it is blurred.
    pictures = torch.lerp(pictures, smooth, dice.uniform(-0.6, 0.8))
    local = functional.interpolate(
        functional.adaptive_avg_pool2d(pictures, 8), (side, side), mode="bicubic", align_corners=False
    )
    pictures = pictures + dice.uniform(-0.15, 0.35) * (pictures - local)
    pictures = pictures + dice.uniform(0, 0.05) * dice.noise(3, 3)
    pictures = pictures.clamp(1e-4, 1) ** torch.exp(dice.uniform(-0.35, 0.35))
    # A window that leaves out the darkest and the lightest.
    narrow = dice.chance(0.2)
    low, high = narrow * dice.uniform(0.0, 0.14), 1 - narrow * dice.uniform(0.0, 0.14)
    pictures = ((pictures - low) / (high - low)).clamp(0, 1)
    pictures = (pictures - 0.5) * dice.uniform(0.78, 1.18) + 0.5 + dice.uniform(-0.07, 0.07)
    pictures = _collimated(pictures, dice, x, y)
    pictures = _letters(pictures, dice, x, y)
    pictures = (pictures + dice.grain() * dice.uniform(0.0, 0.022)).clamp(0, 1)
    return torch.lerp(pictures, _enlarged(pictures), dice.chance(0.3))


def _collimated(pictures: Tensor, dice: _Dice, x: Tensor, y: Tensor) -> Tensor:
    """In a few pictures some edges are cut by the collimator's shadow: straight, dark, not quite parallel."""
    lit = torch.ones_like(pictures)
    for across, along in ((x, y), (-x, y), (y, x), (-y, x)):
        edge = 0.5 - dice.chance(0.5) * dice.uniform(0.01, 0.05)
        lit = lit * torch.sigmoid((edge + dice.uniform(-0.03, 0.03) * along - across) * dice.side * 1.2)
    shown = dice.chance(0.15)
    return pictures * (1 - shown + shown * lit) + shown * (1 - lit) * dice.uniform(0.0, 0.06)


# The side, in pixels, of the smallest real radiographs.
_SMALL = 64


def _enlarged(pictures: Tensor) -> Tensor:
    """What is left of pictures that were stored small: (batch, 1, side, side), blurred."""
    side = pictures.shape[-1]
    small = functional.adaptive_avg_pool2d(pictures, _SMALL)
    return functional.interpolate(small, (side, side), mode="bicubic", align_corners=False).clamp(0, 1)


def empty_pictures(
    count: int, side: int, generator: torch.Generator | None = None, device: torch.device | None = None
) -> Tensor:
    """Pictures in which nothing can be seen: (count, 1, side, side) in 0 to 1.

    Each is an even grey, noise of fine or of coarse grain, a gradient, or text on black, one as often as the other.
    They are made on `device`, by default the generator's, and without either on the CPU.
    """
    place = device or (generator.device if generator is not None else torch.device("cpu"))
    dice = _Dice(count, side, place, generator)
    centres = (torch.arange(side, device=place) + 0.5) / side - 0.5
    x, y = centres.view(1, 1, 1, side), centres.view(1, 1, side, 1)
    level, spread = dice.uniform(0, 1), dice.uniform(0.05, 0.4)
    even = level.expand(count, 1, side, side)
    turn = dice.uniform(0, 2 * math.pi)
    gradient = level + (x * torch.cos(turn) + y * torch.sin(turn)) * dice.uniform(0.3, 2.0)
    radial = level + ((x**2 + y**2).sqrt() - 0.35) * dice.uniform(-2.0, 2.0)
    page = _written(dice.choices(_LINE * _PAGE, len(_FONT)).view(count, _PAGE, _LINE))
    tall = dice.uniform(0.15, 0.6)
    off_x, off_y = dice.uniform(-0.2, 0.2), dice.uniform(-0.3, 0.3)
    text = _placed(page, x - off_x, y - off_y, tall * dice.uniform(0.8, 1.2), tall) * dice.uniform(0.6, 1.0)
    kinds = torch.stack(
        [
            even,
            level + dice.grain() * spread,
            level + dice.noise(5, 5) * spread * 1.5,
            torch.where(dice.chance(0.5) > 0, gradient, radial),
            text,
        ]
    )
    kind = dice.choices(1, len(kinds)).view(1, count, 1, 1, 1).expand(1, count, 1, side, side)
    return kinds.gather(0, kind)[0].clamp(0, 1)
