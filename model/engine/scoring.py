"""The model's probabilities for texts of a slot: words in a place, texts compared, doubtful tokens in a text.

This module knows nothing of drafts, of prefixes' studies and of what is shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from drafting.engine import WordChoice
from drafting.report import Report
from model.engine.batching import Batcher
from model.engine.bench import Bench
from model.engine.layout import fixed_width
from model.engine.pieces import decode_pieces
from model.engine.words import Tokens, likeliest_words
from model.network.decoder import Decoder, DecoderSlot
from model.network.prefix import Prefix

# Of a text that is revised every so many-th token is hidden at a time, to see whether the rest calls for it.
DOUBTED_APART = 4
# Positions of a word's slot beyond the tokens that stand there: one, for the blank that ends it. In wider ones the
# network is less sure of a single word: of 60 words cut out of written reports 65 % were the likeliest in their place
# (mean share 56 %) with one position more, 62 % (51 %) with two.
WORD_END = 1
# What ends a word; and the share from which a word is listed: less is shown as nothing.
NOT_IN_A_WORD = re.compile(r"[^\w'\u2019/.-]|\w[.](?!\w)")
LEAST_SHARE = 5e-4
# In so many parts a text is read when it is set against others, a token or some at a time.
PARTS = 12


class Scoring:
    """Scores texts with a decoder, in the engine's thread. Safe to use from many threads."""

    def __init__(self, bench: Bench, decoder: Decoder, batcher: Batcher) -> None:
        self._bench = bench
        self._decoder = decoder
        self._batcher = batcher

    def words(self, prefix: Prefix, report: Report, count: int) -> tuple[WordChoice, ...]:
        """What could stand in the place of a report's one open word, as `drafting.engine.Engine.words` gives it."""
        blank = self._bench.blank_id
        narrow = self._bench.lay_out(report, fixed_width).slots[0]
        length = narrow.stop - narrow.start
        width = length if blank is None else min(length + WORD_END, self._bench.room)
        canvas = self._bench.one_slot(report, width)
        slot = canvas.slots[0]
        present = self._bench.without_filler(canvas.ids[slot.start : slot.stop])
        # The same noise before every text. Each draw has a decoder slot, whose pinned positions have seen it.
        noises = self._bench.noises(width)
        decoder_slots = [self._bench.decoder_slot(prefix, canvas) for _ in noises]

        def believe(beginnings: Sequence[Tokens]) -> Tensor:
            filled = [
                torch.cat([torch.tensor(beginning, dtype=noise.dtype), noise[len(beginning) :]])
                for noise in noises
                for beginning in beginnings
            ]
            places = [decoder_slot for decoder_slot in decoder_slots for _ in beginnings]
            # A call of its own each time, so that the drafts of others take their steps in between.
            read = self._batcher.call(lambda: self._decoder.beliefs(places, filled))
            own = [belief[len(beginnings[at % len(beginnings)])] for at, belief in enumerate(read)]
            return torch.stack(own).unflatten(0, (len(noises), -1)).logsumexp(dim=0) - math.log(len(noises))

        def keep(texts: Sequence[Tokens]) -> list[float]:
            ends = [self._bench.filler] * (blank is not None)
            whole = [torch.tensor([*text, *ends * (width - len(text))]) for text in texts]
            read = self._batcher.call(lambda: self._decoder.beliefs([decoder_slots[0]] * len(whole), whole))
            return [own.gather(-1, text[:, None]).sum().item() for own, text in zip(read, whole, strict=True)]

        self._batcher.call(lambda: self._decoder.beliefs(decoder_slots, noises))
        line_end = "\r\n" if "\r\n" in report.text else "\n"

        def spaced(tokens: Tokens) -> bool:
            pieces = decode_pieces(tokens, self._bench.model.tokenizer, blank)
            return bool(pieces) and pieces[0][0][:1].isspace()

        def is_word(tokens: Tokens) -> bool:
            # A token that would run into the word before is no word, whatever `fitted` makes of it.
            text = self._bench.text(tokens, slot, line_end).strip()
            return spaced(tokens) == spaced(present) and not NOT_IN_A_WORD.search(text)

        stands = report.open_spans[0].text
        shares: dict[str, float] = {}
        for tokens, share in likeliest_words(believe, keep, width, blank, is_word, present).items():
            text = stands if tokens == present else self._bench.text(tokens, slot, line_end).strip()
            if text == stands or any(map(str.isalnum, text)):
                shares[text] = shares.get(text, 0.0) + share
        likeliest = sorted(shares.items(), key=lambda one: (-one[1], one[0]))
        listed = [(text, share) for text, share in likeliest if share >= LEAST_SHARE][:count]
        return tuple(WordChoice(text, share) for text, share in likeliest if (text, share) in listed or text == stands)

    def shares(self, prefix: Prefix, report: Report, texts: Sequence[str]) -> list[float]:
        """How probable each of some texts is, as `drafting.engine.Engine.shares` gives it."""
        (span,), blank = report.open_spans, self._bench.blank_id
        holding = [
            replace(report, spans=tuple(replace(one, text=text) if one is span else one for one in report.spans))
            for text in texts
        ]
        slots = [self._bench.lay_out(one, fixed_width).slots[0] for one in holding]
        lengths = [slot.stop - slot.start if text else 0 for slot, text in zip(slots, texts, strict=True)]
        ends = int(blank is not None)
        # In slots of one width, each text ended by a blank; without blanks in one of its own length.
        widths = [min((max(lengths) if ends else length) + ends, self._bench.room) for length in lengths]
        written = [own for own in range(len(texts)) if lengths[own]]
        scored = {own: self._chained(prefix, holding[own], widths[own], lengths[own] + ends) for own in written}
        most = max(scored.values(), default=0.0)
        parts = [math.exp(scored[own] - most) if own in scored else 0.0 for own in range(len(texts))]
        return [part / sum(parts) if any(parts) else 0.0 for part in parts]

    def _chained(self, prefix: Prefix, report: Report, width: int, counted: int) -> float:
        """How probable the first `counted` tokens of a report's one slot are: nats, taken from left to right.

        In so many parts, each read where all before it stands and the rest is noise; averaged over draws of noise.
        """
        canvas = self._bench.one_slot(report, width)
        slot = canvas.slots[0]
        present = torch.tensor(canvas.ids[slot.start : slot.stop])
        counted = min(counted, width)
        borders = sorted({round(counted * part / PARTS) for part in range(PARTS)})
        noises = self._bench.noises(width)
        decoder_slots = [self._bench.decoder_slot(prefix, canvas) for _ in noises]
        self._batcher.call(lambda: self._decoder.beliefs(decoder_slots, noises))
        places = [decoder_slot for decoder_slot in decoder_slots for _ in borders]
        filled = [torch.cat([present[:at], noise[at:]]) for noise in noises for at in borders]
        read = self._batcher.call(lambda: self._decoder.beliefs(places, filled))
        total = 0.0
        for number, belief in enumerate(read):
            part = number % len(borders)
            rows = slice(borders[part], [*borders, counted][part + 1])
            total += belief[rows].gather(-1, present[rows, None]).sum().item()
        return total / len(noises)

    def doubts(self, decoder_slot: DecoderSlot) -> Tensor:
        """How far each free token is behind the one that the network would rather have there: (free,), nats, at most 0.

        Each while it is hidden and most others are seen: a token that is seen speaks for itself, however wrong it is.
        Held against the likeliest and not by itself, because where many words would do, as with sizes, each is
        unlikely and none is wrong.
        """
        present = decoder_slot.tokens[decoder_slot.free]
        doubts = torch.zeros(len(present))
        noises = self._bench.noises(len(present))
        for noise in noises:
            for first in range(DOUBTED_APART):
                hidden = torch.zeros(len(present), dtype=torch.bool)
                hidden[first::DOUBTED_APART] = True
                shown = torch.where(hidden, noise, present)
                # A call of its own each time, so that others' steps come between.
                (belief,) = self._batcher.call(partial(self._decoder.beliefs, [decoder_slot], [shown]))
                own = belief.gather(-1, present[:, None]).squeeze(-1)
                doubts[hidden] += (own - belief.amax(dim=-1))[hidden]
        return doubts / len(noises)
