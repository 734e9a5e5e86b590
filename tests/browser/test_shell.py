"""The page around the two panes: themes, sizes, keys, the guided example, reloads, lost connections, two tabs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Route

from drafting.desk.session import Limits
from tests.browser.conftest import AXE, PATIENCE, Desk, needs_axe
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import Site, eventually, launched

SENTENCE = "The lungs are clear."
THEMES = ["dark", "light"]
SHIFTS = """() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) shifts.push(entry.value);
    }).observe({type: 'layout-shift', buffered: false});
}"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The desk with an engine of some seconds a run, and no model: what is tested here is the page."""
    with launched(ScriptedEngine(steps=30, seconds_a_step=0.08)) as site:
        yield site


@pytest.fixture(scope="module")
def address(site: Site) -> str:
    return site.address


@pytest.fixture
def quiet(open_desk: Callable[..., Desk]) -> Callable[..., Desk]:
    """Opens tabs on which the guided example does not begin by itself."""
    return lambda query="guide=off": open_desk(f"?{query}")


def sentence_and_gap(desk: Desk) -> None:
    desk.type(SENTENCE)
    desk.button("Insert gap").click()


def open_example(desk: Desk) -> None:
    with desk.page.expect_response("**/desk/pictures/0"):
        desk.page.locator("button.thumb").first.click()


# ---- themes


def test_the_page_is_dark_until_light_is_chosen_and_the_address_keeps_the_choice(quiet: Callable[..., Desk]) -> None:
    desk = quiet()

    def ground() -> str:
        return desk.page.evaluate("() => getComputedStyle(document.querySelector('.editor')).backgroundColor")

    dark = ground()
    desk.button("Light theme").click()
    light = ground()
    assert dark != light
    assert "theme=light" in desk.page.url
    desk.page.reload()
    desk.editor.wait_for()
    assert ground() == light
    desk.button("Dark theme").click()
    assert ground() == dark
    assert "theme" not in desk.page.url


# ---- what everybody can read and reach


