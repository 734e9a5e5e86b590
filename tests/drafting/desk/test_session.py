"""What a session promises: locked text stays, Stop keeps a frame, nothing outlives the session, nothing is told on."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

from drafting.desk.errors import (
    BusyError,
    DeskError,
    NotLookedError,
    OlderVersionError,
    RunFailedError,
    TooLargeError,
    UnknownSessionError,
    VersionConflictError,
)
from drafting.desk.runs import FRAMES_KEPT, Alternative, Outcome
from drafting.desk.session import Limits, Session
from drafting.desk.sessions import Sessions
from drafting.engine import AttentionMap, DraftSettings, EngineBusyError, EngineError, Frame
from drafting.report import LockedTextError, Report, ReportError, Span
from drafting.study import Picture, Study
from tests.drafting.scripted_engine import WORDS, ScriptedEngine

SENTENCE = "".join(WORDS)
LOCKED = "No pneumothorax.\r\n\tΩ "
REPORT = Report.from_spans((Span("s1", LOCKED, "locked", "radiologist"), Span("s2", "", "open", "model")))


def a_study() -> Study:
    values = np.zeros((2, 3), np.uint8)
    return Study((Picture(values),), values)


def a_session(engine: ScriptedEngine, report: Report = REPORT) -> Session:
    session = Sessions(engine).open()
    session.receive(report, 1, "cough")
    return session


def finish(run: Generator[Frame, None, Outcome]) -> tuple[list[Frame], Outcome]:
    frames = []
    while True:
        try:
            frames.append(next(run))
        except StopIteration as end:
            return frames, end.value


def failing(error: Exception) -> ScriptedEngine:
    def fail(step: int) -> None:
        raise error

    return ScriptedEngine(before_step=fail)


# ---- the report


def test_a_newer_version_of_the_report_replaces_an_older_one() -> None:
    session = a_session(ScriptedEngine())
    newer = Report.from_spans((Span("c1", "New.", "locked", "radiologist"),))
    assert session.receive(newer, 2, "fever") == 2
    assert (session.report, session.version, session.indication) == (newer, 2, "fever")


def test_an_older_version_of_the_report_is_refused() -> None:
    session = a_session(ScriptedEngine())
    session.receive(REPORT, 5, "")
    with pytest.raises(VersionConflictError):
        session.receive(Report(), 4, "")
    assert session.report == REPORT


def test_the_same_version_may_come_twice() -> None:
    session = a_session(ScriptedEngine())
    assert session.receive(REPORT, 1, "") == 1


@pytest.mark.parametrize(
    ("report", "indication"),
    [
        (Report.from_spans(Span(f"s{n}", "", "open", "model") for n in range(1, 12)), ""),
        (Report.from_spans((Span("s1", "x" * 101, "open", "model"),)), ""),
        (Report(), "x" * 21),
    ],
    ids=["spans", "characters", "indication"],
)
def test_more_than_a_session_may_hold_is_refused(report: Report, indication: str) -> None:
    limits = Limits(spans=10, report_characters=100, indication_characters=20)
    session = Sessions(ScriptedEngine(), limits).open()
    with pytest.raises(TooLargeError):
        session.receive(report, 1, indication)
    assert session.report == Report()


# ---- runs


def test_a_draft_fills_the_open_spans_and_leaves_the_locked_ones() -> None:
    engine = ScriptedEngine()
    session = a_session(engine)
    frames, outcome = finish(session.run(DraftSettings(seed=7)))
    assert [frame.step for frame in frames] == [1, 2, 3, 4, 5, 6]
    assert outcome == Outcome({"s2": SENTENCE}, 6, 0.0, 7, stopped=False)
    assert session.report.spans == (REPORT.spans[0], Span("s2", SENTENCE, "open", "model"))
    assert engine.drafted == [(REPORT, "cough")]


def test_stop_keeps_the_next_frame() -> None:
    session = a_session(ScriptedEngine())
    run = session.run(DraftSettings())
    next(run)
    next(run)
    session.stop()
    (frame,), outcome = finish(run)
    assert (frame.step, outcome.steps, outcome.stopped) == (3, 3, True)
    assert session.report.spans[1].text == frame.texts["s2"] != SENTENCE
    assert session.report.spans[0] == REPORT.spans[0]


def test_stop_before_the_first_frame_keeps_the_report_as_it_was() -> None:
    stopping: list[Session] = []
    session = a_session(ScriptedEngine(before_step=lambda step: stopping[0].stop()))
    stopping.append(session)
    frames, outcome = finish(session.run(DraftSettings()))
    assert frames == []
    assert outcome.stopped
    assert outcome.texts == {}
    assert session.report == REPORT


def test_a_draft_that_waits_in_line_tells_its_place_and_keeps_nothing_of_it() -> None:
    session = a_session(ScriptedEngine(places=(2, 1)))
    frames, _ = finish(session.run(DraftSettings()))
    assert [(frame.step, frame.place) for frame in frames[:3]] == [(0, 2), (0, 1), (1, 0)]
    kept = session.last_run()
    assert kept is not None
    assert [frame.step for frame in kept[1]] == [1, 2, 3, 4, 5, 6]


def test_stop_in_the_line_keeps_the_report_as_it_was() -> None:
    session = a_session(ScriptedEngine(places=(2, 1)))
    run = session.run(DraftSettings())
    next(run)
    session.stop()
    frames, outcome = finish(run)
    assert (frames, outcome.stopped, outcome.texts) == ([], True, {})
    assert session.report == REPORT


def test_stop_without_a_run_does_not_stop_the_next_one() -> None:
    session = a_session(ScriptedEngine())
    session.stop()
    assert not finish(session.run(DraftSettings()))[1].stopped


def test_what_the_radiologist_does_during_a_run_stands() -> None:
    report = Report.from_spans((*REPORT.spans, Span("s3", "", "open", "model"), Span("s4", "", "open", "model")))
    session = a_session(ScriptedEngine(), report)
    run = session.run(DraftSettings())
    next(run)
    typed = Report.from_spans(
        (
            Span("c1", "Typed meanwhile. ", "locked", "radiologist"),
            Span("s2", "Locked meanwhile.", "locked", "model"),
            Span("s3", "", "open", "model"),
        )
    )
    session.receive(typed, 2, "")
    finish(run)
    assert session.report.spans == (*typed.spans[:2], Span("s3", SENTENCE, "open", "model"))


def test_a_draft_makes_a_version_of_its_own() -> None:
    session = a_session(ScriptedEngine())
    seen = {session.version: session.report}
    finish(session.run(DraftSettings()))
    assert session.version not in seen
    # The page's own version of the same draft takes its number; another page's does not.
    with pytest.raises(VersionConflictError):
        session.receive(REPORT, session.version, "cough", "other")
    assert session.receive(session.report, session.version, "cough") == session.version


def test_a_draft_that_changes_nothing_makes_no_version() -> None:
    session = a_session(ScriptedEngine())
    finish(session.run(DraftSettings()))
    version = session.receive(session.report, session.version + 1, "cough")
    finish(session.run(DraftSettings()))
    assert session.version == version


def test_one_page_never_drafts_another_pages_report() -> None:
    engine = ScriptedEngine()
    session = a_session(engine)
    others = Report.from_spans((Span("c1", "The other tab's.", "locked", "radiologist"), *REPORT.spans[1:]))
    session.receive(others, 2, "cough", "other")
    with pytest.raises(VersionConflictError, match="Another tab"):
        next(session.run(DraftSettings(), writer=""))
    with pytest.raises(VersionConflictError, match="Another tab"):
        next(session.alternatives("s2", 2, DraftSettings(), writer=""))
    assert engine.drafted == []
    finish(session.run(DraftSettings(), writer="other"))


def test_a_draft_is_put_away_where_another_page_has_saved_meanwhile() -> None:
    session = a_session(ScriptedEngine())
    run = session.run(DraftSettings())
    next(run)
    session.receive(TWO_GAPS, 2, "", "other")
    with pytest.raises(VersionConflictError, match="discarded"):
        finish(run)
    assert (session.report, session.version, session.writer) == (TWO_GAPS, 2, "other")


def test_an_older_version_is_told_apart_from_another_pages() -> None:
    session = a_session(ScriptedEngine())
    session.receive(REPORT, 5, "", "mine")
    with pytest.raises(OlderVersionError):
        session.receive(REPORT, 4, "", "mine")
    for version in (4, 5):
        with pytest.raises(VersionConflictError) as caught:
            session.receive(REPORT, version, "", "other")
        assert not isinstance(caught.value, OlderVersionError)


def test_a_second_run_is_refused_while_one_is_under_way() -> None:
    session = a_session(ScriptedEngine())
    run = session.run(DraftSettings())
    next(run)
    with pytest.raises(BusyError, match="already"):
        next(session.run(DraftSettings()))
    finish(run)
    finish(session.run(DraftSettings()))


def test_closing_the_run_stops_the_engine_and_changes_nothing() -> None:
    engine = ScriptedEngine()
    session = a_session(engine)
    run = session.run(DraftSettings())
    next(run)
    run.close()
    assert engine.closed.is_set()
    assert session.report == REPORT
    assert not session.is_drafting


def test_an_engine_that_names_locked_text_is_refused() -> None:
    session = a_session(ScriptedEngine(texts={"s1": "Pneumothorax."}))
    with pytest.raises(RunFailedError, match="for a locked span"):
        finish(session.run(DraftSettings()))
    assert session.report == REPORT


def test_a_draft_of_another_study_is_put_away() -> None:
    engine = ScriptedEngine()
    session = a_session(engine)
    session.open_study(former := a_study())
    run = session.run(DraftSettings())
    next(run)
    session.open_study(a_study())
    with pytest.raises(RunFailedError, match="Another study"):
        finish(run)
    assert session.report == REPORT
    assert former.id in engine.released


def test_what_the_engine_says_reaches_the_radiologist() -> None:
    session = a_session(failing(EngineError("The report has too many open spans.")))
    with pytest.raises(RunFailedError, match=r"^The report has too many open spans\.$"):
        finish(session.run(DraftSettings()))


def test_any_other_failure_is_one_sentence_and_is_logged_without_its_message(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    session = a_session(failing(KeyError(LOCKED)))
    with caplog.at_level(logging.DEBUG), pytest.raises(RunFailedError) as caught:
        finish(session.run(DraftSettings()))
    assert str(caught.value) == "The draft failed. The report is unchanged. Try again."
    assert "KeyError" in caplog.text
    assert "scripted_engine.py" in caplog.text
    assert "pneumothorax" not in caplog.text + "".join(capfd.readouterr())
    assert session.report == REPORT


def test_a_run_that_the_engine_is_too_busy_for_leaves_the_session_ready_for_the_next() -> None:
    engine = failing(EngineBusyError("The model is busy."))
    session = a_session(engine)
    with pytest.raises(BusyError, match="busy"):
        next(session.run(DraftSettings()))
    assert session.report == REPORT
    engine.before_step = lambda step: None
    assert not finish(session.run(DraftSettings()))[1].stopped


# ---- studies and files


def test_opening_a_study_prepares_it_in_the_background() -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        arrived.set()
        go_on.wait(5)

    engine = ScriptedEngine(before_prepare=wait)
    session = a_session(engine)
    session.open_study(study := a_study())
    assert arrived.wait(5)
    assert session.study is study
    assert engine.prepared == []
    go_on.set()


def test_a_study_that_is_put_away_while_it_is_prepared_is_released_afterwards() -> None:
    closed = threading.Event()
    engine = ScriptedEngine(before_prepare=lambda: closed.wait(5) and None)
    session = a_session(engine)
    session.open_study(study := a_study())
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "prepare"]
    session.close()
    closed.set()
    thread.join(5)
    assert engine.prepared == [study.id]
    assert engine.released == [study.id, study.id]


def test_one_file_arrives_at_a_time_and_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    session = a_session(ScriptedEngine())
    with session.arriving_file() as file:
        file.write(b"pixels")
        file.flush()
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(BusyError), session.arriving_file():
            pass
    with session.arriving_file() as file:
        assert file.read() == b""


def test_closing_a_session_empties_a_file_that_is_arriving() -> None:
    session = a_session(ScriptedEngine())
    with session.arriving_file() as file:
        file.write(b"pixels")
        file.flush()
        session.close()
        assert os.fstat(file.fileno()).st_size == 0


def test_nothing_of_a_file_is_left_when_the_process_is_killed_while_it_arrives(tmp_path: Path) -> None:
    program = """
