"""Reports say what their case holds, and nothing else. The checker reads the finished text, not the grammar."""

from __future__ import annotations

import re
from random import Random
from typing import get_args

import pytest

from model.evaluation.reading.labeler import read, reading
from model.synthetic.cases import (
    DEVICES,
    FIELDS,
    LABELS,
    OTHERS,
    SIDES,
    SOURCES,
    Case,
    Lung,
    Nodule,
    Opacity,
    Other,
    Unplaced,
    case_from_labels,
    case_of_answers,
    case_to_array,
    labels_of,
    main_finding,
    mirrored,
    sample_case,
    visible,
)
from model.synthetic.grammar import LEAST_WORDS, MOST_WORDS, WrittenReport, article, write_report
from model.synthetic.radiographs import answers_of

REPORTS = 4000
HEADINGS = (
    r"(?:findings|impression|conclusion|opinion|examination|exam|technique|procedure|indication|clinical history"
    r"|clinical information|history|comparison)"
)
EFFUSION_SIZES = {
    "small": 1, "trace": 1, "minimal": 1, "mild": 1, "moderate": 2, "moderate-sized": 2, "medium-sized": 2,
    "large": 3, "massive": 3,
}  # fmt: skip
AIR_SIZES = {"small": 1, "tiny": 1, "minimal": 1, "moderate": 2, "moderate-sized": 2, "large": 3}
DEVICE_WORDS = {
    "pacemaker": "pacemaker",
    "endotracheal_tube": r"endotracheal|\bet tube",
    "central_line": r"central venous|jugular|\bij\b",
    "nasogastric_tube": r"nasogastric|enteric|\bng tube",
    "sternal_wires": "wires",
}
OPACITY = r"opacity|opacities|opacification|consolidations?|infiltrates?|air ?space (?:disease|process)|\bdensity"
NODULE = r"nodul|\bmass(?:es)?\b|\blesions?\b"
# Words that only a comparison with a prior calls for.
CHANGES = (
    r"\b(?:stable|unchanged|persistent|persists|remains?|again|changed?|redemonstrated|as before|similar|interval"
    r"|worsen\w*|worse|progress\w*|increas(?:ing|e)|increased (?:in size )?(?:since|from|compared|in the interval)"
    r"|enlarging|improv\w+|resolving|decreas\w+|smaller|larger (?:since|from|compared|in the)"
    r"|new|prior|previous|developed)\b"
)
MAIN_FINDINGS = {
    "effusion": "effusion|costophrenic|pleural fluid|pleural spaces",
    "pneumothorax": "pneumothora",
    "opacities": OPACITY + "|pneumonia|infection",
    "nodules": NODULE,
    "atelectasis": "atelectasis",
}


@pytest.fixture(scope="module")
def written() -> list[tuple[Case, WrittenReport]]:
    random = Random(11)
    cases = [sample_case(random) for _ in range(REPORTS)]
    cases += [case_from_labels(source, random) for source in SOURCES for _ in range(200)]
    return [(case, write_report(case, random)) for case in cases]


def sentences_of(text: str) -> list[str]:
    """The sentences in lower case, without headings and numbers; a number's point ends no sentence."""
    lines = [re.sub(rf"^{HEADINGS}\s*:?\s*", "", line, flags=re.IGNORECASE) for line in text.splitlines()]
    parts = [part for line in lines for part in re.split(r"\.(?:\s+|$)", line)]
    return [part.strip().lower() for part in parts if part.strip() and not part.strip().isdigit()]


def without_others(report: WrittenReport) -> str:
    """The report's text without the sentences on what no picture shows; they are looked at by themselves."""
    text = report.text
    for sentence in reversed(report.sentences):
        if any(key.startswith("other_") and key != "other_lateral" for key in sentence.keys):
            text = text[: sentence.start] + text[sentence.end :]
    return text


def sides_in(sentence: str) -> set[str]:
    if re.search(r"bilateral|bibas|both", sentence):
        return set(SIDES)
    return {side for side in SIDES if re.search(rf"\b{side}\b", sentence)}


def is_negated(sentence: str, word: str) -> bool:
    """Whether a denial stands before the word."""
    sentence = re.sub(
        r"\bno (?:\w+ )*change\b|not (?:significantly )?changed|not present on|without \w+ ?change", "", sentence
    )
    found = re.search(word, sentence)
    assert found
    return bool(re.search(r"\b(no|not|without|free of|clear of|negative for)\b", sentence[: found.start()]))


