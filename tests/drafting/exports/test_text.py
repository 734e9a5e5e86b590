"""A report leaves the program as text that says what it is."""

from __future__ import annotations

import pytest

from drafting.exports.text import NOTICE, UNREVIEWED_NOTICE, to_text
from drafting.report import Author, Report, Span, State


def report(*spans: tuple[str, State, Author]) -> Report:
    return Report.from_spans(Span(f"s{number}", *span) for number, span in enumerate(spans, 1))


def test_locked_text_stands_character_for_character() -> None:
    locked = "Côté gauche:\tno [[pneumothorax]]…  \n\n  Ω "
    assert to_text(report((locked, "locked", "radiologist"))) == f"{locked}\n\n{NOTICE}\n"


def test_text_of_the_model_that_nobody_reviewed_is_marked_and_explained() -> None:
    text = to_text(report(("Lungs: ", "locked", "template"), ("Clear.", "open", "model")))
    assert text == f"Lungs: [[Clear.]]\n\n{NOTICE}\n{UNREVIEWED_NOTICE}\n"


def test_text_of_the_model_that_was_locked_is_reviewed() -> None:
    text = to_text(report(("Clear.", "locked", "model")))
    assert "[[" not in text
    assert UNREVIEWED_NOTICE not in text


@pytest.mark.parametrize("author", ["radiologist", "template"])
def test_open_text_of_a_person_is_not_marked(author: Author) -> None:
    assert to_text(report(("Clear.", "open", author))) == f"Clear.\n\n{NOTICE}\n"


def test_gaps_leave_nothing() -> None:
    text = to_text(report(("A.", "locked", "radiologist"), ("", "open", "model"), (" B.", "locked", "radiologist")))
    assert text == f"A. B.\n\n{NOTICE}\n"


def test_lines_end_as_the_report_ends_its_own() -> None:
    text = to_text(report(("A.\r\nB.\r\n", "locked", "radiologist"), ("C.", "open", "model")))
    assert text == f"A.\r\nB.\r\n[[C.]]\r\n\r\n{NOTICE}\r\n{UNREVIEWED_NOTICE}\r\n"


def test_a_report_that_ends_its_last_line_gets_one_blank_line() -> None:
    assert to_text(report(("A.\n", "locked", "radiologist"))) == f"A.\n\n{NOTICE}\n"


def test_an_empty_report_is_the_notice_alone() -> None:
    assert to_text(Report()) == f"{NOTICE}\n"
