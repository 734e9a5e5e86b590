"""The structured truth of one chest radiograph: what is painted into the picture and what the report must say.

This module knows nothing of pictures, of wording and of networks. A field that is None is unknown: nothing is painted
for it, and the report is silent about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Side = Literal["right", "left"]
Zone = Literal["upper", "mid", "lower"]
Change = Literal["unchanged", "increased", "decreased", "new"]
# What a change can be of, the most urgent first.
MainFinding = Literal["pneumothorax", "opacity", "effusion", "edema", "cardiomegaly", "nodule", "atelectasis"]
Source = Literal["adult_normal", "child_normal", "child_pneumonia", "nih_labelled", "covid", "vqa_rad", "wingspan"]
# What labels of a whole picture tell of, with neither side, zone nor grade.
Unplaced = Literal["cardiomegaly", "edema", "opacity", "effusion", "pneumothorax", "atelectasis", "nodule", "mass"]

# The patient's sides and, from the top, the lung zones. Every per-side column and label comes in this order.
SIDES: tuple[Side, Side] = ("right", "left")
ZONES: tuple[Zone, Zone, Zone] = ("upper", "mid", "lower")
# Where a picture comes from; stored data refers to these by their position.
SOURCES: tuple[Source, ...] = (
    "adult_normal",
    "child_normal",
    "child_pneumonia",
    "nih_labelled",
    "covid",
    "vqa_rad",
    "wingspan",
)
# Those whose every picture has a case by its source alone. Of the others some have labels, of which one can be made.
REPORTED: tuple[Source, ...] = SOURCES[:3]
# In millimetres; what is larger is a mass (Fleischner Society, glossary of terms, Radiology 2008).
LARGEST_NODULE = 30
DEVICES = ("pacemaker", "endotracheal_tube", "central_line", "nasogastric_tube", "sternal_wires")


@dataclass(frozen=True, slots=True)
class Opacity:
    """An airspace opacity. `severity`: 1 faint, 2 moderate, 3 dense."""

    zone: Zone
    severity: int


@dataclass(frozen=True, slots=True)
class Nodule:
    """A round solid nodule; `diameter` in millimetres, 8 to 70. Above 30 mm it is called a mass."""

    zone: Zone
    diameter: int

    @property
    def is_mass(self) -> bool:
        return self.diameter > LARGEST_NODULE


@dataclass(frozen=True, slots=True)
class Lung:
    """What one side of the chest shows.

    `effusion`, `pneumothorax`: 0 none, 1 small, 2 moderate, 3 large. `atelectasis`: 0 none, 1 bandlike at the base.
    `opacities`: at most one a zone. `nodules`: at most one.
    """

    effusion: int | None = 0
    pneumothorax: int | None = 0
    atelectasis: int | None = 0
    opacities: tuple[Opacity, ...] | None = ()
    nodules: tuple[Nodule, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Other:
    """A finding or device that no picture of ours shows; `name` is one of `OTHERS`.

    `side`: where it has one; for scoliosis the side of the convexity. `zone`: for what lies in a lung.
    `severity`: 1 mild, 2 moderate, 3 severe, None where nothing is said of it.
    """

    name: str
    side: Side | None = None
    zone: Zone | None = None
    severity: int | None = None

    @property
    def key(self) -> str:
        """What a sentence about it is filed under: 'other_granuloma_right'."""
        return f"other_{self.name}_{self.side}" if self.side else f"other_{self.name}"


@dataclass(frozen=True, slots=True)
class Case:
    """One radiograph's truth and what its header and request tell.

    `cardiomegaly`: 0 none, 1 mild, 2 marked. `edema`: 0 none, 1 vascular congestion, 2 interstitial, 3 alveolar.
    `unplaced`: what is there, but unknown where and how much; the field that would hold its place is None. `bones`:
    True where the skeleton shows nothing acute. The pacemaker lies in the left chest wall, the central line comes from
    the right neck.
    `age` in years; `sex` 'M' or 'F'; `view` 'PA' or 'AP'; `indication` a phrase. `others`: what no picture shows, at
    most one of a kind. `change`: the main finding (`main_finding`) against a prior radiograph; None where there is no
    prior or nothing is said of it; without any finding only 'unchanged'.
    """

    right: Lung = Lung()
    left: Lung = Lung()
    cardiomegaly: int | None = 0
    edema: int | None = 0
    unplaced: frozenset[Unplaced] = frozenset()
    bones: bool | None = True
    pacemaker: bool | None = False
    endotracheal_tube: bool | None = False
    central_line: bool | None = False
    nasogastric_tube: bool | None = False
    sternal_wires: bool | None = False
    view: str | None = None
    age: int | None = None
    sex: str | None = None
    indication: str | None = None
    paediatric: bool = False
    others: tuple[Other, ...] = ()
    change: Change | None = None

    def lung(self, side: Side) -> Lung:
        return self.right if side == "right" else self.left

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that are there, by their field names."""
        return tuple(device for device in DEVICES if getattr(self, device))

    @property
    def unplaced_opacity(self) -> bool:
        """Whether the lungs show opacity, as of pneumonia, somewhere."""
        return "opacity" in self.unplaced

    @property
    def has_finding(self) -> bool:
        """Whether anything but a device is known to be abnormal."""
        return bool(
            self.cardiomegaly
            or self.edema
            or self.unplaced
            or any(
                lung.effusion or lung.pneumothorax or lung.atelectasis or lung.opacities or lung.nodules
                for lung in (self.right, self.left)
            )
        )