from drafting.desk.sessions import Sessions
from tests.drafting.scripted_engine import ScriptedEngine
with Sessions(ScriptedEngine()).open().arriving_file() as file:
    file.write(b"Doe^Jane" * 10**5)
    file.flush()
    print("written", flush=True)
    input()
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    root = Path(__file__).parents[3]
    receiving = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, env=environment
    )
    assert receiving.stdin
    assert receiving.stdout
    assert receiving.stdout.readline() == b"written\n"
    receiving.kill()
    receiving.wait()
    receiving.stdin.close()
    receiving.stdout.close()
    assert list(tmp_path.rglob("*")) == []


# ---- the end of a session


def test_a_closed_session_holds_nothing_and_does_nothing() -> None:
    engine = ScriptedEngine()
    sessions = Sessions(engine)
    session = sessions.open()
    session.receive(REPORT, 1, "cough")
    session.open_study(study := a_study())
    told: list[str] = []
    session.on_close(lambda: told.append("closed"))
    sessions.close(session.token)
    assert session.study is None
    assert session.report == Report()
    assert session.indication == ""
    assert study.id in engine.released
    assert told == ["closed"]
    for refused in (
        lambda: sessions.find(session.token),
        lambda: session.receive(REPORT, 2, ""),
        lambda: session.open_study(a_study()),
        lambda: next(session.run(DraftSettings())),
        lambda: session.arriving_file().__enter__(),
    ):
        with pytest.raises(UnknownSessionError):
            refused()


