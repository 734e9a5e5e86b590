"""Whether a text is worded as reports are: no sentence twice, no empty section, no two words that never meet.

It compares with a great many written reports; it knows nothing of pictures, findings and models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from random import Random

from model.data.cases import Source, case_from_labels, sample_case
from model.data.grammar import write_report
from model.evaluation.labeler import sentences

REFERENCE_REPORTS = 20_000
# About what the packed radiographs have.
_CHILDREN = 0.2
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d]+(?:-[^\W\d]+)*|[^\w\s]")

Pair = tuple[str, str]


def written_reports(count: int, random: Random) -> list[str]:
    """Reports as the default model learned them, of adults' and children's cases."""
    texts = []
    for _ in range(count):
        child = random.random() < _CHILDREN
        source: Source = "child_normal" if random.random() < 0.5 else "child_pneumonia"
        texts.append(write_report(case_from_labels(source, random) if child else sample_case(random), random).text)
    return texts


def pairs(text: str) -> set[Pair]:
    """Neighbouring words and punctuation marks, in lower case; all numbers count as one."""
    tokens = ["#" if token[0].isdigit() else token.lower() for token in _TOKEN.findall(text)]
    return set(pairwise(tokens))


def known_pairs(texts: Iterable[str]) -> frozenset[Pair]:
    return frozenset().union(*(pairs(text) for text in texts))


def repeats(text: str) -> bool:
    """Whether a sentence stands in a section twice."""
    said = [sentence.lower().rstrip(".") for sentence in sentences(text)]
    return len(set(said)) < len(said)


def is_empty(text: str) -> bool:
    return not any(c.isalpha() for c in text)


def is_broken(text: str, known: frozenset[Pair]) -> bool:
    """Whether two words stand side by side that never do in `known`."""
    return not pairs(text) <= known
