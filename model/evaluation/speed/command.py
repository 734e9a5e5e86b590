"""`python -m model evaluate speed`: which model is timed, and which parts of the measurement are made.

This module knows nothing of how time is taken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from model.commands import a_list
from model.evaluation.publish.plots import plot_curves
from model.evaluation.record import EvaluationError, Row
from model.evaluation.speed.steps import COMPARE, PARTS, Curve, SpeedSettings, curve_rows, evaluate_speed
from model.evaluation.task import MODEL, Context, Input, Task
from model.network.loading import DraftingModel
from model.network.published import published_config, random_model


def measure(context: Context[SpeedSettings]) -> Iterator[list[Row]]:
    """The rows of each part. Raises EvaluationError for options that do not go together."""
    options, settings = context.options, context.settings
    if options.plots and not options.plots.is_dir():
        raise EvaluationError(f"{options.plots} is not an existing folder.")
    if unknown := set(options.parts) - set(PARTS):
        raise EvaluationError(f"Unknown part {', '.join(sorted(unknown))}. Available: {', '.join(PARTS)}.")
    if options.sibling and options.published:
        raise EvaluationError("--compare needs a checkpoint beside the sibling's, not --published.")
    if options.published:
        context.model = _published(options.bits)
        context.describe(context.model, False)
        settings = replace(settings, widenings=0)
    context.note_settings(widenings=settings.widenings)
    parts = (COMPARE,) if context.sibling else options.parts
    curves: list[Curve] = []
    for rows, more in evaluate_speed(context.model, settings, parts, context.sibling):
        curves += more
        print(f"speed: {len(rows)} more rows and {len(curves)} curves", file=sys.stderr, flush=True)
        if options.plots and more:
            plot_curves(more, options.plots, context.model.name)
        yield [*rows, *curve_rows(more)]


def _published(bits: int) -> DraftingModel:
    if not torch.cuda.is_available():
        raise EvaluationError("The published shape has 52 GB of weights: --published needs a GPU.")
    return random_model(
        published_config(), torch.device("cuda"), torch.bfloat16, f"26B shape, random weights, {bits} bits", bits
    )


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--published",
        action="store_true",
        help="the published 26B checkpoint's shape with random weights, instead of a checkpoint; needs a GPU of 80 GB",
    )
    parser.add_argument(
        "--bits", type=int, choices=[4, 8, 16], default=16, help="bits a weight of the experts of --published"
    )
    parser.add_argument(
        "--parts",
        type=a_list,
        default=PARTS,
        help=f"what to measure, with commas between, in this order: {','.join(PARTS)} (default: all)",
    )
    parser.add_argument("--plots", type=Path, help="folder for the plots, an SVG each")


_OTHER = Input(
    "--compare",
    {
        "dest": "sibling",
        "type": Path,
        "help": "folder of the autoregressive sibling: tokens a second and seconds an answer of both, and nothing else",
    },
)
COMMAND = Task("speed", SpeedSettings, measure, (*MODEL, _OTHER), _declare).command
