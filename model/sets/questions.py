"""Questions about images, read from the files in which their owners publish them.

VQA-RAD (Lau et al., Sci Data 2018), SLAKE (Liu et al., ISBI 2021; its English part) and VQA-Med 2019 (Ben Abacha et
al., CLEF 2019). Nothing is cleaned but blanks around texts: an owner's slip stays as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from model.sets.files import (
    SetError,
    image_name,
    is_there,
    read_lines,
    read_objects,
    sha256_of,
    text_at,
    unique,
    wanted_folder,
)
from model.sets.pictures import look_at, same_picture_groups

PARTS = ("train", "validation", "test")
# The part of a set whose owners made none.
ALL = "all"
FORMATS = ("vqa_rad", "slake", "vqa_med_2019")

# Both files of VQA-RAD name the same questions: the split one goes before.
_RAD_SPLIT = {"trainset.json": "train", "testset.json": "test"}
_RAD_PUBLIC = "VQA_RAD Dataset Public.json"
_RAD_IMAGES = ("images", "VQA_RAD Image Folder")
_SLAKE_FILES = {"train.json": "train", "validate.json": "validation", "validation.json": "validation"} | {
    "test.json": "test"
}
_MED_JSON = {"train_qa.json": "train", "val_qa.json": "validation", "valid_qa.json": "validation"} | {
    "test_qa.json": "test"
}
_MED_PARTS = {"train": "train", "val": "validation", "test": "test"}
_MED_CATEGORY = re.compile(r"C\d_([A-Za-z]+)_(train|val|test)\.txt")
_MED_EVERY = re.compile(r"All_QA_Pairs_(train|val|test)\.txt")
_MED_TEST = "VQAMed2019_Test_Questions_w_Ref_Answers.txt"
_MED_IMAGES = {
    "train": ("Train_images",),
    "validation": ("Val_images",),
    "test": ("VQAMed2019_Test_Images", "Test_images"),
}
# The one name that the text files and train_qa.json have differently.
_MED_KINDS = {"ABNORMALITY": "ABN"}


@dataclass(frozen=True, slots=True)
class SetQuestion:
    """A question about one image, with its answer.

    `id`: the owner's number, different for every question of a set. `image`: file name, relative to the images folder.
    `closed`: answered by yes or no, or with one of what the question names. `kind`: the set's own type of question, ''
    where it tells none. `part`: 'train', 'validation' or 'test' as in the owner's files, 'all' where there are none.
    `folder`: below the images folder, where the owner keeps a part's images apart.
    """

    id: str
    image: str
    question: str
    answer: str
    closed: bool
    kind: str
    part: str
    folder: str = ""


@dataclass(frozen=True)
class QuestionSet:
    """All questions of a set, in the order of the files. `images`: their folder; None where the user has none."""

    name: str
    questions: tuple[SetQuestion, ...]
    images: Path | None

    def of(self, part: str) -> tuple[SetQuestion, ...]:
        return tuple(question for question in self.questions if question.part == part)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that have a question, training first."""
        held = {question.part for question in self.questions}
        return (*(part for part in PARTS if part in held), *sorted(held - set(PARTS)))

    @cached_property
    def sha256(self) -> str:
        """Of all questions with their parts; not of the images."""
        return sha256_of(self.questions)

    def picture(self, question: SetQuestion) -> Path:
        """The file of a question's image, whether it is there or not. Raises SetError where there is no folder."""
        if self.images is None:
            raise SetError(f"{self.name} is here without a folder of images.")
        return self.images / question.folder / question.image

    def missing_images(self) -> tuple[str, ...]:
        """The images that are asked about and not there, by name; all of them without a folder."""
        asked = {(question.folder, question.image): question for question in self.questions}
        gone = {
            question.image for question in asked.values() if self.images is None or not is_there(self.picture(question))
        }
        return tuple(sorted(gone))


def load_questions(folder: Path, format: str | None = None) -> QuestionSet:
    """The set that lies in `folder`.

    `format`: one of `FORMATS`; by default it is told by the files' names. Raises SetError for a folder that holds none
    or several of them, and for a file that is broken.
    """
    wanted_folder(folder)
    if format is None:
        found = question_formats(folder)
        if len(found) != 1:
            names = " and ".join(found)
            raise SetError(
                f"{folder} holds {f'the files of {names}' if found else 'no set of questions that is known'}"
                f"; name the format ({', '.join(FORMATS)})."
            )
        format = found[0]
    if format not in _LOADERS:
        raise SetError(f"Unknown format of questions: {format!r}. Available: {', '.join(FORMATS)}.")
    loaded = _LOADERS[format](folder)
    if not loaded.questions:
        raise SetError(f"{folder} contains no question of {format}.")
    return loaded


