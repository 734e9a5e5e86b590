"""One patient's words never reach another patient's report, requests or state."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from drafting.desk.errors import DeskError, NotLookedError, RunFailedError
from drafting.desk.session import Session
from drafting.desk.sessions import Sessions
from drafting.engine import DraftSettings
from drafting.report import Report, Span
from drafting.study import Picture, Study, StudyFacts
from tests.drafting.desk.test_session import finish, returned
from tests.drafting.scripted_engine import ScriptedEngine

RECORDED = ("prepare", "draft", "alternatives", "shares", "words", "answer", "looked")


class Recorder:
    """An engine, and what it was asked."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.engine, name)
        if name not in RECORDED:
            return attribute

        def record(*arguments: Any, **named: Any) -> Any:
            self.asked.append((name, arguments, named))
            return attribute(*arguments, **named)

        return record


def a_study(patient: str) -> Study:
    values = np.zeros((2, 3), np.uint8)
    return Study((Picture(values, label=f"{patient} PA"),), values, StudyFacts(description=f"{patient} chest"))


def texts_in(thing: Any, seen: set[int] | None = None) -> Iterator[str]:
    """Every text that can be reached from an object."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, dict):
        for item in (*thing.keys(), *thing.values()):
            yield from texts_in(item, seen)
    elif isinstance(thing, list | tuple | set | frozenset):
        for item in thing:
            yield from texts_in(item, seen)
    elif is_dataclass(thing):
        for each in fields(thing):
            yield from texts_in(getattr(thing, each.name), seen)
    elif type(thing).__module__.startswith("drafting."):
        yield from texts_in(vars(thing), seen)


def use_everything(session: Session, patient: str) -> None:
    """A draft, one that goes on from a frame, alternatives, words, a question, where the model looked, and a prior."""
    report = Report.from_spans(
        (
            Span("s1", f"{patient} locked. ", "locked", "radiologist"),
            Span("s2", "", "open", "model", hint=f"{patient} hint"),
            Span("s3", f"{patient} open.", "open", "radiologist"),
        )
    )
    session.receive(report, session.version + 1, f"{patient} indication")
    finish(session.run(DraftSettings(), only={"s2"}))
    kept = session.last_run()
    assert kept
    finish(session.run(DraftSettings(), start=(kept[0], 2)))
    returned(session.alternatives("s3", 2, DraftSettings()))
    session.words("s3", 0, len(patient), patient, session.version)
    finish(session.answer(f"{patient} question?", DraftSettings()))
    session.looked("s3", None, session.version, "")
    session.open_prior(a_study(f"{patient} prior"))


def wait_for_preparation() -> None:
    for thread in [thread for thread in threading.enumerate() if thread.name == "prepare"]:
        thread.join(10)


def test_nothing_of_the_former_patient_is_asked_or_kept_when_the_next_study_is_open() -> None:
    engine = Recorder(ScriptedEngine())
    session = Sessions(engine).open()  # type: ignore[arg-type]
    first = a_study("Alpha")
    session.open_study(first)
    use_everything(session, "Alpha")
    wait_for_preparation()
    assert any("Alpha" in text for text in texts_in(engine.asked))
    engine.asked.clear()

    session.open_study(a_study("Beta"), report="clear")
    wait_for_preparation()
    assert first.id in engine.engine.released
    held = [text for text in texts_in(vars(session) | {"_engine": None}) if "Alpha" in text]
    assert held == []
    use_everything(session, "Beta")
    asked = list(texts_in(engine.asked))
    assert any("Beta hint" in text for text in asked)
    assert [text for text in asked if "Alpha" in text] == []
    gone = weakref.ref(first)
    del first
    engine.engine.drafted.clear()
    gc.collect()
    assert gone() is None


def test_a_kept_report_keeps_its_text_and_loses_the_former_indication() -> None:
    session = Sessions(ScriptedEngine()).open()
    report = Report.from_spans((Span("s1", "Template text.", "locked", "template"),))
    session.receive(report, 1, "cough")
    session.open_study(a_study("Alpha"))
    # What was typed before the first study was opened is about that study.
    assert (session.indication, session.version) == ("cough", 1)
    session.open_study(a_study("Beta"))
    assert (session.report, session.indication, session.version) == (report, "", 2)


@pytest.mark.parametrize("without_study", [True, False])
def test_what_the_engine_keeps_for_no_study_is_released_when_the_run_ends(without_study: bool) -> None:
    engine = ScriptedEngine()
    session = Sessions(engine).open()
    session.receive(Report.from_spans((Span("s1", "", "open", "model"),)), 1, "cough")
    if not without_study:
        session.open_study(a_study("Alpha"))
    finish(session.run(DraftSettings()))
    assert ("" in engine.released) == without_study


OVERTAKEN: dict[str, Callable[[Session], object]] = {
    "draft": lambda session: finish(session.run(DraftSettings())),
    "alternatives": lambda session: returned(session.alternatives("s1", 2, DraftSettings())),
    "answer": lambda session: finish(session.answer("Alpha?", DraftSettings())),
    "words": lambda session: session.words("s1", 0, 5, "Alpha", session.version),
    "looked": lambda session: session.looked("s1", None, session.version, ""),
}


@pytest.mark.parametrize("kind", OVERTAKEN)
@pytest.mark.parametrize("at", [1, 3, 6])
def test_what_was_asked_about_the_former_study_is_never_answered_after_the_next_is_open(kind: str, at: int) -> None:
    session: Session

    def overtake(step: int) -> None:
        if step == at or kind in ("words", "looked"):
            session.open_study(a_study("Beta"), report="clear")

    engine = ScriptedEngine(before_step=overtake)
    session = Sessions(engine).open()
    session.receive(Report.from_spans((Span("s1", "Alpha", "open", "model"),)), 1, "")
    session.open_study(a_study("Alpha"))
    if kind == "looked":
        looked = engine.looked
        engine.looked = lambda *of: (overtake(1), looked(*of))[1]  # type: ignore[method-assign, assignment]
    with pytest.raises(DeskError, match="Another study") as caught:
        OVERTAKEN[kind](session)
    assert isinstance(caught.value, RunFailedError | NotLookedError)
    assert session.report == Report()
