"""A file that saves finished work line by line, so that a stopped command resumes where it was.

Each line is a JSON object. The first tells the settings that the rest was made with, where they matter. This module
knows nothing of what the lines mean.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from model.evaluation.record import EvaluationError

SETTINGS = "settings"
# Of the lines that `once` writes.
ASKED, MADE = "asked", "made"

Line = Mapping[str, Any]


class Ledger:
    """The lines of a file, and more as they are made. A context manager; safe to add to from several threads."""

    def __init__(self, path: Path, settings: Mapping[str, Any] | None = None) -> None:
        """Open a file, or begin it. A last line that was cut off is dropped: its work is done again.

        Raises EvaluationError where it cannot be read or written, holds anything but JSON objects, or was begun with
        other settings.
        """
        self.path = path
        self._lock = Lock()
        if path.exists() and not path.is_file():
            raise EvaluationError(f"{path} is not a file that can be written.")
        try:
            self._file: BinaryIO = path.open("a+b", buffering=0)
        except OSError as error:
            raise EvaluationError(f"{path} cannot be written: {error.strerror}.") from error
        try:
            self.lines: list[Line] = self._read()
            if settings is not None:
                self._settle(dict(settings))
            self._made = {str(line[ASKED]): line[MADE] for line in self.lines if ASKED in line and MADE in line}
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, line: Line) -> None:
        """Write a line before anything else is done. Raises EvaluationError where it cannot be written."""
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        with self._lock:
            try:
                while data:
                    data = data[self._file.write(data) :]
            except OSError as error:
                kept = f"{len(self.lines)} finished lines are saved" if self.lines else "nothing was finished yet"
                raise EvaluationError(f"{self.path} cannot be written: {error.strerror}; {kept}.") from error
            self.lines.append(line)

    def once(self, asked: Sequence[Any], work: Callable[[], Any]) -> Any:
        """What `work` made of `asked` before, as a line of this file tells, or makes now; both are what JSON can hold.

        Raises EvaluationError where it cannot be written; what was written before stays.
        """
        key = sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        if key not in self._made:
            made = work()
            self.add({ASKED: key, MADE: made})
            self._made[key] = made
        return self._made[key]

    def _read(self) -> list[Line]:
        try:
            self._file.seek(0)
            data = self._file.read()
            whole = data.rfind(b"\n") + 1
            # The rest first, so that nothing is cut off a file that is not of this kind.
            lines = [_parsed(line, self.path, number) for number, line in enumerate(data[:whole].splitlines(), start=1)]
            if whole < len(data):
                if not data[whole:].startswith(b"{"):
                    raise EvaluationError(f"{self.path} is not a file of JSON lines.")
                self._file.truncate(whole)
        except OSError as error:
            raise EvaluationError(f"{self.path} cannot be read: {error.strerror}.") from error
        return lines

    def _settle(self, settings: dict[str, Any]) -> None:
        # As they come back from the file: tuples are lists there.
        wanted = json.loads(json.dumps(settings))
        if not self.lines:
            self.add({SETTINGS: wanted})
        begun = self.lines[0].get(SETTINGS)
        if not isinstance(begun, dict):
            raise EvaluationError(f"{self.path} does not begin with the settings of an evaluation.")
        other = sorted(name for name in {*wanted, *begun} if wanted.get(name) != begun.get(name))
        if other:
            shown = ", ".join(
                f"{name} {_short(begun.get(name))} instead of {_short(wanted.get(name))}" for name in other
            )
            raise EvaluationError(f"{self.path} was started with other settings ({shown}). Choose another file.")
        self.lines = self.lines[1:]


def _parsed(line: bytes, path: Path, number: int) -> Line:
    try:
        parsed = json.loads(line)
    except ValueError as error:
        raise EvaluationError(f"Line {number} of {path} is not JSON.") from error
    if not isinstance(parsed, dict):
        raise EvaluationError(f"Line {number} of {path} is not a JSON object.")
    return parsed


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
