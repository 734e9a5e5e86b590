"""Drafting from the command line: `python -m drafting draft IMAGE REPORT.txt`.

An entry point: it knows both the drafting side and the engine, and wires them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn, TextIO

from drafting.engine import Draft, DraftSettings, Engine, EngineError, Frame
from drafting.exports import EXPORTS
from drafting.exports.text import NOTICE
from drafting.imaging.open import open_study
from drafting.report import Report, ReportError, merge_draft, parse_markup
from drafting.study import StudyError

WRONG_INPUT = 2
USUAL_EXPORT = "text"


class InputError(ValueError):
    """Something the user named cannot be used; the message is one line."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f"python -m drafting: {message}\n")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A draft and the report that it makes."""

    draft: Draft
    report: Report


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m drafting", description=f"Draft radiology reports. {NOTICE}")
    commands = parser.add_subparsers(dest="command", required=True)
    draft = commands.add_parser("draft", help="fill the open spans of a report from an image")
    draft.add_argument("image", type=Path, metavar="IMAGE", help="DICOM, PNG or JPEG")
    draft.add_argument(
        "report", type=Path, metavar="REPORT.txt", help="open spans in [[ ]], [[]] is a gap; the rest is locked"
    )
    draft.add_argument("--seed", type=int, default=0, help="the same seed gives the same draft (default: 0)")
    draft.add_argument("--steps", type=int, help="at most this many denoising steps (default: the model's own)")
    draft.add_argument(
        "--samples", type=int, default=1, help="draft this many times with rising seeds and print the likeliest"
    )
    draft.add_argument(
        "--strength",
        type=float,
        default=1.0,
        help="share of an open span's tokens to rewrite, 0 to 1 (default); the least probable first",
    )
    draft.add_argument("--indication", default="", help="reason for the examination; the model reads it")
    form = draft.add_mutually_exclusive_group()
    form.add_argument("--export", choices=sorted(EXPORTS), help=f"form of the report (default: {USUAL_EXPORT})")
    form.add_argument("--json", action="store_true", help="print one JSON object")
    draft.add_argument(
        "--frames", type=Path, metavar="FILE.jsonl", help="write every frame to this file, one on each line"
    )
    draft.add_argument(
        "--model", metavar="DIR_OR_HUB_ID", help="a DiffusionGemma checkpoint (default: the model in this repository)"
    )
    draft.add_argument("--adapter", metavar="DIR_OR_HUB_ID", help="a PEFT adapter for it")
    options = parser.parse_args(arguments)
    try:
        _draft(options)
    except (InputError, ReportError, StudyError, EngineError) as error:
        print(f"python -m drafting: {error}", file=sys.stderr)
        return WRONG_INPUT
    return 0


def _draft(options: argparse.Namespace) -> None:
    if not 1 <= options.samples <= 64:
        raise InputError("The number of samples must be from 1 to 64.")
    try:
        settings = DraftSettings(options.seed, options.steps, options.strength)
        DraftSettings(options.seed + options.samples - 1)
    except ValueError as error:
        raise InputError(str(error)) from error
    report = _read_report(options.report)
    study = open_study(options.image)
    with ExitStack() as files:
        frames = None
        if options.frames:
            try:
                frames = files.enter_context(options.frames.open("w", encoding="utf-8", newline="\n"))
            except OSError as error:
                raise InputError(f"The frames file cannot be written: {error.strerror}.") from error
        engine = _engine(options.model, options.adapter)
        drafts = _follow(engine.alternatives(study, report, options.samples, settings, options.indication), frames)
    outcomes = [Outcome(draft, merge_draft(report, draft.texts)) for draft in drafts]
    if options.json:
        best = _as_json(outcomes[0])
        if len(outcomes) > 1:
            best["alternatives"] = [_as_json(outcome) for outcome in outcomes[1:]]
        output = json.dumps(best | {"notice": NOTICE}, ensure_ascii=False) + "\n"
    else:
        output = EXPORTS[options.export or USUAL_EXPORT](outcomes[0].report)
    # As bytes, because the terminal's encoding and line ends must not touch locked text.
    sys.stdout.buffer.write(output.encode("utf-8"))
    sys.stdout.buffer.flush()


def _read_report(path: Path) -> Report:
    try:
        markup = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"The report cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"The report is not UTF-8 text (byte {error.start}).") from error
    return parse_markup(markup)


def _engine(model: str | None, adapter: str | None) -> Engine:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Loaded only now, so that a wrong report or image is told at once.
    from model.engine.local import LocalEngine
    from model.network.loading import ModelError

    try:
        return LocalEngine.load(model, adapter)
    except ModelError as error:
        raise InputError(str(error)) from error


def _follow(run: Generator[tuple[Frame, ...], None, tuple[Draft, ...]], frames: TextIO | None) -> tuple[Draft, ...]:
    """Drain a run into its drafts, writing each frame as it comes; of several drafts with the number of its own."""
    written: dict[int, int] = {}
    while True:
        try:
            newest = next(run)
        except StopIteration as end:
            return end.value
        for sample, frame in enumerate(newest):
            if not frames or written.get(sample) == frame.step:
                continue
            written[sample] = frame.step
            pieces = {id: [asdict(piece) for piece in shown] for id, shown in frame.pieces.items()}
            line: dict[str, object] = {
                "step": frame.step,
                "steps": frame.steps,
                "seconds": frame.seconds,
                "spans": pieces,
            }
            if len(newest) > 1:
                line["sample"] = sample
            frames.write(json.dumps(line, ensure_ascii=False) + "\n")
            frames.flush()


def _as_json(outcome: Outcome) -> dict[str, object]:
    draft, report = outcome.draft, outcome.report
    return {
        "report": report.text,
        "spans": [{"text": span.text, "locked": span.locked, "author": span.author} for span in report.spans],
        "steps": draft.steps,
        "seconds": round(draft.seconds, 3),
        "seed": draft.seed,
        "model": draft.model,
    }


if __name__ == "__main__":
    sys.exit(main())
