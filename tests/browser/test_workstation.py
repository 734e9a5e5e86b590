"""A radiologist at the workstation, in a real browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from drafting.desk.examples import FOLDER
from drafting.exports.text import NOTICE, UNREVIEWED_NOTICE, to_text
from drafting.ui.wire import parse_spans
from tests.browser.conftest import DICOM, App, Desk
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import launched

SENTENCE = "The lungs are clear."
ATTEMPTS = [
    ("Control+Home", "ArrowRight", "x"),
    ("Control+Home", "ArrowRight", "Delete"),
    ("Control+Home", "ArrowRight", "Backspace"),
    ("Control+Home", "ArrowRight", "Enter"),
    ("Control+Home", "ArrowRight", "Control+v"),
    ("Control+Home", "Shift+ArrowRight", "Control+x"),
    ("Control+Home", "Control+Delete"),
    ("Control+a", "Control+v"),
    ("Control+a", "Control+x"),
    ("Control+a", "Delete"),
    ("Control+a", "y"),
    *[("Control+z",)] * 12,
    *[("Control+Shift+Z",)] * 12,
]
STUDIES = [
    pytest.param(FOLDER / "effusion.dcm", id="example"),
    pytest.param(
        DICOM / "RG1_J2KI",
        id="RG1_J2KI",
        marks=pytest.mark.skipif(not (DICOM / "RG1_J2KI").is_file(), reason=f"{DICOM} is not on this machine"),
    ),
]


def locked_and_gap(desk: Desk) -> None:
    """The sentence, locked, and a gap behind it."""
    desk.type(SENTENCE)
    desk.page.keyboard.press("Control+a")
    desk.button("Lock").click()
    desk.page.keyboard.press("Control+End")
    desk.button("Insert gap").click()


@pytest.mark.parametrize("study", STUDIES)
def test_a_report_from_the_study_to_the_file(desk: Desk, study: Path) -> None:
    desk.open_file(study)
    locked_and_gap(desk)
    desk.page.evaluate(
        """() => {
            window.frames_seen = new Set();
            const report = document.querySelector('.cm-content');
            new MutationObserver(() => frames_seen.add(report.innerText))
                .observe(report, {subtree: true, childList: true, characterData: true});
        }"""
    )
    desk.draft()
    desk.finish()
    frames = desk.page.evaluate("() => [...frames_seen]")
    assert len(set(frames)) >= 5
    assert all(SENTENCE in frame for frame in frames)

    desk.draft()
    desk.button("Stop").click()
    desk.page.get_by_text("Stopped").first.wait_for()
    assert desk.button("Draft").is_visible()

    text = desk.download().decode("utf-8")
    assert text.startswith(f"{SENTENCE}[[")
    assert text.endswith(f"]]\n\n{NOTICE}\n{UNREVIEWED_NOTICE}\n")
    desk.wait_until(lambda: desk.saved[-1]["spans"][-1]["text"] != "")
    locked, *_ = desk.saved[-1]["spans"]
    assert (locked["text"], locked["state"]) == (SENTENCE, "locked")


def test_locked_text_stays_whatever_is_done_to_it(desk: Desk) -> None:
    locked_and_gap(desk)
    desk.draft()
    desk.finish()
    desk.page.evaluate("() => navigator.clipboard.writeText('Pneumothorax!')")
    for attempt in ATTEMPTS:
        desk.editor.focus()
        for key in attempt:
            desk.page.keyboard.press(key)
        assert SENTENCE in desk.text, attempt
    assert desk.download().decode("utf-8").count(SENTENCE) == 1


def test_one_undo_takes_back_one_draft(desk: Desk) -> None:
    locked_and_gap(desk)
    desk.draft()
    desk.finish()
    assert desk.text != SENTENCE
    desk.button("Undo").click()
    assert desk.download().decode("utf-8") == f"{SENTENCE}\n\n{NOTICE}\n"


def test_text_typed_during_a_run_is_kept(desk: Desk) -> None:
    locked_and_gap(desk)
    desk.draft()
    desk.editor.focus()
    desk.page.keyboard.press("Control+Home")
    desk.page.keyboard.type("Portable film. ")
    assert desk.button("Stop").is_visible()
    desk.finish()
    assert desk.download().decode("utf-8").startswith(f"Portable film. {SENTENCE}[[")


def test_a_thousand_characters_typed_during_a_run_all_arrive(context: BrowserContext) -> None:
    typed = threading.Event()
    # On a machine that is slow to type a run of so many steps still lasts as long as the typing.
    engine = ScriptedEngine(steps=2000, before_step=lambda step: typed.wait(0.05))
    with launched(engine) as site:
        desk = Desk(context.new_page(), site.address).open()
        desk.type(".blank")
        desk.page.keyboard.press("Tab")
        desk.page.get_by_text("IMPRESSION:").wait_for()
        desk.draft()
        desk.editor.focus()
        desk.page.keyboard.press("Control+Home")
        words = "".join(f"{number:03} " for number in range(250))
        assert len(words) == 1000
        frames = desk.page.get_by_text(re.compile(r"^Step \d+ of \d+"))
        before = frames.inner_text()
        desk.page.keyboard.type(words[:500])
        halfway = frames.inner_text()
        desk.page.keyboard.type(words[500:])
        assert len({before, halfway, frames.inner_text()}) == 3
        typed.set()
        desk.finish()
        assert desk.download().decode("utf-8").startswith(f"{words.rstrip()}")
        desk.page.get_by_text("Saved", exact=True).wait_for()
        assert words.rstrip() in "".join(span["text"] for span in desk.saved[-1]["spans"])


def test_copy_and_download_give_the_text_that_the_program_writes_elsewhere(desk: Desk) -> None:
    locked_and_gap(desk)
    desk.draft()
    desk.finish()
    text = desk.download().decode("utf-8")
    desk.wait_until(lambda: desk.saved[-1]["spans"][-1]["text"] != "")
    assert text == to_text(parse_spans(desk.saved[-1]["spans"]))
    desk.button("Copy").click()
    desk.page.get_by_text("Copied").first.wait_for()
    assert desk.page.evaluate("() => navigator.clipboard.readText()") == text


def test_text_of_the_model_that_is_copied_by_the_keyboard_is_marked(desk: Desk) -> None:
    locked_and_gap(desk)
    desk.draft()
    desk.finish()
    desk.editor.focus()
    desk.page.keyboard.press("Control+a")
    desk.page.keyboard.press("Control+c")
    copied = desk.page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith(f"{SENTENCE}[[")
    assert copied.endswith("]]")


@pytest.mark.parametrize("milliseconds", [0, 5, 10, 20, 40])
def test_stop_right_after_draft_stops(desk: Desk, milliseconds: int) -> None:
    locked_and_gap(desk)
    desk.page.keyboard.press("Control+Enter")
    desk.page.wait_for_timeout(milliseconds)
    desk.page.keyboard.press("Escape")
    desk.page.get_by_text("Stopped").first.wait_for()


def test_a_double_click_on_draft_drafts(desk: Desk) -> None:
    locked_and_gap(desk)
    desk.button("Draft").dblclick()
    desk.finish()


def test_a_draft_that_is_over_at_once_is_shown_and_kept(context: BrowserContext) -> None:
    with App() as app:
        desk = Desk(context.new_page(), app.address).open()
        locked_and_gap(desk)
        for _ in range(3):
            desk.button("Draft").click()
            desk.finish()
            assert desk.text.startswith(SENTENCE)
            assert len(desk.text) > len(SENTENCE)
        desk.button("Undo").click()
        assert len(desk.text) > len(SENTENCE)


def test_the_page_outlives_its_server(context: BrowserContext, unhurried_model: Path) -> None:
    with App(unhurried_model) as app:
        desk = Desk(context.new_page(), app.address).open()
        desk.open_file(FOLDER / "effusion.dcm")
        locked_and_gap(desk)
        with desk.page.expect_request("**/gradio_api/queue/data*"):
            desk.page.keyboard.press("Control+Enter")
        desk.page.keyboard.insert_text(" Portable film.")
        app.kill()
        desk.page.get_by_role("alert").get_by_text(re.compile("connection (to the server|was lost)")).first.wait_for()
        desk.type(" Typed without a server.")
        desk.button("Copy").click()
        desk.page.get_by_text("Copied").first.wait_for()
        typed = f"{SENTENCE} Portable film. Typed without a server."
        assert desk.page.evaluate("() => navigator.clipboard.readText()") == f"{typed}\n\n{NOTICE}\n"
        desk.button("Draft").click()
        desk.page.get_by_text("No connection to the server.").wait_for()
        with app, desk.page.expect_response("**/desk/study") as study:
            desk.page.get_by_text("Saved", exact=True).wait_for()
            desk.button("Draft").click()
            desk.finish()
            text = desk.download().decode("utf-8")
        assert study.value.ok
        assert text.startswith(f"{SENTENCE}[[")
        assert "Portable film. Typed without a server." in text


def test_a_report_that_is_too_long_is_a_sentence_and_stays(desk: Desk) -> None:
    text = "word " * 1_000_000
    desk.page.evaluate("text => navigator.clipboard.writeText(text)", text)
    desk.editor.click()
    desk.page.keyboard.press("Control+v")
    desk.button("Insert gap").click()
    desk.button("Draft").click()
    desk.page.get_by_role("alert").get_by_text("The report has more than 100,000 characters.").wait_for()
    assert desk.download().decode("utf-8") == f"{text}\n\n{NOTICE}\n"


def test_the_study_can_be_chosen_from_the_examples(desk: Desk) -> None:
    with desk.page.expect_response("**/desk/pictures/0"):
        desk.page.locator("button", has_text="Chest radiograph, PA · DICOM").first.click()
    desk.page.get_by_text("CR").or_(desk.page.get_by_text("DX")).first.wait_for()
    desk.button("Draft").click()
    desk.finish()
    assert "FINDINGS:" in desk.text


def test_a_file_that_is_no_study_is_a_sentence_and_the_report_stays(desk: Desk, tmp_path: Path) -> None:
    desk.type(SENTENCE)
    letter = tmp_path / "letter.dcm"
    letter.write_bytes(b"Dear colleague")
    with desk.page.expect_response("**/desk/study") as response:
        desk.page.set_input_files("input[type=file]", letter)
        desk.button("Keep report").click()
    assert response.value.status == 422
    alert = desk.page.get_by_role("alert").filter(visible=True)
    alert.wait_for()
    assert alert.inner_text().strip().endswith(".")
    assert desk.text == SENTENCE


def test_two_tabs_are_two_reports(open_desk: Callable[[], Desk]) -> None:
    first, second = open_desk(), open_desk()
    for desk, sentence in ((first, "First."), (second, "Second.")):
        desk.type(sentence)
        desk.button("Insert gap").click()
        desk.button("Draft").click()
    for desk, sentence, other in ((first, "First.", "Second."), (second, "Second.", "First.")):
        desk.finish()
        text = desk.download().decode("utf-8")
        assert text.startswith(f"{sentence}[[")
        assert other not in text
    assert set(first.tokens).isdisjoint(second.tokens)


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (1280, 800), (1920, 1080)])
def test_everything_is_on_screen_without_scrolling(desk: Desk, width: int, height: int) -> None:
    desk.page.set_viewport_size({"width": width, "height": height})
    for name in ("Open study", "Draft", "Lock", "Unlock", "Insert gap", "Undo", "Redo", "Copy", "Download", "Settings"):
        box = desk.button(name).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    assert desk.page.get_by_text(NOTICE).first.is_visible()
    assert desk.page.evaluate("() => document.documentElement.scrollHeight <= innerHeight")
