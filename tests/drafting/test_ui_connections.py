"""Clients that send half of what they began, and more of them than there is room for."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from drafting.ui.connections import Complaints, Limits
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import Site, eventually, launched

ROOT = Path(__file__).resolve().parents[2]
SOON = Limits(connections=12, head_seconds=0.3, body_seconds=0.3)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with launched(ScriptedEngine(), connections=SOON) as site:
        yield site


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    url = httpx.URL(address)
    with socket.create_connection((url.host, url.port), timeout=20) as client:
        yield client


def is_closed(client: socket.socket) -> bool:
    """Whether the server hangs up; waits for it."""
    try:
        return client.recv(2**16) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("head", [b"", b"G", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: "])
def test_a_head_that_does_not_come_whole_is_given_up(site: Site, head: bytes) -> None:
    with connected(site.address) as client:
        client.sendall(head)
        assert is_closed(client)


def test_half_a_second_request_on_the_same_connection_is_given_up(site: Site) -> None:
    with connected(site.address) as client:
        client.sendall(b"GET /robots.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(2**16).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET / HTTP/1.1\r\nHost:")
        while answer := client.recv(2**16):
            assert b"HTTP/1.1 200" not in answer


def test_a_head_that_comes_in_small_pieces_is_answered(site: Site) -> None:
    with connected(site.address) as client:
        for byte in b"GET /robots.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n":
            client.sendall(bytes([byte]))
        assert client.recv(2**16).startswith(b"HTTP/1.1 200")


def test_a_page_that_stays_is_not_taken_for_a_head_that_does_not_come(site: Site) -> None:
    with site.tab() as tab, httpx.stream("GET", f"{site.address}desk/here", headers=tab.headers, timeout=20) as here:
        chunks = here.iter_bytes()
        next(chunks)
        with connected(site.address) as client:
            assert is_closed(client)
        assert not site.desk.sessions.find(tab.token).is_over
        tab.request("DELETE", "/desk/sessions")


@pytest.mark.parametrize("path", ["/desk/report", "/desk/study", "/gradio_api/queue/join", "/desk/leave"])
def test_a_body_that_does_not_come_whole_is_given_up_with_a_sentence(site: Site, path: str) -> None:
    method = "PUT" if path == "/desk/report" else "POST"
    with site.tab() as tab, connected(site.address) as client:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Desk: {tab.token}\r\nContent-Length: 99\r\n\r\n"
        client.sendall(head.encode() + b'{"half": ')
        answer = b""
        while part := client.recv(2**16):
            answer += part
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"stopped arriving before it was complete" in answer
        # The session's place for an arriving file is free again.
        refused = tab.request("POST", "/desk/study", content=b"a letter")
        assert "already" not in refused.json()["error"]


def test_more_connections_than_there_is_room_for_are_closed_and_the_others_served(site: Site) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(site.address)) for _ in range(3 * SOON.connections)]
        refused = [client for client in clients if is_closed(client)]
        # Those within the limit are closed too, for they ask for nothing.
        assert len(refused) == len(clients)
    assert httpx.get(site.address).status_code == 200


def test_that_no_descriptors_are_left_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints()
    loop = ScriptedLoop()
    for _ in range(1000):
        complaints(loop, {"exception": OSError(errno.EMFILE, "Too many open files")})  # type: ignore[arg-type]
    (record,) = caplog.records
    assert "Too many open files" in record.getMessage()
    complaints(loop, {"exception": ValueError(), "message": "else"})  # type: ignore[arg-type]
    assert loop.handled == ["else"]


class ScriptedLoop:
    def __init__(self) -> None:
        self.handled: list[str] = []

    def default_exception_handler(self, context: dict[str, str]) -> None:
        self.handled.append(context["message"])


def few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))


def test_a_flood_of_connections_ends_no_server_and_fills_no_log() -> None:
    program = """
import sys
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import launched
with launched(ScriptedEngine()) as site:
    print(site.address, flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=few_descriptors,
        text=True,
    ) as server:
        assert server.stdout
        address = server.stdout.readline().strip()
        with ExitStack() as stack:
            for _ in range(200):
                client = stack.enter_context(connected(address))
                client.sendall(b"GET / HT")
        assert eventually(lambda: httpx.get(address, trust_env=False).status_code == 200, 30)
        _, complaints = server.communicate("", timeout=30)
    assert complaints.count("\n") <= 2
    assert "Traceback" not in complaints


def test_ordinary_errors_of_the_loop_are_still_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    loop = site.desk.page.server.servers[0].get_loop()
    with caplog.at_level(logging.ERROR):
        loop.call_soon_threadsafe(loop.call_exception_handler, {"message": "something else"})
        assert eventually(lambda: "something else" in caplog.text)
