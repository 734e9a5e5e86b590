"""Which questions are asked, about which images: of a pack of radiographs, or of a set in its owner's files.

Beside each image two controls: a blank image, and the image of another question. This module knows nothing of answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from drafting.study import Study, StudyFacts
from model.commands import argument
from model.evaluation.record import EvaluationError
from model.evaluation.reports.studies import MID_GREY, Labelled, adults
from model.evaluation.task import DraftedSettings
from model.sets.files import SetError, read_picture
from model.sets.questions import ALL, QuestionSet, SetQuestion, load_questions, split_by_image
from model.synthetic.questions import YES_OR_NO, questions_of
from model.synthetic.radiographs import Radiographs
from model.training.lora.lessons import divided
from model.training.lora.recipe import TrainingError, load_recipe

OWN, BLANK, OTHER = "its own image", "blank image", "another's image"
CONTROLS = (OWN, BLANK, OTHER)
# Of a split by image, counted in questions.
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
# Of a pack.
PAINTED, QUESTIONS_A_PICTURE = 150, 4

Seen = Path | Labelled
"""An image: its file, or a radiograph of a pack."""


@dataclass(frozen=True, slots=True)
class VqaSettings(DraftedSettings):
    """`part` None is 'test'. `held_out_of`: a LoRA recipe's file; the questions about the images that it holds out."""

    limit: int | None = argument(None, f"painted radiographs to ask about (default {PAINTED}); images of a set")
    blank: int = argument(80, "images with their questions for each control")
    format: str | None = argument(None, "format of the set's files (default: recognised by their names)")
    part: str | None = argument(
        None, "which of the owner's parts (default test)", choices=["train", "validation", "test", ALL]
    )
    split_seed: int | None = argument(
        None, "split the set by image with this seed, 8 to 1 to 1, instead of as its owner"
    )
    held_out_of: str | None = argument(
        None, "a recipe of train lora: instead, the questions about the images that it holds out"
    )


@dataclass(frozen=True, slots=True)
class Asking:
    """A question with its image and that of another; `among`: whether the controls ask it too."""

    question: SetQuestion
    picture: Seen
    other: Seen
    among: bool

    @property
    def image(self) -> str:
        """Its image, as intervals are drawn over."""
        return self.picture.name if isinstance(self.picture, Labelled) else str(self.picture)

    def is_asked(self, control: str) -> bool:
        return control == OWN or (self.among and (control == BLANK or self.other != self.picture))

    def study(self, control: str) -> Study:
        """What is shown; its facts are those of the question's own image."""
        seen = self.other if control == OTHER else self.picture
        pixels = seen.picture if isinstance(seen, Labelled) else picture_of(seen)
        facts = self.picture.facts if isinstance(self.picture, Labelled) else StudyFacts()
        return Study((), np.full_like(pixels, MID_GREY) if control == BLANK else pixels, facts)


@dataclass(frozen=True)
class Group:
    """Questions that rows put together. `images`: what they are about; `asked`: image by image."""

    images: str
    asked: tuple[Asking, ...]


def packed_groups(radiographs: Radiographs, settings: VqaSettings) -> list[Group]:
    """Questions from the painted truth, and those of VQA-RAD about its held-out images.

    VQA-RAD: Lau et al., Scientific Data 2018;5:180251.
    """
    painted: list[tuple[Seen, list[tuple[str, str, bool]]]] = []
    limit = PAINTED if settings.limit is None else settings.limit
    for number, one in enumerate(adults(radiographs, limit, settings.seed)):
        random = Random(f"vqa {settings.seed} {number}")
        # The same question twice tells no more.
        pairs = dict(questions_of(one.case, random) for _ in range(QUESTIONS_A_PICTURE))
        painted.append((one.labelled, [(asked, answer, answer in YES_OR_NO) for asked, answer in pairs.items()]))
    groups = [_packed("adults, findings painted in", painted, settings.blank)]
    for images, chest in (
        ("VQA-RAD, held-out chest radiographs", True),
        ("VQA-RAD, held-out images of other parts", False),
    ):
        by_row: dict[int, list[tuple[str, str, bool]]] = {}
        for each in radiographs.questions:
            if bool(radiographs.chest[each.picture]) == chest:
                by_row.setdefault(each.picture, []).append((each.text, each.answer, each.closed))
        collected: list[tuple[Seen, list[tuple[str, str, bool]]]] = [
            (Labelled(str(radiographs.names[row]), radiographs.images[row, 0].numpy(), StudyFacts(), {}), asked)
            for row, asked in by_row.items()
        ]
        groups.append(_packed(images, collected, settings.blank))
    return [group for group in groups if group.asked]


