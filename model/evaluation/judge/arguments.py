"""The judge that the command line names, and its verdicts, kept as they come. Knows nothing of what is measured."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from model.commands import count
from model.evaluation.judge.endpoint import Endpoint, EndpointError, Message, Patience
from model.evaluation.judge.verdict import PROMPT_VERSION, Answered, Judge, Verdict, judged
from model.evaluation.ledger import Ledger
from model.evaluation.record import EvaluationError
from model.evaluation.task import Context


def declare_judge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--judge",
        help="a language model that says whether an answer is right: the address of a server that speaks the OpenAI "
        "protocol, such as http://127.0.0.1:8000/v1, or the folder or hub id of a causal language model. It is sent "
        "the question, the reference and the answer's final claim; images are never sent, and nothing goes anywhere "
        "else, not through a proxy and not where the server redirects to",
    )
    parser.add_argument("--judge-model", help="the judge's name at that address")
    parser.add_argument("--judge-key-env", metavar="NAME", help="environment variable that holds the key for it")
    parser.add_argument("--judge-tokens", type=count, default=64, help="tokens of a verdict at most (default 64)")
    parser.add_argument("--judge-timeout", type=float, default=120.0, help="seconds for one verdict (default 120)")
    parser.add_argument(
        "--judge-tries", type=count, default=6, help="attempts for a failing server, with growing pauses (default 6)"
    )
    parser.add_argument("--judge-together", type=count, default=4, help="verdicts under way at a time (default 4)")
    parser.add_argument(
        "--judged", type=Path, help="file that keeps every verdict, a line of JSON each; the same command goes on there"
    )


class _ServedJudge:
    """A model of a server as a judge; verdicts are kept by its name and its address."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.name = f"{endpoint.model} at {endpoint.url}"

    def reply(self, messages: Sequence[Message]) -> str:
        return self._endpoint.reply(messages)


@contextmanager
def judge_of(options: argparse.Namespace) -> Iterator[Judge]:
    """The judge that was named: a server by its address, else a folder or hub id."""
    if "://" not in options.judge:
        if options.judge_model or options.judge_key_env:
            raise EvaluationError(
                f"{options.judge} is no address of a server: --judge-model and --judge-key-env do not go with it."
            )
        from model.evaluation.judge.local import LocalJudge

        yield LocalJudge(options.judge, options.judge_tokens)
        return
    if not options.judge_model:
        raise EvaluationError("--judge with an address needs --judge-model, the name of the model there.")
    key = None
    if options.judge_key_env:
        key = os.environ.get(options.judge_key_env, "").strip()
        if not key:
            raise EvaluationError(f"The environment has no {options.judge_key_env} that would hold the judge's key.")
    patience = Patience(options.judge_timeout, options.judge_tries)
    try:
        with Endpoint(options.judge, options.judge_model, key, options.judge_tokens, patience) as endpoint:
            yield _ServedJudge(endpoint)
    except EndpointError as error:
        raise EvaluationError(str(error)) from error


def verdicts_on(answers: Iterable[Answered], judge: Judge, context: Context) -> dict[Answered, Verdict]:
    """Every answer's verdict; the file that the options name keeps them, and the record names the judge."""
    options = context.options
    context.note_settings(judge=judge.name, judge_prompt=PROMPT_VERSION)
    with Ledger(options.judged) as kept:
        return judged(answers, judge, kept, options.judge_together, _told)


def _told(done: int, of: int) -> None:
    if done % 10 == 0 or done == of:
        print(f"verdicts: {done} of {of}", file=sys.stderr, flush=True)
