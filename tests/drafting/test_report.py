"""Locks, edits, gaps, markup and the merge of drafts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drafting.report import (
    Edit,
    InsertGap,
    Lock,
    LockedTextError,
    Open,
    Report,
    ReportError,
    Span,
    Type,
    apply,
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


@st.composite
def edits(draw: st.DrawFn, length: int) -> Edit:
    start = draw(st.integers(0, length))
    end = draw(st.integers(start, length))
    return draw(st.sampled_from([Lock(start, end), Open(start, end), InsertGap(start), Type(start, end, draw(TEXT))]))


@given(reports(), st.data())
@settings(max_examples=1500, deadline=None)
def test_no_sequence_of_edits_and_drafts_changes_a_locked_byte(report: Report, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 8))):
        before = report
        if data.draw(st.booleans()):
            drafted = {span.id: data.draw(TEXT) for span in report.spans if data.draw(st.booleans())}
            report = merge_draft(report, drafted | {"gone": "x"})
            assert locked_bytes(report) == locked_bytes(before)
            assert [span.text for span in report.open_spans] == [
                drafted.get(span.id, span.text) for span in before.open_spans
            ]
            continue
        edit = data.draw(edits(len(report.text)))
        try:
            report = apply(report, edit)
        except LockedTextError:
            assert isinstance(edit, Type)
            continue
        kept_before, kept_after = "".join(before.locked_text), "".join(report.locked_text)
        match edit:
            case Lock() | Open() | InsertGap():
                assert report.text == before.text
                if not isinstance(edit, Open):
                    assert is_subsequence(kept_before, kept_after)
            case Type(start, end, text):
                assert report.text == before.text[:start] + text + before.text[end:]
                assert is_subsequence(kept_before, kept_after)
        assert len({span.id for span in report.spans}) == len(report.spans)


def is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(character in rest for character in part)


@given(reports(), st.data())
@settings(max_examples=300, deadline=None)
def test_a_locked_range_survives_every_later_draft_byte_for_byte(report: Report, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(report.text)))
    end = data.draw(st.integers(start, len(report.text)))
    wanted = report.text[start:end]
    locked = apply(report, Lock(start, end))
    for _ in range(3):
        locked = merge_draft(locked, {span.id: data.draw(TEXT) for span in locked.spans})
    assert wanted.encode() in "".join(span.text for span in locked.spans if span.locked).encode()


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


def test_a_hint_survives_a_draft_and_edits_around_and_goes_with_the_lock() -> None:
    report = parse_markup("Pleura: [[?size of effusion?]] [[?side?|left]].")
    drafted = merge_draft(report, {"s2": "small effusion"})
    assert hints_of(drafted) == ("size of effusion?", "side?")
    typed = apply(drafted, Type(0, 0, "New. "))
    opened = apply(apply(typed, Lock(0, 8)), Open(0, 8))
    assert hints_of(opened) == ("", "", "size of effusion?", "side?")[-len(opened.open_spans) :]
    start = typed.text.index("small")
    assert hints_of(apply(typed, Lock(start, start + len("small effusion")))) == ("side?",)
    # A part that is locked out of the middle leaves the hint with the first part alone.
    assert hints_of(apply(typed, Lock(start + 2, start + 4))) == ("size of effusion?", "", "side?")
    assert hints_of(focused(report, {"s4"})) == ("side?",)
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
    with pytest.raises(ReportError, match=f"line {1 + markup.count(chr(10))}"):
        parse_markup(markup)


def test_locking_part_of_an_open_span_leaves_its_identity_with_its_first_part() -> None:
    report = Report.from_spans([Span("s1", "one two three", "open", "model")])
    locked = apply(report, Lock(4, 7))
    assert [(s.text, s.state) for s in locked.spans] == [("one ", "open"), ("two", "locked"), (" three", "open")]
    assert locked.spans[0].id == "s1"
    assert locked.spans[1].author == "model"


def test_typing_into_locked_text_is_refused() -> None:
    report = parse_markup("The heart is normal.")
    for edit in (Type(4, 4, "x"), Type(0, 3, ""), Type(0, 20, "all")):
        with pytest.raises(LockedTextError):
            apply(report, edit)


def test_what_the_radiologist_types_is_locked_at_once_and_theirs() -> None:
    report = apply(parse_markup("Heart normal. [[Lungs clear.]]"), Type(14, 14, "No effusion. "))
    assert [(span.text, span.state, span.author) for span in report.spans] == [
        ("Heart normal. No effusion. ", "locked", "radiologist"),
        ("Lungs clear.", "open", "radiologist"),
    ]


def test_text_of_a_draft_is_the_models_and_unreviewed_until_it_is_locked() -> None:
    report = merge_draft(parse_markup("Heart: [[]]"), {"s2": "normal"})
    assert report.spans[1].author == "model"
    assert report.spans[1].unreviewed
    reviewed = apply(report, Lock(7, 13))
    assert reviewed.spans[-1].author == "model"
    assert not any(span.unreviewed for span in reviewed.spans)


def test_a_draft_passes_over_spans_that_were_locked_or_removed_while_it_ran() -> None:
    report = parse_markup("[[one]] and [[two]]")
    meanwhile = apply(report, Lock(0, 3))
    merged = merge_draft(meanwhile, {"s1": "CHANGED", "s3": "drafted", "s9": "nowhere"})
    assert merged.text == "one and drafted"


def test_a_gap_in_locked_text_leaves_its_bytes() -> None:
    report = apply(parse_markup("Heart normal."), InsertGap(5))
    assert [(s.text, s.state) for s in report.spans] == [("Heart", "locked"), ("", "open"), (" normal.", "locked")]


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


@pytest.mark.parametrize(
    ("id", "start", "end", "word", "sentence"),
    [
        ("s9", 0, 1, "A", "gone"),
        ("s2", 2, 7, "large", "changed"),
        ("s2", 2, 99, "small", "changed"),
        ("s2", 0, 7, "A small", "not one word"),
        ("s2", 2, 6, "smal", "not one word"),
        ("s2", 3, 7, "mall", "not one word"),
        ("s2", 14, 15, ".", "not one word"),
        ("s2", 4, 4, "", "changed"),
    ],
)
def test_what_is_no_open_word_is_refused(id: str, start: int, end: int, word: str, sentence: str) -> None:
    with pytest.raises(ReportError, match=sentence):
        word_apart(parse_markup("F: [[A small nodule.]]"), id, start, end, word)


def test_a_locked_word_is_never_set_apart() -> None:
    with pytest.raises(LockedTextError):
        word_apart(parse_markup("A small nodule."), "s1", 2, 7, "small")


@pytest.mark.parametrize("edit", [Lock(-1, 2), Open(2, 1), Type(0, 99, "x"), InsertGap(99)])
def test_a_range_outside_the_report_is_refused(edit: Edit) -> None:
    with pytest.raises(ReportError):
        apply(parse_markup("short"), edit)


def test_spans_with_one_id_or_an_unknown_state_are_refused() -> None:
    with pytest.raises(ReportError):
        Report((Span("a", "x", "open", "model"), Span("a", "y", "open", "model")))
    with pytest.raises(ReportError):
        Span("a", "x", "frozen", "model")  # type: ignore[arg-type]
