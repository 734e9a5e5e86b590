"""Where the model looked for a text of the report: its attention to the image, as a map.

This module knows nothing of networks' layers and of how a map is shown.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from drafting.engine import AttentionMap, EngineError
from drafting.report import Report, Span
from model.engine.batching import Batcher
from model.engine.bench import Bench
from model.engine.layout import fixed_width
from model.network.attention import ImageNotVisibleError, distinctive_attention
from model.network.prefix import Prefix


def part_alone(report: Report, id: str, part: tuple[int, int] | None) -> Report:
    """The report with nothing open but the part of the open span `id`; white space before the part goes with it."""
    text = next((span.text for span in report.open_spans if span.id == id), "")
    start, stop = part or (0, len(text))
    # A word's token begins with its space.
    start = len(text[:start].rstrip(" "))
    if not text[start:stop].strip():
        raise EngineError("The model wrote no text here.")
    spans: list[Span] = []
    for span in report.spans:
        if span.id == id:
            spans.append(Span("before", text[:start], "locked", "model"))
            spans.append(Span("looked", text[start:stop], "open", "model"))
            spans.append(Span("after", text[stop:], "locked", "model"))
        else:
            spans.append(replace(span, id=f"of {span.id}", state="locked", hint=""))
    return Report(tuple(spans))


def attention_map(bench: Bench, batcher: Batcher, prefix: Prefix, alone: Report) -> AttentionMap:
    """Where the model looks for the text of a report's one open span.

    Raises EngineError where the text is too long, stands alone, or the image is out of sight.
    """
    model = bench.model
    (text,) = alone.open_spans
    if len(bench.encode(text.text)) > bench.room:
        raise EngineError("This text is longer than the model's canvas.")
    layout = bench.lay_out(alone, fixed_width)
    canvas = bench.canvas(layout, layout.slots, {}, padded=False)
    tokens = torch.tensor((*canvas.ids, *[bench.pad_id] * (bench.padding - len(canvas.ids))))
    (slot,) = canvas.slots
    if len(canvas.ids) == slot.stop - slot.start:
        raise EngineError("The report has no other text to compare this text with.")
    try:
        weights, share = batcher.call(
            lambda: distinctive_attention(model, prefix, tokens, slice(slot.start, slot.stop), len(canvas.ids))
        )
    except ImageNotVisibleError:
        raise EngineError("The study's description is too long: the model cannot see the image beside it.") from None
    return AttentionMap(weights.numpy(), share)
