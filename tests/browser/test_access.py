"""What axe finds on every panel that opens over the page, in both themes; `test_shell` sees to the screens beneath."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from drafting.desk.examples import FOLDER
from tests.browser.conftest import Desk, needs_axe
from tests.browser.test_shell import THEMES, reload, serious
from tests.browser.test_viewer import PRIOR, Viewer
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import Site, launched

pytestmark = needs_axe


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with launched(ScriptedEngine(steps=6, seconds_a_step=0.02)) as site:
        yield site


class Panels:
    """Opens one panel after the other and keeps what axe says of each."""

    def __init__(self, context: BrowserContext, site: Site, theme: str) -> None:
        self.findings: dict[str, list[str]] = {}
        self.desk = Desk(context.new_page(), f"{site.address}?guide=off&theme={theme}").open()
        self.page = self.desk.page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def look(self, name: str) -> None:
        self.findings[name] = serious(self.page)

    def over_the_report(self, name: str, *keys: str, shown: str) -> None:
        """A panel that these keys open, `shown` by its selector, and that Escape closes."""
        self.desk.editor.focus()
        self.press(*keys)
        self.page.locator(shown).first.wait_for()
        self.look(name)
        self.press("Escape")


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_in_any_panel_over_the_report(
    context: BrowserContext, site: Site, theme: str
) -> None:
    panels = Panels(context, site, theme)
    desk = panels.desk
    Viewer(desk).open(FOLDER / "effusion.dcm")
    desk.type("No pneumothorax. Seen by [name]. ")
    panels.press("Control+l", "Control+g")
    panels.over_the_report("hint", "Alt+h", shown=".menu")
    with desk.page.expect_response("**/desk/frames"):
        panels.press("Control+Enter")
        desk.finish()
    panels.over_the_report("time line", "Alt+t", "ArrowLeft", "ArrowLeft", shown=".timeline.scrubbing")
    panels.over_the_report("changes", "Alt+x", shown=".changes ins")
    panels.over_the_report("alternatives", "Control+End", "Alt+ArrowDown", shown=".menu-item")
    panels.over_the_report("words", "Control+End", "ArrowLeft", "Alt+o", shown=".menu-item")
    panels.over_the_report("templates", "Alt+m", shown=".menu-item")
    desk.editor.focus()
    panels.press("Control+f")
    desk.page.get_by_role("textbox", name="Find", exact=True).fill("heart")
    panels.look("find")
    panels.press("Escape")
    desk.editor.focus()
    panels.press("Alt+q")
    desk.page.keyboard.type("Is there an effusion?")
    panels.press("Enter")
    desk.page.get_by_text("unreviewed · seed").wait_for()
    panels.look("question")
    panels.press("Escape")
    desk.button("More").click()
    panels.look("commands")
    panels.press("Escape")
    panels.press("Alt+l", "Control+Enter")
    desk.page.get_by_text("Nothing is open").wait_for()
    panels.look("nothing open")
    assert {panel: found for panel, found in panels.findings.items() if found} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_at_the_study_and_in_what_is_said_of_it(
    context: BrowserContext, site: Site, theme: str, tmp_path: Path
) -> None:
    panels = Panels(context, site, theme)
    viewer = Viewer(panels.desk).open(FOLDER / "effusion.dcm")
    viewer.press("m")
    viewer.drag((0.3, 0.5), (0.6, 0.5))
    viewer.press("n", "Enter", "Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter", "h", "i")
    panels.look("measured and mirrored")
    panels.desk.button("Prior").click()
    panels.desk.button("Choose files").wait_for()
    panels.look("which prior")
    panels.press("Escape")
    with viewer.page.expect_response("**/desk/prior/pictures/0"):
        viewer.page.set_input_files(PRIOR, FOLDER / "no-finding.png")
    viewer.page.locator(".side.prior").wait_for()
    panels.look("prior")
    (tmp_path / "letter.dcm").write_bytes(b"Dear colleague")
    viewer.page.set_input_files("input[type=file]:not([data-for])", tmp_path / "letter.dcm")
    viewer.page.get_by_text("The study on screen is unchanged.").wait_for()
    panels.look("wrong file")
    assert {panel: found for panel, found in panels.findings.items() if found} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_where_two_tabs_hold_one_report(
    context: BrowserContext, site: Site, theme: str
) -> None:
    first, second = Panels(context, site, theme), Panels(context, site, theme)
    first.desk.type("Written first.")
    first.page.get_by_text("Saved", exact=True).wait_for()
    state = first.page.evaluate("() => history.state")
    second.page.evaluate("(state) => history.replaceState(state, '')", state)
    reload(second.desk)
    second.desk.wait_until(lambda: second.desk.text == "Written first.")
    first.page.bring_to_front()
    first.desk.type(" More.")
    first.page.wait_for_timeout(800)
    second.page.bring_to_front()
    second.desk.type(" Beside.")
    second.page.get_by_text("Another tab changed this report.").wait_for()
    second.look("two tabs")
    assert second.findings == {"two tabs": []}
