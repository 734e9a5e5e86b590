"""Whether a desk that has worked for long is as it was: memory, threads and files before and after.

    python -m tests.browser.soak [--drafts N] [--broken N] [--unread N] [--pages N] [--json FILE]

Clients that speak as the page does ask a launched desk, in a process of its own, for drafts of a long report. Some are
read to their end, some are broken off after the first frame, some are never read, some are asked for at once. A
scripted engine writes the drafts, so what grows belongs to the desk and to Gradio. The first tenth of the drafts warms
the process up and is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drafting.ui.web import WebDesk, WebSettings
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import SPANS, Site, Tab, eventually, free_port

ROOT = Path(__file__).resolve().parents[2]
# The words of a long report, so that a frame weighs what one of a model does.
WORDS = tuple(f" word{number}" for number in range(400))
STEPS = 24
SECONDS_A_STEP = 0.01
PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds: resident memory in MB, threads, open files."""

    megabytes: float
    threads: int
    files: int


def held(process: int) -> Held:
    status = Path(f"/proc/{process}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    files = len(list(Path(f"/proc/{process}/fd").iterdir()))
    return Held(round(int(fields["VmRSS"].split()[0]) / 1024, 1), int(fields["Threads"]), files)


@dataclass(frozen=True, slots=True)
class Work:
    """How many drafts of each kind."""

    drafts: int = 300
    broken: int = 100
    unread: int = 6
    pages: int = 32


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """The address and the process of a desk that runs by itself."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.browser.soak", "--serve"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdin
        yield process.stdout.readline().strip(), process.pid
        process.stdin.close()


def serve() -> None:
    from drafting.desk.session import Limits

    engine = ScriptedEngine(steps=STEPS, seconds_a_step=SECONDS_A_STEP, words_written=WORDS)
    settings = WebSettings(port=free_port(), limits=Limits(silence_seconds=PATIENCE_SECONDS, sessions=64))
    desk = WebDesk(engine, settings)
    print(desk.launch(), flush=True)
    sys.stdin.read()
    desk.close()


class Soak:
    """The clients of one desk."""

    def __init__(self, address: str) -> None:
        self.site = Site(None, address)  # type: ignore[arg-type] - the desk is in another process
        self._numbers = iter(range(1_000_000))

    def ask(self, tab: Tab) -> Tab:
        """A draft, asked for under a stream name of its own as the page does."""
        one = Tab(tab.http, tab.token, f"soak{next(self._numbers)}", tab.endpoint)
        one.press_draft(version=int(time.monotonic() * 1e6), spans=SPANS)
        return one

    def read(self, tab: Tab) -> None:
        """Asks until the page's former draft has ended."""

        def drafted() -> bool:
            *_, last = self.ask(tab).messages()
            if last["kind"] == "error" and "already" not in last["message"]:
                raise RuntimeError(last["message"])
            return bool(last["kind"] == "draft")

        if not eventually(drafted, 60):
            raise RuntimeError("A page gets no draft any more.")

    def break_off(self, tab: Tab) -> None:
        messages = self.ask(tab).messages()
        next(messages)
        messages.close()

    def leave_unread(self, number: int) -> None:
        """Pages that ask for drafts, connect to the stream, and read nothing of it."""
        with ExitStack() as stack:
            for _ in range(number):
                tab = stack.enter_context(self.site.tab())
                stream = self.ask(tab).hash
                stack.enter_context(tab.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": stream}))
            time.sleep(2 * STEPS * SECONDS_A_STEP)

    def at_once(self, pages: int) -> None:
        failed: list[BaseException] = []

        def page() -> None:
            try:
                with self.site.tab() as tab:
                    self.read(tab)
                    tab.request("DELETE", "/desk/sessions").raise_for_status()
            except BaseException as error:  # noqa: BLE001 - raised again below
                failed.append(error)

        threads = [threading.Thread(target=page) for _ in range(pages)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]


def times(number: int, do: Callable[[Tab], None], tab: Tab) -> None:
    for _ in range(number):
        do(tab)


def soak(work: Work, tell: Callable[[str, Held], None] = lambda name, now: None) -> dict[str, Any]:
    """Does the work; gives what the desk's process held before and after it."""
    with served() as (address, process):
        clients = Soak(address)
        with clients.site.tab() as tab:
            times(max(2, work.drafts // 10), clients.read, tab)
            clients.at_once(work.pages)
            clients.leave_unread(work.unread)
            clients.read(tab)
            before = held(process)
            tell("before", before)
            rounds: list[tuple[str, Callable[[], None]]] = [
                (f"{work.drafts} drafts read", lambda: times(work.drafts, clients.read, tab)),
                (f"{work.broken} broken off", lambda: times(work.broken, clients.break_off, tab)),
                (f"{work.unread} unread", lambda: clients.leave_unread(work.unread)),
                (f"{work.pages} pages at once", lambda: clients.at_once(work.pages)),
            ]
            for name, do in rounds:
                do()
                tell(name, held(process))
            clients.read(tab)
            eventually(lambda: held(process).files <= before.files, 2 * PATIENCE_SECONDS)
            after = held(process)
            tell("after", after)
    return {"before": asdict(before), "after": asdict(after), **asdict(work)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.soak", description=__doc__)
    standard = Work()
    for name, number in asdict(standard).items():
        parser.add_argument(f"--{name}", type=int, default=number, metavar="N", help=f"default: {number}")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    row = soak(
        Work(options.drafts, options.broken, options.unread, options.pages),
        lambda name, now: print(f"{name}: {now.megabytes} MB, {now.threads} threads, {now.files} files", flush=True),
    )
    row["load"] = round(os.getloadavg()[0], 1)
    if options.json:
        options.json.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
