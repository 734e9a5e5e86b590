"""The models that answer, as the command line names them. Knows nothing of questions."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from drafting.engine import DraftSettings
from drafting.study import Study
from model.engine.windows import drafts_that_fit
from model.evaluation.engine import EvaluationEngine
from model.evaluation.record import EvaluationError, weights_hash
from model.evaluation.reports.studies import finished
from model.evaluation.sibling import load_sibling
from model.evaluation.task import Context
from model.evaluation.vqa.answers import Answer, Contender
from model.evaluation.vqa.questions import VqaSettings
from model.network.loading import DEFAULT_MODEL, DraftingModel, ModelError, load

SIBLING = "autoregressive sibling"


def contenders_of(context: Context[VqaSettings]) -> list[Contender]:
    """The models that were named; what the first one is, is put into the record.

    Raises EvaluationError or ModelError, before a model is loaded, which may take minutes.
    """
    options = context.options
    others = [_sibling(context, SIBLING, str(options.sibling), options.sibling_adapter)] if options.sibling else []
    if options.sibling_adapter and not options.sibling:
        raise EvaluationError("--sibling-adapter needs --sibling, the model that it belongs to.")
    others += [_against(context, folder, options.model) for folder in options.against or ()]
    labels = [one.label for one in others]
    if len(set(labels)) < len(labels):
        raise EvaluationError("Two of the models to compare have the same name.")
    name = context.model.name
    if options.sibling:
        context.note(sibling_sha256=others[0].identity["weights_sha256"])
    hashes = {"weights_sha256": context.record.weights_sha256, "adapter_sha256": context.record.adapter_sha256}
    identity = {"name": name, **hashes}

    def dropped() -> None:
        context.let_go()

    def first(together: int) -> tuple[Answer, int]:
        # The next model finds the memory free.
        engine, model = context.engine, context.let_go()
        return _answering(engine), drafts_that_fit(together, model)

    return [Contender("", identity, first, dropped), *others]


def _against(context: Context, folder: Path, model: str | None) -> Contender:
    """An adapter of the first model's checkpoint, or a checkpoint of either family."""
    if (folder / "adapter_config.json").is_file():
        identity = {"name": folder.name, **_hashes(model if model is not None else str(DEFAULT_MODEL), str(folder))}
        return Contender(str(folder), identity, lambda together: _diffusion(load(model, folder), together))
    try:
        family = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{folder} contains neither an adapter nor a checkpoint.") from error
    if family == "gemma4":
        return _sibling(context, str(folder), str(folder), None)
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
    return _answering(EvaluationEngine(model)), drafts_that_fit(together, model)


def _answering(engine: EvaluationEngine) -> Answer:
    def answer(study: Study, question: str, settings: DraftSettings) -> str:
        try:
            return "".join(finished(engine.answer(study, question, settings)).texts.values())
        finally:
            engine.release(study)

    return answer


def _sibling(context: Context, label: str, folder: str, adapter: str | None) -> Contender:
    if not Path(folder).is_dir():
        raise ModelError(f"{folder} is not a folder with a sibling's checkpoint.")

    def opened(_: int) -> tuple[Answer, int]:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        sibling = context.keeping_sibling(load_sibling(folder, device=device, adapter=adapter, dtype=dtype))
        # It computes in the thread that asks: more than one would only fight for the cores.
        return lambda study, question, _: sibling.answer(study, question), 1

    identity = {"name": Path(folder).name, **_hashes(folder, adapter)}
    return Contender(label, identity, opened)
