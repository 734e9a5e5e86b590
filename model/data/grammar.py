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

from model.data.cases import SIDES, ZONES, Case, Change, Lung, MainFinding, Opacity, Other, Side, Zone, main_finding
from model.data.phrases import OTHER_CONCLUSIONS, OTHER_SENTENCES

# Words in a report, headings included. Where much is unknown there is less to say.
LEAST_WORDS = 25
LEAST_WORDS_UNKNOWN = 10
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
_HEADINGS = {
    "findings": "Findings",
    "impression": "[Impression|Impression|Impression|Impression|Conclusion|Opinion]",
    "examination": "[Examination|Exam|Technique|Procedure|Exam]",
    "indication": "[Indication|Clinical history|History|Clinical information]",
    "comparison": "Comparison",
}
_ON = {"right": "[on the right|at the right|on the right]", "left": "[on the left|at the left|on the left]"}
_ZONE_PLACE: dict[Zone, str] = {
    "upper": "in the [medial |lateral |||]<side> [upper zone|upper lung zone|upper lobe|upper lobe|upper lung|upper "
    "lung "
    "field]",
    "mid": "in the [lateral |medial |||]<side> [mid zone|mid lung zone|midlung|midlung|mid lung|mid lung field<mid>]",
    "lower": "[in the <side> [lower zone|lower lung zone|lower lobe|lower lobe|lower lung|lung base|base]|at the "
    "<side> "
    "[base|lung base]|within the <side> [lower lobe|lung base]]",
}
_ZONE_ADJECTIVE: dict[Zone, str] = {
    "upper": "<side> [upper zone|upper lobe|upper lobe|upper lung|upper lung zone]",
    "mid": "<side> [mid zone|midlung|mid lung|mid lung zone|perihilar<middle>]",
    "lower": "<side> [lower zone|lower lobe|lower lobe|lower lung|basilar|basilar|basal|lung base<heart>]",
}


def _sided(pattern: str, side: Side) -> str:
    """The pattern with the names that only one side has: a middle lobe, a lingula, a space behind the heart."""
    only = {
        "right": {"mid": "|middle lobe", "middle": "|middle lobe", "heart": ""},
        "left": {"mid": "", "middle": "|lingular", "heart": "|retrocardiac"},
    }
    for slot, words in {"side": side, **only[side]}.items():
        pattern = pattern.replace(f"<{slot}>", words)
    return pattern


