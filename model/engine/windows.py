"""A draft from its first window to its last: a report's open spans are laid out, denoised together and widened.

A report that does not fit a canvas is denoised window by window. This module knows nothing of studies, threads and
networks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from torch import Tensor

from drafting.engine import Draft, DraftSettings, EngineError, Frame, Piece
from drafting.report import Report
from model.engine.batching import Batcher, Lane
from model.engine.bench import Bench
from model.engine.layout import Canvas, Encode, Slot, Width, chosen_width, lay_out_within, windows
from model.engine.pieces import decode_pieces, fitted
from model.engine.sampler import Course, Run, SamplerSettings, is_over
from model.network.decoder import DecoderSlot
from model.network.loading import DraftingModel
from model.network.prefix import Prefix
from model.network.reading import State

# A slot that comes back full is made so much wider, so often.
WIDER = 2
WIDENINGS = 2
# Without blanks a gap cannot end early, so several widths are drafted and the likeliest is kept.
WIDTH_FACTORS = (1.0, 0.4, 0.7, 1.5)


@dataclass(frozen=True, slots=True)
class SlotPolicy:
    """How wide slots are tried, and whether a text may end before its slot does.

    `factors`: the widths that are drafted side by side, as shares of the first; the likeliest is kept. `ends_early`:
    blanks may follow a slot's text. `widenings`: how often at most a slot that comes back full is made wider.
    """

    factors: tuple[float, ...] = (1.0,)
    ends_early: bool = True
    widenings: int = WIDENINGS


def suited_policy(drafting_model: DraftingModel, widenings: int = WIDENINGS) -> SlotPolicy:
    """The policy for a checkpoint that knows blanks, or for one that knows none."""
    if drafting_model.blank_id is None:
        return SlotPolicy(WIDTH_FACTORS, ends_early=False, widenings=0)
    return SlotPolicy(widenings=widenings)


@dataclass(frozen=True, slots=True)
class _Window:
    """Spans that are denoised together, at the widths that each lane gives them; `stream` names its random numbers."""

    spans: tuple[str, ...]
    widths: tuple[Mapping[str, int], ...]
    stream: int


@dataclass(frozen=True, slots=True)
class _Progress:
    """A draft between two windows.

    `context`: what each open span is to the other windows, as tokens: its draft, or the text it held. `widened`: how
    often a span's slot was made wider; `full`: the spans whose slot was full and is made no wider. `total` and
    `positions`: the summed log-probability (nats) of the drafted positions, and how many they are.
    """

    pending: tuple[_Window, ...]
    context: Mapping[str, tuple[int, ...]]
    pieces: Mapping[str, tuple[Piece, ...]]
    widened: Mapping[str, int]
    windows: int
    steps: int
    total: float
    positions: int
    full: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Resumption:
    """How to go on from a frame: the draft before the frame's window, and how far each run of the window had come.

    The states themselves are computed again: a run is the same each time. Kept, they would be some hundred kilobytes a
    frame, or megabytes of a GPU's memory, for frames that nearly nobody goes back to.
    """

    report: Report
    progress: _Progress
    canvases: tuple[Canvas, ...]
    courses: tuple[Course, ...]
    steps: tuple[int, ...]


def drafts_that_fit(runs: int, drafting_model: DraftingModel) -> int:
    """How many drafts of one gap make at most so many runs, at least one: without blanks each is one for each width."""
    return runs if drafting_model.blank_id is not None else max(runs // len(WIDTH_FACTORS), 1)


class Drafter:
    """Drafts reports whose prefix is encoded. Safe to use from many threads."""

    def __init__(self, bench: Bench, batcher: Batcher, doubts: Callable[[DecoderSlot], Tensor]) -> None:
        """`doubts`: how far each free token of a decoder slot is behind the one that the network prefers, (free,)."""
        self._bench = bench
        self._batcher = batcher
        self._doubts = doubts

    def draft(
        self,
        prefix: Prefix,
        report: Report,
        settings: DraftSettings,
        sampler: SamplerSettings,
        width: Width,
        policy: SlotPolicy,
        started: float,
        start: Frame | None = None,
    ) -> Generator[Frame, None, Draft]:
        """Denoise the open spans of a report: yields a frame a step and returns the draft.

        `sampler`: how to denoise where `settings` say nothing else. `width`: the first width of every slot. `started`:
        when the draft began, by `time.perf_counter`. `start`: a frame of an earlier draft to go on from. Raises
        EngineError where the report has changed since, and what `model.engine.batching.Place.follow` raises.
        """
        sampler = replace(sampler, steps=settings.steps) if settings.steps else sampler
        line_end = "\r\n" if "\r\n" in report.text else "\n"
        vocabulary = self._bench.model.vocabulary_size
        # The report is laid out again for every window, and its texts are the same each time.
        encode = cache(self._bench.encode)
        resumed = _resumption(start, report)
        progress = resumed.progress if resumed else self._begin(report, settings.strength, width, policy, encode)

        size = sampler.steps * max((sum(window.widths[0].values()) for window in progress.pending), default=0)
        # One place for the whole draft: a further window or a widening needs no other.
        with self._batcher.place(len(policy.factors), size) as place:
            for number in place.wait():
                limit = progress.steps + sampler.steps * len(progress.pending)
                yield Frame(0, limit, time.perf_counter() - started, {}, place=number)
            while progress.pending:
                window = progress.pending[0]
                if resumed:
                    drawn = resumed.canvases
                else:
                    drawn = tuple(self._canvas(report, window, widths, progress, encode) for widths in window.widths)
                    drawn = tuple(self._revised(canvas, prefix, settings.strength, policy) for canvas in drawn)
                if not any(canvas.free for canvas in drawn):
                    progress = replace(progress, pending=progress.pending[1:])
                    continue
                courses = [
                    Course(Run(len(canvas.free), vocabulary, sampler, settings.seed, _stream(window, lane)))
                    for lane, canvas in enumerate(drawn)
                ]
                shown_already = 0
                if resumed:
                    courses = [
                        earlier.continued(steps, course.run)
                        for earlier, steps, course in zip(resumed.courses, resumed.steps, courses, strict=True)
                    ]
                    shown_already = max(resumed.steps)
                    resumed = None
                limit = progress.steps + sampler.steps * len(progress.pending)
                slots = [self._decoder_slot(prefix, canvas, policy) for canvas in drawn]
                before = progress
                for states in place.follow([Lane(*one) for one in zip(courses, slots, strict=True)]):
                    if max(state.number for state in states) <= shown_already:
                        continue
                    over = all(is_over(course, state) for course, state in zip(courses, states, strict=True))
                    shown = _likeliest(states) if over else 0
                    yield Frame(
                        before.steps + max(state.number for state in states),
                        limit,
                        time.perf_counter() - started,
                        {**before.pieces, **self._shown(drawn[shown], states[shown], line_end)},
                        resumption=_Resumption(
                            report, before, drawn, tuple(courses), tuple(state.number for state in states)
                        ),
                    )
                progress = self._after(report, before, drawn, states, policy, line_end, encode)
        return Draft(
            texts={id: "".join(piece.text for piece in shown) for id, shown in progress.pieces.items()},
            steps=progress.steps,
            seconds=time.perf_counter() - started,
            seed=settings.seed,
            model=self._bench.model.name,
            mean_log_probability=progress.total / max(progress.positions, 1),
            widenings=sum(progress.widened.values()),
            full=progress.full,
        )

    def _begin(self, report: Report, strength: float, width: Width, policy: SlotPolicy, encode: Encode) -> _Progress:
        """The draft before its first window: which spans are denoised together, and how wide."""
        if policy.ends_early:
            layout = lay_out_within(report, encode, self._bench.filler, self._bench.room, width)
        else:
            layout = self._bench.lay_out(report, width, encode)
        held = {slot.span_id: self._bench.without_filler(layout.ids[slot.start : slot.stop]) for slot in layout.slots}
        revised = {id for id, text in held.items() if text} if strength < 1 else set()
        groups = windows(layout.slots, self._bench.room)
        return _Progress(
            pending=tuple(self._window(group, stream, policy, revised) for stream, group in enumerate(groups)),
            context=held,
            pieces={},
            widened={},
            windows=len(groups),
            steps=0,
            total=0.0,
            positions=0,
            full=frozenset(),
        )

    def _window(self, slots: Sequence[Slot], stream: int, policy: SlotPolicy, revised: Collection[str] = ()) -> _Window:
        """A window of `slots`. What is `revised` keeps its width, because some of its text stays."""
        widths = {slot.span_id: slot.stop - slot.start for slot in slots}
        between = slots[-1].stop - slots[0].start - sum(widths.values())
        tried: list[Mapping[str, int]] = []
        for factor in policy.factors:
            scaled = {
                id: width if id in revised else max(min(round(width * factor), self._bench.room), 1)
                for id, width in widths.items()
            }
            fits = between + sum(scaled.values()) <= self._bench.room
            if fits and scaled not in tried:
                tried.append(scaled)
        return _Window(tuple(widths), tuple(tried), stream)

    def _canvas(
        self, report: Report, window: _Window, widths: Mapping[str, int], progress: _Progress, encode: Encode
    ) -> Canvas:
        layout = self._bench.lay_out(report, chosen_width(widths), encode)
        group = [slot for slot in layout.slots if slot.span_id in window.spans]
        return self._bench.canvas(layout, group, progress.context)

    def _decoder_slot(self, prefix: Prefix, canvas: Canvas, policy: SlotPolicy) -> DecoderSlot:
        return self._bench.decoder_slot(prefix, canvas, filled=not policy.ends_early)

    def _revised(self, canvas: Canvas, prefix: Prefix, strength: float, policy: SlotPolicy) -> Canvas:
        """The canvas with all that its open spans hold pinned, but for the most doubtful tokens; gaps stay open."""
        if strength == 1 or all(canvas.ids[at] == self._bench.filler for at in canvas.free):
            return canvas
        decoder_slot = self._decoder_slot(prefix, canvas, policy)
        scores = dict(zip(canvas.free, self._doubts(decoder_slot).tolist(), strict=True))
        kept: set[int] = set()
        for slot in canvas.slots:
            positions = range(slot.start, slot.stop)
            text = [at for at in positions if canvas.ids[at] != self._bench.filler]
            if text:
                # The blanks behind the text stay: they are no part of it, and many words would do in their place.
                opened = sorted(text, key=scores.__getitem__)[: math.ceil(strength * len(text))]
                kept.update(set(positions).difference(opened))
        return canvas.keeping(kept)

    def _after(
        self,
        report: Report,
        before: _Progress,
        drawn: Sequence[Canvas],
        states: Sequence[State],
        policy: SlotPolicy,
        line_end: str,
        encode: Encode,
    ) -> _Progress:
        """The draft after its first pending window: the likeliest lane's text, and slots that came back full again."""
        best = _likeliest(states)
        canvas, reading = drawn[best], states[best].reading
        ids = _tokens(canvas, states[best])
        drafted = {slot.span_id: ids[slot.start : slot.stop] for slot in canvas.slots}
        full = [
            slot
            for slot in canvas.slots
            if policy.ends_early
            and self._bench.blank_id not in drafted[slot.span_id]
            and not any(canvas.pinned[slot.start : slot.stop])
        ]
        widened = {
            slot.span_id: min((slot.stop - slot.start) * WIDER, self._bench.room)
            for slot in full
            if before.widened.get(slot.span_id, 0) < policy.widenings and slot.stop - slot.start < self._bench.room
        }
        context = {**before.context, **{id: self._bench.without_filler(own) for id, own in drafted.items()}}
        again: tuple[_Window, ...] = ()
        if widened:
            # What else the spans hold counts: it stands between the slots that are widened.
            held = {id: max(len(own), 1) for id, own in context.items()}
            layout = self._bench.lay_out(report, chosen_width(held | widened), encode)
            groups = windows([slot for slot in layout.slots if slot.span_id in widened], self._bench.room)
            again = tuple(self._window(group, before.windows + number, policy) for number, group in enumerate(groups))
        settled = [slot for slot in canvas.slots if slot.span_id not in widened]
        counted = [at for at, position in enumerate(canvas.free) if any(s.start <= position < s.stop for s in settled)]
        return _Progress(
            pending=(*again, *before.pending[1:]),
            context=context,
            pieces={**before.pieces, **self._shown(canvas, states[best], line_end)},
            widened={**before.widened, **{id: before.widened.get(id, 0) + 1 for id in widened}},
            windows=before.windows + len(again),
            steps=before.steps + max(state.number for state in states),
            total=before.total + (reading.log_probability[counted].sum().item() if reading else 0.0),
            positions=before.positions + len(counted),
            full=before.full | {slot.span_id for slot in full if slot.span_id not in widened},
        )

    def _shown(self, canvas: Canvas, state: State, line_end: str) -> dict[str, tuple[Piece, ...]]:
        """The text of a canvas's slots in pieces, by span id."""
        ids = _tokens(canvas, state)
        entropy, accepted = [0.0] * len(ids), [True] * len(ids)
        if state.reading:
            for at, nats, is_accepted in zip(
                canvas.free, state.reading.entropy.tolist(), state.accepted.tolist(), strict=True
            ):
                entropy[at], accepted[at] = nats, is_accepted
        return {
            slot.span_id: self._pieces(ids, entropy, accepted, slot, line_end)
            for slot in canvas.slots
            if not all(canvas.pinned[slot.start : slot.stop])
        }

    def _pieces(
        self, ids: Sequence[int], entropy: Sequence[float], accepted: Sequence[bool], slot: Slot, line_end: str
    ) -> tuple[Piece, ...]:
        own = ids[slot.start : slot.stop]
        decoded = decode_pieces(own, self._bench.model.tokenizer, self._bench.blank_id)
        texts = fitted([text for text, _ in decoded], slot, line_end)
        return tuple(
            Piece(
                text,
                max(entropy[slot.start + index] for index in indices),
                all(accepted[slot.start + index] for index in indices),
            )
            for text, (_, indices) in zip(texts, decoded, strict=True)
            if text
        )


def _tokens(canvas: Canvas, state: State) -> list[int]:
    """The canvas's tokens, the likeliest at its free positions."""
    ids = list(canvas.ids)
    if state.reading:
        for at, token in zip(canvas.free, state.reading.best.tolist(), strict=True):
            ids[at] = token
    return ids


def _likeliest(states: Sequence[State]) -> int:
    """The lane whose free positions have the best mean log-probability."""
    means = [state.reading.log_probability.mean().item() if state.reading else 0.0 for state in states]
    return max(range(len(states)), key=lambda lane: means[lane])


def _stream(window: _Window, lane: int) -> int:
    return window.stream * len(WIDTH_FACTORS) + lane


def _resumption(start: Frame | None, report: Report) -> _Resumption | None:
    if start is None:
        return None
    resumption = start.resumption
    if not isinstance(resumption, _Resumption) or resumption.report.spans != report.spans:
        raise EngineError("Drafting cannot continue from this frame: the report has changed.")
    return resumption
