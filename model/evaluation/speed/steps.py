"""How fast drafts are, beside transformers' own `generate()` in the same process.

`generate()` gets the same weights, the canvas with its locked text and noise in the gap, the same step limit and the
same encoded prefix. It knows no locks: every position is drawn anew, and what it makes of the gap is judged within the
locked text all the same. This module knows nothing of what the text says.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, cast

import numpy as np
import torch
from transformers import DynamicCache
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    DiffusionGemmaGenerationConfig,
    EntropyBoundSamplerConfig,
)

from drafting.engine import Draft, DraftSettings, Frame
from drafting.report import Report, Span, merge_draft, parse_markup
from drafting.study import Study, StudyFacts
from model.commands import argument
from model.engine import layout as canvases
from model.engine.layout import Canvas
from model.engine.pieces import decode_pieces, fitted
from model.engine.sampler import Run, SamplerSettings, advance, begin, draws, temperature
from model.engine.windows import WIDENINGS
from model.evaluation.engine import EvaluationEngine
from model.evaluation.record import EvaluationError, Row, with_progress
from model.evaluation.sibling import Sibling
from model.evaluation.speed.compare import compare_rows
from model.evaluation.statistics import Estimate, mean, median, share
from model.evaluation.task import SeededSettings
from model.network.decoder import Decoder, DecoderInput, DecoderSlot, PackedDecoder
from model.network.loading import DraftingModel
from model.network.prefix import Prefix, encode_prefix
from model.synthetic.cases import sample_case
from model.synthetic.grammar import write_report

ENGINE, GENERATE, COMPILED = "engine", "transformers' generate()", "transformers' generate(), compiled"
# Tokens of the reports that a sentence is drafted again in: about 120.
SHORTEST, LONGEST = 110, 130
TRIES_A_REPORT = 200
# Fills are judged by how well the network predicts them when so much of them is noise.
NOISE_LEVELS = (0.25, 0.5, 0.75, 1.0)
NOISE_DRAWS = 2
WHOLE_DRAFTS = 12
REPEATS = 12
STEPS_A_REPEAT = 8
REDRAFT_STEPS = 12
SESSIONS = (1, 2, 4, 8)
# Never met, so that every step of a measurement is made.
NEVER = 1e-12
PARTS = ("warm-up", "steps", "sessions", "generate", "sentences", "whole", "curves", "compiled")
# Only with the sibling's folder.
COMPARE = "compare"


@dataclass(frozen=True, slots=True)
class SpeedSettings(SeededSettings):
    """`widenings`: as in the engine; random weights hardly ever choose a blank and would have every gap widened."""

    limit: int = argument(200, "reports with a sentence each, drafted again by either")
    steps: int | None = argument(None, "maximum denoising steps of a draft")
    widenings: int = WIDENINGS


@dataclass(frozen=True, slots=True)
class Curve:
    """How the time of a step grows: for each named line its points (x, milliseconds)."""

    name: str
    x: str
    lines: dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class _Timed:
    """A draft: its seconds in all and to the first frame, its steps, and its text for the gap."""

    seconds: float
    first: float
    steps: int
    text: str
    locked_kept: bool


def evaluate_speed(
    drafting_model: DraftingModel,
    settings: SpeedSettings,
    parts: Sequence[str] = PARTS,
    sibling: Sibling | None = None,
) -> Iterator[tuple[list[Row], list[Curve]]]:
    """The rows and curves of each of `parts` as they are there, and the memory that all of it took.

    `sibling`: whom the part COMPARE is about.
    """
    bench = _Bench(drafting_model, settings)
    rows: dict[str, Callable[[], list[Row]]] = {
        "warm-up": bench.warm_up_rows,
        "steps": bench.step_rows,
        "sessions": bench.session_rows,
        "generate": bench.generate_step_rows,
        "sentences": bench.redraft_rows,
        "whole": bench.whole_rows,
        "compiled": bench.compiled_step_rows,
    }
    if sibling:
        rows[COMPARE] = partial(bench.compare_rows, sibling)
    # The longest prefix comes last: on a GPU it needs more room, and with that new graphs.
    curves = (bench.by_canvas, bench.by_spans, bench.by_sessions, bench.by_prefix)
    for part in parts:
        if part in rows:
            yield rows[part](), []
            continue
        for curve in curves:
            yield [], [curve()]
    yield bench.memory_rows(), []


def curve_rows(curves: Sequence[Curve]) -> list[Row]:
    """The points of the curves as rows, so that the saved table holds what the plots show."""
    return [
        Row("how a step grows", f"{curve.x}: {line}", f"{x:g}", Estimate(y, None, None, REPEATS))
        for curve in curves
        for line, points in curve.lines.items()
        for x, y in points
    ]


class _Bench:
    def __init__(self, drafting_model: DraftingModel, settings: SpeedSettings) -> None:
        if drafting_model.device.type == "cuda":
            # What counts is what drafting needs, not what building the model did.
            torch.cuda.reset_peak_memory_stats()
        self._model = drafting_model
        self._settings = settings
        self._engine = EvaluationEngine(drafting_model, widenings=settings.widenings)
        self._sampler = SamplerSettings.of_checkpoint(drafting_model.network.generation_config)
        if settings.steps:
            self._sampler = replace(self._sampler, steps=settings.steps)
        self._device = drafting_model.device
        self._where = "one GPU" if self._device.type == "cuda" else "CPU"
        picture = np.random.default_rng(0).integers(0, 255, (512, 512), dtype=np.uint8)
        self._study = Study(pictures=(), model_picture=picture, facts=StudyFacts(age=60, sex="F", view="PA"))
        self._prefix = self._engine.compute(lambda: encode_prefix(drafting_model, self._study))

    # ---- rows

    def warm_up_rows(self) -> list[Row]:
        started = time.perf_counter()
        self._engine.warm_up()
        warm = time.perf_counter() - started
        encoded = [_seconds(lambda: self._encode_prefix()) for _ in range(5)]
        return [
            self._row("before the first draft", ENGINE, "warm-up, seconds", [warm]),
            self._row("before the first draft", ENGINE, "prefix with a picture, milliseconds", _ms(encoded)),
        ]

    def step_rows(self) -> list[Row]:
        """One step, with what a sentence leaves free and with all of the canvas free."""
        rows = []
        sentence = canvases.GAP_IN_LINE
        for length in sorted({64, self._model.canvas_length}):
            for free, subject in ((sentence, "a sentence free"), (length - 8, "all free")):
                found = self._step_ms([self._decoder_slot(length, free)])
                rows.append(self._row(f"a step at canvas {length}, {subject}", ENGINE, "milliseconds", found))
        return rows

    def generate_step_rows(self) -> list[Row]:
        """A step of `generate()`, which knows no canvas but the longest; on a GPU also the engine's without graphs."""
        rows = []
        if self._device.type == "cuda":
            decoder_slot = self._decoder_slot(self._model.canvas_length, canvases.GAP_IN_LINE)
            packed = self._step_ms([decoder_slot], PackedDecoder(self._model))
            rows.append(self._row(self._whole_canvas, "engine without graphs", "milliseconds", packed))
        rows.append(self._row(self._whole_canvas, GENERATE, "milliseconds", self._generate_step_ms(compiled=False)))
        return rows

    def compiled_step_rows(self) -> list[Row]:
        """A step of `generate()` as it compiles itself, which it does with a static cache on a GPU."""
        if self._device.type != "cuda":
            return []
        return [self._row(self._whole_canvas, COMPILED, "milliseconds", self._generate_step_ms(compiled=True))]

    def redraft_rows(self) -> list[Row]:
        """One sentence of a report of about 120 tokens, drafted again."""
        subject = "one sentence drafted again in 120 tokens"
        reports = self._reports(self._settings.limit)
        for report in reports[:2]:
            self._draft(report, 0), self._generate(report, 0)
        ours, theirs, better = [], [], []
        for number, report in enumerate(with_progress(reports, subject)):
            # In turns, so that whatever else the machine does meets both alike.
            ours.append(self._draft(report, self._settings.seed + number))
            theirs.append(self._generate(report, self._settings.seed + number))
            better.append(
                self._likelihood(report, ours[-1].text, number) - self._likelihood(report, theirs[-1].text, number)
            )
        rows = self._timed_rows(subject, ENGINE, ours) + self._timed_rows(subject, GENERATE, theirs)
        ratios = [their.seconds / our.seconds for our, their in zip(ours, theirs, strict=True)]
        rows.append(self._row(subject, "generate() over engine", "times the seconds", ratios))
        rows.append(
            Row(self._where, subject + ": engine less generate()", "log-probability of the fill, nats", mean(better))
        )
        return rows

    def whole_rows(self) -> list[Row]:
        """A whole report from nothing."""
        subject, report = "a whole report", parse_markup("[[]]")
        seeds = range(self._settings.seed, self._settings.seed + WHOLE_DRAFTS)
        return self._timed_rows(subject, ENGINE, [self._draft(report, seed) for seed in seeds]) + self._timed_rows(
            subject, GENERATE, [self._generate(report, seed) for seed in seeds]
        )

    def session_rows(self) -> list[Row]:
        """The same re-draft of a fixed number of steps in one session, and in eight at once."""
        (report,) = self._reports(1)
        engine = self._engine.with_settings(self._unstopped(REDRAFT_STEPS))
        rows, medians = [], {}
        for count in (SESSIONS[0], SESSIONS[-1]):
            found = []
            with ThreadPoolExecutor(count) as pool:
                for _ in range(REPEATS // 2 + 1):
                    started = time.perf_counter()
                    list(pool.map(lambda seed: _finish(engine, self._study, report, seed), range(count)))
                    found.append(time.perf_counter() - started)
            medians[count] = sorted(found[1:])[len(found[1:]) // 2]
            name = f"{count} session{'s' if count > 1 else ''}"
            rows.append(self._row(f"a re-draft of {REDRAFT_STEPS} steps", name, "seconds", found[1:]))
        ratio = medians[SESSIONS[-1]] / medians[SESSIONS[0]]
        rows.append(self._row(f"a re-draft of {REDRAFT_STEPS} steps", "8 sessions over 1", "times", [ratio]))
        return rows

    def compare_rows(self, sibling: Sibling) -> list[Row]:
        """The autoregressive sibling at the same work."""
        reports = self._reports(self._settings.limit)
        return compare_rows(
            self._engine,
            self._model,
            sibling,
            self._study,
            reports,
            self._settings.seed,
            self._settings.steps,
            self._where,
        )

    def memory_rows(self) -> list[Row]:
        peak: float = torch.cuda.max_memory_allocated() if self._device.type == "cuda" else _resident_peak()
        return [self._row("peak memory", "this whole evaluation", "gigabytes", [peak / 1e9])]

    # ---- curves

    def by_canvas(self) -> Curve:
        lengths = range(32, self._model.canvas_length + 1, 32)
        return Curve(
            "canvas",
            "canvas length (tokens)",
            {
                "a sentence free": [(n, _middle(self._step_ms([self._decoder_slot(n, 24)]))) for n in lengths],
                "all free": [(n, _middle(self._step_ms([self._decoder_slot(n, n)]))) for n in lengths],
            },
        )

    def by_prefix(self) -> Curve:
        length = min(128, self._model.canvas_length)
        points = []
        for tokens in (16, 64, 128, 256, 320, 640):
            prefix = self._stretched(tokens)
            points.append((float(tokens), _middle(self._step_ms([self._decoder_slot(length, 24, prefix)]))))
        return Curve("prefix", "prefix length (tokens)", {f"canvas {length}, a sentence free": points})

    def by_spans(self) -> Curve:
        """Open spans of eight positions each, in one canvas."""
        length = min(128, self._model.canvas_length)
        points = []
        for count in (1, 2, 4, 8, 12):
            starts = [round(at * length / count) for at in range(count)]
            free = [start + offset for start in starts for offset in range(8)]
            points.append((float(count), _middle(self._step_ms([self._decoder_slot(length, 0, positions=free)]))))
        return Curve("spans", "open spans of 8 positions", {f"canvas {length}": points})

    def by_sessions(self) -> Curve:
        lines: dict[str, list[tuple[float, float]]] = {}
        for length in sorted({64, min(128, self._model.canvas_length), self._model.canvas_length}):
            lines[f"canvas {length}, a sentence free"] = [
                (count, _middle(self._step_ms([self._decoder_slot(length, 24) for _ in range(count)])))
                for count in SESSIONS
            ]
        return Curve("sessions", "sessions drafting at once", lines)

    # ---- one step

    @property
    def _whole_canvas(self) -> str:
        return f"a step at canvas {self._model.canvas_length}, a sentence free"

    def _unstopped(self, steps: int) -> SamplerSettings:
        refresh = self._engine.settings.refresh
        return replace(self._sampler, steps=steps, confident_entropy=NEVER, refresh=refresh)

    def _decoder_slot(
        self, length: int, free: int, prefix: Prefix | None = None, positions: Sequence[int] | None = None
    ) -> DecoderSlot:
        """A canvas of random tokens, `free` of them in its middle or at given positions."""
        start = (length - min(free, length)) // 2
        at = torch.tensor(range(start, start + min(free, length)) if positions is None else positions)
        tokens = torch.randint(len(self._model.tokenizer), (length,), generator=torch.Generator().manual_seed(0))
        return DecoderSlot(prefix or self._prefix, tokens, at, torch.zeros(len(at), dtype=torch.bool))

    def _step_ms(self, decoder_slots: Sequence[DecoderSlot], decoder: Decoder | None = None) -> list[float]:
        """Milliseconds of a step of all slots together; each value is over several steps, refreshed ones among them.

        What the decoder does and what the sampler does with it, without turning tokens into text.
        """
        # In the engine's thread, as in a draft.
        return self._engine.compute(lambda: self._steps_ms(decoder_slots, decoder or self._engine.decoder))

    def _steps_ms(self, decoder_slots: Sequence[DecoderSlot], decoder: Decoder) -> list[float]:
        settings = self._unstopped(STEPS_A_REPEAT)
        runs = [
            Run(len(decoder_slot.free), self._model.vocabulary_size, settings, seed)
            for seed, decoder_slot in enumerate(decoder_slots)
        ]
        found = []
        for _ in range(REPEATS + 1):
            states = [begin(run) for run in runs]
            started = time.perf_counter()
            for step in range(1, STEPS_A_REPEAT + 1):
                entries = [
                    DecoderInput(decoder_slot, state, temperature(settings, step), draws(run, step)[0])
                    for decoder_slot, state, run in zip(decoder_slots, states, runs, strict=True)
                ]
                readings = decoder(entries)
                states = [advance(*each) for each in zip(runs, states, readings, strict=True)]
            found.append((time.perf_counter() - started) / STEPS_A_REPEAT)
        return _ms(found[1:])

    def _generate_step_ms(self, compiled: bool) -> list[float]:
        """Milliseconds of a step of `generate()`: what eight more steps take, by eight."""
        report = parse_markup("[[]]")
        canvas = self._canvas(report, fitted=False)
        few, many = 2, 2 + STEPS_A_REPEAT
        found = []
        for repeat in range(REPEATS // 2 + 2):
            began = time.perf_counter()
            self._generated(canvas, 0, few, NEVER, compiled)
            between = time.perf_counter()
            self._generated(canvas, 0, many, NEVER, compiled)
            if repeat > 1:
                found.append((time.perf_counter() - between - (between - began)) / STEPS_A_REPEAT)
        return _ms(found)

    def _encode_prefix(self) -> None:
        self._engine.compute(lambda: encode_prefix(self._model, self._study))
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def _stretched(self, tokens: int) -> Prefix:
        """The prefix repeated or cut to so many tokens: for time, not for sense."""
        times = -(-tokens // self._prefix.length)
        layers = tuple((k.repeat(times, 1, 1)[:tokens], v.repeat(times, 1, 1)[:tokens]) for k, v in self._prefix.layers)
        return Prefix(layers, tokens)

    # ---- whole drafts, by either

    def _reports(self, count: int) -> list[Report]:
        """Written reports of about 120 tokens, each with one sentence of its findings or impression open."""
        reports: list[Report] = []
        for number in range(TRIES_A_REPORT * max(count, 1)):
            if len(reports) == count:
                return reports
            random = Random(f"speed {self._settings.seed} {number}")
            written = write_report(sample_case(random), random)
            if not SHORTEST <= len(self._encode(written.text)) <= LONGEST:
                continue
            taken = random.choice([s for s in written.sentences if s.section in ("findings", "impression")])
            pieces = (written.text[: taken.start], "", written.text[taken.end :])
            reports.append(
                Report.from_spans(
                    Span(f"s{at}", text, "open" if at == 1 else "locked", "radiologist")
                    for at, text in enumerate(pieces)
                    if text or at == 1
                )
            )
        raise EvaluationError(f"To this tokenizer hardly a written report has {SHORTEST} to {LONGEST} tokens.")

    def _encode(self, text: str) -> list[int]:
        return self._model.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def _canvas(self, report: Report, fitted: bool) -> Canvas:
        model = self._model
        filler = model.blank_id if model.blank_id is not None else model.tokenizer.pad_token_id or 0
        room = model.canvas_length - len(model.before) - len(model.after)
        layout = canvases.lay_out_within(report, self._encode, filler, room, canvases.elastic_width)
        (group,) = canvases.windows(layout.slots, room)
        padding = 0 if fitted else model.canvas_length
        pad_id = model.tokenizer.pad_token_id or 0
        return canvases.canvas_for(layout, group, {}, room, model.before, model.after, padding, pad_id)

    def _draft(self, report: Report, seed: int) -> _Timed:
        self._engine.prepare(self._study)
        frames = self._engine.draft(self._study, report, DraftSettings(seed, self._settings.steps))
        started = time.perf_counter()
        first, last = None, None
        try:
            while True:
                last = next(frames)
                first = first or time.perf_counter() - started
        except StopIteration as end:
            draft = cast(Draft, end.value)
        frame = cast(Frame, last)
        (text,) = draft.texts.values()
        seconds = time.perf_counter() - started
        kept = merge_draft(report, frame.texts).locked_text == report.locked_text
        return _Timed(seconds, cast(float, first), draft.steps, text, kept)

    def _generate(self, report: Report, seed: int) -> _Timed:
        canvas = self._canvas(report, fitted=False)
        passes = _Counted()
        hook = self._model.network.model.decoder.register_forward_hook(passes)
        started = time.perf_counter()
        try:
            made = self._generated(canvas, seed, self._sampler.steps, self._sampler.confident_entropy, compiled=False)
        finally:
            hook.remove()
        seconds = time.perf_counter() - started
        (slot,) = canvas.slots
        decoded = decode_pieces(made[slot.start : slot.stop], self._model.tokenizer, self._model.blank_id)
        # The report without the scaffold around it and the padding behind.
        whole = len(self._canvas(report, fitted=True).ids)
        inside = range(len(self._model.before), whole - len(self._model.after))
        kept = all(made[at] == canvas.ids[at] for at in inside if canvas.pinned[at])
        text = "".join(fitted([piece for piece, _ in decoded], slot, "\n"))
        return _Timed(seconds, cast(float, passes.first) - started, passes.count, text, kept)

    def _generated(self, canvas: Canvas, seed: int, steps: int, confident: float, compiled: bool) -> list[int]:
        """The canvas that `generate()` makes of one with noise where it is free, in the engine's thread too."""
        return self._engine.compute(lambda: self._made(canvas, seed, steps, confident, compiled))

    def _made(self, canvas: Canvas, seed: int, steps: int, confident: float, compiled: bool) -> list[int]:
        free = len(canvas.free)
        noise = draws(Run(free, self._model.vocabulary_size, self._sampler, seed), 0)[1]
        tokens = torch.tensor(canvas.ids)
        tokens[list(canvas.free)] = noise
        config = DiffusionGemmaGenerationConfig(
            max_new_tokens=len(canvas.ids),
            max_denoising_steps=steps,
            sampler_config=EntropyBoundSamplerConfig(entropy_bound=self._sampler.entropy_bound),
            t_min=self._sampler.temperature_end,
            t_max=self._sampler.temperature_start,
            stability_threshold=self._sampler.stable_steps,
            confidence_threshold=confident,
            pad_token_id=self._model.tokenizer.pad_token_id,
            # No end token: the canvas is taken as it is.
            eos_token_id=None,
            cache_implementation="static" if compiled else None,
        )
        torch.manual_seed(seed)
        with torch.inference_mode():
            arguments: dict[str, Any] = {"decoder_input_ids": tokens[None].to(self._device)}
            prompt = torch.full((1, self._prefix.length), 5, device=self._device)
            if compiled:
                # A static cache is made by `generate()` itself, which then encodes the prompt; steps are counted alone.
                arguments["input_ids"] = prompt
            else:
                cache = DynamicCache()
                for index, (keys, values) in enumerate(self._prefix.layers):
                    cache.update(keys[:-1].transpose(0, 1)[None], values[:-1].transpose(0, 1)[None], index)
                arguments |= {"input_ids": prompt[:, -1:], "past_key_values": cache}
            made = self._model.network.generate(generation_config=config, **arguments)
        return cast(Any, made).sequences[0, -len(canvas.ids) :].tolist()

    def _likelihood(self, report: Report, text: str, seed: int) -> float:
        """The mean log-probability (nats a token) that the network gives to a gap's text, part of it being noise.

        Within the locked text, blanks behind it included, over several shares of noise; for two texts of one gap the
        random numbers are the same.
        """
        (gap,) = report.open_spans
        spans = (replace(span, text=text) if span is gap else span for span in report.spans)
        canvas = self._canvas(Report.from_spans(spans), fitted=self._model.traits.fitted_canvas)
        decoder_slot = DecoderSlot(
            self._prefix,
            torch.tensor(canvas.ids),
            torch.tensor(canvas.free),
            torch.zeros(len(canvas.free), dtype=torch.bool),
        )
        generator = torch.Generator().manual_seed(seed)
        found = []
        for level in NOISE_LEVELS:
            for _ in range(NOISE_DRAWS):
                noised = torch.rand(len(canvas.free), generator=generator) < level
                noise = torch.randint(self._model.vocabulary_size, noised.shape, generator=generator)
                if noised.any():
                    shown = torch.where(noised, noise, decoder_slot.tokens[decoder_slot.free])
                    scores = self._engine.compute(partial(self._engine.decoder.score, decoder_slot, shown))
                    found.append(scores[noised].mean().item())
        return float(np.mean(found))

    def _timed_rows(self, subject: str, who: str, done: Sequence[_Timed]) -> list[Row]:
        return [
            self._row(subject, who, "seconds", [one.seconds for one in done]),
            self._row(subject, who, "seconds to the first frame", [one.first for one in done]),
            self._row(subject, who, "steps", [float(one.steps) for one in done]),
            Row(self._where, f"{subject}: {who}", "locked text kept", share([one.locked_kept for one in done])),
        ]

    def _row(self, subject: str, who: str, measure: str, values: Sequence[float]) -> Row:
        return Row(self._where, f"{subject}: {who}", measure, median(values))


class _Counted:
    """Counts a module's passes, and remembers when the first was done."""

    def __init__(self) -> None:
        self.count = 0
        self.first: float | None = None

    def __call__(self, *_: object) -> None:
        self.count += 1
        self.first = self.first or time.perf_counter()


def _finish(engine: EvaluationEngine, study: Study, report: Report, seed: int) -> None:
    for _ in engine.draft(study, report, DraftSettings(seed)):
        pass


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _ms(seconds: Sequence[float]) -> list[float]:
    return [1e3 * one for one in seconds]


def _middle(values: Sequence[float]) -> float:
    return round(float(np.median(values)), 3)


def _resident_peak() -> float:
    """The most memory this process has had resident, in bytes (getrusage: kilobytes, on macOS bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)
