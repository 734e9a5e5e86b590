"""The readers of the streams of runs, and how far they lag behind.

Gradio keeps what a run yields in a queue without bounds until somebody fetches it, and some of it for ever. So a run
asks here before it yields: it waits while its reader has not taken what was yielded before, and ends when the reader is
gone. What nobody can read any more is forgotten. A stream is known by the session hash under which its events joined
Gradio's queue. Everything but `forget_owned_by` belongs to one event loop. Knows nothing of what is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from drafting.ui.streaming import Paced

T = TypeVar("T")

# One on its way while the next is being made.
UNREAD = 2


class ReaderGoneError(RuntimeError):
    """Nobody reads this stream any more, or nobody has for too long."""


@dataclass(eq=False)
class Stream:
    """What is known of one stream. `owners`: whose end is the stream's; `on_gone`: called when its reader goes."""

    unread: int = 0
    runs: int = 0
    readers: int = 0
    gone: bool = False
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    owners: set[str] = field(default_factory=set)
    on_gone: set[Callable[[], None]] = field(default_factory=set)

    async def room(self, patience: float) -> None:
        """Waits until one more message may be sent, for at most `patience` seconds. Raises ReaderGoneError."""
        try:
            async with asyncio.timeout(patience):
                while self.unread >= UNREAD and not self.gone:
                    self.taken.clear()
                    await self.taken.wait()
        except TimeoutError:
            self.end()
        if self.gone:
            raise ReaderGoneError
        self.unread += 1

    def take(self, messages: int) -> None:
        """The client has been sent so many messages."""
        self.unread = max(0, self.unread - messages)
        self.taken.set()

    def end(self) -> None:
        """Nobody reads any more: the runs that write to the stream end."""
        self.gone = True
        self.taken.set()
        for tell in tuple(self.on_gone):
            tell()


class Readers:
    """The streams that runs write to and clients read, by session hash.

    `forget`: drops the messages of a stream; called when it has neither runs nor readers. `patience`: the seconds for
    which a run waits for its reader, and for which what it has written waits after its end.
    """

    def __init__(self, forget: Callable[[str], None], patience: float) -> None:
        self.patience = patience
        self._forget = forget
        self._streams: dict[str, Stream] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._streams)

    @contextmanager
    def run(self, name: str) -> Iterator[Stream]:
        """The stream of this name, as long as the run writes to it."""
        self._loop = asyncio.get_running_loop()
        stream = self._streams.setdefault(name, Stream())
        stream.runs += 1
        try:
            yield stream
        finally:
            stream.runs -= 1
            if stream.gone:
                self._drop_unused(name, stream)
            elif not stream.readers:
                # What it has written last may still be fetched.
                self._loop.call_later(self.patience, self._drop_unused, name, stream)

    @contextmanager
    def reader(self, name: str) -> Iterator[Stream]:
        """The stream of this name, as long as a client is connected to it."""
        stream = self._streams.setdefault(name, Stream())
        stream.readers += 1
        try:
            yield stream
        finally:
            stream.readers -= 1
            if stream.runs and not stream.readers:
                stream.end()
            self._drop_unused(name, stream)

    def forget_owned_by(self, owner: str) -> None:
        """Forget what nobody has read of the streams of this owner. May be called from any thread."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end_owned_by, owner)

    def _end_owned_by(self, owner: str) -> None:
        for name, stream in tuple(self._streams.items()):
            if owner in stream.owners and not stream.readers:
                stream.end()
                self._drop_unused(name, stream)

    def _drop_unused(self, name: str, stream: Stream) -> None:
        if self._streams.get(name) is stream and not (stream.runs or stream.readers):
            del self._streams[name]
            self._forget(name)


async def followed(paced: Paced[T, Any], stream: Stream, patience: float) -> AsyncGenerator[T, None]:
    """The newest values of a run, as fast as its reader takes them.

    Raises ReaderGoneError or AbandonedError where the reader is gone, and what the run raises. The run ends with this.
    """
    stream.on_gone.add(paced.abandon)
    try:
        while True:
            await stream.room(patience)
            try:
                value = await anext(paced)
            except StopAsyncIteration:
                return
            yield value
    finally:
        stream.on_gone.discard(paced.abandon)
        paced.abandon()
