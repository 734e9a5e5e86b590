"""Reads chest radiograph reports by rule: which findings a text calls present, absent or uncertain, and on which side.

It goes by words that radiologists use, sentence by sentence. It knows nothing of pictures and networks, and nothing of
the grammar that the default model learned to write from: it must be able to find fault with both.

Written by hand because no package that runs here knows findings, sides and uncertainty; those that were tried are
named below.

What is read: 'lungs are clear' denies opacity, nodule, mass, edema and atelectasis; 'no acute fracture' denies none,
for an old one may be there; a mass is a nodule too; a shadow that is put down to atelectasis, edema or a scar is no
opacity of its own. Findings are those of an ordinary report; the last ones of `FINDINGS` no picture of ours shows.

How right it is: `python -m model.evaluation.reading.agreement`, on 100 sentences of the grammar and 100 of the Indiana
collection's reports (one of each wording), labelled by hand before the reader read them: once, and not by a
radiologist. Of either hundred 70 were used for mending, and agree without exception; 30 were kept aside. Who mended had
labelled all, and further terms came from other reports of the collection, so that even the 30 flatter a little. There
the precision of mentions is 1.00 and the recall 0.89 (0.71 to 1.00) on the collection, and both 1.00 on the grammar;
before any mending, precision was 0.98 and recall 0.84 on the collection's 30. When mending was over, 60 more of the
collection's sentences that say what is abnormal were labelled and then read, and nothing was mended by them: there
precision is 0.96 (0.89 to 1.00), recall 0.96 (0.91 to 1.00), and the side right in 24 of 26.

Libraries. For negation alone one is maintained: negspacy 1.1.0 (MIT, NegEx of Chapman et al., J Biomed Inform
2001;34:301-310, for spaCy) runs on Python 3.11 with numpy 2. Given the same clauses and terms of these sentences it
tells denied from not denied in 168 of 169 cases with its clinical cues and in 165 with the plain ones; the cues here in
169. It knows neither uncertainty nor sides nor findings and brings spaCy, so it was not taken. medspacy 1.3.1 is spaCy
as well and was not tried, pyConTextNLP was last released in 2019, radgraph fetches a network's weights when it starts,
and CheXpert's labeler is not packaged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from model.synthetic.cases import Side

Finding = Literal[
    "effusion",
    "opacity",
    "pneumothorax",
    "cardiomegaly",
    "edema",
    "nodule",
    "mass",
    "atelectasis",
    "granuloma",
    "hyperinflation",
    "low volumes",
    "scarring",
    "pleural thickening",
    "elevated diaphragm",
    "hilar enlargement",
    "aortic change",
    "hernia",
    "fracture",
    "degenerative change",
    "scoliosis",
    "osteopenia",
    "device",
    "acute disease",
]
Presence = Literal["present", "uncertain", "absent", "not mentioned"]

FINDINGS: tuple[Finding, ...] = get_args(Finding)
SIDED: tuple[Finding, ...] = (
    "effusion",
    "opacity",
    "pneumothorax",
    "nodule",
    "mass",
    "atelectasis",
    "granuloma",
    "scarring",
    "pleural thickening",
    "elevated diaphragm",
    "hilar enlargement",
    "fracture",
)
# What 'no acute disease' denies.
ACUTE: tuple[Finding, ...] = ("effusion", "opacity", "pneumothorax", "edema")
BOTH: frozenset[Side] = frozenset(("right", "left"))
# The stronger first: a report that says a thing is there once says that it is there.
_STRENGTH: tuple[Presence, ...] = ("present", "uncertain", "absent")


@dataclass(frozen=True, slots=True)
class Mention:
    """One statement about one finding. `sides`: those named; empty where none is, both for 'bilateral'.

    `shadow`: an opacity that is named by its look alone, and may be something other than consolidation.
    """

    finding: Finding
    presence: Presence
    sides: frozenset[Side] = frozenset()
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a whole text says about one finding: the strongest of its statements, and the sides named with it."""

    presence: Presence
    sides: frozenset[Side] = frozenset()

    @property
    def called(self) -> bool:
        """Whether a reader would take the finding to be there, or possibly there."""
        return self.presence in ("present", "uncertain")


@dataclass(frozen=True, slots=True)
class _Term:
    """A place in a clause that names findings."""

    start: int
    end: int
    findings: tuple[Finding, ...]


