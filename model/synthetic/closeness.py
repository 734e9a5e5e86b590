"""How close the written reports come to real ones: which of their words and word pairs the grammar can produce.

    python -m model.synthetic.closeness --reports ecgen-radiology [--count 60000] [--missing 40]

The real ones are the Indiana University chest X-ray collection (Demner-Fushman et al., JAMIA 2016; Open-i), which is
not part of this repository. Only its reports with an even number are read; the odd ones stay unseen. Nothing of a
report is kept or written to a file. This module knows nothing of pictures and of networks.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

from model.sets.files import SetError
from model.sets.reports import even_open_i, read_open_i
from model.synthetic.cases import sample_case
from model.synthetic.grammar import write_report

# How many reports stand for all that the grammar can write.
WRITTEN = 60_000
SEED = 20
_BEGIN, _END = "<s>", "</s>"
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_NUMBERED = re.compile(r"^\s*\d+[.)]\s+", re.MULTILINE)
# A sentence ends at a stop (not a decimal point), and at what was taken out to make a report anonymous: the words
# around that never were neighbours.
_SENTENCE_END = re.compile(r"(?<!\d)[.;?!]+(?=\s|$)|(?<=\d)\.(?=\s|$)|\n|:\s|x{3,}")

Sentence = tuple[str, ...]
Trigram = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Closeness:
    """`words`, `pairs`: the shares (0 to 1) of the real reports' word tokens, and of the word pairs within their
    sentences, that the written reports contain. `perplexity`: of `TrigramModel` per word and sentence end."""

    words: float
    pairs: float
    perplexity: float
    real_words: int
    missing_words: Counter[str] = field(default_factory=Counter)
    missing_pairs: Counter[tuple[str, str]] = field(default_factory=Counter)


def words_of(text: str) -> list[Sentence]:
    """The sentences as lower-case words, hyphenated words whole; numbers and punctuation are left out."""
    parts = _SENTENCE_END.split(_NUMBERED.sub("\n", text.lower()))
    return [words for part in parts if (words := tuple(_WORD.findall(part)))]


def read_reports(folder: Path) -> Iterator[str]:
    """Findings and impression of each report with an even number in `folder` and below.

    Raises SetError where there is none, and for a file that is no report.
    """
    for path in even_open_i(folder):
        report = read_open_i(path)
        yield f"{report.findings}\n{report.impression}"


def written_reports(count: int) -> Iterator[str]:
    """Findings and impression of `count` reports of adults, as the grammar writes them."""
    random = Random(SEED)
    for _ in range(count):
        report = write_report(sample_case(random), random)
        wanted = [s for s in report.sentences if s.section in ("findings", "impression")]
        yield "\n".join(report.text[sentence.start : sentence.end] for sentence in wanted)


class TrigramModel:
    """Word 3-grams interpolated with fixed weights (Jelinek and Mercer, 1980): three, two and one word, and equal
    chances for every known word and one more for all unknown ones together. What a history that was never seen would
    have weighed goes to the lower orders."""

    _WEIGHTS = (0.6, 0.3, 0.09, 0.01)

    def __init__(self, sentences: Iterable[Sentence]) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._totals: Counter[tuple[str, ...]] = Counter()
        for sentence in sentences:
            padded = (_BEGIN, _BEGIN, *sentence, _END)
            self._counts.update(zip(padded, padded[1:], padded[2:], strict=False))
        for (_, second, word), count in list(self._counts.items()):
            self._counts[(second, word)] += count
            self._counts[(word,)] += count
        for ngram, count in self._counts.items():
            self._totals[ngram[:-1]] += count
        self._known = sum(len(ngram) == 1 for ngram in self._counts) + 1

    def probability(self, history: tuple[str, str], word: str) -> float:
        """Of `word` after the two words of `history`."""
        *weights, equal = self._WEIGHTS
        shares = [
            (weight, self._counts[(*behind, word)] / self._totals[behind])
            for weight, behind in zip(weights, (history, history[1:], ()), strict=True)
            if self._totals[behind]
        ]
        shares.append((equal, 1 / self._known))
        return sum(weight * share for weight, share in shares) / sum(weight for weight, _ in shares)

    def perplexity(self, sentences: Iterable[Sentence]) -> float:
        """Per word and sentence end."""
        nats, tokens = 0.0, 0
        for sentence in sentences:
            padded = (_BEGIN, _BEGIN, *sentence, _END)
            for first, second, word in zip(padded, padded[1:], padded[2:], strict=False):
                nats -= math.log(self.probability((first, second), word))
                tokens += 1
        if tokens == 0:
            raise ValueError("There is no word to measure on.")
        return math.exp(nats / tokens)


def closeness(real: Sequence[Sentence], written: Sequence[Sentence]) -> Closeness:
    """How much of `real` there is in `written`. Raises ValueError where `real` has no word pair."""
    words = Counter(word for sentence in real for word in sentence)
    pairs = Counter(pair for sentence in real for pair in pairwise(sentence))
    if not pairs:
        raise ValueError("The real reports have no sentence of two words.")
    followers: dict[str, set[str]] = defaultdict(set)
    known: set[str] = set()
    for sentence in set(written):
        known.update(sentence)
        for first, second in pairwise(sentence):
            followers[first].add(second)
    missing_words = Counter({word: count for word, count in words.items() if word not in known})
    missing_pairs = Counter(
        {(first, second): n for (first, second), n in pairs.items() if second not in followers.get(first, ())}
    )
    return Closeness(
        words=1 - missing_words.total() / words.total(),
        pairs=1 - missing_pairs.total() / pairs.total(),
        perplexity=TrigramModel(written).perplexity(real),
        real_words=words.total(),
        missing_words=missing_words,
        missing_pairs=missing_pairs,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m model.synthetic.closeness", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--reports",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the collection's XML reports (the folder ecgen-radiology of NLMCXR_reports.tgz, or the one that holds "
        "it); only those with an even number in their name are read",
    )
    parser.add_argument("--count", type=int, default=WRITTEN, metavar="N", help="written reports (default %(default)s)")
    parser.add_argument("--missing", type=int, default=0, metavar="N", help="list the N most frequent missing ones")
    options = parser.parse_args(arguments)
    if options.count < 1:
        parser.error("--count must be at least 1.")
    try:
        real = [sentence for text in read_reports(options.reports) for sentence in words_of(text)]
        written = [sentence for text in written_reports(options.count) for sentence in words_of(text)]
        found = closeness(real, written)
    except SetError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{found.real_words} real words, {options.count} written reports")
    print(f"words {found.words:.1%}, word pairs {found.pairs:.1%}, 3-gram perplexity {found.perplexity:.1f}")
    if options.missing:
        print("words:", ", ".join(f"{word} {n}" for word, n in found.missing_words.most_common(options.missing)))
        print("pairs:", ", ".join(f"{a} {b} {n}" for (a, b), n in found.missing_pairs.most_common(options.missing)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
