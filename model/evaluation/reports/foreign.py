"""Scores of third-party packages that the user has installed, with their own weights.

RadGraph-F1 (`radgraph`; Delbrouck et al., Findings of EMNLP 2022), CheXbert (`f1chexbert`; Smit et al., EMNLP 2020),
RaTEScore (Zhao et al., EMNLP 2024) and GREEN (`green-score`; Ostmeier et al., Findings of EMNLP 2024). Called as their
READMEs show it, one line a score. Not run here: none of the packages is installed with this repository, and the tests
put stand-ins with the same interface in their place. This module knows nothing of gaps and models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

import torch

from model.evaluation.record import EvaluationError
from model.evaluation.statistics import Estimate, f1, mean

# Of candidates and references, one a report each.
Score = Callable[[Sequence[str], Sequence[str]], Estimate]

GREEN_MODEL = "StanfordAIMI/GREEN-radllama2-7b"
# What a package or its weights may raise where they do not fit this machine.
_FAILURES = (ImportError, OSError, RuntimeError, ValueError, TypeError, AttributeError, KeyError, IndexError)


def _radgraph(module: Any) -> Score:
    """The partial reward: entities, and whether each has a relation."""
    scorer = module.F1RadGraph(reward_level="partial")

    def score(candidates: Sequence[str], references: Sequence[str]) -> Estimate:
        _, rewards, *_ = scorer(hyps=list(candidates), refs=list(references))
        return mean(_one_each(rewards, candidates))

    return score


def _chexbert(module: Any) -> Score:
    """Micro-averaged F1 of the fourteen labels, uncertain ones counted as positive, as the package has it."""
    scorer = module.F1CheXbert(device="cuda" if torch.cuda.is_available() else "cpu")

    def score(candidates: Sequence[str], references: Sequence[str]) -> Estimate:
        said, wanted = ([list(scorer.get_label(text)) for text in texts] for texts in (candidates, references))
        hits = [sum(a == b == 1 for a, b in zip(own, its, strict=True)) for own, its in zip(said, wanted, strict=True)]
        return f1(hits, [own.count(1) for own in said], [its.count(1) for its in wanted])

    return score


def _ratescore(module: Any) -> Score:
    scorer = module.RaTEScore()

    def score(candidates: Sequence[str], references: Sequence[str]) -> Estimate:
        return mean(_one_each(scorer.compute_score(list(candidates), list(references)), candidates))

    return score


def _green(module: Any) -> Score:
    # It leaves plots and tables in a folder of its own.
    folder = TemporaryDirectory()
    scorer = module.GREEN(GREEN_MODEL, output_dir=folder.name)

    def score(candidates: Sequence[str], references: Sequence[str]) -> Estimate:
        assert folder.name
        _, _, scores, *_ = scorer(list(references), list(candidates))
        return mean(_one_each(scores, candidates))

    return score


# By the name that is asked for: what the score is called, the module, the package, and how it is made.
SCORES: Mapping[str, tuple[str, str, str, Callable[[Any], Score]]] = {
    "radgraph": ("RadGraph-F1", "radgraph", "radgraph", _radgraph),
    "chexbert": ("CheXbert F1 of 14 labels", "f1chexbert", "f1chexbert", _chexbert),
    "ratescore": ("RaTEScore", "RaTEScore", "RaTEScore", _ratescore),
    "green": ("GREEN", "green_score", "green-score", _green),
}


def load_scores(names: Sequence[str]) -> dict[str, Score]:
    """The scores that are asked for, by what they are called in tables, loaded and ready.

    Raises EvaluationError, before anything is loaded, for a name that is none and for packages that are missing; and
    for one that does not load.
    """
    if unknown := [name for name in names if name not in SCORES]:
        raise EvaluationError(f"Unknown score {unknown[0]!r}. Available: {', '.join(SCORES)}.")
    if missing := [SCORES[name][2] for name in names if not _is_there(SCORES[name][1])]:
        raise EvaluationError(f"--scores needs packages that are not installed: pip install {' '.join(missing)}")
    scores: dict[str, Score] = {}
    for name in names:
        called, module, package, make = SCORES[name]
        try:
            scores[called] = make(import_module(module))
        except _FAILURES as error:
            raise EvaluationError(f"{package} does not load: {_line(error)}") from error
    return scores


def scored(score: Score, candidates: Sequence[str], references: Sequence[str]) -> Estimate | str:
    """A score of all reports, or one line that says why its package could not give it."""
    try:
        return score(candidates, references)
    except _FAILURES as error:
        return _line(error)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:
        # Put in its place by hand, without a specification.
        return True


def _one_each(scores: Sequence[Any], candidates: Sequence[str]) -> list[float]:
    if len(scores) != len(candidates):
        raise ValueError(f"{len(scores)} scores for {len(candidates)} texts")
    return [float(each) for each in scores]


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