def there(case: Case, finding: str) -> set[str]:
    return {side for side in SIDES if getattr(case.lung(side), finding)}  # type: ignore[arg-type]


def complaints(case: Case, text: str) -> list[str]:
    """Everything in the text that the case does not bear out."""
    found = []
    for sentence in sentences_of(text):
        if case.indication and sentence == case.indication.lower():
            continue
        found += [f"{what}: {sentence}" for what in sentence_complaints(case, sentence)]
    return found


def sentence_complaints(case: Case, sentence: str) -> list[str]:
    found = []
    for finding, word, sizes in (
        ("effusion", "effusion|costophrenic|pleural fluid|pleural spaces", EFFUSION_SIZES),
        ("pneumothorax", "pneumothora", AIR_SIZES),
    ):
        if not re.search(word, sentence) or "obscured by the effusion" in sentence:
            continue
        sharp = re.search(r"(?:angle is|angles are|sulci are) (?:sharp|clear)|pleural spaces", sentence)
        sides = sides_in(sentence)
        if is_negated(sentence, word) or sharp:
            if there(case, finding) & (sides or set(SIDES)):
                found.append(f"{finding} denied")
        elif sides != there(case, finding) and not (sides and sides < there(case, finding)):
            found.append(f"{finding} on the wrong side")
        elif "," not in sentence and " and " not in sentence and "with" not in sentence:
            said = {grade for size, grade in sizes.items() if re.search(rf"(?<![\w-]){size} (?!to)", sentence)}
            if said and said != {getattr(case.lung(side), finding) for side in sides}:  # type: ignore[arg-type]
                found.append(f"{finding} of the wrong size")
    paired = re.search(r"([\w-]+) on the right and ([\w-]+) on the left", sentence) or re.search(
        r"([\w-]+) right and ([\w-]+) left (?:pleural )?effusions", sentence
    )
    if paired and (case.right.effusion, case.left.effusion) != tuple(EFFUSION_SIZES[size] for size in paired.groups()):
        found.append("effusions swapped")
    larger = re.search(r"larger on the (right|left)|(right|left) greater than", sentence)
    if larger:
        more, less = (case.right, case.left) if "right" in (larger.groups() or ()) else (case.left, case.right)
        if (more.effusion or 0) <= (less.effusion or 0):
            found.append("the wrong effusion is larger")
    return found + density_complaints(case, sentence) + heart_complaints(case, sentence)


def density_complaints(case: Case, sentence: str) -> list[str]:
    found = []
    of_edema = re.search(r"edema|interstitial", sentence) or (case.edema == 3 and "perihilar" in sentence)
    left_over = r"atelectasis|other focal|elsewhere|followed to resolution|" + NODULE
    if re.search(OPACITY, sentence) and not re.search(left_over, sentence) and not of_edema:
        zones = {
            zone
            for zone, word in (
                ("upper", "upper"),
                ("mid", r"\bmid(?!st)|lingul|perihilar"),
                ("lower", r"lower|\bbas|bibas|retrocardiac"),
            )
            if re.search(word, sentence)
        }
        if is_negated(sentence, OPACITY):
            if there(case, "opacities") or case.unplaced_opacity or case.edema == 3:
                found.append("opacity denied")
        elif not case.unplaced_opacity:
            if not sides_in(sentence) or not sides_in(sentence) <= there(case, "opacities"):
                found.append("opacity on the wrong side")
            lungs = [case.lung(side) for side in SIDES if side in sides_in(sentence)]
            if any(not zones <= {opacity.zone for opacity in lung.opacities or ()} for lung in lungs):
                found.append("opacity in the wrong zone")
    if re.search(NODULE, sentence):
        if is_negated(sentence, NODULE):
            if there(case, "nodules"):
                found.append("nodule denied")
        else:
            found += nodule_complaints(case, sentence)
    if "atelectasis" in sentence and "effusion" not in sentence and sides_in(sentence) != there(case, "atelectasis"):
        found.append("atelectasis on the wrong side")
    if (
        "atelectasis" in sentence
        and "effusion" in sentence
        and max(case.right.effusion or 0, case.left.effusion or 0) < 2
    ):
        found.append("atelectasis beside a small effusion")
    if re.search(
        r"^(the |both )?(lungs|lung fields) (are|appear) (well|normally|clear|free)|^clear lungs", sentence
    ) and (any(there(case, finding) for finding in MAIN_FINDINGS) or case.edema or case.unplaced_opacity):
        found.append("lungs called clear")
    one = re.search(r"(right|left) lung is (clear|well|unremarkable)|^clear (right|left) lung", sentence)
    if one and case.lung(one.group(1) or one.group(3)) != Lung():  # type: ignore[arg-type]
        found.append("a lung called clear")
    return found