def serious(page: Page) -> list[str]:
    """What axe finds that it calls serious or critical."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:120]} {node['any'][0]['message'] if node['any'] else ''}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@needs_axe
@pytest.mark.parametrize("theme", THEMES)
def test_no_screen_has_a_serious_finding_of_axe(quiet: Callable[..., Desk], theme: str) -> None:
    desk = quiet(f"guide=off&theme={theme}")
    findings = {"empty": serious(desk.page)}
    open_example(desk)
    sentence_and_gap(desk)
    desk.draft()
    findings["drafting"] = serious(desk.page)
    desk.finish()
    findings["drafted"] = serious(desk.page)
    desk.button("Examples").click()
    findings["examples"] = serious(desk.page)
    desk.button("Settings").click()
    findings["settings"] = serious(desk.page)
    desk.page.keyboard.press("Escape")
    desk.button("Keys").click()
    findings["keys"] = serious(desk.page)
    desk.page.keyboard.press("Escape")
    desk.button("Examples").click()
    desk.page.locator(".strip .thumb").first.click()
    desk.button("Keep report").wait_for()
    findings["question"] = serious(desk.page)
    desk.button("Cancel").click()
    assert {screen: found for screen, found in findings.items() if found} == {}


@pytest.mark.parametrize(
    ("width", "height", "touch"),
    [
        (1280, 800, False),
        (1920, 1080, False),
        (3840, 2160, False),
        (820, 1180, True),
        (1180, 820, True),
        (1024, 768, True),
        (768, 1024, True),
    ],
)
def test_every_button_is_whole_and_in_reach(browser: Browser, site: Site, width: int, height: int, touch: bool) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch)
    desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
    open_example(desk)
    sentence_and_gap(desk)
    boxes = desk.page.evaluate(
        """() => [...document.querySelectorAll('.bar button, .shell-tools button')].filter((one) => one.offsetParent)
            .map((one) => {
                const {left, right, top, bottom} = one.getBoundingClientRect();
                const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
                const cut = one.scrollWidth > one.clientWidth + 1;
                return [one.ariaLabel, left, right, top, bottom, one.contains(hit), cut];
            })"""
    )
    assert len(boxes) >= 14
    least = 36 if touch else 20
    for name, left, right, top, bottom, hit, cut in boxes:
        assert left >= 0, name
        assert right <= width, name
        assert top >= 0, name
        assert bottom <= height, name
        assert bottom - top >= least, name
        assert hit, name
        assert not cut, name
    assert desk.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_nothing_jumps_while_frames_stream(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    open_example(desk)
    sentence_and_gap(desk)
    desk.page.wait_for_timeout(700)
    desk.page.evaluate(SHIFTS)
    desk.button("Draft").click()
    desk.finish()
    desk.page.wait_for_timeout(300)
    assert sum(desk.page.evaluate("() => shifts")) < 0.01


def test_the_report_stays_where_it_is_when_errors_and_notices_come_and_go(browser: Browser, site: Site) -> None:
    for width, height in ((1280, 800), (1920, 1080), (3840, 2160), (1024, 768), (768, 1024)):
        touch = width < 1280
        context = browser.new_context(viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch)
        desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
        desk.type(SENTENCE)
        line = desk.page.locator(".cm-line").first

        before = line.bounding_box()
        desk.button("Draft").click()
        error = desk.page.get_by_role("alert").filter(has_text="Nothing is open")
        error.wait_for()
        desk.button("Example").click()
        notice = desk.page.get_by_text("The example needs an empty report")
        notice.wait_for()
        assert line.bounding_box() == before, width
        boxes = [one.bounding_box() for one in (error, desk.page.locator(".notice").last)]
        desk.button("Ask").click()
        boxes.append(desk.page.get_by_role("dialog", name="Ask about the image").bounding_box())
        paper = desk.page.locator(".cm-scroller").bounding_box()
        assert paper is not None
        foot = [box for box in boxes if box is not None]
        assert len(foot) == 3
        for box in foot:
            # Over the report, and not over its first line.
            assert box["y"] > before["y"] + before["height"], width
            assert box["y"] + box["height"] <= paper["y"] + paper["height"], width
            assert box["x"] >= paper["x"], width
            assert box["x"] + box["width"] <= paper["x"] + paper["width"], width
        desk.button("Close question").click()
        desk.button("Dismiss").click()
        error.wait_for(state="detached")
        assert line.bounding_box() == before, width
        context.close()


def test_a_screen_reader_hears_the_beginning_and_the_end_of_a_run_only(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    sentence_and_gap(desk)
    desk.page.evaluate(
        """() => {
            window.said = [];
            for (const region of document.querySelectorAll('[role=status], [aria-live]'))
                new MutationObserver(() => said.push(region.textContent))
                    .observe(region, {childList: true, characterData: true, subtree: true});
        }"""
    )
    desk.draft()
    desk.finish()
    said = desk.page.evaluate("() => said")
    assert said[0] == "Drafting"
    assert said[-1].startswith("Draft ready")
    assert len(said) <= 3


# ---- keys


def test_the_sheet_shows_every_key_of_the_table_and_closes_again(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    desk.page.locator("body").press("?")
    sheet = desk.page.get_by_role("dialog", name="Shortcuts")
    sheet.wait_for()
    text = sheet.inner_text()
    for words in ("Lock the selection", "Insert a gap", "Invert gray", "Draft: the model writes", "Right drag"):
        assert words in text
    desk.page.keyboard.press("Escape")
    sheet.wait_for(state="detached")
    desk.type("Is this so?")
    assert not sheet.is_visible()
    assert desk.text == "Is this so?"
    desk.page.keyboard.press("F1")
    sheet.wait_for()
    desk.page.keyboard.press("F1")
    sheet.wait_for(state="detached")


# ---- the guided example


FINDING = "Small right pleural effusion."


def watch_example(desk: Desk) -> list[str]:
    """The captions of the example, watched to its end."""
    guide = desk.page.get_by_role("region", name="Guided example")
    guide.wait_for(timeout=PATIENCE)
    captions: list[str] = []
    while not captions or not captions[-1].startswith(("Now you", "The example ended")):
        caption = guide.locator(".caption").inner_text()
        if caption not in captions:
            captions.append(caption)
        desk.page.wait_for_timeout(100)
    return captions


def test_the_example_runs_by_itself_locks_what_follows_the_locked_finding_and_ends(context: BrowserContext) -> None:
    words = tuple(re.findall(r" ?\S+", FINDING))
    with launched(ScriptedEngine(steps=10, seconds_a_step=0.05, words_written=words)) as site:
        desk = Desk(context.new_page(), site.address).open()
        captions = watch_example(desk)
        assert any("The impression follows" in caption for caption in captions)
        assert any("Lock: now" in caption for caption in captions)
        assert captions[-1].startswith("Now you")
        # The impression, of which the findings said the same.
        locked = desk.page.locator(".cm-content .span.locked.model")
        assert locked.all_inner_texts() == [FINDING]
        assert desk.text.startswith(f"FINDINGS:\n{FINDING}")
        assert desk.text.endswith(f"IMPRESSION:\n{FINDING}")
        # The visitor has written nothing of it.
        assert desk.page.locator(".cm-content .span.radiologist").count() == 0
        desk.button("Start with an empty report").click()
        assert desk.page.locator(".cm-content").inner_text().startswith("Type, or press Draft")


def test_the_example_claims_nothing_of_a_draft_that_does_not_follow_what_is_locked(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    desk.button("Watch the 20-second example").click()
    captions = watch_example(desk)
    assert captions[-1].startswith("Now you")
    assert any("The gaps are filled and the locked text is unchanged." in caption for caption in captions)
    assert not any("follows" in caption or "Lock: now" in caption for caption in captions)
    assert FINDING in desk.text
    assert desk.page.locator(".cm-content .span.locked.model").count() == 0


def test_the_example_asks_before_it_takes_the_place_of_a_study(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    open_example(desk)
    desk.button("Example").click()
    desk.button("Keep my study").click()
    assert desk.page.get_by_role("region", name="Guided example").count() == 0
    desk.button("Example").click()
    desk.button("Watch it").click()
    desk.page.get_by_role("region", name="Guided example").get_by_text("is locked: no draft").wait_for()


def test_any_key_stops_the_example_at_once_and_is_typed_nowhere(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    desk.button("Watch the 20-second example").click()
    guide = desk.page.get_by_role("region", name="Guided example")
    guide.get_by_text("Draft: the model reads").wait_for(timeout=PATIENCE)
    desk.page.keyboard.press("x")
    guide.get_by_text("The example has stopped").wait_for(timeout=PATIENCE)
    desk.page.wait_for_timeout(3_000)
    assert desk.button("Draft").is_visible()
    desk.button("Continue with this report").click()
    guide.wait_for(state="detached")
    assert "x" not in desk.text.replace("EX", "")


def test_the_example_never_starts_on_a_report_that_is_being_written(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    desk.type(SENTENCE)
    desk.button("Example").click()
    desk.page.get_by_text("The example needs an empty report").wait_for()
    assert desk.text == SENTENCE
    assert desk.page.get_by_role("region", name="Guided example").count() == 0


# ---- reloads and two tabs


def reload(desk: Desk) -> None:
    desk.page.on("dialog", lambda dialog: dialog.accept())
    desk.page.reload()
    desk.editor.wait_for()


def test_a_reload_keeps_study_report_and_locks(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    open_example(desk)
    sentence_and_gap(desk)
    desk.page.get_by_label("Indication").fill("cough")
    desk.page.get_by_text("Saved", exact=True).wait_for()
    desk.wait_until(lambda: bool(desk.saved) and desk.saved[-1]["indication"] == "cough")
    with desk.page.expect_response("**/desk/pictures/0"):
        reload(desk)
    desk.wait_until(lambda: SENTENCE in desk.text)
    assert desk.page.locator(".cm-content .gap").count() == 1
    assert desk.page.locator(".cm-content .span.locked.radiologist").inner_text() == SENTENCE
    assert desk.page.get_by_label("Indication").input_value() == "cough"
    desk.button("Draft").click()
    desk.finish()
    assert desk.text.startswith(SENTENCE)


def test_what_was_typed_right_before_a_reload_is_there_after_it(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    desk.type(SENTENCE)
    desk.page.get_by_text("Saved", exact=True).wait_for()
    # What is on its way when the page is left does not arrive.
    desk.page.route("**/desk/report", lambda route: None)
    desk.type(" More of it.")
    reload(desk)
    desk.page.unroute("**/desk/report")
    desk.wait_until(lambda: desk.text == f"{SENTENCE} More of it.")
    desk.type(" And on.")
    desk.page.get_by_text("Saved", exact=True).wait_for()
    desk.wait_until(lambda: "And on." in json.dumps(desk.saved[-1]))
    assert desk.page.get_by_role("alert").count() == 0


def test_what_is_typed_before_the_report_is_back_does_not_replace_it(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    desk.type(SENTENCE)
    desk.page.get_by_text("Saved", exact=True).wait_for()
    held: list[Route] = []
    desk.page.route("**/desk/sessions", lambda route: held.append(route))
    reload(desk)
    desk.type("Typed early.")
    held[0].continue_()
    desk.page.get_by_role("alert").get_by_text("Another tab changed this report.").wait_for()
    desk.page.wait_for_timeout(600)
    assert desk.text == "Typed early."
    desk.button("Show the other version").click()
    desk.wait_until(lambda: desk.text == SENTENCE)


def test_a_run_that_a_reload_cuts_off_is_offered_again(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    sentence_and_gap(desk)
    desk.draft()
    reload(desk)
    desk.page.get_by_text("The connection was lost during the draft").wait_for()
    assert desk.text.startswith(SENTENCE)
    desk.button("Draft again").click()
    desk.finish()


def test_after_a_reload_what_is_typed_hinted_and_drafted_has_ids_of_its_own(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    refused: list[str] = []
    desk.page.on("response", lambda answer: answer.status >= 400 and refused.append(answer.url))
    for number in range(3):
        for word in ("One. ", "Two. "):
            desk.type(word)
            desk.page.keyboard.press("Control+l")
            desk.page.keyboard.press("Control+g")
        desk.page.get_by_text("Saved", exact=True).wait_for()
        reload(desk)
        desk.wait_until(lambda: desk.page.locator(".cm-content .gap").count() > 0)
        ids = [span["id"] for span in desk.saved[-1]["spans"]]
        assert len(set(ids)) == len(ids), number
    desk.button("Draft").click()
    desk.finish()
    assert desk.text.count("One.") == 3
    assert refused == []


def test_locked_bytes_that_no_keyboard_makes_survive_a_reload_and_a_key(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    desk.page.wait_for_function("() => history.state?.desk")
    texts = ["a\r\nb", "c\rd", "e\ufffcf", "\ufffc", "\r"]
    spans = [
        {"id": f"c{number}", "text": text, "state": "locked", "author": "template"} for number, text in enumerate(texts)
    ]
    desk.page.evaluate(
        """async (spans) => {
            const headers = {"Content-Type": "application/json", "X-Desk": history.state.desk};
            const body = JSON.stringify({version: 1, spans, indication: "", writer: "other"});
            await fetch("desk/report", {method: "PUT", body, headers});
        }""",
        spans,
    )
    reload(desk)
    desk.wait_until(lambda: desk.page.locator(".cm-content .span.locked").count() > 0)
    desk.type("x")
    desk.wait_until(lambda: bool(desk.saved) and desk.saved[-1]["spans"][-1]["text"] == "x")
    assert [span["text"] for span in desk.saved[-1]["spans"]] == [*texts, "x"]


def test_two_tabs_with_one_report_are_told_and_neither_overwrites_the_other(quiet: Callable[..., Desk]) -> None:
    first, second = quiet(), quiet()
    first.type("Written first.")
    first.page.get_by_text("Saved", exact=True).wait_for()
    state = first.page.evaluate("() => history.state")
    second.page.evaluate("(state) => history.replaceState(state, '')", state)
    reload(second)
    second.wait_until(lambda: second.text == "Written first.")
    first.page.bring_to_front()
    first.type(" More of it.")
    first.wait_until(lambda: "More of it." in json.dumps(first.saved[-1]))
    second.page.bring_to_front()
    second.type(" Written beside.")
    second.page.get_by_role("alert").get_by_text("Another tab changed this report.").wait_for()
    assert second.text == "Written first. Written beside."
    second.button("Show the other version").click()
    second.wait_until(lambda: second.text == "Written first. More of it.")
    second.type(" And on.")
    second.wait_until(lambda: "And on." in json.dumps(second.saved[-1]))
    second.page.get_by_text("Saved", exact=True).wait_for()
    first.page.bring_to_front()
    first.type(" Mine.")
    first.button("Keep this version").click()
    first.page.get_by_text("Saved", exact=True).wait_for()
    first.wait_until(lambda: "Mine." in json.dumps(first.saved[-1]))


def test_the_page_asks_before_locked_text_of_the_model_is_left(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    desk.page.on("dialog", answer)
    desk.button("Draft").click()
    desk.finish()
    desk.page.reload()
    desk.page.locator(".cm-content .span.model").first.wait_for()
    assert asked == []
    desk.editor.focus()
    for keys in ("Control+End", "ArrowLeft", "Control+l"):
        desk.page.keyboard.press(keys)
    desk.page.locator(".cm-content .span.locked.model").first.wait_for()
    desk.page.reload()
    desk.editor.wait_for()
    assert asked == ["beforeunload"]


def test_a_page_that_is_left_for_good_is_forgotten(context: BrowserContext) -> None:
    with launched(ScriptedEngine(), limits=Limits(idle_seconds=20, return_seconds=1)) as site:
        desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
        desk.type(SENTENCE)
        desk.page.get_by_text("Saved", exact=True).wait_for()
        assert len(site.desk.sessions) == 1
        # The page asks first, as there is text that the radiologist typed.
        desk.page.on("dialog", lambda dialog: dialog.accept())
        desk.page.goto("about:blank")
        assert eventually(lambda: len(site.desk.sessions) == 0)


# ---- a lost connection


def test_a_lost_connection_is_said_and_goes_away_by_itself(quiet: Callable[..., Desk]) -> None:
    desk = quiet()
    sentence_and_gap(desk)
    desk.page.get_by_text("Saved", exact=True).wait_for()
    desk.draft()
    # What the tab does when the network goes away; Chromium's own switch leaves a stream that is open alone.
    desk.page.context.set_offline(True)
    desk.type(" Typed offline.")
    notice = desk.page.get_by_role("alert").get_by_text("No connection to the server.")
    notice.wait_for()
    desk.page.get_by_text("Not saved: no connection").wait_for()
    desk.page.context.set_offline(False)
    desk.page.get_by_text("Connected again.").wait_for()
    assert notice.count() == 0
    desk.page.get_by_text("Saved", exact=True).wait_for()
    desk.wait_until(lambda: "Typed offline." in json.dumps(desk.saved[-1]))
    desk.complaints[:] = [one for one in desk.complaints if "ERR_INTERNET_DISCONNECTED" not in one]
