"""The report: an ordered list of spans, each locked or open, how a draft is merged into it, and its markup.

A report is immutable. Offsets count Unicode code points. This module knows nothing of tokens, models, images or
browsers; text is edited in the browser.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Literal, get_args

State = Literal["locked", "open"]
Author = Literal["radiologist", "model", "template"]


MOST_HINT_CHARACTERS = 120
# What the markup sets a hint apart by, and brackets, which it keeps for itself.
NOT_IN_HINTS = re.compile(r"[\[\]|\x00-\x1f\x7f-\x9f\u2028\u2029]")


class ReportError(ValueError):
    """A report or a markup text that cannot be; the message is one sentence for the person who wrote it."""


class LockedTextError(ReportError):
    """Locked text was to be rewritten."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of report text with one state and one author.

    `id` is what drafts are merged by; it is unique within a report. An open span without text is a gap. `reviewed`: a
    person has accepted this text of a model as it stands; a draft that changes it takes that away. `hint`: what a
    person wants written in an open span ('size of effusion?'); the model is told, the report does not say it.
    """

    id: str
    text: str
    state: State
    author: Author
    reviewed: bool = False
    hint: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            raise ReportError("A span needs an id.")
        if self.state not in get_args(State):
            raise ReportError(f"A span is 'locked' or 'open', not {self.state!r}.")
        if self.author not in get_args(Author):
            raise ReportError(f"A span's author is 'radiologist', 'model' or 'template', not {self.author!r}.")
        if self.hint and self.locked:
            raise ReportError("Only an open span can have a hint.")
        if len(self.hint) > MOST_HINT_CHARACTERS:
            raise ReportError(f"A hint has at most {MOST_HINT_CHARACTERS} characters.")
        if NOT_IN_HINTS.search(self.hint) or self.hint != self.hint.strip():
            raise ReportError("A hint is one line. It must not contain '[', ']' or '|', nor begin or end with a space.")

    @property
    def locked(self) -> bool:
        return self.state == "locked"

    @property
    def is_gap(self) -> bool:
        return self.state == "open" and not self.text

    @property
    def unreviewed(self) -> bool:
        """Whether a model wrote this text and no person has reviewed it: locking or accepting it is the review."""
        return self.author == "model" and self.state == "open" and bool(self.text) and not self.reviewed


@dataclass(frozen=True, slots=True)
class Report:
    """An ordered list of spans; joined, their text is the report."""

    spans: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        if len({span.id for span in self.spans}) != len(self.spans):
            raise ReportError("Two spans of the report have the same id.")

    @classmethod
    def from_spans(cls, spans: Iterable[Span]) -> Report:
        return cls(tuple(spans))

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)

    @property
    def open_spans(self) -> tuple[Span, ...]:
        return tuple(span for span in self.spans if not span.locked)

    @property
    def locked_text(self) -> tuple[str, ...]:
        """The locked runs in order; runs that touch are one."""
        runs: list[str] = []
        touching = False
        for span in self.spans:
            if span.locked:
                if touching:
                    runs[-1] += span.text
                else:
                    runs.append(span.text)
            if span.locked or span.text or span.is_gap:
                touching = span.locked
        return tuple(run for run in runs if run)


def merge_draft(report: Report, texts: Mapping[str, str]) -> Report:
    """The report with a draft's text in its open spans, found by identity.

    Spans that are locked by now, or gone, are passed over: what the radiologist did while the draft ran stands.
    Text that the draft left as it was keeps its author.
    """
    return replace(
        report,
        spans=tuple(
            replace(span, text=texts[span.id], author="model", reviewed=False)
            if not span.locked and texts.get(span.id, span.text) != span.text
            else span
            for span in report.spans
        ),
    )


def focused(report: Report, ids: Collection[str]) -> Report:
    """The report with only the open spans of these ids left open: what a draft of those alone is asked to write.

    Raises ReportError where none of them is open.
    """
    if not any(span.id in ids for span in report.open_spans):
        raise ReportError("Nothing is open here. Insert a gap or unlock text first.")
    return replace(
        report,
        spans=tuple(span if span.id in ids else _as_locked(span) for span in report.spans),
    )


def hints_of(report: Report) -> tuple[str, ...]:
    """The hints of the open spans, in order, empty where a span has none; () where none has one."""
    hints = tuple(span.hint for span in report.open_spans)
    return hints if any(hints) else ()


def word_apart(report: Report, id: str, start: int, end: int, word: str) -> Report:
    """The report with nothing open but a word: the characters `start` to `end` of the open span `id`, without hints.

    `word` is what is meant to stand there. Raises LockedTextError where the span is locked, ReportError where it is
    gone, or holds something else there or less or more than a word.
    """
    span = next((one for one in report.spans if one.id == id), None)
    if span is None:
        raise ReportError("This text is no longer in the report.")
    if span.locked:
        raise LockedTextError("Locked text has no alternatives. Unlock it first.")
    text = span.text
    if not 0 <= start < end <= len(text) or text[start:end] != word:
        raise ReportError("This word has changed. Choose it again.")
    cut = (start and _is_of_word(text[start - 1])) or (end < len(text) and _is_of_word(text[end]))
    if cut or not any(map(_is_of_word, word)) or any(c.isspace() for c in word):
        raise ReportError("Choose exactly one word.")
    taken = {one.id for one in report.spans}
    before, after = islice((name for name in map("s{}".format, count(1)) if name not in taken), 2)
    pieces = (
        replace(_as_locked(span), id=before, text=text[:start]),
        replace(span, text=word, hint=""),
        replace(_as_locked(span), id=after, text=text[end:]),
    )
    spans: list[Span] = []
    for one in report.spans:
        spans += [piece for piece in pieces if piece.text] if one is span else [_as_locked(one)]
    return Report(tuple(spans))


def _as_locked(span: Span) -> Span:
    """The span locked. Nothing is left to write in it, so its hint goes."""
    return replace(span, state="locked", hint="")


def _is_of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def parse_markup(markup: str) -> Report:
    """A report from text whose open spans stand in double square brackets; all else is locked, character for character.

    `[[text]]` may be rewritten, `[[]]` is a gap. `]]` without an opening pair is ordinary text. An open span that
    begins with a question mark has a hint up to the first bar or its end: `[[?size of effusion?]]` is a gap with one,
    `[[?size of effusion?|small]]` holds text too. A hint holds neither, so nothing else can be meant; text that itself
    begins with a question mark stands behind an empty hint: `[[?|?cardiomegaly]]`.
    Raises ReportError for a pair that is not closed, or opened again inside, and for a hint that cannot be.
    """
    spans: list[Span] = []
    rest, line = markup, 1

    def add(text: str, state: State, hint: str = "") -> None:
        spans.append(Span(f"s{len(spans) + 1}", text, state, "radiologist", hint=hint))

    while True:
        locked, opening, tail = rest.partition("[[")
        line += locked.count("\n")
        if locked:
            add(locked, "locked")
        if not opening:
            return Report(tuple(spans))
        text, closing, rest = tail.partition("]]")
        if not closing:
            raise ReportError(f"Line {line}: '[[' has no closing ']]'.")
        if "[[" in text:
            raise ReportError(f"Line {line}: '[[' inside an open span. Close the span with ']]' first.")
        line += text.count("\n")
        hint = ""
        if text.startswith("?"):
            hint, _, text = text[1:].partition("|")
        add(text, "open", hint.strip())


def to_markup(report: Report) -> str:
    """The report in the markup of `parse_markup`.

    Raises ReportError where locked text holds '[[' or an open span holds brackets: the markup has no escape for them.
    """
    pieces: list[str] = []
    for span in report.spans:
        if span.locked:
            pieces.append(span.text)
        else:
            if "[[" in span.text or "]]" in span.text or span.text.endswith("]"):
                raise ReportError("An open span contains '[[' or ']]', which the markup cannot express.")
            hinted = f"?{span.hint}{'|' if span.text else ''}" if span.hint or span.text.startswith("?") else ""
            pieces.append(f"[[{hinted}{span.text}]]")
    markup = "".join(pieces)
    if [(span.hint, span.text) for span in parse_markup(markup).open_spans] != [
        (span.hint, span.text) for span in report.open_spans
    ]:
        raise ReportError("Locked text contains '[[', which the markup cannot express.")
    return markup