def nodule_complaints(case: Case, sentence: str) -> list[str]:
    sides = sides_in(sentence)
    if not sides or not sides <= there(case, "nodules"):
        return ["nodule on the wrong side"]
    found = []
    said = re.search(r"(\d+) mm|(\d\.\d) cm", sentence)
    zones = {"upper": "upper", "mid": r"\bmid|lingul|perihilar", "lower": r"lower|\bbas|retrocardiac"}
    # A sentence on the change names no place but the side.
    placed = any(re.search(zone, sentence) for zone in zones.values())
    for side in sides:
        nodule = (case.lung(side).nodules or (None,))[0]  # type: ignore[arg-type]
        assert nodule
        if said and round(float(said.group(1) or float(said.group(2)) * 10)) != nodule.diameter:
            found.append("nodule of the wrong size")
        if placed and not re.search(zones[nodule.zone], sentence):
            found.append("nodule in the wrong zone")
        if not placed and not re.search(CHANGES, sentence):
            found.append("nodule without a place")
        if "lesion" not in sentence and (nodule.diameter > 30) != bool(re.search(r"\bmass(?:es)?\b", sentence)):
            found.append("mass and nodule confused")
    return found


def heart_complaints(case: Case, sentence: str) -> list[str]:
    found = []
    large = r"enlarged|cardiomegaly|enlargement|heart size is (?:\w+ )?increased"
    if re.search(large, sentence):
        denied = is_negated(sentence, large)
        if denied == bool(case.cardiomegaly):
            found.append("heart size")
        if (
            not denied
            and case.cardiomegaly == 1
            and re.search(
                r"marked(?:ly)? (?:card|enl)|severe(?:ly)? (?:card"
                r"|enl)",
                sentence,
            )
        ):
            found.append("heart too large")
        if not denied and case.cardiomegaly == 2 and re.search(r"(?:mild|mildly|slightly) (?:card|enl)", sentence):
            found.append("heart too small")
    if re.search(
        r"(heart|cardi\w+)\b.*\b(normal|unremarkable)|(normal|unremarkable).*\b(heart|cardi\w+)", sentence
    ) and (case.cardiomegaly != 0):
        found.append("heart called normal")
    congested = r"edema|congest(?:ion|ed)|engorge(?:d|ment)|cephalization|prominent|interstitial"
    if re.search(congested, sentence) and "congestive" not in sentence:
        if is_negated(sentence, congested) == bool(case.edema):
            found.append("edema")
        if re.search("alveolar|perihilar", sentence) and case.edema != 3 and not is_negated(sentence, congested):
            found.append("edema too grave")
    if re.search(r"(vascul|vessel).*(normal|unremarkable)|normal.*vascul", sentence) and case.edema != 0:
        found.append("vessels called normal")
    for device, word in DEVICE_WORDS.items():
        if re.search(word, sentence) and not getattr(case, device):
            found.append(f"{device} that is not there")
    return found


def test_no_report_contradicts_its_case(written: list[tuple[Case, WrittenReport]]) -> None:
    wrong = [(found, report.text) for case, report in written if (found := complaints(case, without_others(report)))]
    assert not wrong, f"{len(wrong)} of {len(written)}, first: {wrong[:3]}"


