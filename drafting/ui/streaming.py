"""Frames at the engine's pace in, frames at the browser's pace out. Knows nothing of sessions or Gradio."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Generator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def newest(source: Generator[T, None, R], rate: float) -> Generator[T, None, R]:
    """Run `source` in a thread at its own pace; yields its newest value, at most `rate` a second, and its last always.

    Returns what `source` returns and raises what it raises. Closing this generator closes `source` after its next
    value, without waiting for it.
    """
    box: _Box[T, R] = _Box()
    # In the caller's context: hosted GPUs find the request that they serve by its context variables.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(box.fill, source), name="draft", daemon=True).start()
    due = 0.0
    try:
        while (value := box.take(due)) is not None:
            due = time.monotonic() + 1 / rate
            yield value[0]
    finally:
        box.abandon()
    return box.result()


class _Box(Generic[T, R]):
    """Holds the newest value between the two threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: tuple[T] | None = None
        self._returned: tuple[R] | None = None
        self._raised: BaseException | None = None
        self._ended = False
        self._abandoned = False

    def fill(self, source: Generator[T, None, R]) -> None:
        try:
            while True:
                value = next(source)
                with self._changed:
                    abandoned = self._abandoned
                    self._newest = (value,)
                    self._changed.notify_all()
                if abandoned:
                    source.close()
                    return
        except StopIteration as end:
            self._returned = (end.value,)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that takes the values
            self._raised = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def take(self, due: float) -> tuple[T] | None:
        """The newest value not taken yet, not before the time `due` unless it is the last; None after the last."""
        with self._changed:
            while self._newest is None and not self._ended:
                self._changed.wait()
            while not self._ended and (early := due - time.monotonic()) > 0:
                self._changed.wait(early)
            value, self._newest = self._newest, None
            return value

    def abandon(self) -> None:
        with self._changed:
            self._abandoned = True

    def result(self) -> R:
        if self._raised:
            raise self._raised
        if self._returned is None:
            raise RuntimeError("The values ended without a result.")
        return self._returned[0]
