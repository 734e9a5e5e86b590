"""`python -m model train lora` from the command line, and the published shape's measurement on a tiny shape."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.__main__ import main
from model.training.lora.command import lessons_in
from model.training.lora.published import measure_steps, sibling_of
from model.training.lora.state import read_log
from model.training.small.fresh import (
    fresh_config,
    sibling_config,
)
from tests.model.conftest import TINY
from tests.model.lora import (
    FAMILIES,
    tiny_recipe,
)


def recipe_file(path: Path, **told: object) -> Path:
    least = {"rank": 2, "alpha": 4, "learning_rate": 1e-2, "batch": 2, "steps": 2, "canvas": 96}
    lines = [f"{key} = {json.dumps(value)}" for key, value in (least | told).items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_command_trains_and_goes_on(
    checkpoints: dict[str, Path], set_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_file(tmp_path / "recipe.toml", seeds=[4])
    told = ["--model", str(checkpoints["diffusion"]), "--recipe", str(recipe), "--data", str(set_folder)]
    out = ["--out", str(tmp_path / "out"), "--cpu"]
    assert main(["train", "lora", *told, *out, "--steps", "1"]) == 0
    assert main(["train", "lora", *told, *out]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "seed 4; resumes after step 1" in printed.err
    steps = [row["step"] for row in read_log(tmp_path / "out" / "log.jsonl")[1:]]
    assert steps == [1, 2]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"--model": "nowhere/at/all"}, "nowhere/at/all cannot be loaded as a checkpoint"),
        ({"--recipe": "nowhere.toml"}, "The recipe nowhere.toml cannot be read"),
        ({"--data": "nowhere"}, "nowhere"),
        ({"--out": "/dev/null/out"}, "/dev/null/out cannot be written"),
    ],
)
def test_a_wrong_path_is_one_line_and_exit_code_2(
    changed: dict[str, str],
    sentence: str,
    checkpoints: dict[str, Path],
    set_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = {
        "--model": str(checkpoints["diffusion"]),
        "--recipe": str(recipe_file(tmp_path / "recipe.toml")),
        "--data": str(set_folder),
        "--out": str(tmp_path / "out"),
    } | changed
    assert main(["train", "lora", "--cpu", *(word for pair in told.items() for word in pair)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m model: ")]
    assert len(lines) == 1
    assert sentence in lines[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_of_a_published_shape_are_measured(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = fresh_config(replace(TINY, canvas_length=128), 2560)
    recipe = tiny_recipe(steps=1, batch=1, canvas=128, precision="bf16", checkpointing=True, encoder_loss=1.0)
    said: list[str] = []
    code = measure_steps(family, 2, tmp_path / "m.json", recipe, said.append, config=config, cpu=True)  # type: ignore[arg-type]
    assert code == 0
    told = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    assert [row["step"] for row in told["steps"]] == [1, 2]
    assert told["seconds_a_step"] > 0
    assert told["peak_mb"] > 0
    assert 0 < told["trained_weights"] < told["weights"]
    assert "s a step" in said[-1]


def test_the_siblings_shape_is_the_diffusion_models() -> None:
    made = sibling_of(fresh_config(TINY, 500)).to_dict()
    wanted = sibling_config(TINY, 500).to_dict()
    assert made["text_config"] == wanted["text_config"]
    assert made["vision_config"] == wanted["vision_config"]


def test_without_a_gpu_the_published_shape_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main(["train", "lora", "--published", "diffusion"]) == 2
    assert "needs a GPU of 80 GB" in capsys.readouterr().err


def test_reports_are_lessons_too(
    checkpoints: dict[str, Path], set_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    picture = next((set_folder / "images").iterdir())
    (reports / picture.name).write_bytes(picture.read_bytes())
    text = "FINDINGS:\nThe heart is normal. The lungs are clear.\n\nIMPRESSION:\nNo acute disease."
    entries = [
        {"id": "a", "images": [picture.name], "report": text, "split": "train"},
        {"id": "b", "images": [], "report": text, "split": "train"},
        {"id": "c", "images": [picture.name], "report": text, "split": "test"},
    ]
    (reports / "reports.jsonl").write_text("\n".join(json.dumps(entry) for entry in entries), encoding="utf-8")
    lessons = lessons_in(reports, tiny_recipe())
    assert [lesson.id for lesson in lessons] == ["a", "b"]
    assert [lesson.picture and lesson.picture.name for lesson in lessons] == [picture.name, None]
    assert [lesson.text for lesson in lessons] == [text, text]
    recipe = recipe_file(tmp_path / "recipe.toml", infill=1.0)
    told = ["--model", str(checkpoints["diffusion"]), "--recipe", str(recipe), "--cpu"]
    folders = ["--data", str(set_folder), str(reports), "--out", str(tmp_path / "out")]
    assert main(["train", "lora", *told, *folders]) == 0
    assert "17 of 17 lessons" in capsys.readouterr().err


def test_two_processes_share_a_run_and_end_where_one_does(
    checkpoints: dict[str, Path], set_folder: Path, tmp_path: Path
) -> None:
    recipe = recipe_file(tmp_path / "recipe.toml", accumulation=2, infill=0.3, checkpointing=True)
    told = ["train", "lora", "--model", str(checkpoints["diffusion"]), "--recipe", str(recipe)]
    told += ["--data", str(set_folder), "--cpu", "--out"]
    assert main([*told, str(tmp_path / "one")]) == 0
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "model"]
    ended = subprocess.run(
        [*launch, *told, str(tmp_path / "two")],
        cwd=Path(__file__).parents[4],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    one, two = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)
    assert '"devices": "2 x cpu"' in (tmp_path / "two" / "log.jsonl").read_text(encoding="utf-8")
