"""What tests of LoRA runs share: a tiny set of questions in VQA-RAD's own form, tiny recipes, runs and drafts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from drafting.engine import DraftSettings
from drafting.report import Report, merge_draft, parse_markup
from drafting.study import Study
from model.engine.local import LocalEngine
from model.network.loading import DraftingModel
from model.sets.files import read_picture
from model.training.lora.lessons import Lesson
from model.training.lora.recipe import LoraRecipe, recipe_of
from model.training.lora.run import LoraRun, new_accelerator, train_lora
from model.training.lora.student import Student, load_student

FAMILIES = ("diffusion", "autoregressive")
MARKUP = "FINDINGS:\nThe heart is [[]] in size. The lungs are clear.\n\nIMPRESSION:\nNo [[acute]] disease."
ANSWERS = ("yes", "no", "The heart is normal in size", "right lower lobe", "The lungs are clear. No acute disease.")


def write_questions(folder: Path, images: int = 6, broken: int | None = None) -> Path:
    """Five questions about each of so many pictures, which differ in shape."""
    (folder / "images").mkdir(parents=True)
    entries = []
    for number in range(images):
        name = f"synpic{number}.jpg"
        pixels = np.random.default_rng(number).integers(0, 255, (60 + 20 * number, 90), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
        if number == broken:
            (folder / "images" / name).write_bytes(b"\xff\xd8 this is no picture")
        for at, answer in enumerate(ANSWERS):
            entries.append(
                {
                    "qid": f"{number}-{at}",
                    "image_name": name,
                    "question": f"Is the größe of finding {at} normal in {number}?",
                    "answer": answer,
                    "answer_type": "CLOSED" if answer in ("yes", "no") else "OPEN",
                    "question_type": "PRES",
                }
            )
    (folder / "trainset.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


def tiny_recipe(**told: object) -> LoraRecipe:
    """A recipe of a few quick steps."""
    least = {"rank": 4, "alpha": 8, "learning_rate": 1e-2, "batch": 4, "steps": 4, "canvas": 96, "logged_every": 1}
    return recipe_of(least | told)


def run(source: Path, recipe: LoraRecipe, lessons: list[Lesson], out: Path, **more: Any) -> dict[str, torch.Tensor]:
    train_lora(LoraRun(str(source), recipe, lessons, out), new_accelerator(cpu=True), quietly, **more)
    return load_file(out / "adapter" / "adapter_model.safetensors")


def student_of(source: Path, recipe: LoraRecipe) -> Student:
    return load_student(str(source), recipe, torch.device("cpu"))


def without_blank(student: Student) -> Student:
    """The same checkpoint as one that never heard of blanks, whose canvas is padded."""
    return replace(student, blank_id=None, traits=replace(student.traits, fitted_canvas=False))


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def quietly(line: str) -> None:
    assert "\n" not in line


def study_of(lesson: Lesson) -> Study:
    assert lesson.picture is not None
    return Study(pictures=(), model_picture=read_picture(lesson.picture))


def draft(model: DraftingModel, lesson: Lesson) -> tuple[Report, Report]:
    """A report and what a draft makes of it."""
    report = parse_markup(MARKUP)
    frames = LocalEngine(model).draft(study_of(lesson), report, DraftSettings())
    while True:
        try:
            next(frames)
        except StopIteration as stop:
            return report, merge_draft(report, stop.value.texts)