def test_the_checker_finds_what_is_wrong() -> None:
    assert complaints(Case(right=Lung(effusion=1)), "Small left pleural effusion.")
    assert complaints(Case(right=Lung(effusion=1)), "No pleural effusion or pneumothorax.")
    assert complaints(Case(right=Lung(effusion=1)), "Large right pleural effusion.")
    assert complaints(Case(), "There is mild cardiomegaly.")
    assert complaints(Case(cardiomegaly=1), "The heart is normal in size.")
    assert complaints(Case(left=Lung(opacities=(Opacity("lower", 2),))), "Airspace opacity in the left upper zone.")
    assert complaints(Case(left=Lung(nodules=(Nodule("mid", 12),))), "13 mm nodule in the left mid zone.")
    assert complaints(Case(), "There is a left chest wall pacemaker.")
    assert not complaints(
        Case(), "FINDINGS:\nThe lungs are clear. No pleural effusion.\n\nIMPRESSION:\nNo acute disease."
    )


def test_the_impression_names_every_main_finding(written: list[tuple[Case, WrittenReport]]) -> None:
    for case, report in written:
        conclusions = [report.text[s.start : s.end].lower() for s in report.sentences if s.section == "impression"]
        if not conclusions:
            continue
        for finding, word in MAIN_FINDINGS.items():
            for side in there(case, finding):
                named = [
                    c for c in conclusions if re.search(word, c) and side in sides_in(c) and not is_negated(c, word)
                ]
                assert named, (finding, side, report.text)
        impression = " ".join(conclusions)
        if case.cardiomegaly:
            assert re.search("cardiomegaly|cardiac enlargement", impression), report.text
        if case.edema:
            assert re.search("edema|congestion|engorgement", impression), report.text
        if case.unplaced_opacity:
            assert re.search("pneumonia|infecti", impression), report.text


def test_findings_name_every_finding_and_device(written: list[tuple[Case, WrittenReport]]) -> None:
    for case, report in written:
        described = [report.text[s.start : s.end].lower() for s in report.sentences if s.section == "findings"]
        if not described:
            continue
        for device in case.devices:
            assert re.search(DEVICE_WORDS[device], " ".join(described)), (device, report.text)
        for finding, word in MAIN_FINDINGS.items():
            for side in there(case, finding):
                assert any(re.search(word, d) and side in sides_in(d) for d in described), (finding, report.text)


OTHER_WORDS = {
    "tortuous_aorta": "aort",
    "calcified_aorta": "aort|vascular calcif|atheroscl",
    "degenerative_spine": "degenerat|spondylosis|osteophyte|arthritic|spurring|senescent|hypertrophic|endplate|disc",
    "scoliosis": "scolio|curvature|convex",
    "kyphosis": "kypho",
    "osteopenia": "osteop|demineral",
    "compression_deformity": "deformity|fracture|wedging|height|compression|depression",
    "old_rib_fracture": r"\bribs?\b",
    "old_clavicle_fracture": "clavicle",
    "shoulder_arthritis": "shoulder|glenohumeral|acromioclavicular",
    "cervical_fusion": "cervical",
    "pectus": "pectus",
    "granuloma": "granulom|calcified",
    "calcified_nodes": "calcif|granulomatous",
    "hyperinflation": "hyper(?:inflat|expan|aerat)|flatten|volumes are increased|copd|obstructive|chronic lung disease",
    "emphysema": "emphysem|copd|obstructive|bull|blebs",
    "bronchitis": "bronch|airways|chronic",
    "low_lung_volumes": "volumes|hypoinflat|hypoventilat|underinflated|crowding|inspiratory",
    "scarring": "scar|linear densit",
    "fibrosis": "fibro|interstitial|chronic",
    "pleural_thickening": "pleura|thickening",
    "elevated_hemidiaphragm": "diaphragm",
    "hiatal_hernia": "hernia",
    "fat_pad": r"\bfat\b",
    "hilar_prominence": "hil(?:um|a|ar)|pulmonary arter",
    "azygos_lobe": "azygos",
    "nipple_shadow": "nipple",
    "surgical_clips": "clips|surgery|surgical|operative|cholecystectomy",
    "breast_surgery": "mastectomy|breast",
    "monitor_leads": "leads|artifact|tubing",
    "limited_study": "limit|suboptimal|rotat|position|obese|lordotic|apices|technique",
    "chest_tube": "tube|drainage",
    "picc": "picc",
    "port": r"port\b|port-a-cath|mediport",
    "dialysis_catheter": "dialysis|dual-lumen|large-bore",
    "tracheostomy": "tracheostomy",
    "valve_prosthesis": "valve|annuloplasty",
    "coronary_stent": "coronary",
    "shunt_tubing": "shunt",
    "stimulator": "stimulator|recorder",
}