def _compiled(
    table: tuple[tuple[str, tuple[Finding, ...]], ...],
) -> tuple[tuple[re.Pattern[str], tuple[Finding, ...]], ...]:
    return tuple((re.compile(pattern), findings) for pattern, findings in table)


_HEART = r"(?:heart|cardiac|cardio-? ?mediastinal|cardiopulmonary(?= silhouette)|cardiopericardial|cardiovascular)"
_DIAPHRAGM = r"\b(?:hemi-?)?diaphragm\w*"
_AORTIC = (
    r"(?:tortuo\w+|ectati\w+|ectasia|unfold\w+|uncoil\w+|calcif\w+|atheroscler\w+|aneurysm\w*|elongat\w+|dilat\w+"
    r"|prominen\w+|enlarg\w+)"
)
_VESSELS = r"(?:pulmonary |central |perihilar |hilar )*(?:vasculatures?|vascularity|vessels|vascular markings|vascular)"
# In order: what an earlier pattern takes, a later one does not see ('nodular opacity' is a nodule).
_TERMS = _compiled(
    (
        (
            r"\bpace ?makers?\b|\bpacers?\b|\bpac(?:er|ing) leads?\b|\bdefibrillators?\b|\b(?:aicd|icd|ett|picc)\b"
            r"|\b(?:endotracheal|tracheostomy|nasogastric|orogastric|enteric|feeding|ng|og|et|dobhoff|chest|drainage"
            r"|thoracostomy) tubes?\b|\btracheostomy\b"
            r"|\b(?:central|picc|jugular|subclavian|dialysis|port|swan-ganz|venous)(?: (?:venous|vein|access"
            r"|dialysis))*"
            r" (?:catheters?|lines?)\b|\bport-?a-?cath\b|\bmediport\b|\bcatheters?\b"
            r"|\b(?:sternotomy|sternal|cerclage) wires?\b|\bsternotomy\b|\b(?:prosthetic|artificial) valves?\b"
            r"|\bvalv(?:e|ular) prosthes[ie]s\b|\bsupport (?:devices?|apparatus)\b|\blines and tubes\b"
            r"|\btubes and lines\b|\bwires\b|\b(?:surgical |vascular )?clips?\b|\bstents?\b"
            r"|\b(?:chest |infusion )ports?\b"
            r"|\b(?:valve|valvular) (?:replacements?|repairs?)\b|\b(?:fixation|fusion|orthop(?:a)?edic|spinal)(?: \w+)?"
            r" (?:hardware|rods?|plates?|screws?)\b|\bhardware\b|\bstimulators?\b",
            ("device",),
        ),
        (
            r"(?<!active )\bgranulom\w+(?: (?:disease|changes?|calcifications?|infections?|densit(?:y|ies)"
            r"|opacit(?:y|ies)))?\b"
            r"|(?<!non)(?<!non-)\bcalcified (?:[\w-]+ ){0,4}?(?:lymph ?)?nod(?:es?|ules?)\b"
            r"|\bcalcified (?:\w+ ){0,3}?(?:lymph)?adenopathy\b|\bnodular calcifications?\b",
            ("granuloma",),
        ),
        (
            r"\bhyper-?(?:inflat|expan|aerat|lucen)\w+|(?<!subcutaneous )\bemphysema\w*|\bcopd\b"
            r"|\bchronic obstructive\b(?: (?:pulmonary|lung) disease)?|\boverinflat\w+|\bair trapping\b"
            r"|\bbull(?:ae|ous)\b"
            rf"|\bflatten\w+[^,;]{{0,25}}?{_DIAPHRAGM}|{_DIAPHRAGM}[^,;]{{0,25}}?\bflatten\w+",
            ("hyperinflation",),
        ),
        (
            r"\b(?:low|small|decreased|diminished|reduced|shallow) (?:lung|inspiratory|pulmonary)? ?volumes?\b"
            r"|\bvolumes? (?:are|is|remains?|appears?) (?:\w+ )?(?:low|small|decreased|diminished|reduced)\b"
            r"|\bhypo-?(?:inflat|ventilat|expan|aerat)\w+|\bunder-?(?:inflat|expan|aerat)\w+"
            r"|\b(?:poor|shallow|limited|decreased|suboptimal|diminished|low|incomplete|reduced)"
            r" (?:inspirat\w+|inflation|aeration|expansion)\b"
            r"|\bpoorly (?:inflated|expanded|aerated)\b",
            ("low volumes",),
        ),
        (
            rf"\b(?:elevat|eventrat|rais)\w+\b[^,;]{{0,40}}?{_DIAPHRAGM}"
            rf"|{_DIAPHRAGM}[^,;]{{0,30}}?\b(?:elevat|eventrat|rais)\w+|\beventration\b",
            ("elevated diaphragm",),
        ),
        (
            r"\bpleural(?: or \w+)? (?:\w+ )?(?:thickening|plaques?|calcifications?|capping|scar(?:s|ring)?)\b"
            r"|\bthicken\w+[^,;]{0,20}?\bpleura\b"
            r"|\bpleura\b[^,;]{0,20}?\bthicken\w+|\bapical cap(?:s|ping)?\b",
            ("pleural thickening",),
        ),
        (
            r"\bhernia(?:s|tion)?\b",
            ("hernia",),
        ),
        (
            rf"\b{_AORTIC}\b[^,;]{{0,40}}?\baort(?:a|ic)\b|\baort(?:a|ic)\b[^,;]{{0,40}}?\b{_AORTIC}\b"
            r"|\b(?:athero|arterio)sclero\w+|\btortuosity\b",
            ("aortic change",),
        ),
        (
            r"\bfractur\w+|\bcompression (?:deformit\w+|changes?)|\bwedg(?:e|ed|ing)\b(?: \w+)?"
            r"|\brib deformit\w+|\b(?:vertebral|height)(?: body)? (?:height )?loss\b|\bloss of (?:vertebral|height)\b",
            ("fracture",),
        ),
        (
            r"\bdegenerati(?:ve|on)\b|\bspondylo\w+|\bosteophyt\w+|\bspur(?:s|ring)?\b|\bhyperostosis\b|\bdish\b"
            r"|\b(?:osteo)?arthr(?:osis|itis|itic|opathy)\b|\bdis[ck] (?:space )?(?:disease|narrowing)\b",
            ("degenerative change",),
        ),
        (
            r"\b\w*scolio\w+"
            r"|(?<!kyphotic )\b(?:levo|dextro)?curvature\b(?= (?:of|involving|in|within|centered|convex))",
            ("scoliosis",),
        ),
        (
            r"\bosteopeni\w+|\bosteoporo\w+|\bdeminerali[sz]\w+"
            r"|\b(?:decreased|diminished) bone (?:density|minerali[sz]ation)",
            ("osteopenia",),
        ),
        (
            r"\b(?:scar(?:s|ring|red)?|fibros[ie]s|fibrotic|honeycomb\w*|fibronodular)\b"
            r"|\binterstitial lung disease\b|\bchronic interstitial\b(?: \w+){0,2}",
            ("scarring",),
        ),
        (r"\bhydropneumothora(?:x|ces)\b", ("effusion", "pneumothorax")),
        (r"\bpneumothora(?:x|ces)\b|\bptx\b", ("pneumothorax",)),
        (
            r"\b(?:pleural )?(?<!pericardial )effusions?\b|\bpleural fluid\b|\bha?emothora(?:x|ces)\b"
            r"|\bblunt(?:ed|ing)\b[^,;]*?\b(?:costophrenic|costodiaphragmatic|cp|sulc(?:us|i))\b(?: (?:angles?"
            r"|sulc(?:us|i)))?"
            r"|\b(?:costophrenic|cp) (?:angles?|sulc(?:us|i))\b[^,;]*?\bblunt(?:ed|ing)\b",
            ("effusion",),
        ),
        (
            rf"\bcardiomegaly\b|\b{_HEART}\b(?!\s*failure)[^,;]{{0,40}}?\b(?:enlarg\w+|increased|dilat\w+"
            rf"|prominent|widened|large|big)\b"
            rf"|\benlarge\w*(?: of)?(?: the)? {_HEART}\b(?: silhouette| size| contours?)?"
            r"|\bincreased cardiothoracic ratio\b|\bcardiothoracic ratio is increased\b",
            ("cardiomegaly",),
        ),
        (
            r"(?<!tissue )\bo?edema\b|\bcongestive (?:heart |cardiac )?(?:failure|changes?)\b|\b(?:heart"
            r"|cardiac) failure\b|\bchf\b"
            r"|\bcardiac decompensation\b|\b(?:fluid|volume) overload\b|\bcephali[sz]ation\b|\bkerley\b"
            rf"|\b{_VESSELS} (?:congestion|engorgement|redistribution)\b|\b(?:pulmonary|venous) congestion\b"
            rf"|\b{_VESSELS}\b[^,;]{{0,30}}?\b(?:congested|engorged|prominent|indistinct|increased)\b"
            rf"|\b(?:engorged|congested|prominent) {_VESSELS}\b"
            rf"|\b(?:engorgement|congestion|prominence|redistribution) of (?:the )?{_VESSELS}\b",
            ("edema",),
        ),
        (
            r"\bhil(?:um|a|ar)\b[^,;]{0,30}?\b(?:enlarg\w+|prominen\w+|full(?:ness)?|mass(?:es)?|adenopathy"
            r"|lymphadenopathy)\b"
            r"|\b(?:enlarg\w+|prominen\w+|full(?:ness)?)[^,;]{0,25}?\bhil(?:um|a|ar)\b|\b(?:lymph)?adenopathy\b",
            ("hilar enlargement",),
        ),
        (
            r"\bnodul(?:e|es)\b|\bnodular (?:opacit(?:y|ies)|densit(?:y|ies)|lesions?)\b"
            r"|\bcoin lesions?\b",
            ("nodule",),
        ),
        # A mass is a nodule of more than 3 cm; see `_read_clause` for 'no mass'.
        (r"(?<!mediastinal )\bmass(?:es)?\b(?! effect)", ("nodule", "mass")),
        (r"\batelecta(?:sis|tic)\b", ("atelectasis",)),
        (
            r"\b(?:broncho)?pneumonias?\b|\bconsolidat(?:ion|ions|ed|ive)\b"
            r"|\binfiltrates?\b|(?<!granulomatous )\binfect(?:ion|ious)\b"
            r"|\bopaci(?:ty|ties|fication|fied)\b|\bair ?-?space (?:disease|process|change|changes)\b"
            r"|\bair bronchograms?\b"
            r"|\bdensit(?:y|ies)\b|\baspiration\b|\bground-glass\b",
            ("opacity",),
        ),
    )
)
# A shadow that is then put down to something else is not counted as an opacity of its own.
_SHADOW = re.compile(r"\bopaci|\bdensit|\bair ?-?space|\bground-glass")
_EXPLAINED = re.compile(
    r"\b(?:likely|probabl\w+|possibl\w+|consistent|compatible|suggest\w*|represent\w*|reflect\w*|due to"
    r"|related to|keeping"
    r"|suspicious|concerning|worrisome|may|could|favou?r\w*|xxxx)\b[^;]*?\b(?:atelecta\w+|o?edema|effusions?|scar\w*"
    r"|fibrosis|congestion|nipple|hernia|granuloma\w*|superimpos\w+|overlap\w*|summation"
    r"|artifact|fat pad|pericardial fat)\b"
)
_CALCIFIED = re.compile(
    r"\b(?:likely|probabl\w+|consistent|compatible|represent\w*|reflect\w*|suggest\w*|keeping|due to)\b[^;]*?"
    r"\b(?:granuloma\w*|nipple)\b"
)
_BARE_SHADOW = re.compile(r"opaci|densit|ground-glass")
_INFECTED = re.compile(r"\b(?:pneumonia|infect\w+|consolidat\w+|aspiration|infiltrat\w+)\b")

