"""What every export of the registry promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drafting.exports import EXPORTS
from drafting.exports.text import NOTICE, UNREVIEWED_NOTICE
from drafting.report import Report, Span

MIXED = Report.from_spans([Span("a", "Côté gauche.\n", "locked", "radiologist"), Span("b", "Clear.", "open", "model")])


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_an_export_keeps_locked_text_and_says_what_nobody_reviewed(export: Callable[[Report], str]) -> None:
    written = export(MIXED)
    assert "Côté gauche.\n" in written
    assert NOTICE in written
    assert UNREVIEWED_NOTICE in written
