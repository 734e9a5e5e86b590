"""The report side, key by key, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from drafting.desk.examples import FOLDER
from tests.browser.conftest import PATIENCE, Desk
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import launched

SENTENCE = "The lungs are clear."


def press(desk: Desk, *keys: str) -> None:
    for key in keys:
        desk.page.keyboard.press(key)


def two_gaps(desk: Desk) -> None:
    """A gap, the sentence locked, and another gap; the caret is behind the last."""
    desk.type(SENTENCE)
    press(desk, "Control+l", "Control+g", "Control+Home", "Control+g", "Control+End")


def saved(desk: Desk) -> list[dict[str, Any]]:
    """The report's spans once all has been saved."""
    desk.page.wait_for_timeout(600)
    desk.page.get_by_text("Saved", exact=True).wait_for()
    return desk.saved[-1]["spans"]


def locked_texts(desk: Desk) -> list[str]:
    return [span["text"] for span in saved(desk) if span["state"] == "locked"]


def drafted(desk: Desk) -> None:
    """A locked sentence and the model's text behind it, with the run's frames on the time line."""
    desk.type(SENTENCE)
    press(desk, "Control+l", "Control+g")
    with desk.page.expect_response("**/desk/frames"):
        press(desk, "Control+Enter")
        desk.finish()
    desk.editor.focus()


def normal_report(desk: Desk) -> None:
    desk.editor.click()
    press(desk, "Alt+n")
    desk.page.get_by_text("No acute cardiopulmonary abnormality.").wait_for()


def test_the_normal_report_is_one_key_and_its_headings_stay(desk: Desk) -> None:
    normal_report(desk)
    assert {(span["state"], span["author"]) for span in saved(desk)} == {("locked", "template")}
    press(desk, "Control+Home", "ArrowDown", "Control+Shift+U")
    opened = [span["text"] for span in saved(desk) if span["state"] == "open"]
    assert len(opened) == 1
    assert opened[0].startswith("The lungs are clear.")
    assert opened[0].endswith("intact.")
    press(desk, "Alt+u")
    assert [text.strip() for text in locked_texts(desk)] == ["FINDINGS:", "IMPRESSION:"]
    press(desk, "Control+End", "Control+Shift+L")
    assert locked_texts(desk)[-1].endswith("No acute cardiopulmonary abnormality.")
    press(desk, "Alt+l")
    assert {span["state"] for span in saved(desk)} == {"locked"}


def test_unlocking_takes_the_sentence_at_the_caret_alone(desk: Desk) -> None:
    normal_report(desk)
    press(desk, "Control+Home", "ArrowDown", "Control+u")
    assert [span["text"] for span in saved(desk) if span["state"] == "open"] == ["The lungs are clear."]


def test_a_code_becomes_its_template_whose_fields_are_typed_over(desk: Desk) -> None:
    desk.type(".nod")
    press(desk, "Tab")
    desk.page.get_by_text("A [size] mm nodule").wait_for()
    desk.page.keyboard.type("8")
    press(desk, "Tab")
    desk.page.keyboard.type("left")
    assert desk.text.startswith("A 8 mm nodule projects over the left [upper / mid / lower] lung zone.")
    press(desk, "Shift+Tab", "Tab")
    assert desk.page.evaluate("() => getSelection().toString()") == "[upper / mid / lower]"


def test_a_template_is_one_undo_step_and_is_previewed(desk: Desk) -> None:
    desk.type(SENTENCE)
    press(desk, "Enter", "Alt+m")
    desk.page.keyboard.type("eff")
    desk.page.get_by_text(re.compile(r"\[right / left\] pleural effusion")).wait_for()
    press(desk, "Enter")
    desk.wait_until(lambda: "pleural effusion with" in desk.text)
    press(desk, "Control+z")
    assert desk.text.strip() == SENTENCE


def test_a_whole_template_replaces_a_report_only_when_told_to_and_undo_brings_it_back(desk: Desk) -> None:
    own = "Sternal wires."
    desk.type(own)
    press(desk, "Alt+n")
    desk.button("Keep the report").click()
    assert desk.text == own
    press(desk, "Alt+n")
    desk.page.get_by_role("dialog").get_by_role("button", name="Replace", exact=True).click()
    desk.page.get_by_text("No acute cardiopulmonary abnormality.").wait_for()
    assert own not in desk.text
    press(desk, "Control+z")
    assert desk.text == own


