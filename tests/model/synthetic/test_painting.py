"""Findings are painted where their case says. The radiograph is schematic, so that places are known exactly."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor

from model.synthetic.cases import DEVICES, Case, Lung, Nodule, Opacity, Zone, case_to_array, mirrored, sample_case
from model.synthetic.painting import (
    CHEST_WIDTH,
    Anatomy,
    empty_pictures,
    estimate_anatomy,
    paint,
    paint_findings,
    vary,
)

SIDE = 128
# Where the schematic lungs are, as shares of the side: medial, lateral, apex, dome.
RIGHT_LUNG = (0.42, 0.12, 0.12, 0.74)
LEFT_LUNG = (0.58, 0.88, 0.12, 0.75)
LUNGS = {"right": RIGHT_LUNG, "left": LEFT_LUNG}


def schematic_chest(dx: float = 0.0, dy: float = 0.0) -> Tensor:
    """A bright body with two dark lungs that have fine markings, and a heart: (1, 1, SIDE, SIDE)."""
    centres = (np.arange(SIDE) + 0.5) / SIDE
    x, y = centres[None, :] - dx, centres[:, None] - dy
    picture = np.where(np.abs(x - 0.5) < 0.46, 0.72, 0.05) * np.ones_like(y)
    for medial, lateral, apex, dome in (RIGHT_LUNG, LEFT_LUNG):
        middle, half = (medial + lateral) / 2, abs(medial - lateral) / 2
        rounded = np.abs((x - middle) / half) ** 3 + np.clip((apex + 0.3 - y) / 0.3, 0, None) ** 2.5 < 1
        picture = np.where(rounded & (y < dome + 0.3 * (x - middle) ** 2), 0.25, picture)
    picture = np.where(((x - 0.54) / 0.12) ** 2 + ((y - 0.62) / 0.14) ** 2 < 1, 0.75, picture)
    markings = 0.05 * np.sin(x * 90) * np.sin(y * 110) * (picture < 0.5)
    return torch.from_numpy(picture + markings).float()[None, None]


@cache
def without_findings(count: int) -> Tensor:
    """The chest painted `count` times with nothing to paint, which leaves it as it is: painted once for all tests."""
    background = schematic_chest().expand(count, -1, -1, -1)
    generator = torch.Generator().manual_seed(0)
    return paint_findings(background, torch.from_numpy(case_to_array([Case()] * count)), generator)


def painted(case: Case, count: int = 6) -> tuple[Tensor, Tensor]:
    """The case painted `count` times: what is added, (count, SIDE, SIDE), and the pictures."""
    background = schematic_chest().expand(count, -1, -1, -1)
    generator = torch.Generator().manual_seed(0)
    pictures = paint_findings(background, torch.from_numpy(case_to_array([case] * count)), generator)
    return (pictures - without_findings(count))[:, 0], pictures


def region(added: Tensor, side: str, low: float, high: float) -> Tensor:
    """The mean of what is added in a lung between two heights, v from 0 at the apex to 1 at the dome: (count,)."""
    medial, lateral, apex, dome = LUNGS[side]
    columns = sorted((int(medial * SIDE), int(lateral * SIDE)))
    rows = [int((apex + v * (dome - apex)) * SIDE) for v in (low, high)]
    return added[:, rows[0] : rows[1], columns[0] : columns[1]].mean(dim=(1, 2))


def other(side: str) -> str:
    return "left" if side == "right" else "right"


def of_side(side: str, lung: Lung) -> Case:
    return Case(right=lung) if side == "right" else Case(left=lung)


def test_the_lungs_are_found() -> None:
    for dx, dy in ((0.0, 0.0), (0.04, 0.0), (-0.04, 0.05)):
        anatomy = estimate_anatomy(schematic_chest(dx, dy))
        for index, (medial, lateral, apex, dome) in enumerate((RIGHT_LUNG, LEFT_LUNG)):
            assert anatomy.lateral[index].item() == pytest.approx(lateral + dx, abs=0.05)
            assert anatomy.medial[index].item() == pytest.approx(medial + dx, abs=0.06)
            assert anatomy.apex[index].item() == pytest.approx(apex + dy, abs=0.06)
            assert anatomy.dome[index].item() == pytest.approx(dome + dy, abs=0.07)


def test_without_a_finding_the_picture_stays_as_it_is() -> None:
    background = schematic_chest()
    pictures = paint_findings(background, torch.from_numpy(case_to_array([Case()])))
    assert (pictures - background).abs().max() < 2e-3


@pytest.mark.parametrize("side", ["right", "left"])
def test_an_effusion_whitens_its_own_base_and_a_larger_one_more(side: str) -> None:
    totals = []
    for grade in (1, 2, 3):
        added, _ = painted(of_side(side, Lung(effusion=grade)))
        totals.append(region(added, side, 0.0, 1.0).mean().item())
        assert (region(added, side, 0.85, 1.0) > region(added, side, 0.0, 0.3)).all()
        assert region(added, other(side), 0.0, 1.0).abs().max() < 0.01
    assert 0 < totals[0] < totals[1] < totals[2]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("zone", ["upper", "mid", "lower"])
def test_an_opacity_is_in_its_zone(side: str, zone: Zone) -> None:
    added, _ = painted(of_side(side, Lung(opacities=(Opacity(zone, 3),))), count=16)
    thirds = torch.stack([region(added, side, low, low + 0.333) for low in (0.0, 0.333, 0.667)])
    assert (thirds.argmax(dim=0) == ["upper", "mid", "lower"].index(zone)).float().mean() > 0.85
    assert region(added, other(side), 0.0, 1.0).abs().max() < 0.01


def test_a_denser_opacity_is_whiter() -> None:
    means = [painted(of_side("right", Lung(opacities=(Opacity("mid", s),))))[0].mean().item() for s in (1, 2, 3)]
    assert means == sorted(means)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_pneumothorax_darkens_its_apex(side: str) -> None:
    totals = []
    for grade in (1, 2, 3):
        added, _ = painted(of_side(side, Lung(pneumothorax=grade)))
        assert (region(added, side, 0.02, 0.15) < -0.01).all()
        assert region(added, other(side), 0.0, 1.0).abs().max() < 0.01
        totals.append((added < -0.02).float().mean().item())
    assert totals == sorted(totals)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_nodule_has_its_size_and_place(side: str) -> None:
    areas = []
    for diameter in (8, 18, 30):
        added, _ = painted(of_side(side, Lung(nodules=(Nodule("mid", diameter),))))
        assert (region(added, side, 0.33, 0.67) > region(added, side, 0.0, 0.33)).all()
        areas.append((added > 0.05).float().sum(dim=(1, 2)).mean().item())
    # Areas grow as the square of diameters.
    assert areas[1] / areas[0] > 2.5
    assert areas[2] / areas[1] > 1.8


@pytest.mark.parametrize("diameter", [40, 70])
def test_a_mass_is_as_wide_as_it_is_said_to_be(diameter: int) -> None:
    added, _ = painted(of_side("right", Lung(nodules=(Nodule("mid", diameter),))), count=24)
    # Its width at half its height, over the rows that it takes: hollow ones count from wall to wall.
    dense = added > 0.5 * added.amax(dim=(1, 2), keepdim=True)
    columns = dense.any(dim=1).float()
    width = (columns * torch.arange(SIDE)).amax(1) - torch.where(columns > 0, torch.arange(SIDE), SIDE).amin(1) + 1
    expected = diameter / CHEST_WIDTH * (RIGHT_LUNG[0] - RIGHT_LUNG[1] + LEFT_LUNG[1] - LEFT_LUNG[0] + 0.16) * SIDE
    assert width.median().item() == pytest.approx(expected, rel=0.25)


def test_some_masses_are_hollow_and_small_nodules_are_not() -> None:
    def hollow(diameter: int) -> float:
        added, _ = painted(of_side("right", Lung(nodules=(Nodule("mid", diameter),))), count=48)
        x, y = torch.arange(SIDE).view(1, 1, -1), torch.arange(SIDE).view(1, -1, 1)
        weight = added.clamp_min(0) + 1e-9
        total = weight.sum((1, 2), keepdim=True)
        middle_x, middle_y = (
            (weight * x).sum((1, 2), keepdim=True) / total,
            (weight * y).sum((1, 2), keepdim=True) / total,
        )
        near = (x - middle_x) ** 2 + (y - middle_y) ** 2 < 1.3**2
        middle = (added * near).sum((1, 2)) / near.sum((1, 2))
        return (middle < 0.6 * added.amax((1, 2))).float().mean().item()

    assert hollow(20) == 0
    assert 0.08 < hollow(60) < 0.5


@pytest.mark.parametrize("lung", [Lung(nodules=(Nodule("lower", 12),)), Lung(atelectasis=1)], ids=["nodule", "band"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_large_heart_hides_no_nodule_and_no_band(side: str, lung: Lung) -> None:
    background = schematic_chest().expand(32, -1, -1, -1)
    # The same random numbers make the same heart, whatever else there is.
    without, with_finding = (
        paint_findings(background, torch.from_numpy(case_to_array([replace(case, cardiomegaly=2)] * 32)), generator)
        for case, generator in (
            (Case(), torch.Generator().manual_seed(3)),
            (of_side(side, lung), torch.Generator().manual_seed(3)),
        )
    )
    added = (with_finding - without)[:, 0]
    assert (added.amax(dim=(1, 2)) > 0.08).all()
    in_lung = (without[:, 0] < 0.45).float()
    assert ((added.clamp_min(0) * in_lung).sum((1, 2)) > 0.6 * added.clamp_min(0).sum((1, 2))).float().mean() > 0.9


def test_a_small_effusion_hides_neither_nodule_nor_band() -> None:
    fluid, _ = painted(of_side("right", Lung(effusion=1)), count=32)
    with_nodule, _ = painted(of_side("right", Lung(effusion=1, nodules=(Nodule("lower", 14),))), count=32)
    with_band, _ = painted(of_side("right", Lung(effusion=1, atelectasis=1)), count=32)
    alone = [
        painted(of_side("right", lung), count=32)[0]
        for lung in (Lung(nodules=(Nodule("lower", 14),)), Lung(atelectasis=1))
    ]

    def lowest(added: Tensor) -> float:
        """The row of the lowest finding's middle, in pixels."""
        weight = added.clamp_min(0)
        return ((weight.sum(dim=2) * torch.arange(SIDE)).sum(dim=1) / weight.sum(dim=(1, 2))).max().item()

    for added, without_fluid in zip((with_nodule - fluid, with_band - fluid), alone, strict=True):
        assert (added.amax(dim=(1, 2)) > 0.08).all()
        # The same random numbers: only the fluid sends it up.
        assert lowest(added) < lowest(without_fluid) - 2