def test_every_other_finding_is_worded_when_it_is_there_and_only_then(
    written: list[tuple[Case, WrittenReport]],
) -> None:
    assert set(OTHER_WORDS) == set(OTHERS)
    for case, report in written:
        keys = {other.key: other for other in case.others}
        told: set[str] = set()
        for sentence in report.sentences:
            text = report.text[sentence.start : sentence.end].lower()
            for key in sentence.keys:
                if not key.startswith("other_") or key == "other_lateral":
                    continue
                other = keys[key]
                assert re.search(OTHER_WORDS[other.name], text), (key, text)
                if other.side and other.name != "scoliosis":
                    wrong_side = "left" if other.side == "right" else "right"
                    rest = re.sub(r"right (?:atri|upper (?:quadr|abd))|rotated to the \w+|heart", "", text)
                    assert not re.search(rf"\b{wrong_side}\b", rest), (key, text)
                told.add(key)
        if any(sentence.section == "findings" for sentence in report.sentences) or any(
            sentence.section == "impression" for sentence in report.sentences
        ):
            assert told == set(keys), (told, keys, report.text)


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("scolio", {"scoliosis"}),
        ("osteopeni", {"osteopenia"}),
        ("clavicle", {"old_clavicle_fracture"}),
        ("hernia", {"hiatal_hernia"}),
        ("granulom", {"granuloma", "calcified_nodes"}),
        ("emphysem|copd|hyper(?:inflat|expan)", {"emphysema", "hyperinflation"}),
        ("mastectomy|tracheostomy", {"breast_surgery", "tracheostomy"}),
        ("picc|dialysis|mediport|chest tube", {"picc", "dialysis_catheter", "port", "chest_tube"}),
        ("tortuous|tortuosity|ectatic|ectasia", {"tortuous_aorta", "calcified_aorta"}),
    ],
)
def test_telling_words_stand_only_where_their_finding_is(
    word: str, names: set[str], written: list[tuple[Case, WrittenReport]]
) -> None:
    seen = 0
    for case, report in written:
        text = report.text.lower()
        if case.indication:
            text = text.replace(case.indication.lower(), "")
        if re.search(word, text):
            seen += 1
            assert names & {other.name for other in case.others}, report.text
    assert seen > 5


def test_what_is_normal_is_not_said_beside_what_is_not(written: list[tuple[Case, WrittenReport]]) -> None:
    denied = {
        r"(mediastin\w+|aorta|aortic contour|hilar contours)[^.]*\b(normal|unremarkable)": {
            "tortuous_aorta", "calcified_aorta", "hiatal_hernia", "hilar_prominence",
        },
        r"(osseous structures|bony structures|bones|bony thorax|skeletal structures)[^.]*\b(normal|unremarkable"
        r"|intact\.)": {
            "degenerative_spine", "scoliosis", "osteopenia", "compression_deformity", "old_rib_fracture",
        },
        r"^(the )?lungs are clear\.|^clear lungs|(well[ -]|normally )(expanded|inflated|aerated)": {
            "emphysema", "fibrosis", "scarring", "granuloma",
        },
        r"(well[ -]|normally )(expanded|inflated|aerated)": {"low_lung_volumes", "hyperinflation", "emphysema"},
        r"(nodules|masses|nodule|mass) (or|and) (mass|nodule)": {"granuloma", "nipple_shadow"},
    }  # fmt: skip
    for case, report in written:
        there_are = {other.name for other in case.others}
        for sentence in sentences_of(without_others(report)):
            for pattern, names in denied.items():
                assert not (names & there_are and re.search(pattern, f"{sentence}.")), (names & there_are, report.text)


