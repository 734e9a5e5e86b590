"""Sight: hearts are measured as drawn, labels are completed with care, and a run leaves what training needs."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from model.synthetic.cases import LABELS, labels_of, mirrored, sample_case
from model.synthetic.radiographs import HEART, LEFT_LUNG, RIGHT_LUNG, load_radiographs, pack
from model.training.sight.command import SightRecipe, train_sight
from model.training.sight.heart import shares_of
from model.training.sight.readings import (
    READINGS_FILE,
    TOWER_FILE,
    Readings,
    auroc,
    completed,
    load_readings,
)
from model.training.sight.teachers import (
    Pool,
    Repeated,
    Teacher,
    drawn,
    mirror_columns,
    shown_how_often,
    targets_of,
    teaching_step,
)
from model.training.small.start import start_seeing
from model.training.small.step import LabelHead
from tests.model.conftest import TINY

SHAPE = replace(TINY, vocabulary=64)
RECIPE = SightRecipe(
    mask_steps=1,
    mask_batch=2,
    mask_width=2,
    teachers=2,
    teacher_steps=2,
    tower_steps=2,
    batch=4,
    tower_batch=4,
    cases=8,
)
EFFUSION, HEART_LABEL = LABELS.index("effusion"), LABELS.index("cardiomegaly")


def chest(heart: int, lungs: int = 200) -> torch.Tensor:
    """A mask of 256 x 256 with lungs that are so many columns apart at their outer borders, and a heart so wide."""
    mask = torch.zeros(256, 256, dtype=torch.long)
    left, middle = 128 - lungs // 2, 128
    mask[60:200, left : left + 60] = RIGHT_LUNG
    mask[60:200, left + lungs - 60 : left + lungs] = LEFT_LUNG
    mask[140:200, middle - heart // 2 : middle - heart // 2 + heart] = HEART
    return mask


def test_the_hearts_share_is_its_width_over_the_chests() -> None:
    shares = shares_of(torch.stack([chest(90), chest(120)]))
    assert shares.tolist() == pytest.approx([0.45, 0.6])


def test_without_a_heart_or_a_chest_there_is_no_share() -> None:
    nothing = torch.zeros(256, 256, dtype=torch.long)
    assert shares_of(torch.stack([chest(0), nothing, chest(20, lungs=70)])).isnan().all()


def test_a_speck_does_not_widen_the_heart() -> None:
    mask = chest(90)
    mask[150, 20] = HEART
    assert float(shares_of(mask[None])) == pytest.approx(0.45)


def test_the_columns_of_a_mirrored_picture_are_those_of_the_mirrored_case() -> None:
    columns = mirror_columns()
    random = Random(0)
    for _ in range(200):
        case = sample_case(random)
        assert np.array_equal(labels_of([case])[0][columns], labels_of([mirrored(case)])[0])


def test_a_target_is_surer_where_radiologists_looked() -> None:
    labels = np.full((3, len(LABELS)), -1, dtype=np.int8)
    labels[:2, EFFUSION] = 0
    targets, known = targets_of(labels, np.array([True, False, False]), np.full(3, np.nan, np.float32), [None] * 3)
    assert targets[0, EFFUSION] < targets[1, EFFUSION] < 0.1
    assert known[:, EFFUSION].tolist() == [1, 1, 0]


def test_a_measured_heart_counts_where_nobody_measured_it_before() -> None:
    labels = np.full((4, len(LABELS)), -1, dtype=np.int8)
    labels[2:, HEART_LABEL] = 0
    shares = np.array([0.6, np.nan, 0.6, 0.6], dtype=np.float32)
    read = np.array([False, False, False, True])
    targets, known = targets_of(labels, read, shares, ["PA"] * 4)
    assert known[:, HEART_LABEL].tolist() == [1, 0, 1, 1]
    assert targets[0, HEART_LABEL] > targets[2, HEART_LABEL] > 0.5 > targets[3, HEART_LABEL]


def test_rare_findings_are_shown_more_often() -> None:
    labels = np.zeros((110, len(LABELS)), dtype=np.int8)
    labels[:10, EFFUSION] = 1
    weights = shown_how_often(labels, [EFFUSION])
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert weights[0] > 3 * weights[-1]


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    assert auroc(np.array([0.9, 0.5], np.float32), np.array([0.5, 0.1], np.float32)) == pytest.approx(0.875)


class _Radiographs:
    """As much of `Radiographs` as completing labels looks at."""

    def __init__(self, labels: np.ndarray, read: np.ndarray) -> None:
        self.labels, self.read = labels, read
        self.names = np.array([f"{row}.jpg" for row in range(len(labels))])


def test_labels_are_completed_where_teachers_are_sure_and_unknown_where_they_are_not() -> None:
    rng = np.random.default_rng(0)
    count = 400
    there = np.arange(count) < 100
    named = there & (np.arange(count) % 2 == 0)
    labels = np.zeros((count, len(LABELS)), dtype=np.int8)
    labels[named, EFFUSION] = 1
    logits = np.full((count, len(LABELS)), -3, dtype=np.float32)
    logits[:, EFFUSION] = np.where(there, 2.0, -2.0) + rng.normal(0, 0.3, count)
    # One that is named and does not look so, one that radiologists called normal and that looks ill.
    logits[0, EFFUSION] = -2.5
    read = np.zeros(count, dtype=bool)
    read[399] = True
    logits[399, EFFUSION] = 3
    radiographs = _Radiographs(labels, read)
    readings = Readings(radiographs.names, logits, np.full(count, np.nan, np.float32))
    decided, soft = completed(radiographs, readings)  # type: ignore[arg-type]
    answers = decided[:, EFFUSION]
    assert answers[0] == -1
    assert answers[399] == 0
    assert (answers[named][1:] == 1).all()
    added = (answers == 1) & ~named
    assert 0 < added.sum() <= 0.6 * named.sum() + 1
    assert there[added].all()
    assert not (answers[there] == 0).any()
    assert ((soft >= 0) & (soft <= 1)).all()
    assert soft[2, EFFUSION] > soft[0, EFFUSION] > soft[300, EFFUSION]


def test_a_side_is_told_where_one_side_alone_is_sure_and_a_box_stands() -> None:
    labels = np.zeros((60, len(LABELS)), dtype=np.int8)
    labels[:20, EFFUSION] = 1
    right, left = LABELS.index("effusion_right"), LABELS.index("effusion_left")
    labels[:20, [right, left]] = -1
    labels[1, left] = 1
    logits = np.full((60, len(LABELS)), -4, dtype=np.float32)
    logits[:20, EFFUSION] = 3
    logits[:20, [right, left]] = 0.1
    logits[0, [right, left]] = (2, -3)
    logits[1, [right, left]] = (2, -3)
    logits[2, [right, left]] = (0, -0.5)
    radiographs = _Radiographs(labels, np.zeros(60, dtype=bool))
    decided, _ = completed(radiographs, Readings(radiographs.names, logits, np.full(60, np.nan, np.float32)))  # type: ignore[arg-type]
    assert decided[0, [right, left]].tolist() == [1, 0]
    assert decided[1, [right, left]].tolist() == [0, 1]
    assert decided[2, [right, left]].tolist() == [-1, -1]
    assert (decided[30, [right, left]] == 0).all()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collections")
    rng = np.random.default_rng(0)

    def picture(place: str) -> None:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (48, 48), dtype=np.uint8)).save(folder / place)

    for number in range(8):
        picture(f"adult/normal-{number}.jpg")
        picture(f"kermany/train/NORMAL/IM-{number:04d}-0001.jpeg")
        picture(f"kermany/train/PNEUMONIA/person{number}_virus_1.jpeg")
        picture(f"wingspan/images/w{number}.jpg")
        (folder / "wingspan/masks").mkdir(parents=True, exist_ok=True)
        Image.fromarray(chest(60 + 10 * number).byte().numpy()).save(folder / f"wingspan/masks/w{number}.png")
    rows = [
        {"file": f"{n:08d}_000.jpg", "labels": ("Effusion", "No Finding")[n % 2], "age": "50", "sex": "M", "view": "PA",
         "patient": str(n)}
        for n in range(12)
    ]  # fmt: skip
    for name, table in (
        ("nih", rows),
        ("wingspan", [{"file": f"w{n}.jpg", "ctr_from_masks": str(0.3 + n / 20)} for n in range(8)]),
    ):
        (folder / name).mkdir(exist_ok=True)
        with (folder / name / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, table[0].keys())
            writer.writeheader()
            writer.writerows(table)
    for row in rows:
        picture(f"nih/{row['file']}")
    out = folder / "pack.npz"
    pack(folder / "adult", folder / "kermany", out, 48, 80, 8, nih=[folder / "nih"], wingspan=folder / "wingspan")
    return out


def test_a_run_leaves_a_tower_readings_and_a_log(packed: Path, tmp_path: Path) -> None:
    measured: list[str] = []
    sighted = train_sight(
        packed,
        tmp_path,
        SHAPE,
        RECIPE,
        torch.device("cpu"),
        (4, 4, 8, 8),
        lambda name, network: measured.append(name),
    )
    assert measured == ["teacher 0", "teacher 1", "tower"]
    everything = load_radiographs(packed, side=16)
    readings = load_readings(tmp_path / READINGS_FILE)
    assert len(readings.names) == 12 + 8
    assert np.isfinite(readings.logits).all()
    decided, soft = completed(everything, readings)
    assert decided.shape == soft.shape == everything.labels.shape
    # Whoever trains on begins with this tower and this head.
    tower, head = _fresh_tower(), LabelHead(SHAPE.vision_hidden, len(LABELS))
    start_seeing(tower, head, tmp_path)
    assert torch.allclose(head.read.weight, sighted.reader.head.read.weight, atol=1e-2)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert log[0]["recipe"]["teachers"] == 2
    assert {"teacher 0", "teacher 1", "tower"} <= {row.get("trained") for row in log}
    assert (tmp_path / TOWER_FILE).stat().st_size > 1000


def _fresh_tower() -> nn.Module:
    from model.training.small.fresh import fresh_model

    tower: nn.Module = fresh_model(SHAPE, 16).model.encoder.vision_tower
    return tower


def test_a_teacher_never_sees_the_pictures_that_it_is_kept_from() -> None:
    count = 10
    pictures = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 48, 48).contiguous() * 25
    pool = Pool(
        pictures,
        torch.arange(count).float()[:, None].expand(-1, len(LABELS)),
        torch.ones(count, len(LABELS)),
        torch.ones(count),
        torch.arange(5),
        torch.zeros(3, 23),
        torch.zeros(3, len(LABELS)),
    )
    kept_from = torch.arange(count) % 2 == 0
    for _ in range(20):
        _, targets, _ = drawn(pool.without(kept_from), 8, 0.25)
        assert (targets[2:, 0] % 2 == 1).all()
    assert pool.without(kept_from).plain.tolist() == [1, 3]


def test_a_teacher_learns_what_is_on_the_pictures() -> None:
    torch.manual_seed(0)
    count = 32
    bright = torch.arange(count) % 2 == 0
    # Standardised pictures have no brightness: what tells is where the light is.
    pictures = torch.zeros(count, 1, 48, 48, dtype=torch.uint8)
    pictures[bright, :, :24] = 200
    pictures[~bright, :, 24:] = 200
    targets = bright.float()[:, None].expand(-1, len(LABELS)).contiguous()
    pool = Pool(
        pictures, targets, torch.ones_like(targets), torch.ones(count), torch.arange(4),
        torch.zeros(2, 23), torch.zeros(2, len(LABELS)),
    )  # fmt: skip
    teacher = Teacher(len(LABELS), (4, 4, 8, 8), (1, 1, 1, 1)).train()
    taught = Repeated(teacher, teaching_step(teacher, pool, 16, 0.0), 1e-2, 0.0)
    losses = []
    for number in range(60):
        taught.run(number, 60)
        losses.append(float(taught.loss))
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])
