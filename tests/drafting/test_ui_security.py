"""What must not happen to a patient's data, tried on a really launched app."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from drafting.desk.examples import FOLDER
from drafting.desk.session import Limits
from drafting.ui.security import POLICY
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import SPANS, Site, Tab, eventually, launched

SECRET = "Mrs Pappenheimer has no pneumothorax."
SECRET_SPANS: list[dict[str, Any]] = [SPANS[0] | {"text": SECRET}, SPANS[1]]


@pytest.fixture(scope="module")
def engine() -> ScriptedEngine:
    return ScriptedEngine(steps=3)


@pytest.fixture(scope="module")
def site(engine: ScriptedEngine) -> Iterator[Site]:
    with launched(engine) as site:
        yield site


@pytest.fixture
def tab(site: Site, request: pytest.FixtureRequest) -> Iterator[Tab]:
    with site.tab(re.sub(r"\W", "_", request.node.name, flags=re.ASCII)[:64]) as tab:
        yield tab


def kept_by_gradio(site: Site) -> str:
    """All that Gradio remembers of its tabs and of messages that nobody fetched."""
    page = site.desk.page
    states = {tab: state.config_values for tab, state in page.state_holder.session_data.items()}
    queued = [list(queue._queue) for queue in page._queue.pending_messages_per_session.values()]  # type: ignore[attr-defined]
    return repr((states, queued, page.pending_diff_streams, page._queue.event_ids_to_events, page.config))


def known_to_gradio(site: Site) -> set[str]:
    """The streams of which Gradio remembers anything."""
    page = site.desk.page
    queue = page._queue
    waiting = set(queue.pending_messages_per_session) | set(queue.pending_event_ids_session)
    return waiting | set(page.state_holder.session_data) | set(page.state_holder.time_last_used)


# ---- who is let in


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("GET", "/gradio_api/upload_progress?upload_id=x"),
        ("GET", "/gradio_api/file=app.py"),
        ("GET", "/gradio_api/file/app.py"),
        ("GET", "/gradio_api/proxy=https://x.hf.space/"),
        ("GET", "/gradio_api/deep_link?session_hash=tab"),
        ("GET", "/gradio_api/dev/reload"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/gradio_api/queue/status"),
        ("GET", "/gradio_api/vibe-code"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/run/draft"),
        ("POST", "/gradio_api/api/draft"),
        ("POST", "/gradio_api/call/draft"),
        ("GET", "/gradio_api/call/draft/id"),
        ("POST", "/gradio_api/cancel"),
        ("POST", "/gradio_api/reset"),
        ("GET", "/gradio_api/stream/tab/run/1/playlist-file"),
        ("GET", "/gradio_api/custom_component/x/client/component/y.js"),
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("POST", "/login"),
        ("GET", "/workstation/../gradio_api/runs"),
        ("GET", "/assets/index.js"),
        ("GET", "/svelte/svelte.js"),
        ("GET", "/theme.css"),
        ("GET", "/gradio_api/heartbeat/tab"),
        ("GET", "/gradio_api/app_id"),
        ("POST", "/gradio_api/call/v2/draft"),
        ("POST", "/"),
        ("PUT", "/config"),
    ],
)
def test_what_the_page_does_not_need_is_shut(site: Site, method: str, path: str) -> None:
    answer = httpx.request(method, site.address.rstrip("/") + path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "Not found."}


ELSEWHERE = [
    "https://elsewhere.example",
    "null",
    "",
    "http://127.0.0.1:1",
    "http://localhost",
    "http://localhost:{port}.example",
    "http://evil@127.0.0.1",
    "http://evil@127.0.0.1:{port}",
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#x",
    "ftp://127.0.0.1:{port}",
    "//127.0.0.1:{port}",
    "http://127.0.0.1:{port}, http://elsewhere.example",
]


@pytest.mark.parametrize("origin", ELSEWHERE)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "desk/sessions"),
        ("POST", "gradio_api/queue/join"),
        ("GET", "desk/pictures/0"),
        ("OPTIONS", "gradio_api/queue/join"),
        ("GET", ""),
        ("GET", "config"),
    ],
)
def test_requests_from_other_sites_are_refused(site: Site, method: str, path: str, origin: str) -> None:
    headers = {"Origin": origin.format(port=httpx.URL(site.address).port), "Access-Control-Request-Method": "POST"}
    answer = httpx.request(method, site.address + path, headers=headers)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("path", ["", "config", "gradio_api/info", "desk/nothing", "nothing"])
def test_not_even_the_page_itself_is_told_that_other_sites_may_read(site: Site, path: str) -> None:
    answer = httpx.get(site.address + path, headers={"Origin": site.address.rstrip("/")})
    assert answer.status_code in (200, 404)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_requests_from_the_page_itself_are_let_in(site: Site) -> None:
    answer = httpx.post(f"{site.address}desk/sessions", headers={"Origin": site.address.rstrip("/")})
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["rebound.example", "rebound.example:7860", "127.0.0.1.rebound.example"])
def test_on_this_machine_only_its_own_names_are_answered(site: Site, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert httpx.post(f"{site.address}desk/sessions", headers=headers).status_code == 403
    assert httpx.get(site.address, headers=headers).status_code == 403


def test_behind_a_proxy_the_name_in_the_address_bar_is_the_page_itself() -> None:
    with launched(ScriptedEngine(), server_name="0.0.0.0", public_host="someone-drafting.hf.space") as site:
        for origin, status in (("https://someone-drafting.hf.space", 200), ("https://elsewhere.example", 403)):
            headers = {"Host": "internal:7860", "Origin": origin}
            assert httpx.post(f"{site.address}desk/sessions", headers=headers).status_code == status


def test_the_pixels_of_one_session_are_not_another_sessions(site: Site, tab: Tab) -> None:
    tab.open_example()
    assert tab.request("GET", "/desk/pictures/0").status_code == 200
    with site.tab("stranger") as stranger:
        assert stranger.request("GET", "/desk/pictures/0").status_code == 404
    assert tab.http.get("/desk/pictures/0").status_code == 404
    assert tab.http.get(f"/desk/pictures/0?token={tab.token}").status_code == 404


def test_the_messages_of_one_tab_are_not_sent_to_another(tab: Tab) -> None:
    tab.press_draft(spans=SECRET_SPANS)
    stranger = tab.http.get("/gradio_api/queue/data?session_hash=nobody")
    assert stranger.status_code == 404
    assert SECRET not in stranger.text
    list(tab.messages())


# ---- what every answer carries


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "config"),
        ("GET", "workstation/none"),
        ("GET", "nothing"),
        ("GET", "desk/nothing"),
        ("POST", "desk/sessions"),
        ("GET", "desk/sessions"),
        ("GET", "desk/examples/effusion.jpg"),
        ("GET", "desk/pictures/0"),
        ("POST", "gradio_api/queue/join"),
        ("GET", "gradio_api/upload"),
    ],
)
def test_every_answer_carries_the_security_headers(site: Site, method: str, path: str) -> None:
    headers = httpx.request(method, site.address + path).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in headers["permissions-policy"]
    if path.startswith(("desk/", "gradio_api/")):
        assert headers["cache-control"] == "no-store"


def test_the_policy_lets_no_script_in_but_the_bundle() -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in POLICY.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert "unsafe-eval" not in POLICY


def test_only_a_page_that_the_operator_names_may_frame_this_one(site: Site) -> None:
    assert httpx.get(site.address).headers["content-security-policy"].endswith("frame-ancestors 'self'")
    with launched(ScriptedEngine(), framed_by=("https://huggingface.co",)) as other:
        policy = httpx.get(other.address).headers["content-security-policy"]
    assert policy.endswith("frame-ancestors 'self' https://huggingface.co")


def test_the_bundle_is_kept_by_the_browser_under_a_name_that_changes_with_it(site: Site) -> None:
    page = httpx.get(site.address).text
    addresses = [part for part in page.split('"') if part.startswith("workstation/")]
    assert len(addresses) == 2
    for address in addresses:
        answer = httpx.get(site.address + address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert httpx.get(f"{site.address}workstation/0000/workstation.js").status_code == 404


def test_the_page_is_one_document_without_scripts_or_addresses_of_its_own(site: Site) -> None:
    page = httpx.get(site.address)
    assert page.headers["content-type"].startswith("text/html")
    assert "://" not in page.text
    assert page.text.count("<script") == 1
    assert "></script>" in page.text


# ---- what Gradio is told to leave off


def test_gradio_keeps_no_history_sends_no_analytics_and_shows_no_links(site: Site) -> None:
    config = httpx.get(f"{site.address}config").json()
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False
    assert config["footer_links"] == []
    assert config["show_error"] is False
    assert config.get("enable_monitoring", False) is False
    page = site.desk.page
    assert (page.share, page.pwa, page.ssr_mode, page.enable_monitoring) == (False,) * 4
    assert page.mcp_server is site.desk.has_tools
    assert page.max_file_size == 128 * 2**20
    assert page.state_session_capacity == 64


def test_the_environment_cannot_turn_on_what_must_stay_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRADIO_SHARE", "GRADIO_RUN_HISTORY", "GRADIO_MCP_SERVER", "GRADIO_SSR_MODE"):
        monkeypatch.setenv(name, "True")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "True")
    monkeypatch.setenv("GRADIO_NUM_WORKERS", "2")
    with launched(ScriptedEngine()) as site:
        page = site.desk.page
        assert (page.share, page.run_history, page.ssr_mode) == (False,) * 3
        assert page.mcp_server is site.desk.has_tools
        assert page.analytics_enabled is False


# ---- what is forgotten


def test_gradio_keeps_no_report_after_a_run(site: Site, tab: Tab) -> None:
    tab.press_draft(spans=SECRET_SPANS)
    *_, last = tab.messages()
    assert last["kind"] == "draft"
    assert eventually(lambda: SECRET not in kept_by_gradio(site))
    assert eventually(lambda: last["texts"]["c2"] not in kept_by_gradio(site))


def test_gradio_keeps_nothing_of_a_stream_that_was_read_to_its_end(site: Site, tab: Tab) -> None:
    tab.press_draft(spans=SECRET_SPANS)
    list(tab.messages())
    assert eventually(lambda: tab.hash not in known_to_gradio(site))


def test_messages_that_nobody_fetched_are_forgotten_with_the_session(site: Site, tab: Tab) -> None:
    tab.press_draft(spans=SECRET_SPANS)
    assert eventually(lambda: "process_completed" in kept_by_gradio(site) or '"kind":"frame"' in kept_by_gradio(site))
    tab.request("DELETE", "/desk/sessions")
    assert eventually(lambda: tab.hash not in known_to_gradio(site))
    assert '"kind"' not in kept_by_gradio(site)


def test_a_tab_that_goes_away_takes_its_session_along() -> None:
    engine = ScriptedEngine()
    limits = Limits(idle_seconds=10, return_seconds=0.3)
    with launched(engine, limits=limits) as site, site.tab("stream") as tab:
        tab.open_example()
        study = site.desk.sessions.find(tab.token).study
        tab.press_draft(spans=SECRET_SPANS)
        list(tab.messages())
        # The page holds this connection open for as long as it is there.
        with httpx.stream("GET", f"{site.address}desk/here", headers=tab.headers, timeout=20) as here:
            next(here.iter_bytes())
        assert study is not None
        assert eventually(lambda: study.id in engine.released)
        assert len(site.desk.sessions) == 0
        assert tab.request("POST", "/desk/alive").status_code == 404
        assert tab.hash not in known_to_gradio(site)
        assert SECRET not in kept_by_gradio(site)


@pytest.mark.parametrize("gone", ["stream", "session"])
def test_a_tab_that_goes_away_in_the_middle_of_a_run_leaves_no_error_behind(
    gone: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    engine = ScriptedEngine(steps=200, seconds_a_step=0.02)
    with launched(engine) as site, site.tab("stream") as tab:
        tab.press_draft(spans=SECRET_SPANS)
        messages = tab.messages()
        next(messages)
        if gone == "stream":
            messages.close()
        else:
            tab.request("DELETE", "/desk/sessions").raise_for_status()
        assert engine.closed.wait(10)
        assert eventually(lambda: not site.desk.page._queue.event_ids_to_events)
    printed = "".join(capfd.readouterr()) + caplog.text
    assert "Error" not in printed
    assert SECRET not in printed


# ---- what is said in errors and logs


def test_no_error_shows_how_the_program_works(site: Site, tab: Tab) -> None:
    answers = [
        tab.request("PUT", "/desk/report", content=b'{"version": 1, "spans": [{"id": {}}]}'),
        tab.request("POST", "/desk/study", content=b"\x00" * 200),
        tab.request("PATCH", "/desk/report"),
        tab.http.get("/desk/pictures/x"),
        tab.http.post("/gradio_api/queue/join", content=b"{"),
        tab.http.post("/gradio_api/queue/join", json={"data": [], "fn_index": 99, "session_hash": "x"}),
        tab.http.post("/gradio_api/queue/join", json={"data": [], "fn_index": 0}),
        tab.http.get("/gradio_api/queue/data"),
    ]
    for answer in answers:
        assert answer.status_code >= 400
        answer.json()
        assert "Traceback" not in answer.text
        assert ".py" not in answer.text


def test_nothing_of_a_report_is_logged_or_printed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(step: int) -> None:
        if step == 2:
            raise ValueError(SECRET)

    def fail_to_prepare() -> None:
        raise ValueError(SECRET)

    with (
        caplog.at_level(logging.DEBUG),
        launched(ScriptedEngine(before_step=fail, before_prepare=fail_to_prepare)) as site,
        site.tab("tab") as tab,
    ):
        tab.open_example()
        tab.request("POST", "/desk/study", headers={"X-File-Name": "Pappenheimer.dcm"}, content=b"Pappenheimer")
        tab.put_report(1, SECRET_SPANS)
        tab.put_report(1, [SECRET_SPANS[0], SECRET_SPANS[0]])
        for sent in (json.dumps({"kind": "draft", "spans": SECRET}), SECRET):
            tab.send(sent)
            list(tab.messages())
        for sent in ([SECRET], {"path": SECRET}):
            assert tab.join(data=[sent]).status_code == 400
        tab.press_draft(spans=SECRET_SPANS)
        *_, last = tab.messages()
        assert last["kind"] == "error"
        printed = "".join(capfd.readouterr())
    assert "Pappenheimer" not in caplog.text + printed
    assert "ValueError" in caplog.text
    assert tab.token not in caplog.text + printed


def test_the_server_logs_no_requests(site: Site, tab: Tab, capfd: pytest.CaptureFixture[str]) -> None:
    tab.put_report(1)
    tab.request("POST", "/desk/study", content=(FOLDER / "no-finding.png").read_bytes())
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("uvicorn.access").isEnabledFor(logging.INFO)


# ---- what held under attack, and must hold on


@pytest.mark.parametrize(
    "path",
    [
        "/workstation/../app.py",
        "/workstation/%2e%2e/%2e%2e/app.py",
        "/workstation/..%2f..%2fapp.py",
        "/workstation//etc/passwd",
        "/desk/examples/../../../app.py",
        "/desk/examples/%2e%2e%2f%2e%2e%2fapp.jpg",
        "/desk/examples/..%5c..%5capp.jpg",
        "/desk/pictures/..%2f..%2f0",
        "//etc/passwd",
        "/%00",
    ],
)
def test_no_path_leads_out_of_what_is_served(site: Site, tab: Tab, path: str) -> None:
    url = httpx.URL(site.address)
    with socket.create_connection((url.host, url.port), timeout=20) as client:
        # Written by hand: a client would tidy the path up.
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Desk: {tab.token}\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode())
        answer = b""
        while part := client.recv(2**16):
            answer += part
    assert answer.split()[1] in (b"404", b"400")
    assert b"root:" not in answer
    assert b"argparse" not in answer


def test_no_token_opens_another_session(site: Site, tab: Tab) -> None:
    tab.open_example()
    tab.put_report(1, SECRET_SPANS)
    token = tab.token
    near = [token[:-1], token + "A", token.swapcase(), token[::-1], token.lower(), "*", "%", "."]
    for guess in near:
        for method, path in (("GET", "report"), ("GET", "pictures/0"), ("GET", "frames"), ("GET", "here")):
            answer = httpx.request(method, f"{site.address}desk/{path}", headers={"X-Desk": guess})
            assert answer.status_code == 404
            assert SECRET not in answer.text


def test_locked_text_comes_back_byte_for_byte_from_many_rounds(site: Site, tab: Tab) -> None:
    nasty = [
        "\r\n\r",
        "\ufffc\u2028\u2029\x85",
        "<script>alert(1)</script>",
        "\x00\x1b[2J",
        "\u202e\u200d\ufeff",
        "🩻" * 9,
    ]
    for version in range(1, 41):
        locked = nasty[version % len(nasty)] * (1 + version % 3)
        spans = [
            {"id": "a", "text": locked, "state": "locked", "author": "radiologist"},
            {"id": "b", "text": "", "state": "open", "author": "model"},
            {"id": "c", "text": locked[::-1], "state": "locked", "author": "radiologist"},
        ]
        tab.press_draft(spans=spans, version=2 * version)
        *_, last = tab.messages()
        assert last["kind"] == "draft"
        held = tab.request("GET", "/desk/report").json()["spans"]
        assert [held[0]["text"], held[2]["text"]] == [locked, locked[::-1]]
        assert [held[0]["state"], held[2]["state"]] == ["locked", "locked"]
