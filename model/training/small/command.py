"""`python -m model train default`, `sibling` and `tokenizer`: from the command line's options to a run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from model.commands import Command
from model.synthetic.radiographs import load_radiographs
from model.training.small.batches import learn_tokenizer
from model.training.small.default import train_default
from model.training.small.fresh import Shape
from model.training.small.sibling import train_sibling
from model.training.small.trainer import Recipe


class UnusableError(RuntimeError):
    """A run that cannot begin; the message is one line for the person who started it."""


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tokenizer", type=Path, help="folder of a tokenizer (default: a new one is trained)")
    parser.add_argument(
        "--data", type=Path, required=True, help="packed radiographs, see python -m model.synthetic.radiographs"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoint, log and state; resumed if it has one"
    )
    parser.add_argument(
        "--weights-of", type=Path, help="checkpoint of the same shape whose weights a new run begins with"
    )
    parser.add_argument("--sight", type=Path, help="output folder of train sight, whose tower and readings are used")
    parser.add_argument("--steps", type=int, help="training steps in all")
    parser.add_argument("--learning-rate", type=float, help="the highest, after the warm-up")
    parser.add_argument("--batch", type=int, help="pictures a step, of each process")
    parser.add_argument("--cuts", type=int, help="number of ways to cut gaps into each picture's report")
    parser.add_argument("--minutes", type=float, help="stop after this time; the next call resumes")
    parser.add_argument("--fit", action="store_true", help="a new run has as many steps as --minutes allow")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes that write reports, of each process")
    parser.add_argument(
        "--device",
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="started by torchrun, each process takes a GPU of its own, unless this is cpu",
    )


def _declare_tokenizer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="packed radiographs; their questions are learned too")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tokenizer")
    parser.add_argument("--seed", type=int, default=0)


def _demand_pack(data: Path) -> None:
    if not data.is_file():
        raise UnusableError(f"{data} is not a file of packed radiographs.")


def _train(train: Callable[..., None], options: argparse.Namespace) -> int:
    _demand_pack(options.data)
    if options.tokenizer is not None and not (options.tokenizer / "tokenizer.json").is_file():
        raise UnusableError(f"{options.tokenizer} contains no tokenizer.")
    if options.weights_of is not None and not (options.weights_of / "config.json").is_file():
        raise UnusableError(f"{options.weights_of} contains no checkpoint.")
    names = ("steps", "learning_rate", "batch", "cuts")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    train(
        options.data,
        options.out,
        Shape(),
        replace(Recipe(seed=options.seed), **chosen),
        torch.device(options.device),
        options.workers,
        options.minutes,
        options.tokenizer,
        options.weights_of,
        options.sight,
        options.fit,
    )
    return 0


def _learn_tokenizer(options: argparse.Namespace) -> int:
    _demand_pack(options.data)
    questions = load_radiographs(options.data, "train").questions
    learned = learn_tokenizer(Shape().vocabulary, Recipe().tokenizer_reports, options.seed, questions)
    learned.save_pretrained(options.out)
    return 0


DEFAULT = Command(_declare, partial(_train, train_default), (UnusableError,))
SIBLING = Command(_declare, partial(_train, train_sibling), (UnusableError,))
TOKENIZER = Command(_declare_tokenizer, _learn_tokenizer, (UnusableError,))