def test_bands_are_thicker_than_a_line_and_thinner_than_an_opacity() -> None:
    added, _ = painted(of_side("right", Lung(atelectasis=1)), count=32)
    column = int((LUNGS["right"][0] + LUNGS["right"][1]) / 2 * SIDE)
    profile = added[:, :, column - 3 : column + 4].mean(dim=2)
    rows = (profile > 0.5 * profile.amax(dim=1, keepdim=True)).float().sum(dim=1)
    # A row is 2.8 mm; there may be three bands.
    assert 1 <= rows.median().item() <= 6
    assert rows.max().item() <= 15


def test_a_larger_heart_takes_more_of_the_chest() -> None:
    def width(grade: int) -> float:
        _, pictures = painted(Case(cardiomegaly=grade))
        row = pictures[:, 0, int(0.62 * SIDE), int(0.2 * SIDE) : int(0.8 * SIDE)]
        return (row > 0.5).float().sum(dim=1).mean().item()

    assert width(0) < width(1) < width(2)


def test_edema_is_on_both_sides_and_grows() -> None:
    means = []
    for grade in (1, 2, 3):
        added, _ = painted(Case(edema=grade))
        sides = [region(added, side, 0.3, 0.8).mean().item() for side in ("right", "left")]
        assert min(sides) > 0
        means.append(sum(sides))
    assert means == sorted(means)


