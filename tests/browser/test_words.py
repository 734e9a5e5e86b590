"""Words and hints in a real browser: alternatives of a word, hints of gaps, and what undo takes back of locks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.conftest import Desk
from tests.drafting.scripted_engine import WORDS, ScriptedEngine
from tests.drafting.web import Site, launched

SENTENCE = "".join(WORDS)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with launched(ScriptedEngine(steps=4, seconds_a_step=0.02)) as site:
        yield site


@pytest.fixture(scope="module")
def address(site: Site) -> str:
    return f"{site.address}?guide=off"


def press(desk: Desk, *keys: str) -> None:
    for key in keys:
        desk.page.keyboard.press(key)


def saved(desk: Desk) -> list[dict[str, Any]]:
    desk.page.wait_for_timeout(600)
    desk.page.get_by_text("Saved", exact=True).wait_for()
    return desk.saved[-1]["spans"]


def drafted(desk: Desk) -> None:
    """A locked sentence, then the model's."""
    desk.type("No pneumothorax. ")
    press(desk, "Control+l", "Control+g", "Control+Enter")
    desk.finish()
    desk.wait_until(lambda: SENTENCE in desk.text)
    desk.editor.focus()


def click_word(desk: Desk, word: str) -> None:
    """Click in the middle of a word, as a person would."""
    box = desk.page.evaluate(
        """(word) => {
            const walker = document.createTreeWalker(document.querySelector(".cm-content"), NodeFilter.SHOW_TEXT);
            for (let node; (node = walker.nextNode()); ) {
                const at = node.data.indexOf(word);
                if (at < 0) continue;
                const range = document.createRange();
                range.setStart(node, at);
                range.setEnd(node, at + word.length);
                const { x, y, width, height } = range.getBoundingClientRect();
                return { x: x + width / 2, y: y + height / 2 };
            }
        }""",
        word,
    )
    desk.page.mouse.click(box["x"], box["y"])


def test_a_click_on_a_word_lists_others_and_enter_puts_one_in_as_one_step(desk: Desk) -> None:
    drafted(desk)
    before = saved(desk)
    click_word(desk, "normal")
    options = desk.page.get_by_role("option")
    options.first.wait_for()
    assert [text.split("\n")[0] for text in options.all_inner_texts()] == ["normal", "large", "tiny"]
    assert "now" in options.first.inner_text()
    assert "62.5 %" in options.first.inner_text()
    assert desk.page.get_by_text(re.compile("6.3 % for all other words")).is_visible()
    press(desk, "ArrowDown", "Enter")
    desk.wait_until(lambda: SENTENCE.replace("normal", "large") in desk.text)
    after = saved(desk)
    written = next(span for span in after if "large" in span["text"])
    assert (written["state"], written["author"]) == ("open", "model")
    # What the model was sure of is still shaded, and the word by its own share.
    assert desk.page.get_by_title("Certainty 25 %").inner_text() == "large"
    press(desk, "Control+z")
    assert saved(desk) == before


def test_escape_leaves_everything_and_typing_goes_on_in_the_report(desk: Desk) -> None:
    drafted(desk)
    before = saved(desk)
    click_word(desk, "heart")
    desk.page.get_by_role("option").first.wait_for()
    press(desk, "Escape")
    assert saved(desk) == before
    click_word(desk, "heart")
    desk.page.get_by_role("option").first.wait_for()
    desk.page.keyboard.type("xy")
    assert desk.page.get_by_role("option").count() == 0
    assert "xy" in "".join(span["text"] for span in saved(desk) if span["author"] == "radiologist")
    press(desk, "Control+z")
    click_word(desk, "size")
    desk.page.get_by_role("option").first.wait_for()
    press(desk, "Control+l")
    assert desk.page.get_by_role("option").count() == 0
    assert SENTENCE in "".join(span["text"] for span in saved(desk) if span["state"] == "locked")


def test_a_key_lists_the_words_at_the_caret_and_locked_words_have_none(desk: Desk) -> None:
    drafted(desk)
    press(desk, "Control+Home", "Alt+o")
    desk.page.get_by_text("There is no word of open text here.").wait_for()
    click_word(desk, "pneumothorax")
    desk.page.wait_for_timeout(500)
    assert desk.page.get_by_role("option").count() == 0
    press(desk, "Control+End", "ArrowLeft", "Alt+o")
    desk.page.get_by_role("option").first.wait_for()
    assert desk.page.get_by_role("dialog", name="Instead of “size”").is_visible()
    press(desk, "Escape")


def test_a_double_click_selects_the_word_and_lists_nothing(desk: Desk) -> None:
    drafted(desk)
    box = desk.page.locator(".cm-content .span.open").first.bounding_box()
    desk.page.mouse.dblclick(box["x"] + 8, box["y"] + 8)
    desk.page.wait_for_timeout(500)
    assert desk.page.get_by_role("option").count() == 0
    assert desk.page.evaluate("() => getSelection().toString()").strip() == "The"


