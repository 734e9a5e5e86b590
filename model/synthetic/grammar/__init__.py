"""Writes the report of a case: phrases with alternatives, put together so that two reports rarely agree.

This package knows nothing of pictures and of networks; all it knows of a radiograph is its `Case`. A report never
contradicts its case or itself, says nothing about what is unknown, and its impression names every main finding.

Each module adds one part of a report to the one before it: `patterns`, `hand`, `change`, `negatives`, `findings`,
`impression`, `writer`.
"""

from __future__ import annotations

from model.synthetic.grammar.patterns import article, joined
from model.synthetic.grammar.writer import LEAST_WORDS, MOST_WORDS, Sentence, WrittenReport, write_report

__all__ = ["LEAST_WORDS", "MOST_WORDS", "Sentence", "WrittenReport", "article", "joined", "write_report"]
