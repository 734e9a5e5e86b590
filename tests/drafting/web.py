"""A really launched web desk for tests, and a client that speaks to it as the page does."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from drafting.engine import Engine
from drafting.ui.web import WebDesk, WebSettings

SPANS = [
    {"id": "c1", "text": "No pneumothorax.\r\n\tΩ ", "state": "locked", "author": "radiologist"},
    {"id": "c2", "text": "", "state": "open", "author": "model"},
]


@dataclass
class Tab:
    """One tab with the page open: a desk token, the name of its runs' stream, and their number in Gradio's queue."""

    http: httpx.Client
    token: str
    hash: str
    endpoint: int

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Desk": self.token}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.http.request(method, path, headers=self.headers | options.pop("headers", {}), **options)

    def put_report(self, version: int, spans: list[dict[str, Any]] | None = None) -> httpx.Response:
        body = {"version": version, "spans": SPANS if spans is None else spans, "indication": ""}
        return self.request("PUT", "/desk/report", json=body)

    def open_example(self, name: str = "child-pneumonia") -> dict[str, Any]:
        response = self.request("POST", "/desk/study/example", json={"name": name})
        response.raise_for_status()
        return response.json()

    def press_draft(self, **changes: Any) -> None:
        message = {"kind": "draft", "token": self.token, "version": 1, "spans": SPANS}
        self.send(json.dumps(message | {"indication": "", "seed": 1, "steps": None} | changes))

    def send(self, value: Any) -> None:
        self.join(data=[value]).raise_for_status()

    def join(self, **changes: Any) -> httpx.Response:
        """Ask to join Gradio's queue with the body of the page, or another."""
        body = {"data": [""], "fn_index": self.endpoint, "session_hash": self.hash} | changes
        return self.http.post("/gradio_api/queue/join", json=body)

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the editor is shown, until the run ends."""
        for event in events(self.http, self.hash):
            if event["msg"] == "process_generating":
                (change,) = event["output"]["data"]
                # Gradio sends the first value whole, later ones as what changed.
                yield json.loads(change if isinstance(change, str) else change[0][2])
            if event["msg"] in ("process_completed", "close_stream", "unexpected_error"):
                return


def events(http: httpx.Client, session_hash: str) -> Iterator[dict[str, Any]]:
    """Gradio's own messages to a tab, until Gradio ends them or hangs up."""
    with (
        suppress(httpx.RemoteProtocolError),
        http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session_hash}) as stream,
    ):
        for line in stream.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


@dataclass
class Site:
    """A launched desk and its address."""

    desk: WebDesk
    address: str

    @contextmanager
    def tab(self, session_hash: str = "tab") -> Iterator[Tab]:
        with httpx.Client(base_url=self.address, timeout=20, trust_env=False) as http:
            answer = http.post("/desk/sessions").json()
            yield Tab(http, answer["token"], session_hash, self.endpoint)

    @property
    def endpoint(self) -> int:
        """The number of the page's runs, as its document tells it."""
        page = httpx.get(self.address, trust_env=False).text
        (number,) = re.findall(r'data-endpoint="(\d+)"', page)
        return int(number)


@contextmanager
def launched(engine: Engine, **settings: Any) -> Iterator[Site]:
    desk = WebDesk(engine, WebSettings(port=free_port(), **settings))
    try:
        yield Site(desk, desk.launch())
    finally:
        desk.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(holds: Callable[[], bool], seconds: float = 120.0) -> bool:
    """Whether something comes to hold in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return holds()
