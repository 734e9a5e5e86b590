"""Where the model looked, over the study; measuring by keyboard; a prior that a reload brings back; what axe finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Desk, needs_axe
from tests.browser.test_shell import serious
from tests.browser.test_viewer import PRIOR, Viewer, radiograph
from tests.drafting.imaging.files import dicom_dataset, saved
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import Site, launched

LEGEND = "Where the model looked — not validated, not an explanation"
SENTENCES = "The heart is normal in size. There is a small right pleural effusion."
# How much a pixel at a place of the picture, in parts of the stage, is tinted: 0 for gray.
TINT = """(canvas, [x, y]) => {
    const one = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    one.drawImage(canvas, -Math.floor(x * canvas.width), -Math.floor(y * canvas.height));
    const [red, green, blue] = one.getImageData(0, 0, 1, 1).data;
    return Math.max(red, green, blue) - Math.min(red, green, blue);
}"""
# The whole stage, 48 by 48 places: is any of it tinted?
ANY_TINT = """(canvas) => {
    const small = new OffscreenCanvas(48, 48).getContext("2d", {willReadFrequently: true});
    small.drawImage(canvas, 0, 0, 48, 48);
    const {data} = small.getImageData(0, 0, 48, 48);
    let most = 0;
    for (let i = 0; i < data.length; i += 4) most = Math.max(most, Math.abs(data[i] - data[i + 2]));
    return most > 12;
}"""


@pytest.fixture
def viewer(desk: Desk) -> Viewer:
    return Viewer(desk)


class Looking:
    """What a person sees of where the model looked."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer, self.desk, self.page = viewer, viewer.desk, viewer.page
        self.legend = viewer.pane.locator(".looked-legend")

    def open_text(self, text: str = SENTENCES) -> None:
        """Text that is not locked, with the caret at its end."""
        self.desk.type(text)
        self.page.keyboard.press("Alt+u")
        self.desk.wait_until(lambda: self.page.locator(".cm-content .span.locked").count() == 0)

    def answered(self, act: Callable[[], None]) -> list[list[float]]:
        """The weights that the page is sent after `act`."""
        with self.page.expect_response("**/desk/looked") as answer:
            act()
        self.viewer.settle()
        weights: list[list[float]] = answer.value.json()["weights"]
        return weights

    @property
    def tinted(self) -> bool:
        seen: bool = self.viewer.canvas.evaluate(ANY_TINT)
        return seen

    def tint(self, u: float, v: float) -> int:
        """At a place of a square picture that fits the stage, in parts of its width and height."""
        box = self.viewer.canvas.bounding_box()
        assert box
        side = min(box["width"], box["height"])
        place = [0.5 + (u - 0.5) * side / box["width"], 0.5 + (v - 0.5) * side / box["height"]]
        found: int = self.viewer.canvas.evaluate(TINT, place)
        return found


