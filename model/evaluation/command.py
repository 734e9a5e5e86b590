"""What `python -m model evaluate` does with its options: load, evaluate, save.

This module knows nothing of how anything is measured.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from model.evaluation.infill import InfillSettings, evaluate_infill
from model.evaluation.labels import LabelsSettings, evaluate_labels
from model.evaluation.record import Evaluation, EvaluationError, Row, evaluation
from model.evaluation.studies import held_out_radiographs
from model.loading import load
from model.local_engine import LocalEngine


def evaluate(options: argparse.Namespace) -> Evaluation:
    """Run the evaluation that the options ask for. Raises EvaluationError or ModelError for what cannot be used."""
    radiographs = held_out_radiographs(options.data)
    with ExitStack() as files:
        # Opened before the work, so that a wrong path is told at once.
        for path in (options.json, options.drafts):
            if path and not path.parent.is_dir():
                raise EvaluationError(f"{path.parent} is not a folder to write into.")
        drafts = _opened(options.drafts, files)
        drafting_model = load(options.model, options.adapter)
        started = time.monotonic()
        settings: LabelsSettings | InfillSettings
        rows: list[Row]
        if options.what == "labels":
            settings = LabelsSettings(options.limit, options.children, options.blank, options.seed, options.steps)
            rows = evaluate_labels(LocalEngine(drafting_model), radiographs, settings, drafts)
        else:
            settings = InfillSettings(options.limit, options.blank, options.seed, options.steps)
            rows = evaluate_infill(drafting_model, radiographs, settings, drafts)
    done = evaluation(
        options.what,
        drafting_model,
        options.model,
        options.adapter,
        options.data,
        asdict(settings),
        time.monotonic() - started,
        rows,
    )
    if options.json:
        done.save(options.json)
    return done


def _opened(path: Path | None, files: ExitStack) -> TextIO | None:
    try:
        return files.enter_context(path.open("w", encoding="utf-8")) if path else None
    except OSError as error:
        raise EvaluationError(f"{path} cannot be written: {error.strerror}.") from error
