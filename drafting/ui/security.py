"""Checks between the network and the app: allowed paths, same origin, body sizes, headers, errors that reveal nothing.

Plain ASGI; knows nothing of sessions, reports or Gradio beyond the paths that its page and its clients need.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drafting.desk.errors import log_failure

logger = logging.getLogger(__name__)

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII)

# CodeMirror puts its style sheets into the page, hence 'unsafe-inline' for styles. Scripts come from files alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), payment=(), clipboard-write=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# What the page needs, and what Gradio's own clients ask for: the settings, the list of endpoints, the queue. Everything
# else that Gradio serves (uploads, files, proxy, deep links, monitoring, calls without the queue, its own page and its
# development routes) stays shut.
READ_EXACTLY = frozenset(
    {
        "/",
        "/config",
        "/robots.txt",
        "/gradio_api/info",
        "/gradio_api/queue/data",
        "/gradio_api/startup-events",
    }
)
READ_BELOW = ("/workstation/",)
WRITE_EXACTLY = frozenset({"/gradio_api/queue/join"})
PRIVATE_BELOW = ("/desk/", "/gradio_api/")
TOOLS = "/gradio_api/mcp"


class BodyTooLargeError(RuntimeError):
    """A request's body went over its limit while it was being received."""


class BodyTooSlowError(RuntimeError):
    """Nothing has come of a request's body for too long."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Who is let in.

    `hosts`: the names under which the app may be addressed, None for any. A browser that is tricked into resolving
    a stranger's name to this machine (DNS rebinding) sends that name. `public_host`: a name that pages of this app
    carry although a proxy in front addresses it by another. `framed_by`: the origins whose pages may show this one in a
    frame. `body_bytes`: the most a request may send, but for the paths in `body_bytes_at`. `tools`: whether Gradio's
    MCP server is there.
    """

    hosts: frozenset[str] | None = LOOPBACK
    public_host: str | None = None
    framed_by: tuple[str, ...] = ()
    tools: bool = False
    body_bytes: int = 4 * 2**20
    body_bytes_at: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def policy(self) -> str:
        """The Content-Security-Policy."""
        return " ".join((POLICY, *self.framed_by))

    def limit(self, path: str) -> int:
        return self.body_bytes_at.get(path, self.body_bytes)

    def refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        """The status and the sentence with which a request is turned away; None where it may come in."""
        host = headers.get("host", "").lower()
        if self.hosts is not None and _without_port(host) not in self.hosts:
            return 403, "This server does not answer under this host name."
        origin = headers.get("origin")
        if origin is not None:
            # An origin has no name, no password and no path; one that has was not sent by a browser.
            sender = urlsplit(origin).netloc.lower() if ORIGIN.fullmatch(origin.lower()) else ""
            if not sender or sender not in (host, self.public_host):
                return 403, "Requests from other sites are refused."
        if not self._is_open(method, path):
            return 404, "Not found."
        announced = headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self.limit(path):
            return 413, "The request is too large."
        return None

    def _is_open(self, method: str, path: str) -> bool:
        if path.startswith("/desk/"):
            return True
        if self.tools and (path == TOOLS or path.startswith(TOOLS + "/")):
            return method in ("GET", "POST", "DELETE")
        if method in ("GET", "HEAD"):
            return path in READ_EXACTLY or path.startswith(READ_BELOW)
        return method == "POST" and path in WRITE_EXACTLY


class Guard:
    """Around the whole app: turns away what `doors` refuse, and puts the headers on every answer, errors included.

    Where a request comes from is judged here and nowhere else, so the app below does not see its origin: Gradio would
    allow other sites on this machine to read the answers. A client that sends nothing of its request's body for
    `body_seconds` is given up.
    """

    def __init__(self, app: ASGIApp, doors: Doors, body_seconds: float) -> None:
        self.app = app
        self.doors = doors
        self.body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = path_of(scope)
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["Content-Security-Policy"] = self.doors.policy
                if message["status"] in (408, 413):
                    # Or the server below would go on receiving what nobody will read.
                    headers["Connection"] = "close"
                if path.startswith(PRIVATE_BELOW):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refusal = self.doors.refusal(scope["method"], path, Headers(scope=scope))
        if refusal:
            await _answer(*refusal, send_with_headers)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"origin"]
        try:
            receive = _limited(receive, self.doors.limit(path), self.body_seconds)
            await self.app({**scope, "headers": headers}, receive, send_with_headers)
        except BodyTooLargeError:
            if not started:
                await _answer(413, "The request is too large.", send_with_headers)
        except BodyTooSlowError:
            if not started:
                await _answer(408, "The request stopped arriving before it was complete.", send_with_headers)
        except Exception as error:  # noqa: BLE001 - the server below would log the message, which may quote a report
            log_failure(logger, "A request", error)
            if not started:
                await _answer(500, "The server had an internal error.", send_with_headers)


def _limited(receive: Receive, most: int, seconds: float) -> Receive:
    received = 0
    is_whole = False

    async def limited() -> Message:
        nonlocal received, is_whole
        if is_whole:
            # What comes now is the client's going, for which there is no hurry.
            return await receive()
        try:
            async with asyncio.timeout(seconds):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlowError from None
        is_whole = not message.get("more_body", False)
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > most:
                raise BodyTooLargeError
        return message

    return limited


async def _answer(status: int, sentence: str, send: Send) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def path_of(scope: Scope) -> str:
    """The path that routes are matched with: without the prefix under which a proxy has put the app."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
