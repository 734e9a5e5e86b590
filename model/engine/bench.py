"""What windows, scoring and evaluation share of one checkpoint: text <-> tokens, layouts, canvases and decoder slots.

The facade makes one and hands it to the others. This module knows nothing of drafts, threads, prefixes or what is
shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor

from drafting.report import Report, hints_of
from model.engine.layout import Canvas, Encode, Layout, Slot, Width, canvas_for, chosen_width, lay_out
from model.engine.pieces import decode_pieces, fitted
from model.engine.sampler import Run, SamplerSettings, draws
from model.network.decoder import DecoderSlot
from model.network.loading import DraftingModel
from model.network.prefix import Prefix

# How many draws of noise a probability is averaged over.
NOISES = 2


class Bench:
    """Layout helpers for a loaded checkpoint. Safe to use from many threads."""

    def __init__(self, drafting_model: DraftingModel) -> None:
        self.model = drafting_model
        # Encoding free text as text flips a switch on the tokenizer, in the callers' threads, while the engine's thread
        # encodes prompts. Hence a tokenizer of its own.
        self._text_tokenizer = deepcopy(drafting_model.tokenizer)

    @property
    def blank_id(self) -> int | None:
        return self.model.blank_id

    @property
    def room(self) -> int:
        """How many positions of a canvas the report can have."""
        return self.model.canvas_length - len(self.model.before) - len(self.model.after)

    @property
    def pad_id(self) -> int:
        return self.model.tokenizer.pad_token_id or 0

    @property
    def filler(self) -> int:
        """What stands behind a span's text to the end of its slot."""
        return self.pad_id if self.blank_id is None else self.blank_id

    @property
    def padding(self) -> int:
        """To how many positions every canvas is padded; 0 for a checkpoint whose canvas is as long as its content."""
        return 0 if self.model.traits.fitted_canvas else self.model.canvas_length

    def hints(self, report: Report) -> tuple[str, ...]:
        """The hints that the checkpoint is given of a report."""
        return hints_of(report) if self.model.traits.heeds_hints else ()

    def encode(self, text: str) -> list[int]:
        """The token ids of free text. Text that spells a special token is text."""
        return self._text_tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def without_filler(self, ids: Sequence[int]) -> tuple[int, ...]:
        return tuple(id for id in ids if id != self.filler)

    def text(self, tokens: Sequence[int], slot: Slot, line_end: str) -> str:
        """The text of tokens that stand in a slot."""
        decoded = decode_pieces(tokens, self.model.tokenizer, self.blank_id)
        return "".join(fitted([text for text, _ in decoded], slot, line_end))

    def lay_out(self, report: Report, width: Width, encode: Encode | None = None) -> Layout:
        return lay_out(report, encode or self.encode, self.filler, self.room, width)

    def canvas(
        self, layout: Layout, group: Sequence[Slot], context: Mapping[str, Sequence[int]], padded: bool = True
    ) -> Canvas:
        """The canvas that denoises a group of a layout's slots, as `model.engine.layout.canvas_for` makes it."""
        before, after = self.model.before, self.model.after
        padding = self.padding if padded else 0
        return canvas_for(layout, group, context, self.room, before, after, padding, self.pad_id)

    def one_slot(self, report: Report, width: int) -> Canvas:
        """The canvas of a report with one open span, in a slot of `width` positions."""
        layout = self.lay_out(report, chosen_width({report.open_spans[0].id: width}))
        return self.canvas(layout, layout.slots, {})

    def decoder_slot(self, prefix: Prefix, canvas: Canvas, filled: bool = False) -> DecoderSlot:
        """A canvas at the decoder. `filled`: no free position may be left blank; else only a slot's first may not."""
        # Who leaves a gap wants text.
        not_blank = frozenset(canvas.free if filled else [slot.start for slot in canvas.slots])
        barred = not_blank if self.blank_id is not None else frozenset()
        return DecoderSlot(
            prefix,
            torch.tensor(canvas.ids),
            torch.tensor(canvas.free, dtype=torch.long),
            torch.tensor([at in barred for at in canvas.free], dtype=torch.bool),
        )

    def noises(self, width: int) -> list[Tensor]:
        """Draws of noise for a slot, each (width,); the same every time."""
        sampler = SamplerSettings()
        return [draws(Run(width, self.model.vocabulary_size, sampler, seed), 0)[1] for seed in range(NOISES)]
