"""The engine on this process's device, as drafting knows it: a facade over windows, scoring and prefixes.

It knows nothing of browsers and files.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

from drafting.engine import AttentionMap, Draft, DraftSettings, EngineError, Frame, WordChoice
from drafting.report import Report, Span
from drafting.study import Study
from model.engine.batching import Batcher
from model.engine.bench import Bench
from model.engine.layout import ANSWER_WIDTH, chosen_width, elastic_width, fixed_width
from model.engine.looking import attention_map, part_alone
from model.engine.prefixes import Prefixes
from model.engine.sampler import SamplerSettings
from model.engine.scoring import Scoring
from model.engine.windows import WIDENINGS, Drafter, drafts_that_fit, suited_policy
from model.network.decoder import Decoder, PackedDecoder
from model.network.experts import can_be_captured
from model.network.graphs import GraphDecoder
from model.network.loading import DraftingModel, in_a_thread_that_ends, load
from model.network.prefix import Prefix

MOST_OPEN_SPANS = 1000
# Of several alternatives so many are drafted at a time.
DRAFTED_TOGETHER = 8
# Tokens of a prefix beside its image: what the header tells, and an indication of a sentence or two.
WORDS_BESIDE_IMAGE = 64
# A CPU is bound by arithmetic, and pinned positions are most of it. See SamplerSettings.refresh for what it costs.
REFRESH_ON_CPU = 8
# On a CPU a pass takes as long as it has rows: beyond so many, drafts take turns.
ROWS_A_PASS_ON_CPU = 512


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
        self.settings = settings or suited_settings(drafting_model)
        captured = can_be_captured(drafting_model.network)
        self.decoder: Decoder = in_a_thread_that_ends(
            lambda: GraphDecoder(drafting_model) if captured else PackedDecoder(drafting_model)
        )
        on_cpu = drafting_model.device.type == "cpu"
        self.batcher = Batcher(self.decoder, rows_a_pass=ROWS_A_PASS_ON_CPU if on_cpu else None)
        self.bench = Bench(drafting_model)
        self._policy = suited_policy(drafting_model, widenings)
        self._prefixes = Prefixes(drafting_model)
        self._scoring = Scoring(self.bench, self.decoder, self.batcher)
        self.drafter = Drafter(self.bench, self.batcher, self._scoring.doubts)

    @classmethod
    def load(cls, model: str | Path | None = None, adapter: str | Path | None = None, bits: int = 16) -> LocalEngine:
        """An engine for a checkpoint and an adapter, as `model.network.loading.load` takes them. Raises ModelError."""
        return cls(load(model, adapter, bits=bits))

    @property
    def model(self) -> str:
        return self.bench.model.name

    @property
    def heeds_hints(self) -> bool:
        return self.bench.model.traits.heeds_hints

    def warm_up(self) -> None:
        """Do what the first drafts on a GPU would wait for: compile and capture their sizes. Blocks until done."""
        if isinstance(self.decoder, GraphDecoder):
            decoder, prefix = self.decoder, self.prefix(None)
            room_for_image = self.bench.model.image_processor.max_soft_tokens + WORDS_BESIDE_IMAGE
            self.batcher.call(lambda: decoder.warm_up(prefix.length + room_for_image))

    def prefix(
        self, study: Study | None, indication: str = "", question: str = "", hints: tuple[str, ...] = ()
    ) -> Prefix:
        """The prefix of a study, encoded in the engine's thread where it is not kept."""
        return self.batcher.call(lambda: self._prefixes.find(study, indication, question, hints))

    def prepare(self, study: Study | None, indication: str = "") -> None:
        self.prefix(study, indication)

    def release(self, study: Study | None) -> None:
        self.batcher.call(lambda: self._prefixes.release(study))

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
            raise EngineError(f"The report has {len(report.open_spans)} open spans. The limit is {MOST_OPEN_SPANS}.")
        prefix = self.prefix(study, indication, hints=self.bench.hints(report))
        width = elastic_width if self._policy.ends_early else fixed_width
        draft = self.drafter.draft(prefix, report, settings, self.settings, width, self._policy, started, start)
        return (yield from draft)

    def alternatives(
        self, study: Study | None, report: Report, count: int, settings: DraftSettings, indication: str = ""
    ) -> Generator[tuple[Frame, ...], None, tuple[Draft, ...]]:
        waiting = deque(range(count))
        drafting: dict[int, Generator[Frame, None, Draft]] = {}
        frames: dict[int, Frame] = {}
        done: list[Draft] = []
        try:
            # Taken in turns, so all that are under way stand at the batcher together and take their steps together.
            while waiting or drafting:
                # The first takes its place in the line as any draft; the others come in where nobody is kept waiting.
                fresh = 0
                while waiting and (not drafting or self._has_room_for_more(len(drafting), fresh)):
                    number = waiting.popleft()
                    seeded = replace(settings, seed=settings.seed + number)
                    drafting[number] = self.draft(study, report, seeded, indication)
                    fresh += 1
                for number, frame_by_frame in list(drafting.items()):
                    try:
                        frames[number] = next(frame_by_frame)
                    except StopIteration as end:
                        done.append(end.value)
                        del drafting[number]
                        if number in frames:
                            # It may have needed fewer steps than the limit, and is none the less at its end.
                            frames[number] = replace(frames[number], steps=frames[number].step)
                if frames and drafting:
                    yield tuple(frames[number] for number in sorted(frames))
        finally:
            for frame_by_frame in drafting.values():
                frame_by_frame.close()
        done.sort(key=lambda draft: (-draft.mean_log_probability, draft.seed))
        different = {tuple(sorted(draft.texts.items())): draft for draft in reversed(done)}
        return tuple(draft for draft in done if different[tuple(sorted(draft.texts.items()))] is draft)

    def _has_room_for_more(self, drafting: int, fresh: int) -> bool:
        """Whether one of many drafts may begin beside `drafting` others, `fresh` of which have not begun yet."""
        if drafting >= drafts_that_fit(DRAFTED_TOGETHER, self.bench.model):
            return False
        return self.batcher.has_room_for_more((fresh + 1) * len(self._policy.factors))

    def answer(self, study: Study | None, question: str, settings: DraftSettings) -> Generator[Frame, None, Draft]:
        started = time.perf_counter()
        prefix = self.question_prefix(study, question)
        gap = Report((Span("answer", "", "open", "model"),))
        width = chosen_width({"answer": ANSWER_WIDTH})
        return (yield from self.drafter.draft(prefix, gap, settings, self.settings, width, self._policy, started))

    def question_prefix(self, study: Study | None, question: str) -> Prefix:
        """The prefix of a question about a study. Raises EngineError where nothing is asked."""
        words = " ".join(question.split())
        if not words:
            raise EngineError("The question is empty.")
        return self.prefix(study, question=words)

    def shares(self, study: Study | None, report: Report, texts: Sequence[str], indication: str = "") -> list[float]:
        if len(report.open_spans) != 1:
            raise EngineError("Only texts of one open span can be compared.")
        return self._scoring.shares(self.prefix(study, indication, hints=self.bench.hints(report)), report, texts)

    def words(self, study: Study | None, report: Report, count: int, indication: str = "") -> tuple[WordChoice, ...]:
        if len(report.open_spans) != 1 or not report.open_spans[0].text:
            raise EngineError("Choose one open word to see alternatives.")
        return self._scoring.words(self.prefix(study, indication), report, count)

    def looked(
        self, study: Study | None, report: Report, id: str, part: tuple[int, int] | None = None, indication: str = ""
    ) -> AttentionMap:
        if study is None:
            raise EngineError("Open a study first: without one the model looks at nothing.")
        alone = part_alone(report, id, part)
        return attention_map(self.bench, self.batcher, self.prefix(study, indication), alone)