def _packed(images: str, pictures: Sequence[tuple[Seen, list[tuple[str, str, bool]]]], blank: int) -> Group:
    by_image: dict[Seen, list[SetQuestion]] = {}
    for number, (seen, asked) in enumerate(pictures):
        name = seen.name
        by_image[seen] = [
            SetQuestion(f"{images} {number}.{place}", name, question, answer, closed, "", "test")
            for place, (question, answer, closed) in enumerate(asked)
        ]
    return Group(images, _asked(by_image, list(by_image), blank))


def _asked(by_image: dict[Seen, list[SetQuestion]], order: Sequence[Seen], blank: int) -> tuple[Asking, ...]:
    """The images' questions; of the first `blank` images each is shown another's too: the next one's, the last the
    first one's."""
    few = order[:blank]
    after = dict(zip(few, [*few[1:], *few[:1]], strict=True))
    return tuple(
        Asking(question, seen, after.get(seen, seen), seen in after) for seen in order for question in by_image[seen]
    )


def chosen_group(folder: Path, settings: VqaSettings) -> Group:
    """The questions of a set.

    Raises EvaluationError for a folder, a part or an image that cannot be used.
    """
    part = settings.part or "test"
    try:
        loaded = load_questions(folder, settings.format)
        wanted = _wanted(loaded, settings)
        by_image: dict[Seen, list[SetQuestion]] = {}
        for question in wanted:
            by_image.setdefault(loaded.picture(question), []).append(question)
    except (SetError, TrainingError) as error:
        raise EvaluationError(str(error)) from error
    if not wanted and settings.held_out_of is not None:
        raise EvaluationError(f"{settings.held_out_of} holds out no image.")
    if not wanted:
        has = f"has no question of the part '{part}', only of {', '.join(loaded.parts)}"
        raise EvaluationError(f"{loaded.name} in {folder} {has}; --split-seed N splits it by image.")
    order = sorted(path for path in by_image if isinstance(path, Path))
    Random(f"images {settings.seed}").shuffle(order)
    order = order[: settings.limit]
    if missing := [path for path in order if not path.is_file()]:
        raise EvaluationError(f"{len(missing)} of {len(order)} images are missing, such as {missing[0]}.")
    for path in order:
        picture_of(path)
    seed = settings.split_seed
    how = part + ("" if seed is None else f", split by image with seed {seed}")
    how = how if settings.held_out_of is None else f"the images held out by {Path(settings.held_out_of).name}"
    return Group(f"{loaded.name}, {how}", _asked(by_image, order, settings.blank))


def _wanted(loaded: QuestionSet, settings: VqaSettings) -> tuple[SetQuestion, ...]:
    part = settings.part or "test"
    if settings.held_out_of is not None:
        # The very call of the training's, so that it is the very split.
        return divided(loaded, load_recipe(Path(settings.held_out_of)))[1].questions
    if settings.split_seed is not None and part != ALL:
        return split_by_image(loaded, SHARES, settings.split_seed).of(part)
    if loaded.parts == (ALL,) and part != ALL:
        raise EvaluationError(f"{loaded.name} has no parts of its owner: --split-seed N splits it by image.")
    return loaded.questions if part == ALL else loaded.of(part)


@lru_cache(maxsize=64)
def picture_of(path: Path) -> NDArray[np.uint8]:
    """`read_picture`, some of them kept. Raises EvaluationError for a file that is no image."""
    try:
        return read_picture(path)
    except SetError as error:
        raise EvaluationError(str(error)) from error


def checksum(asked: Sequence[Asking]) -> str:
    """SHA-256 of the questions with their answers and of their images (files or pixels), in the order of asking."""
    digest = sha256()
    for each in asked:
        digest.update(json.dumps(asdict(each.question), sort_keys=True).encode("ascii"))
    for seen in dict.fromkeys(each.picture for each in asked):
        held = seen.picture.tobytes() if isinstance(seen, Labelled) else seen.read_bytes()
        digest.update(sha256(held).digest())
    return digest.hexdigest()
