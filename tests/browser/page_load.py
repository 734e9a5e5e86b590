"""What the page weighs and how soon Draft can be pressed.

    python -m tests.browser.page_load [--runs N] [--json FILE]

Each run opens the page in a new Chromium context with an empty cache, on this machine and without a network. Bytes are
those on the wire, compressed and with headers; unpacked bytes are what the browser makes of them. Draft can be pressed
when its button is on the screen and the desk has given the page its session. The figures are the medians of the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from shutil import which
from statistics import median
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import launched

RUNS = 5
# What comes later than this after the last answer belongs to the page at work, not to its load.
QUIET_MS = 1000


def load_once(browser: Browser, address: str) -> dict[str, float]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    watch = context.new_cdp_session(page)
    watch.send("Network.enable")
    paths: dict[str, str] = {}
    received: dict[str, float] = {}
    unpacked: list[float] = []

    def on_request(event: dict[str, Any]) -> None:
        if not event["request"]["url"].startswith("data:"):
            paths[event["requestId"]] = event["request"]["url"]

    watch.on("Network.requestWillBeSent", on_request)
    watch.on("Network.dataReceived", lambda event: unpacked.append(event["dataLength"]))
    watch.on("Network.loadingFinished", lambda event: received.update({event["requestId"]: event["encodedDataLength"]}))
    started = time.monotonic()
    with page.expect_response("**/desk/sessions"):
        page.goto(f"{address}?guide=off", wait_until="commit")
        page.get_by_role("button", name="Draft", exact=True).wait_for()
    seconds = time.monotonic() - started
    page.wait_for_timeout(QUIET_MS)
    context.close()
    ours = sum(size for id, size in received.items() if "/workstation/" in paths.get(id, ""))
    return {
        "requests": len(paths),
        "bytes": sum(size for id, size in received.items() if id in paths),
        "bytes_of_the_bundle": ours,
        "bytes_unpacked": sum(unpacked),
        "ms_until_draft": round(1000 * seconds),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.page_load", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help=f"loads to take the median of ({RUNS})")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    chromium = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with launched(ScriptedEngine()) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        # The first load pays for Chromium's own start.
        load_once(browser, site.address)
        loads = [load_once(browser, site.address) for _ in range(options.runs)]
        row: dict[str, Any] = {name: median(load[name] for load in loads) for name in loads[0]}
        row |= {"chromium": browser.version, "runs": options.runs, "load": round(os.getloadavg()[0], 1)}
        browser.close()
    print(json.dumps(row))
    if options.json:
        options.json.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
