"""Writes the report of a case: phrases with alternatives, put together so that two reports rarely agree.

This module knows nothing of pictures and of networks; all it knows of a radiograph is its `Case`. A report never
contradicts its case or itself, says nothing about what is unknown, and its impression names every main finding.

In a pattern, `[a|b|]` is one of its alternatives, which may hold patterns and may be empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import TypeAlias

from model.data.cases import SIDES, ZONES, Case, Lung, Opacity, Side, Zone

# Words in a report, headings included. Where much is unknown there is less to say.
LEAST_WORDS = 25
LEAST_WORDS_UNKNOWN = 10
MOST_WORDS = 110


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
    least = LEAST_WORDS_UNKNOWN if case.unplaced_opacity else LEAST_WORDS
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


_ON = {"right": "[on the right|at the right]", "left": "[on the left|at the left]"}
_ZONE_PLACE: dict[Zone, str] = {
    "upper": "in the <side> [upper zone|upper lung zone|upper lobe|upper lung|upper lung field]",
    "mid": "in the <side> [mid zone|mid lung zone|midlung|mid lung|mid lung field]",
    "lower": "[in the <side> [lower zone|lower lung zone|lower lobe|lower lung|lung base]|at the <side> [base"
    "|lung base]]",
}
_ZONE_ADJECTIVE: dict[Zone, str] = {
    "upper": "<side> [upper zone|upper lobe|upper lung|upper lung zone]",
    "mid": "<side> [mid zone|midlung|mid lung|mid lung zone]",
    "lower": "<side> [lower zone|lower lobe|lower lung|basilar|basal]",
}
_EFFUSION_SIZE = {
    1: "[small|small|small|trace|minimal|mild]",
    2: "[moderate|moderate|moderate-sized|medium-sized]",
    3: "[large|large|large|massive]",
}
_PNEUMOTHORAX_SIZE = {1: "[small|small|tiny|minimal]", 2: "[moderate|moderate|moderate-sized]", 3: "large"}
_OPACITY_LOOK = {
    1: "[faint|subtle|hazy|mild|ill-defined]",
    2: "[patchy|focal|moderate|hazy|]",
    3: "[dense|confluent|extensive]",
}
_OPACITY_NOUN = {
    1: "[opacity|airspace opacity|airspace opacity|infiltrate]",
    2: "[airspace opacity|airspace opacity|opacity|consolidation|infiltrate|airspace disease]",
    3: "[consolidation|consolidation|airspace consolidation|airspace opacity|airspace disease]",
}
_MASS_NOUNS = ("consolidation", "disease", "edema", "atelectasis", "congestion", "cardiomegaly", "fluid")
_SUGGESTS = (
    "[consistent with|compatible with|in keeping with|suggestive of|suspicious for|concerning for|likely representing"
    "|most likely|which may represent|which could represent|possibly representing|worrisome for|probably representing"
    "|which may be due to]"
)
_DEVICE_NAMES = {
    "pacemaker": "[left chest wall|left-sided|left] [pacemaker|dual-lead pacemaker|dual-chamber pacemaker"
    "|cardiac pacemaker]",
    "endotracheal_tube": "endotracheal tube",
    "central_line": "right [central venous catheter|central venous line|internal jugular catheter|internal "
    "jugular central line]",
    "nasogastric_tube": "[nasogastric tube|enteric tube]",
    "sternal_wires": "[median sternotomy|sternal|sternotomy] wires",
}
_DEVICE_PLACES = {
    "pacemaker": "[with leads in the expected position|with leads overlying the right atrium and right ventricle"
    "|with intact leads|with its leads projecting over the right heart|]",
    "endotracheal_tube": "[with its tip above the carina|terminating above the carina|in satisfactory position"
    "|with its tip in the mid trachea|in good position]",
    "central_line": "[with its tip in the superior vena cava|with tip overlying the superior vena cava|with its "
    "tip in the SVC"
    "|terminating in the region of the SVC|terminating over the superior vena cava]",
    "nasogastric_tube": "[coursing below the diaphragm|passing below the left hemidiaphragm|extending into the stomach"
    "|with its tip in the region of the stomach|with tip below the diaphragm]",
    "sternal_wires": "[|in place|from prior cardiac surgery]",
}


class _Writer:
    """Writes one report. The style is chosen once, so that a report is of one hand."""

    def __init__(self, case: Case, random: Random) -> None:
        self.case = case
        self.random = random
        self.terse = random.random() < 0.35
        self.comma = "," if random.random() < 0.85 else ""

    def say(self, pattern: str, **slots: str) -> str:
        text = _expanded(_parsed(pattern), self.random)
        for name, value in slots.items():
            text = text.replace(f"<{name}>", value)
        return " ".join(text.split())

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def write(self) -> WrittenReport | None:
        """The report; None where a sentence came out twice."""
        sections = self._sections()
        seen: set[str] = set()
        for section in sections:
            for statement in section.statements:
                sentence = statement.text.lower()
                if sentence in seen:
                    return None
                seen.add(sentence)
        return self._assembled(sections)

    def _sections(self) -> list[_Section]:
        findings, impression = self._findings, self._impression
        upper = self.chance(0.6)
        name: Callable[[str], str] = str.upper if upper else str
        after = self.random.choice((":\n", ":\n", ":\n", ":\n", ": ", ": ", ": ", "\n"))
        form = self.random.random()
        numbered = self.chance(0.45)
        if form < 0.76:
            body = [
                _Section("findings", name("Findings") + after, findings()),
                _Section("impression", name("Impression") + after, impression(), numbered),
            ]
        elif form < 0.82:
            body = [_Section("findings", name("Findings") + after, findings())]
        elif form < 0.87:
            body = [_Section("impression", name("Impression") + after, impression(whole=True), numbered)]
        elif form < 0.93:
            body = [
                _Section("findings", "", findings()),
                _Section("impression", name("Impression") + after, impression()),
            ]
        elif form < 0.97:
            body = [_Section("findings", "", findings()), _Section("impression", "", impression())]
        else:
            body = [_Section("findings", "", findings())]
        return self._preamble(name, after) + body if body[0].heading and self.chance(0.14) else body

    def _preamble(self, name: Callable[[str], str], after: str) -> list[_Section]:
        view = f"{self.case.view} " if self.case.view and self.chance(0.6) else ""
        examination = self.say(
            "[<view>chest radiograph|chest radiograph, <view>view|chest, single <view>view|frontal chest radiograph]",
            view=view,
        ).replace("radiograph, view", "radiograph, one view")
        sections = [_Section("examination", name(self.say("[Examination|Exam|Technique]")) + after)]
        sections[0].statements.append(_Statement(examination, ("view",)))
        if self.case.indication and self.chance(0.7):
            indication = _Statement(self.case.indication, ("indication",))
            sections.append(
                _Section("indication", name(self.say("[Indication|Clinical history|History]")) + after, [indication])
            )
        if self.chance(0.4):
            comparison = _Statement(self.say("[none|none available|no prior studies]"), ("comparison",))
            sections.append(_Section("comparison", name("Comparison") + after, [comparison]))
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
        heart, lungs, pleura = self._heart(), [*self._vessels(), *self._parenchyma()], self._pleura()
        negatives = self._negatives()
        devices, bones = self._devices(), self._rest()
        blocks: list[list[_Statement]]
        if self.chance(0.5):
            blocks = [heart, lungs, pleura, negatives]
        elif self.chance(0.6):
            blocks = [lungs, pleura, negatives, heart]
        else:
            blocks = [lungs, heart, pleura, negatives]
        blocks = [devices, *blocks, bones] if self.chance(0.5) else [*blocks, devices, bones]
        statements = [statement for block in blocks for statement in block]
        if self.case.view and self.chance(0.06):
            view = self.say("[single|] [frontal|<view>] [view|radiograph] of the chest", view=self.case.view)
            statements.insert(0, _Statement(view, ("view",)))
        return statements

    def _heart(self) -> list[_Statement]:
        grade = self.case.cardiomegaly
        if grade is None:
            if self.case.left.effusion == 3 and self.chance(0.5):
                hidden = "[difficult to assess|not well assessed|obscured by the effusion]"
                return [_Statement(self.say(f"[the heart size is|cardiac size is] {hidden}"), ("cardiomegaly",))]
            return []
        if grade:
            statements = [self._cardiomegaly(grade)]
            if self.chance(0.35):
                statements.append(self._mediastinum())
            return statements
        if self.chance(0.55):
            both = (
                "[[the |]heart size and mediastinal [contours|contour|silhouette] are [<normal>]"
                "|[the |]cardiomediastinal silhouette is [<normal>|normal in size and contour]"
                "|[the |]cardiac and mediastinal [silhouettes|contours] are [<normal>]"
                "|[the |]heart and mediastinum are [<normal>]"
                "|normal heart size and mediastinal [contours|contour]"
                "|[normal|unremarkable] cardiomediastinal silhouette"
                "|[the |]cardiomediastinal [contours are|contour is] <normal>]"
            )
            return [_Statement(self.say(both, normal=self._normal()), ("cardiomegaly", "mediastinum"))]
        alone = (
            "[[the |]heart is [normal in size|not enlarged|normal in size and contour|of normal size]|[the "
            "|]heart appears normal"
            "|[the |]heart size is <normal>|normal heart size|heart size normal|[the |]cardiac silhouette is <normal>"
            "|[the |]cardiac silhouette is [normal in size|not enlarged]|[the |]cardiac contours are <normal>"
            "|no cardiomegaly|no cardiac enlargement]"
        )
        statements = [_Statement(self.say(alone, normal=self._normal()), ("cardiomegaly",))]
        if self.chance(0.55):
            statements.append(self._mediastinum())
        return statements

    def _normal(self) -> str:
        return self.say("[normal|normal|unremarkable|within normal limits|within normal limits]")

    def _cardiomegaly(self, grade: int) -> _Statement:
        size = "[mild|mild|borderline to mild]" if grade == 1 else "[marked|moderate to marked|severe|pronounced]"
        adverb = "[mildly|mildly|slightly]" if grade == 1 else "[markedly|markedly|severely|significantly]"
        pattern = (
            "[[the |]heart is <adverb> enlarged|[the |]cardiac silhouette is <adverb> enlarged"
            "|[there is |]<size> [cardiomegaly|cardiac enlargement|enlargement of the cardiac silhouette"
            "|enlargement of the heart]"
            "|<size> cardiomegaly is [present|noted|seen]|[the |]heart size is <adverb> [enlarged|increased]"
            "|<adverb> enlarged [cardiac silhouette|heart]]"
        )
        return _Statement(self.say(pattern, adverb=self.say(adverb), size=self.say(size)), ("cardiomegaly",))

    def _mediastinum(self) -> _Statement:
        pattern = (
            "[[the |]mediastinum [is <normal>|appears <normal>|is not widened|is midline]|[the |]mediastinal "
            "[contours are|contour is] <normal>"
            "|[the |]mediastinal silhouette is <normal>|[the |]trachea is midline|no mediastinal [widening|shift]"
            "|[the |]mediastinal structures are [<normal>|midline]]"
        )
        return _Statement(self.say(pattern, normal=self._normal()), ("mediastinum",))

    def _vessels(self) -> list[_Statement]:
        grade = self.case.edema
        if grade is None or (grade == 0 and not self.chance(0.3)):
            return []
        if grade == 0:
            pattern = (
                "[[the |]pulmonary [vascularity|vasculature] is <normal>|[the |]pulmonary vessels are <normal>"
                "|[the |]pulmonary vascular markings are <normal>|no [evidence of |][pulmonary edema|vascular "
                "congestion]"
                "|no [pulmonary |]vascular congestion or [pulmonary |][edema|interstitial edema]|normal "
                "pulmonary vascularity"
                "|no overt pulmonary edema]"
            )
            return [_Statement(self.say(pattern, normal=self._normal()), ("edema",))]
        if self.chance(0.4):
            return [self._shown(self._edema_thing())]
        pattern = {
            1: "[[the |]pulmonary [vasculature|vascularity] is [mildly|slightly|] [congested|engorged|prominent]"
            "|[the |]central pulmonary vessels are [mildly|] [engorged|prominent|congested]"
            "|[mild |]cephalization of the pulmonary vessels[, suggesting vascular congestion|]]",
            2: "[[diffuse|bilateral|mild diffuse] [prominence of the interstitial markings|interstitial prominence"
            "|increased interstitial markings], <suggests> [interstitial edema|interstitial pulmonary edema]"
            "|[the |]interstitial markings are [diffusely |]increased, <suggests> [interstitial edema|pulmonary "
            "edema]]",
            3: "[[bilateral|symmetric bilateral|diffuse bilateral] perihilar [airspace opacities|opacities|hazy "
            "opacities"
            "|opacification], <suggests> [pulmonary edema|alveolar edema]"
            "|there [are bilateral|are extensive bilateral] perihilar opacities, <suggests> [alveolar edema"
            "|pulmonary edema]]",
        }[grade]
        return [_Statement(self.say(pattern, suggests=self.say(_SUGGESTS)), ("edema",))]

    def _edema_thing(self) -> _Thing:
        pattern = {
            1: "[mild |][pulmonary vascular congestion|vascular congestion|central vascular congestion]",
            2: "[mild |mild to moderate |][interstitial edema|interstitial pulmonary edema]",
            3: "[moderate|severe|marked|frank] [pulmonary edema|alveolar pulmonary edema|alveolar edema]",
        }[self.case.edema or 1]
        return _Thing(self.say(pattern), ("edema",), mass=True)

    def _parenchyma(self) -> list[_Statement]:
        if self._lungs_clear():
            return []
        statements = self._opacities()
        statements += [self._shown(thing) for thing in (*self._nodule_things(), *self._atelectasis_things())]
        if self.case.unplaced_opacity:
            statements.append(self._unplaced())
        focal = bool(statements) and not self.case.unplaced_opacity
        clear = [side for side, lung in self._lungs() if self.case.edema == 0 and lung == Lung()]
        if len(clear) == 1 and self.chance(0.3):
            pattern = "[[the |]<side> lung is [clear|clear|well aerated and clear|unremarkable]|clear <side> lung]"
            keys = tuple(f"{finding}_{clear[0]}" for finding in ("opacity", "nodule", "atelectasis"))
            statements.append(_Statement(self.say(pattern, side=clear[0]), keys))
        elif focal and self.case.edema == 0 and self.chance(0.4):
            pattern = (
                "[[the |]lungs are otherwise clear|otherwise[,|] the lungs are clear|the [remaining lungs are"
                "|remainder of the"
                " lungs is] clear|no other focal [airspace |]opacity]"
            )
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
        look = self.say(_OPACITY_LOOK[opacity.severity])
        noun = self.say(_OPACITY_NOUN[opacity.severity])
        mass = noun.endswith(_MASS_NOUNS)
        keys = (f"opacity_{side}",)
        cause = self._cause(0.2)
        if self.chance(0.5):
            place = self.say(_ZONE_ADJECTIVE[opacity.zone], side=side)
            return _Thing(" ".join(f"{look} {place} {noun}".split()), keys, mass=mass, tail=cause)
        place = self.say(_ZONE_PLACE[opacity.zone], side=side)
        return _Thing(f"{look} {noun}".strip(), keys, mass=mass, tail=f"{place}{cause}")

    def _bilateral_opacity(self, opacity: Opacity) -> _Thing:
        look = self.say(_OPACITY_LOOK[opacity.severity])
        noun = self.say(
            "[airspace opacities|opacities|airspace opacities|consolidations]" if opacity.severity > 1 else "opacities"
        )
        keys = ("opacity_right", "opacity_left")
        places = {
            "upper": "[bilateral upper zone|bilateral upper lobe|bilateral upper lung]",
            "mid": "[bilateral mid zone|bilateral midlung|bilateral mid lung]",
            "lower": "[bibasilar|bilateral lower zone|bilateral lower lobe|bibasal|bilateral basilar]",
        }
        return _Thing(
            f"{look} {self.say(places[opacity.zone])} {noun}".strip(), keys, plural=True, tail=self._cause(0.2)
        )

    def _double_opacity(self, found: list[Opacity], side: Side) -> _Thing:
        look = self.say(_OPACITY_LOOK[found[0].severity])
        noun = self.say("[airspace opacities|opacities]")
        zones = f"{found[0].zone} and {found[1].zone}"
        tail = self.say("in the <side> <zones> [zones|lung zones|lung]", side=side, zones=zones) + self._cause(0.2)
        return _Thing(f"{look} {noun}".strip(), (f"opacity_{side}",), plural=True, tail=tail)

    def _cause(self, probability: float) -> str:
        if not self.chance(probability):
            return ""
        return self.say(f", {_SUGGESTS} [pneumonia|pneumonia|infection|an infectious process|an inflammatory process]")

    def _unplaced(self) -> _Statement:
        noun = self.say(
            "[patchy|focal|hazy|] [airspace opacity|pulmonary opacity|airspace disease|parenchymal opacity]"
        )
        thing = _Thing(noun.strip(), ("opacity",), mass=True, tail=self._cause(0.5))
        if self.chance(0.4):
            plural = self.say("[pulmonary opacities|airspace opacities|patchy opacities|lung opacities]")
            thing = _Thing(plural, ("opacity",), plural=True, tail=self._cause(0.5))
        return self._shown(thing)

    def _nodule_things(self) -> list[_Thing]:
        present = self._present("nodules")
        things = []
        for side, lung in present:
            nodule = (lung.nodules or ())[0]
            judged = "small" if nodule.diameter < 15 else "large" if nodule.diameter > 24 else ""
            size = self.say(
                "[<mm>|<mm>|approximately <mm>|<cm>|roughly <cm>|<judged>|<judged>|]",
                mm=f"{nodule.diameter} mm",
                cm=f"{nodule.diameter / 10:.1f} cm",
                judged=judged,
            )
            look = self.say("[round|rounded|well-defined||||]" if len(present) > 1 else "[round|rounded|solitary||||]")
            noun = self.say("[nodule|nodule|nodule|pulmonary nodule|nodular opacity]")
            keys = (f"nodule_{side}",)
            if self.chance(0.4):
                place = self.say(_ZONE_ADJECTIVE[nodule.zone], side=side)
                things.append(_Thing(" ".join(f"{size} {look} {place} {noun}".split()), keys))
            else:
                noun = self.say("[<noun>|<noun>|<noun>|lung nodule]", noun=noun)
                place = self.say(_ZONE_PLACE[nodule.zone], side=side)
                things.append(_Thing(" ".join(f"{size} {look} {noun}".split()), keys, tail=place))
        return things

    def _atelectasis_things(self) -> list[_Thing]:
        sides = [side for side, _ in self._present("atelectasis")]
        if not sides:
            return []
        keys = tuple(f"atelectasis_{side}" for side in sides)
        place = (
            self.say("[bibasilar|bibasilar|bibasal|bilateral basilar]")
            if len(sides) == 2
            else self.say(f"{sides[0]} [basilar|basilar|basal|lung base|lower lobe]")
        )
        look = self.say("[mild|minimal|linear|bandlike|subsegmental|platelike|discoid|streaky|]")
        if len(sides) == 2 and self.chance(0.2):
            return [
                _Thing(f"{look} atelectasis".strip(), keys, mass=True, tail=self.say("at [both lung bases|both bases]"))
            ]
        if self.chance(0.25):
            noun = self.say(f"[streaky|linear|bandlike] {place} opacities")
            tail = self.say(
                ", [consistent with|likely|compatible with|suggestive of|most likely representing] [atelectasis]"
            )
            return [_Thing(noun, keys, plural=True, tail=tail)]
        return [_Thing(f"{look} {place} atelectasis".strip(), keys, mass=True)]

    def _pleura(self) -> list[_Statement]:
        statements = [self._shown(thing) for thing in self._effusion_things()]
        effusions = self._present("effusion")
        if len(effusions) == 1:
            side, lung = effusions[0]
            if lung.effusion == 1 and self.chance(0.25):
                pattern = (
                    "[[there is |]blunting of the <side> costophrenic angle|the <side> costophrenic angle is blunted]"
                    "[, <suggests> a [small|trace] pleural effusion|, [indicating|due to] a small [pleural |]effusion]"
                )
                text = self.say(pattern, side=side, suggests=self.say(_SUGGESTS))
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
        if len(present) == 2:
            right, left = (self.say(_EFFUSION_SIZE[lung.effusion or 1]) for _, lung in present)
            both = ("effusion_right", "effusion_left")
            same = present[0][1].effusion == present[1][1].effusion
            if same and self.chance(0.8):
                return [_Thing(f"{right} bilateral {noun}s", both, plural=True)]
            if not same and self.chance(0.45):
                if brief or self.chance(0.3):
                    more = "right" if (present[0][1].effusion or 0) > (present[1][1].effusion or 0) else "left"
                    tail = self.say(
                        "[, larger on the <more>|, <more> greater than <less>]", more=more, less=_other(more)
                    )
                    return [_Thing(f"bilateral {noun}s", both, plural=True, tail=tail)]
                tail = f", {right} on the right and {left} on the left"
                return [_Thing(f"bilateral {noun}s", both, plural=True, tail=tail)]
            return [_Thing(f"{right} right and {left} left {noun}s", both, plural=True)]
        things = []
        for side, lung in present:
            size = self.say(_EFFUSION_SIZE[lung.effusion or 1])
            passive = ""
            if (lung.effusion or 0) >= 2 and self.chance(0.3):
                passive = self.say("with [adjacent|overlying|associated|underlying|compressive] atelectasis")
            keys = (f"effusion_{side}",)
            if self.chance(0.15):
                things.append(_Thing(f"{size} {noun}", keys, tail=f"{self.say(_ON[side])} {passive}".strip()))
            else:
                things.append(_Thing(f"{size} {side}{self.say('[||-sided]')} {noun}", keys, tail=passive))
        return things

    def _pneumothorax_things(self) -> list[_Thing]:
        things = []
        for side, lung in self._present("pneumothorax"):
            grade = lung.pneumothorax or 1
            size = self.say(_PNEUMOTHORAX_SIZE[grade])
            apical = self.say("[apical||]") if grade == 1 else ""
            tail = ""
            if grade == 3 and self.chance(0.4):
                tail = self.say("with [collapse|partial collapse|marked volume loss] of the <side> lung", side=side)
            elif grade < 3 and self.chance(0.2):
                tail = "with a visible pleural line"
            if grade == 1 and not tail and self.chance(0.15):
                things.append(_Thing(f"{size} pneumothorax", (f"pneumothorax_{side}",), tail=f"at the {side} apex"))
                continue
            noun = f"{size} {side}{self.say('[||-sided]')} {apical} pneumothorax"
            things.append(_Thing(" ".join(noun.split()), (f"pneumothorax_{side}",), tail=tail))
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
            if self.chance(0.45):
                denied = absent if self.chance(0.5) else ["opacity"]
                pattern = (
                    "[the |both |]lungs are [clear [without|with no] [evidence of |]|clear bilaterally without "
                    "|well expanded and clear without |free of ]<list>"
                )
                text = self.say(pattern, list=self._denied(denied))
                statements.append(_Statement(text, self._denied_keys(denied)))
                absent = [finding for finding in absent if finding not in denied]
            elif self.chance(0.85):
                statements.append(_Statement(self._clear(), ("lungs",)))
                if self.chance(0.6):
                    absent.remove("opacity")
        elif "opacity" in absent and self.chance(0.35):
            absent.remove("opacity")
        if self._all_absent("nodules") and self._no_opacity() and self.case.edema in (0, 1) and self.chance(0.08):
            text = self.say(
                "no [suspicious|focal|] pulmonary [nodule|nodule or mass|nodules|mass or nodule] [is seen|identified|]"
            )
            nodule = [_Statement(" ".join(text.split()), ("nodule_right", "nodule_left"))]
        else:
            nodule = []
        if len(absent) == 3 and self.chance(0.35):
            groups = [absent[:1], absent[1:]]
        elif (len(absent) == 3 and self.chance(0.2)) or (len(absent) == 2 and self.chance(0.25)):
            groups = [[finding] for finding in absent]
        else:
            groups = [absent] if absent else []
        statements += [_Statement(self._no(self._denied(group)), self._denied_keys(group)) for group in groups]
        return statements + nodule

    def _clear(self) -> str:
        return self.say(
            "[[the |both |]lungs are [clear|clear|clear bilaterally|well expanded and clear|well-aerated and clear"
            "|normally inflated and clear]|clear lungs"
            "|[the |]lungs [appear clear|have a normal appearance]|[the |]lung fields are clear"
            "|[the |]lungs and pleural spaces are [clear|unremarkable]]"
        )

    def _denied(self, findings: list[str]) -> str:
        shown = findings[:]
        if len(shown) > 1 and self.chance(0.35):
            self.random.shuffle(shown)
        # With other densities in the lungs, only what is not those can be denied.
        opacity = (
            "[focal consolidation|focal airspace consolidation|focal airspace disease|airspace opacity|focal infiltrate"
            "|focal opacity|acute infiltrate|focal airspace opacity|consolidation]"
            if self._lungs_clear()
            else "[focal consolidation|consolidation|focal airspace consolidation|lobar consolidation]"
        )
        names = {
            "opacity": self.say(opacity),
            "effusion": self.say(
                "[pleural effusion|pleural effusion|pleural effusion|effusion|effusion|pleural fluid]"
            ),
            "pneumothorax": "pneumothorax",
        }
        parts = [names[finding] for finding in shown]
        if len(parts) == 3 and not self.comma:
            return f"{parts[0]}, {parts[1]} or {parts[2]}"
        return joined(parts, "or")

    def _denied_keys(self, findings: list[str]) -> tuple[str, ...]:
        return tuple(f"{finding}_{side}" for finding in findings for side in SIDES)

    def _no(self, what: str) -> str:
        if self.terse and self.chance(0.7):
            return f"no {what}"
        if self.chance(0.08):
            return self.say(
                "[specifically[,|] no|there is no radiographic evidence of|negative for|there is no visible] <what>",
                what=what,
            )
        plurals = {"pleural effusion": "pleural effusions", "pneumothorax": "pneumothoraces"}
        if what in plurals and self.chance(0.15):
            return self.say("[no|there are no] <what>", what=plurals[what])
        return self.say(
            "[there is no|no|no evidence of|no|there is no evidence of|no definite|there is no] <what>"
            if self.chance(0.7)
            else "no <what> is [seen|identified|present|noted|visible|demonstrated]",
            what=what,
        )

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
                self.say(_DEVICE_NAMES[name]),
                (name,),
                plural=name == "sternal_wires",
                tail=self.say(_DEVICE_PLACES[name]) if self.chance(0.85) else "",
            )
            for name in names
        ]

    def _rest(self) -> list[_Statement]:
        """Bones, soft tissues and the like, where they are known to be normal."""
        statements = []
        if self.case.bones and self.chance(0.55):
            pattern = (
                "[no acute [osseous|bony|skeletal] [abnormality|abnormalities|findings|lesion]"
                "|[the |][visualized |visible |][osseous structures|bony structures|bones] [are [unremarkable"
                "|intact|grossly intact"
                "|within normal limits|normal]|appear intact|show no acute abnormality|demonstrate no acute "
                "abnormality]"
                "|[the |]bony thorax is [intact|unremarkable|grossly unremarkable]"
                "|no [displaced |acute |]rib fracture [is seen|is identified|]|no [acute |]fractures|no acute "
                "bony changes"
                "|[the |]ribs appear intact|[the |]visualized thoracic spine is [unremarkable|intact]"
                "|[the |]bones of the thorax appear intact"
                "|[the |]bones and soft tissues are [unremarkable|normal|within normal limits]"
                "|[the |]skeletal structures are [unremarkable|intact]|no acute bone abnormality]"
            )
            statements.append(_Statement(self.say(pattern), ("bones",)))
        elif self.case.bones and self.chance(0.12):
            statements.append(
                _Statement(self.say("[the |]soft tissues are [unremarkable|normal|within normal limits]"), ("bones",))
            )
        if self._all_absent("effusion") and self.case.cardiomegaly is not None and self.chance(0.07):
            pattern = (
                "[[the |]visualized [upper |]abdomen is unremarkable|"
                "[the |][hemidiaphragms|diaphragms|diaphragm contours] are [normal|well defined|unremarkable"
                "|sharply defined]"
                "|no free [air|intraperitoneal air] [under the diaphragm|beneath the diaphragm|is seen]]"
            )
            statements.append(_Statement(self.say(pattern), ("diaphragm",)))
        return statements

    def _shown(self, thing: _Thing) -> _Statement:
        """A thing as a sentence that says that it is there."""
        are = "are" if thing.plural else "is"
        if (self.terse and self.chance(0.75)) or self.chance(0.12):
            return _Statement(_close(thing.bare), thing.keys)
        if self.chance(0.5):
            return _Statement(_close(f"there {are} {thing.with_article}"), thing.keys)
        seen = self.say("[seen|noted|present|identified|visible|demonstrated]")
        noun = thing.noun if thing.plural or thing.mass else f"{article(thing.noun)} {thing.noun}"
        return _Statement(_close(f"{noun} {are} {seen} {thing.tail}".strip()), thing.keys)

    # Impression.

    def _impression(self, whole: bool = False) -> list[_Statement]:
        """Every main finding, the urgent ones first; `whole`: no findings section stands before it."""
        case = self.case
        if not case.has_finding:
            return self._nothing(whole)
        statements = [self._concluded(thing) for thing in self._pneumothorax_things()]
        effusions = self._effusion_things(brief=True)
        if case.edema:
            statements.append(self._failure(effusions))
        elif case.cardiomegaly and effusions and self.chance(0.4):
            things = [self._cardiomegaly_thing(), *effusions]
            self.random.shuffle(things)
            statements.append(self._together(things))
        else:
            statements += [self._concluded(thing) for thing in effusions]
            if case.cardiomegaly:
                statements.append(self._concluded(self._cardiomegaly_thing()))
        opacities = self._opacity_conclusion()
        chronic = [self._nodule_conclusion(thing) for thing in self._nodule_things()]
        chronic += [self._concluded(thing) for thing in self._atelectasis_things()]
        statements = opacities + statements if self.chance(0.5) else statements + opacities
        statements += chronic
        statements += self._advice()
        if whole or self.chance(0.3):
            statements += self._device_conclusion(whole)
        if whole and self._all_absent("pneumothorax"):
            statements += self._negatives()[-1:]
        elif self._all_absent("pneumothorax") and self.chance(0.08):
            statements.append(_Statement(self._no("pneumothorax"), self._denied_keys(["pneumothorax"])))
        if not self._needs_attention() and self.chance(0.4):
            text = self.say(
                "no [acute cardiopulmonary|acute pulmonary|other acute|acute] [abnormality|process|disease|finding]"
            )
            statements.insert(
                0 if self.chance(0.3) and "other" not in text else len(statements), _Statement(text, ("lungs",))
            )
        return statements

    def _needs_attention(self) -> bool:
        """Whether a finding is there that nobody would call not acute."""
        case = self.case
        return bool(
            case.edema
            or case.unplaced_opacity
            or self._present("opacities")
            or self._present("effusion")
            or self._present("pneumothorax")
        )

    def _nothing(self, whole: bool) -> list[_Statement]:
        pattern = (
            "[no [evidence of |radiographic evidence of |][acute|active] [cardiopulmonary|cardiopulmonary"
            "|pulmonary|intrathoracic"
            "|cardiothoracic] [abnormality|disease|process|findings|pathology]|no [active|acute] disease [in "
            "the chest|]"
            "|no acute [abnormality|findings|radiographic abnormality] [in the chest|]"
            "|negative for acute [cardiopulmonary |][abnormality|disease|process]"
            "|no acute cardiopulmonary [abnormality|disease|process|findings] [identified|seen|]]"
        )
        if not self.case.devices and self.chance(0.2):
            pattern = (
                "[[normal|unremarkable|negative] [chest|chest radiograph|chest x-ray|examination of the chest"
                "|radiograph of the chest|frontal chest radiograph]|clear lungs|normal chest]"
            )
        statements = [_Statement(self.say(pattern), ("lungs",))]
        if self.chance(0.12):
            text = self.say("no [radiographic |][evidence of |signs of ][pneumonia|heart failure|acute infection]")
            statements.append(_Statement(text, ("lungs",)))
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
        return [_Statement(self.say(f"{_DEVICE_NAMES[tubes[0]]} {where}"), (tubes[0],))]

    def _cardiomegaly_thing(self) -> _Thing:
        size = "[mild|mild|]" if self.case.cardiomegaly == 1 else "[marked|severe|moderate to marked|marked]"
        noun = self.say(f"{size} [cardiomegaly|cardiomegaly|cardiac enlargement]")
        return _Thing(noun, ("cardiomegaly",), mass=True)

    def _failure(self, effusions: list[_Thing]) -> _Statement:
        """Congestion with what usually belongs to it."""
        things = [self._edema_thing(), *effusions]
        if self.case.cardiomegaly:
            things.insert(0, self._cardiomegaly_thing())
        statement = self._together(things)
        if self.case.cardiomegaly and self.chance(0.45):
            failure = self.say(
                "[heart failure|congestive heart failure|congestive failure|fluid overload|cardiac decompensation]"
            )
            return _Statement(f"{statement.text}, {self.say(_SUGGESTS)} {failure}", statement.keys)
        return statement

    def _together(self, things: list[_Thing]) -> _Statement:
        keys = tuple(key for thing in things for key in thing.keys)
        if len(things) == 2 and "," not in things[0].bare and self.chance(0.5):
            return _Statement(_close(f"{things[0].bare} with {things[1].bare}"), keys)
        parts = [
            thing.bare.replace(" ,", "").replace(",", "") if thing is not things[-1] else thing.bare for thing in things
        ]
        return _Statement(_close(joined(parts, "and")), keys)

    def _concluded(self, thing: _Thing) -> _Statement:
        if self.chance(0.12):
            return self._shown(thing)
        return _Statement(_close(thing.bare), thing.keys)

    def _opacity_conclusion(self) -> list[_Statement]:
        disease = self.say("[pneumonia|pneumonia|pneumonia|infection|an infectious process]")
        suggests = self.say(_SUGGESTS)
        if self.case.unplaced_opacity:
            pattern = (
                "[findings [consistent with|suggestive of|concerning for|suspicious for|compatible with] "
                "<disease>|[airspace disease|pulmonary opacities|lung opacities], <suggests> <disease>"
                "|pneumonia|[likely|probable|suspected] pneumonia|pulmonary infection is suspected]"
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
            noun = self.say("[airspace opacities|opacities|airspace disease|pulmonary opacities]")
            if len(sides) == 1 and noun == "pulmonary opacities":
                noun = "lung opacities"
            cause = f", {suggests} {disease}" if self.chance(0.75) else ""
            return [_Statement(f"{extent} {noun}{cause}", keys)]
        statements = []
        for side, opacity in found:
            thing = self._opacity_thing(opacity, side)
            text = _close(thing.bare)
            if "," not in text and self.chance(0.7):
                text = f"{text}, {self.say(_SUGGESTS)} {disease}"
            statements.append(_Statement(text, thing.keys))
        return statements

    def _nodule_conclusion(self, thing: _Thing) -> _Statement:
        text = thing.bare
        if self.chance(0.25):
            text += self.say(", [indeterminate|which is indeterminate|for which further evaluation is recommended]")
        return _Statement(_close(text), thing.keys)

    def _advice(self) -> list[_Statement]:
        if self._present("nodules") and self.chance(0.5):
            pattern = (
                "[[CT|chest CT|CT of the chest|dedicated chest CT] is [recommended|suggested|advised] [for "
                "further evaluation"
                "|for further characterization|]|recommend [chest CT|CT of the chest] [for further evaluation|]"
                "|[consider|recommend] further evaluation with CT]"
            )
            return [_Statement(self.say(pattern), ("advice",))]
        if (self._present("opacities") or self.case.unplaced_opacity) and self.chance(0.3):
            pattern = (
                "[[this|this finding] [could be followed to resolution|should be followed to resolution]|"
                "follow-up [radiographs are|radiograph is|imaging is] [recommended|suggested] [to document resolution"
                "|to ensure resolution|after treatment|]|recommend follow-up to [ensure|document] resolution"
                "|clinical correlation is [recommended|suggested|advised]|[correlate clinically|recommend "
                "clinical correlation]]"
            )
            return [_Statement(self.say(pattern), ("advice",))]
        if self._present("pneumothorax") and self.chance(0.2):
            return [
                _Statement(self.say("[follow-up radiograph is|short-interval follow-up is] recommended"), ("advice",))
            ]
        return []


def _other(side: str) -> Side:
    return "left" if side == "right" else "right"


def _close(text: str) -> str:
    """Commas stand at the word before them."""
    return text.replace(" ,", ",")
