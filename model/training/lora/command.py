"""`python -m model train lora`: from the command line's options to a run, or to an error of one sentence."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from model.commands import Command, count
from model.network.loading import DEFAULT_MODEL, ModelError
from model.sets.files import SetError
from model.sets.questions import load_questions, question_formats
from model.sets.reports import load_reports, report_formats
from model.training.lora.lessons import Lesson, question_lessons, report_lessons
from model.training.lora.recipe import LoraRecipe, TrainingError, load_recipe


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="folder or hub id (default: the model in this repository)")
    parser.add_argument("--recipe", type=Path, help="file in TOML, see docs/recipes")
    parser.add_argument(
        "--data", type=Path, nargs="+", help="folders, each a set of questions or of reports in its owner's files"
    )
    parser.add_argument("--out", type=Path, help="folder for adapter, log and state; resumed if it has one")
    parser.add_argument("--seed", type=count, help="by default the recipe's first")
    parser.add_argument("--cpu", action="store_true", help="instead of the devices that accelerate finds")
    parser.add_argument("--steps", type=count, help="maximum of this call; the same command resumes there")
    parser.add_argument(
        "--published",
        choices=["diffusion", "autoregressive"],
        help="instead, measure --steps steps of the published 26B shape with random weights; needs a GPU of 80 GB",
    )
    parser.add_argument("--json", type=Path, help="file for what --published measured")


def run_lora(options: argparse.Namespace) -> int:
    """Returns the exit code: 0, or 130 where the user stopped it."""
    # Batches are made beside the device's work; the tokenizer's own threads would fight for the same cores.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        if options.published:
            from model.training.lora.published import measure_steps

            recipe = load_recipe(options.recipe) if options.recipe else None
            return measure_steps(options.published, options.steps or 3, options.json, recipe, say)
        _train(options)
    except KeyboardInterrupt:
        say("Stopped. The same command resumes from the last saved state.")
        return 130
    return 0


def _train(options: argparse.Namespace) -> None:
    for name in ("recipe", "out"):
        if getattr(options, name) is None:
            raise TrainingError(f"--{name} must be given.")
    if not options.data:
        raise TrainingError("--data must name at least one folder.")
    recipe = load_recipe(options.recipe)
    lessons = [lesson for folder in options.data for lesson in lessons_in(folder, recipe)]
    seed = recipe.seeds[0] if options.seed is None else options.seed
    # Only now, because it loads torch's distributed part and finds the devices.
    from model.training.lora.run import LoraRun, new_accelerator, train_lora

    run = LoraRun(str(options.model or DEFAULT_MODEL), recipe, lessons, options.out, seed)
    train_lora(run, new_accelerator(cpu=options.cpu), say, options.steps)


def lessons_in(folder: Path, recipe: LoraRecipe) -> list[Lesson]:
    """The lessons of the set that lies in a folder, of questions or of reports. Raises SetError or TrainingError."""
    if not question_formats(folder) and report_formats(folder):
        return report_lessons(load_reports(folder), recipe)
    return question_lessons(load_questions(folder), recipe)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


COMMAND = Command(_declare, run_lora, (TrainingError, ModelError, SetError))
