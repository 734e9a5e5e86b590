"""`python -m model evaluate sight`: what the model sees on radiographs that radiologists read for that purpose.

The set is ChestX-ray14's with the adjudicated labels of Nabulsi et al., "Deep learning for distinguishing normal
versus abnormal chest radiographs", Scientific Reports 2021: for evaluation alone. Yes-or-no questions, scored as in
`model.evaluation.vqa.yes_or_no`; whole drafts, read by rule: is an abnormal picture called normal, a normal one
abnormal; and whether pictures of other things are known from chests.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drafting.engine import DraftSettings
from drafting.report import merge_draft, parse_markup
from drafting.study import StudyFacts
from model.commands import argument
from model.evaluation.engine import EvaluationEngine
from model.evaluation.reading.labeler import read, reading
from model.evaluation.record import EvaluationError, Row
from model.evaluation.reports.labels import EMPTY_REPORT
from model.evaluation.reports.studies import PICTURED, Labelled
from model.evaluation.statistics import auroc, share
from model.evaluation.task import DRAFTS, MODEL, Context, DraftedSettings, Input, Task
from model.synthetic.questions import YES_OR_NO, canonical_question
from model.synthetic.strange import FRONTAL_QUESTION, NOT_FRONTAL

EXPERT = Input(
    "--expert",
    {"help": "folder with labels.csv and images/, read by radiologists", "type": Path, "required": True},
)
OTHERS = Input(
    "--others",
    {"help": "folder of pictures, PNG or JPEG, that are no frontal chest radiographs", "type": Path},
)
# What the set's columns mean, by the names of `cases.LABELS`. Nodule and mass are asked about as one, and mass alone.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "effusion": ("Effusion",),
    "cardiomegaly": ("Cardiomegaly",),
    "pneumothorax": ("Pneumothorax",),
    "opacity": ("Infiltration", "Pneumonia", "Consolidation"),
    "atelectasis": ("Atelectasis",),
    "nodule": ("Nodule", "Mass"),
    "mass": ("Mass",),
    "edema": ("Edema",),
}
IMAGES = "adults, read by radiologists"


@dataclass(frozen=True, slots=True)
class SightSettings(DraftedSettings):
    limit: int = argument(1000, "pictures to ask about")
    whole: int = argument(120, "of these with a whole draft")


@dataclass(frozen=True, eq=False)
class Read:
    """A picture with what radiologists found: `findings` by the names of `COLUMNS`, and whether it is abnormal."""

    picture: Labelled
    abnormal: bool


def measure(context: Context[SightSettings]) -> Iterator[list[Row]]:
    settings = context.settings
    chosen = read_by_radiologists(context.given("expert"))[: settings.limit]
    scores = list(context.each(partial(_scored, context.engine), chosen, IMAGES))
    for one, score in zip(chosen, scores, strict=True):
        context.write_down({"images": IMAGES, "name": one.picture.name, "labels": one.picture.labels, "scores": score})
    rows = []
    for label in COLUMNS:
        there = [one.picture.labels[label] for one in chosen]
        if 0 < sum(there) < len(there):
            rows.append(Row(IMAGES, label, "AUROC", auroc([score[label] for score in scores], there)))
    yield rows
    others = _pictures(context.given("others")) if context.given("others") else []
    if others:
        strange = list(context.each(partial(_frontal, context.engine), others, "other pictures"))
        frontal = [score["frontal"] for score in scores]
        there = [True] * len(frontal) + [False] * len(strange)
        yield [Row("both", "frontal chest radiograph", "AUROC", auroc([*frontal, *strange], there))]
    drafted = list(context.each(partial(_drafted, context, context.engine), chosen[: settings.whole], "whole drafts"))
    for one, text in zip(chosen, drafted, strict=False):
        line = {"images": "whole drafts", "name": one.picture.name, "abnormal": one.abnormal}
        context.write_down({**line, "labels": one.picture.labels, "report": text})
    yield _draft_rows(chosen, drafted)


def _draft_rows(chosen: Sequence[Read], drafted: Sequence[str]) -> list[Row]:
    mentions = [read(text) for text in drafted]
    called = [[f for f in PICTURED if reading(each, f).called] for each in mentions]
    abnormal = [one.abnormal for one in chosen[: len(drafted)]]
    normal = [not each for each in abnormal]
    rows = [
        Row(IMAGES, "whole drafts", "abnormal picture called normal", share([not each for each in called], abnormal)),
        Row(IMAGES, "whole drafts", "normal picture called abnormal", share([bool(each) for each in called], normal)),
        Row(
            IMAGES,
            "whole drafts",
            "called no frontal chest radiograph",
            share([NOT_FRONTAL.rstrip(".") in text for text in drafted]),
        ),
    ]
    for finding in ("effusion", "cardiomegaly", "pneumothorax", "opacity", "atelectasis", "nodule"):
        there = [one.picture.labels[finding] for one in chosen[: len(drafted)]]
        said = [finding in each for each in called]
        if any(there) and not all(there):
            rows.append(Row(IMAGES, finding, "sensitivity of drafts", share(said, there)))
            absent = [not each for each in there]
            rows.append(Row(IMAGES, finding, "specificity of drafts", share([not each for each in said], absent)))
    return rows


def read_by_radiologists(folder: Path) -> list[Read]:
    """The set's pictures but those that training may have seen under another name; in an order that mixes findings.

    Raises EvaluationError where the folder is no such set.
    """
    try:
        with (folder / "labels.csv").open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        rows = [row for row in rows if not row["same_picture_as"].startswith(("an/", "kr/"))]
        rows = [row for row in rows if row["patient_in_nih_cxr_1000_train"] != "1"]
        return [
            Read(
                Labelled(
                    row["file"],
                    _grey(folder / "images" / row["file"]),
                    StudyFacts(age=int(row["age"]), sex=row["sex"], view=row["view"]),
                    {label: any(row[c] == "YES" for c in columns) for label, columns in COLUMNS.items()},
                ),
                row["Abnormal"] == "YES",
            )
            for row in rows
        ]
    except (OSError, KeyError, ValueError) as error:
        raise EvaluationError(f"{folder} contains no set read by radiologists: {error}") from error


def _scored(engine: EvaluationEngine, one: Read, _: DraftSettings) -> dict[str, float]:
    study = one.picture.study
    try:
        questions = {label: canonical_question(label) for label in COLUMNS} | {"frontal": FRONTAL_QUESTION}
        scores = {}
        for label, question in questions.items():
            no, yes = engine.likelihoods(study, question, YES_OR_NO)
            scores[label] = yes - no
        return scores
    finally:
        engine.release(study)


def _frontal(engine: EvaluationEngine, picture: Labelled, _: DraftSettings) -> float:
    study = picture.study
    try:
        no, yes = engine.likelihoods(study, FRONTAL_QUESTION, YES_OR_NO)
        return yes - no
    finally:
        engine.release(study)


def _drafted(context: Context[SightSettings], engine: EvaluationEngine, one: Read, settings: DraftSettings) -> str:
    report, study = parse_markup(EMPTY_REPORT), one.picture.study
    draft = context.drafted(study, lambda: engine.draft(study, report, settings))
    return merge_draft(report, draft.texts).text


def _pictures(folder: Path) -> list[Labelled]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    return [Labelled(path.name, _grey(path), StudyFacts(), {}) for path in paths]


def _grey(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


COMMAND = Task("sight", SightSettings, measure, (EXPERT, OTHERS, *MODEL, *DRAFTS)).command
