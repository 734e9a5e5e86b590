"""The base of the commands of `python -m model`: each declares its arguments and runs with the parsed options.

This module knows no command. A registry names the place of each `Command`, and its module is imported once the command
line asks for it, so that `--help` and the other commands do not wait for its imports.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TypeVar, get_args, get_type_hints

Settings = TypeVar("Settings")

Registry = Mapping[str, tuple[str, str]]
"""By a command's name: where its `Command` is ('package.module:NAME'), and one line of help."""


@dataclass(frozen=True, slots=True)
class Command:
    """`run` returns the exit code. `refusals`: errors whose message is one line for the user; they end with code 2."""

    declare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    refusals: tuple[type[Exception], ...] = ()


class CommandParser(argparse.ArgumentParser):
    """The parser of one command; it imports the command when the command line names it."""

    def __init__(self, *given: Any, place: str = "", **named: Any) -> None:
        super().__init__(*given, **named)
        self._place = place

    # What a parser of several commands calls for the one that was named.
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._place:
            command: Command = resolve_name(self._place)
            command.declare(self)
            self.set_defaults(invoked=command)
            self._place = ""
        return super().parse_known_args(args, namespace)


def add_commands(parser: argparse.ArgumentParser, what: str, registry: Registry) -> Any:
    """A parser for each command of a registry; `what` names the choice in the options."""
    group = parser.add_subparsers(dest=what, required=True, parser_class=CommandParser)
    for name, (place, described) in registry.items():
        group.add_parser(name, help=described, place=place)
    return group


def count(text: str) -> int:
    """A whole number from 0, as arguments have it."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def argument(default: Any, described: str, **options: Any) -> Any:
    """A field of a settings class that is an argument too; `options`: more for argparse than the field's type tells."""
    return field(default=default, metadata={"help": described, **options})


def declare_settings(parser: argparse.ArgumentParser, settings: type) -> None:
    """An argument for each field of a settings class that was made with `argument`."""
    kinds = get_type_hints(settings)
    for each in fields(settings):
        if "help" not in each.metadata:
            continue
        options = dict(each.metadata)
        kind = next((one for one in get_args(kinds[each.name]) if one is not type(None)), kinds[each.name])
        if kind is bool:
            options["action"] = "store_true"
        elif "type" not in options:
            options["type"] = count if kind is int else kind
        if each.default is not None and kind in (int, float):
            options["help"] += " (default %(default)s)"
        parser.add_argument(f"--{each.name.replace('_', '-')}", default=each.default, **options)


def settings_of(settings: type[Settings], options: argparse.Namespace) -> Settings:
    """The settings that the command line gave."""
    given = vars(options)
    return settings(**{each.name: given[each.name] for each in fields(settings) if each.name in given})  # type: ignore[arg-type]


def a_list(text: str) -> Sequence[str]:
    """Words with commas between."""
    return tuple(word for word in text.split(",") if word)


def not_written(path: Path, error: OSError) -> str:
    """Why a file cannot be written, in a sentence."""
    return f"{path} cannot be written: {error.strerror}."