def test_one_span_is_drafted_and_the_other_gap_stays(desk: Desk) -> None:
    two_gaps(desk)
    press(desk, "Alt+Enter")
    desk.finish()
    first, locked, *rest = saved(desk)
    assert (first["text"], locked["text"]) == ("", SENTENCE)
    assert "".join(span["text"] for span in rest)


def test_a_section_is_drafted_and_the_other_stays(desk: Desk) -> None:
    desk.type(".blank")
    press(desk, "Tab")
    desk.page.get_by_text("IMPRESSION:").wait_for()
    press(desk, "Control+End", "Control+Shift+Enter")
    desk.finish()
    texts = [span["text"] for span in saved(desk) if span["state"] == "open"]
    assert texts[0] == ""
    assert texts[1]


def test_alternatives_are_chosen_by_arrow_and_enter_and_escape_leaves_everything(desk: Desk) -> None:
    drafted(desk)
    before = saved(desk)
    present = desk.text.removeprefix(SENTENCE).strip()
    press(desk, "Alt+ArrowDown")
    options = desk.page.get_by_role("option")
    options.first.wait_for(timeout=PATIENCE)
    press(desk, "ArrowDown", "Escape")
    assert saved(desk) == before
    press(desk, "Alt+ArrowDown")
    options.first.wait_for(timeout=PATIENCE)
    assert re.search(r"\d+\.\d %", options.first.inner_text())
    # One of them may be what stands there already: to take it is no change, and nothing to undo.
    names = options.locator(".menu-name").all_inner_texts()
    wanted = next(name for name in names if name != present)
    press(desk, *["ArrowDown"] * names.index(wanted), "Enter")
    desk.wait_until(lambda: desk.text.removeprefix(SENTENCE).strip() == wanted)
    press(desk, "Control+z")
    assert saved(desk) == before


def test_tab_goes_through_gaps_fields_and_unreviewed_text_and_back(desk: Desk) -> None:
    drafted(desk)
    unreviewed = desk.text.removeprefix(SENTENCE).strip()
    press(desk, "Control+Home", "Control+g", "Control+End")
    desk.page.keyboard.type(" Seen by [name].")

    def chosen() -> str:
        return desk.page.evaluate("() => getSelection().toString().trim()")

    def round_trip(key: str) -> list[str]:
        press(desk, "Control+Home")
        went = []
        for _ in range(4):
            press(desk, key)
            went.append(chosen())
        return went[went.index("[name]") :]

    # The gap has nothing to choose; behind the last stop comes the first.
    assert round_trip("Tab") == ["[name]", ""]
    assert round_trip("Shift+Tab")[:3] == ["[name]", unreviewed, ""]


def test_spelling_is_the_browsers_and_only_when_asked_for(desk: Desk) -> None:
    assert desk.editor.get_attribute("spellcheck") == "false"
    desk.button("Settings").click()
    desk.page.get_by_label(re.compile("Spell checking")).check()
    assert desk.editor.get_attribute("spellcheck") == "true"
    desk.page.get_by_label(re.compile("Spell checking")).uncheck()
    assert desk.editor.get_attribute("spellcheck") == "false"


@pytest.mark.parametrize("heeded", [True, False])
def test_the_hint_says_whether_the_model_is_told(context: BrowserContext, heeded: bool) -> None:
    with launched(ScriptedEngine(heeds_hints=heeded)) as site:
        desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
        desk.type(SENTENCE)
        press(desk, "Control+g", "Alt+h")
        asked = desk.page.get_by_role("dialog", name="Hint")
        asked.wait_for()
        assert asked.get_by_text("is sent to the model").is_visible() is heeded
        assert asked.get_by_text("it is not sent").is_visible() is not heeded


def test_the_time_line_goes_through_the_frames_of_the_last_run(desk: Desk) -> None:
    drafted(desk)
    ended = desk.text
    before = saved(desk)
    press(desk, "Alt+t", *["ArrowLeft"] * 200)
    desk.page.get_by_text(re.compile(r"^1 / \d+ steps")).wait_for()
    assert desk.text != ended
    assert desk.text.startswith(SENTENCE)
    press(desk, "Escape")
    assert desk.text == ended
    assert saved(desk) == before
    press(desk, "Alt+t", *["ArrowLeft"] * 200)
    first = desk.text
    desk.button("Use this version").click()
    assert desk.text == first
    press(desk, "Control+z")
    assert desk.text == ended


