"""What `evaluate vqa --questions` and `evaluate judge` do with their options: load, ask, judge, save.

This module knows nothing of how anything is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import torch
import transformers

from drafting.engine import DraftSettings
from drafting.study import Study
from model.engine.local import LocalEngine, drafts_that_fit
from model.evaluation.judge.endpoint import Endpoint, EndpointError, Message, Patience
from model.evaluation.judge.judging import judge_rows, load_verdicts, probes
from model.evaluation.judge.verdict import PROMPT_VERSION, Answered, Judge, Verdict, judged
from model.evaluation.ledger import Ledger
from model.evaluation.record import Evaluation, EvaluationError, Versions, evaluation, weights_hash
from model.evaluation.reports.studies import finished
from model.evaluation.vqa.set_answers import (
    Answer,
    Contender,
    SetSettings,
    answer_all,
    answers_kept,
    checksum,
    chosen_questions,
)
from model.evaluation.vqa.set_vqa import answered_of, set_rows
from model.network.loading import DEFAULT_MODEL, DraftingModel, ModelError, load

SIBLING = "autoregressive sibling"


class _ServedJudge:
    """A model of a server as a judge; verdicts are kept by its name and its address."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.name = f"{endpoint.model} at {endpoint.url}"

    def reply(self, messages: Sequence[Message]) -> str:
        return self._endpoint.reply(messages)


def evaluate_set(options: argparse.Namespace) -> Evaluation:
    """Answer a set's questions, judge the answers, compare. Raises EvaluationError or ModelError."""
    if options.held_out_of and (options.part or options.split_seed is not None):
        raise EvaluationError("--held-out-of has part and split from its recipe: leave out --part and --split-seed.")
    settings = SetSettings(
        options.part or "test",
        options.split_seed,
        options.held_out_of,
        options.limit,
        options.blank,
        options.seed,
        options.steps,
        options.together,
    )
    if options.judge and not (options.judged and options.drafts):
        raise EvaluationError("--judge needs --drafts and --judged, so that nothing is lost where it fails.")
    if options.kept:
        raise EvaluationError("--kept goes with --data; with --questions what is answered is kept in --drafts.")
    if options.together < 1:
        raise EvaluationError("At least one answer must be under way at a time.")
    images, asked = chosen_questions(options.questions, options.format, settings)
    with ExitStack() as opened:
        judge = opened.enter_context(_judge(options)) if options.judge else None
        verdicts_kept = opened.enter_context(Ledger(options.judged)) if judge else None
        started = time.monotonic()
        contenders, described = _contenders(options)
        kept = opened.enter_context(answers_kept(options.drafts, asked, contenders, settings))
        said = answer_all(asked, contenders, settings, kept)
        verdicts: dict[Answered, Verdict] | None = None
        if judge and verdicts_kept:
            verdicts = judged(answered_of(asked, said), judge, verdicts_kept, options.judge_together, _told)
    rows = set_rows(images, asked, [one.label for one in contenders], said, verdicts)
    told: dict[str, int | str | None] = {
        **{name: str(value) if isinstance(value, float) else value for name, value in asdict(settings).items()},
        "questions": len(asked),
        **{f"model {one.label}": json.dumps(dict(one.identity)) for one in contenders[1:]},
        "judge": judge.name if judge else None,
        "judge_prompt": PROMPT_VERSION if judge else None,
    }
    return replace(
        described,
        data_sha256=checksum(asked),
        settings=told,
        seconds=round(time.monotonic() - started, 1),
        rows=tuple(rows),
    )


def evaluate_judge(options: argparse.Namespace) -> Evaluation:
    """Measure exact match, and a judge where one is named, against people's verdicts. Raises EvaluationError."""
    if options.judge and not options.judged:
        raise EvaluationError("--judge needs --judged, a file for its verdicts, so that none is lost where it fails.")
    lines = load_verdicts(options.verdicts)
    made = probes(lines)
    name, verdicts = "", None
    started = time.monotonic()
    with ExitStack() as opened:
        if options.judge:
            judge = opened.enter_context(_judge(options))
            kept = opened.enter_context(Ledger(options.judged))
            answers = [*(line.answered for line in lines), *(probe.answered for probe in made)]
            name, verdicts = judge.name, judged(answers, judge, kept, options.judge_together, _told)
    return Evaluation(
        name="judge",
        command=options.typed,
        model=name or "exact match alone",
        weights_sha256=None,
        adapter_sha256=None,
        sibling_sha256=None,
        data_sha256=sha256(options.verdicts.read_bytes()).hexdigest(),
        reports_sha256=None,
        device=options.judge if "://" in (options.judge or "") else f"CPU, {torch.get_num_threads()} threads",
        settings={"judge": name or None, "judge_prompt": PROMPT_VERSION, "lines": len(lines), "probes": len(made)},
        sampler=None,
        versions=Versions(torch.__version__, transformers.__version__, platform.python_version()),
        seconds=round(time.monotonic() - started, 1),
        rows=tuple(judge_rows(name, lines, made, verdicts)),
    )