def test_closing_a_session_ends_its_run_without_effect() -> None:
    engine = ScriptedEngine()
    session = a_session(engine)
    run = session.run(DraftSettings())
    next(run)
    session.close()
    with pytest.raises(DeskError):
        finish(run)
    assert engine.closed.is_set()
    assert session.report == Report()


def test_a_session_that_is_closed_before_it_is_tied_to_something_tells_so_at_once() -> None:
    session = a_session(ScriptedEngine())
    session.close()
    told: list[str] = []
    session.on_close(lambda: told.append("closed"))
    assert told == ["closed"]


# ---- a part of the report, alternatives, questions, going on from a frame

TWO_GAPS = Report.from_spans(
    (
        Span("s1", "", "open", "model"),
        Span("s2", LOCKED, "locked", "radiologist"),
        Span("s3", "Open words.", "open", "template"),
    )
)


def returned(run: Generator[object, None, object]) -> object:
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value


def test_a_draft_of_one_span_leaves_the_other_open_spans_as_they_are() -> None:
    engine = ScriptedEngine()
    session = a_session(engine, TWO_GAPS)
    finish(session.run(DraftSettings(), only={"s1"}))
    assert [span.text for span in session.report.spans] == [SENTENCE, LOCKED, "Open words."]
    assert [span.state for span in session.report.spans] == ["open", "locked", "open"]
    assert [span.id for span in engine.drafted[0][0].open_spans] == ["s1"]