def test_a_run_goes_on_from_a_frame_and_locked_text_stays(desk: Desk) -> None:
    drafted(desk)
    press(desk, "Alt+t", "Home")
    with desk.page.expect_request("**/gradio_api/queue/join") as joined, desk.page.expect_response("**/desk/frames"):
        desk.button("Redraft from this step").click()
        desk.finish()
    assert r"\"start\":{\"run\":\"d1\",\"step\":1}" in joined.value.post_data
    desk.page.get_by_text(re.compile("Draft ready")).first.wait_for()
    assert desk.page.locator(".notice.error").count() == 0
    assert desk.text.startswith(SENTENCE)
    assert len(desk.text) > len(SENTENCE) + 5


def test_accepted_text_is_no_longer_marked(desk: Desk) -> None:
    drafted(desk)
    assert b"[[" in desk.download()
    desk.editor.focus()
    press(desk, "Control+End", "Control+k")
    assert b"[[" not in desk.download()
    assert saved(desk)[-1] | {"id": "", "text": ""} == {
        "id": "",
        "text": "",
        "state": "open",
        "author": "model",
        "reviewed": True,
    }


def test_text_of_the_model_is_cut_and_pasted_without_brackets_and_stays_the_models(desk: Desk) -> None:
    drafted(desk)
    text = desk.text
    press(desk, "Tab", "Control+x")
    assert desk.text == SENTENCE
    press(desk, "Control+v")
    assert desk.text == text
    assert (saved(desk)[-1]["author"], saved(desk)[-1]["state"]) == ("model", "open")


def test_replacing_leaves_locked_text_alone(desk: Desk) -> None:
    desk.type("Heart normal. ")
    press(desk, "Control+l")
    desk.page.keyboard.type("Lungs normal.")
    press(desk, "Control+l", "Control+u", "Control+f")
    desk.page.get_by_role("textbox", name="Find", exact=True).fill("Normal")
    desk.page.get_by_text("2 found · 1 in locked text, not replaced").wait_for()
    assert desk.editor.locator(".found").all_inner_texts() == ["normal", "normal"]
    assert desk.editor.locator(".span.locked.first").count() == 1
    desk.page.get_by_label("Replace with").fill("clear")
    desk.button("Replace all").click()
    assert desk.text == "Heart normal. Lungs clear."
    assert desk.editor.locator(".found").count() == 1
    press(desk, "Escape")
    assert desk.editor.locator(".found").count() == 0


@pytest.mark.parametrize(("button", "state"), [("Insert open", "open"), ("Insert locked", "locked")])
def test_a_question_is_answered_and_the_answer_put_in_as_the_models(desk: Desk, button: str, state: str) -> None:
    desk.open_file(FOLDER / "effusion.dcm")
    desk.type(SENTENCE)
    press(desk, "Alt+q")
    desk.page.keyboard.type("Is there an effusion?")
    press(desk, "Enter")
    desk.page.get_by_text(re.compile(r"unreviewed · seed \d+")).wait_for(timeout=PATIENCE)
    desk.button(button).click()
    last = saved(desk)[-1]
    assert (last["author"], last["state"]) == ("model", state)
    # A bare yes or no would deny or affirm the sentence before it.
    assert re.fullmatch(r" (Is there an effusion\? \w+\.|\w.* .+\.)", last["text"])


def test_a_question_without_a_study_is_one_sentence(desk: Desk) -> None:
    desk.editor.click()
    press(desk, "Alt+q")
    desk.page.keyboard.type("Is there an effusion?")
    press(desk, "Enter")
    desk.page.get_by_text("Open a study before you ask about it.").wait_for()


def test_what_a_draft_changed_is_shown_word_by_word(desk: Desk) -> None:
    drafted(desk)
    desk.button("Changes").click()
    changes = desk.page.get_by_role("region", name="Changes of the last draft")
    shown = "".join(changes.locator(".changes-text > :not(del)").all_text_contents())
    assert shown == desk.text
    assert changes.locator("ins").count() > 0
    press(desk, "Escape")
    assert not changes.is_visible()


def test_certainty_is_shaded_until_it_is_switched_off(desk: Desk) -> None:
    drafted(desk)
    shades = desk.editor.locator("[class*=certainty-]")
    assert shades.count() > 0
    press(desk, "Alt+c")
    assert shades.count() == 0
    press(desk, "Alt+c")
    assert shades.count() > 0
