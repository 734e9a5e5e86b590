"""The engine on this process's device: lays a report out, denoises it and turns token ids back into text.

It joins the rooms of `model`; it knows nothing of browsers and files.
"""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import torch

from drafting.engine import Draft, DraftSettings, EngineError, Frame, Looked, Piece, WordChoice
from drafting.report import Report, Span, hints_of
from drafting.study import Study
from model.engine import layout as canvases
from model.engine.batching import Batcher, Lane
from model.engine.layout import Canvas, Encode, Layout, Slot, Width
from model.engine.looking import BlindError, particular_map
from model.engine.sampler import Run, SamplerSettings, State, draws, is_over
from model.engine.words import Tokens, likeliest_words
from model.network.decoder import Decoder, PackedDecoder, Seat
from model.network.experts import can_be_captured
from model.network.graphs import GraphDecoder
from model.network.loading import DraftingModel, in_a_thread_that_ends, load
from model.network.prefix import Prefix, Seen, encode_prefix, see

Result = TypeVar("Result")

KEPT_PREFIXES = 16
# Of a text that is revised every so many-th token is hidden at a time, to see whether the rest calls for it.
DOUBTED_APART = 4
MOST_OPEN_SPANS = 1000
# A slot that comes back full is made so much wider, so often.
WIDER = 2
WIDENINGS = 2
# Without blanks a gap cannot end early, so several widths are drafted and the likeliest is kept.
WIDTH_FACTORS = (1.0, 0.4, 0.7, 1.5)
# Of several alternatives so many are drafted at a time.
DRAFTED_TOGETHER = 8
# Tokens of a prefix beside its image: what the header tells, and an indication of a sentence or two.
WORDS_BESIDE_IMAGE = 64
# Tokens of an answer's slot at first, and how many draws of noise its likelihood is averaged over.
ANSWER_WIDTH = 24
NOISES = 2
# Positions of a word's slot beyond the tokens that stand there: one, for the blank that ends it. In wider ones the
# network is less sure of a single word: of 60 words cut out of written reports 65 % were the likeliest in their place
# (mean share 56 %) with one position more, 62 % (51 %) with two.
WORD_END = 1
# What ends a word; and the share from which a word is listed: less is shown as nothing.
NOT_IN_A_WORD = re.compile(r"[^\w'\u2019/.-]|\w[.](?!\w)")
LEAST_SHARE = 5e-4
# In so many parts a text is read when it is set against others, a token or some at a time.
PARTS = 12
# A CPU is bound by arithmetic, and pinned positions are most of it. See SamplerSettings.refresh for what it costs.
REFRESH_ON_CPU = 8


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
    """How to go on from a frame: the draft before the frame's window, and the window's canvases and states."""

    report: Report
    progress: _Progress
    canvases: tuple[Canvas, ...]
    states: tuple[State, ...]


