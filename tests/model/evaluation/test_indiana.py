"""Reading the Indiana collection: only even numbers, sentences where they are, and gaps cut into real reports.

The reports here are written for these tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation.reading.indiana import even_files, read_report, read_reports, sentence_ranges
from model.evaluation.reading.statements import contradicts, statements
from model.evaluation.record import EvaluationError
from model.evaluation.reports.gaps import real_gaps


def write(folder: Path, number: int, findings: str, impression: str, indication: str = "Cough") -> Path:
    path = folder / f"{number}.xml"
    sections = {"INDICATION": indication, "FINDINGS": findings, "IMPRESSION": impression}
    body = "".join(f"<AbstractText Label='{name}'>{text}</AbstractText>" for name, text in sections.items())
    path.write_text(f"<eCitation><Abstract>{body}</Abstract></eCitation>", encoding="utf-8")
    return path


def test_an_odd_report_is_neither_listed_nor_read(tmp_path: Path) -> None:
    odd = write(tmp_path, 3, "Clear lungs.", "Normal.")
    with pytest.raises(EvaluationError, match="odd-numbered reports are reserved"):
        read_report(odd)
    with pytest.raises(EvaluationError, match="even number"):
        even_files(tmp_path)
    # What is not opened need not be readable.
    odd.write_text("not XML", encoding="utf-8")
    write(tmp_path, 4, "Clear lungs.", "Normal.")
    assert [report.name for report in read_reports(tmp_path)] == ["4"]


@pytest.mark.parametrize("name", ["4.xml", "report.xml"])
def test_what_is_no_report_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("not XML", encoding="utf-8")
    with pytest.raises(EvaluationError):
        read_report(tmp_path / name)


def test_a_report_is_laid_out_as_drafts_are_with_its_sentences_in_place(tmp_path: Path) -> None:
    path = write(tmp_path, 12, "Heart size is normal.  Lungs are clear.", "1. No acute disease. 2. Old rib fracture.")
    report = read_report(path)
    assert report is not None
    assert report.text.startswith("FINDINGS:\nHeart size is normal. Lungs are clear.\n\nIMPRESSION:\n1. No acute")
    assert [(part.section, report.words_of(part)) for part in report.parts] == [
        ("findings", "Heart size is normal."),
        ("findings", "Lungs are clear."),
        ("impression", "No acute disease."),
        ("impression", "Old rib fracture."),
    ]


def test_a_report_without_findings_is_passed_over(tmp_path: Path) -> None:
    assert read_report(write(tmp_path, 12, "", "Normal.")) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A 1.2 cm nodule. No effusion.", ["A 1.2 cm nodule.", "No effusion."]),
        ("Stable since 2009. No change.", ["Stable since 2009.", "No change."]),
        ("1. Nodule. 2. Effusion", ["Nodule.", "Effusion"]),
        ("Unchanged (see above). Lungs clear.", ["Unchanged (see above).", "Lungs clear."]),
        ("Clear. .", ["Clear. ."]),
        ("...", []),
    ],
)
def test_sentences_end_where_the_next_begins(text: str, wanted: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_ranges(text)] == wanted


def test_a_gap_takes_one_whole_sentence_and_leaves_all_else_locked(tmp_path: Path) -> None:
    write(tmp_path, 2, "XXXX is small. There is a left effusion. XXXX.", "Left effusion XXXX.")
    write(tmp_path, 4, "XXXX.", "XXXX, unchanged.")
    (gap,) = real_gaps(read_reports(tmp_path), 10, 0)
    assert gap.original == "There is a left effusion."
    assert gap.drafted_on.locked_text == ("FINDINGS:\nXXXX is small. ", " XXXX.\n\nIMPRESSION:\nLeft effusion XXXX.")
    assert [span.is_gap for span in gap.drafted_on.spans] == [False, True, False]
    assert gap.study is None
    assert real_gaps(read_reports(tmp_path), 10, 0, lambda gap: False) == []


def test_gaps_follow_from_the_seed_and_the_number_alone(tmp_path: Path) -> None:
    for number in range(2, 22, 2):
        write(tmp_path, number, "The heart is large. The lungs are clear. No effusion.", "Cardiomegaly.")
    reports = read_reports(tmp_path)
    some = {gap.name: gap.holes for gap in real_gaps(reports, 10, 0)}
    fewer = {gap.name: gap.holes for gap in real_gaps(reports, 4, 0)}
    assert len(some) == 10
    assert fewer.items() <= some.items()
    assert some != {gap.name: gap.holes for gap in real_gaps(reports, 10, 1)}


def test_a_sentence_is_held_against_what_stays_locked(tmp_path: Path) -> None:
    write(tmp_path, 2, "There is a large left pleural effusion. XXXX.", "Large left pleural effusion, XXXX.")
    (gap,) = real_gaps(read_reports(tmp_path), 1, 0)
    assert gap.section == "findings"
    assert contradicts("No pleural effusion.", gap.section, gap.standing)
    assert contradicts("Moderate right pleural effusion.", gap.section, gap.standing)
    assert not contradicts("No pneumothorax.", gap.section, gap.standing)
    assert not contradicts(gap.original, gap.section, gap.standing)


def test_a_sentence_is_taken_as_what_it_calls_and_what_it_denies() -> None:
    assert statements("Small right effusion without pneumothorax. Possible pneumonia.") == {
        ("effusion", True),
        ("pneumothorax", False),
        ("opacity", True),
    }
