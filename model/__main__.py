"""The model's command line: `python -m model train`, `evaluate` and `data`; `--help` lists what each can do.

This module knows no command: the registries of the rooms do.
"""

from __future__ import annotations

import shlex
import sys

from model.commands import Command, CommandParser, add_commands
from model.evaluation import EVALUATIONS
from model.training import TRAININGS

SETS = {"data": ("model.sets.command:COMMAND", "contents and leaks of a set of questions or reports")}


def main(arguments: list[str] | None = None) -> int:
    parser = CommandParser(prog="python -m model")
    commands = add_commands(parser, "command", SETS)
    add_commands(commands.add_parser("train", help="train a model"), "what", TRAININGS)
    add_commands(commands.add_parser("evaluate", help="measure a model"), "what", EVALUATIONS)
    options = parser.parse_args(arguments)
    options.typed = shlex.join(["python", "-m", "model", *(sys.argv[1:] if arguments is None else arguments)])
    command: Command = options.invoked
    try:
        return command.run(options)
    except command.refusals as error:
        print(f"python -m model: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
