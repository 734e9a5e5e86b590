"""One study after the other: nothing of the former patient reaches the next, and no draft is on what is not shown."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Request, Route

from drafting.desk.examples import FOLDER
from drafting.desk.session import Limits
from tests.browser.conftest import PATIENCE, Desk
from tests.browser.test_viewer import Viewer, radiograph, series
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import Site, eventually, launched

# One word for each place in which the former patient's could stay.
INDICATION, QUESTION, HINT, TYPED, ANSWER = "Xindication", "Xquestion", "Xhint", "Xtyped", "Xanswer"
FORMER = (INDICATION, QUESTION, HINT, TYPED, ANSWER)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(
        steps=4,
        seconds_a_step=0.02,
        words_written=(ANSWER, " stands", " here."),
        alternative_texts=(f"{ANSWER} other.",),
    )


@pytest.fixture
def site(engine: ScriptedEngine) -> Iterator[Site]:
    with launched(engine) as site:
        yield site


@pytest.fixture
def address(site: Site) -> str:
    return f"{site.address}?guide=off"


def press(desk: Desk, *keys: str) -> None:
    for key in keys:
        desk.page.keyboard.press(key)


def bodies(desk: Desk) -> list[str]:
    """The bodies of all requests from here on."""
    sent: list[str] = []

    def keep(request: Request) -> None:
        # A study's own bytes are no text.
        if request.method in ("POST", "PUT") and not request.url.endswith("/desk/study"):
            sent.append(request.post_data or "")

    desk.page.on("request", keep)
    return sent


def ask(desk: Desk, question: str) -> None:
    desk.editor.focus()
    press(desk, "Alt+q")
    desk.page.keyboard.type(question)
    press(desk, "Enter")


def use_everything(desk: Desk) -> None:
    """The first patient: an indication, text, a hint, drafts, alternatives, words, the time line, a question."""
    desk.open_file(FOLDER / "effusion.dcm")
    desk.page.get_by_label("Indication").fill(INDICATION)
    desk.type(f"{TYPED}. ")
    press(desk, "Control+l", "Control+g", "Alt+h")
    desk.page.keyboard.type(HINT)
    press(desk, "Enter")
    with desk.page.expect_response("**/desk/frames"):
        press(desk, "Control+Enter")
        desk.finish()
    desk.editor.focus()
    press(desk, "Control+End", "Alt+ArrowDown")
    desk.page.locator(".menu [role=option]").first.wait_for()
    press(desk, "Enter")
    press(desk, "Control+End", "ArrowLeft", "ArrowLeft", "Alt+o")
    desk.page.locator(".menu [role=option]").first.wait_for()
    press(desk, "Escape")
    press(desk, "Control+f")
    desk.page.keyboard.type(TYPED)
    press(desk, "Escape")
    ask(desk, f"Is there {QUESTION}?")
    desk.page.get_by_text(re.compile(r"unreviewed · seed \d+")).wait_for()
    press(desk, "Escape")
    desk.page.get_by_text("Saved", exact=True).wait_for()


def open_next(desk: Desk, answer: str) -> None:
    with desk.page.expect_response("**/desk/pictures/0"):
        desk.page.set_input_files("input[type=file]:not([data-for])", FOLDER / "no-finding.png")
        desk.button(answer).click()
    desk.page.locator(".veil").wait_for(state="hidden")


def use_the_desk(desk: Desk) -> None:
    """Everything that sends something to the model, for the second patient."""
    desk.type("Second patient. ")
    press(desk, "Control+l", "Control+g", "Control+Enter")
    desk.finish()
    desk.editor.focus()
    press(desk, "Control+End", "Alt+ArrowDown")
    desk.page.locator(".menu [role=option]").first.wait_for()
    press(desk, "Escape", "ArrowLeft", "ArrowLeft", "Alt+o")
    desk.page.locator(".menu [role=option]").first.wait_for()
    press(desk, "Escape")
    ask(desk, "Is it normal?")
    desk.page.get_by_text(re.compile(r"unreviewed · seed \d+")).wait_for()
    press(desk, "Escape")
    desk.page.wait_for_timeout(600)
    desk.page.get_by_text("Saved", exact=True).wait_for()


def test_a_cleared_report_leaves_no_word_of_the_former_patient(desk: Desk, site: Site, engine: ScriptedEngine) -> None:
    use_everything(desk)
    assert all(word in json.dumps(desk.saved) for word in (INDICATION, TYPED, HINT))
    open_next(desk, "Clear report")
    assert desk.page.get_by_label("Indication").input_value() == ""
    assert desk.page.get_by_label("Frames of the last run").is_disabled()
    sent = bodies(desk)
    drafted = len(engine.drafted)
    # The model of the second patient says other words, so that those of the first can be told.
    engine.words_written, engine.alternative_texts = ("Second", " finding."), ("Second other.",)
    use_the_desk(desk)
    assert len(sent) > 5
    for word in FORMER:
        assert word not in "".join(sent), word
        assert word not in repr(engine.drafted[drafted:]), word
        assert word not in desk.page.content(), word
    values = desk.page.evaluate("() => [...document.querySelectorAll('input')].map((one) => one.value).join(' ')")
    assert not any(word in values for word in FORMER)
    assert not any(word in desk.page.evaluate("() => JSON.stringify(history.state)") for word in FORMER)
    desk.editor.focus()
    press(desk, *["Control+z"] * 12)
    assert not any(word in desk.text for word in FORMER)
    session = site.desk.sessions.find(desk.tokens[-1])
    assert INDICATION not in session.indication


def test_a_kept_report_keeps_its_text_and_nothing_else(desk: Desk, engine: ScriptedEngine) -> None:
    use_everything(desk)
    text = desk.text
    open_next(desk, "Keep report")
    assert desk.text == text
    assert desk.page.get_by_label("Indication").input_value() == ""
    assert desk.page.get_by_label("Frames of the last run").is_disabled()
    sent, drafted = bodies(desk), len(engine.drafted)
    use_the_desk(desk)
    for word in (INDICATION, QUESTION, HINT):
        assert word not in "".join(sent), word
        assert word not in repr(engine.drafted[drafted:]), word
    desk.editor.focus()
    press(desk, *["Control+z"] * 12)
    desk.page.wait_for_timeout(600)
    assert HINT not in json.dumps(desk.saved[-1])


def test_an_indication_without_a_report_goes_with_its_study(desk: Desk) -> None:
    desk.open_file(FOLDER / "effusion.dcm")
    desk.page.get_by_label("Indication").fill(INDICATION)
    desk.page.get_by_text("Saved", exact=True).wait_for()
    with desk.page.expect_response("**/desk/pictures/0"):
        desk.page.set_input_files("input[type=file]:not([data-for])", FOLDER / "no-finding.png")
    desk.page.locator(".veil").wait_for(state="hidden")
    assert desk.page.get_by_label("Indication").input_value() == ""
    desk.wait_until(lambda: desk.saved[-1]["indication"] == "")


def test_an_indication_that_was_typed_before_any_study_belongs_to_the_first(desk: Desk) -> None:
    desk.page.get_by_label("Indication").fill(INDICATION)
    desk.open_file(FOLDER / "effusion.dcm")
    desk.page.locator(".veil").wait_for(state="hidden")
    assert desk.page.get_by_label("Indication").input_value() == INDICATION


def test_an_answer_about_the_former_study_cannot_be_put_in(desk: Desk) -> None:
    desk.open_file(FOLDER / "effusion.dcm")
    ask(desk, f"Is there {QUESTION}?")
    desk.page.get_by_text(re.compile(r"unreviewed · seed \d+")).wait_for()
    with desk.page.expect_response("**/desk/pictures/0"):
        desk.page.set_input_files("input[type=file]:not([data-for])", FOLDER / "no-finding.png")
    desk.page.locator(".veil").wait_for(state="hidden")
    assert not desk.page.get_by_role("dialog", name="Ask about the image").is_visible()
    desk.editor.click()
    press(desk, "Alt+q")
    assert desk.page.get_by_label("Question about the image").input_value() == ""
    assert desk.button("Insert open").is_disabled()
    assert desk.button("Insert locked").is_disabled()


def test_while_a_study_is_being_opened_nothing_is_sent_and_nothing_drafted(desk: Desk) -> None:
    desk.open_file(FOLDER / "effusion.dcm")
    desk.type(f"{TYPED}. ")
    desk.button("Insert gap").click()
    desk.page.get_by_text("Saved", exact=True).wait_for()
    arriving: list[Route] = []
    desk.page.route("**/desk/study", lambda route: arriving.append(route))
    desk.page.set_input_files("input[type=file]:not([data-for])", FOLDER / "no-finding.png")
    desk.button("Clear report").click()
    desk.wait_until(lambda: len(arriving) == 1)
    sent = bodies(desk)
    desk.page.get_by_label("Indication").fill(INDICATION)
    desk.editor.focus()
    press(desk, "Control+Enter")
    desk.page.get_by_text("A study is opening.").wait_for()
    desk.page.wait_for_timeout(600)
    assert not any(INDICATION in one or TYPED in one for one in sent)
    with desk.page.expect_response("**/desk/pictures/0"):
        arriving[0].continue_()
    desk.page.get_by_text("Saved", exact=True).wait_for()
    desk.wait_until(
        lambda: (
            desk.saved[-1] | {"version": 0, "writer": ""}
            == desk.saved[-1] | {"spans": [], "indication": "", "version": 0, "writer": ""}
        )
    )
    assert not any(INDICATION in one or TYPED in one for one in sent)


def test_a_study_that_cannot_be_opened_leaves_everything_as_it_was(desk: Desk, tmp_path: Path) -> None:
    desk.open_file(FOLDER / "effusion.dcm")
    desk.page.get_by_label("Indication").fill(INDICATION)
    desk.type(f"{TYPED}.")
    (tmp_path / "letter.dcm").write_bytes(b"Dear colleague")
    desk.page.set_input_files("input[type=file]:not([data-for])", tmp_path / "letter.dcm")
    desk.button("Clear report").click()
    desk.page.get_by_text("The study on screen is unchanged.").wait_for()
    assert desk.text == f"{TYPED}."
    assert desk.page.get_by_label("Indication").input_value() == INDICATION
    desk.wait_until(lambda: desk.saved[-1]["indication"] == INDICATION)


# ---- what is drafted on is on the screen


def test_a_study_whose_picture_did_not_come_is_not_drafted_on_until_it_is_shown(desk: Desk) -> None:
    desk.open_file(FOLDER / "effusion.dcm")
    desk.page.route("**/desk/pictures/0", lambda route: route.fulfill(status=500, json={"error": "Broken."}))
    desk.page.set_input_files("input[type=file]:not([data-for])", FOLDER / "no-finding.png")
    alert = desk.page.get_by_role("alert").filter(visible=True)
    alert.get_by_text("The study could not be shown.").wait_for()
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.url))
    desk.button("Draft").click()
    desk.page.get_by_text("is not on screen yet, so drafting is off").wait_for()
    assert not [url for url in asked if "queue/join" in url]
    desk.page.unroute("**/desk/pictures/0")
    desk.button("Show it").click()
    desk.page.locator(".stage[data-state=study]").wait_for()
    desk.button("Draft").click()
    desk.finish()
    desk.complaints[:] = [one for one in desk.complaints if "status of 500" not in one]


def test_after_a_reload_a_study_whose_picture_does_not_come_is_not_drafted_on(desk: Desk) -> None:
    desk.open_file(FOLDER / "effusion.dcm")
    desk.page.route("**/desk/pictures/0", lambda route: route.abort())
    desk.page.reload()
    desk.page.get_by_text("The study could not be shown.").first.wait_for()
    desk.button("Draft").click()
    desk.page.get_by_text("is not on screen yet, so drafting is off").wait_for()
    desk.page.unroute("**/desk/pictures/0")
    desk.button("Show the study").click()
    desk.page.locator(".stage[data-state=study]").wait_for()
    desk.complaints[:] = [one for one in desk.complaints if "ERR_FAILED" not in one]


def test_an_image_that_did_not_come_is_not_named_as_if_it_were_on_screen(desk: Desk, tmp_path: Path) -> None:
    viewer = Viewer(desk)
    desk.page.route(
        re.compile("/desk/pictures/[1-4]$"), lambda route: route.fulfill(status=500, json={"error": "Broken."})
    )
    viewer.open(*series(tmp_path))
    viewer.press("ArrowRight")
    desk.page.get_by_text("Broken.").wait_for()
    assert desk.page.locator(".frame-name").first.inner_text() == "Image 1 / 5"
    desk.complaints[:] = [one for one in desk.complaints if "status of 500" not in one]


def test_a_prior_whose_picture_did_not_come_is_closed_on_the_desk_too(desk: Desk, site: Site, tmp_path: Path) -> None:
    viewer = Viewer(desk)
    viewer.open(radiograph(tmp_path / "1"))
    desk.page.route("**/desk/prior/pictures/0", lambda route: route.fulfill(status=500, json={"error": "Broken."}))
    with desk.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        desk.page.set_input_files("input[data-for=prior]", radiograph(tmp_path / "2"))
    assert site.desk.sessions.find(desk.tokens[-1]).prior is None
    desk.complaints[:] = [one for one in desk.complaints if "status of 500" not in one]


# ---- again


def reload(desk: Desk) -> None:
    desk.page.on("dialog", lambda dialog: dialog.accept())
    desk.page.reload()
    desk.editor.wait_for()


@pytest.mark.parametrize("cut", ["silence", "reload"])
def test_draft_again_asks_for_the_span_that_was_asked_for_and_no_other(context: BrowserContext, cut: str) -> None:
    go_on = threading.Event()

    def fall_silent(step: int) -> None:
        if step == 3:
            go_on.wait(20)

    engine = ScriptedEngine(steps=40, seconds_a_step=0.05, before_step=fall_silent)
    with launched(engine, limits=Limits(silence_seconds=1.5 if cut == "silence" else 40.0)) as site:
        desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
        desk.page.evaluate("() => navigator.clipboard.writeText('First [[one]]. Second [[two]].')")
        desk.editor.click()
        press(desk, "Control+v")
        desk.wait_until(lambda: "two" in desk.text)
        press(desk, "Control+Home", *["ArrowRight"] * 7, "Alt+Enter")
        desk.page.get_by_text(re.compile("Step 2 of 40")).wait_for()
        if cut == "reload":
            reload(desk)
            go_on.set()
        desk.button("Draft again").wait_for(timeout=PATIENCE)
        go_on.set()
        assert eventually(engine.closed.is_set)
        desk.button("Draft again").click()
        desk.finish()
        assert [span.text for span in engine.drafted[-1][0].open_spans] == ["one"]
        assert "two" in desk.text


def test_draft_again_goes_on_asking_for_a_part_of_a_span_alone(context: BrowserContext) -> None:
    go_on = threading.Event()
    engine = ScriptedEngine(steps=40, seconds_a_step=0.05, before_step=lambda step: step < 3 or go_on.wait(20))
    with launched(engine) as site:
        desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
        desk.page.evaluate("() => navigator.clipboard.writeText('[[One. Two. Three.]]')")
        desk.editor.click()
        press(desk, "Control+v")
        desk.wait_until(lambda: "Three" in desk.text)
        press(desk, "Control+Home", *["ArrowRight"] * 5, *["Shift+ArrowRight"] * 4, "Alt+Enter")
        desk.page.get_by_text(re.compile("Step 2 of 40")).wait_for()
        reload(desk)
        go_on.set()
        desk.button("Draft again").wait_for(timeout=PATIENCE)
        # What is typed meanwhile joins nothing that was to stay apart.
        desk.type(" Typed.")
        desk.button("Draft again").click()
        desk.finish()
        assert [span.text for span in engine.drafted[-1][0].open_spans] == ["Two."]
        assert desk.text.startswith("One. ")
        assert desk.text.endswith(" Three. Typed.")