def question_formats(folder: Path) -> tuple[str, ...]:
    """The formats whose files `folder` holds."""
    here = {
        "vqa_rad": _present(folder, (*_RAD_SPLIT, _RAD_PUBLIC)),
        "slake": _present(folder, _SLAKE_FILES),
        "vqa_med_2019": _present(folder, _MED_JSON) or [path.name for path, _, _ in _med_texts(folder)],
    }
    return tuple(name for name in FORMATS if here[name])


def _present(folder: Path, names: Iterable[str]) -> list[str]:
    return [name for name in names if (folder / name).is_file()]


def _images_of(folder: Path, names: Iterable[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _vqa_rad(folder: Path) -> QuestionSet:
    """VQA-RAD: split in two files, or the one that OSF has, where the phrase types of test questions say so."""
    split = _present(folder, _RAD_SPLIT)
    questions: list[SetQuestion] = []
    ids: set[str] = set()
    for name in split or _present(folder, [_RAD_PUBLIC]):
        for place, entry in read_objects(folder / name):
            of_test = not split and text_at(place, entry, "phrase_type").lower().startswith("test")
            part = _RAD_SPLIT[name] if split else "test" if of_test else "train"
            questions.append(_rad_question(place, entry, part, ids))
    return QuestionSet("vqa_rad", tuple(questions), _images_of(folder, _RAD_IMAGES))


def _rad_question(place: str, entry: dict[str, Any], part: str, ids: set[str]) -> SetQuestion:
    return SetQuestion(
        id=unique(ids, text_at(place, entry, "qid")),
        image=image_name(place, text_at(place, entry, "image_name")),
        question=text_at(place, entry, "question"),
        answer=text_at(place, entry, "answer"),
        closed=_closed(place, entry),
        kind=text_at(place, entry, "question_type"),
        part=part,
    )


def _closed(place: str, entry: dict[str, Any]) -> bool:
    named = text_at(place, entry, "answer_type")
    if named.upper() not in ("CLOSED", "OPEN"):
        raise SetError(f"{place}: 'answer_type' is {named!r}, neither CLOSED nor OPEN.")
    return named.upper() == "CLOSED"


def _slake(folder: Path) -> QuestionSet:
    questions: list[SetQuestion] = []
    ids: set[str] = set()
    for name in _present(folder, _SLAKE_FILES):
        for place, entry in read_objects(folder / name):
            if text_at(place, entry, "q_lang").lower() != "en":
                continue
            questions.append(
                SetQuestion(
                    id=unique(ids, text_at(place, entry, "qid")),
                    image=image_name(place, text_at(place, entry, "img_name")),
                    question=text_at(place, entry, "question"),
                    answer=text_at(place, entry, "answer"),
                    closed=_closed(place, entry),
                    kind=text_at(place, entry, "content_type"),
                    part=_SLAKE_FILES[name],
                )
            )
    return QuestionSet("slake", tuple(questions), _images_of(folder, ["imgs"]))


def _vqa_med_2019(folder: Path) -> QuestionSet:
    """VQA-Med 2019: as one JSON list a part in VQA-RAD's keys, or as ImageCLEF ships it."""
    lists = _present(folder, _MED_JSON)
    ids: set[str] = set()
    if lists:
        questions = tuple(
            _rad_question(place, entry, _MED_JSON[name], ids)
            for name in lists
            for place, entry in read_objects(folder / name)
        )
        return QuestionSet("vqa_med_2019", questions, _images_of(folder, ["images"]))
    texts = _med_texts(folder)
    sorted_out = {part for _, part, kind in texts if kind}
    found = tuple(
        question
        for path, part, kind in texts
        # The file of all questions repeats those of the categories.
        if kind or part not in sorted_out
        for question in _med_questions(folder, path, part, kind, ids)
    )
    anywhere = any(question.folder for question in found)
    return QuestionSet("vqa_med_2019", found, folder if anywhere else _images_of(folder, ["images"]))


def _med_texts(folder: Path) -> list[tuple[Path, str, str]]:
    """ImageCLEF's text files, each with its part and its category, '*' where a column tells it and '' where nothing
    does; in the folder itself or in the folders that its archives unpack to."""
    files = sorted(path for pattern in ("*.txt", "*/*.txt", "*/*/*.txt") for path in folder.glob(pattern))
    texts = []
    for path in files:
        if named := _MED_CATEGORY.fullmatch(path.name):
            texts.append((path, _MED_PARTS[named.group(2)], _med_kind(named.group(1))))
        elif every := _MED_EVERY.fullmatch(path.name):
            texts.append((path, _MED_PARTS[every.group(1)], ""))
        elif path.name == _MED_TEST:
            texts.append((path, "test", "*"))
    return sorted(texts, key=lambda text: (PARTS.index(text[1]), text[0]))


def _med_kind(named: str) -> str:
    return _MED_KINDS.get(named.upper(), named.upper())


def _med_questions(folder: Path, path: Path, part: str, kind: str, ids: set[str]) -> Iterator[SetQuestion]:
    """`image|question|answer` a line; in the test file `image|category|question|answer`. Its images lie beside it, or
    one folder up where the categories have a folder of their own."""
    places = [path.parent, path.parent.parent] if path.parent != folder else [path.parent]
    beside = next((found for place in places if (found := _images_of(place, _MED_IMAGES[part]))), None)
    columns = 4 if kind == "*" else 3
    for number, (place, line) in enumerate(read_lines(path), start=1):
        fields = [field.strip() for field in line.split("|", columns - 1)]
        if len(fields) != columns:
            raise SetError(f"{place} has {len(fields)} fields instead of {columns}.")
        image, *category, question, answer = fields
        yield SetQuestion(
            id=unique(ids, f"{path.stem}-{number}"),
            image=image_name(place, f"{image}.jpg" if image else ""),
            question=question,
            answer=answer,
            closed=answer.lower() in ("yes", "no"),
            kind=_med_kind(category[0]) if category else kind,
            part=part,
            folder=beside.relative_to(folder).as_posix() if beside else "",
        )


_LOADERS: dict[str, Callable[[Path], QuestionSet]] = {
    "vqa_rad": _vqa_rad,
    "slake": _slake,
    "vqa_med_2019": _vqa_med_2019,
}


def split_by_image(questions: QuestionSet, shares: Mapping[str, float], seed: int) -> QuestionSet:
    """The same questions with other parts, so that no image is asked about in two of them.

    `shares`: of each part, by its name; they are relative and need not add up to 1. Images that are duplicates of each
    other stay together, as far as the files are there to tell. The parts follow from the set, the shares and the seed
    alone, and come as near to their shares, counted in questions, as whole images allow. Raises SetError where a share
    is not above 0, or where there are fewer groups of images than parts.
    """
    whole = sum(shares.values())
    if not shares or min(shares.values()) <= 0:
        raise SetError("Every part of a split needs a share above 0.")
    groups = _groups(questions)
    asked = Counter(groups[_key(question)] for question in questions.questions)
    if len(asked) < len(shares):
        raise SetError(f"{questions.name} has {len(asked)} different images, too few for {len(shares)} parts.")
    order = sorted(asked)
    Random(seed).shuffle(order)
    lacking = {part: share / whole * asked.total() for part, share in shares.items()}
    empty = list(shares)
    part_of: dict[int, str] = {}
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        # The last groups go to the parts that have none yet.
        part = empty[0] if left <= len(empty) else max(lacking, key=lambda name: lacking[name])
        part_of[group] = part
        lacking[part] -= asked[group]
        empty = [name for name in empty if name != part]
    moved = tuple(replace(question, part=part_of[groups[_key(question)]]) for question in questions.questions)
    return replace(questions, questions=moved)


def _key(question: SetQuestion) -> tuple[str, str]:
    return question.folder, question.image


def _groups(questions: QuestionSet) -> dict[tuple[str, str], int]:
    """For every image the number of its group of duplicates."""
    asked = {_key(question): question for question in questions.questions}
    names = {key: question.image for key, question in asked.items()}
    if questions.images is None:
        return same_picture_groups(names, {})
    return same_picture_groups(names, {key: look_at(questions.picture(each)) for key, each in asked.items()})