@pytest.mark.parametrize("only", [set(), {"s2"}, {"elsewhere"}])
def test_a_draft_of_nothing_open_is_refused_and_the_next_may_begin(only: set[str]) -> None:
    session = a_session(ScriptedEngine(), TWO_GAPS)
    with pytest.raises(ReportError, match="Nothing is open here"):
        next(session.run(DraftSettings(), only=only))
    assert finish(session.run(DraftSettings()))[1].texts


def test_alternatives_name_their_likelihoods_and_leave_the_report_alone() -> None:
    session = a_session(ScriptedEngine(), TWO_GAPS)
    others = returned(session.alternatives("s3", 3, DraftSettings(seed=5)))
    assert others == tuple(Alternative(f"Alternative {n}.", 2.0 ** -(n + 1), 5 + n) for n in range(3))
    assert session.report == TWO_GAPS
    assert not session.is_drafting


MARKS = (".", "", "Clear.", " \n", "–,;", "4")


@pytest.mark.parametrize(
    ("said", "offered"),
    [("Open words.", ("Clear.", "4")), ("", ("Clear.", "4")), (".", MARKS), (" – ", MARKS)],
)
def test_a_text_of_marks_alone_is_no_alternative_but_to_marks(said: str, offered: tuple[str, ...]) -> None:
    session = a_session(
        ScriptedEngine(alternative_texts=MARKS), Report.from_spans((Span("s1", said, "open", "model"),))
    )
    others = returned(session.alternatives("s1", len(MARKS), DraftSettings()))
    assert [other.text for other in others] == list(offered)  # type: ignore[attr-defined]
    # The shares are of those that are offered.
    assert others[0].share == 0.5  # type: ignore[index]


