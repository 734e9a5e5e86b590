"""Templates: their files are in order, and a field can be typed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from drafting.desk.templates import TemplateError, parse_template, templates
from drafting.ui.web import WebDesk
from tests.drafting.scripted_engine import ScriptedEngine


def test_every_template_is_in_order_and_nothing_in_it_is_anybody_elses() -> None:
    found = templates()
    assert found[0].code == "normal"
    assert {span.author for template in found for span in template.report.spans} == {"template", "model"}
    assert all(span.is_gap for template in found for span in template.report.spans if span.author == "model")


def test_the_normal_report_keeps_its_headings_locked_and_leaves_nothing_open() -> None:
    (normal,) = [template for template in templates() if template.code == "normal"]
    assert normal.whole
    assert normal.report.text.startswith("FINDINGS:\n")
    assert "\n\nIMPRESSION:\n" in normal.report.text
    assert normal.report.open_spans == ()


def test_fields_and_brackets_are_open_and_the_rest_is_locked() -> None:
    template = parse_template("code: nod\ntitle: Nodule\n---\nA [size] mm nodule.[[]] [[Maybe.]]\n")
    assert [(span.text, span.state) for span in template.report.spans] == [
        ("A ", "locked"),
        ("[size]", "open"),
        (" mm nodule.", "locked"),
        ("", "open"),
        (" ", "locked"),
        ("Maybe.", "open"),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "code: x\n---\ntext", "code: X!\ntitle: t\n---\ntext", "code: x\ntitle: t\n---\n[[open", "code: x\ntitle: t"],
)
def test_a_file_that_is_not_in_order_is_named(text: str) -> None:
    with pytest.raises(TemplateError, match=r"mine\.txt"):
        parse_template(text, "mine.txt")


@pytest.mark.parametrize("content", [b"code: x\n", b"code: x\ntitle: t\n---\n\xff"])
def test_a_broken_template_is_told_when_the_desk_is_made_and_not_later(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_bytes(content)
    monkeypatch.setattr("drafting.desk.templates.FOLDER", tmp_path)
    templates.cache_clear()
    try:
        with pytest.raises(TemplateError, match=r"mine\.txt"):
            WebDesk(ScriptedEngine())
    finally:
        templates.cache_clear()