def test_a_change_is_told_and_agrees_with_the_case(written: list[tuple[Case, WrittenReport]]) -> None:
    words = {
        "unchanged": r"stable|unchanged|persistent|remain|change|similar|as before|redemonstrated|again",
        "increased": r"increas|larger|worse|progress|enlarging",
        "decreased": r"decreas|smaller|improv|resolving",
        "new": r"\bnew\b|developed",
    }
    for case, report in written:
        told = [report.text[s.start : s.end].lower() for s in report.sentences if "change" in s.keys]
        assert bool(told) == (case.change is not None), report.text
        for text in told:
            assert re.search(words[case.change or "new"], text), (case.change, text)
            others = [word for change, word in words.items() if change != case.change]
            agreed = re.sub(
                r"increased (?:interstitial|kypho|thoracic)|(?:lung volumes are|markings are \w*) ?increased"
                r"|remains enlarged but|interval (?=increase|decrease)|larger on the|unchanged in position",
                "",
                text,
            )
            if case.change != "unchanged":
                assert not any(re.search(word, agreed) for word in others), (case.change, text)
        untold = " ".join(
            report.text[s.start : s.end].lower()
            for s in report.sentences
            if "change" not in s.keys and s.section in ("findings", "impression")
        )
        assert not re.search(
            r"\b(?:stable|unchanged|persistent|redemonstrated|worsening|improv\w+|resolving|enlarging)\b"
            r"|interval change|\bsince\b|compared (?:to|with)",
            untold,
        ), untold


def test_the_change_is_of_the_main_finding(written: list[tuple[Case, WrittenReport]]) -> None:
    for case, report in written:
        finding = main_finding(case)
        for sentence in report.sentences:
            if "change" in sentence.keys and case.change not in (None, "unchanged"):
                assert any(key.startswith(finding or "none") for key in sentence.keys), (finding, report.text)


def test_sentences_that_no_picture_bears_out_say_so(written: list[tuple[Case, WrittenReport]]) -> None:
    """The picture's own case, told alone, has none of them; a case with others or a change has."""
    random = Random(8)
    for case, report in written:
        stated = any(s.only_text for s in report.sentences if "other_lateral" not in s.keys)
        assert stated == bool(case.others or case.change)
    for _ in range(400):
        case = visible(sample_case(random))
        assert (case.others, case.change) == ((), None)
        report = write_report(case, random)
        assert not any(s.only_text for s in report.sentences if "other_lateral" not in s.keys)
        for sentence in report.sentences:
            text = report.text[sentence.start : sentence.end].lower()
            assert not re.search(
                r"stable|unchanged|scolio|granulom|degenerative|picc|lateral (?:view|radio)", text
            ) or (sentence.only_text), text


def test_visible_keeps_what_the_picture_shows() -> None:
    case = Case(right=Lung(effusion=2), others=(Other("picc", "left"),), change="new", pacemaker=True, age=70)
    assert visible(case) == Case(right=Lung(effusion=2), pacemaker=True, age=70)


def test_doubt_is_cast_only_on_what_is_faint(written: list[tuple[Case, WrittenReport]]) -> None:
    doubt = r"\b(?:possible|questionable|probable|suspected) (?!pneumonia|nipple|\w+ \w+ pneumonia|infiltrate)"
    seen = 0
    for case, report in written:
        for sentence in sentences_of(without_others(report)):
            if not re.search(doubt, sentence) or re.search("pneumonia|infiltrate", sentence.split(",")[0]):
                continue
            seen += 1
            for word in ("effusion", "nodul", "consolidation"):
                if not re.search(word, sentence.split(",")[0]):
                    continue
                for side in sides_in(sentence):
                    lung = case.lung(side)  # type: ignore[arg-type]
                    grade = {
                        "effusion": lung.effusion or 0,
                        "nodul": 1 if lung.nodules and lung.nodules[0].diameter < 12 else 2,
                        "consolidation": 2,
                    }[word]
                    assert grade == 1, sentence
    assert seen > 20


def test_half_of_the_cases_have_other_findings_and_every_kind_occurs() -> None:
    random = Random(6)
    cases = [sample_case(random) for _ in range(12_000)]
    assert 0.42 < sum(bool(case.others) for case in cases) / len(cases) < 0.56
    assert max(len(case.others) for case in cases) == 3
    assert {other.name for case in cases for other in case.others} == set(OTHERS)
    assert {case.change for case in cases} == {None, "unchanged", "increased", "decreased", "new"}
    assert all(case.change in (None, "unchanged") for case in cases if not case.has_finding)
    for case in cases:
        assert len({other.name for other in case.others}) == len(case.others)
        for other in case.others:
            lungs = [case.lung(side) for side in SIDES if other.side in (None, side)]
            if other.name in ("granuloma", "scarring", "low_lung_volumes"):
                assert not any(lung.pneumothorax or (lung.effusion or 0) > 1 for lung in lungs)
            if other.name == "pleural_thickening":
                assert not any(lung.effusion for lung in lungs)
            assert other.name != "breast_surgery" or case.sex == "F"


