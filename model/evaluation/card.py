"""Puts the figures of saved evaluations into a model card, between its two markers.

`python -m model.evaluation.card CARD.md RESULTS.json ...`: so that a card never holds a figure that was typed.
This module knows nothing of how anything was measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from model.evaluation.record import EvaluationError, Row, SavedRows, load_rows

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


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
    return "\n\n".join([before + begin, *(f"### {one.name}\n\n{tables(one.rows)}" for one in saved), end + after])


def tables(rows: Sequence[Row]) -> str:
    """Markdown tables: for each kind of pictures, one for the subjects that are measured alike, one for the rest."""
    parts: list[str] = []
    for images in dict.fromkeys(row.images for row in rows):
        within = [row for row in rows if row.images == images]
        subjects = [_Subject(name, tuple(found)) for name, found in groupby(within, key=lambda row: row.subject)]
        firsts = [subject.measures[0] for subject in subjects]
        alike = [subject for subject in subjects if firsts.count(subject.measures[0]) > 1]
        rest = [row for subject in subjects if subject not in alike for row in subject.rows]
        parts.append(f"**{images[0].upper()}{images[1:]}**")
        if alike:
            widest = max((subject.measures for subject in alike), key=len)
            lines = [f"| | {' | '.join(widest)} |", "|---" * (len(widest) + 1) + "|"]
            for subject in alike:
                cells = [_cell(row) for row in subject.rows] + [""] * (len(widest) - len(subject.rows))
                lines.append(f"| {subject.name} | {' | '.join(cells)} |")
            parts.append("\n".join(lines))
        if rest:
            lines = ["| what | measure | value |", "|---|---|---|"]
            lines += [f"| {row.subject} | {row.measure} | {_cell(row)} |" for row in rest]
            parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _cell(row: Row) -> str:
    one = row.estimate
    if one.value is None or one.low is None or one.high is None:
        return "-"
    if "median" in row.measure:
        return f"{one.value:.1f} ({one.low:.1f} to {one.high:.1f}), n = {one.count}"
    return f"{100 * one.value:.0f} % ({100 * one.low:.0f} to {100 * one.high:.0f}), n = {one.count}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m model.evaluation.card", description="Figures into a model card.")
    parser.add_argument("card", type=Path)
    parser.add_argument("results", type=Path, nargs="+", help="files that python -m model evaluate --json wrote")
    chosen = parser.parse_args()
    try:
        card = with_figures(chosen.card.read_text(encoding="utf-8"), [load_rows(path) for path in chosen.results])
        chosen.card.write_text(card, encoding="utf-8")
    except (OSError, EvaluationError) as error:
        print(f"python -m model.evaluation.card: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
