"""Writes questions about a radiograph, with short answers: from a case's truth, or from the labels of a real picture.

Every answer follows from what the picture shows; what is unknown is not asked. This module knows nothing of networks.

In a pattern, `[a|b|]` is one of its alternatives, as in `model.synthetic.grammar`; `<side>` is 'right' or 'left'.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from model.synthetic.cases import DEVICES, LABELS, SIDES, Case, Lung, Side, labels_of
from model.synthetic.grammar import joined

YES, NO = "Yes.", "No."
YES_OR_NO = (NO, YES)
# Where, how large and how many are asked of what is not there this seldom; most pictures have nothing of most kinds.
ASKED_OF_NOTHING = 0.2

Asked = tuple[str, str]
"""A question and its answer."""


@dataclass(frozen=True, slots=True)
class _Topic:
    """How a label is asked about: `canonical`, the one wording that evaluations use, and `others`, patterns of noun
    phrases that mean the same. `plural`: 'are there', not 'is there'."""

    canonical: str
    others: str
    plural: bool = False

    @property
    def question(self) -> str:
        return f"{'Are' if self.plural else 'Is'} there {self.canonical}?"


_TOPICS: dict[str, _Topic] = {
    "cardiomegaly": _Topic(
        "cardiomegaly", "[cardiomegaly|cardiac enlargement|enlargement of the heart|an enlarged heart]"
    ),
    "marked_cardiomegaly": _Topic(
        "marked cardiomegaly", "[marked|severe] [cardiomegaly|cardiac enlargement|enlargement of the heart]"
    ),
    "edema": _Topic(
        "pulmonary edema or vascular congestion",
        "[pulmonary [edema or|edema or vascular] congestion|vascular congestion or edema|congestion or edema]",
    ),
    "interstitial_or_alveolar_edema": _Topic("pulmonary edema", "[pulmonary|lung|interstitial or alveolar] edema"),
    "opacity": _Topic(
        "an airspace opacity",
        "[an airspace opacity|a lung opacity|an infiltrate|a consolidation or opacity|airspace disease|a pulmonary "
        "opacity]",
    ),
    "pacemaker": _Topic("a pacemaker", "a [cardiac |][pacemaker|pacing device]"),
    "endotracheal_tube": _Topic("an endotracheal tube", "an [endotracheal tube|ET tube]"),
    "central_line": _Topic("a central venous catheter", "a [central venous catheter|central line|central venous line]"),
    "nasogastric_tube": _Topic("a nasogastric tube", "[a nasogastric tube|an enteric tube|an NG tube]"),
    "sternal_wires": _Topic("sternal wires", "[sternal|sternotomy|median sternotomy] wires", plural=True),
    "effusion": _Topic("a pleural effusion", "[a pleural effusion|pleural fluid|an effusion]"),
    "pneumothorax": _Topic("a pneumothorax", "[a pneumothorax|free pleural air]"),
    "atelectasis": _Topic("atelectasis", "[atelectasis|bandlike atelectasis|an atelectatic band]"),
    # Any solid round lesion, however large.
    "nodule": _Topic(
        "a pulmonary nodule or mass", "a [[pulmonary|lung] nodule or mass|nodule or mass|round lesion][| in the lungs]"
    ),
    "mass": _Topic("a pulmonary mass", "a [pulmonary mass|lung mass|mass][| in the lungs]"),
}
_SIDED: dict[str, _Topic] = {
    "effusion": _Topic(
        "a <side> pleural effusion",
        "[a <side>[|-sided] [|pleural ]effusion|a[| pleural] effusion on the <side>|<side> pleural fluid]",
    ),
    "moderate_or_large_effusion": _Topic(
        "a moderate or large <side> pleural effusion",
        "[a moderate or large|more than a small] [<side> pleural effusion|pleural effusion on the <side>]",
    ),
    "large_effusion": _Topic(
        "a large <side> pleural effusion",
        "a [large|massive] [<side> pleural effusion|pleural effusion on the <side>]",
    ),
    "pneumothorax": _Topic(
        "a <side> pneumothorax", "a [<side>[|-sided] pneumothorax|pneumothorax on the <side>[| side]]"
    ),
    "moderate_or_large_pneumothorax": _Topic(
        "a moderate or large <side> pneumothorax",
        "[a moderate or large|more than a small] [<side> pneumothorax|pneumothorax on the <side>]",
    ),
    "atelectasis": _Topic(
        "atelectasis on the <side>",
        "[atelectasis on the <side>|<side> basilar atelectasis|atelectasis at the <side> base]",
    ),
    "nodule": _Topic(
        "a nodule or mass in the <side> lung",
        "[a [nodule or mass|round lesion] [in the <side> lung|on the <side>]|a <side> lung nodule or mass]",
    ),
    **{
        f"opacity_{zone}": _Topic(
            f"an opacity in the <side> {zone} zone",
            f"[an [|airspace ]opacity|an infiltrate|a consolidation] [in|of] the <side> {words}",
        )
        for zone, words in (
            ("upper", "[upper zone|upper lobe|upper lung]"),
            ("mid", "[mid zone|mid lung]"),
            ("lower", "[lower zone|lower lobe|lower lung|lung base]"),
        )
    },
}
_WHETHER = (
    "[is there <it>[| on this radiograph| in this picture| on this chest radiograph]|is there [evidence of|any "
    "sign of] <it>|is <it> [present|seen|visible|shown]|does [this|the] [radiograph|picture|image|chest radiograph] "
    "show <it>|do you see <it>|can you see <it>|can <it> be seen|does the patient have <it>]?"
)
_WHETHER_PLURAL = (
    "[are there <it>[| on this radiograph]|are <it> [present|seen|visible]|does [this|the] [radiograph|image] show <it>"
    "|do you see <it>|can <it> be seen|does the patient have <it>]?"
)
_DEVICE_NAMES = {
    "pacemaker": "pacemaker",
    "endotracheal_tube": "endotracheal tube",
    "central_line": "central venous catheter",
    "nasogastric_tube": "nasogastric tube",
    "sternal_wires": "sternal wires",
}
_SIZES = {1: "Small.", 2: "Moderate.", 3: "Large."}
_NUMBERS = ("None.", "One.", "Two.", "Three.", "Four.", "Five.", "Six.")


def canonical_question(label: str) -> str:
    """The question of an entry of `LABELS`, in the wording that evaluations use; its answer is 'Yes.' or 'No.'.

    Raises KeyError for any other name.
    """
    topic, side = _topic(label)
    return topic.question.replace("<side>", side or "")


def question_of_labels(row: Sequence[int] | NDArray[np.int8], random: Random) -> Asked | None:
    """A question about a real picture of which labels are known; None where none is.

    `row`: (len(LABELS),) 1 yes, 0 no, -1 unknown. As many questions are answered 'Yes.' as 'No.', where there are both.
    """
    known = [(label, int(value)) for label, value in zip(LABELS, row, strict=True) if value >= 0]
    wanted = random.randrange(2)
    choice = [pair for pair in known if pair[1] == wanted] or known
    if not choice:
        return None
    label, value = random.choice(choice)
    return _wording(label, random), YES_OR_NO[value]


def questions_of(case: Case, random: Random) -> Asked:
    """A question about a case and its short answer, which the case's picture shows.

    Half of them ask whether something is there; the others where, how large, how many, or what. Raises ValueError for
    a case of which nothing is known.
    """
    labels = [int(value) for value in labels_of([case])[0]]
    if random.random() < 0.5:
        whether = question_of_labels(labels, random)
        if whether is not None:
            return whether
    makers = list(_MAKERS)
    random.shuffle(makers)
    for maker in makers:
        asked = maker(case, random)
        if asked is not None:
            question, answer = asked
            return question[0].upper() + question[1:], answer
    whether = question_of_labels(labels, random)
    if whether is None:
        raise ValueError("Nothing is known of the case, so nothing can be asked.")
    return whether


def as_answer(text: str) -> str:
    """An answer of a collection as it is trained: 'yes ' is 'Yes.', 'right lower lobe' is 'Right lower lobe.'."""
    words = " ".join(text.split()).rstrip(".")
    return f"{words[:1].upper()}{words[1:]}."


def _topic(label: str) -> tuple[_Topic, Side | None]:
    for side in SIDES:
        if label.endswith(f"_{side}"):
            return _SIDED[label.removesuffix(f"_{side}")], side
    return _TOPICS[label], None


def _wording(label: str, random: Random) -> str:
    """A question about a label: the canonical one a quarter of the time, because that one is asked in earnest."""
    if random.random() < 0.25:
        return canonical_question(label)
    topic, side = _topic(label)
    thing = _expand(topic.others, random).replace("<side>", side or "")
    question = _expand(_WHETHER_PLURAL if topic.plural else _WHETHER, random).replace("<it>", thing)
    return question[0].upper() + question[1:]


def _which_side(case: Case, random: Random) -> Asked | None:
    sided = {
        "pleural effusion": [lung.effusion for lung in _lungs(case)],
        "pneumothorax": [lung.pneumothorax for lung in _lungs(case)],
        "atelectasis": [lung.atelectasis for lung in _lungs(case)],
        "opacity": [_count(lung.opacities) for lung in _lungs(case)],
        _lesion(case): [_count(lung.nodules) for lung in _lungs(case)],
    }
    there = {name: grades for name, grades in sided.items() if None not in grades and any(grades)}
    absent = [name for name, grades in sided.items() if None not in grades and not any(grades)]
    if there:
        name, grades = random.choice(list(there.items()))
        answer = "Both sides." if all(grades) else "Right." if grades[0] else "Left."
    elif absent and random.random() < ASKED_OF_NOTHING:
        name, answer = random.choice(absent), "There is none."
    else:
        return None
    pattern = "[on which side is the <it>|which side is the <it> on|which [side|lung] [shows|has] the <it>"
    if name not in ("opacity", _lesion(case)):
        # Of these two 'where' asks for the zone.
        pattern += "|where is the <it>|is the <it> on the right or on the left|what is the laterality of the <it>"
    return _expand(f"{pattern}]?", random).replace("<it>", name), answer


def _where(case: Case, random: Random) -> Asked | None:
    """The zones of opacities or of nodules."""
    lungs = _lungs(case)
    kinds = []
    if all(lung.opacities is not None for lung in lungs):
        kinds.append(("opacity", [f"{side} {o.zone} zone" for side in SIDES for o in case.lung(side).opacities or ()]))
    if all(lung.nodules is not None for lung in lungs):
        kinds.append(
            (_lesion(case), [f"{side} {n.zone} zone" for side in SIDES for n in case.lung(side).nodules or ()])
        )
    kinds = [(name, places) for name, places in kinds if places]
    if not kinds:
        return None
    name, places = random.choice(kinds)
    question = _expand(
        "[where is the <it>|in which [zone|part] of the lungs is the <it>|what is the location of the <it>"
        "|where in the lungs is the <it>|in which lung zone is the <it> [seen|located]]?",
        random,
    )
    return question.replace("<it>", name), _sentence(joined(places, "and"))


def _how_large(case: Case, random: Random) -> Asked | None:
    kinds: list[Asked] = []
    for side in SIDES:
        lung = case.lung(side)
        graded = (("pleural effusion", lung.effusion), ("pneumothorax", lung.pneumothorax))
        kinds += [(f"{side} {name}", _SIZES[grade]) for name, grade in graded if grade]
        if lung.nodules and len(lung.nodules) == 1:
            kinds.append(
                (f"{_lesion(case)} in the {side} lung", f"About {5 * round(lung.nodules[0].diameter / 5)} mm.")
            )
    if not kinds:
        return None
    name, answer = random.choice(kinds)
    pattern = "[how [large|big] is the <it>|what is the size of the <it>|what size is the <it>"
    if not answer.startswith("About"):
        pattern += "|is the <it> small, moderate or large"
    return _expand(f"{pattern}]?", random).replace("<it>", name), answer


def _heart(case: Case, random: Random) -> Asked | None:
    if case.cardiomegaly is None:
        return None
    if random.random() < 0.5:
        pattern = (
            "[is the heart [normal in size|of normal size]|is the heart size normal|is the cardiac silhouette normal"
        )
        return _expand(f"{pattern}[| in size]]?", random), YES_OR_NO[case.cardiomegaly == 0]
    if not case.cardiomegaly and random.random() >= ASKED_OF_NOTHING:
        return None
    question = _expand("[how large is the heart|what is the size of the heart|what is the heart size]?", random)
    return question, ("Normal.", "Mildly enlarged.", "Markedly enlarged.")[case.cardiomegaly]


def _edema(case: Case, random: Random) -> Asked | None:
    if case.edema is None or (not case.edema and random.random() >= ASKED_OF_NOTHING):
        return None
    question = _expand(
        "[how severe is the [pulmonary edema|edema]|what [degree|grade] of pulmonary edema is there"
        "|what do the pulmonary vessels show]?",
        random,
    )
    return question, ("No edema.", "Vascular congestion.", "Interstitial edema.", "Alveolar edema.")[case.edema]


def _how_many(case: Case, random: Random) -> Asked | None:
    lungs = _lungs(case)
    kinds = []
    if all(lung.nodules is not None for lung in lungs):
        kinds.append(("nodules or masses", sum(_count(lung.nodules) or 0 for lung in lungs)))
    if all(lung.opacities is not None for lung in lungs) and not case.unplaced_opacity:
        kinds.append(("opacities", sum(_count(lung.opacities) or 0 for lung in lungs)))
    seen = [kind for kind in kinds if kind[1]]
    if not kinds or (not seen and random.random() >= ASKED_OF_NOTHING):
        return None
    name, count = random.choice(seen or kinds)
    question = _expand("[how many <it> are [there|seen|visible]|what is the number of <it>]?", random)
    return question.replace("<it>", name), _NUMBERS[count]


def _which_devices(case: Case, random: Random) -> Asked | None:
    if any(getattr(case, device) is None for device in DEVICES):
        return None
    if not case.devices and random.random() >= ASKED_OF_NOTHING:
        return None
    question = _expand(
        "[which [devices|lines and tubes|support devices] are [seen|present|visible]|what devices are [there|seen]"
        "|name the devices]",
        random,
    )
    names = [_DEVICE_NAMES[device] for device in case.devices]
    return f"{question}{'.' if question.startswith('name') else '?'}", _sentence(joined(names, "and") or "none")


def _is_normal(case: Case, random: Random) -> Asked | None:
    """Whether the picture is normal. Not asked of one that shows devices alone: readers differ about that."""
    abnormal = bool(_findings(case) or case.unplaced)
    unknown = case.cardiomegaly is None or case.edema is None or any(lung.opacities is None for lung in _lungs(case))
    if not abnormal and (unknown or case.devices):
        return None
    if random.random() < 0.5:
        question = _expand(
            "[is this [a normal radiograph|a normal chest radiograph|radiograph normal]|is the [chest|picture] normal"
            "|is this a normal chest]?",
            random,
        )
        return question, YES_OR_NO[not abnormal]
    question = _expand(
        "[is there [an|any] abnormality|is anything abnormal[| seen]|is this radiograph abnormal"
        "|are there any abnormal findings]?",
        random,
    )
    return question, YES_OR_NO[abnormal]


def _lungs_clear(case: Case, random: Random) -> Asked | None:
    """Whether the lungs are clear. Not asked where only air or fluid lies beside them."""
    lungs = _lungs(case)
    seen = bool(
        case.unplaced & {"opacity", "nodule", "mass", "edema"}
        or case.edema
        or any(lung.opacities or lung.nodules for lung in lungs)
    )
    unknown = case.edema is None or any(None in (lung.opacities, lung.nodules, lung.atelectasis) for lung in lungs)
    beside = bool(case.unplaced - {"cardiomegaly"})
    beside = beside or any(lung.effusion or lung.pneumothorax or lung.atelectasis for lung in lungs)
    if not seen and (unknown or beside):
        return None
    question = _expand("[are [the|both] lungs clear|are the lungs [free of opacities|normal]]?", random)
    return question, YES_OR_NO[not seen]


def _what_is_seen(case: Case, random: Random) -> Asked | None:
    unknown = case.cardiomegaly is None or case.edema is None or any(lung.opacities is None for lung in _lungs(case))
    # What has no place cannot be named as the others are, and is not to be left out.
    if unknown or case.unplaced:
        return None
    found = _findings(case)
    if len(found) > 3 or (not found and random.random() >= ASKED_OF_NOTHING):
        return None
    question = _expand(
        "[what is the abnormality|what are the [abnormal findings|findings]|what abnormalities are [seen|there]"
        "|which abnormalities does [this|the] radiograph show|what is abnormal]?",
        random,
    )
    return question, _sentence(joined(found, "and") or "no abnormality")


_MAKERS = (
    _which_side,
    _where,
    _how_large,
    _heart,
    _edema,
    _how_many,
    _which_devices,
    _is_normal,
    _lungs_clear,
    _what_is_seen,
)


def _findings(case: Case) -> list[str]:
    """What the picture shows beside devices, most important first, as short noun phrases."""
    found: list[str] = []
    lungs = _lungs(case)
    for name, grades in (
        ("pneumothorax", [lung.pneumothorax for lung in lungs]),
        ("pleural effusion", [lung.effusion for lung in lungs]),
    ):
        if all(grades):
            found.append(f"bilateral {'pleural effusions' if name == 'pleural effusion' else 'pneumothoraces'}")
        elif any(grades):
            found.append(f"{'right' if grades[0] else 'left'} {name}")
    if case.edema:
        found.append("vascular congestion" if case.edema == 1 else "pulmonary edema")
    found += [f"{side} {o.zone} zone opacity" for side in SIDES for o in case.lung(side).opacities or ()]
    for side in SIDES:
        found += [f"{side} lung {'mass' if n.is_mass else 'nodule'}" for n in case.lung(side).nodules or ()]
    if case.cardiomegaly:
        found.append("cardiomegaly")
    found += [f"{side} basilar atelectasis" for side in SIDES if case.lung(side).atelectasis]
    return found


def _lesion(case: Case) -> str:
    """What its round lesions are called together."""
    masses = {nodule.is_mass for lung in _lungs(case) for nodule in lung.nodules or ()}
    return "mass" if masses == {True} else "lesion" if len(masses) == 2 else "nodule"


def _lungs(case: Case) -> tuple[Lung, Lung]:
    return case.right, case.left


def _count(things: Sequence[object] | None) -> int | None:
    return None if things is None else len(things)


def _expand(pattern: str, random: Random) -> str:
    while "[" in pattern:
        pattern = re.sub(r"\[([^\[\]]*)\]", lambda choice: random.choice(choice[1].split("|")), pattern)
    return pattern


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
