"""The app as a person starts it, and a real Chromium that watches what the page does behind their back."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import free_port, launched

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "assets" / "web" / "node_modules" / "axe-core" / "axe.min.js"
# Where tests decide what lands, a machine without it fails; it is no test's to pass over.
needs_axe = pytest.mark.skipif(
    not AXE.is_file() and "CI" not in os.environ, reason="axe-core comes with `npm ci` in assets/web"
)
DICOM = ROOT.parent / "shared" / "data" / "dicom"
# Milliseconds in which what a test waits for must come, also on a machine with ten times its work.
PATIENCE = 180_000
# A few seconds for a gap on two quiet cores, so that a test sees the run that it stops or types into.
UNHURRIED_STEPS = 240
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scripted-engine", action="store_true", help="test the page alone, without a model")


@pytest.fixture(scope="session")
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the app answers. A module of tests with a site of its own gives that one's address by this name."""
    with ExitStack() as stack:
        if request.config.getoption("--scripted-engine", default=False):
            engine = ScriptedEngine(steps=24, seconds_a_step=0.08)
            yield stack.enter_context(launched(engine)).address
            return
        yield stack.enter_context(App(request.getfixturevalue("unhurried_model"))).address


@pytest.fixture(scope="session")
def unhurried_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model, told to take every one of many steps.

    By itself it fills a gap in a tenth of a second, too soon for a test to type, stop or watch meanwhile.
    """
    folder = tmp_path_factory.mktemp("unhurried") / "default-model"
    shutil.copytree(ROOT / "assets" / "default-model", folder)
    path = folder / "generation_config.json"
    unhurried = {"max_denoising_steps": UNHURRIED_STEPS, "confidence_threshold": 1e-12}
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | unhurried), encoding="utf-8")
    # They are of the file as it was.
    (folder / "SHA256SUMS").unlink()
    return folder


class App:
    """`python app.py`, from start to end, with the default model or another."""

    def __init__(self, model: Path | None = None, complaints: Path | None = None) -> None:
        """`complaints`: where its standard error goes; None lets it through."""
        self.model = model
        self.complaints = complaints
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> App:
        environment = os.environ | {"NO_PROXY": "*"}
        command = [sys.executable, "app.py", "--port", str(self.port)]
        command += ["--model", str(self.model)] if self.model else []
        with self.complaints.open("wb") if self.complaints else nullcontext() as stderr:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=stderr
            )
        # For as long as the process lives: on a busy machine reading the libraries alone took 80 s.
        while self.process.poll() is None:
            try:
                httpx.get(self.address, trust_env=False)
                return self
            except httpx.TransportError:
                time.sleep(0.2)
        self.__exit__()
        raise RuntimeError("The app did not start.")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def __exit__(self, *exception: object) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.fail("No Chromium is installed; make test installs it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Desk:
    """One tab with the app open, and what it did that a person would not see."""

    page: Page
    address: str
    tokens: list[str] = field(default_factory=list)
    saved: list[dict[str, Any]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self) -> Desk:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("request", self._on_request)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(self.address)
        self.editor.wait_for()
        return self

    def _on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != urlsplit(self.address).netloc:
            self.elsewhere.append(request.url)
        if token := request.headers.get("x-desk"):
            self.tokens.append(token)
        if request.method == "PUT" and address.path == "/desk/report":
            self.saved.append(request.post_data_json)

    def _on_console(self, message: ConsoleMessage) -> None:
        # A refused request is a line here, whatever the page makes of it.
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            self.complaints.append(message.text)

    @property
    def editor(self) -> Any:
        return self.page.get_by_label("Report", exact=True)

    @property
    def text(self) -> str:
        # An empty line holds the break that a browser shows it by.
        return "\n".join(line.removesuffix("\n") for line in self.editor.locator(".cm-line").all_inner_texts())

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def type(self, text: str) -> None:
        self.editor.click()
        self.page.keyboard.press("Control+End")
        self.page.keyboard.type(text)

    def open_file(self, path: Path) -> None:
        with self.page.expect_response("**/desk/pictures/0"):
            self.page.set_input_files("input[type=file]", path)

    def draft(self) -> None:
        """Press Draft and wait for the first frame."""
        self.button("Draft").click()
        self.page.get_by_text(re.compile(r"Step \d+ of \d+")).wait_for(timeout=PATIENCE)

    def finish(self) -> None:
        self.page.get_by_text("Draft ready").first.wait_for(timeout=PATIENCE)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE / 1000
        while not holds():
            assert time.monotonic() < end
            self.page.wait_for_timeout(50)

    def download(self) -> bytes:
        with self.page.expect_download() as download:
            self.button("Download").click()
        return Path(download.value.path()).read_bytes()

    def stored(self) -> str:
        """All that the browser keeps for this site beyond the page."""
        return self.page.evaluate(
            """async () => {
                const kept = [{...localStorage}, {...sessionStorage}, document.cookie];
                return JSON.stringify([...kept, await indexedDB.databases(), await caches.keys()]);
            }"""
        )


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def open_desk(context: BrowserContext, address: str) -> Iterator[Callable[..., Desk]]:
    """Opens tabs; after the test, none of them may have spoken to another host, or complained."""
    desks: list[Desk] = []

    def open_one(query: str = "") -> Desk:
        desks.append(Desk(context.new_page(), address + query).open())
        return desks[-1]

    yield open_one
    for desk in desks:
        assert desk.elsewhere == []
        assert desk.complaints == []
        assert desk.stored() == '[{},{},"",[],[]]'


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()
