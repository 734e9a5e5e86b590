"""The report of saved evaluations: every figure with its interval, and what is needed to do it again."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from model.__main__ import main
from model.evaluation.publish.report import NOTICE, UNRECORDED, write_report
from model.evaluation.record import EvaluationError

COMMAND = "python -m model evaluate infill --data radiographs.npz"


def saved(path: Path, **others: Any) -> Path:
    rows = [
        {"images": "real reports", "subject": "a | <b>", "measure": "agree", "value": 0.83, "low": 0.77, "high": 0.89},
        {"images": "real reports", "subject": "other", "measure": "agree", "value": None, "low": None, "high": None},
        {
            "images": "one CPU",
            "subject": "a step",
            "measure": "milliseconds",
            "value": 23.09,
            "low": 23.0,
            "high": 24.0,
        },
        {"images": "one CPU", "subject": "by canvas", "measure": "64", "value": 20.5, "low": None, "high": None},
    ]
    told = {
        "name": "infill",
        "command": COMMAND,
        "weights_sha256": "24786f",
        "adapter_sha256": None,
        "settings": {"limit": 150, "steps": None},
        "rows": [row | {"count": 7} for row in rows],
    }
    path.write_text(json.dumps(told | others), encoding="utf-8")
    return path


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.links: list[str] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("td", "th"):
            self._in_cell = True
            self.cells.append("")
        # What a browser would fetch; namespaces and clips within the plot are no addresses.
        self.links += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data


def test_both_files_hold_every_figure_with_its_interval_and_how_to_redo_it(tmp_path: Path) -> None:
    markdown, html = write_report([saved(tmp_path / "i.json")], tmp_path / "out", "A & B")
    text = markdown.read_text(encoding="utf-8")
    assert NOTICE in text
    assert COMMAND in text
    assert "| 83 % (77 to 89), n = 7 |" in text
    assert "| 23.1 (23.0 to 24.0), n = 7 |" in text
    assert "| 20.5, n = 7 |" in text
    assert "a \\| <b>" in text
    assert "| weights sha256 | 24786f |" in text
    assert "| settings | limit 150 |" in text
    assert "adapter" not in text
    (plot,) = (tmp_path / "out").glob("*.svg")
    assert f"]({plot.name})" in text
    page = html.read_text(encoding="utf-8")
    read = Text()
    read.feed(page)
    assert NOTICE in page
    assert "<h1>A &amp; B</h1>" in page
    assert {"a | <b>", "83 % (77 to 89), n = 7", "23.1 (23.0 to 24.0), n = 7", "24786f"} <= set(read.cells)
    assert "<svg" in page
    assert read.links == []


def test_the_same_results_give_the_same_files(tmp_path: Path) -> None:
    source = saved(tmp_path / "i.json")
    first = [path.read_bytes() for path in write_report([source], tmp_path / "one", "T")]
    assert [path.read_bytes() for path in write_report([source], tmp_path / "two", "T")] == first


def test_a_command_that_was_not_recorded_is_said_to_be_so(tmp_path: Path) -> None:
    markdown, _ = write_report([saved(tmp_path / "i.json", command=None)], tmp_path / "out", "T")
    assert UNRECORDED in markdown.read_text(encoding="utf-8")


def test_what_is_no_result_and_a_folder_that_is_none_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(EvaluationError, match="not a saved evaluation"):
        write_report([broken], tmp_path / "out", "T")
    assert main(["evaluate", "report", str(saved(tmp_path / "i.json")), "--out", str(broken)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written" in line
