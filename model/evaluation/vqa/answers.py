"""Questions answered by one model after another; every answer is saved as soon as it is made.

This module knows nothing of whether answers are right.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from drafting.engine import DraftSettings
from drafting.study import Study
from model.evaluation.ledger import Ledger
from model.evaluation.record import EvaluationError, done_together
from model.evaluation.vqa.questions import CONTROLS, Asking, Group, VqaSettings, checksum

Answer = Callable[[Study, str, DraftSettings], str]
Said = Mapping[tuple[str, str], Mapping[str, str]]
"""By contender and control, the answer to each question by its id."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A model to be measured. `label`: what tells it from the others in rows, '' for the first.

    `identity`: what its answers depend on, such as hashes. `opened` loads it, told how many questions are wanted at a
    time, and gives how it answers and how many it can take; `dropped` is called instead where it has nothing to answer.
    """

    label: str
    identity: Mapping[str, Any]
    opened: Callable[[int], tuple[Answer, int]]
    dropped: Callable[[], None] = lambda: None


@contextmanager
def answers_kept(
    path: Path | None, groups: Sequence[Group], contenders: Sequence[Contender], settings: VqaSettings
) -> Iterator[Ledger | None]:
    """The file of answers, begun or gone on with. Raises EvaluationError where it was begun with other settings."""
    if path is None:
        yield None
        return
    depends = {name: value for name, value in asdict(settings).items() if name != "together"}
    models = {f"model {one.label}".strip(): dict(one.identity) for one in contenders}
    with Ledger(
        path, depends | models | {"questions": checksum([each for group in groups for each in group.asked])}
    ) as kept:
        yield kept


def answer_all(
    groups: Sequence[Group], contenders: Sequence[Contender], settings: VqaSettings, kept: Ledger | None
) -> Said:
    """Every contender's answer to every question; those that are kept already are not made again.

    A question's seed is its number in its group, whatever was answered before.
    """
    said = _kept(kept)
    for contender in contenders:
        places = [
            (number, each, control)
            for group in groups
            for control in CONTROLS
            for number, each in enumerate(group.asked)
            if each.is_asked(control) and each.question.id not in said.get((contender.label, control), {})
        ]
        if not places:
            contender.dropped()
            continue
        _answer(contender, places, settings, kept, said)
        # Two of the published size do not fit into one GPU.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return said


def _answer(
    contender: Contender,
    places: Sequence[tuple[int, Asking, str]],
    settings: VqaSettings,
    kept: Ledger | None,
    said: dict[tuple[str, str], dict[str, str]],
) -> None:
    answer, together = contender.opened(settings.together)

    def answered(_: int, place: tuple[int, Asking, str]) -> None:
        number, each, control = place
        question = each.question
        text = answer(each.study(control), question.question, DraftSettings(settings.seed + number, settings.steps))
        if kept is not None:
            told = {"model": contender.label, "control": control, "id": question.id, "image": question.image}
            asked = {"kind": question.kind, "closed": question.closed, "question": question.question}
            kept.add(told | asked | {"wanted": question.answer, "said": text})
        said.setdefault((contender.label, control), {})[question.id] = text

    for _ in done_together(answered, places, together, f"answers{contender.label and ', '}{contender.label}"):
        pass


def _kept(kept: Ledger | None) -> dict[tuple[str, str], dict[str, str]]:
    said: dict[tuple[str, str], dict[str, str]] = {}
    for line in kept.lines if kept is not None else ():
        try:
            model, control, id, text = (line[name] for name in ("model", "control", "id", "said"))
            said.setdefault((model, control), {})[id] = text
        except KeyError as error:
            raise EvaluationError(f"{kept.path if kept else ''} has a line without {error}.") from error
    return said
