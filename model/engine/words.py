"""Alternatives for a word: texts of a slot and the network's probability for each.

A word is often several tokens, so no single token's probability is a word's. The text of a slot is taken from left to
right instead: the probability of its first token where all of the slot is noise, times that of its second where the
first stands and the rest is noise, and so on to the blank that ends it. By the chain rule these products add up to 1
over all texts that fit the slot. Only words are wanted, so texts of several are left out. So is what the network would
take back as soon as it stands there, as drafting would: mostly the beginnings of longer words. The rest is taken as the
whole: the share of a word among the single words that the network would write there.

This module works on token ids; it knows nothing of text, networks or canvases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

Tokens = tuple[int, ...]
Believe = Callable[[Sequence[Tokens]], Tensor]
"""(beginnings of a slot's text, each shorter than the slot) -> of each next token, log-probabilities (beginnings,
vocabulary), nats."""

Keep = Callable[[Sequence[Tokens]], Sequence[float]]
"""texts of a slot -> how probable the network finds each where it stands there whole: log-probabilities, nats."""
Continues = Callable[[Tokens], bool]
"""Whether tokens are the beginning of one word, or all of it."""

# So many beginnings are followed: more than any list shows, because a beginning may lead to several words or to none.
FOLLOWED = 24
# Beginnings less probable than this, set against the likeliest word, are not followed.
LEAST_PROBABLE = math.log(1e-3)
# A word that the network holds less probable than this when it sees it there is taken back.
LEAST_KEPT = math.log(0.5)


def likeliest_words(
    believe: Believe, keep: Keep, width: int, blank: int | None, is_word: Continues, present: Tokens
) -> dict[Tokens, float]:
    """Words that could stand in a slot of `width` positions, `present` among them, each with its share of all of them.

    Found by beam search. Without a blank only words of as many tokens as the slot can be found.
    """
    found: dict[Tokens, float] = {}
    beginnings: dict[Tokens, float] = {(): 0.0}
    for _ in range(width):
        likelihoods = believe(list(beginnings))
        longer: dict[Tokens, float] = {}
        for (beginning, total), own in zip(beginnings.items(), likelihoods, strict=True):
            if blank is not None and beginning:
                found[beginning] = total + own[blank].item()
            values, tokens = own.topk(min(2 * FOLLOWED, len(own)))
            for value, token in zip(values.tolist(), tokens.tolist(), strict=True):
                if token != blank and is_word((*beginning, token)):
                    longer[*beginning, token] = total + value
        least = max(found.values(), default=-math.inf) + LEAST_PROBABLE
        # A beginning never becomes more probable.
        likeliest = sorted(longer.items(), key=lambda one: (-one[1], one[0]))[:FOLLOWED]
        beginnings = {tokens: total for tokens, total in likeliest if total > least}
        if not beginnings:
            break
    if blank is None:
        found = {tokens: total for tokens, total in beginnings.items() if len(tokens) == width}
    words = list(found)
    found = {word: found[word] for word, kept in zip(words, keep(words), strict=True) if kept >= LEAST_KEPT}
    if present not in found:
        found[present] = log_probability(believe, present, width, blank)
    most = max(found.values())
    whole = sum(math.exp(total - most) for total in found.values())
    return {tokens: math.exp(total - most) / whole for tokens, total in found.items()}


def log_probability(believe: Believe, text: Tokens, width: int, blank: int | None) -> float:
    """How probable `text` is in a slot of `width` positions, taken from left to right: nats."""
    ended = text if blank is None or len(text) == width else (*text, blank)
    likelihoods = believe([text[:at] for at in range(len(ended))])
    return sum(own[token].item() for own, token in zip(likelihoods, ended, strict=True))
