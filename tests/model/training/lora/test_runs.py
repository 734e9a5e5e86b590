"""LoRA runs on tiny checkpoints of the real classes: what is learned, saved and gone on from."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.utils import DistributedType
from safetensors.torch import load_file

from model.training.lora.lessons import Course, Lesson
from model.training.lora.recipe import TrainingError
from model.training.lora.run import Trainer, demand_shareable, new_accelerator
from model.training.lora.state import read_log, save_adapter
from tests.model.lora import (
    FAMILIES,
    equal,
    run,
    student_of,
    tiny_recipe,
)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_falls_and_the_run_is_told_of(
    family: str, checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    recipe = tiny_recipe(steps=25, believing=0.5, infill=0.2, adapts=["encoder", "decoder", "vision"])
    weights = run(checkpoints[family], recipe, lessons[:2], tmp_path)
    rows = read_log(tmp_path / "log.jsonl")
    assert rows[0]["family"] == family
    assert rows[0]["lessons"] == 2
    assert set(rows[0]["versions"]) == {"torch", "transformers", "peft", "accelerate"}
    assert [row["step"] for row in rows[1:]] == list(range(1, 26))
    losses = [row["loss"] for row in rows[1:]]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:3])
    assert all(row["examples_a_second"] > 0 and row["peak_mb"] > 0 for row in rows[1:])
    assert (tmp_path / "curve.svg").read_text(encoding="utf-8").startswith("<?xml")
    named = " ".join(weights)
    assert "vision_tower" in named
    assert "experts" not in named
    assert "router" not in named
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "curve.svg", "log.jsonl", "state.pt"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_does_not_depend_on_how_it_is_batched_or_on_checkpointing(
    family: str, checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    one = run(checkpoints[family], tiny_recipe(steps=2, infill=0.3), lessons, tmp_path / "one")
    more = tiny_recipe(steps=2, infill=0.3, batch=1, accumulation=4, checkpointing=True)
    other = run(checkpoints[family], more, lessons, tmp_path / "other")
    assert one.keys() == other.keys()
    for name, weight in one.items():
        assert torch.allclose(weight, other[name], atol=1e-4), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_that_is_stopped_and_goes_on_is_the_run_that_never_was(
    family: str, checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    recipe = tiny_recipe(steps=5, dropout=0.2, infill=0.3, saved_every=2, warm_up=2)
    source = checkpoints[family]
    whole = run(source, recipe, lessons, tmp_path / "whole")
    first = run(source, recipe, lessons, tmp_path / "cut", stop_after=2)
    assert not equal(whole, first)
    # As one that was killed after a step that was told of and not saved.
    with (tmp_path / "cut" / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps({"step": 3, "loss": 99.0}) + "\n" + '{"step": 4, "lo')
    again = run(source, recipe, lessons, tmp_path / "cut")
    assert equal(whole, again)
    logs = [read_log(tmp_path / name / "log.jsonl")[1:] for name in ("whole", "cut")]
    assert [row["loss"] for row in logs[0]] == [row["loss"] for row in logs[1]]
    # A run at its end has nothing more to do and loses nothing.
    assert equal(whole, run(source, recipe, lessons, tmp_path / "cut"))


def test_another_run_does_not_go_on_in_the_same_folder(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    kept = run(checkpoints["diffusion"], tiny_recipe(steps=1), lessons, tmp_path)
    with pytest.raises(TrainingError, match="contains a run with another recipe"):
        run(checkpoints["diffusion"], tiny_recipe(steps=2), lessons, tmp_path)
    with pytest.raises(TrainingError, match="with another data"):
        run(checkpoints["diffusion"], tiny_recipe(steps=1), lessons[1:], tmp_path)
    assert equal(kept, load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    (tmp_path / "state.pt").write_bytes(b"PK broken")
    with pytest.raises(TrainingError, match=r"state\.pt is damaged or not the state of a run"):
        run(checkpoints["diffusion"], tiny_recipe(steps=1), lessons, tmp_path)


@pytest.fixture
def files_of_at_most() -> Iterator[Any]:
    """A limit for the size of files that this process writes, which the system upholds as it does a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_is_one_sentence_and_keeps_the_last_checkpoint(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path, files_of_at_most: Any
) -> None:
    recipe = tiny_recipe(steps=3)
    run(checkpoints["diffusion"], recipe, lessons, tmp_path, stop_after=1)
    kept = (tmp_path / "state.pt").read_bytes()
    files_of_at_most(30_000)
    with pytest.raises(TrainingError, match=r"state\.pt cannot be written: .*Earlier files are intact\.$"):
        run(checkpoints["diffusion"], recipe, lessons, tmp_path)
    files_of_at_most(10**9)
    assert (tmp_path / "state.pt").read_bytes() == kept
    assert not (tmp_path / "state.pt.new").exists()
    whole = run(checkpoints["diffusion"], recipe, lessons, tmp_path / "whole")
    assert equal(whole, run(checkpoints["diffusion"], recipe, lessons, tmp_path))


def test_an_adapter_that_cannot_be_written_leaves_the_old_one(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path, files_of_at_most: Any
) -> None:
    recipe = tiny_recipe(steps=3)
    old = run(checkpoints["diffusion"], recipe, lessons, tmp_path, stop_after=1)
    student = student_of(checkpoints["diffusion"], recipe)
    trainer = Trainer(student, recipe, 0, new_accelerator(cpu=True))
    weights = {name: parameter.detach() for name, parameter in trainer.trained.items()}
    files_of_at_most(30_000)
    with pytest.raises(TrainingError, match="adapter cannot be written"):
        save_adapter(tmp_path, trainer.tuned, weights, student, "")
    files_of_at_most(10**9)
    assert equal(old, load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    assert not list(tmp_path.glob("adapter.*"))


@pytest.mark.parametrize(
    ("kind", "processes", "accumulation", "sentence"),
    [
        (DistributedType.MULTI_GPU, 3, 4, "3 devices cannot share an 'accumulation' of 4 evenly"),
        (DistributedType.FSDP, 2, 4, "FSDP cannot shard DiffusionGemma"),
        (DistributedType.DEEPSPEED, 2, 4, "does not support DEEPSPEED"),
    ],
)
def test_devices_that_cannot_share_a_run_are_refused(
    kind: DistributedType, processes: int, accumulation: int, sentence: str, checkpoints: dict[str, Path]
) -> None:
    recipe = tiny_recipe(accumulation=accumulation)
    student = student_of(checkpoints["diffusion"], recipe)
    devices = SimpleNamespace(num_processes=processes, distributed_type=kind)
    with pytest.raises(TrainingError, match=sentence):
        demand_shareable(student, recipe, devices)  # type: ignore[arg-type]


def test_adapters_keep_32_bits_beside_weights_in_16(checkpoints: dict[str, Path], lessons: list[Lesson]) -> None:
    recipe = tiny_recipe(precision="bf16", steps=1)
    student = student_of(checkpoints["diffusion"], recipe)
    trainer = Trainer(student, recipe, 0, new_accelerator(cpu=True))
    assert {parameter.dtype for parameter in trainer.trained.values()} == {torch.float32}
    frozen = [p for p in student.network.parameters() if not p.requires_grad]
    assert {parameter.dtype for parameter in frozen} == {torch.bfloat16}
    course = Course(lessons, recipe, 0, student.encode, 90)
    before = [parameter.clone() for parameter in frozen]
    measured = trainer.step(0, trainer.batches(course, 0), 1e-2)
    assert measured["gradient"] > 0
    assert all(torch.equal(one, other) for one, other in zip(before, frozen, strict=True))
    assert all(parameter.grad is None for parameter in frozen)
