"""How quickly frames reach the screen, how typing feels meanwhile, and whether a character is lost.

    python -m tests.browser.benchmark [--keys N] [--json FILE]

A scripted engine sends ten frames a second of a report of 250 tokens to the real desk and a real Chromium. Frame to
screen is from the engine's frame to the first picture that shows it; typing is from the key to the first picture with
its letter, at 15 keys a second, which is 180 words a minute, or at `--keys`. Both need one machine, one clock and
nothing else at work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from statistics import quantiles
from typing import Any

from playwright.sync_api import Page, sync_playwright

from drafting.engine import Draft, DraftSettings, Frame, Piece
from drafting.report import Report
from drafting.study import Study
from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import launched

TOKENS = 250
FRAMES_A_SECOND = 10
# More than the typing takes: it ends with Stop, in the middle of the run.
FRAMES = 1000
CHARACTERS = 1000
KEYS_A_SECOND = 15.0
AIM_FRAME_MS = 60.0
AIM_TYPING_MS = 30.0

# After the next picture has been put together: a task queued from its animation frame comes when it is on its way.
WATCH = """() => {
    window.painted = [];
    window.keyed = [];
    const after = (then) => requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => then();
        channel.port2.postMessage(0);
    });
    const report = document.querySelector('.cm-content');
    let last = '';
    new MutationObserver(() => {
        const found = /frame(\\d+)\\./.exec(report.textContent);
        if (!found || found[1] === last) return;
        last = found[1];
        const number = Number(found[1]);
        after(() => painted.push([number, performance.timeOrigin + performance.now()]));
    }).observe(report, {subtree: true, childList: true, characterData: true});
    addEventListener('keydown', (event) => {
        if (event.key.length === 1) after(() => keyed.push(performance.now() - event.timeStamp));
    }, true);
}"""


@dataclass
class MeteredEngine(ScriptedEngine):
    """Writes the frame's number and `TOKENS` words that change with every frame, and the time of each frame."""

    sent: dict[int, float] = field(default_factory=dict)

    def draft(
        self,
        study: Study | None,
        report: Report,
        settings: DraftSettings,
        indication: str = "",
        start: Frame | None = None,
    ) -> Generator[Frame, None, Draft]:
        spans = report.open_spans
        began = time.monotonic()
        pieces: dict[str, tuple[Piece, ...]] = {}
        for step in range(1, FRAMES + 1):
            time.sleep(max(0.0, began + step / FRAMES_A_SECOND - time.monotonic()))
            known = TOKENS * step // FRAMES
            words = (
                Piece(" opacity", 0.1, True) if at < known else Piece(f" n{(step * 31 + at * 7) % 97}", 2.0, False)
                for at in range(TOKENS - 1)
            )
            pieces = {span.id: (Piece(f"frame{step}.", 0.0, True), *words) for span in spans}
            self.sent[step] = time.time() * 1000
            yield Frame(step, FRAMES, step / FRAMES_A_SECOND, pieces)
        texts = {id: "".join(piece.text for piece in line) for id, line in pieces.items()}
        return Draft(texts, FRAMES, FRAMES / FRAMES_A_SECOND, settings.seed, self.model, -0.1)


def p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


def begin(page: Page, address: str) -> None:
    page.goto(f"{address}?guide=off")
    page.get_by_label("Report", exact=True).click()
    page.keyboard.type("Portable film. ")
    page.get_by_role("button", name="Insert gap", exact=True).click()
    page.evaluate(WATCH)
    page.get_by_role("button", name="Draft", exact=True).click()
    page.locator(".step-line", has_text="Step").wait_for()


def measure(page: Page, address: str, engine: MeteredEngine, keys_a_second: float) -> dict[str, Any]:
    begin(page, address)
    page.keyboard.press("Control+Home")
    typed = "".join("abcdefghij klmnop qrstuvwxy "[at % 28] for at in range(CHARACTERS))
    started = time.monotonic()
    for at, letter in enumerate(typed):
        time.sleep(max(0.0, started + at / keys_a_second - time.monotonic()))
        page.keyboard.press("Space" if letter == " " else letter)
    seconds = time.monotonic() - started
    streaming = page.get_by_role("button", name="Stop", exact=True).is_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text("Stopped").first.wait_for(timeout=60_000)
    text = page.locator(".cm-content").inner_text()
    painted: list[tuple[int, float]] = page.evaluate("() => painted")
    keyed: list[float] = page.evaluate("() => keyed")
    late = [shown - engine.sent[number] for number, shown in painted if number in engine.sent]
    return {
        "frames": len(late),
        "frame_to_screen_p50_ms": round(quantiles(late, n=2)[0], 1),
        "frame_to_screen_p95_ms": round(p95(late), 1),
        "typing_p50_ms": round(quantiles(keyed, n=2)[0], 1),
        "typing_p95_ms": round(p95(keyed), 1),
        "typed": CHARACTERS,
        "typed_seconds": round(seconds, 1),
        "lost": CHARACTERS - (CHARACTERS if typed in text.replace("\xa0", " ").replace("\n", "") else 0),
        "still_streaming_at_the_end": streaming,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.benchmark", description=__doc__)
    parser.add_argument("--keys", type=float, default=KEYS_A_SECOND, metavar="N", help="keys a second (default: 15)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    chromium = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome"))), None)
    engine = MeteredEngine()
    with launched(engine) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        row = measure(page, site.address, engine, options.keys)
        row |= {"chromium": browser.version, "processor": platform.machine(), "cores": os.cpu_count()}
        row["load"] = round(os.getloadavg()[0], 1)
        browser.close()
    print(f"frame to screen, p95: {row['frame_to_screen_p95_ms']} ms (aim: under {AIM_FRAME_MS:.0f})")
    print(f"typing during a run, p95: {row['typing_p95_ms']} ms (aim: under {AIM_TYPING_MS:.0f})")
    print(f"characters typed during a run: {row['typed']} in {row['typed_seconds']} s, lost: {row['lost']}")
    print(f"other work on this machine: load {row['load']} on {row['cores']} cores")
    print(json.dumps(row))
    if options.json:
        options.json.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
    return 0 if row["lost"] == 0 and row["still_streaming_at_the_end"] else 1


if __name__ == "__main__":
    sys.exit(main())
