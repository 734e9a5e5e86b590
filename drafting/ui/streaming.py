"""Frames at the engine's pace in, frames at the reader's pace out. Knows nothing of sessions or Gradio."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Generator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class AbandonedError(RuntimeError):
    """Nobody reads the values any more."""


class Paced(Generic[T, R]):
    """The values of `source`, which runs in a thread at its own pace: the newest, at most `rate` a second.

    An asynchronous iterator, for one reader in one event loop. The last value always comes, then `result` is what
    `source` returned. Whatever `source` raises is raised after its values. A value that the reader did not take in time
    is dropped, so a slow reader costs no memory.
    """

    def __init__(self, source: Generator[T, None, R], rate: float) -> None:
        self._source = source
        self._gap = 1 / rate
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._lock = threading.Lock()
        self._newest: tuple[T] | None = None
        self._returned: tuple[R] | None = None
        self._raised: BaseException | None = None
        self._ended = False
        self._abandoned = False
        self._due = 0.0
        # In the caller's context: hosted GPUs find the request that they serve by its context variables.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._fill,), name="draft", daemon=True).start()

    @property
    def result(self) -> R:
        """What the source returned. Raises RuntimeError before its end."""
        if self._returned is None:
            raise RuntimeError("The stream ended without a result.")
        return self._returned[0]

    def abandon(self) -> None:
        """Wake the reader with AbandonedError, and close the source after its next value, without waiting for it.

        To be called in the event loop. A result that is there already stays.
        """
        with self._lock:
            self._abandoned = True
        self._changed.set()

    def __aiter__(self) -> Paced[T, R]:
        return self

    async def __anext__(self) -> T:
        while True:
            self._changed.clear()
            with self._lock:
                ended, abandoned, waiting = self._ended, self._abandoned, self._newest is not None
            if abandoned:
                raise AbandonedError
            early = self._due - self._loop.time()
            if ended or (waiting and early <= 0):
                break
            # Until something changes, or the newest value may be taken.
            timer = self._loop.call_later(early, self._changed.set) if waiting else None
            await self._changed.wait()
            if timer:
                timer.cancel()
        with self._lock:
            value, self._newest = self._newest, None
        if value is not None:
            self._due = self._loop.time() + self._gap
            return value[0]
        if self._raised:
            raise self._raised
        raise StopAsyncIteration

    def _fill(self) -> None:
        try:
            while True:
                value = next(self._source)
                with self._lock:
                    abandoned = self._abandoned
                    self._newest = None if abandoned else (value,)
                if abandoned or not self._tell():
                    self._source.close()
                    return
        except StopIteration as end:
            self._returned = (end.value,)
        except BaseException as error:  # noqa: BLE001 - raised again where the values are taken
            self._raised = error
        finally:
            with self._lock:
                self._ended = True
            self._tell()

    def _tell(self) -> bool:
        """Wake the reader; False where its event loop has been closed, and with it the server."""
        try:
            self._loop.call_soon_threadsafe(self._changed.set)
        except RuntimeError:
            return False
        return True
