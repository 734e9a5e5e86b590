"""Hints for the gaps of a training report, as a person would put them: made from what the wanted sentences speak about.

Half of them name the matter ('size of effusion?'), half say what is to be written ('small left effusion'), so that the
network learns to write of what it is asked and to take a person's word for what the image leaves open. This module
knows nothing of networks and tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from drafting.report import Report
from model.synthetic.grammar import Sentence, WrittenReport

# Of the reports whose gaps may have hints, each gap has one in this share; the others say nothing of theirs.
HINTED_GAPS = 0.7
# A gap of more than so many matters, a section or a whole report, has no hint: nobody would put one in a few words.
MOST_MATTERS = 3

_WORDINGS = {
    "cardiomegaly": ("heart", "heart size", "cardiac silhouette"),
    "mediastinum": ("mediastinum", "mediastinal contours"),
    "lungs": ("lungs", "lung fields"),
    "bones": ("bones", "osseous structures"),
    "edema": ("edema", "pulmonary edema", "vessels"),
    "effusion": ("effusion", "pleural effusion", "pleural fluid"),
    "pneumothorax": ("pneumothorax", "ptx"),
    "opacity": ("opacity", "consolidation", "airspace disease"),
    "nodule": ("nodule", "mass or nodule"),
    "atelectasis": ("atelectasis",),
    "central_line": ("central line", "line position"),
    "endotracheal_tube": ("endotracheal tube", "tube position", "ETT"),
    "nasogastric_tube": ("nasogastric tube", "NG tube"),
    "change": ("change", "comparison with prior"),
}
_SIZED = {"effusion", "pneumothorax", "nodule", "opacity"}
_SIDED = {"effusion", "pneumothorax", "nodule", "opacity", "atelectasis"}
_NORMAL = {"cardiomegaly", "mediastinum", "lungs", "bones"}
_SIZE = re.compile(
    r"\b(trace|tiny|minimal|small|mild(?:ly)?|moderate(?:ly)?|large|massive|marked(?:ly)?|severe(?:ly)?)\b"
)
_ABSENT = re.compile(
    r"\b(no|not|without|free of|negative for|clear|normal|unremarkable|limits|sharp|intact|preserved)\b", re.IGNORECASE
)
# A gap of less than a sentence has a hint only where it wants a word of weight, not an 'of the'.
_TELLING = re.compile(r"[a-z]{6}", re.IGNORECASE)
# Neither there nor absent, so a person would rather ask.
_OPEN = re.compile(r"\b(may|cannot|possible|possibly|likely|probable|resolved|excluded|versus)\b", re.IGNORECASE)


def hinted(report: Report, written: WrittenReport, random: Random) -> Report:
    """The report with hints at most of its gaps: its text is `written`'s, cut into locked and open spans."""
    spans = []
    at = 0
    for span in report.spans:
        stop = at + len(span.text)
        inside = [each for each in written.sentences if at <= each.start and each.end <= stop]
        touched = [each for each in written.sentences if each.start < stop and at < each.end]
        says_something = inside or _TELLING.search(span.text)
        if span.locked or not says_something or random.random() >= HINTED_GAPS:
            spans.append(span)
        else:
            spans.append(replace(span, hint=hint_of(span.text, inside or touched, random)))
        at = stop
    return replace(report, spans=tuple(spans))


def hint_of(text: str, sentences: Sequence[Sentence], random: Random) -> str:
    """A hint for a gap whose wanted `text` is of these sentences; empty where it is of too much."""
    sides: dict[str, set[str]] = {}
    for key in (key for sentence in sentences for key in sentence.keys):
        matter, _, side = key.removeprefix("other_").rpartition("_")
        sided = side in ("right", "left") and bool(matter)
        sides.setdefault(matter if sided else key.removeprefix("other_"), set()).update({side} if sided else ())
    if not 0 < len(sides) <= MOST_MATTERS:
        return ""
    names = {matter: random.choice(_WORDINGS.get(matter, (matter.replace("_", " "),))) for matter in sides}
    (matter, own), *others = sides.items()
    if others:
        listed = list(names.values())
        random.shuffle(listed)
        return random.choice((", ".join(listed), " and ".join(listed), f"{', '.join(listed)}?"))
    name = names[matter]
    side = next(iter(own)) if len(own) == 1 else "both sides" if own else ""
    is_absent = _ABSENT.search(text) is not None
    if random.random() < 0.5 or _OPEN.search(text) or matter not in (_NORMAL if is_absent else set()) | _SIDED:
        return _asked(matter, name, random)
    if matter in _NORMAL:
        return random.choice((f"{name} normal", f"normal {name}", f"{name}: normal"))
    if is_absent:
        return random.choice((f"no {name}", f"no {name}", f"{name}: none", f"without {name}"))
    size = _SIZE.search(text.lower())
    said = " ".join(filter(None, (size[0] if size else "", side if side != "both sides" else "bilateral", name)))
    return random.choice((said, said, f"{name}, {side}" if side else said, f"there is {said}"))


def _asked(matter: str, name: str, random: Random) -> str:
    asked = [name, f"{name}?", f"describe the {name}"]
    if matter in _SIZED:
        asked += [f"size of {name}?", f"how large is the {name}?"]
    if matter in _SIDED:
        asked += [f"any {name}?", f"side of {name}?", f"{name}: which side?"]
    return random.choice(asked)
