"""Locks, gaps, markup and the merge of drafts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drafting.report import (
    LockedTextError,
    Report,
    ReportError,
    Span,
    focused,
    hints_of,
    merge_draft,
    parse_markup,
    to_markup,
    word_apart,
)

TEXT = st.text(
    alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from("ab \n\r\u0301\u05d0😀👩‍⚕️[]?|")), max_size=12
)


HINT = st.one_of(st.just(""), st.text(alphabet="size of é😀?.", max_size=120).map(str.strip))


def locked_bytes(report: Report) -> list[bytes]:
    return [span.text.encode() for span in report.spans if span.locked and span.text]


@st.composite
def reports(draw: st.DrawFn) -> Report:
    spans = draw(st.lists(st.tuples(TEXT, st.sampled_from(["locked", "open"]), HINT), max_size=6))
    return Report.from_spans(
        Span(f"s{i}", text, state, "radiologist", hint=hint if state == "open" else "")
        for i, (text, state, hint) in enumerate(spans)
    )


@given(reports(), st.data())
@settings(max_examples=500, deadline=None)
def test_no_draft_changes_a_locked_byte(report: Report, data: st.DataObject) -> None:
    for _ in range(3):
        drafted = {span.id: data.draw(TEXT) for span in report.spans if data.draw(st.booleans())}
        merged = merge_draft(report, drafted | {"gone": "x"})
        assert locked_bytes(merged) == locked_bytes(report)
        assert [span.text for span in merged.open_spans] == [
            drafted.get(span.id, span.text) for span in report.open_spans
        ]
        report = merged


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_markup_keeps_every_character(markup: str) -> None:
    try:
        report = parse_markup(markup)
    except ReportError:
        assert "[[" in markup
        return
    assert report.text == markup if "[[" not in markup else len(report.text) < len(markup)


@given(reports())
@settings(max_examples=300, deadline=None)
def test_markup_that_can_be_written_reads_back_as_the_same_spans(report: Report) -> None:
    try:
        markup = to_markup(report)
    except ReportError:
        return
    again = parse_markup(markup)
    assert again.text == report.text
    assert [(s.text, s.hint) for s in again.open_spans] == [(s.text, s.hint) for s in report.open_spans]


@pytest.mark.parametrize(
    ("markup", "hint", "text"),
    [
        ("[[?size of effusion?]]", "size of effusion?", ""),
        ("[[?size of effusion?|small]]", "size of effusion?", "small"),
        ("[[? side | ]]", "side", " "),
        ("[[?|?cardiomegaly]]", "", "?cardiomegaly"),
        ("[[a|b?]]", "", "a|b?"),
        ("[[?]]", "", ""),
        ("[[?a|b|c]]", "a", "b|c"),
    ],
)
def test_markup_reads_hints(markup: str, hint: str, text: str) -> None:
    (span,) = parse_markup(markup).spans
    assert (span.hint, span.text) == (hint, text)
    assert parse_markup(to_markup(parse_markup(markup))) == parse_markup(markup)


@pytest.mark.parametrize("hint", ["x" * 121, "two\nlines", "a|b", "[x", "x]", " x", "\x00"])
def test_a_hint_that_cannot_be_is_refused(hint: str) -> None:
    with pytest.raises(ReportError, match="hint"):
        Span("s1", "", "open", "model", hint=hint)
    with pytest.raises(ReportError, match="Only an open span"):
        Span("s1", "x", "locked", "model", hint="size?")


def test_a_hint_survives_a_draft_and_goes_with_the_lock() -> None:
    report = parse_markup("Pleura: [[?size of effusion?]] [[?side?|left]].")
    assert hints_of(merge_draft(report, {"s2": "small effusion"})) == ("size of effusion?", "side?")
    assert hints_of(focused(report, {"s4"})) == ("side?",)
    assert hints_of(word_apart(report, "s4", 0, 4, "left")) == ()
    assert hints_of(parse_markup("[[]] [[x]]")) == ()


def test_markup_reads_gaps_and_open_text_between_locked_text() -> None:
    report = parse_markup("FINDINGS:\r\n[[]] Heart [[is large]].")
    assert [(span.text, span.state) for span in report.spans] == [
        ("FINDINGS:\r\n", "locked"),
        ("", "open"),
        (" Heart ", "locked"),
        ("is large", "open"),
        (".", "locked"),
    ]


@pytest.mark.parametrize("markup", ["Heart [[normal", "One\ntwo [[a [[b]] c]]"])
def test_broken_markup_is_refused_with_its_line(markup: str) -> None:
    with pytest.raises(ReportError, match=f"Line {1 + markup.count(chr(10))}"):
        parse_markup(markup)


def test_text_of_a_draft_is_the_models_and_unreviewed_until_it_is_locked() -> None:
    report = merge_draft(parse_markup("Heart: [[]]"), {"s2": "normal"})
    assert report.spans[1].author == "model"
    assert report.spans[1].unreviewed
    assert not replace(report.spans[1], state="locked").unreviewed


def test_a_draft_passes_over_spans_that_were_locked_or_removed_while_it_ran() -> None:
    report = parse_markup("[[one]] and [[two]]")
    meanwhile = Report((replace(report.spans[0], state="locked"), *report.spans[1:]))
    merged = merge_draft(meanwhile, {"s1": "CHANGED", "s3": "drafted", "s9": "nowhere"})
    assert merged.text == "one and drafted"


def test_a_word_apart_is_all_that_is_open_and_the_text_stays() -> None:
    report = parse_markup("F: [[A small é left effusion.]] [[]] [[Old.]]")
    apart = word_apart(report, "s2", 2, 7, "small")
    assert [(span.text, span.locked) for span in apart.spans] == [
        ("F: ", True),
        ("A ", True),
        ("small", False),
        (" é left effusion.", True),
        (" ", True),
        ("", True),
        (" ", True),
        ("Old.", True),
    ]
    assert apart.text == report.text
    assert apart.open_spans[0].id == "s2"
    assert word_apart(report, "s2", 8, 9, "é").open_spans[0].text == "é"
    assert len({span.id for span in apart.spans}) == len(apart.spans)


@pytest.mark.parametrize(
    ("id", "start", "end", "word", "sentence"),
    [
        ("s9", 0, 1, "A", "no longer in the report"),
        ("s2", 2, 7, "large", "changed"),
        ("s2", 2, 99, "small", "changed"),
        ("s2", 0, 7, "A small", "exactly one word"),
        ("s2", 2, 6, "smal", "exactly one word"),
        ("s2", 3, 7, "mall", "exactly one word"),
        ("s2", 14, 15, ".", "exactly one word"),
        ("s2", 4, 4, "", "changed"),
    ],
)
def test_what_is_no_open_word_is_refused(id: str, start: int, end: int, word: str, sentence: str) -> None:
    with pytest.raises(ReportError, match=sentence):
        word_apart(parse_markup("F: [[A small nodule.]]"), id, start, end, word)


def test_a_locked_word_is_never_set_apart() -> None:
    with pytest.raises(LockedTextError):
        word_apart(parse_markup("A small nodule."), "s1", 2, 7, "small")


def test_spans_with_one_id_or_an_unknown_state_are_refused() -> None:
    with pytest.raises(ReportError):
        Report((Span("a", "x", "open", "model"), Span("a", "y", "open", "model")))
    with pytest.raises(ReportError):
        Span("a", "x", "frozen", "model")  # type: ignore[arg-type]