# Statements that a part of the chest is normal, and what they deny. `_LEFT_OVER` words make them say less than that.
_NORMAL_WORDS = r"(?:clear|normal|unremarkable|within normal limits|sharp|sharply|free)"
_NORMAL = _compiled(
    (
        (
            rf"\b{_HEART}\b(?! failure)[^;]*?\b(?:normal|unremarkable)\b"
            rf"|\b(?:normal|unremarkable)(?: \w+){{0,5}} {_HEART}\b(?! failure)|\bborderline {_HEART}\b(?: size)?",
            ("cardiomegaly",),
        ),
        (
            rf"\blungs?\b(?! volumes?| markings?)(?: fields?| zones?| parenchyma)?[^,;]*?\b{_NORMAL_WORDS}\b(?! of)"
            rf"|\bclear lungs?\b"
            r"|\bclear (?:right|left) lung\b|\blungs and pleural spaces\b[^,;]*?\bclear\b",
            ("opacity", "nodule", "mass", "edema", "atelectasis"),
        ),
        (rf"\b{_VESSELS}\b[^,;]*?\b(?:normal|unremarkable)\b|\bnormal {_VESSELS}\b", ("edema",)),
        (
            rf"\bpleural (?:spaces?|surfaces?|cavit(?:y|ies))\b[^,;]*?\b{_NORMAL_WORDS}\b"
            rf"|\bno pleural abnormalit(?:y|ies)\b",
            ("effusion", "pneumothorax"),
        ),
        (rf"\b(?:costophrenic|cp) (?:angles?|sulc(?:us|i))\b[^,;]*?\b{_NORMAL_WORDS}\b", ("effusion",)),
        (
            r"\blungs\b[^,;]*?\b(?:well|fully|adequately|normally)[ -](?:inflated|expanded|aerated)\b"
            r"|\blungs are (?:expanded|inflated)\b"
            r"|\bvolumes? (?:are|is|remains?|appears?) (?:\w+ )?normal\b|\bnormal (?:lung )?(?:volumes?|inflation)\b",
            ("low volumes",),
        ),
        (
            r"\bnormally[ -](?:inflated|expanded|aerated)\b"
            r"|\bvolumes? (?:are|is|remains?|appears?) (?:\w+ )?normal\b|\bnormal (?:lung )?(?:volumes?|inflation)\b",
            ("hyperinflation",),
        ),
        (r"\bhil(?:a|ar|um)\b[^,;]*?\b(?:normal|unremarkable)\b", ("hilar enlargement",)),
        (r"\baort(?:a|ic)\b[^,;]*?\b(?:normal|unremarkable)\b", ("aortic change",)),
        (
            r"\b(?:bony|osseous|skeletal|bones?|skeleton|spine|ribs?)\b[^,;]*?\b(?:intact|normal|unremarkable)\b",
            ("fracture",),
        ),
        (r"\bspine\b[^,;]*?\b(?:normal|unremarkable)\b", ("degenerative change", "scoliosis")),
        (
            r"\b(?:no|without|negative(?: for)?|free of)\b(?: \w+){0,4}? (?:acute|active)\b(?:[ /,]+(?!osseous|bony"
            r"|skeletal|bone)[\w-]+){0,6}?"
            r" (?:disease|abnormalit(?:y|ies)|process|processes|findings?|patholog(?:y|ies))\b"
            r"|\b(?:normal|unremarkable|negative)(?: \w+){0,3} (?:chest|study|examination|radiographs?)\b"
            r"|^\W*negative\W*$"
            r"|\bchest (?:is|radiograph is|x-ray is) (?:normal|unremarkable|negative)\b",
            ("acute disease",),
        ),
    )
)
_SKELETON = re.compile(r"\b(?:osseous|bony|bones?|skeletal|ribs?|fractures?|spine|soft tissues?)\b")
_ACUTE_ONLY = re.compile(r"\b(?:acute|acutely|displaced|new)\b")
_LEFT_OVER = re.compile(r"\b(?:other|otherwise|remaining|remainder|elsewhere|additional|further)\b")

