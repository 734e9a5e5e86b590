"""What is rare and must not go wrong: odd reports, odd files, odd screens, a silent server, a tab that is closed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from playwright.sync_api import Browser, BrowserContext

from drafting.desk.examples import FOLDER
from drafting.desk.session import Limits
from drafting.imaging import open as imaging
from tests.browser.conftest import PATIENCE, App, Desk
from tests.browser.test_viewer import Viewer, radiograph
from tests.drafting.scripted_engine import WORDS, ScriptedEngine
from tests.drafting.web import Site, eventually, launched

DRAFTED = "".join(WORDS)
CT = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"
# A skin tone, joined people, Hebrew and Arabic with their own direction, a combining accent.
ODD = ["🫁 Lungs 👩🏽‍⚕️ clear. ", "הריאות נקיות ללא תסנין. ", "القلب طبيعي. ", "Cafe\u0301-au-lait."]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with launched(ScriptedEngine(steps=8, seconds_a_step=0.03)) as site:
        yield site


@pytest.fixture(scope="module")
def address(site: Site) -> str:
    return f"{site.address}?guide=off"


def press(desk: Desk, *keys: str) -> None:
    for key in keys:
        desk.page.keyboard.press(key)


def paste(desk: Desk, text: str) -> None:
    desk.editor.click()
    desk.page.evaluate("(text) => navigator.clipboard.writeText(text)", text)
    press(desk, "Control+v")


def spans(desk: Desk) -> list[tuple[str, str]]:
    """State and text of each span, once all has been saved."""
    desk.page.wait_for_timeout(600)
    desk.page.get_by_text("Saved", exact=True).wait_for()
    return [(span["state"], span["text"]) for span in desk.saved[-1]["spans"]]


# ---- reports


def test_a_report_of_three_hundred_gaps_is_drafted_and_one_undo_opens_them_again(desk: Desk) -> None:
    paste(desk, " ".join(f"Item {number}: [[]]." for number in range(300)))
    before = spans(desk)
    assert [state for state, _ in before].count("open") == 300
    press(desk, "Control+Enter")
    desk.finish()
    after = spans(desk)
    assert [text for state, text in after if state == "open"] == [DRAFTED] * 300
    assert [text for state, text in after if state == "locked"] == [text for state, text in before if state == "locked"]
    desk.editor.focus()
    press(desk, "Control+z")
    assert spans(desk) == before


def test_locked_emoji_and_right_to_left_words_stay_byte_for_byte(desk: Desk) -> None:
    for line in ODD:
        paste(desk, line + "\n")
        press(desk, "Control+g")
    before = spans(desk)
    press(desk, "Control+Enter")
    desk.finish()
    desk.editor.focus()
    for keys in (("Control+Home", "Delete"), ("ArrowRight", "ArrowRight", "Backspace"), ("Control+a", "Delete")):
        press(desk, *keys)
    locked = [text for state, text in spans(desk) if state == "locked"]
    assert locked == [text for state, text in before if state == "locked"]
    assert "".join(locked) == "".join(line + "\n" for line in ODD)
    directions = desk.page.evaluate(
        "() => [...document.querySelectorAll('.cm-line')].map((line) => getComputedStyle(line).direction)"
    )
    assert directions[:4] == ["ltr", "rtl", "rtl", "ltr"]


def test_a_gap_may_stand_inside_a_locked_word_and_its_letters_stay(desk: Desk) -> None:
    desk.type("Pneumothorax.")
    press(desk, "Control+l", "Control+Home", *["ArrowRight"] * 6, "Control+g")
    assert spans(desk) == [("locked", "Pneumo"), ("open", ""), ("locked", "thorax.")]
    press(desk, "Control+Enter")
    desk.finish()
    assert spans(desk) == [("locked", "Pneumo"), ("open", DRAFTED), ("locked", "thorax.")]


def test_where_everything_is_locked_a_draft_says_so_and_changes_nothing(desk: Desk) -> None:
    desk.type("No pneumothorax.")
    press(desk, "Alt+l")
    desk.button("Draft").click()
    desk.page.get_by_role("alert").get_by_text("Nothing is open. Insert a gap or unlock text first.").wait_for()
    assert spans(desk) == [("locked", "No pneumothorax.")]
    assert desk.button("Draft").is_visible()


def test_where_nothing_is_locked_all_is_rewritten_and_one_undo_brings_it_back(desk: Desk) -> None:
    desk.type("No pneumothorax.")
    press(desk, "Alt+u", "Control+Enter")
    desk.finish()
    assert spans(desk) == [("open", DRAFTED)]
    desk.editor.focus()
    press(desk, "Control+z")
    assert spans(desk) == [("open", "No pneumothorax.")]
    # The full stop, which both texts have, too.
    assert [span["author"] for span in desk.saved[-1]["spans"]] == ["radiologist"]


def test_an_empty_report_gets_headings_and_undo_empties_it_again(desk: Desk) -> None:
    desk.button("Draft").click()
    desk.finish()
    assert [text.strip() for state, text in spans(desk) if state == "locked"] == ["FINDINGS:", "IMPRESSION:"]
    assert [text for state, text in spans(desk) if state == "open"] == [DRAFTED] * 2
    desk.editor.focus()
    press(desk, "Control+z", "Control+z")
    assert spans(desk) == []


def test_each_state_shows_by_its_form_and_not_by_colour_alone(desk: Desk) -> None:
    desk.type("No pneumothorax. ")
    press(desk, "Control+l", "Control+g", "Control+Enter")
    desk.finish()
    padlock, line = desk.page.locator(".cm-content .span.locked").evaluate(
        "(one) => [getComputedStyle(one, '::before').width, getComputedStyle(one).boxShadow]"
    )
    assert padlock == "10px"
    assert line != "none"
    drawn = "(one) => getComputedStyle(one).textDecorationStyle"
    model = desk.page.locator(".cm-content .span.open.model")
    assert model.evaluate(drawn) == "dotted"
    desk.editor.focus()
    press(desk, "Control+End", "Control+k")
    assert desk.page.locator(".cm-content .span.open.reviewed").evaluate(drawn) == "solid"


# ---- files


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(context: BrowserContext, tmp_path: Path) -> None:
    (tmp_path / "huge.dcm").write_bytes(bytes(2 * 2**20))
    with launched(ScriptedEngine(), study_limits=imaging.Limits(file_bytes=2**20)) as site:
        desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
        sent: list[str] = []
        desk.page.on("request", lambda request: sent.append(request.url))
        desk.page.set_input_files("input[type=file]:not([data-for])", tmp_path / "huge.dcm")
        alert = desk.page.get_by_role("alert").filter(visible=True)
        alert.get_by_text("This is larger than 1 MB. Choose another file, or try again.").wait_for()
        assert not [url for url in sent if url.endswith("/desk/study")]


def test_a_wrong_file_says_that_the_study_on_screen_stays(desk: Desk, tmp_path: Path) -> None:
    viewer = Viewer(desk).open(FOLDER / "effusion.dcm")
    (tmp_path / "letter.dcm").write_bytes(b"Dear colleague")
    desk.page.set_input_files("input[type=file]:not([data-for])", tmp_path / "letter.dcm")
    desk.page.get_by_role("alert").get_by_text("The study on screen is unchanged.").wait_for()
    assert viewer.gray(0.5, 0.5) > 0


def test_a_length_on_a_real_ct_is_in_its_own_millimetres(desk: Desk) -> None:
    viewer = Viewer(desk).open(CT)
    viewer.press("a", "m", "Enter", "Enter", *["Shift+ArrowRight"] * 2, "Enter")
    # Fifty pixels of 0.661468 mm.
    assert viewer.measured() == ["33.1 mm"]
    assert viewer.window().startswith("1 ")


# ---- screens


def test_with_fingers_one_windows_and_two_zoom(browser: Browser, site: Site, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 1180, "height": 820}, has_touch=True, is_mobile=True)
    viewer = Viewer(Desk(context.new_page(), f"{site.address}?guide=off").open())
    viewer.open(radiograph(tmp_path / "1"))
    assert viewer.pane.get_by_text("Two fingers: zoom and move").is_visible()
    touch = context.new_cdp_session(viewer.page)

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [
            {"x": x, "y": y, "id": number} for number, (x, y) in enumerate(viewer.point(*place) for place in places)
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    zoom = viewer.zoom()
    fingers("touchStart", (0.4, 0.5))
    fingers("touchMove", (0.6, 0.5))
    fingers("touchEnd")
    viewer.settle()
    assert viewer.window() == "Custom"
    assert viewer.zoom() == zoom
    fingers("touchStart", (0.45, 0.5), (0.55, 0.5))
    fingers("touchMove", (0.35, 0.5), (0.65, 0.5))
    fingers("touchEnd")
    viewer.settle()
    assert viewer.zoom() > 2 * zoom
    context.close()


@pytest.mark.parametrize("width", [1024, 1280, 820])
def test_no_line_of_state_is_cut(desk: Desk, width: int) -> None:
    desk.page.set_viewport_size({"width": width, "height": 800})
    paste(desk, "Lungs [[clear]], heart [[]] and [[]] normal.")
    desk.button("Copy").click()
    lines = {"Copied (2 gaps left, unreviewed AI draft)": ".live"}
    desk.page.get_by_text(next(iter(lines))).first.wait_for()
    cut = "(one) => one.scrollWidth > one.clientWidth"
    assert not desk.page.locator(".live").evaluate(cut)
    for text, name in (
        ("Step 128 of 256 · 123.4 s · up to 124 s left", ".step-line"),
        ("Not saved: no connection", ".saved"),
    ):
        line = desk.page.locator(name)
        line.evaluate("(one, text) => { one.textContent = text; one.classList.add('failed'); }", text)
        desk.page.locator(".editor").evaluate("(one) => one.classList.add('running')")
        assert not line.evaluate(cut), text


# ---- a server out of reach, or silent


def test_what_was_refused_for_want_of_a_connection_is_no_longer_said_once_it_is_back(desk: Desk) -> None:
    desk.editor.click()
    desk.page.context.set_offline(True)
    press(desk, "Alt+n")
    lost = desk.page.get_by_text("No connection to the server.")
    lost.first.wait_for()
    desk.page.context.set_offline(False)
    desk.page.get_by_text("Connected again.").wait_for()
    assert lost.filter(visible=True).count() == 0
    press(desk, "Alt+n")
    desk.page.get_by_text("No acute cardiopulmonary abnormality.").wait_for()
    desk.complaints[:] = [one for one in desk.complaints if "ERR_INTERNET_DISCONNECTED" not in one]


def test_a_run_of_which_nothing_is_heard_is_given_up_and_offered_again(context: BrowserContext) -> None:
    silent = True

    def fall_silent(step: int) -> None:
        if silent and step == 4:
            time.sleep(4)

    engine = ScriptedEngine(steps=8, seconds_a_step=0.05, before_step=fall_silent)
    with launched(engine, limits=Limits(silence_seconds=1.5)) as site:
        desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
        desk.type("No pneumothorax. ")
        desk.button("Insert gap").click()
        desk.draft()
        began = time.monotonic()
        again = desk.button("Draft again")
        again.wait_for(timeout=PATIENCE)
        assert time.monotonic() - began > 1
        assert desk.text.startswith("No pneumothorax.")
        assert DRAFTED not in desk.text
        # The server notices at the next frame that nobody listens.
        assert eventually(engine.closed.is_set)
        silent = False
        again.click()
        desk.finish()
        assert desk.text == f"No pneumothorax. {DRAFTED}"


def test_a_tab_that_is_closed_in_the_middle_of_a_run_leaves_no_traceback(
    context: BrowserContext, unhurried_model: Path, tmp_path: Path
) -> None:
    printed = tmp_path / "stderr"
    with App(unhurried_model, printed) as app:
        for _ in range(2):
            desk = Desk(context.new_page(), f"{app.address}?guide=off").open()
            desk.type("Portable film. ")
            desk.button("Insert gap").click()
            desk.draft()
            desk.page.close()
        # Another tab still gets its draft.
        desk = Desk(context.new_page(), f"{app.address}?guide=off").open()
        desk.button("Draft").click()
        desk.finish()
    text = printed.read_text(encoding="utf-8")
    assert "Traceback" not in text
    assert "Error" not in text


# ---- what the server checks again


def test_the_server_refuses_a_page_that_would_move_a_lock(desk: Desk, site: Site) -> None:
    """A page that asks for a draft of locked text by its id gets a sentence, and the report stays."""
    desk.type("No pneumothorax.")
    press(desk, "Control+l")
    locked = spans(desk)
    session = site.desk.sessions.find(desk.tokens[-1])
    body = {"kind": "draft", "token": desk.tokens[-1], "version": session.version + 1, "indication": ""}
    sent = body | {
        "spans": desk.saved[-1]["spans"],
        "seed": 1,
        "steps": None,
        "only": [desk.saved[-1]["spans"][0]["id"]],
    }
    answer: str = desk.page.evaluate(
        """async (message) => {
            const id = Number(document.getElementById("workstation").dataset.endpoint);
            await fetch("gradio_api/queue/join", {method: "POST", headers: {"Content-Type": "application/json"},
                body: JSON.stringify({data: [message], fn_index: id, session_hash: "s"})});
            return (await fetch("gradio_api/queue/data?session_hash=s")).text();
        }""",
        json.dumps(sent),
    )
    assert "Nothing is open here" in answer
    assert [(span.state, span.text) for span in session.report.spans] == locked
