"""The browser's pace never becomes the engine's."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Generator

import pytest

from drafting.ui.streaming import newest


def counting(values: int, seconds: float = 0.0) -> Generator[int, None, str]:
    for value in range(1, values + 1):
        time.sleep(seconds)
        yield value
    return "done"


def collect(source: Generator[int, None, str]) -> tuple[list[int], str]:
    values = []
    while True:
        try:
            values.append(next(source))
        except StopIteration as end:
            return values, end.value


def test_a_fast_source_is_thinned_to_the_rate_and_its_last_value_always_comes() -> None:
    started = time.monotonic()
    values, result = collect(newest(counting(100, 0.004), rate=10))
    seconds = time.monotonic() - started
    assert values[-1] == 100
    assert values == sorted(set(values))
    assert 2 <= len(values) <= seconds * 10 + 2
    assert result == "done"


def test_a_slow_source_loses_nothing() -> None:
    assert collect(newest(counting(4, 0.03), rate=1000))[0] == [1, 2, 3, 4]


def test_a_slow_reader_does_not_slow_the_source() -> None:
    ended = threading.Event()

    def source() -> Generator[int, None, str]:
        yield from range(1000)
        ended.set()
        return "done"

    values = newest(source(), rate=15)
    first = next(values)
    assert ended.wait(2)
    assert [first, *values][-1] == 999


def test_a_source_without_values_still_gives_its_result() -> None:
    assert collect(newest(counting(0), rate=15)) == ([], "done")


def test_what_the_source_raises_is_raised_after_its_values() -> None:
    def source() -> Generator[int, None, str]:
        yield 1
        raise KeyError("x")

    values = newest(source(), rate=15)
    assert next(values) == 1
    with pytest.raises(KeyError):
        next(values)


def test_closing_closes_the_source_at_its_next_value_without_waiting() -> None:
    closed, go_on = threading.Event(), threading.Event()

    def source() -> Generator[int, None, str]:
        try:
            yield 1
            go_on.wait(5)
            yield 2
            yield 3
        finally:
            closed.set()
        return "done"

    values = newest(source(), rate=1000)
    next(values)
    values.close()
    assert not closed.is_set()
    go_on.set()
    assert closed.wait(5)


def test_the_source_runs_in_the_context_of_its_reader() -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")
    request.set("this one")

    def source() -> Generator[int, None, str]:
        yield 1
        return request.get()

    assert collect(newest(source(), rate=15)) == ([1], "this one")
