"""Random work on a report in a real browser against a plain model of it: nothing typed is lost, nothing locked changes,
and every run comes to an end that is seen.

`ROUNDS` sets how many reports are worked on (15 by default), `FIRST_ROUND` which is the first; a round's number is its
seed.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.conftest import PATIENCE, Desk
from tests.drafting.scripted_engine import ScriptedEngine
from tests.drafting.web import Site, launched

ROUNDS = int(os.environ.get("ROUNDS", "15"))
FIRST_ROUND = int(os.environ.get("FIRST_ROUND", "0"))
STEPS = 30
# Letters of several scripts and directions, marks that combine, pictures of several code points, spaces of all kinds.
CHARACTERS = (
    "abcdefghij",
    "XYZ",
    "0123456789",
    "  ",
    ".,;:!?",
    "()[]{}<>",
    "\u00e4\u00f6\u00fc\u00df\u00e9\u00f1",
    "\u0441\u0435\u0440\u0434\u0446\u0435",
    "\u80ba\u91ce\u6e05\u6670",
    "\uc2ec\uc7a5",
    "\u0631\u064a\u0629",
    "\u05e8\u05d9\u05d0\u05d4",
    "\u0301\u0308\u20e3",
    "\U0001f469\U0001f3fd\u200d\u2695\ufe0f",
    "\U0001fac1",
    "\U0001d49c\U0001d505",
    "\u00a0\u2009\u3000",
    "\u200b\u200d\u2060",
    "\u2028",
    "\ufffd",
    "\ufb01\u00bd",
)
MOVES = ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown")
# Bytes that only reach the page from the desk.
NASTY = ("a\r\nb", "a\rb", "a\ufffcb", "\ufffc", "\u0085\u2028", "e\u0301", "\u202eabc\u202c", "tab\there\n\nand on")


@pytest.fixture(scope="module")
def engine() -> ScriptedEngine:
    return ScriptedEngine(steps=STEPS, seconds_a_step=0.03, words_written=("The", " model", " wrote", " this."))


@pytest.fixture(scope="module")
def site(engine: ScriptedEngine) -> Iterator[Site]:
    with launched(engine) as site:
        yield site


@dataclass
class Round:
    """One report and what is known of it: the words that were typed, and the locked texts that came from the desk."""

    desk: Desk
    site: Site
    chance: random.Random
    came: list[str]
    typed: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    @property
    def page(self) -> Any:
        return self.desk.page

    @property
    def is_running(self) -> bool:
        return bool(self.desk.button("Stop").is_visible())

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def step(self) -> None:
        name = self.chance.choices(list(OPERATIONS), list(OPERATIONS.values()))[0]
        self.done.append(name)
        getattr(self, name)()

    # ---- operations

    def type_word(self) -> None:
        """A word that is there only once, so that it can be looked for; typed where it splits no other."""
        letters = "".join(self.chance.choice(self.chance.choice(CHARACTERS)) for _ in range(self.chance.randint(1, 8)))
        word = f"w{len(self.typed)}q{letters}q"
        self.press(self.chance.choice(["Control+Home", "Control+End"]))
        self.page.keyboard.insert_text(f"{word} ")
        self.typed.append(word)

    def type_keys(self) -> None:
        """Key by key, as a hand does."""
        word = f"w{len(self.typed)}k" + "".join(self.chance.choice("abcdefgh") for _ in range(4))
        self.press("Control+End")
        self.page.keyboard.type(f" {word}")
        self.typed.append(word)

    def undo_and_redo(self) -> None:
        """To and fro by the same number of steps, which leaves what was there."""
        if self.is_running:
            return
        count = self.chance.randint(1, 4)
        before = self.desk.text
        depth = [self.enabled("Undo") and self.turn("Control+z") for _ in range(count)].count(True)
        for _ in range(depth):
            self.turn("Control+Shift+Z")
        assert self.desk.text == before

    def undo_while_running(self) -> None:
        """Steps back and forth under a run; a run that ends in between takes the way forth, as any new step does."""
        if not self.is_running:
            return
        back = [self.enabled("Undo") and self.turn("Control+z") for _ in range(self.chance.randint(1, 2))].count(True)
        forth = [self.enabled("Redo") and self.turn("Control+Shift+Z") for _ in range(back)].count(True)
        if forth < back:
            text = text_of(self)
            self.typed = [word for word in self.typed if is_in_order(word, text)]

    def enabled(self, name: str) -> bool:
        self.page.evaluate("() => new Promise(requestAnimationFrame)")
        return bool(self.desk.button(name).get_attribute("aria-disabled") == "false")

    def turn(self, key: str) -> bool:
        """Whether the step was taken: not where it would change locked text, or a run has ended meanwhile."""
        self.page.evaluate("() => { document.querySelector('.hint').hidden = true; }")
        self.press(key)
        return not self.page.locator(".hint", has_text=re.compile("Undo would change|Nothing to")).is_visible()

    def lock(self) -> None:
        self.move()
        self.press(self.chance.choice(["Control+l", "Control+Shift+L", "Alt+l"]))

    def unlock_model(self) -> None:
        """Only what is the model's, for the radiologist's words are looked for to the end."""
        if self.is_running:
            return
        found = self.page.evaluate(
            """(part) => {
                const spans = [...document.querySelectorAll(".cm-content .span.locked.model")];
                if (!spans.length) return false;
                getSelection().selectAllChildren(spans[Math.floor(part * spans.length)]);
                return new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(true), 20)));
            }""",
            self.chance.random(),
        )
        if found:
            self.press("Control+u")

    def gap(self) -> None:
        self.move()
        self.press("Control+g")

    def move(self) -> None:
        self.press(self.chance.choice(["Control+Home", "Control+End"]))
        for _ in range(self.chance.randint(0, 6)):
            self.press(
                self.chance.choice(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Control+ArrowRight", "Tab"])
            )

    def accept(self) -> None:
        self.press("Tab", "Control+k")

    def draft(self) -> None:
        self.press(self.chance.choice(["Control+Enter", "Control+Enter", "Control+Shift+Enter", "Alt+Enter"]))

    def stop(self) -> None:
        self.press("Escape")

    def wait(self) -> None:
        self.page.wait_for_timeout(self.chance.choice([0, 5, 30, 120, 400]))

    def see_the_end(self) -> None:
        self.desk.button("Draft").wait_for(timeout=PATIENCE)

    def reload(self) -> None:
        self.page.reload()
        self.desk.editor.wait_for()
        # The report is back once the desk has answered; a page that began empty has nothing to bring back.
        self.page.wait_for_function("() => document.querySelector('.model-name').textContent !== ''")
        self.desk.editor.focus()


OPERATIONS = {
    "type_word": 8,
    "type_keys": 4,
    "undo_and_redo": 3,
    "undo_while_running": 3,
    "lock": 3,
    "unlock_model": 2,
    "gap": 4,
    "move": 2,
    "accept": 1,
    "draft": 7,
    "stop": 3,
    "wait": 4,
    "see_the_end": 2,
    "reload": 2,
}


def text_of(round: Round) -> str:
    return str(round.page.evaluate("() => document.querySelector('.cm-content').cmTile.view.state.doc.toString()"))


def locked(site: Site, desk: Desk, author: str) -> str:
    """The locked text of one author as the desk has it: a gap or a draft between two halves of a word is not in it."""
    session = site.desk.sessions.find(desk.page.evaluate("() => history.state.desk"))
    return "".join(span.text for span in session.report.spans if span.locked and span.author == author)


def assert_nothing_is_lost(round: Round) -> None:
    desk, site = round.desk, round.site
    desk.page.wait_for_timeout(500)
    desk.page.get_by_text("Saved", exact=True).wait_for()
    mine = locked(site, desk, "radiologist")
    for word in round.typed:
        assert word in mine, f"{word!r} is gone from {mine!r} after {round.done}"
    if round.came:
        assert locked(site, desk, "template") == "".join(round.came), round.done
    page, gone = text_of(round), round.done
    for word in round.typed:
        assert is_in_order(word, page), f"{word!r} is gone from the page, {page!r}, after {gone}"


def is_in_order(word: str, text: str) -> bool:
    letters = iter(text)
    return all(letter in letters for letter in word)


def begin(desk: Desk, site: Site, chance: random.Random) -> list[str]:
    """A report with locked bytes that no keyboard makes, as another client may have left it."""
    came = chance.sample(NASTY, chance.randint(0, 3))
    if not came:
        return []
    spans: list[dict[str, Any]] = []
    for number, text in enumerate(came):
        spans.append({"id": f"c{number + 1}", "text": text, "state": "locked", "author": "template"})
        if chance.random() < 0.5:
            spans.append({"id": f"c{number + 50}", "text": "", "state": "open", "author": "model"})
    body = {"version": 1, "spans": spans, "indication": "", "writer": "other"}
    desk.page.evaluate(
        """async ([token, body]) => {
            const headers = {"Content-Type": "application/json", "X-Desk": token};
            const answer = await fetch("desk/report", {method: "PUT", body: JSON.stringify(body), headers});
            if (!answer.ok) throw new Error(await answer.text());
        }""",
        [desk.page.evaluate("() => history.state.desk"), body],
    )
    desk.page.reload()
    desk.editor.wait_for()
    desk.wait_until(lambda: desk.page.locator(".cm-content .span.locked").count() > 0)
    return came


@pytest.mark.parametrize("number", range(FIRST_ROUND, FIRST_ROUND + ROUNDS))
def test_nothing_is_lost_whatever_is_done(context: BrowserContext, site: Site, number: int) -> None:
    chance = random.Random(number)
    desk = Desk(context.new_page(), f"{site.address}?guide=off").open()
    desk.page.on("dialog", lambda dialog: dialog.accept())
    desk.page.wait_for_function("() => history.state?.desk")
    refused: list[str] = []
    desk.page.on("response", lambda answer: answer.status in (409, 413, 422, 500) and refused.append(answer.url))
    round = Round(desk, site, chance, begin(desk, site, chance))
    desk.editor.focus()
    for _ in range(chance.randint(10, 40)):
        round.step()
        desk.editor.focus()
        assert refused == [], round.done
    # Every run is seen to end, by itself or stopped.
    desk.button("Draft").wait_for(timeout=PATIENCE)
    assert_nothing_is_lost(round)
    assert desk.complaints == [], round.done
    desk.page.reload()
    desk.editor.wait_for()
    desk.wait_until(lambda: not round.typed or is_in_order(round.typed[-1], text_of(round)))
    desk.editor.focus()
    round.type_word()
    assert_nothing_is_lost(round)
    assert refused == [], round.done
    desk.page.close()
