"""Limits on connections: their number, the time for a request's head, and what happens when the system has no file
descriptors left.

uvicorn, which Gradio starts with its own settings, waits for a half-sent request head for ever. And asyncio tries as
often as its backlog is long to accept a connection for which there is no descriptor, and logs every try. So a launched
server is bound here: it listens anew with protocols that count and time, and it says once what is wrong. Knows nothing
of what is served.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
import time
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)

# asyncio tries so often to accept before it looks at anything else; the system's own backlog is longer.
ACCEPTED_AT_ONCE = 16
SYSTEM_BACKLOG = 256
# For the model's files, studies that are being opened, the listening itself.
DESCRIPTORS_BESIDE = 256
LEAST_CONNECTIONS = 16
NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
COMPLAINT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """`connections`: at the same time; one more is closed at once. `head_seconds`: for a request's line and headers.

    `body_seconds`: for which a request's body may stand still.
    """

    connections: int = 512
    head_seconds: float = 15.0
    body_seconds: float = 30.0


def bound(server: uvicorn.Server, limits: Limits) -> None:
    """Bind a server that has started in a thread of its own; returns when it listens with these limits."""
    loop = server.servers[0].get_loop()
    asyncio.run_coroutine_threadsafe(_listen_anew(server, limits), loop).result()


def granted(connections: int) -> int:
    """So many connections, or as many as the system grants descriptors for; asks for more where it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + DESCRIPTORS_BESIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return connections
    return min(connections, max(LEAST_CONNECTIONS, soft - DESCRIPTORS_BESIDE))


async def _listen_anew(server: uvicorn.Server, limits: Limits) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(Complaints())
    most = granted(limits.connections)

    def protocol() -> BoundedProtocol:
        return BoundedProtocol(server.config, server.server_state, server.lifespan.state, most, limits.head_seconds)

    anew: list[asyncio.base_events.Server] = []
    for former in server.servers:
        for listening in former.sockets:
            own = socket.socket(fileno=os.dup(listening.fileno()))
            anew.append(await loop.create_server(protocol, sock=own, ssl=server.config.ssl, backlog=ACCEPTED_AT_ONCE))
            own.listen(SYSTEM_BACKLOG)
        former.close()
    server.servers = anew


class BoundedProtocol(H11Protocol):
    """A connection that is counted, and closed when a request's head does not come in time."""

    def __init__(
        self, config: uvicorn.Config, server_state: Any, app_state: dict[str, Any], most: int, head_seconds: float
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._most = most
        self._head_seconds = head_seconds
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._most:
            transport.abort()
            return
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._await_head()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_seconds, self._too_late)

    def _stop_waiting(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_late(self) -> None:
        self._head_timer = None
        self.transport.abort()


class Complaints:
    """The event loop's exception handler: that there are no descriptors left is said once a minute."""

    def __init__(self) -> None:
        self._said_at = -COMPLAINT_SECONDS

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in NO_DESCRIPTORS):
            loop.default_exception_handler(context)
            return
        now = time.monotonic()
        if now - self._said_at >= COMPLAINT_SECONDS:
            self._said_at = now
            logger.error("The system accepts no more connections: %s. Retrying.", error.strerror)
