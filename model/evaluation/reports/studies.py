"""Held-out studies: radiographs that training never saw, with the case that is their truth, and drafts on them.

Findings are painted on adults' normal radiographs as in training, but acquisition is not varied: the rest of the
picture is what the detector gave. This module knows nothing of how drafts are judged.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from drafting.engine import Draft, Frame
from drafting.study import Study, StudyFacts
from model.evaluation.reading.labeler import BOTH, FINDINGS, Finding
from model.evaluation.record import EvaluationError
from model.network.loading import in_a_thread_that_ends
from model.synthetic.cases import (
    LABELS,
    SOURCES,
    Case,
    Lung,
    Side,
    Source,
    case_from_labels,
    case_to_array,
    labels_of,
    sample_case,
)
from model.synthetic.painting import paint_findings
from model.synthetic.radiographs import Radiographs, load_radiographs
from model.training.small.tasks import facts_of

MID_GREY = 128
# What a case calls the findings that none of our pictures shows; the other ones of `cases.OTHERS` are not read.
_UNSEEN: Mapping[Finding, frozenset[str]] = {
    "granuloma": frozenset({"granuloma", "calcified_nodes"}),
    "hyperinflation": frozenset({"hyperinflation", "emphysema"}),
    "low volumes": frozenset({"low_lung_volumes"}),
    "scarring": frozenset({"scarring", "fibrosis"}),
    "pleural thickening": frozenset({"pleural_thickening"}),
    "elevated diaphragm": frozenset({"elevated_hemidiaphragm"}),
    "hilar enlargement": frozenset({"hilar_prominence"}),
    "aortic change": frozenset({"tortuous_aorta", "calcified_aorta"}),
    "hernia": frozenset({"hiatal_hernia"}),
    "fracture": frozenset({"old_rib_fracture", "old_clavicle_fracture", "compression_deformity"}),
    "degenerative change": frozenset({"degenerative_spine", "shoulder_arthritis"}),
    "scoliosis": frozenset({"scoliosis"}),
    "osteopenia": frozenset({"osteopenia"}),
}
_UNSEEN_DEVICES = frozenset(
    {
        "surgical_clips",
        "monitor_leads",
        "chest_tube",
        "picc",
        "port",
        "dialysis_catheter",
        "tracheostomy",
        "valve_prosthesis",
        "coronary_stent",
        "shunt_tubing",
        "stimulator",
        "cervical_fusion",
    }
)
# The findings that our pictures show.
PICTURED: tuple[Finding, ...] = tuple(f for f in FINDINGS if f not in _UNSEEN and f != "acute disease")
UNPICTURED: tuple[Finding, ...] = tuple(_UNSEEN)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One radiograph with its truth. `name`: the picture's in its collection. `picture`: (side, side) uint8."""

    name: str
    case: Case
    picture: NDArray[np.uint8]

    def blank(self) -> HeldOut:
        """The same case without anything to see: what can be guessed from the request and the header alone."""
        return replace(self, picture=np.full_like(self.picture, MID_GREY))

    @property
    def labelled(self) -> Labelled:
        return Labelled(self.name, self.picture, facts_of(self.case), _known(labels_of([self.case])[0]))


@dataclass(frozen=True, eq=False)
class Labelled:
    """A radiograph with what its header tells and the answers that are known, by the names of `cases.LABELS`."""

    name: str
    picture: NDArray[np.uint8]
    facts: StudyFacts
    labels: Mapping[str, bool]

    def blank(self) -> Labelled:
        return replace(self, picture=np.full_like(self.picture, MID_GREY))

    @property
    def study(self) -> Study:
        return Study(pictures=(), model_picture=self.picture, facts=self.facts)


@dataclass(frozen=True, slots=True)
class Truth:
    """Whether a finding is there, None where that is unknown or a matter of words; `sides` where it is."""

    there: bool | None
    sides: frozenset[Side] = frozenset()


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


def labelled(radiographs: Radiographs, source: Source, limit: int, seed: int) -> list[Labelled]:
    """At most `limit` real pictures of a source whose labels its collection tells, with the header's facts."""
    chosen = np.flatnonzero(radiographs.sources == SOURCES.index(source)).tolist()
    Random(f"{source} {seed}").shuffle(chosen)
    return [
        Labelled(
            str(radiographs.names[index]),
            radiographs.images[index, 0].numpy(),
            radiographs.facts[index],
            _known(radiographs.labels[index]),
        )
        for index in chosen[:limit]
    ]


def _known(row: NDArray[np.float32] | NDArray[np.int8]) -> dict[str, bool]:
    return {label: value > 0 for label, value in zip(LABELS, row.tolist(), strict=True) if value >= 0}


def finished(steps: Generator[Frame, None, Draft]) -> Draft:
    """The draft at the end of an engine's steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            draft: Draft = end.value
            return draft


def truth_of(case: Case, finding: Finding) -> Truth:
    """What the case says about a finding that the reader of reports knows."""
    if finding in _UNSEEN:
        named = [other for other in case.others if other.name in _UNSEEN[finding]]
        # Of a real picture nobody said; and some words are used together with others.
        if case.paediatric or (not named and _said_beside(case, finding)):
            return Truth(None)
        return Truth(bool(named), frozenset(other.side for other in named if other.side))
    lungs: dict[Side, Lung] = {"right": case.right, "left": case.left}
    match finding:
        case "cardiomegaly":
            return _graded(case.cardiomegaly)
        case "edema":
            return _graded(case.edema)
        case "device":
            worn = {other.name for other in case.others} & _UNSEEN_DEVICES
            if case.pacemaker is None or (not case.devices and not worn and _said_beside(case, finding)):
                return Truth(None)
            return Truth(bool(case.devices or worn))
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
        case "mass":
            values = {
                side: None if lung.nodules is None else tuple(n for n in lung.nodules if n.is_mass)
                for side, lung in lungs.items()
            }
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


def _said_beside(case: Case, finding: Finding) -> bool:
    """Whether a report of the case may name the finding in one breath with another: 'atelectasis or scarring'."""
    names = {other.name for other in case.others}
    match finding:
        case "scarring":
            return "pleural_thickening" in names or any(lung.atelectasis for lung in (case.right, case.left))
        case "pleural thickening":
            return "scarring" in names
        case "degenerative change":
            return bool(names & {"osteopenia", "kyphosis", "scoliosis", "compression_deformity"})
        case "low volumes":
            return "limited_study" in names
        case "device":
            return "breast_surgery" in names
    return False


def _graded(grade: int | None) -> Truth:
    return Truth(None if grade is None else grade > 0)
