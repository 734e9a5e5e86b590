"""The engine with what only an evaluation needs: exact widths, likelihoods of given answers, work in its thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from copy import copy
from typing import TypeVar

import torch

from drafting.engine import Draft, DraftSettings, EngineError, Frame
from drafting.report import Report
from drafting.study import Study
from model.engine.layout import ANSWER_WIDTH, chosen_width
from model.engine.local import LocalEngine
from model.engine.sampler import SamplerSettings
from model.engine.windows import SlotPolicy
from model.network.decoder import DecoderSlot
from model.network.prefix import Prefix

Result = TypeVar("Result")

# Slots that are filled to their ends, at the one width that they are given.
EXACT = SlotPolicy(ends_early=False, widenings=0)


class EvaluationEngine(LocalEngine):
    """A local engine that an evaluation can ask for more."""

    def with_settings(self, settings: SamplerSettings) -> EvaluationEngine:
        """The same engine, thread, prefixes and all, that denoises otherwise where a draft asks for nothing else."""
        other = copy(self)
        other.settings = settings
        return other

    def compute(self, work: Callable[[], Result]) -> Result:
        """Do `work` in the engine's thread, between two steps; returns or raises what it does."""
        return self.batcher.call(work)

    def widths_of(self, report: Report) -> dict[str, int]:
        """The tokens that the text of each open span has where it stands, at least 1, by span id."""
        layout = self.bench.lay_out(report, lambda place: place.tokens)
        return {slot.span_id: slot.stop - slot.start for slot in layout.slots}

    def draft_exactly(
        self,
        study: Study | None,
        report: Report,
        widths: Mapping[str, int],
        settings: DraftSettings,
        indication: str = "",
    ) -> Generator[Frame, None, Draft]:
        """`draft` with slots of given widths in tokens, by span id, each filled to its end: nothing is left blank.

        To compare with; a draft for a person knows no such widths. Whether its text was cut off cannot be told.
        """
        started = time.perf_counter()
        prefix, width = self.prefix(study, indication), chosen_width(widths)
        return (yield from self.drafter.draft(prefix, report, settings, self.settings, width, EXACT, started))

    def likelihoods(self, study: Study | None, question: str, answers: Sequence[str]) -> list[float]:
        """How likely each of some short answers is: the mean log-probability (nats) of its tokens.

        The answers stand in slots of one width, so that they can be compared. Raises EngineError where nothing is
        asked or an answer is empty.
        """
        prefix = self.question_prefix(study, question)
        if not answers:
            return []
        encoded = [self.bench.encode(answer) for answer in answers]
        if not all(encoded):
            raise EngineError("An answer to compare is empty.")
        # In wider slots than any needs, each is ended by a blank, which counts: 'left' is not 'left lower lobe'.
        ends = int(self.bench.blank_id is not None)
        width = max([ANSWER_WIDTH * ends, *(len(own) + ends for own in encoded)])
        decoder_slots = [self._answer_slot(prefix, own, width) for own in encoded]
        # The same noise before every answer: what stands there must not decide between them.
        noises = self.bench.noises(width)

        def score() -> list[float]:
            means = []
            for decoder_slot, own in zip(decoder_slots, encoded, strict=True):
                scored = slice(0, len(own) + ends)
                scores = [self.decoder.score(decoder_slot, noise)[scored].mean() for noise in noises]
                means.append(torch.stack(scores).mean().item())
            return means

        return self.compute(score)

    def _answer_slot(self, prefix: Prefix, tokens: Sequence[int], width: int) -> DecoderSlot:
        """A canvas whose one slot holds `tokens` and then blanks."""
        bench, before = self.bench, self.bench.model.before
        body = (*before, *tokens, *[bench.filler] * (width - len(tokens)), *bench.model.after)
        ids = (*body, *[bench.pad_id] * (bench.padding - len(body)))
        opening = torch.zeros(width, dtype=torch.bool)
        opening[0] = bench.blank_id is not None
        return DecoderSlot(prefix, torch.tensor(ids), torch.arange(len(before), len(before) + width), opening)