def test_children_have_a_childs_age_and_no_adults_findings() -> None:
    random = Random(9)
    cases = [case_from_labels(source, random) for source in ("child_normal", "child_pneumonia") for _ in range(500)]
    ages = [case.age for case in cases if case.age is not None]
    assert 0.6 < len(ages) / len(cases) < 0.9
    assert set(ages) == {1, 2, 3, 4, 5}
    assert {case.sex for case in cases} == {"M", "F", None}
    assert {case.view for case in cases} == {"AP", "PA", None}
    assert not any(case.others or case.change for case in cases)
    for case in cases[:300]:
        text = write_report(case, random).text.lower()
        assert not re.search(r"\b(?:wo)?man\b|degenerative|pacemaker", text)
        assert not re.search(r"\bgirl\b", text) or case.sex == "F"


def test_mirroring_takes_other_findings_along() -> None:
    case = Case(others=(Other("granuloma", "left", "upper"), Other("calcified_aorta")))
    assert mirrored(case).others == (Other("granuloma", "right", "upper"), Other("calcified_aorta"))


def test_sentences_are_where_they_say_and_cover_the_text(written: list[tuple[Case, WrittenReport]]) -> None:
    for _, report in written:
        at = 0
        for sentence in report.sentences:
            between, text = report.text[at : sentence.start], report.text[sentence.start : sentence.end]
            assert re.fullmatch(rf"\s*(?:{HEADINGS}:?\s+)?", between, re.IGNORECASE), report.text
            assert re.match(r"(?:\d\. )?[A-Z0-9].*\.$", text, re.DOTALL), text
            assert sentence.keys
            at = sentence.end
        assert at == len(report.text)


def test_no_sentence_stands_twice(written: list[tuple[Case, WrittenReport]]) -> None:
    for _, report in written:
        texts = sentences_of(report.text)
        assert len(texts) == len(set(texts)), report.text


def test_the_english_is_clean(written: list[tuple[Case, WrittenReport]]) -> None:
    wrong = re.compile(
        r"  | [,.]|,,|\.\.|[<>\[\]|]|\b[Aa] (?:[aeiou]|8|11[ -]|18[ -])|\b[Aa]n (?![aeiou]|8|11[ -]|18[ -]|[EIN][TGJ] )"
        r"|\b(\w+) \1\b"
        r"|\b(?:opacities|effusions|wires|contours|silhouettes|consolidations) is\b"
        r"|\b(?:opacity|effusion|nodule) are\b"
        r"|[Tt]here is (?!an? |no (?:radiographic )?evidence|no (?:\w+ )+or )"
        r"[^.,]*\b(?:opacities|effusions|wires)\b(?! and)"
        r"|[Tt]here are (?:a(?! few)|an) "
    )
    for _, report in written:
        found = wrong.search(report.text)
        assert not found, (found, report.text)


def test_reports_have_a_reports_length(written: list[tuple[Case, WrittenReport]]) -> None:
    for case, report in written:
        words = len(report.text.split())
        assert (10 if case.unplaced_opacity else LEAST_WORDS) <= words <= MOST_WORDS


def test_the_same_seed_writes_the_same_report() -> None:
    case = sample_case(Random(3))
    assert write_report(case, Random(5)) == write_report(case, Random(5))
    assert len({write_report(case, Random(seed)).text for seed in range(50)}) > 45


def test_reports_rarely_agree(written: list[tuple[Case, WrittenReport]]) -> None:
    assert len({report.text for _, report in written}) > 0.97 * len(written)


def test_what_is_unknown_is_not_spoken_of() -> None:
    random = Random(2)
    for _ in range(300):
        text = write_report(case_from_labels("child_pneumonia", random), random).text.lower()
        assert not re.search(r"heart|cardi|effusion|edema|nodul|right|left|pacemaker|tube", text), text


