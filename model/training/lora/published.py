"""One LoRA training step of the published 26B shape with random weights: memory and time, for both siblings.

Neither depends on what the weights are. The same recipe, objective and step as a real run's, on one picture, one
question and an answer. This module knows nothing of checkpoints and data.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from transformers import (
    AutoTokenizer,
    DiffusionGemmaConfig,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4ImageProcessorPil,
    PreTrainedConfig,
    PreTrainedModel,
)

from model.network.loading import DEFAULT_MODEL, Traits, scaffold
from model.network.published import IMAGE_TOKENS, empty_network, fill, published_config, random_model
from model.training.lora.lessons import Course, Lesson
from model.training.lora.recipe import LoraRecipe, TrainingError
from model.training.lora.run import MEGABYTE, Trainer, new_accelerator, peak_memory
from model.training.lora.state import write
from model.training.lora.student import Family, Student, prepared
from model.training.small.fresh import sibling_options

# As docs/recipes/paper-26b.toml, with a batch of one.
PUBLISHED = LoraRecipe(
    rank=16,
    alpha=32,
    learning_rate=1.5e-4,
    steps=3,
    batch=1,
    canvas=256,
    # Every step takes both passes, so that none is cheaper than the dearest.
    believing=1.0,
    encoder_loss=1.0,
    image_tokens=280,
    precision="bf16",
    checkpointing=True,
)


def published_sibling_config() -> Gemma4Config:
    """The shape of `google/gemma-4-26B-A4B-it`: `published_config` as Gemma 4 has it."""
    return sibling_of(published_config())


def sibling_of(config: DiffusionGemmaConfig) -> Gemma4Config:
    """The autoregressive sibling's configuration of a DiffusionGemma's."""
    text = {**config.get_text_config().to_dict(), **sibling_options()}
    text.pop("model_type")
    return Gemma4Config(
        text_config=text,
        vision_config=cast(PreTrainedConfig, config.vision_config).to_dict(),
        audio_config=None,
        image_token_id=config.image_token_id,
        boi_token_id=config.boi_token_id,
        eoi_token_id=config.eoi_token_id,
    )


def random_student(
    family: Family, config: DiffusionGemmaConfig, recipe: LoraRecipe, device: torch.device, image_tokens: int
) -> Student:
    """A student of a shape with random weights, made on `device` without a second copy anywhere.

    The sibling is of the same shape. The tokenizer is the default model's.
    """
    dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(DEFAULT_MODEL)
    before, after = scaffold(tokenizer)
    network: PreTrainedModel
    if family == "diffusion":
        network = random_model(config, device, dtype, "published").network
    else:
        network = empty_network(Gemma4ForConditionalGeneration, sibling_of(config))
        fill(network, device, dtype)
    student = Student(
        family=family,
        network=network,
        tokenizer=tokenizer,
        image_processor=Gemma4ImageProcessorPil(max_soft_tokens=image_tokens),
        # A canvas as long as the recipe's, padding and all, as the published checkpoint was trained.
        traits=Traits(),
        source="published",
        # As the published checkpoint, it knows no blank: all that follows the answer is its to write.
        blank_id=None,
        before=before,
        after=after,
    )
    return prepared(student, recipe)


def measure_steps(
    family: Family,
    steps: int,
    json_file: Path | None,
    recipe: LoraRecipe | None,
    say: Callable[[str], None],
    config: DiffusionGemmaConfig | None = None,
    cpu: bool = False,
) -> int:
    """Run so many steps, tell memory and seconds of each, and write them to `json_file`. Returns the exit code.

    `config`: another shape, for tests. Raises TrainingError where a GPU runs out of memory, or there is none.
    """
    recipe = recipe or PUBLISHED
    accelerator = new_accelerator(cpu=cpu)
    if config is None and accelerator.device.type != "cuda":
        raise TrainingError("The published shape needs a GPU of 80 GB; there is none.")
    try:
        told = _measure(family, steps, recipe, say, config or published_config(), accelerator)
    except torch.OutOfMemoryError as error:
        line = next(iter(str(error).splitlines()), "")
        raise TrainingError(f"The GPU has too little memory for this recipe: {line}") from error
    if json_file is not None:
        write(json_file, (json.dumps(told, indent=2) + "\n").encode())
    return 0


def _measure(
    family: Family,
    steps: int,
    recipe: LoraRecipe,
    say: Callable[[str], None],
    config: DiffusionGemmaConfig,
    accelerator: Accelerator,
) -> dict[str, object]:
    device = accelerator.device
    student = random_student(family, config, recipe, device, recipe.image_tokens or IMAGE_TOKENS)
    weights = sum(parameter.numel() for parameter in student.network.parameters())
    held = peak_memory()
    say(f"{family}: {weights / 1e9:.2f} billion weights on {_name(device)}, {held:.0f} MiB before the first step")
    rows: list[dict[str, float]] = []
    with TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (1024, 1024), dtype=np.uint8)).save(picture)
        lesson = Lesson("one", picture, "Is there a pleural effusion?", "A small right pleural effusion is seen.")
        trainer = Trainer(student, recipe, 0, accelerator)
        room = recipe.canvas - len(student.before) - len(student.after)
        course = Course([lesson], recipe, 0, student.encode, room)
        trained = sum(parameter.numel() for parameter in trainer.trained.values())
        for number in range(steps):
            batches = trainer.batches(course, number)
            _finish(device)
            began = time.perf_counter()
            measured = trainer.step(number, batches, recipe.learning_rate)
            _finish(device)
            row = {"step": number + 1, "seconds": time.perf_counter() - began, "peak_mb": peak_memory(), **measured}
            rows.append(row)
            say(" ".join(f"{key} {value:.4g}" for key, value in row.items()))
    # The first step allocates, and compiles where anything is compiled.
    settled = [row["seconds"] for row in rows[1:]] or [rows[0]["seconds"]]
    told: dict[str, object] = {
        "family": family,
        "weights": weights,
        "trained_weights": trained,
        "examples_a_step": recipe.examples_a_step,
        "prefix_tokens": int(batches[0].get("prefix", batches[0].get("tokens", torch.empty(0))).shape[-1]),
        "memory_before_mb": held,
        "peak_mb": peak_memory(),
        "reserved_mb": torch.cuda.max_memory_reserved() / MEGABYTE if device.type == "cuda" else None,
        "seconds_a_step": statistics.median(settled),
        "steps": rows,
        "recipe": asdict(recipe),
        "device": _name(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    say(f"{family}: {told['seconds_a_step']:.3f} s a step, at most {told['peak_mb']:.0f} MiB")
    return told


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
