"""One writer's style and what it may say: the base of the classes that write a report's parts.

Knows the case, the wording of its hand and what is absent from the case; knows no finding's sentences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from model.synthetic.cases import SIDES, Case, Lung, Side
from model.synthetic.grammar.patterns import article, close, expanded, parsed


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence before it is placed: no capital, no full stop."""

    text: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Thing:
    """A noun phrase without article, and what follows it: 'small nodule', 'in the right upper zone'."""

    noun: str
    keys: tuple[str, ...]
    plural: bool = False
    tail: str = ""
    mass: bool = False

    @property
    def bare(self) -> str:
        return f"{self.noun} {self.tail}".strip()

    @property
    def with_article(self) -> str:
        return self.bare if self.plural or self.mass else f"{article(self.noun)} {self.bare}"


_SLOT = re.compile("<(the|is|are)>")
_ARTICLE = re.compile(r"a~ ([\w.-]+)")

# The findings that no picture shows, by where they are spoken of.
DEVICE_OTHERS = frozenset(
    (
        "chest_tube", "picc", "port", "dialysis_catheter", "tracheostomy", "valve_prosthesis", "coronary_stent",
        "shunt_tubing", "stimulator", "monitor_leads",
    )
)  # fmt: skip
BONE_OTHERS = frozenset(
    (
        "degenerative_spine", "scoliosis", "kyphosis", "osteopenia", "compression_deformity", "old_rib_fracture",
        "old_clavicle_fracture", "shoulder_arthritis", "cervical_fusion", "pectus",
    )
)  # fmt: skip
MEDIASTINAL_OTHERS = frozenset(
    ("tortuous_aorta", "calcified_aorta", "hiatal_hernia", "fat_pad", "hilar_prominence", "calcified_nodes")
)
NODULAR_OTHERS = frozenset(("granuloma", "nipple_shadow", "calcified_nodes"))
LUNG_OTHERS = frozenset(
    ("granuloma", "emphysema", "hyperinflation", "bronchitis", "scarring", "fibrosis", "azygos_lobe")
)
LUNG_OTHERS |= {"nipple_shadow"}
VOLUME_OTHERS = frozenset(("low_lung_volumes",))
PLEURAL_OTHERS = frozenset(("pleural_thickening", "elevated_hemidiaphragm"))
SURGICAL_OTHERS = frozenset(("surgical_clips", "breast_surgery"))


class Hand:
    """The style is chosen once, so that a report is of one hand."""

    def __init__(self, case: Case, random: Random) -> None:
        self.case = case
        self.random = random
        self.terse = random.random() < 0.4
        self.comma = "," if random.random() < 0.85 else ""
        # A terse hand leaves out articles and verbs: 'heart size normal'.
        self.article_share = 0.1 if self.terse else 0.8
        self.verb_share = 0.7 if self.terse else 1.0
        self.compared = case.change is not None
        self.names = frozenset(other.name for other in case.others)
        self.vessels_said = False
        self.has_preamble = False
        self.was_specific = False
        self.shown = 0
        # What would differ between two sentences on the same thing is chosen once.
        self.level = self.say("[a midthoracic vertebral body|a lower thoracic vertebral body|T7|T8|T11|T12|L1]")
        self.part = self.say("[medial|lateral]") + " "
        self.smooth = self.chance(0.7)
        self.aged = self.say("[age-indeterminate|chronic|old|remote|chronic-appearing|age-indeterminate]")

    def say(self, pattern: str, **slots: str) -> str:
        text = expanded(parsed(pattern), self.random)
        for name, value in slots.items():
            text = text.replace(f"<{name}>", value)
        if "<" in text:
            # Who leaves out the verb leaves out the article as well.
            full = self.chance(self.verb_share)
            text = _SLOT.sub(lambda slot: self.filled(slot.group(1)) if full else "", text)
        text = " ".join(text.split()).replace(" ,", ",")
        if "appear" in text:
            text = text.replace(" in appearance", "")
        if "a~" in text:
            text = _ARTICLE.sub(lambda found: f"{article(found.group(1))} {found.group(1)}", text)
        return text

    def filled(self, name: str) -> str:
        """An article or a verb as this hand uses it."""
        if name == "the":
            return "the" if self.chance(self.article_share) else ""
        plain, appear = ("is", "appears") if name == "is" else ("are", "appear")
        return appear if self.chance(0.16) else plain

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def patient(self, unknown: str) -> str:
        grown = not self.case.paediatric
        named = {"M": "man" if grown else "boy", "F": "woman" if grown else "girl"}
        return named.get(self.case.sex or "", unknown)

    def lungs(self) -> tuple[tuple[Side, Lung], ...]:
        return tuple((side, self.case.lung(side)) for side in SIDES)

    def all_absent(self, finding: str) -> bool:
        return all(getattr(lung, finding) in (0, ()) for _, lung in self.lungs())

    def present(self, finding: str) -> list[tuple[Side, Lung]]:
        return [(side, lung) for side, lung in self.lungs() if getattr(lung, finding)]

    def no_opacity(self) -> bool:
        return not self.case.unplaced_opacity and self.all_absent("opacities") and self.case.edema in (0, 1, 2)

    def lungs_clear(self) -> bool:
        return (
            self.no_opacity()
            and self.case.edema == 0
            and all(self.all_absent(finding) for finding in ("nodules", "atelectasis", "effusion", "pneumothorax"))
        )

    def plainly_clear(self) -> bool:
        """Whether the lungs can be called clear without more ado."""
        return self.lungs_clear() and not self.names & LUNG_OTHERS

    def stated(self, thing: Thing) -> Statement:
        """A thing as a sentence that says that it is there."""
        are = "are" if thing.plural else "is"
        self.shown += 1
        if (self.terse and self.chance(0.75)) or self.chance(0.12):
            return Statement(close(thing.bare), thing.keys)
        if self.chance(0.5):
            return Statement(close(f"there {are} {thing.with_article}"), thing.keys)
        also = "|also noted|also seen" if self.shown > 1 else ""
        seen = self.say(f"[seen|noted|present|identified|visible|demonstrated|seen|noted|present{also}]")
        noun = thing.noun if thing.plural or thing.mass else f"{article(thing.noun)} {thing.noun}"
        return Statement(close(f"{noun} {are} {seen} {thing.tail}".strip()), thing.keys)


def opposite(side: str) -> Side:
    return "left" if side == "right" else "right"
