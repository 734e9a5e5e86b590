"""The evaluation of attention maps: whether a map follows the picture."""

from __future__ import annotations

import numpy as np
import pytest

from drafting.engine import AttentionMap
from drafting.report import Report
from drafting.study import Study
from model.evaluation.reports.looked import BEFORE, LookedSettings, right_share
from model.evaluation.reports.looked import measure as looked
from model.evaluation.task import Context
from tests.model.evaluation.test_evaluation_measures import pictures

SETTINGS = LookedSettings(limit=12, seed=0)


class BrighterSide:
    """Looks at the brighter half of the picture for a finding, and for the heart always at the patient's right."""

    def looked(self, study: Study, report: Report, id: str, part: tuple[int, int]) -> AttentionMap:
        text = report.open_spans[0].text[slice(*part)]
        if text == BEFORE:
            return AttentionMap(np.array([[0.9, 0.1]], np.float32), 0.1)
        assert text.startswith("There is a")
        half = study.model_picture.shape[1] // 2
        dark, bright = (float(side.mean()) for side in (study.model_picture[:, :half], study.model_picture[:, half:]))
        return AttentionMap(np.array([[dark > bright, dark <= bright]], np.float32), 0.1)

    def release(self, study: Study) -> None:
        pass


def test_a_map_that_follows_the_picture_is_told_from_one_that_does_not() -> None:
    radiographs = pictures(["adult_normal"] * 12, [60] * 12, [{}] * 12)
    context = Context(SETTINGS)
    context.__dict__ |= {"engine": BrighterSide(), "radiographs": radiographs}
    rows = {(row.subject, row.measure): row.estimate for rows in looked(context) for row in rows}
    effusion = rows["effusion", "map on the finding's side, its sentence"]
    assert effusion.count >= 1
    # Beside other findings an effusion does not always make its side the brighter one.
    assert effusion.value is not None
    assert effusion.value > 0.6
    for (_, measure), estimate in rows.items():
        if measure == "map on that side, sentence on the heart" and estimate.count:
            assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.5, 0.5)


def test_the_patients_right_is_the_pictures_left_and_a_middle_column_is_shared() -> None:
    assert right_share(np.array([[3, 1]], np.float32)) == 0.75
    assert right_share(np.array([[1, 2, 1], [0, 4, 0]], np.float32)) == 0.5
    assert right_share(np.array([[2, 1, 0]], np.float32)) == pytest.approx(2.5 / 3)
