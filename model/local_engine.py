"""The engine on this process's device: lays a report out, denoises it and turns token ids back into text.

It joins the rooms of `model`; it knows nothing of browsers and files.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from drafting.engine import Draft, DraftSettings, EngineError, Frame, Piece
from drafting.imaging import Study
from drafting.report import Report
from model import canvas as canvases
from model.canvas import Canvas, Slot
from model.loading import DraftingModel, load
from model.prefix import Prefix, encode_prefix
from model.sampler import SamplerSettings, Step, denoise

KEPT_PREFIXES = 16
MOST_OPEN_SPANS = 1000


class LocalEngine:
    """Drafts on this process's device. Safe to call from several threads: they take turns, one decoder pass each."""

    def __init__(self, drafting_model: DraftingModel) -> None:
        self._model = drafting_model
        self._settings = SamplerSettings.of_checkpoint(drafting_model.network.generation_config)
        self._device_turn = threading.Lock()
        self._prefixes: OrderedDict[tuple[str, str], Prefix] = OrderedDict()
        allowed = torch.ones(drafting_model.vocabulary_size, dtype=torch.bool)
        allowed[list(drafting_model.suppressed_ids)] = False
        allowed[len(drafting_model.tokenizer) :] = False
        self._allowed = allowed.to(drafting_model.device)

    @classmethod
    def load(cls, model: str | Path | None = None, adapter: str | Path | None = None) -> LocalEngine:
        """An engine for a checkpoint and an adapter, as `model.loading.load` takes them. Raises ModelError."""
        return cls(load(model, adapter))

    @property
    def _pad_id(self) -> int:
        return self._model.tokenizer.pad_token_id or 0

    @property
    def model(self) -> str:
        return self._model.name

    def prepare(self, study: Study | None, indication: str = "") -> None:
        self._prefix(study, indication)

    def release(self, study: Study) -> None:
        with self._device_turn:
            for key in [key for key in self._prefixes if key[0] == study.id]:
                del self._prefixes[key]

    def draft(
        self, study: Study | None, report: Report, settings: DraftSettings, indication: str = ""
    ) -> Generator[Frame, None, Draft]:
        started = time.perf_counter()
        if len(report.open_spans) > MOST_OPEN_SPANS:
            raise EngineError(f"The report has {len(report.open_spans)} open spans; {MOST_OPEN_SPANS} is the most.")
        sampler = replace(self._settings, steps=settings.steps) if settings.steps else self._settings
        prefix = self._prefix(study, indication)
        generator = torch.Generator(self._model.device).manual_seed(settings.seed)
        line_end = "\r\n" if "\r\n" in report.text else "\n"

        scaffold = len(self._model.before) + len(self._model.after)
        room = self._model.canvas_length - scaffold
        blank_id = self._model.blank_id
        filler = self._pad_id if blank_id is None else blank_id
        if blank_id is None:
            layout = canvases.lay_out(report, self._encode, filler, room, canvases.fixed_width)
        else:
            layout = canvases.lay_out_within(report, self._encode, filler, room, canvases.elastic_width)
        # What an open span is to the others' windows, until it is drafted: its text, as the layout has it.
        context: dict[str, Sequence[int]] = {
            slot.span_id: [id for id in layout.ids[slot.start : slot.stop] if id != filler] for slot in layout.slots
        }
        groups = canvases.windows(layout, room)
        limit = sampler.steps * len(groups)

        pieces: dict[str, tuple[Piece, ...]] = {}
        step_count, log_probability, positions = 0, 0.0, 0
        for group in groups:
            canvas = canvases.canvas_for(
                layout,
                group,
                context,
                room,
                self._model.before,
                self._model.after,
                0 if self._model.traits.fitted_canvas else self._model.canvas_length,
                self._pad_id,
            )
            for step in self._steps(canvas, prefix, sampler, generator):
                step_count += 1
                for slot in canvas.slots:
                    pieces[slot.span_id] = self._pieces(step, slot, line_end)
                if step.last:
                    for slot in canvas.slots:
                        context[slot.span_id] = self._without_blanks(step, slot)
                    log_probability += step.log_probability.sum().item()
                    positions += sum(slot.stop - slot.start for slot in canvas.slots)
                yield Frame(step_count, limit, time.perf_counter() - started, dict(pieces))
        return Draft(
            texts=_texts(pieces),
            steps=step_count,
            seconds=time.perf_counter() - started,
            seed=settings.seed,
            model=self.model,
            mean_log_probability=log_probability / max(positions, 1),
        )

    def _steps(
        self, canvas: Canvas, prefix: Prefix, sampler: SamplerSettings, generator: torch.Generator
    ) -> Generator[Step]:
        """The steps of one canvas; the device is held for one step at a time, so that sessions share it."""
        device = self._model.device

        @torch.inference_mode()
        def decoder(tokens: torch.Tensor, belief: torch.Tensor | None) -> torch.Tensor:
            return self._model.network(
                decoder_input_ids=tokens, past_key_values=prefix.cache, self_conditioning_logits=belief
            ).logits

        steps = denoise(
            decoder,
            torch.tensor([canvas.ids], device=device),
            torch.tensor([canvas.pinned], device=device),
            self._allowed_on(canvas),
            sampler,
            generator,
        )
        while True:
            with self._device_turn:
                step = next(steps, None)
            if step is None:
                return
            yield step

    def _allowed_on(self, canvas: Canvas) -> torch.Tensor:
        """What may stand where: (length, vocabulary). A slot never begins with a blank: who leaves a gap wants text."""
        allowed = self._allowed.expand(len(canvas.ids), -1)
        if self._model.blank_id is None:
            return allowed
        allowed = allowed.clone()
        allowed[[slot.start for slot in canvas.slots], self._model.blank_id] = False
        return allowed

    def _prefix(self, study: Study | None, indication: str) -> Prefix:
        key = (study.id if study else "", indication)
        with self._device_turn:
            if key not in self._prefixes:
                self._prefixes[key] = encode_prefix(self._model, study, indication)
                while len(self._prefixes) > KEPT_PREFIXES:
                    self._prefixes.popitem(last=False)
            self._prefixes.move_to_end(key)
            return self._prefixes[key]

    def _encode(self, text: str) -> list[int]:
        return self._model.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def _pieces(self, step: Step, slot: Slot, line_end: str) -> tuple[Piece, ...]:
        ids = step.tokens[0, slot.start : slot.stop].tolist()
        decoded = canvases.decode_pieces(ids, self._model.tokenizer, self._model.blank_id)
        texts = canvases.fitted([text for text, _ in decoded], slot, line_end)
        entropy = step.entropy[0, slot.start : slot.stop].tolist()
        accepted = step.accepted[0, slot.start : slot.stop].tolist()
        return tuple(
            Piece(text, max(entropy[index] for index in indices), all(accepted[index] for index in indices))
            for text, (_, indices) in zip(texts, decoded, strict=True)
            if text
        )

    def _without_blanks(self, step: Step, slot: Slot) -> list[int]:
        ids = step.tokens[0, slot.start : slot.stop].tolist()
        return [id for id in ids if id != self._model.blank_id]


def _texts(pieces: Mapping[str, tuple[Piece, ...]]) -> dict[str, str]:
    return {id: "".join(piece.text for piece in shown) for id, shown in pieces.items()}
