"""What may be put into Gradio's queue, and what becomes of streams that nobody reads."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from drafting.desk.session import Limits
from drafting.ui.readers import UNREAD
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import SPANS, Site, Tab, eventually, launched


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with launched(ScriptedEngine(steps=3)) as site:
        yield site


@pytest.fixture
def tab(site: Site) -> Iterator[Tab]:
    with site.tab() as tab:
        yield tab


def file_at(address: str) -> dict[str, Any]:
    """What Gradio takes for one of its files, and fetches."""
    return {"path": address, "url": address, "orig_name": "x.png", "meta": {"_type": "gradio.FileData"}}


# ---- what may enter


WRONG = [None, True, 7, 1.5, [], {}, [["x"]], {"x": 1}, "x" * 65, "a b", "", "é", "\ud800"]


@pytest.mark.parametrize("field", ["data", "fn_index", "session_hash"])
@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_a_body_that_is_not_in_order_is_refused_with_a_sentence_and_opens_no_stream(
    site: Site, tab: Tab, field: str, value: object
) -> None:
    answer = tab.http.post(
        "/gradio_api/queue/join",
        headers={"Content-Type": "application/json"},
        content=json.dumps({"data": ["{}"], "fn_index": tab.endpoint, "session_hash": "s"} | {field: value}),
    )
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert len(site.desk.page._queue) == 0
    assert not site.desk.page._queue.event_ids_to_events


@pytest.mark.parametrize("number", [-1, 99, 2**70, "0", 0.0, False, [0]])
def test_the_number_of_an_endpoint_is_a_number_of_one(tab: Tab, number: object) -> None:
    assert tab.join(fn_index=number).status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"7", b'"x"', b"\xff\xfe", b"[" * 200_000, b'{"data": 1e999}', b"1" * 5000],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_not_an_object_is_refused_with_a_sentence(tab: Tab, body: bytes) -> None:
    answer = tab.http.post("/gradio_api/queue/join", content=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("query", ["", "session_hash=", "session_hash=a&session_hash=b", "session_hash=%ff", "x=y"])
def test_a_stream_without_a_proper_name_is_refused(tab: Tab, query: str) -> None:
    assert tab.http.get(f"/gradio_api/queue/data?{query}").status_code == 400


def test_what_gradio_is_given_beside_the_values_is_left_behind(tab: Tab) -> None:
    answer = tab.join(
        event_data=file_at("http://127.0.0.1:1/x"), trigger_id="x", batched="x", event_id=7, oauth_token={"a": 1}
    )
    assert answer.status_code == 200
    (refused,) = tab.messages()
    assert refused["kind"] == "error"


# ---- the server fetches nothing


@pytest.fixture
def nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the process tried to reach that is not its own server: by connecting, or by asking for a name."""
    tried: list[Any] = []
    connect, asked = socket.socket.connect, socket.getaddrinfo

    def watched_connect(self: socket.socket, address: Any) -> Any:
        tried.append(address)
        return connect(self, address)

    def watched_names(host: Any, *rest: Any, **more: Any) -> Any:
        if host not in ("127.0.0.1", "localhost", None):
            tried.append(host)
        return asked(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", watched_connect)
    monkeypatch.setattr(socket, "getaddrinfo", watched_names)
    return tried


def test_no_address_in_a_value_is_ever_fetched(site: Site, nothing_leaves: list[Any]) -> None:
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.listen()
        elsewhere.settimeout(0.2)
        address = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/secret"
        nothing_leaves.clear()
        with site.tab() as tab:
            endpoints = range(len(site.desk.page.fns) + 1)
            for value in (file_at(address), [file_at(address)], {"x": file_at("http://name.invalid/x")}, address):
                for endpoint in endpoints:
                    for data in ([value], [value, ""], [value, "", "", 0, 0]):
                        answer = tab.join(data=data, fn_index=endpoint)
                        if answer.status_code == 200:
                            # A string is only a string.
                            assert isinstance(value, str)
                            list(tab.messages())
                        else:
                            assert answer.status_code == 400
        with pytest.raises(TimeoutError):
            elsewhere.accept()
        own = httpx.URL(site.address).port
        assert [one for one in nothing_leaves if one != ("127.0.0.1", own)] == []


# ---- streams that nobody reads


def waiting_messages(site: Site) -> int:
    queues = site.desk.page._queue.pending_messages_per_session
    return sum(queue.qsize() for queue in queues.values())


def test_no_more_than_a_few_messages_wait_for_a_reader_who_does_not_come() -> None:
    seen = threading.Event()

    def watch(step: int) -> None:
        if step == 400:
            seen.set()

    # Long frames, of which a thousand would be many megabytes.
    engine = ScriptedEngine(steps=401, seconds_a_step=0.005, before_step=watch)
    with launched(engine) as site, site.tab() as tab:
        tab.press_draft()
        assert seen.wait(30)
        # The place in line, the beginning, and what a reader may be behind.
        assert waiting_messages(site) <= UNREAD + 3


def test_a_run_without_a_reader_ends_and_is_forgotten() -> None:
    engine = ScriptedEngine(steps=100_000, seconds_a_step=0.002)
    with launched(engine, limits=Limits(silence_seconds=0.3)) as site, site.tab() as tab:
        tab.press_draft()
        assert engine.closed.wait(20)
        session = site.desk.sessions.find(tab.token)
        assert eventually(lambda: not session.is_drafting)
        assert eventually(lambda: tab.hash not in site.desk.page._queue.pending_messages_per_session)
        assert not site.desk.page._queue.pending_event_ids_session


def test_the_last_words_of_a_run_that_nobody_fetches_are_forgotten() -> None:
    with launched(ScriptedEngine(steps=2), limits=Limits(silence_seconds=0.3)) as site, site.tab() as tab:
        tab.press_draft()
        assert eventually(lambda: waiting_messages(site) > 0)
        assert eventually(lambda: tab.hash not in site.desk.page._queue.pending_messages_per_session)


def test_after_a_hundred_broken_streams_the_same_page_still_gets_drafts() -> None:
    engine = ScriptedEngine(steps=100_000, seconds_a_step=0.001)
    with launched(engine) as site, site.tab() as tab:
        session = site.desk.sessions.find(tab.token)
        for number in range(100):
            one = Tab(tab.http, tab.token, f"stream{number}", tab.endpoint)
            one.press_draft()
            messages = one.messages()
            assert next(messages)["kind"] == "frame"
            messages.close()
            assert eventually(lambda: not session.is_drafting)
        engine.steps = 3
        tab.press_draft()
        *_, last = tab.messages()
        assert last["kind"] == "draft"
        queue = site.desk.page._queue
        assert eventually(lambda: not queue.pending_event_ids_session and not queue.event_ids_to_events)
        assert not queue.pending_messages_per_session
        assert not site.desk.page.state_holder.session_data
        assert [thread.name for thread in threading.enumerate()].count("draft") == 0


def test_a_broken_stream_frees_its_page_although_the_engine_has_nothing_to_say() -> None:
    """The reader's going is seen at once, not with the next frame."""
    go_on, stuck = threading.Event(), threading.Event()

    def wait(step: int) -> None:
        if step == 2:
            stuck.set()
            go_on.wait(30)

    with launched(ScriptedEngine(steps=5, before_step=wait)) as site, site.tab() as tab:
        tab.press_draft()
        messages = tab.messages()
        next(messages)
        assert stuck.wait(10)
        messages.close()
        assert eventually(lambda: not site.desk.page._queue.event_ids_to_events)
        assert not site.desk.page._queue.pending_messages_per_session
        go_on.set()
        assert eventually(lambda: not site.desk.sessions.find(tab.token).is_drafting)


def test_a_slow_reader_gets_new_frames_and_the_end() -> None:
    with launched(ScriptedEngine(steps=300, seconds_a_step=0.005)) as site, site.tab() as tab:
        tab.press_draft()
        steps = []
        for message in tab.messages():
            if message["kind"] == "frame":
                steps.append(message["step"])
        assert message["kind"] == "draft"
        assert message["texts"] == {"c2": "The heart is normal in size."}
        assert steps == sorted(set(steps))
        assert steps[-1] == 300
        assert SPANS[0]["text"] == site.desk.sessions.find(tab.token).report.spans[0].text
