"""What a text says of the findings, and whether it fits what stands beside it. Knows nothing of gaps and models."""

from __future__ import annotations

from collections.abc import Sequence

from model.evaluation.reading.labeler import FINDINGS, SIDED, Finding, Mention, contradictions, read, reading

Standing = Sequence[tuple[str, str]]
"""Locked sentences, each with its section before it."""


def called(mentions: Sequence[Mention]) -> set[Finding]:
    return {finding for finding in FINDINGS if reading(mentions, finding).called}


def denied(mentions: Sequence[Mention]) -> set[Finding]:
    return {finding for finding in FINDINGS if reading(mentions, finding).presence == "absent"}


def statements(text: str) -> set[tuple[Finding, bool]]:
    """The findings of which a text says something, each with whether it is called."""
    mentions = read(text)
    return {(finding, True) for finding in called(mentions)} | {(finding, False) for finding in denied(mentions)}


def contradicts(text: str, section: str, standing: Standing) -> bool:
    """Whether a text in a section denies what locked text says is there, or calls what it denies, or names the other
    side.
    """
    said = read(text)
    if contradictions(said, read(" ".join(sentence for _, sentence in standing))):
        return True
    # Of one section's findings the other may not name only the other side.
    across = read(" ".join(sentence for other, sentence in standing if other != section))
    return any(
        mine and theirs and not mine & theirs
        for mine, theirs in (
            (reading(said, finding).sides, reading(across, finding).sides)
            for finding in SIDED
            if reading(said, finding).called and reading(across, finding).called
        )
    )
