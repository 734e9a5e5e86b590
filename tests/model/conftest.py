"""A tiny checkpoint of the real classes with random weights, for tests that need the path and not the prose."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.network.loading import DraftingModel, load
from model.sets.questions import load_questions
from model.training.lora.lessons import Lesson, question_lessons
from model.training.small.fresh import Shape, fresh_model, fresh_sibling, fresh_tokenizer, save_checkpoint

TINY = Shape(
    hidden=64,
    layers=3,
    heads=2,
    key_value_heads=1,
    mlp=64,
    experts=2,
    experts_used=1,
    expert_mlp=32,
    vision_hidden=64,
    vision_layers=1,
    vocabulary=400,
    canvas_length=96,
    steps=6,
)
TEXTS = ["FINDINGS:\nThe heart is normal in size. The lungs are clear.\n\nIMPRESSION:\nNo acute disease."] * 4


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "tiny-checkpoint"
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    save_checkpoint(fresh_model(TINY, len(tokenizer)), tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_checkpoint: Path) -> DraftingModel:
    # On the CPU everywhere: the tests compare in float32 with tensors that they make there.
    return load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both families' tiny checkpoints, with room for a token more than their tokenizer has."""
    folder = tmp_path_factory.mktemp("families")
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    for family, fresh in (("diffusion", fresh_model), ("autoregressive", fresh_sibling)):
        network = fresh(TINY, len(tokenizer) + 1)
        # A frozen embedding as small as at the start of training lets no token become likely.
        with torch.no_grad():
            network.get_input_embeddings().weight.mul_(8)
        save_checkpoint(network, tokenizer, folder / family)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="session")
def set_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen questions about three pictures, as VQA-RAD lies in its folder."""
    from tests.model.lora import write_questions

    return write_questions(tmp_path_factory.mktemp("questions") / "set", images=3)


@pytest.fixture(scope="session")
def lessons(set_folder: Path) -> list[Lesson]:
    from tests.model.lora import tiny_recipe

    return question_lessons(load_questions(set_folder), tiny_recipe())
