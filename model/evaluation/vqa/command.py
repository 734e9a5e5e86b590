"""`python -m model evaluate vqa`: questions about images, answered in words, of a pack or of a set; judged, compared.

This module knows nothing of how anything is measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from model.evaluation.judge.arguments import declare_judge, judge_of, verdicts_on
from model.evaluation.record import EvaluationError, Row
from model.evaluation.task import DRAFTS, MODEL, OF_SIBLING, Context, Task
from model.evaluation.vqa.answers import answer_all, answers_kept
from model.evaluation.vqa.models import contenders_of
from model.evaluation.vqa.questions import VqaSettings, checksum, chosen_group, packed_groups
from model.evaluation.vqa.scores import answered_of, group_rows


def measure(context: Context[VqaSettings]) -> Iterator[list[Row]]:
    """The rows of each group of questions. Raises EvaluationError for options that do not go together."""
    options, settings = context.options, context.settings
    if settings.held_out_of and (settings.part or settings.split_seed is not None):
        raise EvaluationError("--held-out-of has part and split from its recipe: leave out --part and --split-seed.")
    if options.judge and not (options.judged and options.drafts):
        raise EvaluationError("--judge needs --drafts and --judged, which save each answer and verdict.")
    for_sets = ("format", "part", "split_seed", "held_out_of")
    if options.data and (given := [name for name in for_sets if getattr(settings, name) is not None]):
        raise EvaluationError(f"--{given[0].replace('_', '-')} goes with --questions, not with --data.")
    if options.questions and options.kept:
        raise EvaluationError("--kept needs --data. With --questions, --drafts saves the answers.")
    groups = (
        [chosen_group(options.questions, settings)]
        if options.questions
        else packed_groups(context.radiographs, settings)
    )
    asked = [each for group in groups for each in group.asked]
    judge = context.files.enter_context(judge_of(options)) if options.judge else None
    contenders = contenders_of(context)
    if options.questions:
        context.note(data_sha256=checksum(asked))
    context.note_settings(
        questions=len(asked), **{f"model {one.label}": json.dumps(dict(one.identity)) for one in contenders[1:]}
    )
    with answers_kept(options.drafts, groups, contenders, settings) as kept:
        said = answer_all(groups, contenders, settings, kept)
    verdicts = verdicts_on(answered_of(groups, said), judge, context) if judge else None
    for group in groups:
        yield group_rows(group, [one.label for one in contenders], said, verdicts)


def _declare(parser: argparse.ArgumentParser) -> None:
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--data", type=Path, help="packed radiographs, see python -m model.synthetic.radiographs")
    asked.add_argument(
        "--questions", type=Path, help="folder of a set of questions in its owner's files: VQA-RAD, SLAKE, VQA-Med 2019"
    )
    parser.add_argument("--sibling-adapter", help="folder of a PEFT adapter of --sibling")
    parser.add_argument(
        "--against",
        type=Path,
        action="append",
        help="folder of another checkpoint, or of another adapter of --model, to compare with; may be given again",
    )
    declare_judge(parser)


COMMAND = Task("vqa", VqaSettings, measure, (OF_SIBLING, *MODEL, *DRAFTS), _declare).command
