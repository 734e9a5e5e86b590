"""The moving picture of the README: draft, lock, draft, lock, draft, from the frames that a real Chromium showed.

    python -m tests.browser.moving_picture docs/lock-and-draft.webp

The study is `no-finding`, of the NIH Clinical Center: free to use, source named in assets/examples/ATTRIBUTION.md;
the model is the default one.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
import sys
from pathlib import Path
from shutil import which
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM_ARGUMENTS, App

EXAMPLE = "Chest radiograph, AP portable · PNG"
VIEWPORT = {"width": 1280, "height": 720}
WIDTH = 960
MOST_BYTES = 1_500_000
# A frame that stays is shown for so long at most: what happens is quick, and the rest is waiting.
MOST_MS = 1400
LAST_MS = 2500


def record(page: Page, address: str) -> list[tuple[float, bytes]]:
    """What was on screen while the report was drafted and locked: seconds and PNG."""
    frames: list[tuple[float, bytes]] = []
    page.goto(f"{address}?guide=off")
    page.get_by_label("Report", exact=True).wait_for()
    with page.expect_response("**/desk/pictures/0"):
        page.get_by_role("button", name=EXAMPLE, exact=True).first.click()
    page.wait_for_timeout(800)
    client = page.context.new_cdp_session(page)

    def keep(event: dict[str, Any]) -> None:
        frames.append((event["metadata"]["timestamp"], base64.b64decode(event["data"])))
        client.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    client.on("Page.screencastFrame", keep)
    client.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})
    page.wait_for_timeout(600)
    draft(page, 1)
    lock(page, 1)
    draft(page, 2)
    lock(page, 2)
    draft(page, 3)
    client.send("Page.stopScreencast")
    return frames


def draft(page: Page, number: int) -> None:
    page.get_by_label("Seed").evaluate("(input, seed) => { input.value = seed; }", str(number))
    page.get_by_role("button", name="Draft", exact=True).hover()
    page.get_by_role("button", name="Draft", exact=True).click()
    page.get_by_text("Drafting", exact=True).wait_for(state="attached")
    page.get_by_text(re.compile("Draft ready")).first.wait_for(timeout=120_000)
    page.wait_for_timeout(1200)


def lock(page: Page, which_one: int) -> None:
    """Locks a sentence as a radiologist does: a click into it, and the button."""
    texts = page.locator(".cm-content .span.open.model")
    box = texts.first.bounding_box() if which_one == 1 else texts.last.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + min(60, box["width"] / 2), box["y"] + 10)
    # Before the list of other words comes, which a click alone asks for.
    page.wait_for_timeout(120)
    page.get_by_role("button", name="Lock", exact=True).click()
    page.wait_for_timeout(1300)


def assemble(frames: list[tuple[float, bytes]], path: Path) -> int:
    """Writes the animated WebP; gives its size in bytes."""
    pictures: list[Image.Image] = []
    times: list[int] = []
    for at, (time, png) in enumerate(frames):
        last = at + 1 == len(frames)
        shown = LAST_MS if last else min(MOST_MS, round((frames[at + 1][0] - time) * 1000))
        picture = Image.open(io.BytesIO(png)).convert("RGB")
        height = round(picture.height * WIDTH / picture.width)
        picture = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
        if pictures and picture.tobytes() == pictures[-1].tobytes():
            times[-1] = min(MOST_MS, times[-1] + shown)
            continue
        pictures.append(picture)
        times.append(max(20, shown))
    first, *others = pictures
    first.save(
        path, save_all=True, append_images=others, duration=times, loop=0, quality=72, method=4, minimize_size=True
    )
    return path.stat().st_size


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.moving_picture", description=__doc__)
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    chromium = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with App() as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        frames = record(browser.new_page(viewport=VIEWPORT), app.address)
        browser.close()
    size = assemble(frames, options.path)
    print(f"{len(frames)} frames, {size:,} bytes")
    return 0 if size < MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