_PLACES_AFTER = {(zone, side): _sided(_ZONE_PLACE[zone], side) for zone in ZONES for side in SIDES}
_PLACES_BEFORE = {(zone, side): _sided(_ZONE_ADJECTIVE[zone], side) for zone in ZONES for side in SIDES}
# Where in a lung something small lies, after 'in the'.
_PLACES: dict[tuple[Zone | None, Side], str] = {
    ("upper", "right"): "right [upper lobe|upper lobe|upper lung|apex|lung apex]",
    ("upper", "left"): "left [upper lobe|upper lobe|upper lung|apex|lung apex]",
    ("mid", "right"): "right [midlung|mid lung|middle lobe|perihilar region]",
    ("mid", "left"): "left [midlung|mid lung|midlung zone|perihilar region]",
    ("lower", "right"): "right [lower lobe|lower lobe|lung base|base|lower lung]",
    ("lower", "left"): "left [lower lobe|lower lobe|lung base|base|lower lung]",
}
_DEGREE = {None: "", 1: "[mild|mild|minimal|slight]", 2: "moderate", 3: "[severe|marked]"}
_DEGREE_ADVERB = {None: "", 1: "[mildly|mildly|slightly|minimally]", 2: "moderately", 3: "[markedly|severely]"}
_HERNIA_SIZE = {None: "", 1: "small", 2: "[moderate|moderate-sized]", 3: "large"}
_EFFUSION_SIZE = {
    1: "[small|small|small|trace|minimal|mild]",
    2: "[moderate|moderate|moderate-sized|medium-sized]",
    3: "[large|large|large|massive]",
}
_PNEUMOTHORAX_SIZE = {1: "[small|small|tiny|minimal]", 2: "[moderate|moderate|moderate-sized]", 3: "large"}
_OPACITY_LOOK = {
    1: "[faint|subtle|hazy|mild|ill-defined|vague|mild patchy]",
    2: "[patchy|patchy|focal|moderate|hazy|]",
    3: "[dense|confluent|extensive]",
}
_OPACITY_NOUN = {
    1: "[opacity|airspace opacity|airspace opacity|infiltrate|density|air space opacity|airspace disease]",
    2: "[airspace opacity|airspace opacity|opacity|consolidation|infiltrate|airspace disease|air space opacity|"
    "air space disease|opacification|lung opacity|alveolar opacity]",
    3: "[consolidation|consolidation|airspace consolidation|airspace opacity|airspace disease|air space consolidation|"
    "alveolar consolidation|opacification]",
}
_MASS_NOUNS = (
    "consolidation", "disease", "edema", "atelectasis", "congestion", "cardiomegaly", "fluid", "opacification"
)  # fmt: skip
_SUGGESTS = (
    "[consistent with|compatible with|in keeping with|suggestive of|suspicious for|concerning for|likely representing"
    "|most likely|which may represent|which could represent|possibly representing|worrisome for|probably representing"
    "|which may be due to|which may reflect|possibly|likely|probably|most suggestive of|which may be secondary to|most "
    "compatible with|likely related to|suggesting|likely secondary to|possibly due to]"
)
_MAY_BE = "[may represent|could represent|may reflect|may be due to|may be secondary to|are likely due to]"
_INFECTIONS = (
    "[pneumonia|pneumonia|pneumonia|pneumonia|infection|an infectious process|an inflammatory process|infection or "
    "inflammation|pneumonia or aspiration|infection versus aspiration|an acute infectious process|early "
    "pneumonia|atypical infection|bronchopneumonia|lobar pneumonia]"
)
_EDEMA_SENTENCES = {
    1: "[<the> pulmonary [vasculature|vascularity] is [mildly|slightly|] [congested|engorged|prominent]"
    "|<the> central pulmonary vessels are [mildly|] [engorged|prominent|congested]|<the> [pulmonary vascular markings|"
    "central vascular markings] are [mildly |][prominent|increased|engorged]"
    "|[mild |]cephalization of the pulmonary vessels[, suggesting vascular congestion|]]",
    2: "[[diffuse|bilateral|mild diffuse] [prominence of the interstitial markings|interstitial prominence"
    "|increased interstitial markings|increased interstitial opacities|interstitial opacities|prominent interstitial "
    "markings], <suggests> [interstitial edema|interstitial pulmonary edema|pulmonary edema]"
    "|<the> interstitial markings are [diffusely |mildly |][increased|prominent], <suggests> [interstitial edema|"
    "pulmonary edema]|there are [diffuse|bilateral|increased|diffuse bilateral] interstitial [opacities|markings], "
    "<suggests> [interstitial edema|pulmonary edema]]",
    3: "[[bilateral|symmetric bilateral|diffuse bilateral] perihilar [airspace opacities|opacities|hazy opacities"
    "|opacification|air space opacities], <suggests> [pulmonary edema|alveolar edema]"
    "|there [are bilateral|are extensive bilateral] perihilar opacities, <suggests> [alveolar edema|pulmonary edema]]",
}
_DEVICE_NAMES = {
    "pacemaker": "[left chest wall|left-sided|left|left chest|left subclavian] [pacemaker|dual-lead pacemaker"
    "|dual-chamber pacemaker|cardiac pacemaker|pacemaker generator]",
    "endotracheal_tube": "[endotracheal tube|endotracheal tube|ET tube]",
    "central_line": "right [central venous catheter|central venous line|internal jugular catheter|internal "
    "jugular central line|internal jugular central venous catheter|IJ central venous catheter|IJ catheter]",
    "nasogastric_tube": "[nasogastric tube|enteric tube|NG tube]",
    "sternal_wires": "[median sternotomy|sternal|sternotomy|intact sternal|intact median sternotomy] wires",
}
_DEVICE_PLACES = {
    "pacemaker": "[with leads in the expected position|with leads overlying the right atrium and right ventricle"
    "|with intact leads|with its leads projecting over the right heart|with leads in the right atrium and right "
    "ventricle"
    "|with lead tips in the right atrium and right ventricle|with leads projecting over the heart|in place|]",
    "endotracheal_tube": "[with its tip above the carina|terminating above the carina|in satisfactory position"
    "|with its tip in the mid trachea|in good position|with tip above the carina|with tip approximately 4 cm above the "
    "carina|in appropriate position]",
    "central_line": "[with its tip in the superior vena cava|with tip overlying the superior vena cava|with its "
    "tip in the SVC|with tip in the SVC|with tip in the mid SVC|with the tip in the distal SVC|with catheter tip in "
    "the "
    "distal SVC|with tip at the cavoatrial junction|with tip overlying the SVC|with distal tip in the SVC|with "
    "catheter "
    "tip at the caval atrial junction"
    "|terminating in the region of the SVC|terminating over the superior vena cava]",
    "nasogastric_tube": "[coursing below the diaphragm|passing below the left hemidiaphragm|extending into the stomach"
    "|with its tip in the region of the stomach|with tip below the diaphragm|with tip in the stomach]",
    "sternal_wires": "[||in place|from prior cardiac surgery|from prior CABG|related to prior CABG|from previous "
    "cardiac "
    "surgery]",
}
_HEART_STABLE = (
    "[<the> cardiomediastinal silhouette is [stable|unchanged|stable and within normal limits|normal and stable|normal "
    "in size and contour, and stable]|stable [normal |][cardiomediastinal silhouette|cardiomediastinal contours|"
    "cardiac silhouette|heart size]|<the> heart size and mediastinal [contours|contour|silhouette] are [stable|"
    "unchanged|"
    "stable and within normal limits|normal and unchanged]|unchanged cardiomediastinal silhouette|stable appearance of "
    "the [cardiomediastinal silhouette|heart and mediastinum]|heart size within normal limits, stable mediastinal "
    "[contour|contours|and hilar contours]|<the> heart and mediastinum are [stable|unchanged]|<the> cardiomediastinal "
    "silhouette <is> within normal limits and stable|stable cardiac and mediastinal contours|<the> cardiac and "
    "mediastinal silhouettes are stable|normal heart size, stable mediastinal contour]"
)
_HEART_STABLE_ALONE = (
    "[<the> heart size is [stable|unchanged|normal and stable|stable and normal|within normal limits and stable]|"
    "stable "
    "[normal |]heart size|stable cardiac silhouette|<the> heart is normal in size and unchanged]"
)
_HEART_AND_VESSELS = (
    "[<the> heart size[, mediastinal contour[s|],| and mediastinal contour,] and pulmonary [vascularity|vasculature] "
    "<are> <normal>|<the> heart size and pulmonary vascularity <are> [<normal>|within normal limits]|<the> [heart|"
    "cardiac "
    "silhouette], mediastinum, and pulmonary [vascularity|vasculature] are <normal>|<the> heart, pulmonary "
    "[vascularity|"
    "vasculature|vessels] and mediastinum are [<normal>|within normal limits]|<the> cardiomediastinal silhouette and "
    "[pulmonary |][vasculature|vascularity] <are> [<normal>|within normal limits for size and contour|within normal "
    "limits "
    "in appearance]|<the> cardiac silhouette and pulmonary [vascularity|vasculature] <are> <normal>|<the> heart and "
    "pulmonary [vascularity|vasculature|vessels] <are> <normal>|<the> cardiomediastinal [silhouette|contours], "
    "pulmonary "
    "vasculature, and central airways are <normal>|<the> cardiomediastinal contours and pulmonary vascularity are "
    "<normal>|<the> heart size, mediastinum, and pulmonary vasculature <are> <normal>|heart size, mediastinal "
    "silhouette "
    "and pulmonary vascular markings are <normal>|<the> cardiac and mediastinal contours and pulmonary vascularity are "
    "<normal>]"
)
_HEART_AND_MEDIASTINUM = (
    "[<the> heart size and [cardiomediastinal|mediastinal|mediastinal] [contours|contour|silhouette] <are> <normal>"
    "|<the> [cardiomediastinal silhouette|cardio mediastinal silhouette|cardiomediastinal silhouette|heart and "
    "mediastinal silhouette] <is> [<normal>|<normal>|normal in size and contour|normal in size and configuration|"
    "within "
    "normal limits for size and contour|within normal limits in size and appearance|within normal limits in size and "
    "contour|within normal limits in overall size and appearance|normal size and configuration]"
    "|<the> [cardiac|heart] and mediastinal [silhouettes|contours|silhouette|structures] <are> <normal>|<the> heart "
    "and "
    "mediastinum <are> [<normal>|normal size and shape|of normal size and contour|normal in size and contour|normal]"
    "|[normal|unremarkable] [heart|cardiac] size and mediastinal [contours|contour|silhouette]|normal heart size and "
    "cardiomediastinal silhouette"
    "|[normal|unremarkable] [cardiomediastinal silhouette|cardiomediastinal contours|cardiac and mediastinal contours|"
    "heart and mediastinum]|normal cardiomediastinal silhouette and hilar contours"
    "|<the> cardiomediastinal [contours <are>|contour <is>|silhouettes <are>|contours and hilar contours <are>] "
    "<normal>"
    "|<the> heart size, mediastinal[,|] and hilar contours <are> <normal>|<the> cardiac, mediastinal, and hilar "
    "[contours|"
    "silhouettes] <are> <normal>|<the> cardiac contours and mediastinal silhouette <are> <normal>|heart and "
    "mediastinum "
    "normal|<the> heart and mediastinum are unremarkable|<the> heart size is normal and <the> mediastinum is "
    "unremarkable|<the> heart size, mediastinal contour, and aorta <are> <normal>]"
)
_HEART_AND_LUNGS = (
    "[<the> heart and lungs <are> <normal>|<the> heart is normal in size and <the> lungs are clear|heart size normal "
    "and "
    "lungs clear|<the> heart size is [normal|within normal limits] and the lungs are clear]"
)
_HEART_ALONE = (
    "[<the> heart <is> [normal in size|not enlarged|normal in size and contour|of normal size|normal size|normal in "
    "size "
    "and configuration|not significantly enlarged|unremarkable|within normal limits|within normal limits in size|"
    "normal]"
    "|<the> heart size <is> <normal>|<the> heart size <is> [normal|normal|within normal limits]|normal heart size|"
    "heart "
    "size normal|<the> cardiac silhouette <is> [<normal>|normal in size|not enlarged|within normal limits in size|"
    "normal "
    "in size and contour|within normal limits for size]|<the> cardiac contours <are> <normal>|no cardiomegaly|no "
    "cardiac "
    "enlargement|<the> heart silhouette is [normal in size and contour|normal in size]|normal cardiac [silhouette|"
    "contour|contours|size]|<the> cardiac size <is> <normal>|heart size within normal limits|<the> heart size is "
    "grossly "
    "normal|<the> heart is [grossly |]normal in size]"
)
_VESSELS_NORMAL = (
    "[<the> pulmonary [vascularity|vasculature] <is> <normal>|<the> pulmonary vessels <are> <normal>|<the> [pulmonary|"
    "central] vascular markings <are> [<normal>|symmetric and within normal limits]|no [evidence of |overt |findings "
    "of "
    "|convincing |typical findings of |][pulmonary edema|vascular congestion]|no [pulmonary |]vascular congestion or "
    "[pulmonary |][edema|interstitial edema]|normal pulmonary [vascularity|vasculature|vasculatures]|no [overt|overt |"
    "alveolar|interstitial|frank|definite] pulmonary edema|there is no [pulmonary |]edema|no typical findings of "
    "pulmonary edema|<the> pulmonary vascularity is within normal limits in appearance|<the> central pulmonary "
    "vasculature"
    " is <normal>|<the> pulmonary vasculature is not engorged|without [overt |]pulmonary edema|<the> pulmonary "
    "vasculature and bronchovascular markings are <normal>|<the> pulmonary arteries <are> <normal>|no edema]"
)
_NO_OPACITY = (
    "[focal consolidation|focal consolidation|focal consolidation|focal airspace consolidation|focal airspace disease|"
    "focal airspace disease|airspace opacity|focal infiltrate|focal air space consolidation|focal air space disease|"
    "focal "
    "air space opacity|focal air space opacity to suggest a pneumonia|focal area of consolidation|focal areas of "
    "consolidation|focal opacity|acute infiltrate|focal airspace opacity|consolidation|infiltrate|focal alveolar "
    "consolidation|focal pulmonary consolidation|focal pulmonary opacity|focal lung consolidation|pneumonia|acute "
    "airspace disease|airspace disease|airspace consolidation|air space consolidation|suspicious focal opacity|"
    "suspicious "
    "pulmonary opacity|confluent airspace disease|lobar consolidation|focal pulmonary infiltrate|alveolar "
    "consolidation|"
    "focal airspace opacity to suggest pneumonia|acute consolidation|discrete airspace opacity|focal lung opacity]"
)
_NO_OPACITIES = (
    "[focal infiltrates|infiltrates|focal airspace consolidations|focal consolidations|focal airspace opacities|focal "
    "areas of consolidation|pulmonary infiltrates|acute infiltrates|suspicious pulmonary opacities|focal opacities|"
    "consolidations|air space consolidations|suspicious focal air space opacities|focal air space opacities]"
)
_NO_CONSOLIDATION = (
    "[focal consolidation|consolidation|focal airspace consolidation|lobar consolidation|focal alveolar consolidation|"
    "focal areas of consolidation|air space consolidation|focal air space consolidation]"
)
_NO_NODULES = (
    "[no [suspicious|focal|dominant|discrete|] [pulmonary|lung] [[nodule|nodule or mass|mass or nodule] [is seen|is "
    "identified|identified|]|[nodules|nodules or masses|masses] [are seen|are identified|identified|]]|no [nodules or "
    "masses|masses or nodules|pulmonary mass or nodule|suspicious nodules or masses|suspicious appearing nodules]|"
    "there "
    "are no [nodules or masses|pulmonary nodules or masses|suspicious pulmonary nodules]|no suspicious pulmonary "
    "[nodules|mass]]"
)
_NOTHING_ACUTE_IN_BONES = (
    "no [acute|acute|evidence of acute|definite acute] [osseous|bony|skeletal] [abnormality|abnormalities|findings|"
    "finding|abnormality identified|abnormality is seen|abnormality is identified|injury]|there is no acute "
    "[bony|osseous] abnormality [seen|]|no [displaced|acute displaced|acute] rib [fracture|fractures] [<seen>|"
    "identified|]"
    "|no [acute |][displaced |]fractures|no acute fracture or dislocation|no acute bony changes|no acute bone "
    "abnormality"
    "|<the> [visualized |][osseous structures|bony structures|bones|skeletal structures] [show no acute|demonstrate no "
    "acute|are without acute|reveal no acute|appear without acute] [abnormality|abnormalities|osseous abnormality]|"
    "<the> "
    "[osseous|bony] structures of the thorax are without acute abnormality|no acute bony findings|no acute osseous "
    "findings|no acute abnormality of the [bony structures|visualized bones|thoracic spine|bony thorax]|<the> bony "
    "thorax "
    "shows no acute abnormality"
).replace("<seen>", "is seen")
# One fracture is seen, several are.
_NOTHING_ACUTE_IN_BONES = _NOTHING_ACUTE_IN_BONES.replace(
    "[fracture|fractures] [is seen|identified|]",
    "[fracture is seen|fractures are seen|fracture|fractures|fractures identified]",
)
_BONES_NOT_ACUTE = f"[{_NOTHING_ACUTE_IN_BONES}]"
_BONES_NORMAL = (
    f"[{_NOTHING_ACUTE_IN_BONES}|<the> [visualized |visible |][osseous structures|bony structures|bones|skeletal "
    "structures|bony structures of the thorax|osseous structures of the thorax] <are> [unremarkable|intact|intact|"
    "grossly "
    "intact|grossly unremarkable|within normal limits|within normal limits for patient age|normal|unremarkable for "
    "patient age]|<the> bony thorax <is> [intact|unremarkable|grossly unremarkable|grossly intact]|<the> ribs [appear "
    "intact|are intact]|<the> visualized thoracic spine <is> [unremarkable|intact]|<the> bones of the thorax appear "
    "intact"
    "|<the> [bones|osseous structures|bony structures] and soft tissues <are> [unremarkable|normal|within normal "
    "limits|"
    "grossly unremarkable]|<the> [bony structures|osseous structures|skeletal structures] appear [intact|intact "
    "without "
    "acute abnormality|unremarkable]|<the> thoracic spine appears intact|<the> [soft tissues|visualized soft tissues] "
    "and "
    "[bony|osseous] structures <are> [unremarkable|normal|within normal limits]|no bony [abnormality|abnormalities]|"
    "<the> "
    "bony structures are intact without acute osseous abnormality|<the> visualized skeletal structures of the thorax "
    "are "
    "intact|<the> visualized bony structures reveal no abnormalities|bony structures intact]"
)
_ABDOMEN_NORMAL = (
    "[<the> visualized [upper |]abdomen <is> [unremarkable|within normal limits|normal|grossly unremarkable]|<the> "
    "[hemidiaphragms|diaphragms|diaphragm contours] <are> [normal|well defined|unremarkable|sharply defined|intact]|"
    "<the> "
    "visualized portions of the [upper |]abdomen are [unremarkable|normal]|<the> costophrenic [angles|sulci] are "
    "[clear|"
    "sharp]|bilateral costophrenic angles are sharp|<the> upper abdomen <is> unremarkable]"
)
_NO_FREE_AIR = (
    "[no free [air|intraperitoneal air|subdiaphragmatic air] [under the diaphragm|beneath the diaphragm|is seen|seen "
    "beneath the diaphragm|]|no [visible|evidence of] free [intraperitoneal |]air [under the diaphragm|beneath the "
    "diaphragm|]|there is no [visible |]free [intraperitoneal |]air [under the diaphragm|beneath the diaphragm|]|no "
    "[pneumoperitoneum|free subdiaphragmatic air]|no visible free intraperitoneal air under the diaphragm]"
)
_NO_DISEASE = (
    "[no [evidence of |radiographic evidence of |][acute|acute|active] [cardiopulmonary|cardiopulmonary|cardiopulmonary"
    "|pulmonary|intrathoracic|cardiothoracic|radiographic cardiopulmonary] [abnormality|disease|process|findings|"
    "abnormalities|pathology|finding]|no [active|acute] disease [in the chest|]|no acute [abnormality|findings|finding|"
    "radiographic abnormality|abnormalities|chest abnormality|abnormality seen|abnormality identified] [in the chest|]"
    "|negative for acute [cardiopulmonary |cardiopulmonary |][abnormality|disease|process|findings|finding]|[no|there "
    "is "
    "no] [radiographic |]evidence of [acute cardiopulmonary disease|active disease|active cardiopulmonary disease|"
    "acute "
    "pulmonary disease|acute disease|acute cardiopulmonary process|any acute disease]|no acute [cardiopulmonary|"
    "pulmonary]"
    " [abnormality|abnormalities|disease|disease|process|findings|findings] [identified|seen|is seen|]|no [acute|"
    "active] "
    "cardiac, pulmonary, or pleural disease|no acute [preoperative|preoperative cardiopulmonary] findings|no visible "
    "active"
    " cardiopulmonary disease|no acute pulmonary [disease|findings|process|abnormality] [identified|]|no acute "
    "radiographic"
    " [cardiopulmonary process|cardiopulmonary abnormality|abnormality]|no acute process|no evidence of active disease|"
    "no "
    "acute cardiopulmonary disease|no acute disease process|no visible active cardiac, pulmonary or pleural disease]"
).replace(" [identified|seen|is seen|]", " [identified|seen|]")
_NORMAL_CHEST = (
    "[[normal|unremarkable|negative] [chest|chest|chest radiograph|chest x-ray|examination of the chest|chest "
    "examination"
    "|radiograph of the chest|radiographs of the chest|frontal chest radiograph|exam|appearing chest|study]|clear "
    "lungs|"
    "normal chest|normal chest exam|essentially normal chest|heart size is normal and lungs are clear|no abnormality "
    "seen]"
)
_PRIOR = (
    "[prior|prior|the prior study|the prior exam|the prior examination|the previous exam|the previous study|prior "
    "radiographs|the prior radiograph|previous chest radiograph|the previous chest x-ray|prior study|prior exam|the "
    "prior "
    "chest radiograph|previous examination]"
)
_NO_CHANGE = (
    "[stable chest|stable appearance of the chest|stable exam|no [significant |] interval change|no significant "
    "[interval "
    "|]change [from|since|compared to] <prior>|no change [from|since|compared to|compared with] <prior>|no interval "
    "change"
    " [from|since] <prior>|there has been no [significant |]interval change [since <prior>|]|stable chest radiograph|"
    "the "
    "[examination|chest] is [stable|unchanged] [compared to|compared with|from] <prior>|no significant change|"
    "unchanged "
    "appearance of the chest|no acute abnormality or change since <prior>|no acute interval change|stable examination|"
    "[when |]compared to <prior>, [no significant change|there is no significant interval change]]"
)
# How the change of the main finding is said before its name; 'any' where a finding has no words of its own.
_CHANGE_BEFORE: dict[Change, dict[str, str]] = {
    "unchanged": {"any": "[stable|stable|stable|unchanged|persistent|unchanged|redemonstrated]"},
    "increased": {
        "opacity": "[worsening|increasing|increased|progressive]",
        "edema": "[worsening|increasing|increased]",
        "atelectasis": "[worsening|increasing|increased]",
        "effusion": "[enlarging|increasing]",
        "pneumothorax": "[enlarging|increasing]",
        "nodule": "enlarging",
        "cardiomegaly": "increasing",
    },
    "decreased": {
        "opacity": "[improving|resolving|decreasing|improved|decreased]",
        "edema": "[improving|improved|resolving|decreasing]",
        "atelectasis": "[improving|improved|decreasing]",
        "effusion": "[decreasing|improving|resolving]",
        "pneumothorax": "[decreasing|resolving|improving]",
        "cardiomegaly": "improved",
    },
    "new": {"any": "new"},
}
# The same, after a comma at the end.
_CHANGE_AFTER: dict[Change, str] = {
    "unchanged": "[unchanged|stable|unchanged|stable|similar to <prior>|unchanged [from|since|compared to] <prior>|"
    "stable "
    "[since|compared to|compared with] <prior>|not significantly changed [since|from|compared to] <prior>|similar in "
    "appearance to <prior>|without significant [interval |]change|stable in appearance|unchanged in appearance|as "
    "before]",
    "increased": "<larger> [since|compared to|compared with|in the interval since] <prior>",
    "decreased": "<larger> [since|compared to|compared with|in the interval since] <prior>",
    "new": "new [since|from|compared to|compared with|in the interval since] <prior>",
}
_CHANGE_SENTENCES: dict[Change, str] = {
    "unchanged": "[there has been no significant interval change in <name>|<name> <be> [stable|unchanged|not "
    "significantly "
    "changed|similar in appearance] [compared to|compared with|from|since] <prior>|<name> <be> [stable|unchanged]|no "
    "[significant |]change in <name> [since|from|compared to] <prior>|[when |]compared to <prior>, <name> <be> "
    "[unchanged|stable]|<name> <have> not significantly changed [in the interval|since <prior>]]",
    "increased": "[there has been [an |]interval increase in <name>|<name> <have> [increased|increased] [since|"
    "compared to|"
    "in the interval since] <prior>|[when |]compared to <prior>, <name> <have> increased|interval [increase|"
    "progression] "
    "[in|of] <name>|interval worsening of <name>]",
    "decreased": "[there has been [interval|some interval] [decrease|improvement] in <name>|<name> <have> [decreased|"
    "improved] [since|compared to|in the interval since] <prior>|[when |]compared to <prior>, <name> <have> [decreased|"
    "improved]|interval [decrease|improvement] in <name>]",
    "new": "[<name> <be> new [since|compared to|from] <prior>|<name> <be> new|"
    "[when |]compared to <prior>, <name> <be> new|<name> <have> developed [since|in the interval since] <prior>]",
}
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
        # What would differ between two sentences on the same thing is chosen once.
        self.level = self.say("[a midthoracic vertebral body|a lower thoracic vertebral body|T7|T8|T11|T12|L1]")
        self.aged = self.say("[age-indeterminate|chronic|old|remote|chronic-appearing|age-indeterminate]")

    def say(self, pattern: str, **slots: str) -> str:
        text = _expanded(_parsed(pattern), self.random)
        for name, value in slots.items():
            text = text.replace(f"<{name}>", value)
        if "<" in text:
            text = _SLOT.sub(self._filled, text)
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
        spelled: Callable[[str], str] = self.random.choices((str.upper, str, str.lower), (0.58, 0.4, 0.02))[0]
        name: Callable[[str], str] = lambda heading: spelled(self.say(_HEADINGS[heading]))  # noqa: E731
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
        heart, lungs, pleura = self._heart(), [*self._vessels(), *self._parenchyma()], self._pleura()
        negatives = self._negatives()
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

    def _heart(self) -> list[_Statement]:
        grade = self.case.cardiomegaly
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
            text = self.say(_HEART_STABLE if plain else _HEART_STABLE_ALONE)
            keys = ("cardiomegaly", "mediastinum", "change") if plain else ("cardiomegaly", "change")
            return [_Statement(text, keys)]
        if plain and self.case.edema == 0 and self.chance(0.14):
            text = self.say(_HEART_AND_VESSELS, normal=self._normal())
            self.vessels_said = True
            return [_Statement(text, ("cardiomegaly", "mediastinum", "edema"))]
        if plain and self.chance(0.55):
            return [
                _Statement(self.say(_HEART_AND_MEDIASTINUM, normal=self._normal()), ("cardiomegaly", "mediastinum"))
            ]
        if self._plainly_clear() and self.chance(0.06):
            text = self.say(_HEART_AND_LUNGS, normal=self._normal())
            return [_Statement(text, ("cardiomegaly", "lungs"))]
        statements = [_Statement(self.say(_HEART_ALONE, normal=self._normal()), ("cardiomegaly",))]
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
        if grade is None or (grade == 0 and (self.vessels_said or not self.chance(0.3))):
            return []
        if grade == 0:
            return [_Statement(self.say(_VESSELS_NORMAL, normal=self._normal()), ("edema",))]
        if self.chance(0.4) or self._changes("edema", 0.6):
            return [self._shown(self._edema_thing())]
        return [_Statement(self.say(_EDEMA_SENTENCES[grade], suggests=self.say(_SUGGESTS)), ("edema",))]

    def _edema_thing(self) -> _Thing:
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
        statements += [self._shown(thing) for thing in (*self._nodule_things(), *self._atelectasis_things())]
        if self.case.unplaced_opacity:
            statements.append(self._unplaced())
        focal = bool(statements) and not self.case.unplaced_opacity
        clear = [side for side, lung in self._lungs() if self.case.edema == 0 and lung == Lung()]
        plain = not self.names & _LUNG_OTHERS
        if len(clear) == 1 and plain and self.chance(0.3):
            pattern = (
                "[<the> <side> lung is [clear|clear|well aerated and clear|unremarkable|grossly clear]|clear <side> "
                "lung|<the> <side> lung remains clear]"
            )
            if self.case.change != "unchanged":
                pattern = pattern.replace("|<the> <side> lung remains clear", "")
            keys = tuple(f"{finding}_{clear[0]}" for finding in ("opacity", "nodule", "atelectasis"))
            statements.append(_Statement(self.say(pattern, side=clear[0]), keys))
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
        look = self.say(_OPACITY_LOOK[opacity.severity])
        noun = self.say(_OPACITY_NOUN[opacity.severity])
        mass = noun.endswith(_MASS_NOUNS)
        keys = (f"opacity_{side}",)
        cause = self._cause(0.2)
        alone = sum(len(lung.opacities or ()) for _, lung in self._lungs()) == 1
        hedged = 0.15 if opacity.severity == 1 and alone else 0.0
        if self.chance(0.5):
            place = self.say(_PLACES_BEFORE[opacity.zone, side])
            noun = noun.removeprefix("lung ")
            thing = _Thing(" ".join(f"{look} {place} {noun}".split()), keys, mass=mass, tail=cause)
        else:
            place = self.say(_PLACES_AFTER[opacity.zone, side])
            thing = _Thing(f"{look} {noun}".strip(), keys, mass=mass, tail=f"{place}{cause}")
        return self._changing(thing, "opacity", hedged)

    def _bilateral_opacity(self, opacity: Opacity) -> _Thing:
        look = self.say(_OPACITY_LOOK[opacity.severity])
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
        look = self.say(_OPACITY_LOOK[found[0].severity])
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
        return self.say(f", {_SUGGESTS} {_INFECTIONS}")

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
                shape = "[round|rounded|lobulated|well-defined|well-circumscribed|irregular||||]"
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
                place = self.say(_PLACES_BEFORE[nodule.zone, side])
                noun = noun.removeprefix("lung ").removeprefix("pulmonary ")
                thing = _Thing(" ".join(f"{size} {look} {place} {noun}".split()), keys, tail=measured)
            else:
                place = self.say(_PLACES_AFTER[nodule.zone, side])
                thing = _Thing(" ".join(f"{size} {look} {noun}".split()), keys, tail=f"{place} {measured}".strip())
            things.append(self._changing(thing, "nodule", 0.08 if nodule.diameter < 12 else 0.0))
        return things

    def _atelectasis_things(self) -> list[_Thing]:
        sides = [side for side, _ in self._present("atelectasis")]
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
        noun = " ".join(f"{look} {place} atelectasis {doubt}".split())
        return [self._changing(_Thing(noun, keys, mass=True), "atelectasis", 0.08)]

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
            size = self.say(_EFFUSION_SIZE[lung.effusion or 1])
            passive = ""
            if (lung.effusion or 0) >= 2 and self.chance(0.3):
                passive = self.say(
                    "with [adjacent|overlying|associated|underlying|compressive|adjacent compressive] atelectasis"
                )
            keys = (f"effusion_{side}",)
            if self.chance(0.15):
                thing = _Thing(f"{size} {noun}", keys, tail=f"{self.say(_ON[side])} {passive}".strip())
            else:
                thing = _Thing(f"{size} {side}{self.say('[||-sided]')} {noun}", keys, tail=passive)
            things.append(self._changing(thing, "effusion", 0.08 if lung.effusion == 1 else 0.0))
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
            nodule = [_Statement(self.say(_NO_NODULES), ("nodule_right", "nodule_left"))]
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
        opacity = _NO_OPACITY if clear else _NO_CONSOLIDATION
        plural = self.chance(0.2)
        names = {
            "opacity": self.say(_NO_OPACITIES if plural and clear else opacity),
            "effusion": self.say(
                "[pleural effusions|effusions|large pleural effusions|pleural effusions]"
                if plural
                else "[pleural effusion|pleural effusion|pleural effusion|pleural effusion|effusion|effusion|pleural "
                "fluid|large pleural effusion|large effusion|definite pleural effusion|significant pleural effusion]"
            ),
            "pneumothorax": self.say("[pneumothoraces|pneumothorax]")
            if plural
            else self.say("[pneumothorax|pneumothorax|pneumothorax|pneumothorax|visible pneumothorax]"),
        }
        if findings != ["pneumothorax"]:
            names["pneumothorax"] = names["pneumothorax"].replace("visible ", "")
        parts = [names[finding] for finding in shown]
        if nodules_and_edema:
            parts[0] = "pneumonia" if shown[0] == "opacity" else parts[0]
            rest = self.say("[edema, |pulmonary edema, |]") + self.say("[adenopathy, |]")
            last = self.say("[nodules or masses|masses or nodules|nodules, or masses|pulmonary nodules or masses]")
            if self.names & _MEDIASTINAL_OTHERS:
                rest = rest.replace("adenopathy, ", "")
            return f"{', '.join(parts)}, {rest}{last}"
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
        if what.startswith(("definite", "visible")):
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
        return self.say(pattern.replace("<are>", are).replace("<be>", be), what=what)

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
        # With chronic changes of the skeleton only what is acute can be denied.
        plain = not self.names & _BONE_OTHERS
        if self.case.bones and self.chance(0.55 if plain else 0.3):
            statements.append(_Statement(self.say(_BONES_NORMAL if plain else _BONES_NOT_ACUTE), ("bones",)))
        elif self.case.bones and plain and self.chance(0.12) and "breast_surgery" not in self.names:
            text = self.say("<the> soft tissues <are> [unremarkable|normal|within normal limits|grossly unremarkable]")
            statements.append(_Statement(text, ("bones",)))
        whole = not self.names & {"elevated_hemidiaphragm", "hiatal_hernia", "hyperinflation", "emphysema"}
        if self._all_absent("effusion") and self.case.cardiomegaly is not None and self.chance(0.12):
            quiet = whole and not self.names & _SURGICAL_OTHERS
            text = self.say(_ABDOMEN_NORMAL if quiet and self.chance(0.5) else _NO_FREE_AIR)
            statements.append(_Statement(text, ("diaphragm",)))
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
            or case.unplaced_opacity
            or self._present("opacities")
            or self._present("effusion")
            or self._present("pneumothorax")
        )

    def _nothing(self, whole: bool) -> list[_Statement]:
        pattern = _NO_DISEASE
        others = self._other_conclusions(whole)
        if not self.case.devices and not self.case.others and self.chance(0.2):
            pattern = _NORMAL_CHEST
        text = self.say(pattern)
        statements = [_Statement(text, ("lungs",))]
        if self.case.change == "unchanged" and self.chance(0.4):
            text = self.say(_NO_CHANGE, prior=self.say(_PRIOR))
            statements.insert(self.random.randrange(2), _Statement(text, ("change",)))
        elif self._plainly_clear() and self.chance(0.06) and pattern == _NO_DISEASE:
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
        return [_Statement(self.say(f"{_DEVICE_NAMES[tubes[0]]} {where}"), (tubes[0],))]

    def _cardiomegaly_thing(self) -> _Thing:
        size = (
            "[mild|mild|borderline|slight||]"
            if self.case.cardiomegaly == 1
            else "[marked|severe|moderate to marked|marked|moderate]"
        )
        noun = self.say(f"{size} [cardiomegaly|cardiomegaly|cardiomegaly|cardiac enlargement]")
        return self._changing(_Thing(noun, ("cardiomegaly",), mass=True), "cardiomegaly")

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
        disease = self.say(_INFECTIONS)
        suggests = self.say(_SUGGESTS)
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
                    f", {suggests} {disease}" if thing.mass or self.chance(0.8) else f" {self.say(_MAY_BE)} {disease}"
                )
            return [_Statement(_close(thing.bare + cause), thing.keys)]
        statements = []
        for side, opacity in found:
            thing = self._opacity_thing(opacity, side)
            text = _close(thing.bare)
            keys = thing.keys
            if opacity.severity > 1 and "change" not in keys and self.chance(0.1):
                place = self.say(_PLACES_BEFORE[opacity.zone, side])
                text = self.say("[|probable |] <place> [pneumonia|pneumonia|infiltrate]", place=place)
            elif "," not in text and self.chance(0.1):
                text = f"{text} {self.say(_MAY_BE).replace('are', 'is')} {disease}"
            elif "," not in text and self.chance(0.65):
                text = f"{text}, {self.say(_SUGGESTS)} {disease}"
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
                ", [concerning for malignancy|suspicious for malignancy|worrisome for neoplasm|for which further "
                "evaluation is recommended]"
                if mass
                else ", [indeterminate|which is indeterminate|for which further evaluation is recommended|nonspecific|"
                "of uncertain significance]"
            )
        return _Statement(_close(text), thing.keys)

    def _advice(self) -> list[_Statement]:
        if self._present("nodules") and self.chance(0.5):
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
        if (self._present("opacities") or self.case.unplaced_opacity) and self.chance(0.3):
            pattern = (
                "[[this|this finding] [could be followed to resolution|should be followed to resolution]|"
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

    def _filled(self, slot: re.Match[str]) -> str:
        """Articles and verbs as this hand uses them."""
        name = slot.group(1)
        if name == "the":
            return "the" if self.chance(self.article_share) else ""
        if not self.chance(self.verb_share):
            return ""
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
            place = self.say(_PLACES[other.zone, other.side])
        stable = self.say("[||stable|stable|unchanged]") if self.case.change == "unchanged" else ""
        say = lambda: self.say(  # noqa: E731
            pattern,
            side=other.side or "",
            place=place,
            deg=self.say(_DEGREE[other.severity]),
            degly=self.say(_DEGREE_ADVERB[other.severity]),
            size=self.say(_HERNIA_SIZE[other.severity]),
            stable=stable,
            level=self.level,
            aged=self.aged,
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
            before = _CHANGE_BEFORE[change].get(finding) or _CHANGE_BEFORE[change].get("any", "")
            keys = (*thing.keys, "change")
            if before and self.chance(0.55):
                noun = f"{self.say(before)} {thing.noun}"
                return replace(thing, noun=noun, keys=keys)
            after = self.say(_CHANGE_AFTER[change], prior=self.say(_PRIOR), larger=self._larger(finding))
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
        return _Statement(self.say(f"[{pattern}]", prior=self.say(_PRIOR)), ("cardiomegaly", "change"))

    def _comparison(self) -> list[_Statement]:
        """A sentence on the change by itself."""
        change, finding = self.case.change, main_finding(self.case)
        if change is None or not self.chance(0.5):
            return []
        if finding is None:
            return [_Statement(self.say(_NO_CHANGE, prior=self.say(_PRIOR)), ("change",))]
        name, plural, keys = self._main_name(finding)
        pattern = _CHANGE_SENTENCES[change]
        text = self.say(
            pattern,
            name=name,
            be="are" if plural else "is",
            have="have" if plural else "has",
            prior=self.say(_PRIOR),
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
