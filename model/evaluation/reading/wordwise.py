"""Two short answers compared word by word, as is usual for questions about medical images.

After lower-casing, without punctuation and articles. This module knows nothing of judges and of meaning.
"""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"\d+(?:\.\d+)?|[^\W_]+")
_ARTICLES = frozenset({"a", "an", "the"})


def words_of(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in _ARTICLES]


def is_same(wanted: str, said: str) -> bool:
    """Whether two answers have the same words in the same order."""
    return words_of(wanted) == words_of(said)


def token_f1(wanted: str, said: str) -> float:
    """The harmonic mean of precision and recall of the answer's words, each counted as often as it stands."""
    want, have = Counter(words_of(wanted)), Counter(words_of(said))
    total = want.total() + have.total()
    return 2 * (want & have).total() / total if total else 1.0
