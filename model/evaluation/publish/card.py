"""Puts the figures of saved evaluations into a model card, between its two markers.

`python -m model.evaluation.publish.card CARD.md RESULTS.json ...`: so that a card never holds a figure that was typed.
This module knows nothing of how anything was measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from model.evaluation.publish.aims import held_against
from model.evaluation.record import EvaluationError, Row, SavedRows, load_rows

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

# In the names of measures that are no shares.
_SCORES = ("auroc", "f1", "kappa", "correlation")
_NO_SHARE = (
    *_SCORES,
    ": the first alone",
    ": the second alone",
    "median",
    "seconds",
    "steps",
    "times",
    "nats",
    "gigabytes",
    "tokens",
)


@dataclass(frozen=True, slots=True)
class _Subject:
    name: str
    rows: tuple[Row, ...]

    @property
    def measures(self) -> tuple[str, ...]:
        return tuple(row.measure for row in self.rows)


def with_figures(card: str, saved: Sequence[SavedRows]) -> str:
    """The card with these evaluations' tables between its markers. Raises EvaluationError where it has none."""
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise EvaluationError(f"The card has no section between {BEGIN} and {END}.")
    goals = f"### aims\n\n{aims_table([row for one in saved for row in one.rows])}"
    figures = [f"### {one.name}\n\n{tables(one.rows)}" for one in saved]
    return "\n\n".join([before + begin, goals, *figures, end + after])


def aims_table(rows: Sequence[Row]) -> str:
    """What was aimed at, with the row that decides each aim; a dash where nothing was measured."""
    lines = ["| what | aim | measured | reached |", "|---|---|---|---|"]
    for met in held_against(rows):
        several = met.row is not None and met.row.measure in ("AUROC", "side right where one side has it")
        named = f" ({met.row.subject})" if met.row and several else ""
        measured = f"{_cell(met.row)}{named}" if met.row else "-"
        reached = "yes" if met.reached else "no" if met.row else "not measured"
        lines.append(f"| {met.what} | {met.aim} | {measured} | {reached} |")
    return "\n".join(lines)


def tables(rows: Sequence[Row]) -> str:
    """Markdown tables of `table_blocks`, under the pictures that they stand on."""
    parts: list[str] = []
    for images in dict.fromkeys(row.images for row in rows):
        parts.append(f"**{images[0].upper()}{images[1:]}**")
        for head, *lines in table_blocks([row for row in rows if row.images == images]):
            rule = "|---" * len(head) + "|"
            parts.append("\n".join([_line(head), rule, *(_line(cells) for cells in lines)]))
    return "\n\n".join(parts)


def table_blocks(rows: Sequence[Row]) -> list[list[list[str]]]:
    """Tables of the rows of one kind of pictures, each a heading and its lines: one for the subjects that are measured
    alike, which are those whose first measure is the same, and one for the rest."""
    subjects = [_Subject(name, tuple(found)) for name, found in groupby(rows, key=lambda row: row.subject)]
    firsts = [subject.measures[0] for subject in subjects]
    rest = [row for subject in subjects if firsts.count(subject.measures[0]) == 1 for row in subject.rows]
    blocks: list[list[list[str]]] = []
    for first in dict.fromkeys(measure for measure in firsts if firsts.count(measure) > 1):
        alike = [subject for subject in subjects if subject.measures[0] == first]
        widest = max((subject.measures for subject in alike), key=len)
        if not all(widest[: len(subject.rows)] == subject.measures for subject in alike):
            # What one subject lacks must not put its neighbour's figures under a wrong heading.
            widest = tuple(dict.fromkeys([*widest, *(name for subject in alike for name in subject.measures)]))
        lines = [["", *widest]]
        for subject in alike:
            found = {row.measure: _cell(row) for row in subject.rows}
            lines.append([subject.name, *(found.get(name, "") for name in widest)])
        blocks.append(lines)
    if rest:
        blocks.append([["what", "measure", "value"], *([row.subject, row.measure, _cell(row)] for row in rest)])
    return blocks


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |" if cells[0] else "| | " + " | ".join(cells[1:]) + " |"


def is_share(row: Row) -> bool:
    """Whether a row's value is a share of things, and not a number with a unit, a curve's point, F1, AUROC or kappa."""
    name = row.measure.lower()
    if is_p(row):
        return False
    return not any(unit in name for unit in _NO_SHARE) and not name.replace(".", "").isdigit()


def is_score(row: Row) -> bool:
    """Whether it is AUROC, F1, kappa or a correlation, and not the median of one."""
    name = row.measure.lower()
    return any(score in name for score in _SCORES) and "median" not in name and not is_p(row)


def is_p(row: Row) -> bool:
    """Whether it is the probability that a test gives."""
    return row.measure.endswith(", p")


def _cell(row: Row) -> str:
    one = row.estimate
    if one.value is None:
        return "-"
    if is_p(row):
        # Never rounded to 0.
        return f"{one.value:.2g}, n = {one.count}"
    show = _percent if is_share(row) else "{:.2f}".format if is_score(row) else _number
    if one.low is None or one.high is None:
        return f"{show(one.value)}, n = {one.count}"
    low, high = (show(end).removesuffix(" %") for end in (one.low, one.high))
    return f"{show(one.value)} ({low} to {high}), n = {one.count}"


def _number(value: float) -> str:
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"


def _percent(share: float) -> str:
    """In whole percent; with a decimal where aims are finer than one."""
    return f"{100 * share:.1f} %" if 0 < share < 0.05 or 0.95 < share < 1 else f"{100 * share:.0f} %"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m model.evaluation.publish.card", description="Figures into a model card."
    )
    parser.add_argument("card", type=Path)
    parser.add_argument("results", type=Path, nargs="+", help="files that python -m model evaluate --json wrote")
    chosen = parser.parse_args()
    try:
        card = with_figures(chosen.card.read_text(encoding="utf-8"), [load_rows(path) for path in chosen.results])
        chosen.card.write_text(card, encoding="utf-8")
    except (OSError, EvaluationError) as error:
        print(f"python -m model.evaluation.publish.card: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
