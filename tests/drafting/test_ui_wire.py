"""What JavaScript decides is checked again, and what is refused is not quoted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from drafting.desk.runs import Outcome
from drafting.desk.templates import Template
from drafting.engine import DraftSettings, Frame, Piece
from drafting.report import ReportError, Span, parse_markup
from drafting.study import Picture, Study, StudyFacts, Window
from drafting.ui import wire

MOST_SPANS = 2000
SPAN = {"id": "c7", "text": "Clear.\r\n", "state": "open", "author": "model"}


def report(**changes: Any) -> dict[str, Any]:
    return {"version": 3, "spans": [SPAN], "indication": "cough"} | changes


def test_a_report_arrives_as_it_was_sent() -> None:
    message = wire.parse_report(wire.parse_object(json.dumps(report())), MOST_SPANS)
    assert message.report.spans == (Span("c7", "Clear.\r\n", "open", "model"),)
    assert (message.version, message.indication) == (3, "cough")


@pytest.mark.parametrize(
    "spans",
    [
        None,
        {},
        ["text"],
        [SPAN, SPAN],
        [SPAN | {"id": ""}],
        [SPAN | {"id": 7}],
        [SPAN | {"id": "s" + "9" * 5000}],
        [SPAN | {"id": "c1<script>"}],
        [SPAN | {"state": "shut"}],
        [SPAN | {"state": ["locked"]}],
        [SPAN | {"author": "secretary"}],
        [SPAN | {"text": None}],
        [SPAN | {"text": 5}],
        [SPAN | {"text": "half a \ud83d"}],
    ],
)
def test_spans_that_cannot_be_are_refused(spans: Any) -> None:
    with pytest.raises((wire.WireError, ReportError)) as caught:
        wire.parse_report(report(spans=spans), MOST_SPANS)
    assert "Clear" not in str(caught.value)
    assert "secretary" not in str(caught.value)


@pytest.mark.parametrize("version", [None, -1, 1.5, "1", True, 2**53])
def test_a_version_is_a_whole_number(version: Any) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_report(report(version=version), MOST_SPANS)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_object(body)


def test_a_draft_is_asked_for_with_its_settings() -> None:
    asked = wire.parse_run(report(kind="draft", token="t", seed=5, steps=None), MOST_SPANS)
    assert (asked.token, asked.settings) == ("t", DraftSettings(seed=5, steps=None))


@pytest.mark.parametrize(
    "changes",
    [{"kind": "undo"}, {"token": None}, {"seed": -1}, {"steps": 0}, {"steps": 1001}, {"steps": "9"}],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_run(report(kind="draft", token="t", seed=0, steps=None) | changes, MOST_SPANS)


def test_a_frame_shows_how_certain_each_piece_is() -> None:
    frame = Frame(3, 48, 0.41234, {"s2": (Piece("The", 0.0, True), Piece(" heart", 1.0, False))})
    assert json.loads(wire.frame_json("r1", 4, frame)) == {
        "kind": "frame",
        "run": "r1",
        "version": 4,
        "step": 3,
        "steps": 48,
        "seconds": 0.412,
        "spans": {"s2": [["The", 1.0, 1], [" heart", 0.368, 0]]},
    }


def test_a_draft_tells_its_texts() -> None:
    outcome = Outcome({"s2": "The heart ø"}, 17, 2.3, 1, stopped=True)
    assert json.loads(wire.outcome_json("r1", 4, outcome)) == {
        "kind": "draft",
        "run": "r1",
        "version": 4,
        "steps": 17,
        "seconds": 2.3,
        "stopped": True,
        "seed": 1,
        "texts": {"s2": "The heart ø"},
    }


def test_a_study_tells_what_the_viewer_needs_and_no_more() -> None:
    gray = Picture(
        np.zeros((2, 3), np.uint16),
        2.0,
        -1024.0,
        (Window(40.0, 400.0, "SOFT"),),
        inverted=True,
        spacing=(0.1, 0.2),
        spacing_at="detector",
        aspect=0.5,
        orientation=("L", "F"),
        label="PA",
    )
    colour = Picture(np.zeros((4, 5, 3), np.uint8))
    study = Study((gray, colour), np.zeros((2, 3), np.uint8), StudyFacts(modality="CR", age=64))
    assert json.loads(json.dumps(wire.study_json(study))) == {
        "facts": {
            "modality": "CR",
            "body_part": None,
            "age": 64,
            "sex": None,
            "view": None,
            "laterality": None,
            "description": None,
        },
        "pictures": [
            {
                "width": 3,
                "height": 2,
                "channels": 1,
                "bits": 16,
                "slope": 2.0,
                "intercept": -1024.0,
                "windows": [{"center": 40.0, "width": 400.0, "name": "SOFT"}],
                "inverted": True,
                "spacing": [0.1, 0.2],
                "spacing_at": "detector",
                "aspect": 0.5,
                "orientation": ["L", "F"],
                "label": "PA",
            },
            {
                "width": 5,
                "height": 4,
                "channels": 3,
                "bits": 8,
                "slope": 1.0,
                "intercept": 0.0,
                "windows": [],
                "inverted": False,
                "spacing": None,
                "spacing_at": "patient",
                "aspect": 1.0,
                "orientation": None,
                "label": "",
            },
        ],
        "note": "",
    }


def test_pixels_are_little_endian_row_by_row() -> None:
    values = np.array([[1, 258], [3, 4]], dtype=">u2")
    assert wire.pixels(Picture(values)) == b"\x01\x00\x02\x01\x03\x00\x04\x00"
    assert wire.pixels(Picture(np.arange(12, dtype=np.uint8).reshape(2, 2, 3)[:, ::-1])) == bytes(
        [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]
    )


def test_every_kind_of_run_is_asked_for_with_what_it_needs() -> None:
    asked = report(token="t", seed=1, steps=None)
    drafted = wire.parse_run(asked | {"kind": "draft", "only": ["c2"], "start": {"run": "d1", "step": 4}}, MOST_SPANS)
    assert isinstance(drafted, wire.DraftMessage)
    assert (drafted.only, drafted.start) == (frozenset({"c2"}), ("d1", 4))
    alternatives = wire.parse_run(asked | {"kind": "alternatives", "span": "c2", "count": 5}, MOST_SPANS)
    assert isinstance(alternatives, wire.AlternativesMessage)
    assert (alternatives.span, alternatives.count) == ("c2", 5)
    words = wire.parse_run(asked | {"kind": "words", "span": "c2", "start": 3, "end": 8, "word": "small"}, MOST_SPANS)
    assert isinstance(words, wire.WordsMessage)
    assert (words.span, words.start, words.end, words.word) == ("c2", 3, 8, "small")
    question = wire.parse_run(asked | {"kind": "question", "question": "Where?"}, MOST_SPANS)
    assert isinstance(question, wire.QuestionMessage)
    assert question.question == "Where?"


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "draft", "only": "c2"},
        {"kind": "draft", "only": ["not an id"]},
        {"kind": "draft", "start": 4},
        {"kind": "draft", "start": {"run": "d1", "step": -1}},
        {"kind": "alternatives", "span": "c2"},
        {"kind": "alternatives", "count": 2},
        {"kind": "words", "span": "c2", "start": 3, "word": "small"},
        {"kind": "words", "span": "c2", "start": -3, "end": 2, "word": "small"},
        {"kind": "words", "start": 3, "end": 8, "word": "small"},
        {"kind": "words", "span": "c2", "start": 3, "end": 8},
        {"kind": "question"},
        {"kind": "sign"},
    ],
)
def test_a_run_that_is_not_asked_for_properly_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_run(report(token="t", seed=1, steps=None) | changes, MOST_SPANS)


def test_accepted_text_is_reviewed_and_nothing_else_is_taken_for_it() -> None:
    span = {"id": "c1", "text": "Clear.", "state": "open", "author": "model"}
    (plain,), (accepted,) = (wire.parse_spans([span | more]).spans for more in ({}, {"reviewed": True}))
    assert (plain.unreviewed, accepted.unreviewed) == (True, False)
    with pytest.raises(wire.WireError):
        wire.parse_spans([span | {"reviewed": "yes"}])


def test_a_hint_comes_and_goes_with_its_gap_and_only_there() -> None:
    gap = {"id": "c1", "text": "", "state": "open", "author": "model"}
    (span,) = wire.parse_spans([gap | {"hint": "size of effusion?"}]).spans
    assert span.hint == "size of effusion?"
    for hint in (7, None, "\ud800"):
        with pytest.raises(wire.WireError):
            wire.parse_spans([gap | {"hint": hint}])
    for refused in (gap | {"hint": "x" * 121}, gap | {"hint": "a|b"}, gap | {"state": "locked", "hint": "size?"}):
        with pytest.raises(ReportError):
            wire.parse_spans([refused])
    template = Template("eff", "Effusion", False, parse_markup("Pleura: [[?size?]]"))
    assert wire.template_json(template)["spans"][1] == {
        "text": "",
        "state": "open",
        "author": "radiologist",
        "hint": "size?",
    }
