"""The questions of a set, answered by one model after another; every answer is kept as soon as it is made.

Beside each image two controls: a blank image, and the image of another question. This module knows nothing of whether
answers are right.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drafting.engine import DraftSettings
from drafting.study import Study
from model.evaluation.ledger import Ledger
from model.evaluation.record import EvaluationError, done_together
from model.evaluation.reports.studies import MID_GREY
from model.sets.files import SetError, read_picture
from model.sets.questions import ALL, QuestionSet, SetQuestion, load_questions, split_by_image
from model.training.lora.lessons import divided
from model.training.lora.recipe import TrainingError, load_recipe

OWN, BLANK, OTHER = "its own image", "blank image", "another's image"
CONTROLS = (OWN, BLANK, OTHER)
# Of a split by image, counted in questions.
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}

Answer = Callable[[Study, str, DraftSettings], str]
Said = Mapping[tuple[str, str], Mapping[str, str]]
"""By contender and control, the answer to each question by its id."""


@dataclass(frozen=True, slots=True)
class SetSettings:
    """`part`: which questions of the set. `split_seed`: the whole set, split by image into `SHARES` instead of as its
    owner did. `held_out_of`: the file of a LoRA recipe; instead, the questions about the images that it holds out.
    `limit`: images at most. `blank`: images with their questions for each control. `seed`, `steps`, `together`: as of
    every evaluation.
    """

    part: str = "test"
    split_seed: int | None = None
    held_out_of: str | None = None
    limit: int | None = None
    blank: int = 80
    seed: int = 0
    steps: int | None = None
    together: int = 1


@dataclass(frozen=True, slots=True)
class Asking:
    """A question with the file of its image and that of another's; `among`: whether the controls ask it too."""

    question: SetQuestion
    picture: Path
    other: Path
    among: bool

    @property
    def image(self) -> str:
        """Its image, as intervals are drawn over."""
        return str(self.picture)

    def is_asked(self, control: str) -> bool:
        return control == OWN or (self.among and (control == BLANK or self.other != self.picture))

    def study(self, control: str) -> Study:
        seen = picture_of(self.other if control == OTHER else self.picture)
        return Study(pictures=(), model_picture=np.full_like(seen, MID_GREY) if control == BLANK else seen)


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


def chosen_questions(folder: Path, format: str | None, settings: SetSettings) -> tuple[str, tuple[Asking, ...]]:
    """What the questions are called in rows, and the questions, image by image.

    Raises EvaluationError for a folder, a part or an image that cannot be used.
    """
    try:
        loaded = load_questions(folder, format)
        wanted = _wanted(loaded, settings)
        by_image: dict[Path, list[SetQuestion]] = {}
        for question in wanted:
            by_image.setdefault(loaded.picture(question), []).append(question)
    except (SetError, TrainingError) as error:
        raise EvaluationError(str(error)) from error
    if not wanted and settings.held_out_of is not None:
        raise EvaluationError(f"{settings.held_out_of} holds no image out.")
    if not wanted:
        has = f"has no question of the part '{settings.part}', only of {', '.join(loaded.parts)}"
        raise EvaluationError(f"{loaded.name} in {folder} {has}; --split-seed N splits it by image.")
    order = sorted(by_image)
    Random(f"images {settings.seed}").shuffle(order)
    order = order[: settings.limit]
    if missing := [path for path in order if not path.is_file()]:
        raise EvaluationError(f"{len(missing)} of {len(order)} images are missing, such as {missing[0]}.")
    for path in order:
        picture_of(path)
    few = order[: settings.blank]
    after = dict(zip(few, [*few[1:], *few[:1]], strict=True))
    seed = settings.split_seed
    how = settings.part + ("" if seed is None else f", split by image with seed {seed}")
    how = how if settings.held_out_of is None else f"the images held out by {Path(settings.held_out_of).name}"
    return f"{loaded.name}, {how}", tuple(
        Asking(question, path, after.get(path, path), path in after) for path in order for question in by_image[path]
    )


def _wanted(loaded: QuestionSet, settings: SetSettings) -> tuple[SetQuestion, ...]:
    if settings.held_out_of is not None:
        # The very call of the training's, so that it is the very split.
        return divided(loaded, load_recipe(Path(settings.held_out_of)))[1].questions
    if settings.split_seed is not None and settings.part != ALL:
        return split_by_image(loaded, SHARES, settings.split_seed).of(settings.part)
    if loaded.parts == (ALL,) and settings.part != ALL:
        raise EvaluationError(f"{loaded.name} has no parts of its owner: --split-seed N splits it by image.")
    return loaded.questions if settings.part == ALL else loaded.of(settings.part)


@lru_cache(maxsize=64)
def picture_of(path: Path) -> NDArray[np.uint8]:
    """`read_picture`, some of them kept. Raises EvaluationError for a file that is no image."""
    try:
        return read_picture(path)
    except SetError as error:
        raise EvaluationError(str(error)) from error


def checksum(asked: Sequence[Asking]) -> str:
    """SHA-256 of the questions with their answers and of their images' files, in the order of asking."""
    digest = sha256()
    for each in asked:
        digest.update(json.dumps(asdict(each.question), sort_keys=True).encode("ascii"))
    for path in dict.fromkeys(each.picture for each in asked):
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def answers_kept(
    path: Path | None, asked: Sequence[Asking], contenders: Sequence[Contender], settings: SetSettings
) -> Iterator[Ledger | None]:
    """The file of answers, begun or gone on with. Raises EvaluationError where it was begun with other settings."""
    if path is None:
        yield None
        return
    depends = {name: value for name, value in asdict(settings).items() if name != "together"}
    models = {f"model {one.label}".strip(): dict(one.identity) for one in contenders}
    with Ledger(path, depends | models | {"questions": checksum(asked)}) as kept:
        yield kept


def answer_all(
    asked: Sequence[Asking], contenders: Sequence[Contender], settings: SetSettings, kept: Ledger | None
) -> Said:
    """Every contender's answer to every question; those that are kept already are not made again."""
    said = _kept(kept)
    for contender in contenders:
        places = [
            (number, each, control)
            for control in CONTROLS
            for number, each in enumerate(asked)
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
    settings: SetSettings,
    kept: Ledger | None,
    said: dict[tuple[str, str], dict[str, str]],
) -> None:
    answer, together = contender.opened(settings.together)

    def answered(_: int, place: tuple[int, Asking, str]) -> None:
        number, each, control = place
        question = each.question
        # The question's own seed, whatever was answered before.
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
