"""What `python -m model evaluate` does with its options: load, evaluate, save.

This module knows nothing of how anything is measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import torch

from model.engine.windows import WIDENINGS, drafts_that_fit
from model.evaluation.engine import EvaluationEngine
from model.evaluation.ledger import Ledger
from model.evaluation.publish.plots import plot_curves
from model.evaluation.reading.indiana import even_files, read_report
from model.evaluation.record import Evaluation, EvaluationError, Row, evaluation, weights_hash
from model.evaluation.reports.infill import InfillSettings, evaluate_infill
from model.evaluation.reports.labels import LabelsSettings, evaluate_labels
from model.evaluation.reports.looked import LookedSettings, evaluate_looked
from model.evaluation.reports.studies import held_out_radiographs
from model.evaluation.speed.steps import COMPARE, PARTS, SpeedSettings, curve_rows, evaluate_speed
from model.evaluation.vqa.command import evaluate_judge, evaluate_set
from model.evaluation.vqa.vqa import VqaSettings, evaluate_vqa
from model.network.loading import DEFAULT_MODEL, DraftingModel, load
from model.network.published import published_config, random_model

if TYPE_CHECKING:
    from model.evaluation.sibling import Sibling


def evaluate(options: argparse.Namespace) -> Evaluation:
    """Run the evaluation that the options ask for. Raises EvaluationError or ModelError for what cannot be used."""
    for path in (getattr(options, name, None) for name in ("json", "drafts", "judged", "kept")):
        # Looked at before the work, so that a wrong path is told at once.
        if path and not path.parent.is_dir():
            raise EvaluationError(f"{path.parent} is not a folder to write into.")
    commands = {"speed": _speed, "looked": _looked, "judge": evaluate_judge}
    if options.what == "vqa" and options.questions:
        commands["vqa"] = evaluate_set
    if options.what == "infill":
        _one_of_data_and_set(options)
        if options.set:
            commands["infill"] = _gaps
    done = commands.get(options.what, _drafts)(options)
    if options.json:
        _save(done, options.json)
    return done


def _save(done: Evaluation, path: Path) -> None:
    try:
        done.save(path)
    except OSError as error:
        # What was measured is not lost with the file.
        print(done.table())
        raise EvaluationError(f"{path} cannot be written: {error.strerror}.") from error


def _drafts(options: argparse.Namespace) -> Evaluation:
    if options.together < 1:
        raise EvaluationError("At least one draft must be under way at a time.")
    radiographs = held_out_radiographs(options.data)
    files = even_files(options.reports) if getattr(options, "reports", None) else []
    real = [report for path in files if (report := read_report(path))]
    with ExitStack() as opened:
        drafts = _opened(options.drafts, opened)
        drafting_model = load(options.model, options.adapter)
        sibling = _sibling(getattr(options, "sibling", None), drafting_model.device)
        engine, sibling = _keeping(options, EvaluationEngine(drafting_model), drafting_model, sibling, opened)
        together = drafts_that_fit(options.together, drafting_model)
        common = {"seed": options.seed, "steps": options.steps, "together": together}
        started = time.monotonic()
        settings: LabelsSettings | InfillSettings | VqaSettings
        rows: list[Row]
        if options.what == "labels":
            settings = LabelsSettings(options.limit, options.children, options.blank, options.questions, **common)
            rows = evaluate_labels(engine, radiographs, settings, drafts, [report.text for report in real])
        elif options.what == "vqa":
            for_sets = ("format", "part", "split_seed", "held_out_of", "against", "sibling_adapter", "judge")
            if given := [name for name in for_sets if getattr(options, name) is not None]:
                raise EvaluationError(f"--{given[0].replace('_', '-')} goes with --questions, not with --data.")
            limit = {} if options.limit is None else {"limit": options.limit}
            settings = VqaSettings(blank=options.blank, **limit, **common)
            rows = evaluate_vqa(engine, radiographs, settings, drafts, sibling)
        else:
            settings = InfillSettings(options.limit, options.blank, options.real, **common)
            rows = evaluate_infill(engine, drafting_model, radiographs, settings, drafts, sibling, real)
    return evaluation(
        options.what,
        options.typed,
        drafting_model,
        options.model,
        options.adapter,
        options.data,
        asdict(settings),
        time.monotonic() - started,
        rows,
        sibling=getattr(options, "sibling", None),
        reports=files,
    )


def _looked(options: argparse.Namespace) -> Evaluation:
    radiographs = held_out_radiographs(options.data)
    drafting_model = load(options.model, options.adapter)
    settings = LookedSettings(options.limit, options.seed)
    started = time.monotonic()
    rows = evaluate_looked(EvaluationEngine(drafting_model), radiographs, settings)
    return evaluation(
        "looked",
        options.typed,
        drafting_model,
        options.model,
        options.adapter,
        options.data,
        asdict(settings),
        time.monotonic() - started,
        rows,
    )


def _one_of_data_and_set(options: argparse.Namespace) -> None:
    if (options.data is None) == (options.set is None):
        raise EvaluationError("infill needs --data, or --set for gaps of every size in a set's reports; not both.")
    if options.set and options.reports:
        raise EvaluationError("--reports goes with --data, not with --set.")
    if not options.set and (options.format or options.scores):
        raise EvaluationError("--format and --scores go with --set, not with --data.")


def _gaps(options: argparse.Namespace) -> Evaluation:
    from model.evaluation.reports.foreign import load_scores
    from model.evaluation.reports.gaps import GapsSettings, chosen_reports, evaluate_gaps, part_of, read_set

    if options.together < 1:
        raise EvaluationError("At least one draft must be under way at a time.")
    held = read_set(options.set, options.format)
    part = part_of(held)
    scores = load_scores([name for name in options.scores.split(",") if name])
    with ExitStack() as opened:
        drafts = _opened(options.drafts, opened)
        drafting_model = load(options.model, options.adapter)
        sibling = _sibling(options.sibling, drafting_model.device)
        reports = chosen_reports(held.of(part), options.limit, options.seed, drafting_model)
        if not reports:
            raise EvaluationError(f"{options.set} has no report that the model has room for.")
        together = drafts_that_fit(options.together, drafting_model)
        settings = GapsSettings(
            options.limit,
            str(options.set),
            held.name,
            part,
            options.scores,
            options.seed,
            options.steps,
            together,
        )
        started = time.monotonic()
        rows: list[Row] = []
        done: Evaluation | None = None
        engine, sibling = _keeping(options, EvaluationEngine(drafting_model), drafting_model, sibling, opened)
        for more in evaluate_gaps(engine, reports, settings, drafts, sibling, scores):
            rows += more
            measured = evaluation(
                "gaps",
                options.typed,
                drafting_model,
                options.model,
                options.adapter,
                None,
                asdict(settings),
                time.monotonic() - started,
                rows,
                sibling=options.sibling,
            )
            done = replace(measured, reports_sha256=held.sha256)
            if options.json:
                # After each kind of gap, so that what is done is not lost.
                _save(done, options.json)
    if done is None:
        raise EvaluationError(f"{options.set} has no report with room for a gap.")
    return done


def _keeping(
    options: argparse.Namespace,
    engine: EvaluationEngine,
    drafting_model: DraftingModel,
    sibling: Sibling | None,
    opened: ExitStack,
) -> tuple[EvaluationEngine, Sibling | None]:
    """The two as they are, or, where a file is named for it, with what they finish kept there."""
    if options.kept is None:
        return engine, sibling
    from model.evaluation.kept import Kept, KeptEngine, KeptSibling, code_sha256

    made_by = {
        "weights": weights_hash(options.model if options.model is not None else str(DEFAULT_MODEL)),
        "adapter": weights_hash(options.adapter) if options.adapter is not None else None,
        "sibling": weights_hash(str(options.sibling)) if sibling else None,
        "sampler": asdict(engine.settings),
        "code": code_sha256(),
        "device": drafting_model.device.type,
    }
    kept = Kept(opened.enter_context(Ledger(options.kept, made_by)))
    return KeptEngine.of(engine, kept), KeptSibling.of(sibling, kept) if sibling else None


def _sibling(folder: Path | None, device: torch.device) -> Sibling | None:
    if folder is None:
        return None
    from model.evaluation.sibling import load_sibling

    return load_sibling(folder, device=device)


def _speed(options: argparse.Namespace) -> Evaluation:
    if options.plots and not options.plots.is_dir():
        raise EvaluationError(f"{options.plots} is not a folder to write into.")
    if unknown := set(options.parts) - set(PARTS):
        raise EvaluationError(f"There is no part {', '.join(sorted(unknown))} of speed; there are {', '.join(PARTS)}.")
    if options.compare and options.published:
        raise EvaluationError("--compare needs a checkpoint beside the sibling's, not --published.")
    widenings = 0 if options.published else WIDENINGS
    settings = SpeedSettings(options.limit, options.seed, options.steps, widenings)
    drafting_model = _published(options.bits) if options.published else load(options.model, options.adapter)
    started = time.monotonic()
    done: Evaluation | None = None
    sibling = _sibling(options.compare, drafting_model.device)
    parts = (COMPARE,) if sibling else options.parts
    for speed in evaluate_speed(drafting_model, settings, parts, sibling):
        seconds = time.monotonic() - started
        said = f"speed: {len(speed.rows)} rows and {len(speed.curves)} curves after {seconds:.0f} s"
        print(said, file=sys.stderr, flush=True)
        done = evaluation(
            "speed",
            options.typed,
            drafting_model,
            options.model,
            options.adapter,
            None,
            asdict(settings),
            seconds,
            [*speed.rows, *curve_rows(speed.curves)],
            random_weights=options.published,
            sibling=options.compare,
        )
        if options.json:
            done.save(options.json)
        if options.plots:
            plot_curves(speed.curves, options.plots, drafting_model.name)
    assert done is not None
    return done


def _published(bits: int) -> DraftingModel:
    if not torch.cuda.is_available():
        raise EvaluationError("The published shape has 52 GB of weights: --published needs a GPU.")
    return random_model(
        published_config(), torch.device("cuda"), torch.bfloat16, f"26B shape, random weights, {bits} bits", bits
    )


def _opened(path: Path | None, files: ExitStack) -> TextIO | None:
    try:
        return files.enter_context(path.open("w", encoding="utf-8")) if path else None
    except OSError as error:
        raise EvaluationError(f"{path} cannot be written: {error.strerror}.") from error