def case_to_json(case: Case) -> dict[str, Any]:
    """The case as JSON has it, field by field."""
    return {**asdict(case), "unplaced": sorted(case.unplaced)}


def mirrored(case: Case) -> Case:
    """The case with what lies on a side on the other one; heart and painted devices stay, their side is part of what
    they are."""
    others = tuple(replace(other, side=_OPPOSITE[other.side]) if other.side else other for other in case.others)
    return replace(case, right=case.left, left=case.right, others=others)


def visible(case: Case) -> Case:
    """The case without `others` and `change`: only what its picture shows."""
    return replace(case, others=(), change=None)


def main_finding(case: Case) -> MainFinding | None:
    """The most urgent of the findings that a picture shows, on whichever sides; None where there is none with a
    place."""
    lungs = (case.right, case.left)
    there: dict[MainFinding, bool] = {
        "pneumothorax": any(lung.pneumothorax for lung in lungs),
        "opacity": any(lung.opacities for lung in lungs),
        "effusion": any(lung.effusion for lung in lungs),
        "edema": bool(case.edema),
        "cardiomegaly": bool(case.cardiomegaly),
        "nodule": any(lung.nodules for lung in lungs),
        "atelectasis": any(lung.atelectasis for lung in lungs),
    }
    return next((finding for finding, present in there.items() if present), None)


