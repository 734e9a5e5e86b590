"""Templates and macros: text that a radiologist inserts into a report with a short code.

One file each: lines `code:` and `title:`, a line `---`, then the text in the markup of `drafting.report`. What is in
`[[ ]]` is open, `[[]]` is a gap, a `[field]` is open too, so that it can be typed over or drafted; all else is locked.
A whole report has `whole: yes`. This module knows nothing of browsers or models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from drafting.report import Report, ReportError, Span, parse_markup

FOLDER = Path(__file__).parent
FIELD = re.compile(r"(\[[^\[\]\n]+\])")
CODE = re.compile(r"[a-z][a-z0-9]{0,15}")


class TemplateError(ValueError):
    """A template's file is not in order; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Template:
    """`code`: what is typed for it. `whole`: a whole report with its headings, not a piece of one."""

    code: str
    title: str
    whole: bool
    report: Report


def parse_template(text: str, name: str = "template") -> Template:
    """A template from its file's text. Raises TemplateError."""
    head, line, body = text.partition("\n---\n")
    said = dict(part.partition(":")[::2] for part in head.splitlines())
    code, title, whole = (said.get(key, "").strip() for key in ("code", "title", "whole"))
    if not line or not title or not CODE.fullmatch(code) or whole not in ("", "yes"):
        raise TemplateError(f"The template {name} must begin with the lines 'code:', 'title:' and '---'.")
    try:
        report = parse_markup(body.removesuffix("\n"))
    except ReportError as error:
        raise TemplateError(f"{name}: {error}") from None
    spans = [piece for span in report.spans for piece in _with_fields_open(span)]
    numbered = (replace(span, id=f"s{number}") for number, span in enumerate(spans, 1))
    return Template(code, title, whole == "yes", Report.from_spans(numbered))


@cache
def templates() -> tuple[Template, ...]:
    """The templates of this folder, whole reports first. Raises TemplateError."""
    found = [parse_template(_read(path), path.name) for path in sorted(FOLDER.glob("*.txt"))]
    if len({template.code for template in found}) != len(found):
        raise TemplateError("Two templates have the same code.")
    return tuple(sorted(found, key=lambda template: (not template.whole, template.code != "normal", template.code)))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise TemplateError(f"{path.name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"{path.name} is not UTF-8 text (byte {error.start}).") from error


def _with_fields_open(span: Span) -> list[Span]:
    # A gap has no author yet: what comes to stand in it is the model's or the radiologist's.
    if not span.locked:
        return [replace(span, author="template" if span.text else "model")]
    pieces = [piece for piece in FIELD.split(span.text) if piece]
    return [
        replace(span, text=piece, author="template", state="open" if FIELD.fullmatch(piece) else "locked")
        for piece in pieces
    ]