def test_where_all_alternatives_are_marks_none_is_offered() -> None:
    session = a_session(ScriptedEngine(alternative_texts=(".", "")), TWO_GAPS)
    assert returned(session.alternatives("s3", 2, DraftSettings())) == ()


def test_alternatives_that_name_another_span_are_refused() -> None:
    session = a_session(ScriptedEngine(texts={"s2": "Pneumothorax!"}), TWO_GAPS)
    with pytest.raises(RunFailedError, match="other text than you asked about"):
        returned(session.alternatives("s3", 2, DraftSettings()))


def test_words_are_asked_with_that_word_alone_open_and_leave_the_report_alone() -> None:
    engine = ScriptedEngine()
    session = a_session(engine, TWO_GAPS)
    words = session.words("s3", 5, 10, "words", 1)
    assert [word.text for word in words] == ["words", "large", "tiny"]
    ((asked, indication),) = engine.drafted
    assert ([span.text for span in asked.open_spans], asked.text, indication) == (["words"], TWO_GAPS.text, "cough")
    assert session.report == TWO_GAPS
    assert not session.is_drafting


def test_words_of_an_older_version_of_locked_text_and_during_a_run_are_refused() -> None:
    session = a_session(ScriptedEngine(), TWO_GAPS)
    with pytest.raises(VersionConflictError, match="has changed"):
        session.words("s3", 5, 10, "words", 0)
    with pytest.raises(LockedTextError):
        session.words("s2", 3, 15, "pneumothorax", 1)
    run = session.run(DraftSettings())
    next(run)
    with pytest.raises(BusyError):
        session.words("s3", 5, 10, "words", 1)
    run.close()
    failed = a_session(failing(ValueError("secret")), TWO_GAPS)
    with pytest.raises(RunFailedError, match="Listing words failed"):
        failed.words("s3", 5, 10, "words", 1)
    assert not failed.is_drafting


def test_hints_go_to_the_engine_and_have_a_limit_together() -> None:
    engine = ScriptedEngine()
    report = Report.from_spans(Span(f"s{n}", "", "open", "model", hint="x" * 100) for n in range(20))
    session = a_session(engine, report)
    finish(session.run(DraftSettings()))
    assert [span.hint for span in engine.drafted[0][0].spans] == ["x" * 100] * 20
    assert {span.hint for span in session.report.spans} == {"x" * 100}
    with pytest.raises(TooLargeError, match="hints"):
        session.receive(Report((*report.spans, Span("t1", "", "open", "model", hint="y"))), 2, "")


def test_a_question_is_answered_and_the_report_stays() -> None:
    session = a_session(ScriptedEngine())
    with pytest.raises(RunFailedError, match="Open a study before"):
        next(session.answer("Is there an effusion?", DraftSettings()))
    session.open_study(a_study())
    frames, outcome = finish(session.answer("Is there an effusion?", DraftSettings()))
    assert frames
    assert outcome.texts == {"answer": SENTENCE}
    assert session.report == REPORT
    assert session.last_run() is None