_CLAUSES = re.compile(r";|,?\s\b(?:but|however|although|though|whereas|while|except|aside from|apart from|yet)\b,?")
_NOT_NEGATIONS = re.compile(
    r"\b(?:no|without)(?: (?:significant|substantial|appreciable|interval|definite|short-term))* "
    r"(?:change|changes|increase|progression|worsening|improvement)\b"
    r"|\bnot (?:(?:significantly|appreciably|substantially) )?(?:changed|increased in|improved)\b|\bnot only\b"
    # What was not there then is there now.
    r"|\bnot (?:\w+ )?(?:seen|present|visible|noted|identified|there) (?:on|in) (?:the )?"
    r"(?:prior|previous|comparison|old|last)\b"
)
_NOT_EXCLUDED = re.compile(
    r"\b(?:cannot|can not|could not|can't) (?:be )?(?:\w+ly )?(?:exclude|excluded|rule out|ruled out)\b"
    r"|\bnot (?:\w+ly )?(?:excluded|ruled out)\b|\b(?:difficult|hard|unable) to (?:\w+ly )?(?:exclude|rule out)\b"
)
_NEGATION = re.compile(
    r"\b(?:no|not|without|free of|clear of|negative for|absence of|neither|nor|lack of|resolution of|removal of"
    r"|resolved)\b"
)
# What ends a negation before the clause does: a verb that has had its subject, or a thing named with its size.
_SIZED = (
    r"(?:an? )?(?:tiny|trace|minimal|small|moderate|(?:large|massive)(?= (?:right|left|bilateral))"
    r"|mild|mildly|marked|severe|subtle|faint|patchy"
    r"|dense|hazy"
    r"|stable|unchanged|persistent|new|right|left|bilateral|bibasilar|interval)"
)
_SCOPE_END = re.compile(
    r"\bthere (?:is|are)\b|\b(?:is|are|was|were) (?:again )?(?:seen|noted|present|identified|visible|visualized"
    r"|demonstrated|observed)\b"
    r"|\b(?:remains?|persists?)\b|\bwith (?!no\b)"
)
_LISTED_END = re.compile(rf"(?:,| and) (?={_SIZED}\b)")
_NEGATED_BEFORE = re.compile(
    r"\b(?:not|no longer) (?:\w+ly )?(?:seen|identified|present|evident|visuali[sz]ed|visible|demonstrated"
    r"|appreciated|noted"
    r"|detected|apparent|found)\b|\b(?:is|are|has been|have been) (?:\w+ly )?(?:absent|excluded|ruled out"
    r"|removed|unlikely)\b"
    r"|\b(?:has|have) (?:\w+ly )?(?:resolved|cleared)\b"
    r"|\b(?:is|are|appears?) (?:\w+ly )?(?:within (?:normal limits|limits of normal)|normal|unremarkable)\b"
)
_UNCERTAIN = re.compile(
    r"\b(?:possibl[ey]|probabl[ey]|likely|may|might|could|suspicious for|suspected|suspicion (?:of|for)"
    r"|concern(?:ing)?(?: for)?"
    r"|suggest\w*|questionabl[ey]|question of|worrisome for|equivocal|presumed|presumably|versus|vs"
    r"|differential|evaluat(?:e|ion) (?:for|of)|limits evaluation|to (?:identify|exclude|assess|confirm|rule out))\b|\?"
)
_UNCERTAIN_BEFORE = re.compile(
    r"\b(?:is|are) (?:also )?(?:possible|suspected|questioned|likely|probable|a possibility)\b|\bversus\b|\bvs\b"
)
_BORDERLINE = re.compile(r"\bborderline\b(?! to mild)|\bupper limits? (?:of )?normal\b|\btop[- ]normal\b")