def test_about_a_third_of_the_cases_are_normal_and_every_finding_is_frequent() -> None:
    random = Random(1)
    cases = [sample_case(random) for _ in range(8000)]
    assert 0.31 < sum(not case.has_finding for case in cases) / len(cases) < 0.39
    rates = dict(zip(LABELS, labels_of(cases).mean(axis=0), strict=True))
    assert min(rates.values()) > 0.02, rates


def test_findings_that_hide_each_other_do_not_occur_together() -> None:
    random = Random(4)
    for _ in range(8000):
        case = sample_case(random)
        for side in SIDES:
            lung = case.lung(side)
            assert not (lung.pneumothorax and (lung.effusion or lung.opacities or lung.nodules or lung.atelectasis))
            assert not (lung.effusion == 3 and any(opacity.zone != "upper" for opacity in lung.opacities or ()))


def test_arrays_hold_the_case_in_named_columns() -> None:
    case = Case(
        right=Lung(effusion=2, opacities=(Opacity("upper", 3),)),
        left=Lung(nodules=(Nodule("mid", 17),)),
        cardiomegaly=1,
        pacemaker=True,
    )
    row = dict(zip(FIELDS, case_to_array([case])[0].tolist(), strict=True))
    expected = {
        "effusion_right": 2, "opacity_upper_right": 3, "nodule_zone_left": 2, "nodule_diameter_left": 17,
        "cardiomegaly": 1, "pacemaker": 1,
    }  # fmt: skip
    assert row == {field: float(expected.get(field, 0)) for field in FIELDS}
    answers = dict(zip(LABELS, labels_of([case])[0].tolist(), strict=True))
    assert {label for label, answer in answers.items() if answer} == {
        "effusion",
        "nodule",
        "cardiomegaly", "opacity", "pacemaker", "effusion_right", "moderate_or_large_effusion_right",
        "opacity_upper_right", "nodule_left",
    }  # fmt: skip


def test_unknown_is_neither_yes_nor_no() -> None:
    case = case_from_labels("child_pneumonia", Random(0))
    answers = dict(zip(LABELS, labels_of([case])[0].tolist(), strict=True))
    assert answers["opacity"] == 1
    assert answers["pneumothorax_left"] == 0
    assert answers["effusion_right"] == answers["cardiomegaly"] == answers["opacity_lower_left"] == -1
    assert not case_to_array([case]).any()


def test_mirroring_twice_changes_nothing() -> None:
    case = Case(right=Lung(effusion=1), pacemaker=True)
    assert mirrored(case) == Case(left=Lung(effusion=1), pacemaker=True)
    assert mirrored(mirrored(case)) == case


@pytest.mark.parametrize(
    ("noun", "wanted"),
    [
        ("effusion", "an"),
        ("small", "a"),
        ("8 mm", "an"),
        ("11 mm", "an"),
        ("18 mm", "an"),
        ("1.1 cm", "a"),
        ("20 mm", "a"),
    ],
)
def test_articles_follow_the_spoken_word(noun: str, wanted: str) -> None:
    assert article(noun) == wanted


def test_every_device_has_words() -> None:
    assert set(DEVICE_WORDS) == set(DEVICES)


PLACELESS: tuple[Unplaced, ...] = get_args(Unplaced)


@pytest.mark.parametrize("seed", range(6))
def test_reports_of_real_pictures_say_what_their_labels_say(seed: int) -> None:
    random = Random(f"real {seed}")
    for _ in range(60):
        findings = {finding: random.random() < 0.3 for finding in PLACELESS if random.random() < 0.8}
        if findings.get("mass") and "nodule" in findings:
            findings["nodule"] = True
        if len(findings) < 4:
            continue
        case = case_of_answers(dict(zip(LABELS, answers_of(findings), strict=True)))
        written = write_report(case, random)
        assert len(written.text.split()) >= LEAST_WORDS, written.text
        mentions = read(written.text)
        for finding in PLACELESS:
            said = reading(mentions, finding)
            if findings.get(finding):
                assert said.presence in ("present", "uncertain"), (finding, findings, written.text)
            elif finding in findings and not (finding == "nodule" and findings.get("mass")):
                assert said.presence in ("absent", "not mentioned"), (finding, findings, written.text)
            assert not said.sides or said.presence == "absent", (finding, written.text)
        assert "acute bon" not in written.text.lower()
