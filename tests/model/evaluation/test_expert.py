"""The evaluation on radiographs that radiologists read: who is scored, and what counts as normal."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drafting.engine import Draft, DraftSettings, Frame
from drafting.report import Report
from drafting.study import Study
from model.evaluation.record import EvaluationError
from model.evaluation.reports.expert import COLUMNS, IMAGES, SightSettings, measure, read_by_radiologists
from model.evaluation.task import Context
from model.synthetic.strange import FRONTAL_QUESTION

FINDINGS = sorted({column for columns in COLUMNS.values() for column in columns})


class SeesLight:
    """Finds an effusion in bright pictures and nothing else; calls pictures of stripes no chests."""

    def likelihoods(self, study: Study, question: str, answers: Sequence[str]) -> list[float]:
        light = float(study.model_picture.mean()) / 255
        if question == FRONTAL_QUESTION:
            yes = -abs(float(study.model_picture[:, ::2].mean()) - float(study.model_picture[:, 1::2].mean()))
        else:
            yes = light if "effusion" in question else 0.0
        return [0.0, yes]

    def draft(
        self, study: Study, report: Report, settings: DraftSettings, indication: str = ""
    ) -> Generator[Frame, None, Draft]:
        bright = study.model_picture.mean() > 128
        said = "There is a right pleural effusion." if bright else "No acute disease."
        texts = {span.id: said for span in report.open_spans}
        yield from ()
        return Draft(texts, 1, 0.0, settings.seed, "light", 0.0)

    def release(self, study: Study) -> None:
        pass


def picture(path: Path, level: int, stripes: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((16, 16), level, dtype=np.uint8)
    if stripes:
        pixels[:, ::2] = 255 - level
    Image.fromarray(pixels).save(path)


@pytest.fixture
def expert(tmp_path: Path) -> Path:
    rows = []
    for number in range(12):
        ill = number % 2 == 0
        seen_in_training = {10: {"same_picture_as": "an/normal-1.jpg"}, 11: {"patient_in_nih_cxr_1000_train": "1"}}
        findings = dict.fromkeys(FINDINGS, "NO") | ({"Effusion": "YES"} if ill else {})
        row = {"file": f"{number}.png", "age": "50", "sex": "F", "view": "PA", "Abnormal": "YES" if ill else "NO"}
        row |= {"same_picture_as": "", "patient_in_nih_cxr_1000_train": "0"} | seen_in_training.get(number, {})
        rows.append(row | findings)
        # One ill picture is dark, one healthy one bright.
        bright = ill if number not in (0, 1) else not ill
        picture(tmp_path / "images" / f"{number}.png", 200 if bright else 40)
    with (tmp_path / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def test_pictures_that_training_may_have_seen_are_left_out(expert: Path) -> None:
    assert [one.picture.name for one in read_by_radiologists(expert)] == [f"{number}.png" for number in range(10)]


def test_the_rows_say_how_often_findings_are_told_and_normal_is_called_normal(expert: Path, tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "others" / f"{number}.png", 60, stripes=True)
    options = argparse.Namespace(expert=expert, others=tmp_path / "others")
    context = Context(SightSettings(limit=100, whole=10), options)
    context.__dict__["engine"] = SeesLight()
    rows = {(row.subject, row.measure): row.estimate for some in measure(context) for row in some}
    # Of five ill and five healthy pictures one each looks like the other kind.
    assert rows["effusion", "AUROC"].value == pytest.approx(0.8)
    assert rows["whole drafts", "abnormal picture called normal"].value == pytest.approx(0.2)
    assert rows["whole drafts", "normal picture called abnormal"].value == pytest.approx(0.2)
    assert rows["effusion", "sensitivity of drafts"].value == pytest.approx(0.8)
    assert rows["frontal chest radiograph", "AUROC"].value == 1.0
    assert ("edema", "AUROC") not in rows
    assert {row for row, _ in rows} >= {"effusion", "whole drafts"}
    assert IMAGES.startswith("adults")


def test_a_folder_that_is_no_such_set_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="contains no set read by radiologists"):
        read_by_radiologists(tmp_path)
