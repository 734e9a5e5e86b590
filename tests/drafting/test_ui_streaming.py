"""The reader's pace never becomes the engine's."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Generator

import pytest

from drafting.ui.streaming import AbandonedError, Paced


def counting(values: int, seconds: float = 0.0) -> Generator[int, None, str]:
    for value in range(1, values + 1):
        time.sleep(seconds)
        yield value
    return "done"


def collect(source: Generator[int, None, str], rate: float) -> tuple[list[int], str]:
    async def run() -> tuple[list[int], str]:
        paced = Paced(source, rate)
        return [value async for value in paced], paced.result

    return asyncio.run(run())


def test_a_fast_source_is_thinned_to_the_rate_and_its_last_value_always_comes() -> None:
    started = time.monotonic()
    values, result = collect(counting(100, 0.004), rate=10)
    seconds = time.monotonic() - started
    assert values[-1] == 100
    assert values == sorted(set(values))
    assert 2 <= len(values) <= seconds * 10 + 2
    assert result == "done"


def test_a_slow_source_loses_nothing() -> None:
    async def run() -> list[int]:
        go_on = threading.Semaphore(0)

        def source() -> Generator[int, None, str]:
            for value in range(4):
                go_on.acquire()
                yield value
            go_on.acquire()
            return "done"

        paced, values = Paced(source(), rate=1e6), []
        go_on.release()
        async for value in paced:
            values.append(value)
            go_on.release()
        return values

    assert asyncio.run(run()) == [0, 1, 2, 3]


def test_a_slow_reader_does_not_slow_the_source() -> None:
    ended = threading.Event()

    def source() -> Generator[int, None, str]:
        yield from range(1000)
        ended.set()
        return "done"

    async def run() -> list[int]:
        paced = Paced(source(), rate=15)
        first = await anext(paced)
        assert await asyncio.to_thread(ended.wait, 10)
        return [first, *[value async for value in paced]]

    assert asyncio.run(run())[-1] == 999


def test_a_source_without_values_still_gives_its_result() -> None:
    assert collect(counting(0), rate=15) == ([], "done")


def test_what_the_source_raises_is_raised_after_its_values() -> None:
    def source() -> Generator[int, None, str]:
        yield 1
        raise KeyError("x")

    async def run() -> None:
        paced = Paced(source(), rate=15)
        assert await anext(paced) == 1
        with pytest.raises(KeyError):
            await anext(paced)

    asyncio.run(run())


def test_to_abandon_wakes_the_reader_and_closes_the_source_at_its_next_value() -> None:
    closed, go_on = threading.Event(), threading.Event()

    def source() -> Generator[int, None, str]:
        try:
            yield 1
            go_on.wait(30)
            yield 2
            yield 3
        finally:
            closed.set()
        return "done"

    async def run() -> None:
        paced = Paced(source(), rate=1000)
        await anext(paced)
        asyncio.get_running_loop().call_later(0.01, paced.abandon)
        with pytest.raises(AbandonedError):
            await anext(paced)
        assert not closed.is_set()
        go_on.set()
        assert await asyncio.to_thread(closed.wait, 10)
        with pytest.raises(AbandonedError):
            await anext(paced)

    asyncio.run(run())


def test_a_source_whose_reader_and_loop_are_gone_is_closed() -> None:
    closed, go_on = threading.Event(), threading.Event()

    def source() -> Generator[int, None, str]:
        try:
            yield 1
            go_on.wait(30)
            yield 2
            yield 3
        finally:
            closed.set()
        return "done"

    async def run() -> None:
        await anext(Paced(source(), rate=1000))

    asyncio.run(run())
    go_on.set()
    assert closed.wait(10)


def test_the_source_runs_in_the_context_of_its_reader() -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")
    request.set("this one")

    def source() -> Generator[int, None, str]:
        yield 1
        return request.get()

    assert collect(source(), rate=15) == ([1], "this one")