_SECTIONS = (
    r"findings|impression|conclusion|opinion|indication|history|clinical history|clinical information"
    r"|comparison|technique"
    r"|examination|exam|procedure"
)
_HEADING = re.compile(rf"^[ \t]*({_SECTIONS})[ \t]*(?::|$)", re.IGNORECASE | re.MULTILINE)
_READ_SECTIONS = ("", "findings", "impression", "conclusion", "opinion")
_SENTENCE_END = re.compile(r"(?<!\d)\.(?=\s|$)|(?<=\d)\.(?=\s+[A-Z]|\s*$)|\n\s*\n|\n(?=\s*(?:\d+[.)]|[-*•]|[A-Z]))")
_NUMBER = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s*")
_LOBES = {"rul": "right upper", "rml": "right middle", "rll": "right lower", "lul": "left upper", "lll": "left lower"}
_SIDE_WORD = re.compile(r"\b(right|left|bilateral(?:ly)?|bibasilar|bibasal|biapical|bihilar|both)\b")
# 'Effusions, larger on the right' are on both sides.
_COMPARED = re.compile(
    r"\b(?:larger|greater|more|worse|right|left)\b[^,;]{0,24}?\b(?:than|on the|on)\b(?: the)? (?:right|left)\b"
)
_ALTERNATIVE = re.compile(r"\s*(?:or|and/or|versus|vs\.?|/)\s*")
_COMPARING = re.compile(r"\b(?:larger|greater|more|worse)\b")


