"""The model's command line: `python -m model train`, `evaluate` and `data`; `--help` lists what each can do."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m model")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_train(commands.add_parser("train", help="train a model"))
    _add_evaluate(commands.add_parser("evaluate", help="measure a model"))
    _add_data(commands.add_parser("data", help="what a set of questions or reports holds, and what leaks in it"))
    options = parser.parse_args(arguments)
    options.typed = shlex.join(["python", "-m", "model", *(sys.argv[1:] if arguments is None else arguments)])
    return int(options.run(options))


def _add_train(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True)
    default = what.add_parser("default", help="the small model that the repository ships")
    sibling = what.add_parser("sibling", help="its autoregressive sibling, for comparison")
    tokenizer = what.add_parser("tokenizer", help="their tokenizer alone, ahead of time, where time on a GPU is dear")
    tokenizer.add_argument("--data", type=Path, required=True, help="packed radiographs, whose questions it learns too")
    tokenizer.add_argument("--out", type=Path, required=True, help="folder for the tokenizer")
    tokenizer.add_argument("--seed", type=int, default=0)
    tokenizer.set_defaults(run=_train_tokenizer)
    for trained in (default, sibling):
        trained.add_argument("--tokenizer", type=Path, help="folder whose tokenizer is used; else one is learned")
        trained.add_argument(
            "--data", type=Path, required=True, help="packed radiographs, see python -m model.synthetic.radiographs"
        )
        trained.add_argument(
            "--out", type=Path, required=True, help="folder for checkpoint, log and state; resumed if it has one"
        )
        trained.add_argument(
            "--weights-of", type=Path, help="checkpoint of the same shape whose weights a new run begins with"
        )
        trained.add_argument("--steps", type=int, help="training steps in all")
        trained.add_argument("--learning-rate", type=float, help="the highest, after the warm-up")
        trained.add_argument("--batch", type=int, help="pictures a step, of each process")
        trained.add_argument("--cuts", type=int, help="in how many ways the report of each picture is cut")
        trained.add_argument("--minutes", type=float, help="stop after so long and go on at the next call")
        trained.add_argument("--seed", type=int, default=0)
        trained.add_argument("--workers", type=int, default=2, help="processes that write reports, of each process")
        trained.add_argument(
            "--device",
            default="cuda" if torch.cuda.is_available() else "cpu",
            help="started by torchrun, each process takes a GPU of its own, unless this is cpu",
        )
    _add_lora(what.add_parser("lora", help="a LoRA adapter of any DiffusionGemma or Gemma 4 checkpoint"))
    default.set_defaults(run=_train_default)
    sibling.set_defaults(run=_train_sibling)


def _add_lora(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="folder or hub id; by default the model that the repository ships")
    parser.add_argument("--recipe", type=Path, help="file in TOML, see docs/recipes")
    parser.add_argument(
        "--data", type=Path, nargs="+", help="folders, each a set of questions or of reports in its owner's files"
    )
    parser.add_argument("--out", type=Path, help="folder for adapter, log and state; resumed if it has one")
    parser.add_argument("--seed", type=_count, help="by default the recipe's first")
    parser.add_argument("--device", choices=["cpu"], help="by default what accelerate finds")
    parser.add_argument("--steps", type=_count, help="of this call, at most; the same command goes on from there")
    parser.add_argument(
        "--published",
        choices=["diffusion", "autoregressive"],
        help="instead, measure --steps steps of the published 26B shape with random weights; needs a GPU of 80 GB",
    )
    parser.add_argument("--json", type=Path, help="file for what --published measured")
    parser.set_defaults(run=_train_lora)


def _train_lora(options: argparse.Namespace) -> int:
    from model.training.lora.command import run_lora

    return run_lora(options)


def _train_default(options: argparse.Namespace) -> int:
    from model.training.small.default import train_default

    return _train(options, train_default)


def _train_sibling(options: argparse.Namespace) -> int:
    from model.training.small.sibling import train_sibling

    return _train(options, train_sibling)


def _train_tokenizer(options: argparse.Namespace) -> int:
    from model.synthetic.radiographs import load_radiographs
    from model.training.small.batches import learn_tokenizer
    from model.training.small.fresh import Shape
    from model.training.small.trainer import Recipe

    if not _is_pack(options.data):
        return 2
    questions = load_radiographs(options.data, "train").questions
    learned = learn_tokenizer(Shape().vocabulary, Recipe().tokenizer_reports, options.seed, questions)
    learned.save_pretrained(options.out)
    return 0


def _is_pack(data: Path) -> bool:
    if not data.is_file():
        print(f"python -m model: {data} is not a file of packed radiographs.", file=sys.stderr)
    return data.is_file()


def _train(options: argparse.Namespace, train: Callable[..., None]) -> int:
    from model.training.small.fresh import Shape
    from model.training.small.trainer import Recipe

    if not _is_pack(options.data):
        return 2
    if options.tokenizer is not None and not (options.tokenizer / "tokenizer.json").is_file():
        print(f"python -m model: {options.tokenizer} holds no tokenizer.", file=sys.stderr)
        return 2
    if options.weights_of is not None and not (options.weights_of / "config.json").is_file():
        print(f"python -m model: {options.weights_of} holds no checkpoint.", file=sys.stderr)
        return 2
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
    )
    return 0


# As model.evaluation.speed.steps has them; named here so that --help loads nothing.
SPEED_PARTS = ("warm-up", "steps", "sessions", "generate", "sentences", "whole", "curves", "compiled")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True)
    labels = what.add_parser("labels", help="held-out radiographs, drafted and asked about: are the findings seen")
    labels.add_argument("--limit", type=_count, default=150, help="radiographs of adults (default 150)")
    labels.add_argument("--children", type=_count, default=60, help="radiographs of children (default 60)")
    labels.add_argument(
        "--questions", type=_count, default=200, help="radiographs of each collection to ask about (default 200)"
    )
    infill = what.add_parser("infill", help="single sentences of held-out reports, drafted again")
    infill.add_argument(
        "--limit", type=_count, default=150, help="reports, with two gaps each; with --set with all kinds (default 150)"
    )
    infill.add_argument(
        "--set",
        type=Path,
        help="instead of --data: folder of a set of reports, in which gaps of every size are filled in every way",
    )
    infill.add_argument("--format", help="of --set; by default it is told by the names of its files")
    infill.add_argument(
        "--scores",
        default="",
        help="with --set: radgraph, chexbert, ratescore and green, with commas between, whose packages are installed",
    )
    infill.add_argument("--real", type=_count, default=300, help="reports of --reports, a gap each (default 300)")
    vqa = what.add_parser("vqa", help="questions about images, answered in words: of a pack, or of a set of questions")
    _add_questions(vqa)
    judge = what.add_parser("judge", help="how far a judge of answers agrees with people")
    judge.add_argument(
        "--verdicts", type=Path, required=True, help="file of people's verdicts in JSON lines, see docs/judge"
    )
    _add_judge(judge)
    judge.add_argument("--json", type=Path, help="file for the rows with intervals, settings and versions")
    judge.set_defaults(run=_evaluate)
    looked = what.add_parser("looked", help="maps of where the model looks, held against where findings were painted")
    looked.add_argument("--limit", type=_count, default=300, help="painted radiographs to look at (default 300)")
    speed = what.add_parser("speed", help="how fast drafts are, beside transformers' generate()")
    speed.add_argument("--limit", type=_count, default=200, help="reports with a sentence each (default 200)")
    speed.add_argument(
        "--published",
        action="store_true",
        help="the published 26B checkpoint's shape with random weights, instead of a checkpoint; needs a GPU of 80 GB",
    )
    speed.add_argument(
        "--bits", type=int, choices=[4, 8, 16], default=16, help="bits a weight of the experts of --published"
    )
    speed.add_argument(
        "--parts",
        type=lambda text: text.split(","),
        default=SPEED_PARTS,
        help=f"what to measure, with commas between, in this order: {','.join(SPEED_PARTS)} (default: all)",
    )
    speed.add_argument(
        "--compare",
        type=Path,
        help="folder of the autoregressive sibling: tokens a second and seconds an answer of both, and nothing else",
    )
    speed.add_argument("--plots", type=Path, help="folder for the plots, an SVG each")
    report = what.add_parser("report", help="one Markdown and one HTML file of saved evaluations")
    report.add_argument("results", type=Path, nargs="+", help="files that evaluate --json wrote")
    report.add_argument("--out", type=Path, required=True, help="folder for report.md, report.html and the plots")
    report.add_argument("--title", default="Evaluation", help="the report's heading")
    report.set_defaults(run=_report)
    for evaluate in (labels, infill):
        evaluate.add_argument(
            "--reports",
            type=Path,
            help="folder of the Indiana collection's XML reports, of which those with an even number are read",
        )
    for evaluate in (infill, vqa):
        evaluate.add_argument("--sibling", type=Path, help="folder of the autoregressive sibling, as a baseline")
    for evaluate in (labels, infill, looked):
        evaluate.add_argument(
            "--data",
            type=Path,
            required=evaluate is not infill,
            help="packed radiographs, see python -m model.synthetic.radiographs",
        )
    for evaluate in (labels, infill, vqa):
        evaluate.add_argument(
            "--blank", type=_count, default=80, help="of these once more with a blank image (default 80)"
        )
        evaluate.add_argument("--drafts", type=Path, help="file for every draft, a line of JSON each")
        evaluate.add_argument(
            "--kept",
            type=Path,
            help="file that keeps what is finished, a line of JSON each, where the same command goes on if it was "
            "stopped; vqa with --questions goes on at --drafts",
        )
        evaluate.add_argument("--together", type=_count, default=1, help="drafts under way at a time (default 1)")
    for evaluate in (labels, infill, vqa, speed):
        evaluate.add_argument("--steps", type=_count, help="at most so many denoising steps a draft")
    for evaluate in (labels, infill, vqa, looked, speed):
        evaluate.add_argument("--model", help="folder or hub id; by default the model that the repository ships")
        evaluate.add_argument("--adapter", help="folder or hub id of a PEFT adapter")
        evaluate.add_argument("--seed", type=_count, default=0)
        evaluate.add_argument("--json", type=Path, help="file for the rows with intervals, settings and versions")
        evaluate.set_defaults(run=_evaluate)


def _add_questions(vqa: argparse.ArgumentParser) -> None:
    asked = vqa.add_mutually_exclusive_group(required=True)
    asked.add_argument("--data", type=Path, help="packed radiographs, see python -m model.synthetic.radiographs")
    asked.add_argument(
        "--questions", type=Path, help="folder of a set of questions in its owner's files: VQA-RAD, SLAKE, VQA-Med 2019"
    )
    vqa.add_argument("--limit", type=_count, help="painted radiographs to ask about (default 150); images of a set")
    of_sets = vqa.add_argument_group("with --questions")
    of_sets.add_argument("--format", help="of the set's files, where their names do not tell")
    of_sets.add_argument(
        "--part", choices=["train", "validation", "test", "all"], help="which of the owner's parts (default test)"
    )
    of_sets.add_argument(
        "--split-seed", type=_count, help="split the set by image with this seed, 8 to 1 to 1, instead of as its owner"
    )
    of_sets.add_argument(
        "--held-out-of",
        help="a recipe of train lora: instead, the questions about the images that it holds out",
    )
    of_sets.add_argument("--sibling-adapter", help="folder of a PEFT adapter of --sibling")
    of_sets.add_argument(
        "--against",
        type=Path,
        action="append",
        help="folder of another checkpoint, or of another adapter of --model, to compare with; may be given again",
    )
    _add_judge(of_sets)


def _add_judge(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--judge",
        help="a language model that says whether an answer is right: the address of a server that speaks the OpenAI "
        "protocol, such as http://127.0.0.1:8000/v1, or the folder or hub id of a causal language model. It is sent "
        "the question, the reference and the answer's final claim; images are never sent, and nothing goes anywhere "
        "else, not through a proxy and not where the server redirects to",
    )
    parser.add_argument("--judge-model", help="the judge's name at that address")
    parser.add_argument("--judge-key-env", metavar="NAME", help="environment variable that holds the key for it")
    parser.add_argument("--judge-tokens", type=_count, default=64, help="tokens of a verdict at most (default 64)")
    parser.add_argument("--judge-timeout", type=float, default=120.0, help="seconds for one verdict (default 120)")
    parser.add_argument(
        "--judge-tries", type=_count, default=6, help="how often to ask a server that fails, ever later (default 6)"
    )
    parser.add_argument("--judge-together", type=_count, default=4, help="verdicts under way at a time (default 4)")
    parser.add_argument(
        "--judged", type=Path, help="file that keeps every verdict, a line of JSON each; the same command goes on there"
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of the set, as its owners lay it out")
    parser.add_argument("--against", type=Path, help="folder of a second set, to find what both hold")
    parser.add_argument("--format", help="of the first set; by default it is told by the names of its files")
    parser.add_argument("--json", type=Path, help="file for the counts and every shared image, question and report")
    parser.set_defaults(run=_data)


def _data(options: argparse.Namespace) -> int:
    from model.sets.command import data
    from model.sets.files import SetError

    try:
        findings = data(options)
        print(findings.text())
        if options.json:
            findings.save(options.json)
    except SetError as error:
        print(f"python -m model: {error}", file=sys.stderr)
        return 2
    return 0


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError
    return count


def _evaluate(options: argparse.Namespace) -> int:
    from model.evaluation.command import evaluate
    from model.evaluation.record import EvaluationError
    from model.network.loading import ModelError

    try:
        print(evaluate(options).table())
    except (EvaluationError, ModelError) as error:
        print(f"python -m model: {error}", file=sys.stderr)
        return 2
    return 0


def _report(options: argparse.Namespace) -> int:
    from model.evaluation.publish.report import write_report
    from model.evaluation.record import EvaluationError

    try:
        for path in write_report(options.results, options.out, options.title):
            print(path)
    except EvaluationError as error:
        print(f"python -m model: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