def _told(done: int, of: int) -> None:
    if done % 10 == 0 or done == of:
        print(f"verdicts: {done} of {of}", file=sys.stderr, flush=True)


@contextmanager
def _judge(options: argparse.Namespace) -> Iterator[Judge]:
    """The judge that was named: a server by its address, else a folder or hub id."""
    if "://" not in options.judge:
        if options.judge_model or options.judge_key_env:
            raise EvaluationError(
                f"{options.judge} is no address of a server: --judge-model and --judge-key-env do not go with it."
            )
        from model.evaluation.judge.local_judge import LocalJudge

        yield LocalJudge(options.judge, options.judge_tokens)
        return
    if not options.judge_model:
        raise EvaluationError("--judge with an address needs --judge-model, the name of the model there.")
    key = None
    if options.judge_key_env:
        key = os.environ.get(options.judge_key_env, "").strip()
        if not key:
            raise EvaluationError(f"The environment has no {options.judge_key_env} that would hold the judge's key.")
    patience = Patience(options.judge_timeout, options.judge_tries)
    try:
        with Endpoint(options.judge, options.judge_model, key, options.judge_tokens, patience) as endpoint:
            yield _ServedJudge(endpoint)
    except EndpointError as error:
        raise EvaluationError(str(error)) from error


def _contenders(options: argparse.Namespace) -> tuple[list[Contender], Evaluation]:
    """The models that were named, the first one described as every evaluation is."""
    # Told before the first model is loaded, which may take minutes.
    others = [_sibling(SIBLING, str(options.sibling), options.sibling_adapter)] if options.sibling else []
    if options.sibling_adapter and not options.sibling:
        raise EvaluationError("--sibling-adapter needs --sibling, the model that it belongs to.")
    others += [_against(folder, options.model) for folder in options.against or ()]
    labels = [one.label for one in others]
    if len(set(labels)) < len(labels):
        raise EvaluationError("Two of the models to compare have the same name.")
    first = load(options.model, options.adapter)
    described = evaluation(
        "vqa", options.typed, first, options.model, options.adapter, None, {}, 0.0, [], sibling=options.sibling
    )
    identity = {
        "name": described.model,
        "weights_sha256": described.weights_sha256,
        "adapter_sha256": described.adapter_sha256,
    }
    # Taken out when it is used, so that the next model finds the memory free.
    waiting = [first]
    del first
    main = Contender("", identity, lambda together: _diffusion(waiting.pop(), together), waiting.clear)
    return [main, *others], described


def _against(folder: Path, model: str | None) -> Contender:
    """An adapter of the first model's checkpoint, or a checkpoint of either family."""
    if (folder / "adapter_config.json").is_file():
        identity = {"name": folder.name, **_hashes(model if model is not None else str(DEFAULT_MODEL), str(folder))}
        return Contender(str(folder), identity, lambda together: _diffusion(load(model, folder), together))
    try:
        family = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{folder} holds neither an adapter nor a checkpoint.") from error
    if family == "gemma4":
        return _sibling(str(folder), str(folder), None)
    identity = {"name": folder.name, **_hashes(str(folder), None)}
    return Contender(str(folder), identity, lambda together: _diffusion(load(folder), together))


def _hashes(weights: str, adapter: str | None) -> dict[str, str | None]:
    try:
        return {
            "weights_sha256": weights_hash(weights),
            "adapter_sha256": weights_hash(adapter) if adapter is not None else None,
        }
    # A name that is none, or a hub id of which nothing is here yet.
    except (OSError, ValueError) as error:
        raise ModelError(f"The weights of {adapter or weights} are not on this machine.") from error


def _diffusion(model: DraftingModel, together: int) -> tuple[Answer, int]:
    engine = LocalEngine(model)

    def answer(study: Study, question: str, settings: DraftSettings) -> str:
        try:
            return "".join(finished(engine.answer(study, question, settings)).texts.values())
        finally:
            engine.release(study)

    return answer, drafts_that_fit(together, model)


def _sibling(label: str, folder: str, adapter: str | None) -> Contender:
    if not Path(folder).is_dir():
        raise ModelError(f"{folder} is not a folder with a sibling's checkpoint.")

    def opened(_: int) -> tuple[Answer, int]:
        from model.network.sibling import load_sibling

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        sibling = load_sibling(folder, device=device, adapter=adapter, dtype=dtype)
        # It computes in the thread that asks: more than one would only fight for the cores.
        return lambda study, question, _: sibling.answer(study, question), 1

    identity = {"name": Path(folder).name, **_hashes(folder, adapter)}
    return Contender(label, identity, opened)