def extremes(weights: list[list[float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The middles, in parts of the picture, of the strongest part and of one with none around it."""
    rows, columns = len(weights), len(weights[0])
    places = [(weights[r][c], (c + 0.5) / columns, (r + 0.5) / rows) for r in range(rows) for c in range(columns)]
    (_, *most), (least, *none) = max(places), min(places)
    assert least == 0
    return (most[0], most[1]), (none[0], none[1])


@pytest.fixture
def looking(viewer: Viewer, tmp_path: Path) -> Looking:
    import numpy as np

    gray = np.full((120, 120), 1500, np.uint16)
    window = {"BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096, "Modality": "DX"}
    viewer.open(saved(dicom_dataset(gray, **window), tmp_path / "gray"))
    return Looking(viewer)


def test_the_map_is_off_until_asked_for_and_lies_where_the_weights_are(looking: Looking) -> None:
    asked: list[Any] = []
    looking.page.on("request", lambda one: asked.append(one.post_data_json) if one.url.endswith("/looked") else None)
    looking.open_text()
    looking.page.wait_for_timeout(400)
    assert not looking.legend.is_visible()
    assert not looking.tinted
    assert asked == []

    weights = looking.answered(lambda: looking.page.keyboard.press("Alt+w"))
    # Of the sentence at the caret alone.
    assert asked[-1]["part"] == [29, len(SENTENCES)]
    assert LEGEND in looking.legend.inner_text()
    assert "It does not explain the text" in looking.legend.get_attribute("title")
    assert looking.page.get_by_text(re.compile("mostly at the (upper|lower|left|right|middle)")).count() == 1
    most, none = extremes(weights)
    assert looking.tint(*most) > 40
    assert looking.tint(*none) == 0

    # The picture takes its map along.
    looking.viewer.press("h")
    assert looking.tint(1 - most[0], most[1]) > 40
    looking.viewer.press("r")
    assert looking.tint(1 - most[1], 1 - most[0]) > 40
    looking.viewer.press("Space", "i")
    assert looking.tint(*most) > 40

    # And by its own key it is gone.
    looking.viewer.press("w")
    assert not looking.legend.is_visible()
    assert not looking.tinted
    assert len(asked) == 1


def test_the_map_goes_with_the_caret(looking: Looking) -> None:
    looking.open_text()
    second = looking.answered(lambda: looking.desk.button("Where the model looked").click())
    assert looking.desk.button("Where the model looked").get_attribute("aria-pressed") == "true"
    # The button takes the focus, not the caret, from the report.
    assert looking.tinted
    looking.desk.editor.focus()
    first = looking.answered(lambda: looking.page.keyboard.press("Control+Home"))
    assert first != second
    # Locked text is the radiologist's: there is nothing to show.
    looking.page.keyboard.press("Control+l")
    looking.page.get_by_text("Place the caret in open text").wait_for()
    looking.viewer.settle()
    assert not looking.tinted
    looking.answered(lambda: looking.page.keyboard.press("Control+End"))
    assert looking.tinted
    # What is typed is no text that was looked for.
    looking.page.keyboard.type("x")
    looking.viewer.settle()
    assert not looking.tinted


def test_the_map_comes_again_after_a_reload(looking: Looking) -> None:
    looking.open_text()
    looking.page.get_by_text("Saved", exact=True).wait_for()
    looking.answered(lambda: looking.page.keyboard.press("Alt+w"))
    with looking.page.expect_response("**/desk/pictures/0"):
        looking.page.on("dialog", lambda dialog: dialog.accept())
        looking.page.reload()
    looking.desk.wait_until(lambda: looking.desk.text == SENTENCES)
    looking.viewer.settle()
    # Off again, as at every beginning.
    assert not looking.legend.is_visible()
    looking.desk.editor.click()
    looking.answered(lambda: looking.page.keyboard.press("Alt+w"))
    assert looking.tinted


def test_why_there_is_no_map_is_one_sentence(looking: Looking) -> None:
    looking.page.route("**/desk/looked", lambda route: route.fulfill(status=422, json={"error": "There is no image."}))
    looking.open_text()
    looking.page.keyboard.press("Alt+w")
    looking.page.get_by_text("There is no image.").wait_for()
    assert not looking.tinted


def test_a_length_and_an_angle_are_measured_by_keyboard(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(radiograph(tmp_path / "1", PixelSpacing=[0.5, 0.5]))
    viewer.press("a")  # one pixel of the picture for one of the screen
    viewer.press("m", "Enter")
    assert viewer.pane.locator(".cross").count() == 1
    viewer.press("Enter", "Shift+ArrowRight", "Shift+ArrowRight", "ArrowLeft", "Enter")
    # 25 + 25 - 2 pixels of half a millimetre.
    assert viewer.measured() == ["24.0 mm at detector"]
    viewer.press("Escape")
    assert viewer.pane.locator(".cross").count() == 0

    viewer.press("n", "Enter", "Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter")
    assert viewer.measured() == ["24.0 mm at detector", "90.0°"]
    # Where nothing is measured, the arrows are what they were, and one that was begun can be left.
    viewer.press("Enter", "Shift+ArrowLeft", "Escape")
    assert viewer.measured() == ["24.0 mm at detector", "90.0°"]


def test_a_prior_is_there_again_after_a_reload(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(radiograph(tmp_path / "1"))
    viewer.open_prior(radiograph(tmp_path / "2", PhotometricInterpretation="MONOCHROME1"))
    with viewer.page.expect_response("**/desk/prior/pictures/0"):
        viewer.page.reload()
    viewer.page.locator(".side.prior").wait_for()
    viewer.settle()
    assert [viewer.gray(0.5, 0.6), viewer.gray(0.5, 0.6, pane=1)] == [0, 255]
    assert viewer.page.get_by_text("Prior study restored after the reload").first.is_visible()
    assert viewer.page.locator(PRIOR).count() == 1


# ---- axe, on what its other test does not show


@pytest.fixture
def quick_site() -> Iterator[Site]:
    with launched(ScriptedEngine(steps=6, seconds_a_step=0.02)) as site:
        yield site


@needs_axe
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious_in_the_map_the_guide_and_the_notices(
    context: Any, quick_site: Site, theme: str
) -> None:
    desk = Desk(context.new_page(), f"{quick_site.address}?guide=off&theme={theme}").open()
    page, findings = desk.page, {}
    with page.expect_response("**/desk/pictures/0"):
        page.locator("button.thumb").first.click()
    desk.type(SENTENCES)
    page.keyboard.press("Alt+u")
    with page.expect_response("**/desk/looked"):
        page.keyboard.press("Alt+w")
    page.get_by_text(LEGEND).first.wait_for()
    findings["looked"] = serious(page)
    context.set_offline(True)
    desk.type(" more")
    page.locator(".notice").first.wait_for()
    findings["notice"] = serious(page)
    context.set_offline(False)
    other = Desk(context.new_page(), f"{quick_site.address}?theme={theme}").open()
    other.page.locator(".guide").first.wait_for()
    findings["guide"] = serious(other.page)
    assert {screen: found for screen, found in findings.items() if found} == {}
