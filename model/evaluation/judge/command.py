"""`python -m model evaluate judge`: a judge, and exact match alone, against people's verdicts; see `judging`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from model.evaluation.judge.arguments import declare_judge, judge_of, verdicts_on
from model.evaluation.judge.judging import judge_rows, load_verdicts, probes
from model.evaluation.record import EvaluationError, Row
from model.evaluation.task import Context, Settings, Task


@dataclass(frozen=True, slots=True)
class JudgeSettings(Settings):
    """Nothing is drawn."""


def measure(context: Context[JudgeSettings]) -> Iterator[list[Row]]:
    options = context.options
    if options.judge and not options.judged:
        raise EvaluationError("--judge needs --judged FILE, which saves each verdict.")
    lines = load_verdicts(options.verdicts)
    made = probes(lines)
    context.note(model="exact match alone", data_sha256=sha256(options.verdicts.read_bytes()).hexdigest())
    context.note_settings(judge=None, lines=len(lines), probes=len(made))
    name, verdicts = "", None
    if options.judge:
        judge = context.files.enter_context(judge_of(options))
        answers = [*(line.answered for line in lines), *(probe.answered for probe in made)]
        name, verdicts = judge.name, verdicts_on(answers, judge, context)
        context.note(model=name, **({"device": options.judge} if "://" in options.judge else {}))
    yield judge_rows(name, lines, made, verdicts)


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--verdicts", type=Path, required=True, help="file of people's verdicts in JSON lines, see docs/judge"
    )
    declare_judge(parser)


COMMAND = Task("judge", JudgeSettings, measure, declare=_declare).command
