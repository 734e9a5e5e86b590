"""Writes the report of a case: phrases with alternatives, put together so that two reports rarely agree.

This module knows nothing of pictures and of networks; all it knows of a radiograph is its `Case`. A report never
contradicts its case or itself, says nothing about what is unknown, and its impression names every main finding.

In a pattern, `[a|b|]` is one of its alternatives, which may hold patterns and may be empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import TypeAlias

from model.synthetic.cases import SIDES, ZONES, Case, Lung, MainFinding, Opacity, Other, Side, main_finding
from model.synthetic.phrases import (
    ABDOMEN_NORMAL,
    BONES_NORMAL,
    BONES_NOT_ACUTE,
    CHANGE_AFTER,
    CHANGE_BEFORE,
    CHANGE_SENTENCES,
    DEGREE,
    DEGREE_ADVERB,
    DEVICE_NAMES,
    DEVICE_PLACES,
    EDEMA_SENTENCES,
    EFFUSION_SIZE,
    HEADINGS,
    HEART_ALONE,
    HEART_AND_LUNGS,
    HEART_AND_MEDIASTINUM,
    HEART_AND_VESSELS,
    HEART_STABLE,
    HEART_STABLE_ALONE,
    HERNIA_SIZE,
    INFECTIONS,
    MASS_NOUNS,
    MAY_BE,
    NO_CHANGE,
    NO_CONSOLIDATION,
    NO_DISEASE,
    NO_FREE_AIR,
    NO_NODULES,
    NO_OPACITIES,
    NO_OPACITY,
    NORMAL_CHEST,
    ON,
    OPACITY_LOOK,
    OPACITY_NOUN,
    OTHER_CONCLUSIONS,
    OTHER_SENTENCES,
    PLACES,
    PLACES_AFTER,
    PLACES_BEFORE,
    PNEUMOTHORAX_SIZE,
    PRIOR,
    SUGGESTS,
    VESSELS_NORMAL,
)

# Words in a report, headings included. Of a child with pneumonia little else is known, and there is less to say.
LEAST_WORDS = 25
LEAST_WORDS_CHILD = 10
MOST_WORDS = 115


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a report: `text[start:end]`, its number in a numbered impression included.

    `keys`: what it speaks about, sides included ('effusion_right', 'cardiomegaly', 'bones'). `section`: 'findings',
    'impression', 'examination', 'indication' or 'comparison'. `only_text`: it states something that no picture shows,
    one of the case's `others` (under its key) or its change ('change').
    """

    start: int
    end: int
    keys: tuple[str, ...]
    section: str
    only_text: bool = False


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report's text and its sentences in order; between them stand headings and white space."""

    text: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class _Statement:
    """A sentence before it is placed: no capital, no full stop."""

    text: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Thing:
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


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    heading: str
    statements: list[_Statement] = field(default_factory=list)
    numbered: bool = False


# A pattern taken apart: text, and choices between patterns.
_Pattern: TypeAlias = "tuple[str | tuple[_Pattern, ...], ...]"


def write_report(case: Case, random: Random) -> WrittenReport:
    """A report of the case; the same case and state of `random` give the same report."""
    least = LEAST_WORDS_CHILD if case.paediatric and case.unplaced else LEAST_WORDS
    while True:
        report = _Writer(case, random).write()
        if report is not None and least <= len(report.text.split()) <= MOST_WORDS:
            return report


def _only_text(keys: Sequence[str]) -> bool:
    return any(key == "change" or key.startswith("other_") for key in keys)


def article(noun: str) -> str:
    """'a' or 'an', as the noun phrase is spoken; numbers too: an 8, an 11, an 18."""
    number = re.match(r"\d+", noun)
    if number:
        return "an" if number.group().startswith("8") or number.group() in ("11", "18") else "a"
    if re.match(r"[A-Z]{2}", noun):
        # An abbreviation is spelled: an NG tube, an ET tube.
        return "an" if noun[0] in "AEFHILMNORSX" else "a"
    return "an" if noun[0].lower() in "aeiou" else "a"


def joined(parts: Sequence[str], conjunction: str) -> str:
    """'a', 'a and b', 'a, b, and c'."""
    if len(parts) < 3:
        return f" {conjunction} ".join(parts)
    return f"{', '.join(parts[:-1])}, {conjunction} {parts[-1]}"


@cache
def _parsed(pattern: str) -> _Pattern:
    stack: list[list[list[str | tuple[_Pattern, ...]]]] = [[[]]]
    for piece in re.split(r"([\[\]|])", pattern):
        if piece == "[":
            stack.append([[]])
        elif piece == "|" and len(stack) > 1:
            stack[-1].append([])
        elif piece == "]":
            alternatives = stack.pop()
            stack[-1][-1].append(tuple(tuple(parts) for parts in alternatives))
        elif piece:
            stack[-1][-1].append(piece)
    return tuple(stack[0][0])


def _expanded(pattern: _Pattern, random: Random) -> str:
    return "".join(
        part if isinstance(part, str) else _expanded(part[int(random.random() * len(part))], random) for part in pattern
    )


_SLOT = re.compile("<(the|is|are)>")
_ARTICLE = re.compile(r"a~ ([\w.-]+)")
_PLURALS = re.compile(r"(?:effusions|pneumothoraces|opacities|infiltrates|consolidations|areas of consolidation)$")
# What can only be said of something that was there before.
_AS_BEFORE = re.compile(r"\b(?:stable|unchanged|again|remains?)\b")
_DEVICE_OTHERS = frozenset(
    (
        "chest_tube", "picc", "port", "dialysis_catheter", "tracheostomy", "valve_prosthesis", "coronary_stent",
        "shunt_tubing", "stimulator", "monitor_leads",
    )
)  # fmt: skip
_BONE_OTHERS = frozenset(
    (
        "degenerative_spine", "scoliosis", "kyphosis", "osteopenia", "compression_deformity", "old_rib_fracture",
        "old_clavicle_fracture", "shoulder_arthritis", "cervical_fusion", "pectus",
    )
)  # fmt: skip
_MEDIASTINAL_OTHERS = frozenset(
    ("tortuous_aorta", "calcified_aorta", "hiatal_hernia", "fat_pad", "hilar_prominence", "calcified_nodes")
)
_NODULAR_OTHERS = frozenset(("granuloma", "nipple_shadow", "calcified_nodes"))
_LUNG_OTHERS = frozenset(
    ("granuloma", "emphysema", "hyperinflation", "bronchitis", "scarring", "fibrosis", "azygos_lobe")
)
_LUNG_OTHERS |= {"nipple_shadow"}
_VOLUME_OTHERS = frozenset(("low_lung_volumes",))
_PLEURAL_OTHERS = frozenset(("pleural_thickening", "elevated_hemidiaphragm"))
_SURGICAL_OTHERS = frozenset(("surgical_clips", "breast_surgery"))


