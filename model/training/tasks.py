"""Training examples: a written report with gaps cut into it -> prefix and canvas of fixed length, as arrays.

The canvas is laid out by the code that lays out a radiologist's report, so that training and drafting agree to the
token. This module knows nothing of networks and optimisers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from drafting.imaging import StudyFacts
from drafting.report import Report, Span, State
from model.canvas import GAP_IN_LINE, GAP_OF_SECTION, Encode, Place, lay_out
from model.data.cases import Case
from model.data.grammar import WrittenReport
from model.loading import user_turn
from model.prefix import instruction
from model.training.fresh import BEGIN_IMAGE, BLANK, END_IMAGE, END_TURN, IMAGE, PAD

# 64 image tokens, their markers, and the longest instruction that the grammar writes.
PREFIX_LENGTH = 112
IMAGE_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Example:
    """One training example.

    `prefix`: (PREFIX_LENGTH,) token ids, after `prefix_length` of them padding that nothing attends to. Without an
    image the image's tokens stand there. `canvas`: (canvas_length,) the wanted ids; `pinned`: (canvas_length,) bool;
    what lies beyond `canvas_length` used positions is padding.
    """

    prefix: NDArray[np.int16]
    prefix_length: int
    canvas: NDArray[np.int16]
    pinned: NDArray[np.bool_]
    canvas_length: int


def facts_of(case: Case) -> StudyFacts:
    """What the header of a case's study would tell."""
    return StudyFacts(age=case.age, sex=case.sex, view=case.view)


def prefix_ids(tokenizer: PreTrainedTokenizerFast, case: Case, with_image: bool) -> tuple[NDArray[np.int16], int]:
    """The prefix of a case: (PREFIX_LENGTH,) ids, and how many of them count.

    Every example carries an image, so that all have one shape; where it is not to be seen, its tokens follow the
    prefix, out of reach of what comes before and masked from the decoder.
    """
    text = user_turn(tokenizer, instruction(facts_of(case), case.indication or ""), with_image)
    ids: list[int] = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    image = [BEGIN_IMAGE, *[IMAGE] * IMAGE_TOKENS, END_IMAGE]
    if with_image:
        at = ids.index(IMAGE)
        ids = [*ids[:at], *image, *ids[at + 1 :]]
    length = len(ids)
    if not with_image:
        ids += image
    if len(ids) > PREFIX_LENGTH:
        raise ValueError(f"The instruction of a case has {len(ids)} tokens; {PREFIX_LENGTH} is the most.")
    prefix = np.full(PREFIX_LENGTH, PAD, dtype=np.int16)
    prefix[: len(ids)] = ids
    return prefix, length


def with_gaps(report: WrittenReport, random: Random) -> Report:
    """The report with open spans cut into it: the whole of it, sections, sentences, or phrases."""
    text = report.text
    kind = random.random()
    sections = _section_ranges(report)
    if kind < 0.1:
        ranges = [(0, len(text))]
    elif kind < 0.36 and sections:
        ranges = sections
    elif kind < 0.5 and sections:
        ranges = [random.choice(sections)]
    elif kind < 0.84:
        count = min(random.choice((1, 1, 1, 2, 2, 3, 4)), len(report.sentences))
        chosen = random.sample(report.sentences, count)
        ranges = sorted((sentence.start, sentence.end) for sentence in chosen)
    else:
        ranges = _phrase_ranges(text, random)
    spans: list[Span] = []
    at = 0
    for start, end in ranges:
        if start > at:
            spans.append(_span(len(spans), text[at:start], "locked"))
        if end > start:
            spans.append(_span(len(spans), text[start:end], "open"))
        at = end
    if at < len(text):
        spans.append(_span(len(spans), text[at:], "locked"))
    return Report(tuple(spans))


def _span(number: int, text: str, state: State) -> Span:
    return Span(f"s{number}", text, state, "radiologist")


def _section_ranges(report: WrittenReport) -> list[tuple[int, int]]:
    """The text of findings and impression, headings left out: what an empty report has open between its headings."""
    ranges: dict[str, tuple[int, int]] = {}
    for sentence in report.sentences:
        if sentence.section not in ("findings", "impression"):
            continue
        start, end = ranges.get(sentence.section, (sentence.start, sentence.end))
        ranges[sentence.section] = (min(start, sentence.start), max(end, sentence.end))
    return sorted(ranges.values())


def _phrase_ranges(text: str, random: Random) -> list[tuple[int, int]]:
    """One to eight runs of one to six words, no two touching."""
    starts = [index for index, c in enumerate(text) if c.isalnum() and (index == 0 or text[index - 1].isspace())]
    ranges: list[tuple[int, int]] = []
    for first in sorted(random.sample(range(len(starts)), min(random.randint(1, 8), len(starts)))):
        last = min(first + random.choice((0, 0, 1, 1, 2, 3, 5)), len(starts) - 1)
        end = starts[last]
        while end < len(text) and not text[end].isspace():
            end += 1
        # The sentence's full stop is sometimes the radiologist's, sometimes the model's.
        if text[end - 1] in ".,:;" and random.random() < 0.6:
            end -= 1
        if end > starts[first] and (not ranges or starts[first] > ranges[-1][1] + 1):
            ranges.append((starts[first], end))
    return ranges


def training_width(random: Random, most: int) -> Callable[[Place], int]:
    """Slot widths as drafting chooses them, and others, with at most `most` blanks.

    A gap's width so tells nothing of its text.
    """

    def width(place: Place) -> int:
        usual = GAP_OF_SECTION if place.own_lines else GAP_IN_LINE
        blanks = random.choice((0, random.randint(0, 8), random.randint(0, usual), max(usual - place.tokens, 0)))
        return place.tokens + min(blanks, most)

    return width


def example(
    report: Report, prefix: NDArray[np.int16], prefix_length: int, encode: Encode, canvas_length: int, random: Random
) -> Example | None:
    """The example of a report whose open spans hold the wanted text; None where it does not fit the canvas."""
    room = canvas_length - 1
    tokens = sum(len(encode(span.text)) for span in report.spans)
    spare = (room - tokens - len(report.spans)) // max(len(report.open_spans), 1)
    if spare < 0:
        return None
    layout = lay_out(report, encode, BLANK, room, training_width(random, spare))
    ids = [*layout.ids, END_TURN]
    if len(ids) > canvas_length:
        return None
    canvas = np.full(canvas_length, PAD, dtype=np.int16)
    canvas[: len(ids)] = ids
    pinned = np.ones(canvas_length, dtype=np.bool_)
    pinned[: len(layout.pinned)] = layout.pinned
    return Example(prefix, prefix_length, canvas, pinned, len(ids))
