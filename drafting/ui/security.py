"""What stands between the network and the app: open doors, same origin, body sizes, headers, and silence in errors.

Plain ASGI middleware; knows nothing of sessions, reports or Gradio beyond the paths that its page needs.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drafting.desk.errors import log_failure

logger = logging.getLogger(__name__)

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

# Gradio compiles its templates in the page and writes its settings inline, hence the two 'unsafe' words; what counts
# is that nothing is fetched from, or sent to, another host.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self' https://huggingface.co"
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), payment=(), clipboard-write=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# The page's own needs. Everything else that Gradio serves (uploads, files, proxy, deep links, monitoring, calls
# without the queue, its editor and its development routes) stays shut.
READ_EXACTLY = frozenset(
    {
        "/",
        "/config",
        "/favicon.ico",
        "/manifest.json",
        "/robots.txt",
        "/theme.css",
        "/gradio_api/queue/data",
        "/gradio_api/startup-events",
    }
)
READ_BELOW = ("/assets/", "/static/", "/workstation/", "/gradio_api/heartbeat/")
WRITE_EXACTLY = frozenset({"/gradio_api/queue/join"})
PRIVATE_BELOW = ("/desk/", "/gradio_api/")


class BodyTooLargeError(RuntimeError):
    """A request's body went over its limit while it was being received."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Who is let in.

    `hosts`: the names under which the app may be addressed, None for any. A browser that is tricked into resolving
    a stranger's name to this machine (DNS rebinding) sends that name. `public_host`: a name that pages of this app
    carry although a proxy in front addresses it by another.
    `body_bytes`: the most a request may send, but for the paths in `body_bytes_at`.
    """

    hosts: frozenset[str] | None = LOOPBACK
    public_host: str | None = None
    body_bytes: int = 4 * 2**20
    body_bytes_at: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def limit(self, path: str) -> int:
        return self.body_bytes_at.get(path, self.body_bytes)

    def refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        """The status and the sentence with which a request is turned away; None where it may come in."""
        host = headers.get("host", "").lower()
        if self.hosts is not None and _without_port(host) not in self.hosts:
            return 403, "This address is not served here."
        origin = headers.get("origin")
        if origin is not None:
            sender = urlsplit(origin).netloc.lower()
            if not sender or sender not in (host, self.public_host):
                return 403, "Requests from other sites are refused."
        if not _is_open(method, path):
            return 404, "There is nothing here."
        announced = headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self.limit(path):
            return 413, "This is too large to be received."
        return None


class Guard:
    """The middleware: turns away what `doors` refuse, and puts the headers on every answer, errors included."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self.app = app
        self.doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = _path(scope)
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if message["status"] == 413:
                    # Or the server below would go on receiving what nobody will read.
                    headers["Connection"] = "close"
                if path.startswith(PRIVATE_BELOW):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refusal = self.doors.refusal(scope["method"], path, Headers(scope=scope))
        if refusal:
            await _answer(*refusal, send_with_headers)
            return
        try:
            await self.app(scope, _limited(receive, self.doors.limit(path)), send_with_headers)
        except BodyTooLargeError:
            if not started:
                await _answer(413, "This is too large to be received.", send_with_headers)
        except Exception as error:  # noqa: BLE001 - the server below would log the message, which may quote a report
            log_failure(logger, "A request", error)
            if not started:
                await _answer(500, "The workstation failed to answer.", send_with_headers)


def _limited(receive: Receive, most: int) -> Receive:
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
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


def _is_open(method: str, path: str) -> bool:
    if path.startswith("/desk/"):
        return True
    if method in ("GET", "HEAD"):
        return path in READ_EXACTLY or path.startswith(READ_BELOW)
    return method == "POST" and path in WRITE_EXACTLY


def _path(scope: Scope) -> str:
    """The path that routes are matched with: without the prefix under which a proxy has put the app."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