class _Writer:
    """Writes one report. The style is chosen once, so that a report is of one hand."""

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
        text = _expanded(_parsed(pattern), self.random)
        for name, value in slots.items():
            text = text.replace(f"<{name}>", value)
        if "<" in text:
            # Who leaves out the verb leaves out the article as well.
            full = self.chance(self.verb_share)
            text = _SLOT.sub(lambda slot: self._filled(slot.group(1)) if full else "", text)
        text = " ".join(text.split()).replace(" ,", ",")
        if "appear" in text:
            text = text.replace(" in appearance", "")
        if "a~" in text:
            text = _ARTICLE.sub(lambda found: f"{article(found.group(1))} {found.group(1)}", text)
        return text

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def write(self) -> WrittenReport | None:
        """The report; None where a sentence came out twice, or where nothing says what has changed."""
        sections = self._sections()
        seen: set[str] = set()
        for section in sections:
            for statement in section.statements:
                sentence = statement.text.lower()
                if sentence in seen:
                    return None
                seen.add(sentence)
        if self.compared and not any("change" in s.keys for section in sections for s in section.statements):
            return None
        return self._assembled(sections)

    def _sections(self) -> list[_Section]:
        findings, impression = self._findings, self._impression
        self.vessels_said = False
        self.was_specific = False
        self.shown = 0
        spelled: Callable[[str], str] = self.random.choices((str.upper, str, str.lower), (0.58, 0.4, 0.02))[0]
        name: Callable[[str], str] = lambda heading: spelled(self.say(HEADINGS[heading]))  # noqa: E731
        after = self.random.choice((":\n", ":\n", ":\n", ":\n", ": ", ": ", ": ", "\n"))
        form = self.random.random()
        self.has_preamble = form < 0.87 and self.chance(0.18)
        numbered = self.chance(0.45)
        if form < 0.76:
            body = [
                _Section("findings", name("findings") + after, findings()),
                _Section("impression", name("impression") + after, impression(), numbered),
            ]
        elif form < 0.82:
            body = [_Section("findings", name("findings") + after, findings())]
        elif form < 0.87:
            body = [_Section("impression", name("impression") + after, impression(whole=True), numbered)]
        elif form < 0.93:
            body = [
                _Section("findings", "", findings()),
                _Section("impression", name("impression") + after, impression()),
            ]
        elif form < 0.97:
            body = [_Section("findings", "", findings()), _Section("impression", "", impression())]
        else:
            body = [_Section("findings", "", findings())]
        return self._preamble(name, after) + body if self.has_preamble else body

    def _preamble(self, name: Callable[[str], str], after: str) -> list[_Section]:
        examination = self._examination()
        sections = [_Section("examination", name("examination") + after, [examination])]
        if self.case.indication and self.chance(0.7):
            indication = _Statement(self.case.indication, ("indication",))
            sections.append(_Section("indication", name("indication") + after, [indication]))
        if self.compared or self.chance(0.4):
            prior = (
                "[prior [chest radiograph|radiograph|study|exam|examination|chest radiographs]|previous [exam"
                "|examination|chest radiograph|study|chest radiographs]|[chest radiograph|radiograph] from a prior "
                "date|comparison is made to [a|the] prior [study|exam|chest radiograph]]"
            )
            none = "[none|none available|no prior studies|no comparison available|no prior radiographs available]"
            comparison = _Statement(self.say(prior if self.compared else none), ("comparison",))
            sections.append(_Section("comparison", name("comparison") + after, [comparison]))
        return sections

    def _assembled(self, sections: list[_Section]) -> WrittenReport:
        between = "\n\n" if self.chance(0.6) else "\n"
        lines = self.chance(0.5)
        text = ""
        sentences: list[Sentence] = []
        for section in sections:
            if text:
                text += between
            text += section.heading
            numbered = section.numbered and len(section.statements) > 1
            for number, statement in enumerate(section.statements, start=1):
                if number > 1:
                    text += "\n" if numbered and lines and section.heading.endswith("\n") else " "
                start = len(text)
                text += f"{number}. " if numbered else ""
                text += statement.text[0].upper() + statement.text[1:] + "."
                sentences.append(Sentence(start, len(text), statement.keys, section.name, _only_text(statement.keys)))
        return WrittenReport(text, tuple(sentences))

    # What is there and what is not.

    def _lungs(self) -> tuple[tuple[Side, Lung], ...]:
        return tuple((side, self.case.lung(side)) for side in SIDES)

    def _all_absent(self, finding: str) -> bool:
        return all(getattr(lung, finding) in (0, ()) for _, lung in self._lungs())

    def _present(self, finding: str) -> list[tuple[Side, Lung]]:
        return [(side, lung) for side, lung in self._lungs() if getattr(lung, finding)]

    def _no_opacity(self) -> bool:
        return not self.case.unplaced_opacity and self._all_absent("opacities") and self.case.edema in (0, 1, 2)

    def _lungs_clear(self) -> bool:
        return (
            self._no_opacity()
            and self.case.edema == 0
            and all(self._all_absent(finding) for finding in ("nodules", "atelectasis", "effusion", "pneumothorax"))
        )

    # Findings.

    def _findings(self) -> list[_Statement]:
        heart = self._heart()
        # Only what stands behind another finding is 'also noted'; the lungs stand before the pleura.
        self.shown = 0
        lungs, pleura = [*self._vessels(), *self._parenchyma()], self._pleura()
        negatives = self._negatives()
        self.shown = 0
        devices, bones = self._devices(), self._rest()
        heart += self._others(_MEDIASTINAL_OTHERS)
        lungs += self._others(_LUNG_OTHERS | _VOLUME_OTHERS)
        pleura += self._others(_PLEURAL_OTHERS)
        devices += self._others(_DEVICE_OTHERS)
        bones += self._others(_BONE_OTHERS | _SURGICAL_OTHERS)
        blocks: list[list[_Statement]]
        if self.chance(0.5):
            blocks = [heart, lungs, pleura, negatives]
        elif self.chance(0.6):
            blocks = [lungs, pleura, negatives, heart]
        else:
            blocks = [lungs, heart, pleura, negatives]
        blocks = [devices, *blocks, bones] if self.chance(0.5) else [*blocks, devices, bones]
        before = [*self._view(), *self._others(frozenset(("limited_study",)))]
        statements = [statement for block in (before, *blocks) for statement in block]
        if not any("change" in statement.keys for statement in statements):
            statements += self._comparison()
        return statements

    def _but(self) -> str:
        """What may follow, in the same sentence, on how far the lungs are expanded."""
        others = self.names & (_LUNG_OTHERS - {"hyperinflation", "emphysema"})
        if self._lungs_clear() and not others:
            return self.say("[|||but clear|but otherwise clear|without focal consolidation|without focal infiltrate]")
        return ""

    def _heart(self) -> list[_Statement]:
        grade = self.case.cardiomegaly
        if "cardiomegaly" in self.case.unplaced:
            return [self._enlarged_heart()]
        if grade is None:
            if self.case.left.effusion == 3 and self.chance(0.5):
                hidden = "[difficult to assess|not well assessed|obscured by the effusion]"
                return [_Statement(self.say(f"[the heart size is|cardiac size is] {hidden}"), ("cardiomegaly",))]
            return []
        plain = not self.names & _MEDIASTINAL_OTHERS
        if grade:
            statements = [self._cardiomegaly(grade)]
            if plain and self.chance(0.35):
                statements.append(self._mediastinum())
            return statements
        if self.case.change == "unchanged" and self.chance(0.3):
            text = self.say(HEART_STABLE if plain else HEART_STABLE_ALONE)
            keys = ("cardiomegaly", "mediastinum", "change") if plain else ("cardiomegaly", "change")
            return [_Statement(text, keys)]
        if plain and self.case.edema == 0 and self.chance(0.14):
            text = self.say(HEART_AND_VESSELS, normal=self._normal())
            self.vessels_said = True
            return [_Statement(text, ("cardiomegaly", "mediastinum", "edema"))]
        if plain and self.chance(0.55):
            return [_Statement(self.say(HEART_AND_MEDIASTINUM, normal=self._normal()), ("cardiomegaly", "mediastinum"))]
        if self._plainly_clear() and self.chance(0.06):
            text = self.say(HEART_AND_LUNGS, normal=self._normal())
            return [_Statement(text, ("cardiomegaly", "lungs"))]
        statements = [_Statement(self.say(HEART_ALONE, normal=self._normal()), ("cardiomegaly",))]
        if plain and self.chance(0.55):
            statements.append(self._mediastinum())
        return statements

    def _normal(self) -> str:
        return self.say(
            "[normal|normal|normal|unremarkable|unremarkable|within normal limits|within normal limits|within normal "
            "limits|grossly normal|grossly unremarkable|within limits of normal|within the limits of normal|normal in "
            "appearance|unremarkable in appearance|within normal limits in appearance|within normal limits]"
        )

    def _cardiomegaly(self, grade: int) -> _Statement:
        if self._changes("cardiomegaly", 0.5):
            return self._changed_heart()
        size = "[mild|mild|mild|slight|borderline|borderline to mild|minimal]"
        adverb = "[mildly|mildly|mildly|slightly|borderline|minimally]"
        if grade > 1:
            size = "[marked|moderate to marked|severe|pronounced|marked|moderate]"
            adverb = "[markedly|markedly|severely|significantly|moderately]"
        pattern = (
            "[<the> heart <is> <adverb> enlarged|<the> [cardiac|cardiomediastinal|heart] silhouette <is> <adverb> "
            "enlarged|[there is |]<size> [cardiomegaly|cardiomegaly|cardiac enlargement|enlargement of the cardiac "
            "silhouette|enlargement of the heart]|<size> cardiomegaly is [present|noted|seen]|<the> heart "
            "size is <adverb> [enlarged|increased]|<adverb> enlarged [cardiac silhouette|heart|cardiomediastinal "
            "silhouette]|<size> cardiomegaly without [pulmonary edema|overt pulmonary edema|heart failure|pulmonary "
            "vascular congestion]|<the> heart size <is> <adverb> enlarged]"
        )
        if self.case.edema != 0:
            pattern = pattern.replace(
                "|<size> cardiomegaly without [pulmonary edema|overt pulmonary edema|heart failure|pulmonary "
                "vascular congestion]",
                "",
            )
        return _Statement(self.say(pattern, adverb=self.say(adverb), size=self.say(size)), ("cardiomegaly",))

    def _enlarged_heart(self) -> _Statement:
        """An enlarged heart of which nobody says how large it is."""
        pattern = (
            "[<the> heart <is> enlarged|<the> [cardiac|cardiomediastinal|heart] silhouette <is> enlarged|[there is "
            "|]cardiomegaly|cardiomegaly is [present|noted|seen]|<the> heart size is [enlarged|increased]|enlarged "
            "[cardiac silhouette|heart|cardiomediastinal silhouette]|[there is |]enlargement of the [heart|cardiac "
            "silhouette]]"
        )
        return _Statement(self.say(pattern), ("cardiomegaly",))

    def _mediastinum(self) -> _Statement:
        if self.case.change == "unchanged" and self.chance(0.25):
            text = self.say(
                "[<the> mediastin[um is|al contours are|al contour is] [stable|unchanged]|stable mediastinal [contour|"
                "contours|silhouette]|stable mediastinal and hilar contours]"
            )
            return _Statement(text, ("mediastinum", "change"))
        pattern = (
            "[<the> mediastinum <is> <normal>|<the> mediastinum is [not widened|midline]|<the> mediastinal "
            "[contours <are>|contour <is>|structures <are>|silhouette <is>] <normal>|<the> mediastinal and hilar "
            "[contours|structures] <are> <normal>|<the> hilar and mediastinal contours <are> <normal>|<the> trachea is "
            "midline|<the> trachea and central airways <are> <normal>|no mediastinal [widening|shift]|[normal|"
            "unremarkable] mediastinal [contour|contours|silhouette]|normal mediastinum|<the> mediastinum is "
            "unremarkable|<the> aorta <is> <normal>|<the> thoracic aorta <is> <normal>|<the> hilar structures <are> "
            "<normal>|<the> aortic contour <is> <normal>|<the> trachea and mediastinum <are> <normal>|<the> hilar "
            "contours <are> <normal>|no [mediastinal|hilar|hilar or mediastinal] [adenopathy|lymphadenopathy]|<the> "
            "mediastinum <is> normal in size and contour|<the> mediastinal contours are normal|<the> trachea is "
            "midline "
            "and [the |]central airways are [clear|patent]]"
        )
        return _Statement(self.say(pattern, normal=self._normal()), ("mediastinum",))

    def _vessels(self) -> list[_Statement]:
        grade = self.case.edema
        if "edema" in self.case.unplaced:
            return [self._shown(self._edema_thing())]
        if grade is None or (grade == 0 and (self.vessels_said or not self.chance(0.3))):
            return []
        if grade == 0:
            return [_Statement(self.say(VESSELS_NORMAL, normal=self._normal()), ("edema",))]
        if self.chance(0.4) or self._changes("edema", 0.6):
            return [self._shown(self._edema_thing())]
        return [_Statement(self.say(EDEMA_SENTENCES[grade], suggests=self.say(SUGGESTS)), ("edema",))]

    def _edema_thing(self) -> _Thing:
        if "edema" in self.case.unplaced:
            return _Thing(self.say("[pulmonary edema|pulmonary edema|edema]"), ("edema",), mass=True)
        pattern = {
            1: "[mild |mild |minimal |][pulmonary vascular congestion|vascular congestion|central vascular congestion|"
            "pulmonary venous congestion|central pulmonary vascular congestion|pulmonary vascular engorgement]",
            2: "[mild |mild to moderate |][interstitial edema|interstitial pulmonary edema]",
            3: "[moderate|severe|marked|frank] [pulmonary edema|alveolar pulmonary edema|alveolar edema]",
        }[self.case.edema or 1]
        return self._changing(_Thing(self.say(pattern), ("edema",), mass=True), "edema")

    def _parenchyma(self) -> list[_Statement]:
        if self._lungs_clear():
            return []
        statements = self._opacities()
        if len(statements) == 1 and "," not in statements[0].text and self.chance(0.12):
            pattern = (
                "[this|this finding] [may represent|could represent|is concerning for|is suspicious for|is consistent "
                "with"
                "|may reflect|may be due to|likely represents|is most consistent with|appears to represent|is "
                "compatible"
                " with|would be compatible with|most likely represents] <disease>"
            )
            keys = tuple(key for key in statements[0].keys if key != "change")
            statements.append(_Statement(self.say(pattern, disease=self.say(INFECTIONS)), keys))
        statements += [self._shown(thing) for thing in (*self._nodule_things(), *self._atelectasis_things())]
        if self.case.unplaced_opacity:
            statements.append(self._unplaced())
        focal = bool(statements) and all(lung.opacities is not None for _, lung in self._lungs())
        clear = [side for side, lung in self._lungs() if self.case.edema == 0 and lung == Lung()]
        plain = not self.names & _LUNG_OTHERS
        if len(clear) == 1 and plain and self.chance(0.3):
            pattern = (
                "[<the> <side> lung is [clear|clear|well aerated and clear|unremarkable|grossly clear]|clear <side> "
                "lung]"
            )
            keys = tuple(f"{finding}_{clear[0]}" for finding in ("opacity", "nodule", "atelectasis"))
            statements.append(_Statement(self._inflated(self.say(pattern, side=clear[0])), keys))
        elif focal and plain and self.case.edema == 0 and self.chance(0.4):
            pattern = (
                "[<the> lungs are otherwise [grossly |]clear|otherwise[,|] <the> lungs are [clear|grossly clear]|the "
                "[remaining lungs are|remainder of the lungs is] clear|no other focal [airspace |]opacity|lungs "
                "otherwise clear|no focal consolidation elsewhere|the lungs otherwise appear clear]"
            )
            if not self._no_opacity():
                pattern = pattern.replace("|no focal consolidation elsewhere", "")
            statements.append(_Statement(self.say(pattern), ("lungs",)))
        return statements

    def _opacities(self) -> list[_Statement]:
        """Each opacity with its place; some in one sentence."""
        by_side = {side: list(lung.opacities or ()) for side, lung in self._lungs()}
        statements: list[_Statement] = []
        for zone in ZONES:
            pair = [o for side in SIDES for o in by_side[side] if o.zone == zone]
            if len(pair) == 2 and pair[0].severity == pair[1].severity and self.chance(0.6):
                statements.append(self._shown(self._bilateral_opacity(pair[0])))
                for side in SIDES:
                    by_side[side] = [o for o in by_side[side] if o.zone != zone]
        for side in SIDES:
            found = by_side[side]
            if len(found) == 2 and found[0].severity == found[1].severity and self.chance(0.6):
                statements.append(self._shown(self._double_opacity(found, side)))
            else:
                statements += [self._shown(self._opacity_thing(opacity, side)) for opacity in found]
        return statements

    def _opacity_thing(self, opacity: Opacity, side: Side) -> _Thing:
        look = self.say(OPACITY_LOOK[opacity.severity])
        noun = self.say(OPACITY_NOUN[opacity.severity])
        mass = noun.endswith(MASS_NOUNS)
        keys = (f"opacity_{side}",)
        cause = self._cause(0.2)
        alone = sum(len(lung.opacities or ()) for _, lung in self._lungs()) == 1
        hedged = 0.15 if opacity.severity == 1 and alone else 0.0
        if self.chance(0.5):
            place = self.say(PLACES_BEFORE[opacity.zone, side])
            noun = noun.removeprefix("lung ")
            thing = _Thing(" ".join(f"{look} {place} {noun}".split()), keys, mass=mass, tail=cause)
        else:
            place = self.say(PLACES_AFTER[opacity.zone, side], part=self.part)
            thing = _Thing(f"{look} {noun}".strip(), keys, mass=mass, tail=f"{place}{cause}")
        return self._changing(thing, "opacity", hedged)

    def _bilateral_opacity(self, opacity: Opacity) -> _Thing:
        look = self.say(OPACITY_LOOK[opacity.severity])
        noun = self.say(
            "[airspace opacities|opacities|airspace opacities|consolidations|infiltrates|air space opacities|airspace "
            "consolidations]"
            if opacity.severity > 1
            else "[opacities|opacities|infiltrates|airspace opacities]"
        )
        keys = ("opacity_right", "opacity_left")
        places = {
            "upper": "[bilateral upper zone|bilateral upper lobe|bilateral upper lung]",
            "mid": "[bilateral mid zone|bilateral midlung|bilateral mid lung]",
            "lower": "[bibasilar|bibasilar|bilateral lower zone|bilateral lower lobe|bibasal|bilateral basilar]",
        }
        noun = f"{look} {self.say(places[opacity.zone])} {noun}".strip()
        return self._changing(_Thing(noun, keys, plural=True, tail=self._cause(0.2)), "opacity")

    def _double_opacity(self, found: list[Opacity], side: Side) -> _Thing:
        look = self.say(OPACITY_LOOK[found[0].severity])
        noun = self.say("[airspace opacities|opacities|infiltrates|airspace consolidations]")
        zones = f"{found[0].zone} and {found[1].zone}"
        place = self.say("in the <side> <zones> [zones|lung zones|lung|lobes]", side=side, zones=zones)
        if "mid" in zones.split():
            place = place.replace("lobes", "lung")
        thing = _Thing(f"{look} {noun}".strip(), (f"opacity_{side}",), plural=True, tail=place + self._cause(0.2))
        return self._changing(thing, "opacity")

    def _cause(self, probability: float) -> str:
        if not self.chance(probability):
            return ""
        return self.say(f", {SUGGESTS} {INFECTIONS}")

    def _unplaced(self) -> _Statement:
        noun = self.say(
            "[patchy|focal|hazy|streaky|] [airspace opacity|pulmonary opacity|airspace disease|parenchymal opacity|"
            "infiltrate|lung opacity|perihilar opacity|consolidation]"
        )
        thing = _Thing(
            noun.strip(), ("opacity",), mass=noun.endswith(("disease", "consolidation")), tail=self._cause(0.5)
        )
        if self.chance(0.4):
            plural = self.say(
                "[pulmonary opacities|airspace opacities|patchy opacities|lung opacities|patchy infiltrates|perihilar "
                "opacities]"
            )
            thing = _Thing(plural, ("opacity",), plural=True, tail=self._cause(0.5))
        return self._shown(thing)

    def _nodule_things(self) -> list[_Thing]:
        present = self._present("nodules")
        things = []
        if "mass" in self.case.unplaced:
            things.append(_Thing(self.say("[mass|lung mass|pulmonary mass]"), ("mass",)))
        elif "nodule" in self.case.unplaced:
            noun = "[pulmonary nodule|lung nodule|nodule|nodular opacity|nodular density]"
            things.append(_Thing(self.say(noun), ("nodule",)))
        for side, lung in present:
            nodule = (lung.nodules or ())[0]
            judged = "small" if nodule.diameter < 15 else "large" if nodule.diameter > 24 else ""
            if nodule.is_mass:
                judged = "large" if nodule.diameter > 50 else ""
            size = self.say(
                "[<cm>|<cm>|approximately <cm>|<judged>|<judged>|]"
                if nodule.is_mass
                else "[<mm>|<mm>|approximately <mm>|<cm>|roughly <cm>|<judged>|<judged>|]",
                mm=f"{nodule.diameter} mm",
                cm=f"{nodule.diameter / 10:.1f} cm",
                judged=judged,
            )
            shape = "[round|rounded|well-defined|noncalcified|well-circumscribed||||]"
            if nodule.is_mass:
                shape = (
                    "[round|rounded|well-defined|well-circumscribed||||]"
                    if self.smooth
                    else "[lobulated|irregular||||]"
                )
            look = self.say(shape if len(present) > 1 else shape.replace("||||", "|solitary|||"))
            noun = self.say(
                "[mass|mass|lung mass|pulmonary mass]"
                if nodule.is_mass
                else "[nodule|nodule|nodule|pulmonary nodule|nodular opacity|nodular density|lung nodule]"
            )
            keys = (f"nodule_{side}",)
            measured = ""
            if not size and self.chance(0.5):
                number = f"{nodule.diameter / 10:.1f} cm" if nodule.diameter > 15 else f"{nodule.diameter} mm"
                measured = self.say(f"measuring [approximately |about |]{number} [in diameter|]")
            if self.chance(0.4):
                place = self.say(PLACES_BEFORE[nodule.zone, side])
                noun = noun.removeprefix("lung ").removeprefix("pulmonary ")
                thing = _Thing(" ".join(f"{size} {look} {place} {noun}".split()), keys, tail=measured)
            else:
                place = self.say(PLACES_AFTER[nodule.zone, side], part=self.part)
                thing = _Thing(" ".join(f"{size} {look} {noun}".split()), keys, tail=f"{place} {measured}".strip())
            things.append(self._changing(thing, "nodule", 0.1 if nodule.diameter < 12 and len(present) == 1 else 0.0))
        return things

    def _atelectasis_things(self) -> list[_Thing]:
        sides = [side for side, _ in self._present("atelectasis")]
        if "atelectasis" in self.case.unplaced:
            return [_Thing("atelectasis", ("atelectasis",), mass=True)]
        if not sides:
            return []
        keys = tuple(f"atelectasis_{side}" for side in sides)
        place = (
            self.say("[bibasilar|bibasilar|bibasal|bilateral basilar|bilateral lower lobe|basilar bilateral]")
            if len(sides) == 2
            else self.say(f"{sides[0]} [basilar|basilar|basal|lung base|lower lobe|base]")
        )
        place = place.replace("basilar bilateral", "bibasilar")
        look = self.say(
            "[mild|mild|minimal|linear|bandlike|subsegmental|subsegmental|platelike|discoid|streaky|minor|minimal "
            "subsegmental|mild streaky|]"
        )
        doubt = self.say("[||||||or scarring|versus scarring|and scarring|or scar]")
        if doubt and "scarring" in self.names:
            doubt = ""
        if doubt == "and scarring":
            doubt = ""
        if self.chance(0.2):
            where = "[both lung bases|both bases]" if len(sides) == 2 else f"the {sides[0]} base"
            prep = self.say("[at|in]")
            noun = f"{look} atelectasis {doubt}".strip()
            tail = self.say(f"{prep} {where}")
            return [self._changing(_Thing(noun, keys, mass=True, tail=tail), "atelectasis", 0.08)]
        if self.chance(0.3):
            noun = self.say(f"[streaky|linear|bandlike|mild streaky|minimal streaky] {place} opacities")
            tail = self.say(
                ", [consistent with|likely|compatible with|suggestive of|most likely representing|most likely|which may"
                " represent|may represent|representing|likely representing|most suggestive of|most compatible with] "
                "[atelectasis|subsegmental atelectasis|<doubted>]",
                doubted=f"atelectasis {doubt}",
            ).replace(", may represent", ", which may represent")
            return [self._changing(_Thing(noun, keys, plural=True, tail=tail), "atelectasis")]
        words = (place, look) if look in ("subsegmental", "linear", "discoid") and self.chance(0.5) else (look, place)
        if self.chance(0.12):
            shape = self.say("[streaky|streaky|linear|bandlike]")
            cause = self.say(
                "[which may represent|likely|compatible with|most likely|consistent with] [atelectasis|<doubted>]",
                doubted=f"atelectasis {doubt}",
            )
            if len(sides) == 1:
                return [self._changing(_Thing(f"{shape} {place} opacity", keys, tail=f", {cause}"), "atelectasis")]
        noun = " ".join(f"{' '.join(words)} atelectasis {doubt}".split())
        return [self._changing(_Thing(noun, keys, mass=True), "atelectasis", 0.08)]

    def _pleura(self) -> list[_Statement]:
        statements = [self._shown(thing) for thing in self._effusion_things()]
        effusions = self._present("effusion")
        if len(effusions) == 1:
            side, lung = effusions[0]
            if lung.effusion == 1 and self.chance(0.25):
                pattern = (
                    "[[there is |][mild |slight |]blunting of the <side> [||lateral |posterior ]costophrenic [angle|"
                    "angle|sulcus]|the <side> costophrenic angle is blunted]"
                    "[, <suggests> a [small|trace] pleural effusion|, [indicating|due to] a small [pleural |]effusion]"
                )
                text = self.say(pattern, side=side, suggests=self.say(SUGGESTS))
                statements = [_Statement(text, (f"effusion_{side}",))]
            other: Side = "left" if side == "right" else "right"
            if self.case.lung(other).effusion == 0 and self.chance(0.3):
                pattern = (
                    "[no <other> pleural effusion|the <other> costophrenic angle is [sharp|clear]|no [pleural "
                    "|]effusion on the <other>"
                    "|no [evidence of |]<other>-sided [pleural |]effusion]"
                )
                statements.append(_Statement(self.say(pattern, other=other), (f"effusion_{other}",)))
        for thing in self._pneumothorax_things():
            statements.append(self._shown(thing))
            if self.chance(0.3):
                pattern = "[no [evidence of |signs of |]tension|no mediastinal shift|no shift of the mediastinum]"
                statements.append(_Statement(self.say(pattern), ("tension",)))
        return statements

    def _effusion_things(self, brief: bool = False) -> list[_Thing]:
        present = self._present("effusion")
        noun = self.say("[pleural effusion|pleural effusion|pleural effusion|effusion]")
        if "effusion" in self.case.unplaced:
            return [_Thing(noun, ("effusion",))]
        if len(present) == 2:
            right, left = (self.say(EFFUSION_SIZE[lung.effusion or 1]) for _, lung in present)
            both = ("effusion_right", "effusion_left")
            same = present[0][1].effusion == present[1][1].effusion
            if same and self.chance(0.8):
                return [self._changing(_Thing(f"{right} bilateral {noun}s", both, plural=True), "effusion")]
            if not same and self.chance(0.45):
                if brief or self.chance(0.3):
                    more = "right" if (present[0][1].effusion or 0) > (present[1][1].effusion or 0) else "left"
                    tail = self.say(
                        "[, larger on the <more>|, <more> greater than <less>]", more=more, less=_other(more)
                    )
                    return [self._changing(_Thing(f"bilateral {noun}s", both, plural=True, tail=tail), "effusion")]
                tail = f", {right} on the right and {left} on the left"
                return [self._changing(_Thing(f"bilateral {noun}s", both, plural=True, tail=tail), "effusion")]
            return [self._changing(_Thing(f"{right} right and {left} left {noun}s", both, plural=True), "effusion")]
        things = []
        for side, lung in present:
            size = self.say(EFFUSION_SIZE[lung.effusion or 1])
            passive = ""
            if (lung.effusion or 0) >= 2 and self.chance(0.3):
                passive = self.say(
                    "with [adjacent|overlying|associated|underlying|compressive|adjacent compressive] atelectasis"
                )
            keys = (f"effusion_{side}",)
            if self.chance(0.15):
                thing = _Thing(f"{size} {noun}", keys, tail=f"{self.say(ON[side])} {passive}".strip())
            else:
                thing = _Thing(f"{size} {side}{self.say('[||-sided]')} {noun}", keys, tail=passive)
            things.append(self._changing(thing, "effusion", 0.08 if lung.effusion == 1 else 0.0))
        return things

    def _pneumothorax_things(self) -> list[_Thing]:
        things = []
        if "pneumothorax" in self.case.unplaced:
            things.append(_Thing("pneumothorax", ("pneumothorax",)))
        for side, lung in self._present("pneumothorax"):
            grade = lung.pneumothorax or 1
            size = self.say(PNEUMOTHORAX_SIZE[grade])
            apical = self.say("[apical||]") if grade == 1 else ""
            tail = ""
            if grade == 3 and self.chance(0.4):
                tail = self.say("with [collapse|partial collapse|marked volume loss] of the <side> lung", side=side)
            elif grade < 3 and self.chance(0.2):
                tail = "with a visible pleural line"
            keys = (f"pneumothorax_{side}",)
            if grade == 1 and not tail and self.chance(0.15):
                thing = _Thing(f"{size} pneumothorax", keys, tail=f"at the {side} apex")
            else:
                noun = f"{size} {side}{self.say('[||-sided]')} {apical} pneumothorax"
                thing = _Thing(" ".join(noun.split()), keys, tail=tail)
            things.append(self._changing(thing, "pneumothorax"))
        return things

    def _negatives(self) -> list[_Statement]:
        """What is not there, each thing denied once."""
        statements: list[_Statement] = []
        absent: list[str] = []
        if self._no_opacity():
            absent.append("opacity")
        if self._all_absent("effusion"):
            absent.append("effusion")
        if self._all_absent("pneumothorax"):
            absent.append("pneumothorax")
        if self._lungs_clear():
            plain = self._plainly_clear()
            if self.chance(0.4):
                denied = absent if self.chance(0.5) else ["opacity"]
                if len(absent) == 3 and self.chance(0.2):
                    denied = ["opacity", "effusion"]
                pattern = (
                    "[<the> [lungs|lungs|both lungs|lung fields] <are> [|grossly |]clear [without|with no|and without] "
                    "["
                    "evidence of |]|<the> lungs <are> clear bilaterally without |<the> lungs <are> well [expanded|"
                    "inflated|aerated] and clear without |<the> lungs <are> normally inflated [without|with no] |<the> "
                    "lungs <are> [clear|free] of |<the> lungs are clear, and without ]<list>"
                    if plain
                    else "[<the> lungs are [otherwise clear without|free of|clear of] |<the> lungs are without ]<list>"
                )
                text = self._inflated(self.say(pattern, list=self._denied(denied)))
                statements.append(_Statement(text, self._denied_keys(denied)))
                absent = [finding for finding in absent if finding not in denied]
            elif plain and self.case.change == "unchanged" and self.chance(0.2):
                text = self.say("<the> [lungs|lungs|both lungs] remain [clear|clear|grossly clear|clear bilaterally]")
                statements.append(_Statement(text, ("lungs", "change")))
                absent.remove("opacity")
            elif self.chance(0.85):
                statements.append(_Statement(self._clear(), ("lungs",)))
                if self.chance(0.6) or not plain:
                    absent.remove("opacity")
        elif "opacity" in absent and self.chance(0.35):
            absent.remove("opacity")
        can_deny_nodules = self._all_absent("nodules") and self._no_opacity() and self.case.edema in (0, 1)
        can_deny_nodules = can_deny_nodules and not self.names & _NODULAR_OTHERS
        nodule = []
        if can_deny_nodules and self.chance(0.1):
            nodule = [_Statement(self.say(NO_NODULES), ("nodule_right", "nodule_left"))]
        elif can_deny_nodules and len(absent) == 3 and self._plainly_clear() and self.chance(0.06):
            plain_edema = self.case.edema == 0
            listed = self._denied(absent, bool(plain_edema))
            keys = (*self._denied_keys(absent), "nodule_right", "nodule_left", "edema")
            return [*statements, _Statement(f"no {listed}", keys)]
        if len(absent) == 3 and self.chance(0.35):
            groups = [absent[:1], absent[1:]]
        elif (len(absent) == 3 and self.chance(0.2)) or (len(absent) == 2 and self.chance(0.25)):
            groups = [[finding] for finding in absent]
        else:
            groups = [absent] if absent else []
        statements += [_Statement(self._no(self._denied(group)), self._denied_keys(group)) for group in groups]
        return statements + nodule

    def _clear(self) -> str:
        if not self._plainly_clear():
            return self.say(
                "[<the> lungs are otherwise [clear|grossly clear]|otherwise[,|] <the> lungs are clear|<the> lungs are "
                "[clear|free] of [focal infiltrate|focal consolidation|focal airspace disease|infiltrates|acute "
                "infiltrate]|no acute [infiltrate|airspace disease|pulmonary abnormality] is seen|<the> lungs "
                "otherwise "
                "appear clear|no [acute infiltrates|focal infiltrates|acute airspace disease]]"
            )
        if self.names & (_VOLUME_OTHERS | {"emphysema", "hyperinflation"}):
            return self.say("[<the> lungs <are> [clear|grossly clear|clear bilaterally]|clear lungs|lungs clear]")
        return self.say(
            "[<the> [lungs|lungs|lungs|both lungs] <are> [clear|clear|clear|clear bilaterally|well expanded and clear|"
            "well-expanded and clear|well-aerated and clear|normally inflated and clear|normally inflated|grossly "
            "clear|"
            "clear and expanded|well-inflated and clear|clear and well expanded|expanded and clear|unremarkable]|clear "
            "lungs|lungs clear|<the> lungs [appear clear|have a normal appearance|appear grossly clear|demonstrate no "
            "acute findings]|<the> lung fields are clear|<the> lungs and pleural spaces are [clear|unremarkable]|both "
            "lungs are clear and expanded|<the> lung parenchyma is clear|lungs are clear bilaterally|<the> lungs and "
            "pleural spaces show no acute abnormality]"
        )

    def _denied(self, findings: list[str], nodules_and_edema: bool = False) -> str:
        shown = findings[:]
        if len(shown) > 1 and self.chance(0.35):
            self.random.shuffle(shown)
        # With other densities in the lungs, only what is not those can be denied.
        clear = self._lungs_clear() and not self.names & _LUNG_OTHERS
        opacity = NO_OPACITY if clear else NO_CONSOLIDATION
        plural = self.chance(0.2)
        names = {
            "opacity": self.say(NO_OPACITIES if plural and clear else opacity),
            "effusion": self.say(
                "[pleural effusions|effusions|large pleural effusions|pleural effusions]"
                if plural
                else "[pleural effusion|pleural effusion|pleural effusion|pleural effusion|effusion|effusion|pleural "
                "fluid|large pleural effusion|large effusion|definite pleural effusion|significant pleural effusion]"
            ),
            "pneumothorax": self.say("[pneumothoraces|pneumothorax]")
            if plural
            else self.say("[pneumothorax|pneumothorax|pneumothorax|pneumothorax|[visible|visualized] pneumothorax]"),
        }
        if findings != ["pneumothorax"]:
            names["pneumothorax"] = re.sub("visible |visualized ", "", names["pneumothorax"])
        parts = [names[finding] for finding in shown]
        if nodules_and_edema:
            parts[0] = "pneumonia" if shown[0] == "opacity" else parts[0]
            parts += [self.say("[edema|pulmonary edema]")] if self.chance(0.6) else []
            if self.chance(0.5) and not self.names & _MEDIASTINAL_OTHERS:
                parts.append("adenopathy")
            last = self.say("[nodules or masses|masses or nodules|pulmonary nodules or masses]")
            return f"{', '.join(parts)}, {last}"
        if self.chance(0.05) and clear and "opacity" in shown and len(parts) > 1:
            parts.insert(1, self.say("[suspicious pulmonary opacity|suspicious pulmonary opacity|pulmonary edema]"))
        if len(parts) > 2 and not self.comma:
            return f"{', '.join(parts[:-1])} or {parts[-1]}"
        return joined(parts, "or")

    def _denied_keys(self, findings: list[str]) -> tuple[str, ...]:
        return tuple(f"{finding}_{side}" for finding in findings for side in SIDES)

    def _no(self, what: str) -> str:
        # 'There are' goes by the first thing named, 'are seen' by the last.
        be, are = ("are" if _PLURALS.search(part) else "is" for part in (re.split(",| or | and ", what)[0], what))
        if self.terse and self.chance(0.6):
            return f"no {what}"
        if what.startswith(("definite", "visible", "visualized")):
            return self.say("[no|no|there <be> no] <what>".replace("<be>", be), what=what)
        kind = self.random.random()
        if kind < 0.12 and not what.startswith(("large", "significant")):
            pattern = (
                "[specifically, no|there is no radiographic evidence of|negative for|there <be> no visible|no visible|"
                "no "
                "radiographic evidence of|there is no evidence for|no evidence for|specifically, there is no evidence "
                "of"
                "|no convincing evidence of|no signs of|specifically, no evidence of|no definite] <what>"
            )
        elif kind < 0.4:
            pattern = (
                "no <what> [<are> [seen|seen|identified|identified|present|noted|visible|demonstrated|visualized]|seen|"
                "identified|identified|visualized|noted]"
            )
        else:
            pattern = "[there <be> no|no|no evidence of|no|there is no evidence of|there <be> no] <what>"
        text = self.say(pattern.replace("<are>", are).replace("<be>", be), what=what)
        if text.startswith("specifically"):
            if self.was_specific:
                return f"no {what}"
            self.was_specific = True
        return text

    def _devices(self) -> list[_Statement]:
        things = self._device_things()
        statements: list[_Statement] = []
        while things:
            if len(things) > 1 and not any(thing.tail.startswith(",") for thing in things[:2]) and self.chance(0.2):
                first, second, *things = things
                text = self.say(
                    "[there is <first> and <second>|<first> and <second> are [noted|in place|present]]",
                    first=first.with_article if not first.plural else first.bare,
                    second=second.with_article,
                )
                if first.plural and text.startswith("there is"):
                    text = text.replace("there is", "there are", 1)
                statements.append(_Statement(text, first.keys + second.keys))
                continue
            thing = things.pop(0)
            statements.append(self._shown(thing))
        return statements

    def _device_things(self) -> list[_Thing]:
        names = list(self.case.devices)
        self.random.shuffle(names)
        return [
            _Thing(
                self.say(DEVICE_NAMES[name]),
                (name,),
                plural=name == "sternal_wires",
                tail=self.say(DEVICE_PLACES[name]) if self.chance(0.85) else "",
            )
            for name in names
        ]

    def _rest(self) -> list[_Statement]:
        """Bones, soft tissues and the like, where they are known to be normal."""
        statements = []
        # With chronic changes of the skeleton only what is acute can be denied.
        plain = not self.names & _BONE_OTHERS
        if self.case.bones and self.chance(0.55 if plain else 0.3):
            statements.append(_Statement(self.say(BONES_NORMAL if plain else BONES_NOT_ACUTE), ("bones",)))
        elif self.case.bones and plain and self.chance(0.12) and "breast_surgery" not in self.names:
            text = self.say("<the> soft tissues <are> [unremarkable|normal|within normal limits|grossly unremarkable]")
            statements.append(_Statement(text, ("bones",)))
        whole = not self.names & {"elevated_hemidiaphragm", "hiatal_hernia", "hyperinflation", "emphysema"}
        known = self.case.cardiomegaly is not None and self.case.bones is not None
        if self._all_absent("effusion") and known and self.chance(0.12):
            quiet = whole and not self.names & _SURGICAL_OTHERS
            text = self.say(ABDOMEN_NORMAL if quiet and self.chance(0.5) else NO_FREE_AIR)
            statements.append(_Statement(text, ("diaphragm",)))
        return statements

    def _shown(self, thing: _Thing) -> _Statement:
        """A thing as a sentence that says that it is there."""
        are = "are" if thing.plural else "is"
        self.shown += 1
        if (self.terse and self.chance(0.75)) or self.chance(0.12):
            return _Statement(_close(thing.bare), thing.keys)
        if self.chance(0.5):
            return _Statement(_close(f"there {are} {thing.with_article}"), thing.keys)
        also = "|also noted|also seen" if self.shown > 1 else ""
        seen = self.say(f"[seen|noted|present|identified|visible|demonstrated|seen|noted|present{also}]")
        noun = thing.noun if thing.plural or thing.mass else f"{article(thing.noun)} {thing.noun}"
        return _Statement(_close(f"{noun} {are} {seen} {thing.tail}".strip()), thing.keys)

    # Impression.

    def _impression(self, whole: bool = False) -> list[_Statement]:
        """Every main finding, the urgent ones first; `whole`: no findings section stands before it."""
        case = self.case
        self.shown = 0
        if not case.has_finding:
            return self._nothing(whole)
        statements = [self._concluded(thing) for thing in self._pneumothorax_things()]
        effusions = self._effusion_things(brief=True)
        enlarged = bool(case.cardiomegaly or "cardiomegaly" in case.unplaced)
        if case.edema or "edema" in case.unplaced:
            statements.append(self._failure(effusions))
        elif enlarged and effusions and self.chance(0.4):
            things = [self._cardiomegaly_thing(), *effusions]
            self.random.shuffle(things)
            statements.append(self._together(things))
        else:
            statements += [self._concluded(thing) for thing in effusions]
            if enlarged:
                statements.append(self._concluded(self._cardiomegaly_thing()))
        opacities = self._opacity_conclusion()
        chronic = [self._nodule_conclusion(thing) for thing in self._nodule_things()]
        chronic += [self._concluded(thing) for thing in self._atelectasis_things()]
        statements = opacities + statements if self.chance(0.5) else statements + opacities
        statements += chronic
        statements += self._advice()
        statements += self._other_conclusions(whole)
        if whole or self.chance(0.3):
            statements += self._device_conclusion(whole)
        if whole and self._all_absent("pneumothorax"):
            statements += self._negatives()[-1:]
        elif self._all_absent("pneumothorax") and self.chance(0.08):
            statements.append(_Statement(self._no("pneumothorax"), self._denied_keys(["pneumothorax"])))
        if not self._needs_attention() and self.chance(0.4):
            text = self.say(
                "no [acute cardiopulmonary|acute pulmonary|other acute|acute|acute radiographic cardiopulmonary|"
                "evidence"
                " of acute cardiopulmonary] [abnormality|process|disease|finding|findings|abnormalities]"
            )
            statements.insert(
                0 if self.chance(0.3) and "other" not in text else len(statements), _Statement(text, ("lungs",))
            )
        if whole and not any("change" in statement.keys for statement in statements):
            statements += self._comparison()
        return statements

    def _needs_attention(self) -> bool:
        """Whether a finding is there that nobody would call not acute."""
        case = self.case
        return bool(
            case.edema
            or case.unplaced & {"edema", "opacity", "effusion", "pneumothorax"}
            or self._present("opacities")
            or self._present("effusion")
            or self._present("pneumothorax")
        )

    def _nothing(self, whole: bool) -> list[_Statement]:
        pattern = NO_DISEASE
        others = self._other_conclusions(whole)
        if self.case.pacemaker is False and not self.case.devices and not self.case.others and self.chance(0.2):
            pattern = NORMAL_CHEST
        text = self.say(pattern)
        statements = [_Statement(text, ("lungs",))]
        if self.case.change == "unchanged" and self.chance(0.4):
            text = self.say(NO_CHANGE, prior=self.say(PRIOR))
            statements.insert(self.random.randrange(2), _Statement(text, ("change",)))
        elif self._plainly_clear() and self.chance(0.06) and pattern == NO_DISEASE:
            text = self.say("[clear lungs|<the> lungs are clear|no evidence of [pneumonia|acute infiltrate]]")
            statements.insert(self.random.randrange(2), _Statement(text, ("lungs",)))
        elif self.chance(0.12):
            text = self.say(
                "no [radiographic |][evidence of |signs of |findings of ||findings to suggest ][pneumonia|heart "
                "failure|"
                "acute infection|active infection|congestive heart failure]"
            )
            statements.append(_Statement(text, ("lungs",)))
        if self.case.indication == "Positive tuberculin test" and self.chance(0.6):
            text = self.say(
                "no [evidence of|radiographic evidence of|findings of|findings to suggest|evidence for|cavitary lesion "
                "to "
                "suggest|radiographic findings of] [active tuberculosis|tuberculosis|active tuberculous process|active "
                "pulmonary tuberculosis]"
            )
            statements.append(_Statement(text, ("lungs",)))
        statements = [*statements, *others] if self.chance(0.6) else [*others, *statements]
        if whole:
            statements = [*self._heart(), *self._negatives(), *self._rest(), *statements]
        if self.case.devices and (whole or self.chance(0.35)):
            statements += self._device_conclusion(whole)
        return statements

    def _device_conclusion(self, whole: bool) -> list[_Statement]:
        if not self.case.devices:
            return []
        if whole:
            return self._devices()
        tubes = [name for name in self.case.devices if name not in ("pacemaker", "sternal_wires")]
        if not tubes:
            return []
        if len(tubes) > 1:
            pattern = (
                "[lines and tubes [as described|in satisfactory position|are in satisfactory position|as above]"
                "|support devices [as described|in satisfactory position|as above|are in expected position]]"
            )
            return [_Statement(self.say(pattern), tuple(tubes))]
        where = "[in satisfactory position|in good position|in place|as described]"
        return [_Statement(self.say(f"{DEVICE_NAMES[tubes[0]]} {where}"), (tubes[0],))]

    def _cardiomegaly_thing(self) -> _Thing:
        size = (
            ""
            if self.case.cardiomegaly is None
            else "[mild|mild|borderline|slight||]"
            if self.case.cardiomegaly == 1
            else "[marked|severe|moderate to marked|marked|moderate]"
        )
        noun = self.say(f"{size} [cardiomegaly|cardiomegaly|cardiomegaly|cardiac enlargement]")
        return self._changing(_Thing(noun, ("cardiomegaly",), mass=True), "cardiomegaly")

    def _failure(self, effusions: list[_Thing]) -> _Statement:
        """Congestion with what usually belongs to it."""
        things = [self._edema_thing(), *effusions]
        enlarged = self.case.cardiomegaly or "cardiomegaly" in self.case.unplaced
        if enlarged:
            things.insert(0, self._cardiomegaly_thing())
        statement = self._together(things)
        if enlarged and self.chance(0.45):
            failure = self.say(
                "[heart failure|congestive heart failure|congestive failure|fluid overload|cardiac decompensation|CHF]"
            )
            return _Statement(f"{statement.text}, {self.say(SUGGESTS)} {failure}", statement.keys)
        return statement

    def _together(self, things: list[_Thing]) -> _Statement:
        keys = tuple(dict.fromkeys(key for thing in things for key in thing.keys))
        # What is said of one after a comma would seem to be said of all.
        things = sorted(things, key=lambda thing: "," in thing.bare)
        if len(things) == 2 and "," not in things[0].bare and self.chance(0.5):
            return _Statement(_close(f"{things[0].bare} with {things[1].bare}"), keys)
        parts = [thing.bare for thing in things]
        if any("," in part for part in parts[:-1]):
            return _Statement(_close("; ".join(parts)), keys)
        return _Statement(_close(joined(parts, "and")), keys)

    def _concluded(self, thing: _Thing) -> _Statement:
        if self.chance(0.12):
            return self._shown(thing)
        faint = thing.noun.startswith(("small", "trace", "minimal")) and "effusion" in thing.noun
        if faint and not thing.plural and "change" not in thing.keys and self.chance(0.06):
            return _Statement(_close(f"{thing.with_article} cannot be excluded"), thing.keys)
        return _Statement(_close(thing.bare), thing.keys)

    def _opacity_conclusion(self) -> list[_Statement]:
        disease = self.say(INFECTIONS)
        suggests = self.say(SUGGESTS)
        if self.case.unplaced_opacity:
            disease = self.say("[pneumonia|pneumonia|infection|an infectious process|bronchopneumonia]")
            pattern = (
                "[findings [consistent with|suggestive of|concerning for|suspicious for|compatible with] "
                "<disease>|[airspace disease|pulmonary opacities|lung opacities|patchy infiltrates], <suggests> "
                "<disease>"
                "|pneumonia|[likely|probable|suspected] pneumonia|pulmonary infection is suspected|findings may "
                "represent"
                " <disease>|findings are [consistent with|suggestive of|concerning for|compatible with] <disease>]"
            )
            return [_Statement(self.say(pattern, suggests=suggests, disease=disease), ("opacity",))]
        found = [(side, opacity) for side, lung in self._lungs() for opacity in lung.opacities or ()]
        if not found:
            return []
        sides = {side for side, _ in found}
        keys = tuple(f"opacity_{side}" for side in SIDES if side in sides)
        if len(found) > 1 and self.chance(0.6):
            extent = "bilateral" if len(sides) == 2 else f"multifocal {found[0][0]}"
            if len(sides) == 2 and self.chance(0.3):
                extent = "multifocal bilateral"
            noun = self.say("[airspace opacities|opacities|airspace disease|pulmonary opacities|infiltrates]")
            if len(sides) == 1 and noun == "pulmonary opacities":
                noun = "lung opacities"
            thing = _Thing(f"{extent} {noun}", keys, plural=noun != "airspace disease", mass=noun == "airspace disease")
            thing = self._changing(thing, "opacity")
            cause = ""
            if "," not in thing.bare and self.chance(0.75):
                cause = (
                    f", {suggests} {disease}" if thing.mass or self.chance(0.8) else f" {self.say(MAY_BE)} {disease}"
                )
            return [_Statement(_close(thing.bare + cause), thing.keys)]
        statements = []
        for side, opacity in found:
            thing = self._opacity_thing(opacity, side)
            text = _close(thing.bare)
            keys = thing.keys
            if opacity.severity > 1 and "change" not in keys and self.chance(0.1):
                place = self.say(PLACES_BEFORE[opacity.zone, side])
                text = self.say("[|probable |] <place> [pneumonia|pneumonia|infiltrate]", place=place)
            elif "," not in text and self.chance(0.1):
                text = f"{text} {self.say(MAY_BE).replace('are', 'is')} {disease}"
            elif "," not in text and self.chance(0.65):
                text = f"{text}, {self.say(SUGGESTS)} {disease}"
            elif "," not in text and opacity.severity == 1 and self.chance(0.3):
                text += self.say(
                    ", [early |atypical |]pneumonia [cannot be excluded|is not excluded|is a consideration|would be a "
                    "consideration]"
                )
            statements.append(_Statement(text, keys))
        return statements

    def _nodule_conclusion(self, thing: _Thing) -> _Statement:
        text = thing.bare
        if "," not in text and self.chance(0.25):
            mass = re.search(r"\bmass\b", thing.noun) is not None
            text += self.say(
                ", [concerning for malignancy|suspicious for malignancy|worrisome for neoplasm|concerning for "
                "metastatic disease|for which further "
                "evaluation is recommended]"
                if mass
                else ", [indeterminate|which is indeterminate|for which further evaluation is recommended|nonspecific|"
                "of uncertain significance]"
            )
        return _Statement(_close(text), thing.keys)

    def _advice(self) -> list[_Statement]:
        if (self._present("nodules") or self.case.unplaced & {"nodule", "mass"}) and self.chance(0.5):
            pattern = (
                "[[CT|chest CT|CT of the chest|dedicated chest CT|CT scan of the chest|contrast-enhanced chest CT] is "
                "[recommended|suggested|advised] [for further evaluation|for further characterization|to further "
                "evaluate|if clinically indicated|]|recommend [chest CT|CT of the chest|CT scan] [for further "
                "evaluation|]|[consider|recommend] [further evaluation with CT|CT of the chest for further evaluation]|"
                "comparison with [prior studies|previous films|prior exams] would be helpful|further evaluation with "
                "[CT|chest CT] [may be helpful|is recommended|could be obtained|could be performed]|recommend CT chest "
                "with contrast to further evaluate]"
            )
            return [_Statement(self.say(pattern), ("advice",))]
        if self.case.edema == 3 and self.chance(0.15):
            pattern = (
                "[superimposed [pneumonia|infection] [cannot be excluded|is not excluded|would be difficult to "
                "exclude]|"
                "cannot exclude superimposed [pneumonia|infection]]"
            )
            return [_Statement(self.say(pattern), ("advice",))]
        if (self._present("opacities") or self.case.unplaced_opacity) and self.chance(0.3):
            pattern = (
                "[the [airspace disease|opacity|pneumonia] [could|should] be followed to resolution|"
                "[follow-up|followup] [radiographs are|radiograph is|imaging is|chest x-ray is] [recommended|"
                "suggested] "
                "[to document resolution|to ensure resolution|after treatment|after appropriate treatment|following "
                "treatment|to document clearing|in 4 to 6 weeks|]|[recommend|consider] [follow-up|followup] "
                "[radiograph|radiographs|chest radiograph|examination|study|] to [ensure|document|confirm] [resolution|"
                "clearing|complete resolution]|[clinical correlation|correlation with clinical history] is "
                "[recommended|"
                "suggested|advised]|[correlate clinically|recommend clinical correlation|please correlate clinically|"
                "clinical correlation recommended]]"
            )
            return [_Statement(self.say(pattern), ("advice",))]
        if self._present("pneumothorax") and self.chance(0.2):
            pattern = "[follow-up radiograph is|short-interval follow-up is|followup chest x-ray is] recommended"
            return [_Statement(self.say(pattern), ("advice",))]
        return []

    def _filled(self, name: str) -> str:
        """An article or a verb as this hand uses it."""
        if name == "the":
            return "the" if self.chance(self.article_share) else ""
        plain, appear = ("is", "appears") if name == "is" else ("are", "appear")
        return appear if self.chance(0.16) else plain

    def _examination(self) -> _Statement:
        view = self.case.view
        if view is None and self.chance(0.3):
            text = self.say(
                "[frontal and lateral [chest radiographs|radiographs of the chest|views of the chest]"
                "|two views of the chest|chest, two views|chest x-ray, frontal and lateral]"
            )
            return _Statement(text, ("view", "other_lateral"))
        if self.case.paediatric and self.case.age is not None and self.chance(0.3):
            age = f"{self.case.age}-year-old"
            text = self.say("chest radiograph of a~ <age> [child|<child>]", age=age, child=self._patient("child"))
            return _Statement(text, ("view",))
        if view is None:
            return _Statement(self.say("[chest radiograph|chest, one view|frontal chest radiograph]"), ("view",))
        pattern = (
            "[<view> chest radiograph|chest radiograph, <view> view|chest, single <view> view|frontal chest radiograph"
            "|<view> view of the chest|<view> radiograph of the chest|single <view> view of the chest|chest <view>]"
        )
        return _Statement(self.say(pattern, view=view), ("view",))

    def _patient(self, unknown: str) -> str:
        grown = not self.case.paediatric
        named = {"M": "man" if grown else "boy", "F": "woman" if grown else "girl"}
        return named.get(self.case.sex or "", unknown)

    def _plainly_clear(self) -> bool:
        """Whether the lungs can be called clear without more ado."""
        return self._lungs_clear() and not self.names & _LUNG_OTHERS

    def _view(self) -> list[_Statement]:
        """What was taken, as some say it before their findings."""
        if not self.compared and not self.has_preamble and self.chance(0.015):
            text = self.say("no [prior studies|prior films] [are |]available for comparison")
            return [_Statement(text, ("comparison",))]
        if self.has_preamble or not self.chance(0.12):
            return []
        view = self.case.view
        if self.chance(0.5) and view != "AP":
            pattern = (
                "[<two> [views|radiographs] of the chest [were obtained|are submitted|]|[the|this] examination "
                "consists "
                "of <two> radiographs of the chest|<two> chest [radiographs|examination was obtained]|<two> "
                "views of the chest[ show <shown>| demonstrate <shown>|]|two images submitted|two views of the chest "
                "[were obtained|]]"
            )
            two = self.say("[<view>|<view>|frontal] and lateral", view=view or "frontal")
            shown = "no acute abnormality" if not self.case.has_finding else ""
            text = self.say(pattern, two=two, shown=shown)
            if text.endswith((" show", " demonstrate")):
                text = text.rsplit(" ", 1)[0]
            return [_Statement(text, ("view", "other_lateral", *(("lungs",) if shown and shown in text else ())))]
        if self.case.age is not None and self.chance(0.2):
            age = f"{self.case.age}-year-old"
            text = self.say(
                "frontal view of the chest of a~ <age> <patient>", age=age, patient=self._patient("patient")
            )
            return [_Statement(text, ("view",))]
        pattern = (
            "[[single|] [frontal|<view>] [view|radiograph] of the chest [was obtained|]|one <view> view of the "
            "chest|<view> chest radiograph [was obtained|]|single <view> image of the chest]"
        )
        return [_Statement(self.say(pattern, view=view or "frontal"), ("view",))]

    def _others(self, names: frozenset[str]) -> list[_Statement]:
        """One sentence for each finding of `names` that no picture shows."""
        chosen = [other for other in self.case.others if other.name in names]
        return [self._other(other, OTHER_SENTENCES) for other in chosen]

    def _other(self, other: Other, table: Mapping[str, str]) -> _Statement:
        unsided = f"{other.name}_unsided"
        pattern = table[unsided] if other.side is None and unsided in table else table[other.name]
        if other.name == "scoliosis":
            pattern = table.get(unsided, pattern) if other.side is None else pattern
            if other.side == "left":
                # The patterns are written for the right.
                pattern = pattern.replace("dextro", "levo").replace("right", "left")
        place = ""
        if other.zone and other.side:
            place = self.say(PLACES[other.zone, other.side])
        stable = self.say("[||stable|stable|unchanged]") if self.case.change == "unchanged" else ""
        say = lambda: self.say(  # noqa: E731
            pattern,
            side=other.side or "",
            place=place,
            deg=self.say(DEGREE[other.severity]),
            degly=self.say(DEGREE_ADVERB[other.severity]),
            size=self.say(HERNIA_SIZE[other.severity]),
            stable=stable,
            level=self.level,
            aged=self.aged,
            but=self._but(),
        )
        text = say()
        while self.case.change != "unchanged" and _AS_BEFORE.search(text):
            text = say()
        return _Statement(text, (other.key, "change") if _AS_BEFORE.search(text) else (other.key,))

    def _changes(self, finding: MainFinding, probability: float) -> bool:
        """Whether to say here that this finding has changed, or has not."""
        return self.compared and main_finding(self.case) == finding and self.chance(probability)

    def _changing(self, thing: _Thing, finding: MainFinding, hedged: float = 0.0) -> _Thing:
        """The thing with its change where it is the main finding; else, now and then, with a word of doubt.

        `hedged`: how often doubt is cast on it; only on what is faint.
        """
        change = self.case.change
        if change and self._changes(finding, 0.6):
            before = CHANGE_BEFORE[change].get(finding) or CHANGE_BEFORE[change].get("any", "")
            keys = (*thing.keys, "change")
            if before and self.chance(0.55):
                noun = f"{self.say(before)} {thing.noun}"
                return replace(thing, noun=noun, keys=keys)
            after = self.say(CHANGE_AFTER[change], prior=self.say(PRIOR), larger=self._larger(finding))
            if "," not in thing.tail:
                return replace(thing, tail=f"{thing.tail} , {after}".strip(), keys=keys)
        if hedged and self.chance(hedged):
            return replace(
                thing, noun=f"{self.say('[possible|probable|questionable|suspected|possible]')} {thing.noun}"
            )
        return thing

    def _larger(self, finding: MainFinding) -> str:
        grown = self.case.change == "increased"
        if finding in ("edema", "opacity", "atelectasis"):
            return self.say("[increased|worsened|progressed|worse]" if grown else "[decreased|improved|improved]")
        return self.say("[increased|larger|increased in size]" if grown else "[decreased|smaller|decreased in size]")

    def _changed_heart(self) -> _Statement:
        pattern = {
            "unchanged": "[stable|stable|unchanged|stable mild|persistent] [cardiomegaly|cardiac enlargement]|<the> "
            "[heart|cardiac silhouette] [remains enlarged|is enlarged but stable|is enlarged, unchanged from <prior>]"
            "|stable enlarged cardiac silhouette|<the> heart size is enlarged and stable|cardiomegaly is [stable|"
            "unchanged|unchanged from <prior>]|enlarged heart, stable",
            "increased": "<the> heart has increased in size since <prior>|cardiomegaly, increased [from|since|"
            "compared to] <prior>|increasing cardiomegaly|interval increase in cardiomegaly",
            "decreased": "cardiomegaly, decreased [from|since|compared to] <prior>|<the> heart remains enlarged but "
            "has decreased in size since <prior>|improved cardiomegaly",
        }[self.case.change or "unchanged"]
        if self.case.cardiomegaly != 1:
            pattern = pattern.replace("|stable mild", "")
        return _Statement(self.say(f"[{pattern}]", prior=self.say(PRIOR)), ("cardiomegaly", "change"))

    def _comparison(self) -> list[_Statement]:
        """A sentence on the change by itself."""
        change, finding = self.case.change, main_finding(self.case)
        if change is None or not self.chance(0.5):
            return []
        if finding is None:
            return [_Statement(self.say(NO_CHANGE, prior=self.say(PRIOR)), ("change",))]
        name, plural, keys = self._main_name(finding)
        pattern = CHANGE_SENTENCES[change]
        text = self.say(
            pattern,
            name=name,
            be="are" if plural else "is",
            have="have" if plural else "has",
            remain="remain" if plural else "remains",
            prior=self.say(PRIOR),
            larger=self._larger(finding),
        )
        return [_Statement(text, (*keys, "change"))]

    def _main_name(self, finding: MainFinding) -> tuple[str, bool, tuple[str, ...]]:
        """What to call the main finding when its change is spoken of, whether that is a plural, and its keys."""
        if finding == "cardiomegaly":
            return "the cardiomegaly", False, ("cardiomegaly",)
        if finding == "edema":
            return ("the vascular congestion" if self.case.edema == 1 else "the pulmonary edema"), False, ("edema",)
        field_name = {"opacity": "opacities", "nodule": "nodules"}.get(finding, finding)
        sides = [side for side, _ in self._present(field_name)]
        keys = tuple(f"{finding}_{side}" for side in sides)
        nouns = {
            "effusion": "[effusion|pleural effusion]",
            "opacity": "[opacity|airspace opacity|lung opacity]",
            "nodule": "[nodule|lung nodule]",
            "pneumothorax": "pneumothorax",
            "atelectasis": "[atelectasis|basilar atelectasis]",
        }
        noun = self.say(nouns[finding])
        if finding == "nodule" and any(lung.nodules[0].is_mass for _, lung in self._present("nodules") if lung.nodules):
            noun = "mass" if len(sides) == 1 else "lesion"
        if finding == "opacity" and sum(len(lung.opacities or ()) for _, lung in self._lungs()) > 1:
            ending = "bilateral" if len(sides) == 2 else sides[0]
            return f"the {ending} {noun[:-1]}ies", True, keys
        if len(sides) == 1:
            return f"the {sides[0]} {noun}", False, keys
        if finding in ("atelectasis", "pneumothorax"):
            return f"the bilateral {noun}", False, keys
        return f"the bilateral {noun}s", True, keys

    def _inflated(self, text: str) -> str:
        """The text without words on how far the lungs are expanded, where something else is said of that."""
        if not self.names & (_VOLUME_OTHERS | {"emphysema", "hyperinflation"}):
            return text
        return re.sub(r"(?:well|normally)[ -](?:expanded|inflated|aerated)(?: and)? ?", "", text)

    def _other_conclusions(self, whole: bool) -> list[_Statement]:
        """What no picture shows, where it is worth a conclusion or nothing else tells it."""
        if whole:
            return [self._other(other, OTHER_SENTENCES) for other in self.case.others]
        chosen = [
            other
            for other in self.case.others
            if (other.name in OTHER_CONCLUSIONS or f"{other.name}_unsided" in OTHER_CONCLUSIONS) and self.chance(0.3)
        ]
        return [
            self._other(other, OTHER_CONCLUSIONS)
            for other in chosen
            if other.side
            or f"{other.name}_unsided" in OTHER_CONCLUSIONS
            or "<side>" not in OTHER_CONCLUSIONS[other.name]
        ]


def _other(side: str) -> Side:
    return "left" if side == "right" else "right"


def _close(text: str) -> str:
    """Commas stand at the word before them."""
    return text.replace(" ,", ",")