def test_atelectasis_is_at_the_base() -> None:
    added, _ = painted(of_side("right", Lung(atelectasis=1)))
    assert (region(added, "right", 0.66, 1.0) > region(added, "right", 0.0, 0.6) + 0.001).all()


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_is_thin_and_bright(device: str) -> None:
    added, _ = painted(replace(Case(), **{device: True}))
    bright = (added > 0.15).float().mean(dim=(1, 2))
    assert (bright > 0.0005).all()
    assert (bright < 0.05).all()


def test_the_pacemaker_lies_on_the_left_and_the_line_comes_from_the_right() -> None:
    pacemaker, _ = painted(Case(pacemaker=True))
    assert (pacemaker[:, :, int(0.62 * SIDE) :].sum((1, 2)) > pacemaker[:, :, : int(0.38 * SIDE)].sum((1, 2))).all()
    line, _ = painted(Case(central_line=True))
    assert (line[:, :, : SIDE // 2].sum((1, 2)) > 10 * line[:, :, SIDE // 2 :].sum((1, 2))).all()


def test_a_mirrored_case_is_painted_on_the_other_side() -> None:
    case = of_side("right", Lung(effusion=2, opacities=(Opacity("upper", 2),)))
    added, _ = painted(mirrored(case))
    assert region(added, "left", 0, 1).mean() > 0.02 > region(added, "right", 0, 1).abs().max()


def test_the_same_seed_paints_the_same_pictures_and_another_one_others() -> None:
    cases = torch.from_numpy(case_to_array([sample_case(Random(seed)) for seed in range(6)]))
    background = schematic_chest().expand(6, -1, -1, -1)
    first, again, different = (paint(background, cases, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first - different).abs().mean() > 0.01


@pytest.mark.parametrize("side", [192, 224, 256])
def test_pictures_keep_their_shape_and_range(side: int) -> None:
    cases = torch.from_numpy(case_to_array([sample_case(Random(seed)) for seed in range(12)]))
    background = torch.nn.functional.interpolate(schematic_chest(), (side, side), mode="bilinear").expand(
        12, -1, -1, -1
    )
    pictures = paint(background, cases)
    assert pictures.shape == (12, 1, side, side)
    assert pictures.isfinite().all()
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_a_picture_without_a_chest_does_no_harm() -> None:
    cases = torch.from_numpy(case_to_array([sample_case(Random(seed)) for seed in range(8)]))
    for level in (0.0, 0.5, 1.0):
        pictures = paint(torch.full((8, 1, SIDE, SIDE), level), cases)
        assert pictures.isfinite().all()


def test_nothing_is_looked_at_while_painting() -> None:
    # Tensors without values: whatever would need one, and so break a captured graph, raises.
    cases = torch.from_numpy(case_to_array([sample_case(Random(seed)) for seed in range(4)])).to("meta")
    assert paint(torch.empty(4, 1, SIDE, SIDE, device="meta"), cases).shape == (4, 1, SIDE, SIDE)
    assert empty_pictures(4, SIDE, device=torch.device("meta")).shape == (4, 1, SIDE, SIDE)


def test_no_picture_is_mirrored() -> None:
    chest = schematic_chest().expand(200, -1, -1, -1)
    pictures = vary(chest, torch.Generator().manual_seed(0))[:, 0]
    rows = slice(int(0.55 * SIDE), int(0.68 * SIDE))
    # The schematic heart lies to the left: there is more of it where the image's right is.
    on_the_left = pictures[:, rows, int(0.56 * SIDE) : int(0.66 * SIDE)].mean(dim=(1, 2))
    on_the_right = pictures[:, rows, int(0.34 * SIDE) : int(0.44 * SIDE)].mean(dim=(1, 2))
    assert (on_the_left > on_the_right).float().mean() > 0.97


def test_markers_are_upright_and_on_their_own_side() -> None:
    side = 224
    generator = torch.Generator().manual_seed(0)
    # A few at a time: all at once take gigabytes, which takes longer than the painting.
    pictures = torch.cat([vary(torch.zeros(30, 1, side, side), generator) for _ in range(12)])[:, 0]
    # Without those that have a light border or a lead, which is not black around the marker.
    shoulder, rest = slice(16, 56), slice(60, 200)
    dark = pictures[:, rest].amax(dim=(1, 2)) < 0.3
    letters: dict[str, list[Tensor]] = {"right": [], "left": []}
    for name, columns in (("right", slice(4, 46)), ("left", slice(178, 220))):
        for picture in pictures[dark]:
            ink = picture[shoulder, columns] > 0.5
            if 12 < ink.sum() < 300 and not ink[0].any() and not ink[-1].any():
                rows, places = (torch.nonzero(ink.any(dim=k))[:, 0] for k in (1, 0))
                letters[name].append(ink[rows[0] : rows[-1] + 1, places[0] : places[-1] + 1].float())
    assert min(len(found) for found in letters.values()) > 10

    def halves(letter: Tensor) -> tuple[float, float]:
        """How much more ink there is in the left than in the right half, and in the lower than in the upper."""
        height, width = letter.shape
        across = letter[:, : width // 2].mean() - letter[:, -(width // 2) :].mean()
        down = letter[-(height // 2) :].mean() - letter[: height // 2].mean()
        return across.item(), down.item()

    left = torch.tensor([halves(letter) for letter in letters["left"]])
    right = torch.tensor([halves(letter) for letter in letters["right"]])
    # An L has its stroke on the left and its foot below; an R has its bow above, and its stroke on the left as well.
    assert (left > 0).all(dim=1).float().mean() > 0.9
    assert (right[:, 1] < 0).float().mean() > 0.8
    assert (right[:, 0] > 0).float().mean() > 0.8


def test_some_pictures_are_as_blurred_as_the_smallest_are() -> None:
    side = 160
    grain = torch.rand(200, 1, side, side, generator=torch.Generator().manual_seed(1))
    pictures = vary(grain, torch.Generator().manual_seed(0))
    small = torch.nn.functional.adaptive_avg_pool2d(pictures, 64)
    again = torch.nn.functional.interpolate(small, (side, side), mode="bicubic", align_corners=False)
    lost = (pictures - again).abs().mean(dim=(1, 2, 3)) / pictures.std(dim=(1, 2, 3))
    # What is blurred loses next to nothing when it is made small once more.
    assert 0.1 < (lost < 0.2).float().mean().item() < 0.3


def test_findings_survive_the_acquisition() -> None:
    background = schematic_chest().expand(48, -1, -1, -1)
    effusion = torch.from_numpy(case_to_array([of_side("left", Lung(effusion=3))] * 48))
    pictures = paint(background, effusion, torch.Generator().manual_seed(2))[:, 0]
    rows = slice(int(0.5 * SIDE), int(0.66 * SIDE))
    left = pictures[:, rows, int(0.70 * SIDE) : int(0.80 * SIDE)].mean(dim=(1, 2))
    right = pictures[:, rows, int(0.20 * SIDE) : int(0.30 * SIDE)].mean(dim=(1, 2))
    assert (left > right + 0.1).float().mean() > 0.95


def test_empty_pictures_are_of_every_kind_and_show_nothing_twice() -> None:
    pictures = empty_pictures(300, 96, torch.Generator().manual_seed(0))
    assert pictures.shape == (300, 1, 96, 96)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert torch.equal(pictures, empty_pictures(300, 96, torch.Generator().manual_seed(0)))
    flat = pictures[:, 0]
    steps = (flat[:, :, 1:] - flat[:, :, :-1]).abs()
    spread = flat.std(dim=(1, 2))
    even = spread < 1e-6
    rough = steps.mean(dim=(1, 2)) > 0.6 * spread
    black = (flat == 0).float().mean(dim=(1, 2)) > 0.4
    text = black & (steps.amax(dim=(1, 2)) > 0.3) & ~rough
    grain = rough & ~text
    smooth = ~even & (steps.amax(dim=(1, 2)) < 0.25)
    for kind, least in ((even, 0.1), (grain, 0.1), (text, 0.1), (smooth, 0.25)):
        assert kind.float().mean() > least
    assert (even | grain | text | smooth).float().mean() > 0.9
    # All greys occur.
    assert flat[even].mean(dim=(1, 2)).std() > 0.2


def test_anatomy_names_places_in_the_picture() -> None:
    anatomy: Anatomy = estimate_anatomy(schematic_chest())
    assert anatomy.column(0, 1.0).item() < anatomy.midline.item() < anatomy.column(1, 1.0).item()
    assert anatomy.row(0, 0.0).item() < anatomy.row(0, 1.0).item()
