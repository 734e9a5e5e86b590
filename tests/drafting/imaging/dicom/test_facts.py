"""What a DICOM header tells for the report, and that nothing of the person is in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from drafting.imaging.open import open_study
from drafting.study import StudyFacts
from tests.drafting.imaging.files import (
    dicom_dataset,
    ramp,
    saved,
)

pytestmark = pytest.mark.usefixtures("by_forks")


def test_facts_are_what_the_report_needs_and_nothing_of_the_person(tmp_path: Path) -> None:
    dataset = dicom_dataset(
        ramp(),
        Modality="DX",
        BodyPartExamined="CHEST",
        PatientName="Doe^Jane",
        PatientID="4711",
        PatientAge="057Y",
        PatientSex="F",
        ViewPosition="PA",
        ImageLaterality="L",
    )
    facts = open_study(saved(dataset, tmp_path / "Doe^Jane")).facts
    assert facts == StudyFacts("DX", "CHEST", 57, "F", "PA", "L")


@pytest.mark.parametrize(
    ("attributes", "age"),
    [
        ({"PatientAge": "018M"}, 1),
        ({"PatientAge": "006M"}, 0),
        ({"PatientAge": "003D"}, 0),
        ({"PatientAge": "000Y"}, None),
        ({"PatientBirthDate": "19700701", "StudyDate": "20200630"}, 49),
        ({"PatientBirthDate": "19700701", "StudyDate": "20200701"}, 50),
        ({"PatientBirthDate": "20300101", "StudyDate": "20200701"}, None),
        ({}, None),
    ],
)
def test_age_is_in_completed_years(tmp_path: Path, attributes: dict[str, str], age: int | None) -> None:
    assert open_study(saved(dicom_dataset(ramp(), **attributes), tmp_path / "Doe^Jane")).facts.age == age


def test_view_code_sequence_stands_in_for_an_empty_view_position(tmp_path: Path) -> None:
    code = Dataset()
    code.CodeMeaning = "postero-anterior"
    dataset = dicom_dataset(ramp(), ViewPosition="", ViewCodeSequence=[code])
    assert open_study(saved(dataset, tmp_path / "Doe^Jane")).facts.view == "PA"


@pytest.mark.parametrize(
    ("description", "kept"),
    [
        ("Chest PA and lateral", "Chest PA and lateral"),
        ("Chest Jane", None),
        ("Chest 4711", None),
        ("Chest 12.03.1957", None),
        ("Chest 20260101", None),
        ("C" * 65, None),
    ],
)
def test_a_description_that_repeats_anything_of_the_patient_is_not_kept(
    tmp_path: Path, description: str, kept: str | None
) -> None:
    dataset = dicom_dataset(ramp(), StudyDescription=description, PatientName="Doe^Jane", PatientID="4711")
    assert open_study(saved(dataset, tmp_path / "Doe^Jane")).facts.description == kept


def test_no_text_of_the_header_repeats_anything_of_the_patient(tmp_path: Path) -> None:
    dataset = dicom_dataset(
        ramp(),
        PatientName="Doe^Jane",
        PatientID="471147",
        Modality="DOE",
        BodyPartExamined="CHEST JANE",
        ViewPosition="PA DOE",
        SeriesDescription="Series of Jane",
        StudyDescription="Jane",
        WindowCenter=[40, 50, 60, 70],
        WindowWidth=[400, 400, 400, 400],
        WindowCenterWidthExplanation=["SOFT TISSUE", "JANE DOE", "ID 471147", "12.03.1957"],
    )
    study = open_study(saved(dataset, tmp_path / "Doe^Jane"))
    assert study.facts == StudyFacts()
    assert study.pictures[0].label == ""
    assert [window.name for window in study.pictures[0].windows] == ["SOFT TISSUE", "", "", ""]


def test_two_letters_of_a_name_take_no_view_away(tmp_path: Path) -> None:
    dataset = dicom_dataset(ramp(), PatientName="Phantom^PA", Modality="CR", ViewPosition="PA")
    facts = open_study(saved(dataset, tmp_path / "Doe^Jane")).facts
    assert (facts.modality, facts.view) == ("CR", "PA")