_OPPOSITE: dict[Side, Side] = {"right": "left", "left": "right"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How often a finding of `OTHERS` occurs, relative to the rest, and what is said of it.

    `sided`: 'always', 'never', or 'maybe' (without a side it is on both or has none). `old`: how much more often it
    occurs beyond sixty years of age.
    """

    weight: float
    sided: Literal["always", "maybe", "never"] = "never"
    zoned: bool = False
    graded: bool = False
    old: float = 1.0


_OTHER_KINDS: dict[str, _Kind] = {
    "tortuous_aorta": _Kind(7, graded=True, old=3),
    "calcified_aorta": _Kind(6, old=3),
    "degenerative_spine": _Kind(14, graded=True, old=2),
    "scoliosis": _Kind(4, "maybe", graded=True),
    "kyphosis": _Kind(2, graded=True, old=2),
    "osteopenia": _Kind(2, old=3),
    "compression_deformity": _Kind(3, graded=True, old=3),
    "old_rib_fracture": _Kind(4, "always"),
    "old_clavicle_fracture": _Kind(2, "always"),
    "shoulder_arthritis": _Kind(2, "maybe", old=2),
    "cervical_fusion": _Kind(1.5),
    "pectus": _Kind(0.7),
    "granuloma": _Kind(9, "always", zoned=True),
    "calcified_nodes": _Kind(5, "maybe"),
    "hyperinflation": _Kind(7, graded=True, old=1.5),
    "emphysema": _Kind(4, graded=True, old=2),
    "bronchitis": _Kind(4),
    "low_lung_volumes": _Kind(8),
    "scarring": _Kind(6, "maybe", zoned=True, graded=True, old=1.5),
    "fibrosis": _Kind(3, graded=True, old=2),
    "pleural_thickening": _Kind(4, "maybe", graded=True),
    "elevated_hemidiaphragm": _Kind(5, "always", graded=True),
    "hiatal_hernia": _Kind(4, graded=True, old=2),
    "fat_pad": _Kind(1.5, "maybe"),
    "hilar_prominence": _Kind(4, "maybe"),
    "azygos_lobe": _Kind(0.8),
    "nipple_shadow": _Kind(1.5, "maybe"),
    "surgical_clips": _Kind(4, "maybe"),
    "breast_surgery": _Kind(1, "always"),
    "monitor_leads": _Kind(2),
    "limited_study": _Kind(3),
    "chest_tube": _Kind(1.5, "always"),
    "picc": _Kind(2.5, "always"),
    "port": _Kind(2.5, "always"),
    "dialysis_catheter": _Kind(1, "always"),
    "tracheostomy": _Kind(1.5),
    "valve_prosthesis": _Kind(1.5, old=2),
    "coronary_stent": _Kind(1, old=2),
    "shunt_tubing": _Kind(0.7),
    "stimulator": _Kind(0.7),
}
OTHERS: tuple[str, ...] = tuple(_OTHER_KINDS)
# Found more often where the picture shows the one that comes with it.
_CHEST_TUBE_BESIDE = 12.0
_CLIPS_BESIDE_WIRES = 3.0
# Which of these stands in a report already, the other would contradict or repeat.
_NOT_TOGETHER: tuple[frozenset[str], ...] = (
    frozenset(("low_lung_volumes", "hyperinflation", "emphysema")),
    frozenset(("fibrosis", "bronchitis", "scarring")),
    frozenset(("tracheostomy", "cervical_fusion")),
    frozenset(("scoliosis", "kyphosis")),
    frozenset(("picc", "port", "dialysis_catheter")),
    frozenset(("degenerative_spine", "osteopenia", "pectus")),
    frozenset(("hiatal_hernia", "fat_pad")),
    frozenset(("surgical_clips", "breast_surgery", "coronary_stent")),
    frozenset(("pleural_thickening", "scarring")),
    frozenset(("hilar_prominence", "calcified_nodes")),
    frozenset(("old_clavicle_fracture", "shoulder_arthritis")),
    frozenset(("monitor_leads", "shunt_tubing", "stimulator")),
)


def _with_others(case: Case, random: Random) -> Case:
    """One to three findings that the picture does not show, for about half of the cases."""
    if random.random() < 0.44:
        return case
    others: list[Other] = []
    for _ in range(random.choice((1, 1, 2, 2, 3))):
        other = _sample_other(case, random)
        beside = {taken.name for taken in others}
        if other.name in beside or any(other.name in group and beside & group for group in _NOT_TOGETHER):
            continue
        if not _hidden(other, case):
            others.append(other)
    return replace(case, others=tuple(others))


def _sample_other(case: Case, random: Random) -> Other:
    old = case.age is not None and case.age > 60
    tube_beside = any(lung.pneumothorax or (lung.effusion or 0) > 1 for lung in (case.right, case.left))
    more = {
        "chest_tube": _CHEST_TUBE_BESIDE if tube_beside else 1.0,
        "surgical_clips": _CLIPS_BESIDE_WIRES if case.sternal_wires else 1.0,
        "breast_surgery": 2.0 if case.sex == "F" else 0.0,
    }
    weights = [kind.weight * (kind.old if old else 1.0) * more.get(name, 1.0) for name, kind in _OTHER_KINDS.items()]
    name = random.choices(OTHERS, weights)[0]
    kind = _OTHER_KINDS[name]
    side: Side | None = random.choice(SIDES) if kind.sided != "never" else None
    if kind.sided == "maybe" and random.random() < 0.5:
        side = None
    if name == "chest_tube" and tube_beside:
        side = next(s for s in SIDES if case.lung(s).pneumothorax or (case.lung(s).effusion or 0) > 1)
    zone = random.choice(ZONES) if kind.zoned and side else None
    severity = random.choice((1, 1, 2, 3)) if kind.graded and random.random() < 0.6 else None
    return Other(name, side, zone, severity)


def _hidden(other: Other, case: Case) -> bool:
    """Whether what the picture shows hides the finding, or leaves no room for it."""
    lungs = [case.lung(side) for side in SIDES if other.side in (None, side)]
    in_lung = other.name in ("granuloma", "scarring", "fibrosis", "bronchitis", "pleural_thickening", "nipple_shadow")
    if in_lung or other.name in ("hilar_prominence", "calcified_nodes"):
        if (case.edema or 0) > 1 or any(lung.pneumothorax or (lung.effusion or 0) > 1 for lung in lungs):
            return True
        if other.name == "nipple_shadow" and any(lung.nodules or lung.opacities for lung in lungs):
            return True
        if other.name == "pleural_thickening" and any(lung.effusion for lung in lungs):
            return True
        if other.name in ("granuloma", "scarring"):
            taken = {opacity.zone for lung in lungs for opacity in lung.opacities or ()}
            taken |= {nodule.zone for lung in lungs for nodule in lung.nodules or ()}
            below = other.zone in ("lower", None) and any(lung.atelectasis for lung in lungs)
            return other.zone in taken or below or (other.zone is None and bool(taken))
    if other.name in ("hilar_prominence", "bronchitis") and case.edema:
        return True
    if other.name == "low_lung_volumes" or other.name == "elevated_hemidiaphragm":
        return any(lung.pneumothorax or (lung.effusion or 0) > 1 for lung in lungs)
    if other.name in ("hyperinflation", "emphysema"):
        return (case.edema or 0) > 1 or any((lung.effusion or 0) > 1 or lung.pneumothorax for lung in lungs)
    if other.name == "fat_pad":
        return any(lung.effusion or any(o.zone == "lower" for o in lung.opacities or ()) for lung in lungs)
    if other.name == "tracheostomy":
        return bool(case.endotracheal_tube)
    if other.name == "stimulator":
        return bool(case.pacemaker)
    return False


def _sample_change(case: Case, random: Random) -> Change | None:
    if not case.has_finding:
        return "unchanged" if random.random() < 0.12 else None
    if random.random() < 0.72:
        return None
    changes: tuple[Change, ...] = ("unchanged", "unchanged", "unchanged", "increased", "increased", "decreased")
    if main_finding(case) in ("pneumothorax", "opacity", "effusion", "nodule"):
        changes = (*changes, "new")
    return random.choice(changes)


# What clinicians write on requests, by what they think of.
_INDICATIONS: dict[str, tuple[str, ...]] = {
    "any": (
        "Chest pain",
        "Shortness of breath",
        "Cough",
        "Dyspnea",
        "Dyspnea on exertion",
        "Weakness",
        "Fever",
        "Preoperative evaluation",
        "Preoperative for hernia repair",
        "Fall",
        "Dizziness",
        "Abdominal pain",
        "Hypertension",
        "Back pain",
        "Weight loss",
        "Positive tuberculin test",
        "Motor vehicle collision",
        "Altered mental status",
        "Palpitations",
        "Asthma",
        "Wheezing",
        "Chest tightness",
        "Syncope",
        "Smoker with cough",
        "Employment screening",
        "Nausea and vomiting",
    ),
    "infection": ("Cough and fever", "Suspected pneumonia", "Productive cough", "Fever and chills", "Sepsis"),
    "heart": ("Known heart failure", "Leg swelling", "Orthopnea", "Congestive heart failure", "Atrial fibrillation"),
    "air": ("Sudden chest pain", "Chest trauma", "Pleuritic chest pain", "After thoracentesis"),
    "nodule": ("Hemoptysis", "History of malignancy", "Long-term smoker", "Cancer staging"),
    "intensive": ("Intubated patient", "Respiratory failure", "Line placement", "Tube placement", "Postoperative"),
    "child": ("Cough and fever", "Fever", "Cough", "Wheezing", "Tachypnea", "Suspected pneumonia", "Fussiness"),
}


def sample_case(random: Random) -> Case:
    """A case of an adult to be painted on a normal radiograph; about 35 % show no finding, some of those a device."""
    case = _sample_findings(random) if random.random() < 0.65 else Case()
    case = _with_devices(case, random)
    case = replace(case, change=_sample_change(case, random))
    # Drawn beside the case: what header and request lean to would be written without a look at the picture.
    age = min(max(round(random.gauss(56, 18)), 18), 96)
    case = replace(
        case,
        view=random.choices(("PA", "AP", None), (0.42, 0.33, 0.25))[0],
        age=age if random.random() < 0.7 else None,
        sex=random.choice(("M", "F")) if random.random() < 0.7 else None,
        indication=_sample_indication(random),
    )
    return _with_others(case, random)


def case_from_labels(source: Source, random: Random) -> Case:
    """The case of a real picture that is left as it is, as far as its source's label tells.

    A child with pneumonia has opacity somewhere; of the rest only the absence of air and of acute injury is known.
    """
    if source == "adult_normal":
        return Case()
    indication = random.choice(_INDICATIONS["child"]) if random.random() < 0.5 else None
    # The collection's children are one to five years old (Kermany et al., Cell 2018), taken from the front.
    age = random.randint(1, 5) if random.random() < 0.75 else None
    sex = random.choice(("M", "F")) if random.random() < 0.7 else None
    view = random.choices(("AP", "PA", None), (0.6, 0.1, 0.3))[0]
    if source == "child_normal":
        return Case(paediatric=True, indication=indication, age=age, sex=sex, view=view)
    unknown = Lung(effusion=None, pneumothorax=0, atelectasis=None, opacities=None, nodules=None)
    return Case(
        right=unknown,
        left=unknown,
        cardiomegaly=None,
        edema=None,
        unplaced=frozenset({"opacity"}),
        pacemaker=None,
        endotracheal_tube=None,
        central_line=None,
        nasogastric_tube=None,
        sternal_wires=None,
        paediatric=True,
        indication=indication,
        age=age,
        sex=sex,
        view=view,
    )


def case_of_answers(answers: Mapping[str, int]) -> Case:
    """The case of a real picture of an adult from what is known of it, by the names of `LABELS`: 1 yes, 0 no, -1
    unknown.

    A finding that is there, but unknown on which side or in which zone, is `unplaced`. Of devices and bones nothing is
    known.
    """
    unplaced: set[Unplaced] = {finding for finding in get_args(Unplaced) if answers[finding] == 1}
    lungs: dict[Side, Lung] = {}
    for side in SIDES:
        effusion, pneumothorax = (_grade(answers, finding, side) for finding in ("effusion", "pneumothorax"))
        lungs[side] = Lung(
            effusion=effusion,
            pneumothorax=pneumothorax,
            atelectasis=_of_side(answers, "atelectasis", side),
            opacities=_opacities(answers, side),
            # Its zone is not known.
            nodules=() if answers["nodule"] == 0 else None,
        )
    right, left = lungs["right"], lungs["left"]
    placed: dict[Unplaced, bool] = {
        "effusion": None not in (right.effusion, left.effusion),
        "pneumothorax": None not in (right.pneumothorax, left.pneumothorax),
        "atelectasis": None not in (right.atelectasis, left.atelectasis),
        "opacity": None not in (right.opacities, left.opacities),
    }
    heart = answers["cardiomegaly"]
    if heart == 1 and answers["marked_cardiomegaly"] >= 0:
        unplaced.discard("cardiomegaly")
        cardiomegaly: int | None = 1 + answers["marked_cardiomegaly"]
    else:
        cardiomegaly = 0 if heart == 0 else None
    return Case(
        right=right,
        left=left,
        cardiomegaly=cardiomegaly,
        edema=0 if answers["edema"] == 0 else None,
        unplaced=frozenset(finding for finding in unplaced if not placed.get(finding, False)),
        bones=None,
        pacemaker=None,
        endotracheal_tube=None,
        central_line=None,
        nasogastric_tube=None,
        sternal_wires=None,
    )


def _of_side(answers: Mapping[str, int], finding: str, side: Side) -> int | None:
    """1 there, 0 not, None unknown."""
    if answers[finding] == 0:
        return 0
    answer = answers[f"{finding}_{side}"]
    return None if answer < 0 else answer


def _grade(answers: Mapping[str, int], finding: str, side: Side) -> int | None:
    there = _of_side(answers, finding, side)
    if not there:
        return there
    return 1 + sum(answers.get(f"{size}_{finding}_{side}", 0) == 1 for size in ("moderate_or_large", "large"))


def _opacities(answers: Mapping[str, int], side: Side) -> tuple[Opacity, ...] | None:
    if answers["opacity"] == 0:
        return ()
    zones = {zone: answers[f"opacity_{zone}_{side}"] for zone in ZONES}
    return None if -1 in zones.values() else tuple(Opacity(zone, 2) for zone in ZONES if zones[zone])


def _sample_findings(random: Random) -> Case:
    while True:
        failing = random.random() < 0.22
        edema = random.choice((1, 1, 2, 2, 3)) if failing and random.random() < 0.75 else 0
        enlarged = random.random() < (0.75 if failing else 0.2)
        cardiomegaly = random.choice((1, 1, 2)) if enlarged else 0
        right, left = _sample_lungs(failing, edema, random)
        case = Case(right=right, left=left, cardiomegaly=cardiomegaly, edema=edema)
        if left.effusion == 3:
            # The fluid hides the heart's border, so nobody could tell.
            case = replace(case, cardiomegaly=None)
        if case.has_finding:
            return case


def _sample_lungs(failing: bool, edema: int, random: Random) -> tuple[Lung, Lung]:
    effusions = [0, 0]
    if random.random() < (0.55 if failing else 0.25):
        both = random.random() < (0.6 if failing else 0.2)
        first = random.randrange(2)
        effusions[first] = random.choice((1, 1, 1, 2, 2, 2, 3, 3))
        if both:
            effusions[1 - first] = random.choice((1, 1, 2))
    pneumothoraces = [0, 0]
    if not failing and random.random() < 0.2:
        pneumothoraces[random.randrange(2)] = random.choice((1, 1, 2, 2, 3))
    opacities: list[dict[Zone, int]] = [{}, {}]
    if random.random() < (0.15 if failing else 0.38):
        for _ in range(random.choice((1, 1, 1, 1, 2, 2, 3))):
            zone = random.choice((*ZONES, "lower"))
            opacities[random.randrange(2)][zone] = random.choice((1, 2, 2, 3))
    nodules: list[Nodule | None] = [None, None]
    if random.random() < 0.18:
        for _ in range(random.choice((1, 1, 1, 1, 2))):
            diameter = random.randint(8, 30) if random.random() < 0.65 else random.randint(31, 70)
            nodules[random.randrange(2)] = Nodule(random.choice(ZONES), diameter)
    bands = [0, 0]
    if random.random() < 0.18:
        bands = list(random.choice(((1, 0), (0, 1), (1, 1))))
    lungs = [
        _seen_together(effusion, pneumothorax, band, opacity, nodule, edema)
        for effusion, pneumothorax, band, opacity, nodule in zip(
            effusions, pneumothoraces, bands, opacities, nodules, strict=True
        )
    ]
    return lungs[0], lungs[1]


def _seen_together(
    effusion: int, pneumothorax: int, band: int, opacities: dict[Zone, int], nodule: Nodule | None, edema: int
) -> Lung:
    """One lung without what its other findings would hide: a report speaks of what can be seen."""
    if pneumothorax:
        # Fluid beside air would be a level, which is not painted; a collapsed lung is dense of itself.
        effusion, band, opacities, nodule = 0, 0, {}, None
    if edema == 3:
        opacities, nodule, band = {}, None, 0
    hidden: set[Zone] = {"mid", "lower"} if effusion == 3 else {"lower"} if effusion == 2 else set()
    if effusion >= 2:
        band = 0
    opacities = {zone: severity for zone, severity in opacities.items() if zone not in hidden}
    if "lower" in opacities:
        band = 0
    if nodule and (nodule.zone in hidden or nodule.zone in opacities):
        nodule = None
    return Lung(
        effusion=effusion,
        pneumothorax=pneumothorax,
        atelectasis=band,
        opacities=tuple(Opacity(zone, opacities[zone]) for zone in ZONES if zone in opacities),
        nodules=(nodule,) if nodule else (),
    )


def _with_devices(case: Case, random: Random) -> Case:
    sick = case.has_finding
    tube = random.random() < (0.12 if sick else 0.03)
    return replace(
        case,
        pacemaker=random.random() < (0.2 if case.cardiomegaly else 0.06),
        endotracheal_tube=tube,
        central_line=random.random() < (0.6 if tube else 0.1 if sick else 0.04),
        nasogastric_tube=random.random() < (0.7 if tube else 0.03),
        sternal_wires=random.random() < (0.18 if case.cardiomegaly else 0.05),
    )


def _sample_indication(random: Random) -> str | None:
    if random.random() < 0.4:
        return None
    kinds = ("any", "any", "any", "infection", "heart", "air", "nodule", "intensive")
    return random.choice(_INDICATIONS[random.choice(kinds)])


# Columns of `case_to_array`. Grades are the case's own numbers, opacities their severity by zone, `nodule_zone` 0 for
# no nodule and 1 to 3 from the top, `nodule_diameter` in millimetres. Unknown counts as absent: nothing is painted.
FIELDS: tuple[str, ...] = (
    "cardiomegaly",
    "edema",
    *DEVICES,
    *(
        f"{field}_{side}"
        for field in (
            "effusion",
            "pneumothorax",
            "atelectasis",
            *(f"opacity_{zone}" for zone in ZONES),
            "nodule_zone",
            "nodule_diameter",
        )
        for side in SIDES
    ),
)


def case_to_array(cases: Sequence[Case]) -> NDArray[np.float32]:
    """What a painter takes: (batch, len(FIELDS)) float32, columns as in `FIELDS`."""
    return np.array([_row(case) for case in cases], dtype=np.float32).reshape(len(cases), len(FIELDS))


def _row(case: Case) -> list[int]:
    lungs = (case.right, case.left)
    row: list[int] = [case.cardiomegaly or 0, case.edema or 0]
    row += [bool(getattr(case, device)) for device in DEVICES]
    row += [lung.effusion or 0 for lung in lungs]
    row += [lung.pneumothorax or 0 for lung in lungs]
    row += [lung.atelectasis or 0 for lung in lungs]
    for zone in ZONES:
        row += [sum(o.severity for o in lung.opacities or () if o.zone == zone) for lung in lungs]
    row += [1 + ZONES.index(lung.nodules[0].zone) if lung.nodules else 0 for lung in lungs]
    row += [lung.nodules[0].diameter if lung.nodules else 0 for lung in lungs]
    return row


# Above this diameter, in millimetres, a solid round lesion is called a mass (Fleischner Society glossary, 2008).
MASS = 30
# Columns of `labels_of`, each a yes-or-no question about the picture.
LABELS: tuple[str, ...] = (
    "cardiomegaly",
    "marked_cardiomegaly",
    "edema",
    "interstitial_or_alveolar_edema",
    "opacity",
    "effusion",
    "pneumothorax",
    "atelectasis",
    # Any solid round lesion; one above `MASS` is both.
    "nodule",
    "mass",
    *DEVICES,
    *(
        f"{label}_{side}"
        for label in (
            "effusion",
            "moderate_or_large_effusion",
            "large_effusion",
            "pneumothorax",
            "moderate_or_large_pneumothorax",
            "atelectasis",
            *(f"opacity_{zone}" for zone in ZONES),
            "nodule",
        )
        for side in SIDES
    ),
)


def labels_of(cases: Sequence[Case]) -> NDArray[np.float32]:
    """The cases' answers: (batch, len(LABELS)) float32, 1 yes, 0 no, -1 unknown; columns as in `LABELS`."""
    return np.array([_answers(case) for case in cases], dtype=np.float32).reshape(len(cases), len(LABELS))


def _answers(case: Case) -> list[int]:
    lungs = (case.right, case.left)
    answers = [_at_least(case.cardiomegaly, 1), _at_least(case.cardiomegaly, 2)]
    answers += [_at_least(case.edema, 1), _at_least(case.edema, 2)]
    answers.append(_has_opacity(case))
    answers.append(_either([_at_least(lung.effusion, 1) for lung in lungs]))
    answers.append(_either([_at_least(lung.pneumothorax, 1) for lung in lungs]))
    answers.append(_either([_at_least(lung.atelectasis, 1) for lung in lungs]))
    answers += [_either([_has_lesion(lung, above) for lung in lungs]) for above in (0, MASS)]
    answers += [_at_least(getattr(case, device), 1) for device in DEVICES]
    for grade in (1, 2, 3):
        answers += [_at_least(lung.effusion, grade) for lung in lungs]
    for grade in (1, 2):
        answers += [_at_least(lung.pneumothorax, grade) for lung in lungs]
    answers += [_at_least(lung.atelectasis, 1) for lung in lungs]
    for zone in ZONES:
        answers += [-1 if lung.opacities is None else int(zone in {o.zone for o in lung.opacities}) for lung in lungs]
    answers += [_has_lesion(lung, 0) for lung in lungs]
    for finding in case.unplaced:
        answers[LABELS.index(finding)] = 1
    return answers


def _at_least(grade: int | None, least: int) -> int:
    return -1 if grade is None else int(grade >= least)


def _has_lesion(lung: Lung, above: int) -> int:
    """Whether there is a solid round lesion of more than so many millimetres."""
    return -1 if lung.nodules is None else int(any(nodule.diameter > above for nodule in lung.nodules))


def _either(answers: Sequence[int]) -> int:
    """What two sides' answers say of the whole chest: a yes decides, and without one an unknown side leaves it open."""
    return 1 if 1 in answers else min(answers)


def _has_opacity(case: Case) -> int:
    if case.right.opacities or case.left.opacities:
        return 1
    return -1 if case.right.opacities is None or case.left.opacities is None else 0
