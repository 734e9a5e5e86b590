"""Pixels on their way to a client that does not read them."""

from __future__ import annotations

import gc
import io
import socket
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from drafting.desk.examples import FOLDER
from drafting.study import Picture
from drafting.ui import wire
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import Site, Tab, eventually, launched

SIDE = 6000
READERS = 6


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with launched(ScriptedEngine()) as site:
        yield site


@pytest.fixture
def tab(site: Site, request: pytest.FixtureRequest) -> Iterator[Tab]:
    with site.tab(request.node.name) as tab:
        stream = io.BytesIO()
        Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(stream, "PNG")
        tab.request("POST", "/desk/study", content=stream.getvalue()).raise_for_status()
        yield tab


def ask(site: Site, tab: Tab) -> socket.socket:
    """A connection on which the picture was asked for and has begun to arrive, and which reads nothing of it."""
    address = urlsplit(site.address)
    connection = socket.create_connection((address.hostname, address.port), timeout=20)
    request = f"GET /desk/pictures/0 HTTP/1.1\r\nHost: {address.netloc}\r\nX-Desk: {tab.token}\r\n\r\n"
    connection.sendall(request.encode())
    assert connection.recv(1, socket.MSG_PEEK)
    return connection


def test_a_picture_that_nobody_reads_is_not_copied(site: Site, tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = 0
    pixels = wire.pixels

    def count(picture: Picture, start: int = 0, stop: int | None = None) -> bytes:
        nonlocal copied
        part = pixels(picture, start, stop)
        copied += len(part)
        return part

    monkeypatch.setattr(wire, "pixels", count)
    with ExitStack() as connections:
        for _ in range(READERS):
            connections.enter_context(ask(site, tab))
        # What the system takes in for a client is some megabytes; the rest waits for it.
        assert copied < READERS * SIDE**2 / 2
        whole = tab.request("GET", "/desk/pictures/0").content
        assert len(whole) == SIDE**2


def test_a_picture_on_its_way_does_not_hold_a_study_that_was_put_away(site: Site, tab: Tab) -> None:
    study = site.desk.sessions.find(tab.token).study
    gone = weakref.ref(study)
    del study
    with ask(site, tab) as connection:
        tab.open_example()
        assert eventually(lambda: gc.collect() >= 0 and gone() is None)
        # Nobody may take the part that has arrived for the whole.
        received = 0
        while piece := connection.recv(2**20):
            received += len(piece)
        assert received < SIDE**2


def test_pieces_of_a_picture_are_the_whole() -> None:
    values = np.arange(30, dtype=np.uint16).reshape(5, 6)
    picture = Picture(values)
    assert b"".join(wire.pixels(picture, at, at + 16) for at in range(0, 60, 16)) == wire.pixels(picture)
    assert wire.pixels(Picture(values.astype(">u2"))) == values.astype("<u2").tobytes()
    with pytest.raises(ValueError, match="cut in two"):
        wire.pixels(picture, 1, 3)
    colours = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert wire.pixels(Picture(colours)) == colours.tobytes()


def test_the_report_is_cleared_with_the_former_study_where_the_page_says_so(site: Site, tab: Tab) -> None:
    tab.put_report(3)
    example = {"name": "child-pneumonia"}
    assert tab.request("POST", "/desk/study/example?report=burn", json=example).status_code == 422
    tab.request("POST", "/desk/study/example?report=keep", json=example).raise_for_status()
    assert tab.request("GET", "/desk/report").json()["spans"]
    content = (FOLDER / "effusion.dcm").read_bytes()
    tab.request("POST", "/desk/study?report=clear", content=content).raise_for_status()
    held = tab.request("GET", "/desk/report").json()
    assert (held["spans"], held["version"]) == ([], 4)