def read(text: str) -> tuple[Mention, ...]:
    """All that a report, or a part of one, says about the findings; indication and technique are passed over."""
    mentions: list[Mention] = []
    for sentence in sentences(text):
        for clause in _CLAUSES.split(_expanded(sentence)):
            if clause.strip():
                mentions += _read_clause(clause)
    return tuple(mentions)


def reading(mentions: Iterable[Mention], finding: Finding) -> Reading:
    """What a text says about one finding when all is taken together."""
    about = [mention for mention in mentions if mention.finding == finding]
    for presence in _STRENGTH:
        strongest = [mention.sides for mention in about if mention.presence == presence]
        if strongest:
            # Sides named with a hedge count too: 'opacity, possibly right lower lobe pneumonia'.
            hedged = [m.sides for m in about if m.presence == "uncertain"] if presence == "present" else []
            return Reading(presence, frozenset().union(*strongest, *hedged))
    return Reading("not mentioned")


def sentences(text: str) -> list[str]:
    """The sentences of findings and impression, list numbers and headings left out."""
    pieces: list[str] = []
    section, at = "", 0
    headings = [*_HEADING.finditer(text)]
    for heading in (*headings, None):
        body = text[at : heading.start() if heading else len(text)]
        if section in _READ_SECTIONS:
            pieces += _SENTENCE_END.split(body)
        if heading:
            section, at = heading.group(1).lower(), heading.end()
    cleaned = (" ".join(_NUMBER.sub("", piece).split()) for piece in pieces)
    return [piece for piece in cleaned if any(c.isalpha() for c in piece)]


