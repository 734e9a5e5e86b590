"""A tiny set of questions in VQA-RAD's own form, for tests of LoRA runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from model.training.lora.recipe import LoraRecipe, recipe_of

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
