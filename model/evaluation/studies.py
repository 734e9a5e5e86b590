"""Held-out studies: radiographs that training never saw, with the case that is their truth, and drafts on them.

Findings are painted on adults' normal radiographs as in training, but acquisition is not varied: the rest of the
picture is what the detector gave. This module knows nothing of how drafts are judged.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from drafting.engine import Draft, DraftSettings, Engine, Frame
from drafting.imaging import Study
from drafting.report import Report
from model.data.cases import SOURCES, Case, Lung, Side, Source, case_from_labels, case_to_array, sample_case
from model.data.painting import paint_findings
from model.data.radiographs import Radiographs, load_radiographs
from model.evaluation.labeler import BOTH, Finding
from model.evaluation.record import EvaluationError
from model.loading import in_a_thread_that_ends
from model.training.tasks import facts_of

MID_GREY = 128


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One radiograph with its truth. `name`: the picture's in its collection. `picture`: (side, side) uint8."""

    name: str
    case: Case
    picture: NDArray[np.uint8]

    def blank(self) -> HeldOut:
        """The same case without anything to see: what can be guessed from the request and the header alone."""
        return replace(self, picture=np.full_like(self.picture, MID_GREY))


@dataclass(frozen=True, slots=True)
class Truth:
    """Whether a finding is there, None where that is unknown or a matter of words; `sides` where it is."""

    there: bool | None
    sides: frozenset[Side] = frozenset()


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft and its last frame."""

    draft: Draft
    last: Frame


def held_out_radiographs(path: Path) -> Radiographs:
    """The pack's test pictures. Raises EvaluationError where the file is no such pack."""
    try:
        return load_radiographs(path, "test")
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise EvaluationError(f"{path} is not a file of packed radiographs.") from error


def adults(radiographs: Radiographs, limit: int, seed: int) -> list[HeldOut]:
    """At most `limit` adults' radiographs, each with the findings of a case of its own painted in."""
    chosen = np.flatnonzero(radiographs.sources == SOURCES.index("adult_normal")).tolist()
    Random(f"adults {seed}").shuffle(chosen)

    def painted(number: int, index: int) -> HeldOut:
        case = sample_case(Random(f"case {seed} {number}"))
        background = radiographs.images[index : index + 1].float() / 255
        generator = torch.Generator().manual_seed(seed * 100_003 + number)
        image = paint_findings(background, torch.from_numpy(case_to_array([case])), generator)
        picture = (image[0, 0] * 255).round().to(torch.uint8).numpy()
        return HeldOut(str(radiographs.names[index]), case, picture)

    return in_a_thread_that_ends(lambda: [painted(number, index) for number, index in enumerate(chosen[:limit])])


def children(radiographs: Radiographs, limit: int, seed: int) -> list[HeldOut]:
    """At most `limit` children's radiographs as they are, half with pneumonia and half normal while both last."""
    random = Random(f"children {seed}")
    studies = []
    wanted: tuple[tuple[Source, int], ...] = (("child_pneumonia", (limit + 1) // 2), ("child_normal", limit // 2))
    for source, count in wanted:
        chosen = np.flatnonzero(radiographs.sources == SOURCES.index(source)).tolist()
        random.shuffle(chosen)
        for index in chosen[:count]:
            case = case_from_labels(source, random)
            studies.append(HeldOut(str(radiographs.names[index]), case, radiographs.images[index, 0].numpy()))
    # Mixed, so that the first few are of either kind.
    random.shuffle(studies)
    return studies


def run(engine: Engine, study: HeldOut, report: Report, settings: DraftSettings) -> Drafted:
    """Draft a report on a held-out study, with its header's facts and its indication."""
    seen = Study(pictures=(), model_picture=study.picture, facts=facts_of(study.case))
    steps: Generator[Frame, None, Draft] = engine.draft(seen, report, settings, study.case.indication or "")
    last: Frame | None = None
    while True:
        try:
            last = next(steps)
        except StopIteration as end:
            engine.release(seen)
            if last is None:
                raise EvaluationError("The engine gave no frame.") from end
            return Drafted(end.value, last)


def truth_of(case: Case, finding: Finding) -> Truth:
    """What the case says about a finding that the reader of reports knows."""
    lungs: dict[Side, Lung] = {"right": case.right, "left": case.left}
    match finding:
        case "cardiomegaly":
            return _graded(case.cardiomegaly)
        case "edema":
            return _graded(case.edema)
        case "device":
            return Truth(None) if case.pacemaker is None else Truth(bool(case.devices))
        case "acute disease":
            return Truth(None)
        case "opacity":
            if case.unplaced_opacity:
                return Truth(True)
            # Alveolar edema is opacity too; which word is used is the writer's.
            if case.edema == 3 and not (case.right.opacities or case.left.opacities):
                return Truth(None)
            values: dict[Side, object] = {side: lung.opacities for side, lung in lungs.items()}
        case "nodule":
            values = {side: lung.nodules for side, lung in lungs.items()}
        case "atelectasis":
            # Fluid squeezes the lung beside it, and reports may say so.
            if any((lung.effusion or 0) >= 2 for lung in lungs.values()):
                return Truth(None)
            values = {side: lung.atelectasis for side, lung in lungs.items()}
        case _:
            values = {side: getattr(lung, finding) for side, lung in lungs.items()}
    if any(value is None for value in values.values()):
        return Truth(None)
    sides = frozenset(side for side in BOTH if values[side])
    return Truth(bool(sides), sides)


def _graded(grade: int | None) -> Truth:
    return Truth(None if grade is None else grade > 0)
