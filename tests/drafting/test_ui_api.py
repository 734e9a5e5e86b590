"""The drafting API as a program calls it: with Gradio's own client, and as tools over MCP."""

from __future__ import annotations

import ast
import asyncio
import base64
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from drafting.desk.examples import FOLDER
from drafting.desk.session import Limits
from tests.drafting.scripted_engine import WORDS, ScriptedEngine
from tests.drafting.web import Site, eventually, launched

SENTENCE = "".join(WORDS)
LOCKED = "No pneumothorax.\r\n\tΩ \u2028"


@pytest.fixture(scope="module")
def engine() -> ScriptedEngine:
    return ScriptedEngine(steps=6)


@pytest.fixture(scope="module")
def site(engine: ScriptedEngine) -> Iterator[Site]:
    with launched(engine) as site:
        yield site


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[Client]:
    client = Client(site.address, verbose=False, analytics_enabled=False, download_files=False)
    yield client
    client.close()


@pytest.fixture
def study(client: Client) -> Iterator[str]:
    token: str = client.predict("effusion", api_name="/open_example")["study"]
    yield token
    client.predict(token, api_name="/close_study")


def test_the_endpoints_are_listed_and_the_pages_own_is_not(client: Client) -> None:
    listed = client.view_api(return_format="dict", print_info=False)
    assert listed["unnamed_endpoints"] == {}
    assert set(listed["named_endpoints"]) == {
        "/open_study",
        "/open_example",
        "/draft",
        "/stop",
        "/close_study",
    }
    assert all(endpoint["description"] for endpoint in listed["named_endpoints"].values())


def test_a_study_is_opened_drafted_and_closed(site: Site, client: Client, engine: ScriptedEngine) -> None:
    image = base64.b64encode((FOLDER / "effusion.dcm").read_bytes()).decode()
    opened = client.predict(image, api_name="/open_study")
    assert opened["facts"]["view"] == "PA"
    assert opened["pictures"] == 1
    session = site.desk.sessions.find(opened["study"])
    study = session.study
    assert study is not None
    job = client.submit(opened["study"], f"{LOCKED}[[]] End.", indication="cough", seed=9, api_name="/draft")
    *frames, last = job
    assert frames
    assert all(set(frame) == {"step", "steps", "seconds", "report"} for frame in frames)
    assert all(frame["report"].startswith(LOCKED) and frame["report"].endswith(" End.") for frame in frames)
    assert last["report"] == f"{LOCKED}{SENTENCE} End."
    assert [span["locked"] for span in last["spans"]] == [True, False, True]
    assert (last["seed"], last["model"], last["steps"], last["stopped"]) == (9, "scripted engine", 6, False)
    assert engine.drafted[-1][1] == "cough"
    assert client.predict(opened["study"], api_name="/close_study") == {}
    assert study.id in engine.released
    with pytest.raises(AppError, match="session has ended"):
        client.predict(opened["study"], "[[]]", api_name="/draft")


@pytest.mark.parametrize(
    ("endpoint", "values", "sentence"),
    [
        ("/open_study", ["not base64!"], "not base64"),
        ("/open_study", [base64.b64encode(b"a letter").decode()], r"\.$"),
        ("/open_example", ["efusion"], "Available: effusion"),
        ("/draft", ["nobody", "[[]]"], "session has ended"),
        ("/stop", ["nobody"], "session has ended"),
        ("/close_study", [""], "session has ended"),
    ],
)
def test_what_is_refused_is_a_sentence_and_leaves_no_session(
    site: Site, client: Client, endpoint: str, values: list[str], sentence: str
) -> None:
    before = len(site.desk.sessions)
    with pytest.raises(AppError, match=sentence):
        client.predict(*values, api_name=endpoint)
    assert len(site.desk.sessions) == before


