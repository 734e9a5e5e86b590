"""The judge named on the command line, and its verdicts, saved as they arrive. Knows nothing of what is measured."""

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
        help="a language model that decides whether an answer is right: the address of a server with the OpenAI "
        "protocol, such as http://127.0.0.1:8000/v1, or the folder or hub id of a causal language model. It is sent "
        "only the question, the reference and the answer's final claim, never an image, and directly: proxies "
        "and redirects are not followed",
    )
    parser.add_argument("--judge-model", help="the judge's name at that address")
    parser.add_argument("--judge-key-env", metavar="NAME", help="environment variable with the key for that address")
    parser.add_argument("--judge-tokens", type=count, default=64, help="maximum tokens of a verdict (default 64)")
    parser.add_argument("--judge-timeout", type=float, default=120.0, help="seconds for one verdict (default 120)")
    parser.add_argument(
        "--judge-tries", type=count, default=6, help="attempts for a failing server, with growing pauses (default 6)"
    )
    parser.add_argument("--judge-together", type=count, default=4, help="verdicts in progress at a time (default 4)")
    parser.add_argument(
        "--judged", type=Path, help="file that saves each verdict as a line of JSON; the same command resumes there"
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
                f"{options.judge} is not a server's address. Leave out --judge-model and --judge-key-env."
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
            raise EvaluationError(f"The environment variable {options.judge_key_env} for the judge's key is not set.")
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