def test_a_report_that_another_page_wrote_meanwhile_is_refused_in_a_sentence(desk: Desk, site: Site) -> None:
    drafted(desk)
    saved(desk)
    session = site.desk.sessions.find(desk.tokens[-1])
    session.receive(session.report, session.version + 5, "", "other")
    press(desk, "Control+End", "ArrowLeft", "Alt+o")
    desk.page.get_by_text(re.compile("newer version|Another tab changed")).first.wait_for()
    assert desk.page.get_by_role("option").count() == 0


def test_the_key_for_a_draft_drafts_over_an_open_list_of_words(desk: Desk) -> None:
    drafted(desk)
    before = saved(desk)
    click_word(desk, "heart")
    desk.page.get_by_role("option").first.wait_for()
    press(desk, "Control+Enter")
    assert desk.page.get_by_role("dialog").count() == 0
    desk.page.get_by_role("button", name="Stop").wait_for()
    desk.finish()
    assert [span["text"] for span in saved(desk) if span["state"] == "locked"] == [
        span["text"] for span in before if span["state"] == "locked"
    ]


def test_draft_right_after_a_click_on_a_word_drafts(context: BrowserContext) -> None:
    def be_slow(step: int) -> None:
        if step == 1:
            time.sleep(0.8)

    with launched(ScriptedEngine(steps=4, seconds_a_step=0.2, before_step=be_slow)) as site:
        desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
        drafted(desk)
        click_word(desk, "heart")
        desk.page.get_by_role("dialog", name="Instead of “heart”").wait_for()
        desk.draft()
        desk.finish()
        assert desk.page.get_by_role("dialog").count() == 0


def test_where_the_model_offers_marks_alone_the_list_says_that_there_is_nothing(context: BrowserContext) -> None:
    with launched(ScriptedEngine(steps=4, alternative_texts=(".", ""))) as site:
        desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
        drafted(desk)
        before = saved(desk)
        press(desk, "Control+End", "Alt+ArrowDown")
        desk.page.get_by_text("The model suggests nothing else here.").wait_for()
        assert desk.page.get_by_role("option").count() == 0
        press(desk, "Escape")
        assert saved(desk) == before


# ---- hints


def hint(desk: Desk, text: str) -> None:
    press(desk, "Alt+h")
    desk.page.get_by_label("Hint for the gap").fill(text)
    press(desk, "Enter")


def test_a_hint_is_typed_at_a_gap_shown_saved_and_kept_over_a_reload(desk: Desk) -> None:
    desk.type("Pleura: ")
    press(desk, "Control+g")
    hint(desk, "size of [effusion]?")
    chip = desk.page.get_by_label("Gap, hint: size of effusion ?")
    chip.wait_for()
    assert chip.inner_text() == "size of effusion ?"
    desk.page.get_by_text("Hint: size of effusion ?").wait_for()
    before = saved(desk)
    assert [span.get("hint") for span in before] == [None, "size of effusion ?"]
    desk.page.once("dialog", lambda dialog: dialog.accept())
    desk.page.reload()
    chip.wait_for()
    assert desk.text.startswith("Pleura:")


def test_a_hint_is_one_undo_step_stays_through_a_draft_and_goes_with_the_lock(desk: Desk) -> None:
    desk.type("Pleura: ")
    press(desk, "Control+g")
    hint(desk, "side?")
    press(desk, "Control+z")
    assert [span.get("hint") for span in saved(desk)] == [None, None]
    press(desk, "Control+y")
    assert [span.get("hint") for span in saved(desk)] == [None, "side?"]
    press(desk, "Control+Enter")
    desk.finish()
    desk.editor.focus()
    assert [span.get("hint") for span in saved(desk)] == [None, "side?"]
    assert desk.page.get_by_title("Hint: side?").inner_text() == SENTENCE
    press(desk, "Control+End", "ArrowLeft", "Control+l")
    assert [span.get("hint") for span in saved(desk) if span["text"].strip()] == [None, None]


def test_escape_leaves_the_hint_as_it_was(desk: Desk) -> None:
    press(desk, "Alt+h")
    desk.editor.click()
    press(desk, "Alt+h")
    desk.page.get_by_text("Nothing is open here").wait_for()
    press(desk, "Control+g")
    press(desk, "Alt+h")
    desk.page.get_by_label("Hint for the gap").fill("size?")
    press(desk, "Escape")
    assert [span.get("hint") for span in saved(desk)] == [None]


# ---- undo


def test_undo_takes_back_a_lock_an_unlock_and_an_acceptance_and_redo_brings_them_again(desk: Desk) -> None:
    drafted(desk)

    def states() -> list[tuple[str, str, bool]]:
        return [(span["text"], span["state"], bool(span.get("reviewed"))) for span in saved(desk)]

    first = states()
    press(desk, "Control+End", "ArrowLeft", "Control+l")
    locked = states()
    assert {state for _, state, _ in locked} == {"locked"}
    press(desk, "Control+z")
    assert states() == first
    press(desk, "Control+y")
    assert states() == locked
    press(desk, "Control+Home", "Control+u")
    assert states()[0][1] == "open"
    press(desk, "Control+z")
    assert states() == locked
    press(desk, "Control+z", "Control+End", "ArrowLeft", "Control+k")
    assert any(reviewed for _, _, reviewed in states())
    press(desk, "Control+z")
    assert states() == first
    press(desk, "Control+z")
    assert SENTENCE not in desk.text
