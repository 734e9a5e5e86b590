"""Patterns of wording, and how noun phrases are put together. Knows nothing of reports.

In a pattern, `[a|b|]` is one of its alternatives, which may hold patterns and may be empty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import TypeAlias

# A pattern taken apart: text, and choices between patterns.
Pattern: TypeAlias = "tuple[str | tuple[Pattern, ...], ...]"


def article(noun: str) -> str:
    """'a' or 'an', as the noun phrase is spoken; numbers too: an 8, an 11, an 18."""
    number = re.match(r"\d+", noun)
    if number:
        return "an" if number.group().startswith("8") or number.group() in ("11", "18") else "a"
    if re.match(r"[A-Z]{2}", noun):
        # An abbreviation is spelled: an NG tube, an ET tube.
        return "an" if noun[0] in "AEFHILMNORSX" else "a"
    return "an" if noun[0].lower() in "aeiou" else "a"


def joined(parts: Sequence[str], conjunction: str) -> str:
    """'a', 'a and b', 'a, b, and c'."""
    if len(parts) < 3:
        return f" {conjunction} ".join(parts)
    return f"{', '.join(parts[:-1])}, {conjunction} {parts[-1]}"


@cache
def parsed(pattern: str) -> Pattern:
    stack: list[list[list[str | tuple[Pattern, ...]]]] = [[[]]]
    for piece in re.split(r"([\[\]|])", pattern):
        if piece == "[":
            stack.append([[]])
        elif piece == "|" and len(stack) > 1:
            stack[-1].append([])
        elif piece == "]":
            alternatives = stack.pop()
            stack[-1][-1].append(tuple(tuple(parts) for parts in alternatives))
        elif piece:
            stack[-1][-1].append(piece)
    return tuple(stack[0][0])


def expanded(pattern: Pattern, random: Random) -> str:
    return "".join(
        part if isinstance(part, str) else expanded(part[int(random.random() * len(part))], random) for part in pattern
    )


def close(text: str) -> str:
    """Commas stand at the word before them."""
    return text.replace(" ,", ",")
