"""Token ids -> the text that a frame shows: a slot's tokens as pieces of text, fitted between their neighbours.

This module knows nothing of networks, sampling or images.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import cast

from transformers import PreTrainedTokenizerBase

from model.engine.layout import Slot


def decode_pieces(
    ids: Sequence[int], tokenizer: PreTrainedTokenizerBase, blank_id: int | None
) -> list[tuple[str, list[int]]]:
    """The text of a slot in pieces, each with the indices of its tokens in `ids`.

    A piece is one token, or the several that together spell one character. Blanks and other special tokens have none.
    """
    special = set(tokenizer.all_special_ids) | {blank_id}
    pieces: list[tuple[str, list[int]]] = []
    waiting: list[int] = []
    for index, id in enumerate(ids):
        if id in special:
            continue
        waiting.append(index)
        text = _decoded([ids[i] for i in waiting], tokenizer)
        # An incomplete character decodes to the replacement character; no character has more than four bytes.
        if "\ufffd" in text and len(waiting) < 4 and index + 1 < len(ids):
            continue
        pieces.append((_printable(text), waiting))
        waiting = []
    if waiting:
        pieces.append((_printable(_decoded([ids[i] for i in waiting], tokenizer)), waiting))
    return pieces


def _decoded(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> str:
    # A list of ids decodes to one string; only a list of lists would give several.
    return cast(str, tokenizer.decode(ids, clean_up_tokenization_spaces=False))


def _printable(text: str) -> str:
    """Text less what no report holds and a half-denoised canvas may: control characters and broken ones."""
    return "".join(
        c for c in text if c == "\n" or (c != "\ufffd" and unicodedata.category(c) not in ("Cc", "Cs", "Co"))
    )


def fitted(texts: list[str], slot: Slot, line_end: str) -> list[str]:
    """A slot's pieces of text as they go between their neighbours: white space at the borders, line ends as given."""
    fitted_texts = list(texts)
    if slot.follows_space:
        for index, text in enumerate(fitted_texts):
            fitted_texts[index] = text.lstrip()
            if fitted_texts[index]:
                break
    for index in reversed(range(len(fitted_texts))):
        fitted_texts[index] = fitted_texts[index].rstrip()
        if fitted_texts[index]:
            # Words that would run into each other get a space: after a sentence, and before a capital or a digit.
            last, following = fitted_texts[index][-1], slot.glue[:1]
            if following.isalnum() and (last in ".,;:!?)" or (last.isalnum() and not following.islower())):
                fitted_texts[index] += " "
            break
    return [text.replace("\n", line_end) for text in fitted_texts]
