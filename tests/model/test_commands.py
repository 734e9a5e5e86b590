"""The command line: commands are found by their registries, declare their own arguments, and cost nothing unasked."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from model.__main__ import SETS, main
from model.commands import Command, argument
from model.evaluation import EVALUATIONS
from model.evaluation.record import EvaluationError, Row
from model.evaluation.statistics import share
from model.evaluation.task import Context, SeededSettings, Task
from model.training import TRAININGS

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class CoinSettings(SeededSettings):
    limit: int = argument(4, "coins")
    side: str = argument("heads", "which side counts", choices=["heads", "tails"])


def toss(context: Context[CoinSettings]) -> Iterator[list[Row]]:
    """All that a new evaluation says: what it asks, and how it is scored."""
    settings = context.settings
    for coins in ("fair", "bent"):
        heads = [coins == "bent" or number % 2 == 0 for number in range(settings.limit)]
        yield [Row(coins, "coin", settings.side, share([each == (settings.side == "heads") for each in heads]))]
        if settings.limit > 100:
            raise EvaluationError("There are no more coins.")


COIN = Task("coin", CoinSettings, toss).command


@pytest.fixture
def coin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EVALUATIONS, "coin", (f"{__name__}:COIN", "tossed"))


@pytest.mark.usefixtures("coin")
def test_a_new_evaluation_is_a_task_and_a_line_in_the_registry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "coin.json"
    assert main(["evaluate", "coin", "--side", "tails", "--seed", "3", "--json", str(out)]) == 0
    saved = json.loads(out.read_text(encoding="utf-8"))
    assert saved["settings"] == {"seed": 3, "limit": 4, "side": "tails"}
    assert saved["command"] == f"python -m model evaluate coin --side tails --seed 3 --json {out}"
    assert [row["value"] for row in saved["rows"]] == [0.5, 0.0]
    assert "fair" in capsys.readouterr().out


@pytest.mark.usefixtures("coin")
def test_what_was_measured_before_a_failure_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "coin.json"
    assert main(["evaluate", "coin", "--limit", "101", "--json", str(out)]) == 2
    assert capsys.readouterr().err == "python -m model: There are no more coins.\n"
    assert [row["images"] for row in json.loads(out.read_text(encoding="utf-8"))["rows"]] == ["fair"]


@pytest.mark.parametrize(
    "words",
    [[], ["train"], ["evaluate"], *([name] for name in SETS)]
    + [["train", name] for name in TRAININGS]
    + [["evaluate", name] for name in EVALUATIONS],
    ids=" ".join,
)
def test_every_command_tells_its_arguments(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    assert "--help" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], ["evaluate", "--help"], ["data", "--help"]], ids=" ".join)
def test_no_command_waits_for_the_imports_of_others(words: list[str]) -> None:
    script = (
        "import sys; from model.__main__ import main\n"
        f"try: main({words})\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)


def test_only_a_commands_own_refusals_are_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(options: Namespace) -> int:
        raise KeyError("a fault of the code")

    monkeypatch.setattr("model.sets.command.COMMAND", Command(lambda parser: None, fails, (EvaluationError,)))
    with pytest.raises(KeyError):
        main(["data"])


def test_a_count_is_not_below_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "looked", "--data", "x", "--limit", "-1"])
    assert "--limit" in capsys.readouterr().err
