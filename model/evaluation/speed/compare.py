"""`python -m model evaluate speed --compare`: the diffusion model and its autoregressive sibling at the same work.

The same questions, gaps and whole reports, in turns in one process, each with its image encoded anew: what a person
waits for. Tokens are those of the text that came out, counted by one tokenizer for both, with the token that ends it;
so nobody gains by writing more or by counting blanks. This module knows nothing of whether the text is right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import torch

from drafting.engine import Draft, DraftSettings
from drafting.report import Report, parse_markup
from drafting.study import Study
from model.evaluation.engine import EvaluationEngine
from model.evaluation.record import Row, with_progress
from model.evaluation.reports.studies import finished
from model.evaluation.sibling import Sibling, Sides
from model.evaluation.statistics import Estimate, median, rate
from model.network.loading import DraftingModel
from model.synthetic.cases import sample_case, visible
from model.synthetic.questions import questions_of

DIFFUSION, CACHED, SIBLING = "diffusion", "diffusion, image encoded before", "autoregressive sibling"
RATIO = "autoregressive over diffusion"
# Whole reports take the sibling longest.
REPORTS_A_SENTENCE = 4

Write = Callable[[], str]


@dataclass(frozen=True, slots=True)
class _Work:
    """One thing to write, in each one's way."""

    diffusion: Write
    cached: Write
    sibling: Write


@dataclass(frozen=True, slots=True)
class _Done:
    """What one took for one piece of work, and how many tokens its text has."""

    seconds: float
    tokens: int


def compare_rows(
    engine: EvaluationEngine,
    drafting_model: DraftingModel,
    sibling: Sibling,
    study: Study,
    reports: Sequence[Report],
    seed: int,
    steps: int | None,
    where: str,
) -> list[Row]:
    """Seconds and tokens a second of both: for questions, for the one gap of each of `reports`, for whole reports."""

    def drafted(work: Callable[[DraftSettings], Draft], number: int) -> str:
        return "".join(work(DraftSettings(seed + number, steps)).texts.values())

    def work(by_engine: Callable[[DraftSettings], Draft], by_sibling: Write, number: int) -> _Work:
        def cached() -> str:
            return drafted(by_engine, number)

        def encoded_anew() -> str:
            engine.release(study)
            return cached()

        return _Work(encoded_anew, cached, by_sibling)

    def asked(number: int) -> _Work:
        random = Random(f"compare {seed} {number}")
        question, _ = questions_of(visible(sample_case(random)), random)
        return work(
            lambda settings: finished(engine.answer(study, question, settings)),
            lambda: sibling.answer(study, question),
            number,
        )

    def filled(report: Report, number: int) -> _Work:
        # A report that is open as a whole has nothing to show: the sibling was taught to write it as it comes.
        sides: Sides = "both" if report.locked_text else "left"
        settings = DraftSettings(seed + number)
        return work(
            lambda chosen: finished(engine.draft(study, report, chosen)),
            lambda: sibling.fill(study, report, sides, settings),
            number,
        )

    whole = parse_markup("[[]]")
    subjects = (
        ("an answer to a question", [asked(number) for number in range(len(reports))]),
        ("a sentence in a report of 120 tokens", [filled(report, number) for number, report in enumerate(reports)]),
        ("a whole report", [filled(whole, number) for number in range(-(-len(reports) // REPORTS_A_SENTENCE))]),
    )
    rows: list[Row] = []
    for subject, works in subjects:
        rows += _rows(drafting_model, subject, works, where)
    return rows


def _rows(drafting_model: DraftingModel, subject: str, works: Sequence[_Work], where: str) -> list[Row]:
    def timed(write: Write) -> _Done:
        started = time.perf_counter()
        text = write()
        if drafting_model.device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
        ids = drafting_model.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return _Done(seconds, len(ids) + 1)

    done: dict[str, list[_Done]] = {DIFFUSION: [], CACHED: [], SIBLING: []}
    if works:
        # The first of a kind also loads and compiles what the others find ready.
        for write in (works[0].diffusion, works[0].sibling):
            write()
    for one in with_progress(works, subject):
        # In turns, so that whatever else the machine does meets all alike.
        for name, write in ((DIFFUSION, one.diffusion), (CACHED, one.cached), (SIBLING, one.sibling)):
            done[name].append(timed(write))
    rows: list[Row] = []
    for name, each in done.items():
        rows += [
            Row(where, f"{subject}: {name}", "seconds", median([one.seconds for one in each])),
            Row(where, f"{subject}: {name}", "tokens (median)", median([float(one.tokens) for one in each])),
            Row(where, f"{subject}: {name}", "tokens a second", _rate(each)),
        ]
    ratios = [theirs.seconds / ours.seconds for ours, theirs in zip(done[DIFFUSION], done[SIBLING], strict=True)]
    return [*rows, Row(where, f"{subject}: {RATIO}", "times the seconds", median(ratios))]


def _rate(done: Sequence[_Done]) -> Estimate:
    return rate([float(one.tokens) for one in done], [one.seconds for one in done])
