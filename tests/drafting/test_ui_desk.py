"""The desk's routes and the draft event, as a browser meets them on a really launched app."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from drafting.desk.examples import FOLDER, examples
from drafting.desk.session import Limits
from drafting.engine import EngineBusyError, EngineError
from drafting.imaging import open as imaging
from drafting.imaging.open import open_study
from drafting.ui import VERSION, wire
from tests.drafting.scripted_engine import WORDS, ScriptedEngine
from tests.drafting.web import SPANS, Site, Tab, eventually, launched

SENTENCE = "".join(WORDS)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with launched(ScriptedEngine(steps=6)) as site:
        yield site


@pytest.fixture
def tab(site: Site, request: pytest.FixtureRequest) -> Iterator[Tab]:
    with site.tab(re.sub(r"\W", "_", request.node.name, flags=re.ASCII)[:64]) as tab:
        yield tab


# ---- sessions


def test_a_session_begins_with_what_the_page_has_to_know(site: Site) -> None:
    answer = httpx.post(f"{site.address}desk/sessions").json()
    assert len(answer.pop("token")) >= 43
    assert answer == {
        "model": "scripted engine",
        "heeds_hints": True,
        "version": VERSION,
        "limits": {"upload_bytes": 128 * 2**20, "report_characters": 100_000, "silence_seconds": 40.0},
        "examples": [{"name": e.name, "title": e.title, "description": e.description} for e in examples()],
    }


def test_a_session_that_was_closed_is_not_found(tab: Tab) -> None:
    assert tab.request("POST", "/desk/alive").status_code == 200
    assert tab.request("DELETE", "/desk/sessions").json() == {}
    answer = tab.request("POST", "/desk/alive")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("This session has ended")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/desk/sessions"),
        ("POST", "/desk/alive"),
        ("POST", "/desk/study"),
        ("POST", "/desk/study/example"),
        ("GET", "/desk/pictures/0"),
        ("POST", "/desk/prior"),
        ("DELETE", "/desk/prior"),
        ("POST", "/desk/prior/example"),
        ("GET", "/desk/prior/pictures/0"),
        ("PUT", "/desk/report"),
        ("POST", "/desk/stop"),
        ("GET", "/desk/frames"),
        ("POST", "/desk/looked"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"X-Desk": ""}, {"X-Desk": "A" * 43}])
def test_nothing_is_done_without_a_session(site: Site, method: str, path: str, headers: dict[str, str]) -> None:
    answer = httpx.request(method, site.address + path[1:], headers=headers)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


# ---- studies


def test_an_example_opens_and_its_pixels_are_those_of_the_file(tab: Tab) -> None:
    described = tab.open_example("effusion")
    study = open_study(FOLDER / "effusion.dcm")
    (picture,) = described["pictures"]
    assert (picture["height"], picture["width"]) == study.pictures[0].values.shape
    assert described["facts"]["view"] == "PA"
    pixels = tab.request("GET", "/desk/pictures/0")
    values = np.frombuffer(pixels.content, f"<u{picture['bits'] // 8}").reshape(picture["height"], picture["width"])
    assert np.array_equal(values, study.pictures[0].values)


def test_each_example_has_a_thumbnail_that_needs_no_session(site: Site) -> None:
    for example in examples():
        answer = httpx.get(f"{site.address}desk/examples/{example.name}.jpg")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert httpx.get(f"{site.address}desk/examples/nobody.jpg").status_code == 404


def test_an_upload_is_opened_whatever_it_is_called_and_its_file_is_gone(
    tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    headers = {"X-File-Name": "M%C3%BCller%2F..%2F..%2Fetc%2Fpasswd"}
    answer = tab.request("POST", "/desk/study", headers=headers, content=(FOLDER / "effusion.dcm").read_bytes())
    assert answer.status_code == 200
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_study_is_refused_with_a_sentence_and_the_study_stays(tab: Tab) -> None:
    tab.open_example()
    before = tab.request("GET", "/desk/pictures/0").content
    answer = tab.request("POST", "/desk/study", content=b"This is a letter.")
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(".")
    assert tab.request("GET", "/desk/pictures/0").content == before


def test_an_unknown_example_and_an_unknown_picture_are_not_found(tab: Tab) -> None:
    assert tab.request("POST", "/desk/study/example", json={"name": "../secret"}).status_code == 404
    assert tab.request("GET", "/desk/pictures/0").status_code == 404
    tab.open_example()
    assert tab.request("GET", "/desk/pictures/1").status_code == 404
    assert tab.request("GET", "/desk/pictures/-1").status_code == 404


def test_a_prior_is_laid_beside_the_study_and_forgotten_when_it_is_closed(tab: Tab) -> None:
    prior = {"name": "child-pneumonia"}
    answer = tab.request("POST", "/desk/prior/example", json=prior)
    assert (answer.status_code, answer.json()["error"][:19]) == (422, "Open a study first.")
    tab.open_example("effusion")
    study = tab.request("GET", "/desk/pictures/0").content
    assert tab.request("POST", "/desk/prior/example", json=prior).status_code == 200
    beside = tab.request("GET", "/desk/prior/pictures/0")
    assert (beside.status_code, beside.content == study) == (200, False)
    assert tab.request("GET", "/desk/pictures/0").content == study
    assert tab.request("DELETE", "/desk/prior").json() == {}
    assert tab.request("GET", "/desk/prior/pictures/0").status_code == 404


def test_another_study_takes_the_former_ones_prior_away(tab: Tab) -> None:
    tab.open_example("effusion")
    content = (FOLDER / "effusion.dcm").read_bytes()
    assert tab.request("POST", "/desk/prior", content=content).status_code == 200
    assert tab.request("GET", "/desk/prior/pictures/0").status_code == 200
    tab.open_example("cardiomegaly")
    assert tab.request("GET", "/desk/prior/pictures/0").status_code == 404


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_an_upload_that_is_too_large_is_broken_off(
    announced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 2**16
            yield bytes(2**16)

    engine = ScriptedEngine()
    with launched(engine, study_limits=imaging.Limits(file_bytes=2**20)) as site, site.tab("tab") as tab:
        headers = {"Content-Length": str(1000 * 2**16)} if announced else {}
        try:
            answer = tab.request("POST", "/desk/study", headers=headers, content=chunks())
            assert (answer.status_code, answer.json()["error"]) == (413, "The request is too large.")
        except (httpx.WriteError, httpx.ReadError):
            # The server has hung up while the rest was still being sent.
            pass
        assert sent < 1000 * 2**16
        assert eventually(lambda: list(tmp_path.glob("drafting-*")) == [])


# ---- the report


def test_the_report_is_kept_and_an_older_version_refused(site: Site, tab: Tab) -> None:
    assert tab.put_report(3).json() == {"version": 3}
    stored = site.desk.sessions.find(tab.token).report
    assert [span.text for span in stored.spans] == [span["text"] for span in SPANS]
    assert tab.put_report(2).status_code == 409
    assert tab.put_report(3).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b"[]", 422),
        (b'{"version": 1}', 422),
        (b'{"version": 1, "spans": [{"id": "c1", "text": "x", "state": "ajar", "author": "model"}]}', 422),
        (b'{"version": 1, "spans": [], "indication": "' + b"x" * 3000 + b'"}', 413),
        (b" " * 5 * 2**20, 413),
    ],
)
def test_a_report_that_is_not_in_order_is_refused_with_a_sentence(tab: Tab, body: bytes, status: int) -> None:
    answer = tab.request("PUT", "/desk/report", content=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


# ---- drafts


def test_a_draft_streams_frames_and_ends_with_its_texts(site: Site, tab: Tab) -> None:
    tab.press_draft(version=4, seed=9)
    *frames, last = tab.messages()
    assert frames
    assert {message["kind"] for message in frames} == {"frame"}
    assert frames[-1]["step"] == 6
    assert list(frames[-1]["spans"]) == ["c2"]
    assert {message["run"] for message in (*frames, last)} == {last["run"]}
    assert {message["version"] for message in (*frames, last)} == {4}
    assert (last["kind"], last["texts"], last["stopped"], last["seed"]) == ("draft", {"c2": SENTENCE}, False, 9)
    report = site.desk.sessions.find(tab.token).report
    assert [span.text for span in report.spans] == [SPANS[0]["text"], SENTENCE]


def test_a_run_shows_at_most_fifteen_frames_a_second() -> None:
    with launched(ScriptedEngine(steps=200, seconds_a_step=0.005)) as site, site.tab("tab") as tab:
        tab.press_draft()
        *frames, last = tab.messages()
        assert last["steps"] == 200
        assert frames[-1]["step"] == 200
        assert 5 <= len(frames) <= 15 * 200 * 0.012


def test_stop_ends_the_run_with_the_frame_on_screen() -> None:
    with launched(ScriptedEngine(steps=500, seconds_a_step=0.02)) as site, site.tab("tab") as tab:
        tab.press_draft()
        messages = tab.messages()
        next(messages)
        tab.request("POST", "/desk/stop").raise_for_status()
        *_, frame, last = messages
        assert last["stopped"]
        assert last["steps"] < 500
        assert last["texts"]["c2"] == "".join(text for text, _, _ in frame["spans"]["c2"])


def test_a_second_draft_of_one_session_is_refused_with_a_sentence() -> None:
    with launched(ScriptedEngine(steps=500, seconds_a_step=0.02)) as site, site.tab("tab") as tab:
        tab.press_draft()
        assert eventually(lambda: site.desk.sessions.find(tab.token).is_drafting)
        other = replace(tab, hash="other")
        other.press_draft()
        (refused,) = other.messages()
        assert refused["kind"] == "error"
        assert "already" in refused["message"]
        tab.request("POST", "/desk/stop")


def test_sessions_draft_at_the_same_time_and_are_told_when_the_engine_is_busy() -> None:
    busy = threading.Event()

    def refuse(step: int) -> None:
        if busy.is_set() and step == 1:
            raise EngineBusyError("The model is busy with other drafts. Try again in a moment.")

    engine = ScriptedEngine(steps=500, seconds_a_step=0.02, before_step=refuse)
    with (
        launched(engine) as site,
        site.tab("first") as first,
        site.tab("second") as second,
        site.tab("third") as third,
    ):
        first.press_draft()
        second.press_draft()
        assert eventually(lambda: all(site.desk.sessions.find(tab.token).is_drafting for tab in (first, second)))
        time.sleep(0.2)
        busy.set()
        third.press_draft()
        (refused,) = third.messages()
        assert "busy" in refused["message"]
        for tab in (first, second):
            tab.request("POST", "/desk/stop")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (EngineError("The report has too many open spans."), "The report has too many open spans."),
        (ValueError("No pneumothorax."), "The draft failed. The report is unchanged. Try again."),
    ],
)
def test_an_engine_that_fails_is_a_sentence_on_screen(error: Exception, sentence: str) -> None:
    def fail(step: int) -> None:
        if step == 3:
            raise error

    with launched(ScriptedEngine(before_step=fail)) as site, site.tab("tab") as tab:
        tab.press_draft()
        *_, last = tab.messages()
        assert (last["kind"], last["message"]) == ("error", sentence)
        assert [span.text for span in site.desk.sessions.find(tab.token).report.spans] == [s["text"] for s in SPANS]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "not JSON"),
        ("{}", "not ask for a draft"),
        ('{"kind":"draft","token":"none","version":1,"spans":[],"seed":1}', "session has ended"),
    ],
)
def test_a_draft_that_is_not_asked_for_properly_is_a_sentence(tab: Tab, value: object, sentence: str) -> None:
    tab.send(value)
    (refused,) = tab.messages()
    assert sentence in refused["message"]


def test_a_draft_that_stood_in_line_starts_from_what_was_typed_meanwhile(site: Site, tab: Tab) -> None:
    typed = [SPANS[0] | {"text": "Typed meanwhile."}, SPANS[1]]
    tab.put_report(8, typed)
    tab.press_draft(version=7)
    *_, last = tab.messages()
    assert (last["kind"], last["version"]) == ("draft", 7)
    assert [span.text for span in site.desk.sessions.find(tab.token).report.spans] == ["Typed meanwhile.", SENTENCE]


def test_a_draft_that_another_tab_has_overtaken_is_refused_and_its_report_left_alone(site: Site, tab: Tab) -> None:
    others = [SPANS[0] | {"text": "The other tab's."}, SPANS[1]]
    body = {"version": 8, "writer": "other", "spans": others, "indication": ""}
    tab.request("PUT", "/desk/report", json=body).raise_for_status()
    for kind in ({"kind": "draft"}, {"kind": "alternatives", "span": "c2", "count": 2}):
        tab.press_draft(version=8, writer="mine", **kind)
        (refused,) = tab.messages()
        assert (refused["kind"], "Another tab" in refused["message"]) == ("error", True)
    report = site.desk.sessions.find(tab.token).report
    assert [span.text for span in report.spans] == ["The other tab's.", ""]


# ---- the end


def test_the_frames_of_the_last_run_are_there_and_one_goes_on_from_them(site: Site, tab: Tab) -> None:
    assert tab.request("GET", "/desk/frames").json() == {"run": None, "frames": []}
    tab.press_draft(version=4)
    *_, last = tab.messages()
    kept = tab.request("GET", "/desk/frames").json()
    assert [frame["step"] for frame in kept["frames"]] == [1, 2, 3, 4, 5, 6]
    drafted = [SPANS[0], SPANS[1] | {"text": last["texts"]["c2"]}]
    tab.press_draft(version=5, spans=drafted, start={"run": kept["run"], "step": 4})
    *frames, last = tab.messages()
    assert frames[0]["step"] > 4
    assert last["kind"] == "draft"
    tab.press_draft(version=6, start={"run": "d99", "step": 4})
    (refused,) = tab.messages()
    assert "no longer stored" in refused["message"]


def test_alternatives_and_answers_are_told_and_the_report_stays(site: Site, tab: Tab) -> None:
    tab.press_draft(kind="alternatives", span="c2", count=2, version=2)
    *_, last = tab.messages()
    assert [one["text"] for one in last["alternatives"]] == ["Alternative 0.", "Alternative 1."]
    assert 0 < last["alternatives"][1]["likelihood"] < last["alternatives"][0]["likelihood"] <= 1
    tab.open_example()
    tab.press_draft(kind="question", question="Is the heart enlarged?", version=3)
    *_, last = tab.messages()
    assert (last["kind"], last["text"], last["seed"]) == ("answer", SENTENCE, 1)
    assert [span.text for span in site.desk.sessions.find(tab.token).report.spans] == [span["text"] for span in SPANS]


def test_words_are_told_with_their_shares_and_only_of_the_newest_version(tab: Tab) -> None:
    spans = [{"id": "c9", "text": "A small nodule.", "state": "open", "author": "model"}]
    asked = {"kind": "words", "spans": spans, "span": "c9", "start": 2, "end": 7, "word": "small"}
    tab.press_draft(**asked, version=4)
    *_, last = tab.messages()
    assert (last["kind"], last["span"]) == ("words", "c9")
    assert last["words"][0] == {"text": "small", "probability": 0.625}
    tab.put_report(6)
    tab.press_draft(**asked, version=5)
    *_, refused = tab.messages()
    assert refused["kind"] == "error"
    assert "newer version" in refused["message"]


def test_the_templates_are_told_without_ids(tab: Tab) -> None:
    told = tab.request("GET", "/desk/templates").json()["templates"]
    assert told[0]["code"] == "normal"
    assert all(set(span) == {"text", "state", "author"} for template in told for span in template["spans"])


def test_opening_a_study_prepares_it_and_ending_the_session_releases_it() -> None:
    prepared = threading.Event()
    engine = ScriptedEngine(before_prepare=prepared.set)
    with launched(engine) as site, site.tab("tab") as tab:
        tab.open_example()
        assert prepared.wait(5)
        study = site.desk.sessions.find(tab.token).study
        tab.request("DELETE", "/desk/sessions").raise_for_status()
        assert study is not None
        assert study.id in engine.released


def test_a_silent_session_is_closed_without_anybody_asking() -> None:
    engine = ScriptedEngine()
    with launched(engine, limits=Limits(idle_seconds=1)) as site, site.tab("tab") as tab:
        tab.open_example()
        study = site.desk.sessions.find(tab.token).study
        assert study is not None
        assert eventually(lambda: study.id in engine.released)
        assert len(site.desk.sessions) == 0


def test_the_desk_starts_behind_a_proxy_that_does_not_know_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "hospital.example")
    with launched(ScriptedEngine()) as site, site.tab("tab") as tab:
        assert tab.request("POST", "/desk/alive").status_code == 200


def test_closing_the_desk_closes_every_session() -> None:
    engine = ScriptedEngine()
    with launched(engine) as site, site.tab("tab") as tab:
        tab.open_example()
        study = site.desk.sessions.find(tab.token).study
    assert study is not None
    assert study.id in engine.released
    assert len(site.desk.sessions) == 0


# ---- a page that is loaded again, and two pages with one report


def test_a_page_that_comes_back_finds_its_session_as_it_was() -> None:
    with launched(ScriptedEngine()) as site, site.tab("tab") as tab:
        described = tab.open_example("effusion")
        tab.put_report(3)
        tab.request("POST", "/desk/leave").raise_for_status()
        answer = tab.request("POST", "/desk/sessions").json()
        assert answer["token"] == tab.token
        held = answer["resumed"]
        assert (held["spans"], held["version"], held["cut_off"]) == (SPANS, 3, False)
        assert held["study"] == described
        assert held["prior"] is None
        assert len(site.desk.sessions) == 1


def test_a_page_that_is_left_sends_its_newest_words_along() -> None:
    with launched(ScriptedEngine(), limits=Limits(return_seconds=0.1)) as site, site.tab("tab") as tab:
        tab.put_report(3)
        newest = [SPANS[0] | {"text": "The newest words."}, *SPANS[1:]]
        message = {"version": 4, "writer": "", "spans": newest, "indication": "cough"}
        tab.request("POST", "/desk/leave", json=message).raise_for_status()
        held = tab.request("POST", "/desk/sessions").json()["resumed"]
        assert (held["spans"], held["version"], held["indication"]) == (newest, 4, "cough")
        # What is older than what the desk has is refused, and the page is left all the same.
        assert tab.request("POST", "/desk/leave", json=message | {"version": 2}).status_code == 409
        time.sleep(0.2)
        assert "resumed" not in tab.request("POST", "/desk/sessions").json()


def test_a_page_that_comes_back_too_late_begins_anew() -> None:
    with launched(ScriptedEngine(), limits=Limits(return_seconds=0.1)) as site, site.tab("tab") as tab:
        tab.put_report(3)
        tab.request("POST", "/desk/leave").raise_for_status()
        time.sleep(0.2)
        answer = tab.request("POST", "/desk/sessions").json()
        assert answer["token"] != tab.token
        assert "resumed" not in answer
        assert tab.request("GET", "/desk/report").status_code == 404


def test_a_page_that_is_left_in_the_middle_of_a_run_is_told_once_that_it_was_cut_off() -> None:
    with launched(ScriptedEngine(steps=200, seconds_a_step=0.02)) as site, site.tab("tab") as tab:
        tab.press_draft()
        messages = tab.messages()
        next(messages)
        tab.request("POST", "/desk/leave").raise_for_status()
        messages.close()
        assert eventually(lambda: tab.request("POST", "/desk/sessions").json()["resumed"]["cut_off"])
        held = tab.request("GET", "/desk/report").json()
        assert (held["cut_off"], held["drafting"]) == (False, False)
        assert [span.text for span in site.desk.sessions.find(tab.token).report.spans] == [s["text"] for s in SPANS]


def test_what_another_page_has_written_is_not_overwritten_unseen(tab: Tab) -> None:
    def put(version: int, writer: str) -> int:
        body = {"version": version, "writer": writer, "spans": SPANS, "indication": ""}
        return tab.request("PUT", "/desk/report", json=body).status_code

    assert [put(1, "first"), put(2, "second")] == [200, 200]
    assert put(2, "first") == 409
    # The answer to an earlier try was lost on the way.
    assert put(2, "second") == 200
    assert tab.request("POST", "/desk/alive").json() == {"version": 2, "writer": "second"}
    assert put(3, "first") == 200


@pytest.mark.parametrize("writer", [None, 7, "a b", "x" * 33, "<script>"])
def test_a_page_may_not_call_itself_anything(tab: Tab, writer: object) -> None:
    body = {"version": 1, "writer": writer, "spans": SPANS, "indication": ""}
    assert tab.request("PUT", "/desk/report", json=body).status_code == 422


# ---- where the model looked


def test_where_the_model_looked_is_told_for_the_version_that_the_page_has(site: Site, tab: Tab) -> None:
    text = "The heart is normal. No effusion."
    tab.put_report(3, [{"id": "c1", "text": text, "state": "open", "author": "model"}])
    asked = {"span": "c1", "part": [21, 33], "version": 3, "writer": ""}
    without = tab.request("POST", "/desk/looked", json=asked)
    assert (without.status_code, "open a study" in without.json()["error"]) == (422, True)
    tab.open_example()
    looked = tab.request("POST", "/desk/looked", json=asked)
    assert looked.status_code == 200
    assert looked.json() == {"weights": [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0.25, 0]], "share": 0.2}
    for other in ({"version": 2}, {"version": 4}, {"writer": "another"}):
        assert tab.request("POST", "/desk/looked", json=asked | other).status_code == 409
    for wrong in ({"span": 7}, {"part": [1]}, {"part": ["a", 2]}, {"part": [-1, 2]}, {"version": None}):
        assert tab.request("POST", "/desk/looked", json=asked | wrong).status_code == 422
    nobody = tab.request("POST", "/desk/looked", json=asked | {"span": "c9"})
    assert nobody.json() == {"error": "The model wrote no text here."}


def test_a_prior_is_told_to_a_page_that_comes_back(tab: Tab) -> None:
    tab.open_example("effusion")
    prior = tab.request("POST", "/desk/prior/example", json={"name": "no-finding"}).json()
    assert tab.request("GET", "/desk/report").json()["prior"] == prior
    tab.request("DELETE", "/desk/prior")
    assert tab.request("GET", "/desk/report").json()["prior"] is None


# ---- a former study


def test_nothing_of_a_former_study_is_reachable_after_another_is_opened(site: Site, tab: Tab) -> None:
    tab.open_example("effusion")
    tab.request("POST", "/desk/prior/example", json={"name": "cardiomegaly"}).raise_for_status()
    former = [tab.request("GET", path).content for path in ("/desk/pictures/0", "/desk/prior/pictures/0")]
    spans = [SPANS[0] | {"text": "Written of the former."}, SPANS[1]]
    tab.press_draft(spans=spans, indication="former indication", version=3)
    list(tab.messages())
    tab.press_draft(kind="question", question="Of the former?", spans=spans, indication="former indication", version=4)
    list(tab.messages())
    kept = tab.request("GET", "/desk/frames").json()["run"]
    assert kept
    tab.request("POST", "/desk/study/example?report=clear", json={"name": "no-finding"}).raise_for_status()
    held = tab.request("GET", "/desk/report").json()
    assert (held["spans"], held["indication"], held["prior"], held["cut_off"]) == ([], "", None, False)
    assert tab.request("GET", "/desk/prior/pictures/0").status_code == 404
    assert tab.request("GET", "/desk/pictures/0").content not in former
    assert tab.request("GET", "/desk/frames").json() == {"run": None, "frames": []}
    tab.press_draft(version=9, start={"run": kept, "step": 2})
    (refused,) = tab.messages()
    assert "no longer stored" in refused["message"]
    asked = {"span": "c2", "part": None, "version": 9, "writer": ""}
    assert "former" not in tab.request("POST", "/desk/looked", json=asked).text
    tab.request("PUT", "/desk/report", json={"version": 10, "spans": SPANS, "indication": ""}).raise_for_status()
    assert "former" not in tab.request("GET", "/desk/report").text


def test_a_run_on_the_former_study_shows_nothing_after_another_is_opened() -> None:
    go_on, under_way = threading.Event(), threading.Event()

    def wait(step: int) -> None:
        if step == 2:
            under_way.set()
            go_on.wait(30)

    with launched(ScriptedEngine(steps=6, before_step=wait)) as site, site.tab() as tab:
        tab.open_example("effusion")
        tab.press_draft(version=2)
        assert under_way.wait(10)
        tab.open_example("no-finding")
        go_on.set()
        *_, last = tab.messages()
        assert last["kind"] == "error"
        assert SENTENCE not in tab.request("GET", "/desk/report").text


@pytest.mark.parametrize("path", ["/desk/study?report=burn", "/desk/study/example?report="])
def test_a_report_is_kept_or_cleared_with_a_new_study(tab: Tab, path: str) -> None:
    assert tab.request("POST", path, json={"name": "effusion"}).status_code == 422


# ---- places


def test_a_page_that_is_gone_makes_room_for_another() -> None:
    with launched(ScriptedEngine(), limits=Limits(sessions=1)) as site, site.tab() as tab:
        tab.open_example()
        assert httpx.post(f"{site.address}desk/sessions").status_code == 503
        with httpx.stream("GET", f"{site.address}desk/here", headers=tab.headers, timeout=20) as here:
            next(here.iter_bytes())
            assert httpx.post(f"{site.address}desk/sessions").status_code == 503
        assert eventually(lambda: httpx.post(f"{site.address}desk/sessions").status_code == 200)
        assert tab.request("POST", "/desk/alive").status_code == 404


def test_a_page_that_is_loaded_again_keeps_its_place() -> None:
    with launched(ScriptedEngine(), limits=Limits(sessions=1, return_seconds=0.2)) as site, site.tab() as tab:
        tab.open_example()
        here = f"{site.address}desk/here"
        with httpx.stream("GET", here, headers=tab.headers, timeout=20) as anew:
            next(anew.iter_bytes())
            with httpx.stream("GET", here, headers=tab.headers, timeout=20) as former:
                next(former.iter_bytes())
            assert not eventually(lambda: site.desk.sessions.find(tab.token).was_left, 1.5)


# ---- work that holds nobody else up


def test_a_report_that_takes_long_to_check_holds_nobody_else_up(
    site: Site, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, checking = threading.Event(), threading.Event()
    check = wire.parse_object

    def slowly(body: object) -> dict[str, object]:
        checking.set()
        go_on.wait(30)
        return check(body)

    monkeypatch.setattr(wire, "parse_object", slowly)
    saving = threading.Thread(target=tab.put_report, args=(3,))
    saving.start()
    assert checking.wait(10)
    with site.tab() as other:
        assert other.request("POST", "/desk/alive").status_code == 200
    go_on.set()
    saving.join(10)
    assert site.desk.sessions.find(tab.token).version == 3


def test_a_report_with_too_many_spans_is_refused_before_any_of_them_is_looked_at(tab: Tab) -> None:
    answer = tab.put_report(3, [{"no": "span"}] * 2001)
    assert (answer.status_code, answer.json()["error"]) == (413, "The report has more than 2,000 spans.")


def test_a_file_that_cannot_be_stored_is_said_to_be(
    tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    answer = tab.request("POST", "/desk/study", content=b"x")
    assert answer.status_code == 507
    assert "temporary folder: No such file or directory" in answer.json()["error"]
    assert str(tmp_path) not in answer.text
    assert "cannot write to its temporary folder" in caplog.text