def contradictions(said: Sequence[Mention], standing: Sequence[Mention]) -> tuple[Finding, ...]:
    """Findings about which two texts cannot both be right: one says that it is there, the other that it is not.

    'Uncertain' contradicts nothing. A denial without a side denies both; 'no acute disease' denies what is acute.
    """
    found: list[Finding] = []
    for one, other in ((said, standing), (standing, said)):
        for present in one:
            if present.presence != "present":
                continue
            for absent in other:
                same = absent.finding == present.finding or (
                    absent.finding == "acute disease" and present.finding in ACUTE
                )
                apart = present.sides and absent.sides and not present.sides & absent.sides
                # 'No right effusion' leaves a left one; that a side is named at all limits the denial to it.
                limited = bool(absent.sides) and not present.sides
                # 'No consolidation' leaves a faint density, 'no opacity' leaves nothing.
                other_look = present.shadow and not absent.shadow
                if same and absent.presence == "absent" and not apart and not limited and not other_look:
                    found.append(present.finding)
    return tuple(dict.fromkeys(found))


def _expanded(sentence: str) -> str:
    text = sentence.lower()
    return re.sub(r"\b(?:rul|rml|rll|lul|lll)\b", lambda match: _LOBES[match.group()], text)


def _read_clause(clause: str) -> list[Mention]:
    # Without explained shadows, so that what explains one also has the place that was named with it.
    terms = [term for term in _terms(clause) if not _explained(clause, term)]
    mentions: list[Mention] = []
    for index, term in enumerate(terms):
        presence = _presence(clause, term)
        if presence == "absent" and _LEFT_OVER.search(clause[: term.start]):
            continue
        sides = _sides(clause, terms, index)
        about = term.findings
        if presence == "absent":
            # 'No acute fracture' leaves an old one; 'no mass' leaves a nodule.
            if "fracture" in about and _ACUTE_ONLY.search(clause[: term.start]):
                continue
            about = ("mass",) if "mass" in about else about
        shadow = "opacity" in about and _BARE_SHADOW.match(clause[term.start : term.end]) is not None
        mentions += [Mention(f, presence, sides if f in SIDED else frozenset(), shadow) for f in about]
    named = {mention.finding for mention in mentions}
    for pattern, findings in _NORMAL:
        match = pattern.search(clause)
        if match is None or _LEFT_OVER.search(clause):
            continue
        if "acute disease" in findings and _SKELETON.search(clause):
            continue
        if "not" in match.group().split():
            continue
        presence = "uncertain" if _BORDERLINE.search(clause) else "absent"
        # 'The left lung', 'both angles': the side may stand before what the pattern takes.
        sides = _named_sides(clause[clause.rfind(",", 0, match.start()) + 1 : match.end()])
        mentions += [
            # Lungs that are clear have no shadow of any kind.
            Mention(finding, presence, sides if finding in SIDED else frozenset(), finding == "opacity")
            for finding in findings
            if finding not in named
        ]
    return mentions


