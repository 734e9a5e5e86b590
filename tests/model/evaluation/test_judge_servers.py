"""The judge behind real servers: processes of their own that speak, fail, hang and die as a script tells them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from model.__main__ import main
from model.evaluation.judge.endpoint import Endpoint, EndpointError, Patience

SERVER = Path(__file__).with_name("judge_servers.py")
ASKED = [{"role": "user", "content": "Question: Where?\nReference answer: left\nClaim: left lung"}]
# Waits of milliseconds, so that a test of five tries is over at once.
QUICK = Patience(seconds=5.0, tries=3, first=0.01, longest=0.05)


@dataclass
class Served:
    url: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def requests(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()[1:]]


Serve = Callable[[str], Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    started: list[subprocess.Popen[str]] = []

    def start(script: str) -> Served:
        log = tmp_path / f"server-{len(started)}.log"
        with log.open("w", encoding="utf-8") as out:
            process = subprocess.Popen([sys.executable, str(SERVER), script], stdout=out, text=True)
        started.append(process)
        until = time.monotonic() + 60
        # The port is listening before it is told.
        while "\n" not in log.read_text(encoding="utf-8"):
            assert process.poll() is None, "The server did not start."
            assert time.monotonic() < until, "The server took too long to start."
            time.sleep(0.05)
        return Served(f"http://127.0.0.1:{log.read_text(encoding='utf-8').splitlines()[0]}/v1", process, log)

    yield start
    for process in started:
        process.kill()
        process.wait()


@contextmanager
def endpoint(served: Served, key: str | None = None, patience: Patience = QUICK) -> Iterator[Endpoint]:
    with Endpoint(served.url, "scripted", key, patience=patience) as opened:
        yield opened


def test_a_server_is_asked_for_its_likeliest_words_and_told_no_key_it_was_not_given(serve: Serve) -> None:
    served = serve("same")
    with endpoint(served) as judge:
        assert judge.reply(ASKED) == "RIGHT"
    (asked,) = served.requests
    assert asked["temperature"] == 0
    assert asked["model"] == "scripted"
    assert asked["messages"] == ASKED
    assert asked["authorization"] is None


@pytest.mark.parametrize("script", ["busy", "broken"])
def test_a_server_that_fails_for_a_while_is_asked_again(script: str, serve: Serve) -> None:
    served = serve(script)
    with endpoint(served) as judge:
        assert judge.reply(ASKED) == "RIGHT"
    assert len(served.requests) == 2


@pytest.mark.parametrize(
    ("script", "tries", "told"),
    [
        ("nonsense", 3, r"after 3 attempts: the response is not a chat completion: <html>Welcome to this printer"),
        ("hangs", 2, r"after 2 attempts: no answer within 0\.5 s\.$"),
        ("drips", 1, r"after 1 attempt: no whole answer within 0\.5 s\.$"),
        ("locked", 3, r"refuses with 401 Incorrect API key provided\.$"),
        ("elsewhere", 3, r"refuses with 307\.$"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_of_in_one_line(script: str, tries: int, told: str, serve: Serve) -> None:
    served = serve(script)
    seconds = 0.5 if script in ("hangs", "drips") else 5.0
    patience = Patience(seconds=seconds, tries=tries, first=0.01, longest=0.05)
    with endpoint(served, patience=patience) as judge, pytest.raises(EndpointError, match=told) as raised:
        judge.reply(ASKED)
    assert "\n" not in str(raised.value)
    # What no other try mends is not tried again.
    assert len(served.requests) == (1 if script in ("locked", "elsewhere") else tries)


def test_a_key_opens_what_is_locked(serve: Serve) -> None:
    with endpoint(serve("locked"), key="secret") as judge:
        assert judge.reply(ASKED) == "RIGHT"


def test_a_model_that_writes_nothing_has_given_no_verdict(serve: Serve) -> None:
    with endpoint(serve("mute")) as judge:
        assert judge.reply(ASKED) == ""


def test_waits_grow_and_never_pass_the_longest(serve: Serve) -> None:
    waits: list[float] = []
    served = serve("nonsense")
    patience = Patience(seconds=5.0, tries=5, first=1.0, longest=3.0)
    with Endpoint(served.url, "scripted", patience=patience, sleep=waits.append) as judge, pytest.raises(EndpointError):
        judge.reply(ASKED)
    assert waits == [1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://127.0.0.1/v1", "is not a server's address"),
        ("http://", "is not a server's address"),
        ("http://user:secret@127.0.0.1/v1", "must not contain a password"),
        ("http://127.0.0.1:port/v1", "Invalid port"),
    ],
)
def test_a_wrong_address_is_refused_before_anything_is_sent(url: str, told: str) -> None:
    with pytest.raises(EndpointError, match=told) as raised:
        Endpoint(url, "scripted")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("key", ["sec\nret", " secret", "s\u00e9cret", ""])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(EndpointError, match="key contains characters") as raised:
        Endpoint("http://127.0.0.1:9/v1", "scripted", key)
    assert "cret" not in str(raised.value)


def test_proxies_of_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with endpoint(serve("same")) as judge:
        assert judge.reply(ASKED) == "RIGHT"


# The command, as a person runs it.

LINES = [
    {"question": "Where?", "reference": "left", "answer": f"{side} {number}", "verdict": verdict, "kind": side}
    for number in range(5)
    for side, verdict in (("left", "right"), ("right", "wrong"))
]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES), encoding="utf-8")
    return path


def command(people: Path, url: str, *more: str) -> list[str]:
    judged = str(people.with_name("judged.jsonl"))
    named = ["--judge", url, "--judge-model", "scripted", "--judged", judged, "--judge-tries", "1"]
    return ["evaluate", "judge", "--verdicts", str(people), *named, *more]


def test_a_judge_is_measured_and_a_second_run_asks_nothing(
    serve: Serve, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = serve("same")
    out = tmp_path / "rows.json"
    assert main(command(people, served.url, "--json", str(out))) == 0
    rows = {
        (row["images"], row["measure"]): row
        for row in json.loads(out.read_text())["rows"]
        if row["subject"] != "exact match alone"
    }
    assert rows["people's verdicts", "Cohen's kappa"]["value"] == 1.0
    # This judge sees the first word alone: what comes after it goes unseen.
    assert rows["probes", "contradicted right, must be wrong"]["value"] == 0.0
    assert "Cohen's kappa" in capsys.readouterr().out
    asked = len(served.requests)
    assert asked > len(LINES)
    assert main(command(people, served.url)) == 0
    assert len(served.requests) == asked


def test_a_server_that_dies_in_the_middle_costs_one_line_and_no_verdict(
    serve: Serve, people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = serve("dies")
    assert main(command(people, served.url, "--judge-together", "1")) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("verdicts:")]
    assert len(told) == 1
    assert "4 of 30 new verdicts are saved in" in told[0]
    kept = people.with_name("judged.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(kept) == 4
    served.process.wait(timeout=10)
    # Nobody there any more: still nothing is lost.
    assert main(command(people, served.url)) == 2
    assert people.with_name("judged.jsonl").read_text(encoding="utf-8").splitlines() == kept


def test_a_judge_that_gives_no_verdicts_is_told_of_and_scores_nothing(
    serve: Serve, people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows.json"
    assert main(command(people, serve("chatty").url, "--json", str(out))) == 0
    rows = {row["measure"]: row for row in json.loads(out.read_text())["rows"] if row["subject"].startswith("scripted")}
    assert rows["of these without a verdict"]["value"] == 1.0
    assert rows["Cohen's kappa"]["value"] is None
    assert rows["agreement"]["count"] == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--judge", "http://127.0.0.1:9/v1"], "--judge needs --judged"),
        (["--judge", "http://127.0.0.1:9/v1", "--judged", "{}/j"], "needs --judge-model"),
        (["--judge", "{}/none", "--judged", "{}/j"], "cannot be loaded as a judge"),
        (["--judge", "{}/none", "--judged", "{}/j", "--judge-model", "x"], "is not a server's address"),
        (["--judge", "http://127.0.0.1:9/v1", "--judged", "{}/none/j"], "is not an existing folder"),
        (
            ["--judge", "http://127.0.0.1:9/v1", "--judge-model", "x", "--judged", "{}/j", "--judge-key-env", "NO_KEY"],
            "NO_KEY for the judge's key is not set",
        ),
        (["--verdicts", "{}/none.jsonl"], "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_sentence(
    more: list[str], told: str, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [one.replace("{}", str(tmp_path)) for one in more]
    assert main(["evaluate", "judge", "--verdicts", str(people), *given]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.strip().splitlines()) == 1
