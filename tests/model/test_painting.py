"""Findings are painted where their case says. The radiograph is schematic, so that places are known exactly."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor

from model.data.cases import DEVICES, Case, Lung, Nodule, Opacity, Zone, case_to_array, mirrored, sample_case
from model.data.painting import Anatomy, estimate_anatomy, paint, paint_findings

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


@pytest.fixture(autouse=True)
def few_threads() -> None:
    torch.set_num_threads(2)


def painted(case: Case, count: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The case painted `count` times: what is added, (count, SIDE, SIDE), and the pictures."""
    background = schematic_chest().expand(count, -1, -1, -1)
    generator = torch.Generator().manual_seed(seed)
    pictures = paint_findings(background, torch.from_numpy(case_to_array([case] * count)), generator)
    nothing = paint_findings(background, torch.from_numpy(case_to_array([Case()] * count)), generator)
    return (pictures - nothing)[:, 0], pictures


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


def test_anatomy_names_places_in_the_picture() -> None:
    anatomy: Anatomy = estimate_anatomy(schematic_chest())
    assert anatomy.column(0, 1.0).item() < anatomy.midline.item() < anatomy.column(1, 1.0).item()
    assert anatomy.row(0, 0.0).item() < anatomy.row(0, 1.0).item()
