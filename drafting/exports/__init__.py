"""The registry of exports: a new one is a file with a function that writes a report, and a line here."""

from __future__ import annotations

from collections.abc import Callable

from drafting.exports.text import to_text
from drafting.report import Report

EXPORTS: dict[str, Callable[[Report], str]] = {
    "text": to_text,
}