@pytest.mark.parametrize(
    ("report", "settings", "sentence"),
    [
        ("[[ never closed", {}, "has no"),
        ("[[]]" * 2001, {}, "more than 2,000 spans"),
        ("x" * 100_001 + "[[]]", {}, "more than 100,000 characters"),
        ("[[]]", {"indication": "x" * 2001}, "more than 2,000 characters"),
        ("[[]]", {"seed": -1}, "seed"),
        ("[[]]", {"steps": 1001}, "steps"),
    ],
)
def test_a_draft_has_the_limits_of_the_page(
    client: Client, study: str, report: str, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(study, report, **settings, api_name="/draft")


def test_a_file_or_another_kind_of_value_is_refused(client: Client, study: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"x")
    for values in ([{"path": "http://127.0.0.1:1/x"}, "[[]]"], [study, ["[[]]"]], [study, 7], [study, None]):
        with pytest.raises(Exception, match="400"):
            client.predict(*values, api_name="/draft")
    with pytest.raises(Exception, match="404"):
        client.predict(handle_file(tmp_path / "x.png"), api_name="/open_study")


def test_stop_ends_a_draft_with_what_its_last_frame_shows() -> None:
    engine = ScriptedEngine(steps=100_000, seconds_a_step=0.005)
    with launched(engine) as site:
        client = Client(site.address, verbose=False, analytics_enabled=False)
        study = client.predict("effusion", api_name="/open_example")["study"]
        frames = iter(client.submit(study, "[[]]", api_name="/draft"))
        next(frames)
        other = Client(site.address, verbose=False, analytics_enabled=False)
        other.predict(study, api_name="/stop")
        *_, last = frames
        assert last["stopped"]
        for one in (client, other):
            one.close()


def test_a_client_that_goes_away_ends_its_draft_and_leaves_nothing_behind() -> None:
    engine = ScriptedEngine(steps=100_000, seconds_a_step=0.005)
    with launched(engine, limits=Limits(silence_seconds=0.5)) as site, site.tab("program") as tab:
        study = site.desk.sessions.open()
        endpoint = next(number for number, one in site.desk.page.fns.items() if one.api_name == "draft")
        tab.join(fn_index=endpoint, data=[study.token, "Secret. [[]]", "", 0, 0]).raise_for_status()
        with tab.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "program"}) as stream:
            next(line for line in stream.iter_lines() if "process_generating" in line)
        assert engine.closed.wait(10)
        page = site.desk.page
        assert eventually(lambda: not page._queue.event_ids_to_events and not page._queue.pending_messages_per_session)
        assert "Secret" not in repr([state.config_values for state in page.state_holder.session_data.values()])


def test_nothing_of_a_study_is_written_to_disk(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    image = base64.b64encode((FOLDER / "effusion.dcm").read_bytes()).decode()
    token = client.predict(image, api_name="/open_study")["study"]
    assert list(tmp_path.iterdir()) == []
    client.predict(token, api_name="/close_study")


@pytest.mark.skipif(find_spec("mcp") is None, reason="gradio's extra `mcp` is not installed")
def test_the_endpoints_are_tools_over_mcp(site: Site) -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def draft() -> tuple[set[str], dict[str, Any]]:
        async with (
            streamablehttp_client(f"{site.address}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            names = {tool.name for tool in (await session.list_tools()).tools}
            # Gradio puts the program's name before each, and gives objects as Python writes them.
            by_end = {name.removeprefix("drafting_").rsplit("_api_", 1)[-1]: name for name in names}
            opened = await session.call_tool(by_end["open_example"], {"name": "effusion"})
            token = ast.literal_eval(opened.content[0].text)["study"]  # type: ignore[union-attr]
            ended = await session.call_tool(by_end["draft"], {"study": token, "report": f"{LOCKED}[[]]"})
            return names, ast.literal_eval(ended.content[0].text)  # type: ignore[union-attr]

    names, last = asyncio.run(draft())
    assert len(names) == 5
    assert last["report"] == f"{LOCKED}{SENTENCE}"