def test_a_run_goes_on_from_a_frame_of_the_last_one() -> None:
    engine = ScriptedEngine()
    session = a_session(engine)
    finish(session.run(DraftSettings(seed=1)))
    kept = session.last_run()
    assert kept
    name, frames = kept
    assert [frame.step for frame in frames] == [1, 2, 3, 4, 5, 6]
    finish(session.run(DraftSettings(seed=2), start=(name, 4)))
    assert engine.started_at == [0, 4]
    assert engine.drafted[1][0] == REPORT
    went_on = session.last_run()
    assert went_on
    assert went_on[0] != name
    assert [frame.step for frame in went_on[1]] == [1, 2, 3, 4, 5, 6]


def test_a_run_does_not_go_on_where_the_report_around_it_says_otherwise() -> None:
    session = a_session(ScriptedEngine())
    finish(session.run(DraftSettings()))
    kept = session.last_run()
    assert kept
    changed = Report.from_spans((Span("s1", "Other words.", "locked", "radiologist"), session.report.spans[1]))
    session.receive(changed, 2, "cough")
    with pytest.raises(RunFailedError, match="report has changed"):
        next(session.run(DraftSettings(), start=(kept[0], 2)))
    session.receive(REPORT, 3, "fever")
    with pytest.raises(RunFailedError, match="indication has changed"):
        next(session.run(DraftSettings(), start=(kept[0], 2)))
    with pytest.raises(RunFailedError, match="no longer stored"):
        next(session.run(DraftSettings(), start=("d99", 2)))


def test_the_frames_of_a_long_run_are_thinned_and_its_last_one_is_kept() -> None:
    session = a_session(ScriptedEngine())
    finish(session.run(DraftSettings(steps=700)))
    kept = session.last_run()
    assert kept
    steps = [frame.step for frame in kept[1]]
    assert len(steps) <= FRAMES_KEPT
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (1, 700)


def test_closing_the_session_and_another_study_forget_the_frames() -> None:
    session = a_session(ScriptedEngine())
    finish(session.run(DraftSettings()))
    session.open_study(a_study())
    assert session.last_run() is None


WRITTEN = Report.from_spans((Span("s1", LOCKED, "locked", "radiologist"), Span("s2", SENTENCE, "open", "model")))


def test_where_the_model_looked_changes_nothing() -> None:
    engine = ScriptedEngine()
    session = a_session(engine, WRITTEN)
    with pytest.raises(NotLookedError, match="Open a study first"):
        session.looked("s2", None, 1, "")
    session.open_study(a_study())
    assert session.looked("s2", (4, 9), 1, "").weights.sum() == pytest.approx(0.25)
    assert engine.looked_at == [("s2", (4, 9))]
    assert (session.report, session.version) == (WRITTEN, 1)
    with pytest.raises(NotLookedError, match="no text"):
        session.looked("s1", None, 1, "")
    with pytest.raises(VersionConflictError):
        session.looked("s2", None, 2, "")


def test_a_failure_of_looking_is_one_sentence_that_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(ScriptedEngine):
        def looked(self, *of: object, **more: object) -> AttentionMap:
            raise ValueError(LOCKED)

    session = a_session(Failing(), WRITTEN)
    session.open_study(a_study())
    with pytest.raises(NotLookedError, match="could not be computed"):
        session.looked("s2", None, 1, "")
    assert "pneumothorax" not in caplog.text


def test_a_study_put_away_while_it_is_looked_at_is_released_once_more() -> None:
    former, engine = a_study(), ScriptedEngine()
    session = a_session(engine, WRITTEN)
    session.open_study(former)
    looked = engine.looked

    def during(*of: object) -> AttentionMap:
        session.open_study(a_study())
        engine.released.clear()
        return looked(*of)  # type: ignore[arg-type]

    engine.looked = during  # type: ignore[method-assign, assignment]
    with pytest.raises(NotLookedError, match="Another study"):
        session.looked("s2", None, 1, "")
    assert former.id in engine.released
