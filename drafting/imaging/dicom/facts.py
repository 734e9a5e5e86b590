"""The facts of a DICOM header that matter for the report, without the patient's identity.

This module knows nothing of pixels.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from drafting.imaging.dicom.elements import element_code, element_value
from drafting.study import StudyFacts

if TYPE_CHECKING:
    from pydicom import Dataset

# PS3.3 C.8.11.5.1.1 names the views in View Code Sequence (CID 4010) where View Position may be empty.
VIEW_MEANINGS = {
    "antero-posterior": "AP",
    "postero-anterior": "PA",
    "left lateral": "LL",
    "right lateral": "RL",
}
# What a description typed by people may repeat.
PRIVATE = (
    *("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientBirthDate"),
    *("PatientAddress", "PatientMotherBirthName", "AccessionNumber", "ReferringPhysicianName", "OperatorsName"),
)
LONG_NUMBER = re.compile(r"\d{5}|\d\d?[-./]\d\d?[-./]\d\d|\d{4}[-./]\d\d")


def facts_of(dataset: Dataset) -> StudyFacts:
    sex = element_code(dataset, "PatientSex")
    return StudyFacts(
        modality=_code(dataset, "Modality") or None,
        body_part=_code(dataset, "BodyPartExamined") or None,
        age=_age(dataset),
        sex=sex if sex in ("M", "F", "O") else None,
        view=view_of(dataset),
        laterality=side_of(dataset),
        description=free_text(dataset, "StudyDescription") or None,
    )


def side_of(dataset: Dataset) -> str | None:
    side = element_code(dataset, "ImageLaterality") or element_code(dataset, "Laterality")
    return side if side in ("L", "R", "B") else None


def free_text(dataset: Dataset, keyword: str) -> str:
    """A description that people type; empty where it holds anything of the patient, a long number or a date."""
    return impersonal(str(element_value(dataset, keyword) or ""), dataset)


def impersonal(text: str, dataset: Dataset) -> str:
    """A text of a data set on one line; empty where it is long or holds anything of the patient, a number or a date."""
    text = " ".join("".join(sign for sign in text if sign.isprintable()).split())
    return "" if len(text) > 64 or LONG_NUMBER.search(text) or _names(text, dataset, shortest=2) else text


def _code(dataset: Dataset, keyword: str) -> str:
    """A code string; empty where it is none, or where somebody has put anything of the patient there.

    Two letters name nobody, and 'PA' is also half of a phantom's name.
    """
    code = element_code(dataset, keyword)
    return "" if LONG_NUMBER.search(code) or _names(code, dataset, shortest=3) else code


def _names(text: str, dataset: Dataset, shortest: int) -> bool:
    """Whether a text shares a word of at least so many letters with what tells who somebody is."""
    word = re.compile(rf"\w{{{shortest},}}")
    private = " ".join(str(element_value(dataset, keyword) or "") for keyword in PRIVATE)
    return not set(word.findall(text.lower())).isdisjoint(word.findall(private.lower()))


def view_of(dataset: Dataset) -> str | None:
    view = _code(dataset, "ViewPosition")
    if view:
        return view
    codes = dataset.get("ViewCodeSequence")
    return VIEW_MEANINGS.get(str(element_value(codes[0], "CodeMeaning")).lower()) if codes else None


def _age(dataset: Dataset) -> int | None:
    """Completed years, from Patient's Age (VR AS) or else from birth to study."""
    stated = re.fullmatch(r"(\d{1,3})([YMWD]?)", str(element_value(dataset, "PatientAge") or "").strip())
    if stated:
        # A bare number is not a valid age string, and where it stands it means years.
        in_a_year = {"Y": 1, "": 1, "M": 12, "W": 52, "D": 365}[stated[2]]
        years = int(stated[1]) // in_a_year
        # '000Y' is what removes an age more often than what tells one: a newborn's is told in days or months.
        return None if years == 0 and stated[2] in ("Y", "") else years
    born, studied = _day(dataset, "PatientBirthDate"), _day(dataset, "StudyDate")
    if born is None or studied is None or studied < born:
        return None
    return studied.year - born.year - ((studied.month, studied.day) < (born.month, born.day))


def _day(dataset: Dataset, keyword: str) -> date | None:
    digits = str(element_value(dataset, keyword) or "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None
