"""Whether a text is worded like a report: no repeated sentence, no missing section, no unknown word, no two words that
never stand together.

It compares with a great many written reports, and for single words with real reports too where they are given; it
knows nothing of pictures, findings and models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from random import Random

from model.evaluation.reading.labeler import sentences
from model.synthetic.cases import Source, case_from_labels, sample_case
from model.synthetic.grammar import WrittenReport, write_report

REFERENCE_REPORTS = 20_000
# About what the packed radiographs have.
_CHILDREN = 0.2
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d]+(?:-[^\W\d]+)*|[^\w\s]")

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_LIST_NUMBER = re.compile(r"^\d+[.)]\s*")

Pair = tuple[str, str]


def written_reports(count: int, random: Random) -> list[WrittenReport]:
    """Reports as the default model learned them, of adults' and children's cases."""
    reports = []
    for _ in range(count):
        child = random.random() < _CHILDREN
        source: Source = "child_normal" if random.random() < 0.5 else "child_pneumonia"
        reports.append(write_report(case_from_labels(source, random) if child else sample_case(random), random))
    return reports


def most_frequent_sentences(reports: Iterable[WrittenReport]) -> dict[str, str]:
    """For each section the sentence that stands in it most often, without the number of a list's entry."""
    counts: dict[str, Counter[str]] = {}
    for report in reports:
        for sentence in report.sentences:
            text = _LIST_NUMBER.sub("", report.text[sentence.start : sentence.end])
            counts.setdefault(sentence.section, Counter())[text] += 1
    return {section: counted.most_common(1)[0][0] for section, counted in counts.items()}


def words(text: str) -> set[str]:
    """The words of a text in lower case; what has a hyphen is several."""
    return {word.lower() for word in _WORD.findall(text)}


def known_words(texts: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*(words(text) for text in texts))


def broken_words(text: str, known: frozenset[str]) -> set[str]:
    """The words that stand in no reference text: most are half a word, or two that ran together."""
    return words(text) - known


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