def _terms(clause: str) -> list[_Term]:
    terms: list[_Term] = []
    for pattern, findings in _TERMS:
        for match in pattern.finditer(clause):
            if all(match.start() >= term.end or match.end() <= term.start for term in terms):
                terms.append(_Term(match.start(), match.end(), findings))
    return sorted(terms, key=lambda term: term.start)


def _explained(clause: str, term: _Term) -> bool:
    """Whether a shadow is put down to something that is read by itself, or is none of the lung's."""
    if term.findings == ("nodule",):
        return _CALCIFIED.search(clause[term.end :]) is not None
    if "opacity" not in term.findings or not _SHADOW.match(clause[term.start : term.end]):
        return False
    rest = clause[term.end :]
    return _EXPLAINED.search(rest) is not None and _INFECTED.search(rest) is None


def _presence(clause: str, term: _Term) -> Presence:
    if _NOT_EXCLUDED.search(clause):
        return "uncertain"
    plain = _NOT_NEGATIONS.sub(lambda match: "_" * len(match.group()), clause)
    if _negated(plain, term):
        return "absent"
    if any(cue.end() <= term.start for cue in _UNCERTAIN.finditer(clause)):
        return "uncertain"
    # Not across a comma: in 'opacity, atelectasis versus pneumonia' the opacity itself is in no doubt.
    if any(
        cue.start() >= term.end and "," not in clause[term.end : cue.start()]
        for cue in _UNCERTAIN_BEFORE.finditer(clause)
    ):
        return "uncertain"
    if "blunt" in clause[term.start : term.end] or _BORDERLINE.search(clause):
        return "uncertain"
    return "present"


def _negated(clause: str, term: _Term) -> bool:
    for cue in _NEGATION.finditer(clause):
        if cue.start() >= term.end:
            break
        between = clause[cue.end() : term.start]
        if _SCOPE_END.search(between):
            continue
        # 'No effusion, left pneumothorax, or consolidation' denies all three.
        if _LISTED_END.search(between) and not re.search(r"\b(?:or|nor)\b", clause[cue.end() :]):
            continue
        return True
    for cue in _NEGATED_BEFORE.finditer(clause):
        if cue.start() >= term.end and not _SCOPE_END.search(clause[term.end : cue.start()]):
            return True
    return False


def _sides(clause: str, terms: list[_Term], index: int) -> frozenset[Side]:
    """The sides named with a term: in the words that lead up to it, else in those that follow."""
    term = terms[index]
    start = _phrase_start(clause, terms, index)
    before = _named_sides(clause[start : term.end])
    stop = _phrase_start(clause, terms, index + 1) if index + 1 < len(terms) else len(clause)
    after = clause[term.end : max(stop, term.end)]
    if before:
        return before
    if _COMPARING.search(after) and _COMPARED.search(after):
        return BOTH
    if index + 1 < len(terms) and _ALTERNATIVE.fullmatch(clause[term.end : terms[index + 1].start]):
        # 'Atelectasis or scar at the left base' is one shadow at one place.
        return _sides(clause, terms, index + 1)
    return _named_sides(after)


def _phrase_start(clause: str, terms: list[_Term], index: int) -> int:
    """Where the words that belong to a term begin: behind the last joint since the term before it."""
    if index == 0:
        return 0
    previous = terms[index - 1].end
    joints = [
        m.end() for m in re.finditer(r",|\b(?:and|or|with|as well as|plus)\b", clause[previous : terms[index].start])
    ]
    # 'Small right and moderate left effusions': a joint between two sides does not part them.
    for joint in joints:
        if not _NEGATION.search(clause[previous : previous + joint]):
            return previous + joint
    return previous + (joints[0] if joints else 0)


def _named_sides(text: str) -> frozenset[Side]:
    sides: set[Side] = set()
    for word in _SIDE_WORD.findall(text):
        if word == "right":
            sides.add("right")
        elif word == "left":
            sides.add("left")
        else:
            sides |= BOTH
    return frozenset(sides)