def drafts_that_fit(runs: int, drafting_model: DraftingModel) -> int:
    """How many drafts of one gap make at most so many runs, at least one: without blanks each is one for each width."""
    return runs if drafting_model.blank_id is not None else max(runs // len(WIDTH_FACTORS), 1)


def suited_settings(drafting_model: DraftingModel) -> SamplerSettings:
    """How a model is denoised where nothing else is asked for: the checkpoint's own settings, suited to its device."""
    own = SamplerSettings.of_checkpoint(drafting_model.network.generation_config)
    return replace(own, refresh=REFRESH_ON_CPU if drafting_model.device.type == "cpu" else 1)


class LocalEngine:
    """Drafts on this process's device. Safe to call from several threads: their drafts take each step together."""

    def __init__(
        self, drafting_model: DraftingModel, settings: SamplerSettings | None = None, widenings: int = WIDENINGS
    ) -> None:
        """`settings`: how to denoise; None takes the checkpoint's own, with what suits the device.

        `widenings`: how often at most a slot that comes back full is made wider.
        """
        self._model = drafting_model
        self._widenings = widenings
        # Whether slots are taken as they are given: filled to the end, without blanks, and no other width is tried.
        self._exact = False
        self._settings = settings or suited_settings(drafting_model)
        captured = can_be_captured(drafting_model.network)
        self.decoder: Decoder = in_a_thread_that_ends(
            lambda: GraphDecoder(drafting_model) if captured else PackedDecoder(drafting_model)
        )
        # Of its own: to spell typed text as text, special tokens and all, flips a switch on the tokenizer, and drafts
        # begin in their callers' threads while the engine's thread encodes prompts.
        self._speller = deepcopy(drafting_model.tokenizer)
        self._batcher = Batcher(self.decoder)
        self._prefixes: OrderedDict[tuple[str, str, str, tuple[str, ...]], Prefix] = OrderedDict()
        # Every question, hint and new indication is a prefix of its own; the picture in it is looked at once.
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    @classmethod
    def load(cls, model: str | Path | None = None, adapter: str | Path | None = None, bits: int = 16) -> LocalEngine:
        """An engine for a checkpoint and an adapter, as `model.network.loading.load` takes them. Raises ModelError."""
        return cls(load(model, adapter, bits=bits))

    @property
    def model(self) -> str:
        return self._model.name

    @property
    def heeds_hints(self) -> bool:
        return self._model.traits.heeds_hints

    @property
    def settings(self) -> SamplerSettings:
        """How it denoises where a draft asks for nothing else."""
        return self._settings

    def with_settings(self, settings: SamplerSettings) -> LocalEngine:
        """The same engine, thread, prefixes and all, that denoises otherwise where a draft asks for nothing else."""
        other = copy(self)
        other._settings = settings
        return other

    def compute(self, work: Callable[[], Result]) -> Result:
        """Do `work` in the engine's thread, between two steps; returns or raises what it does."""
        return self._batcher.call(work)

    def warm_up(self) -> None:
        """Do what the first drafts on a GPU would wait for: compile and capture their sizes. Blocks until done."""
        if isinstance(self.decoder, GraphDecoder):
            decoder, prefix = self.decoder, self._prefix(None, "")
            room_for_image = self._model.image_processor.max_soft_tokens + WORDS_BESIDE_IMAGE
            self._batcher.call(lambda: decoder.warm_up(prefix.length + room_for_image))

    def prepare(self, study: Study | None, indication: str = "") -> None:
        self._prefix(study, indication)

    def release(self, study: Study | None) -> None:
        id = study.id if study else ""

        def forget() -> None:
            for key in [key for key in self._prefixes if key[0] == id]:
                del self._prefixes[key]
            self._seen.pop(id, None)

        self._batcher.call(forget)

    def draft(
        self,
        study: Study | None,
        report: Report,
        settings: DraftSettings,
        indication: str = "",
        start: Frame | None = None,
    ) -> Generator[Frame, None, Draft]:
        started = time.perf_counter()
        if len(report.open_spans) > MOST_OPEN_SPANS:
            raise EngineError(f"The report has {len(report.open_spans)} open spans; {MOST_OPEN_SPANS} is the most.")
        prefix = self._prefix(study, indication, hints=self._hints(report))
        width = canvases.fixed_width if self._model.blank_id is None else canvases.elastic_width
        return (yield from self._draft(prefix, report, settings, start, started, width))

    def words(self, study: Study | None, report: Report, count: int, indication: str = "") -> tuple[WordChoice, ...]:
        if len(report.open_spans) != 1 or not report.open_spans[0].text:
            raise EngineError("Alternatives of a word are those of one open word.")
        prefix = self._prefix(study, indication)
        blank = self._model.blank_id
        narrow = self._lay_out(report, canvases.fixed_width).slots[0]
        length = narrow.stop - narrow.start
        width = length if blank is None else min(length + WORD_END, self._room)
        canvas = self._one_slot(report, width)
        slot = canvas.slots[0]
        present = self._without_filler(canvas.ids[slot.start : slot.stop])
        # The same noise before every text, and of every draw a seat of its own, whose pinned positions have seen it.
        noises = self._noises(width)
        seats = [self._seat(prefix, canvas) for _ in noises]

        def believe(beginnings: Sequence[Tokens]) -> torch.Tensor:
            filled = [
                torch.cat([torch.tensor(beginning, dtype=noise.dtype), noise[len(beginning) :]])
                for noise in noises
                for beginning in beginnings
            ]
            places = [seat for seat in seats for _ in beginnings]
            # A call of its own each time, so that the drafts of others take their steps in between.
            read = self._batcher.call(lambda: self.decoder.beliefs(places, filled))
            own = [belief[len(beginnings[at % len(beginnings)])] for at, belief in enumerate(read)]
            return torch.stack(own).unflatten(0, (len(noises), -1)).logsumexp(dim=0) - math.log(len(noises))

        def keep(texts: Sequence[Tokens]) -> list[float]:
            ends = [self._filler] * (blank is not None)
            whole = [torch.tensor([*text, *ends * (width - len(text))]) for text in texts]
            read = self._batcher.call(lambda: self.decoder.beliefs([seats[0]] * len(whole), whole))
            return [own.gather(-1, text[:, None]).sum().item() for own, text in zip(read, whole, strict=True)]

        self._batcher.call(lambda: self.decoder.beliefs(seats, noises))
        line_end = "\r\n" if "\r\n" in report.text else "\n"

        def spaced(tokens: Tokens) -> bool:
            pieces = canvases.decode_pieces(tokens, self._model.tokenizer, blank)
            return bool(pieces) and pieces[0][0][:1].isspace()

        def is_word(tokens: Tokens) -> bool:
            # A token that would run into the word before is no word, whatever `fitted` makes of it.
            text = self._text(tokens, slot, line_end).strip()
            return spaced(tokens) == spaced(present) and not NOT_IN_A_WORD.search(text)

        stands = report.open_spans[0].text
        shares: dict[str, float] = {}
        for tokens, share in likeliest_words(believe, keep, width, blank, is_word, present).items():
            text = stands if tokens == present else self._text(tokens, slot, line_end).strip()
            if text == stands or any(map(str.isalnum, text)):
                shares[text] = shares.get(text, 0.0) + share
        likeliest = sorted(shares.items(), key=lambda one: (-one[1], one[0]))
        listed = [(text, share) for text, share in likeliest if share >= LEAST_SHARE][:count]
        return tuple(WordChoice(text, share) for text, share in likeliest if (text, share) in listed or text == stands)

    def widths_of(self, report: Report) -> dict[str, int]:
        """The tokens that the text of each open span has where it stands, at least 1, by span id."""
        layout = self._lay_out(report, lambda place: place.tokens)
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
        exact = copy(self)
        exact._exact, exact._widenings = True, 0
        prefix = self._prefix(study, indication)
        width = canvases.chosen_width(widths)
        return (yield from exact._draft(prefix, report, settings, None, started, width))

    def answer(self, study: Study | None, question: str, settings: DraftSettings) -> Generator[Frame, None, Draft]:
        started = time.perf_counter()
        prefix = self._prefix(study, "", _asked(question))
        gap = Report((Span("answer", "", "open", "model"),))
        width = canvases.chosen_width({"answer": ANSWER_WIDTH})
        return (yield from self._draft(prefix, gap, settings, None, started, width))

    def likelihoods(self, study: Study | None, question: str, answers: Sequence[str]) -> list[float]:
        prefix = self._prefix(study, "", _asked(question))
        if not answers:
            return []
        encoded = [self._encode(answer) for answer in answers]
        if not all(encoded):
            raise EngineError("An answer that is to be compared has no text.")
        # In wider slots than any needs, each is ended by a blank, which counts: 'left' is not 'left lower lobe'.
        ends = int(self._model.blank_id is not None)
        width = max([ANSWER_WIDTH * ends, *(len(own) + ends for own in encoded)])
        seats = [self._answer_seat(prefix, own, width) for own in encoded]
        # The same noise before every answer: what stands there must not decide between them.
        noises = self._noises(width)

        def score() -> list[float]:
            means = []
            for seat, own in zip(seats, encoded, strict=True):
                read = slice(0, len(own) + ends)
                scored = torch.stack([self.decoder.score(seat, noise)[read].mean() for noise in noises])
                means.append(scored.mean().item())
            return means

        return self._batcher.call(score)

    def shares(self, study: Study | None, report: Report, texts: Sequence[str], indication: str = "") -> list[float]:
        if len(report.open_spans) != 1:
            raise EngineError("Only texts of one open span can be set against each other.")
        prefix = self._prefix(study, indication, hints=self._hints(report))
        (span,), blank = report.open_spans, self._model.blank_id
        holding = [
            replace(report, spans=tuple(replace(one, text=text) if one is span else one for one in report.spans))
            for text in texts
        ]
        slots = [self._lay_out(one, canvases.fixed_width).slots[0] for one in holding]
        lengths = [slot.stop - slot.start if text else 0 for slot, text in zip(slots, texts, strict=True)]
        ends = int(blank is not None)
        # In slots of one width, each text ended by a blank; without blanks in one of its own length.
        widths = [min((max(lengths) if ends else length) + ends, self._room) for length in lengths]
        written = [own for own in range(len(texts)) if lengths[own]]
        scored = {own: self._chained(prefix, holding[own], widths[own], lengths[own] + ends) for own in written}
        most = max(scored.values(), default=0.0)
        parts = [math.exp(scored[own] - most) if own in scored else 0.0 for own in range(len(texts))]
        return [part / sum(parts) if any(parts) else 0.0 for part in parts]

    def _chained(self, prefix: Prefix, report: Report, width: int, counted: int) -> float:
        """How probable the first `counted` tokens of a report's one slot are: nats, taken from left to right.

        In so many parts, each read where all before it stands and the rest is noise; averaged over draws of noise.
        """
        canvas = self._one_slot(report, width)
        slot = canvas.slots[0]
        present = torch.tensor(canvas.ids[slot.start : slot.stop])
        counted = min(counted, width)
        borders = sorted({round(counted * part / PARTS) for part in range(PARTS)})
        noises = self._noises(width)
        seats = [self._seat(prefix, canvas) for _ in noises]
        self._batcher.call(lambda: self.decoder.beliefs(seats, noises))
        places = [seat for seat in seats for _ in borders]
        filled = [torch.cat([present[:at], noise[at:]]) for noise in noises for at in borders]
        read = self._batcher.call(lambda: self.decoder.beliefs(places, filled))
        total = 0.0
        for number, belief in enumerate(read):
            part = number % len(borders)
            rows = slice(borders[part], [*borders, counted][part + 1])
            total += belief[rows].gather(-1, present[rows, None]).sum().item()
        return total / len(noises)

    def _one_slot(self, report: Report, width: int) -> Canvas:
        """The canvas of a report with one open span, in a slot of `width` positions."""
        layout = self._lay_out(report, canvases.chosen_width({report.open_spans[0].id: width}))
        return canvases.canvas_for(
            layout,
            layout.slots,
            {},
            self._room,
            self._model.before,
            self._model.after,
            0 if self._model.traits.fitted_canvas else self._model.canvas_length,
            self._pad_id,
        )

    def _noises(self, width: int) -> list[torch.Tensor]:
        """Draws of noise for a slot, each (width,); the same every time."""
        return [draws(Run(width, self._model.vocabulary_size, self._settings, seed, 0), 0)[1] for seed in range(NOISES)]

    def looked(
        self, study: Study | None, report: Report, id: str, part: tuple[int, int] | None = None, indication: str = ""
    ) -> Looked:
        if study is None:
            raise EngineError("There is no image that the model could have looked at: open a study first.")
        alone = _part_alone(report, id, part)
        (text,) = alone.open_spans
        if len(self._encode(text.text)) > self._room:
            raise EngineError("This text is longer than what the model sees in one go.")
        layout = self._lay_out(alone, canvases.fixed_width)
        canvas = canvases.canvas_for(
            layout, layout.slots, {}, self._room, self._model.before, self._model.after, 0, self._pad_id
        )
        padding = 0 if self._model.traits.fitted_canvas else self._model.canvas_length - len(canvas.ids)
        tokens = torch.tensor((*canvas.ids, *[self._pad_id] * padding))
        (slot,) = canvas.slots
        if len(canvas.ids) == slot.stop - slot.start:
            raise EngineError("There is nothing beside this text to compare it with.")
        prefix = self._prefix(study, indication)
        try:
            weights, share = self._batcher.call(
                lambda: particular_map(self._model, prefix, tokens, slice(slot.start, slot.stop), len(canvas.ids))
            )
        except BlindError:
            raise EngineError("The study's words are too many for the model to see its image beside them.") from None
        return Looked(weights.numpy(), share)

    def _answer_seat(self, prefix: Prefix, tokens: Sequence[int], width: int) -> Seat:
        """A canvas whose one slot holds `tokens` and then blanks."""
        before, after = self._model.before, self._model.after
        padding = 0 if self._model.traits.fitted_canvas else self._model.canvas_length
        body = (*before, *tokens, *[self._filler] * (width - len(tokens)), *after)
        ids = (*body, *[self._pad_id] * (padding - len(body)))
        free = torch.arange(len(before), len(before) + width)
        opening = torch.zeros(width, dtype=torch.bool)
        opening[0] = self._model.blank_id is not None
        return Seat(prefix, torch.tensor(ids), free, opening)

    def _draft(
        self,
        prefix: Prefix,
        report: Report,
        settings: DraftSettings,
        start: Frame | None,
        started: float,
        width: Width,
    ) -> Generator[Frame, None, Draft]:
        """Denoise the open spans of a report whose prefix is encoded; `width` is the first width of every slot."""
        sampler = replace(self._settings, steps=settings.steps) if settings.steps else self._settings
        line_end = "\r\n" if "\r\n" in report.text else "\n"
        # The report is laid out again for every window, and its texts are the same each time.
        encode = cache(self._encode)
        resumed = _resumption(start, report)
        progress = resumed.progress if resumed else self._begin(report, settings.strength, width, encode)

        while progress.pending:
            window = progress.pending[0]
            if resumed:
                drawn, states = resumed.canvases, resumed.states
                resumed = None
            else:
                drawn = tuple(self._canvas(report, window, widths, progress, encode) for widths in window.widths)
                drawn = tuple(self._revised(canvas, prefix, settings.strength) for canvas in drawn)
                states = ()
            if not any(canvas.free for canvas in drawn):
                progress = replace(progress, pending=progress.pending[1:])
                continue
            runs = [
                Run(len(canvas.free), self._model.vocabulary_size, sampler, settings.seed, _stream(window, lane))
                for lane, canvas in enumerate(drawn)
            ]
            limit = progress.steps + sampler.steps * len(progress.pending)
            lanes = [
                Lane(run, self._seat(prefix, canvas), states[number] if states else None)
                for number, (run, canvas) in enumerate(zip(runs, drawn, strict=True))
            ]
            before = progress
            for states in self._batcher.follow(lanes):
                over = all(is_over(run, state) for run, state in zip(runs, states, strict=True))
                shown = _likeliest(states) if over else 0
                pieces = {**before.pieces, **self._shown(drawn[shown], states[shown], line_end)}
                yield Frame(
                    before.steps + max(state.number for state in states),
                    limit,
                    time.perf_counter() - started,
                    pieces,
                    _Resumption(report, before, drawn, states),
                )
            progress = self._after(report, before, drawn, states, line_end, encode)
        return Draft(
            texts={id: "".join(piece.text for piece in shown) for id, shown in progress.pieces.items()},
            steps=progress.steps,
            seconds=time.perf_counter() - started,
            seed=settings.seed,
            model=self.model,
            mean_log_probability=progress.total / max(progress.positions, 1),
            widenings=sum(progress.widened.values()),
            full=progress.full,
        )

    def alternatives(
        self, study: Study | None, report: Report, count: int, settings: DraftSettings, indication: str = ""
    ) -> Generator[tuple[Frame, ...], None, tuple[Draft, ...]]:
        together = drafts_that_fit(DRAFTED_TOGETHER, self._model)
        waiting = deque(range(count))
        drafting: dict[int, Generator[Frame, None, Draft]] = {}
        frames: dict[int, Frame] = {}
        done: list[Draft] = []
        try:
            # Taken in turns, so all that are under way stand at the batcher together and take their steps together.
            while waiting or drafting:
                while waiting and len(drafting) < together:
                    number = waiting.popleft()
                    seeded = replace(settings, seed=settings.seed + number)
                    drafting[number] = self.draft(study, report, seeded, indication)
                for number, frame_by_frame in list(drafting.items()):
                    try:
                        frames[number] = next(frame_by_frame)
                    except StopIteration as end:
                        done.append(end.value)
                        del drafting[number]
                if frames and drafting:
                    yield tuple(frames[number] for number in sorted(frames))
        finally:
            for frame_by_frame in drafting.values():
                frame_by_frame.close()
        done.sort(key=lambda draft: (-draft.mean_log_probability, draft.seed))
        different = {tuple(sorted(draft.texts.items())): draft for draft in reversed(done)}
        return tuple(draft for draft in done if different[tuple(sorted(draft.texts.items()))] is draft)

    def _text(self, tokens: Sequence[int], slot: Slot, line_end: str) -> str:
        """The text of tokens that stand in a slot."""
        decoded = canvases.decode_pieces(tokens, self._model.tokenizer, self._model.blank_id)
        return "".join(canvases.fitted([text for text, _ in decoded], slot, line_end))

    # What is to be denoised

    @property
    def _room(self) -> int:
        return self._model.canvas_length - len(self._model.before) - len(self._model.after)

    @property
    def _filler(self) -> int:
        return self._pad_id if self._model.blank_id is None else self._model.blank_id

    @property
    def _pad_id(self) -> int:
        return self._model.tokenizer.pad_token_id or 0

    def _lay_out(self, report: Report, width: Width, encode: Encode | None = None) -> Layout:
        return canvases.lay_out(report, encode or self._encode, self._filler, self._room, width)

    def _begin(self, report: Report, strength: float, width: Width, encode: Encode) -> _Progress:
        """The draft before its first window: which spans are denoised together, and how wide."""
        if self._model.blank_id is None or self._exact:
            layout = self._lay_out(report, width, encode)
        else:
            layout = canvases.lay_out_within(report, encode, self._filler, self._room, width)
        held = {slot.span_id: self._without_filler(layout.ids[slot.start : slot.stop]) for slot in layout.slots}
        revised = {id for id, text in held.items() if text} if strength < 1 else set()
        groups = canvases.windows(layout.slots, self._room)
        return _Progress(
            pending=tuple(self._window(group, stream, revised) for stream, group in enumerate(groups)),
            context=held,
            pieces={},
            widened={},
            windows=len(groups),
            steps=0,
            total=0.0,
            positions=0,
            full=frozenset(),
        )

    def _window(self, slots: Iterable[Slot], stream: int, revised: Collection[str] = ()) -> _Window:
        """A window of `slots`. What is `revised` keeps its width, because some of its text stays."""
        widths = {slot.span_id: slot.stop - slot.start for slot in slots}
        if self._model.blank_id is not None or self._exact:
            return _Window(tuple(widths), (widths,), stream)
        tried: list[Mapping[str, int]] = []
        for factor in WIDTH_FACTORS:
            scaled = {
                id: width if id in revised else max(min(round(width * factor), self._room), 1)
                for id, width in widths.items()
            }
            if scaled not in tried:
                tried.append(scaled)
        return _Window(tuple(widths), tuple(tried), stream)

    def _canvas(
        self, report: Report, window: _Window, widths: Mapping[str, int], progress: _Progress, encode: Encode
    ) -> Canvas:
        layout = self._lay_out(report, canvases.chosen_width(widths), encode)
        return canvases.canvas_for(
            layout,
            [slot for slot in layout.slots if slot.span_id in window.spans],
            progress.context,
            self._room,
            self._model.before,
            self._model.after,
            0 if self._model.traits.fitted_canvas else self._model.canvas_length,
            self._pad_id,
        )

    def _revised(self, canvas: Canvas, prefix: Prefix, strength: float) -> Canvas:
        """The canvas with all that its open spans hold pinned, but for the most doubtful tokens; gaps stay open."""
        if strength == 1 or all(canvas.ids[at] == self._filler for at in canvas.free):
            return canvas
        seat = self._seat(prefix, canvas)
        scores = dict(zip(canvas.free, self._doubts(seat).tolist(), strict=True))
        kept: set[int] = set()
        for slot in canvas.slots:
            positions = range(slot.start, slot.stop)
            text = [at for at in positions if canvas.ids[at] != self._filler]
            if text:
                # The blanks behind the text stay: they are no part of it, and many words would do in their place.
                opened = sorted(text, key=scores.__getitem__)[: math.ceil(strength * len(text))]
                kept.update(set(positions).difference(opened))
        return canvas.keeping(kept)

    def _doubts(self, seat: Seat) -> torch.Tensor:
        """How far each free token is behind the one that the network would rather have there: (free,), nats, at most 0.

        Each while it is hidden and most others are seen: a token that is seen speaks for itself, however wrong it is.
        Held against the likeliest and not by itself, because where many words would do, as with sizes, each is
        unlikely and none is wrong.
        """
        present = seat.tokens[seat.free]
        doubts = torch.zeros(len(present))
        noises = self._noises(len(present))
        for noise in noises:
            for first in range(DOUBTED_APART):
                hidden = torch.zeros(len(present), dtype=torch.bool)
                hidden[first::DOUBTED_APART] = True
                shown = torch.where(hidden, noise, present)
                # A call of its own each time, so that others' steps come between.
                (belief,) = self._batcher.call(partial(self.decoder.beliefs, [seat], [shown]))
                own = belief.gather(-1, present[:, None]).squeeze(-1)
                doubts[hidden] += (own - belief.amax(dim=-1))[hidden]
        return doubts / len(noises)

    def _seat(self, prefix: Prefix, canvas: Canvas) -> Seat:
        # A slot never begins with a blank: who leaves a gap wants text.
        starts = {slot.start for slot in canvas.slots} if self._model.blank_id is not None else set()
        if self._exact and self._model.blank_id is not None:
            starts = set(canvas.free)
        return Seat(
            prefix,
            torch.tensor(canvas.ids),
            torch.tensor(canvas.free, dtype=torch.long),
            torch.tensor([at in starts for at in canvas.free], dtype=torch.bool),
        )

    def _prefix(self, study: Study | None, indication: str, question: str = "", hints: tuple[str, ...] = ()) -> Prefix:
        key = (study.id if study else "", indication, question, hints)

        def find() -> Prefix:
            if key not in self._prefixes:
                seen = self._look(study) if study else None
                self._prefixes[key] = encode_prefix(self._model, study, indication, question, hints=hints, seen=seen)
                while len(self._prefixes) > KEPT_PREFIXES:
                    self._prefixes.popitem(last=False)
            self._prefixes.move_to_end(key)
            return self._prefixes[key]

        return self._batcher.call(find)

    def _look(self, study: Study) -> Seen:
        """What the vision tower makes of a study, looked at once; called in the engine's thread."""
        if study.id not in self._seen:
            self._seen[study.id] = see(self._model, study.model_picture)
            while len(self._seen) > KEPT_PREFIXES:
                self._seen.popitem(last=False)
        self._seen.move_to_end(study.id)
        return self._seen[study.id]

    def _hints(self, report: Report) -> tuple[str, ...]:
        return hints_of(report) if self.heeds_hints else ()

    def _without_filler(self, ids: Sequence[int]) -> tuple[int, ...]:
        return tuple(id for id in ids if id != self._filler)

    def _encode(self, text: str) -> list[int]:
        return self._speller(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    # What came of it

    def _after(
        self,
        report: Report,
        before: _Progress,
        drawn: Sequence[Canvas],
        states: Sequence[State],
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
            if self._model.blank_id is not None
            and not self._exact
            and self._model.blank_id not in drafted[slot.span_id]
            and not any(canvas.pinned[slot.start : slot.stop])
        ]
        widened = {
            slot.span_id: min((slot.stop - slot.start) * WIDER, self._room)
            for slot in full
            if before.widened.get(slot.span_id, 0) < self._widenings and slot.stop - slot.start < self._room
        }
        again: tuple[_Window, ...] = ()
        if widened:
            layout = self._lay_out(report, canvases.chosen_width(widened), encode)
            groups = canvases.windows([slot for slot in layout.slots if slot.span_id in widened], self._room)
            again = tuple(self._window(group, before.windows + number) for number, group in enumerate(groups))
        settled = [slot for slot in canvas.slots if slot.span_id not in widened]
        counted = [at for at, position in enumerate(canvas.free) if any(s.start <= position < s.stop for s in settled)]
        return _Progress(
            pending=(*again, *before.pending[1:]),
            context={**before.context, **{id: self._without_filler(own) for id, own in drafted.items()}},
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
        decoded = canvases.decode_pieces(own, self._model.tokenizer, self._model.blank_id)
        texts = canvases.fitted([text for text, _ in decoded], slot, line_end)
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


def _part_alone(report: Report, id: str, part: tuple[int, int] | None) -> Report:
    """The report with nothing open but the part of the open span `id`; white space before the part goes with it."""
    text = next((span.text for span in report.open_spans if span.id == id), "")
    start, stop = part or (0, len(text))
    # A word's token begins with its space.
    start = len(text[:start].rstrip(" "))
    if not text[start:stop].strip():
        raise EngineError("There is no text of the model here.")
    spans: list[Span] = []
    for span in report.spans:
        if span.id == id:
            spans.append(Span("before", text[:start], "locked", "model"))
            spans.append(Span("looked", text[start:stop], "open", "model"))
            spans.append(Span("after", text[stop:], "locked", "model"))
        else:
            spans.append(replace(span, id=f"of {span.id}", state="locked", hint=""))
    return Report(tuple(spans))


def _asked(question: str) -> str:
    asked = " ".join(question.split())
    if not asked:
        raise EngineError("There is no question to answer.")
    return asked


def _stream(window: _Window, lane: int) -> int:
    return window.stream * len(WIDTH_FACTORS) + lane


def _resumption(start: Frame | None, report: Report) -> _Resumption | None:
    if start is None:
        return None
    resumption = start.resumption
    if not isinstance(resumption, _Resumption) or resumption.report.spans != report.spans:
        raise EngineError("The draft cannot go on from there: the report has changed since.")
    return resumption
