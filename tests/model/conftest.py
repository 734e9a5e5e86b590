"""A tiny checkpoint of the real classes with random weights, for tests that need the path and not the prose."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.loading import DraftingModel, load
from model.training.fresh import Shape, fresh_model, fresh_tokenizer, save_checkpoint

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
