"""The entrance to Gradio's queue: checks what is put into it and counts how far its streams are read.

Gradio takes any JSON for the values of an event. It fetches the address in a value that looks like one of its files,
and it fails on numbers and names of the wrong kind. So a request to join the queue is read here in full, and Gradio is
given a body that this module has written: the endpoint, the stream's name, and plain values of the kinds that the
endpoint declares. Plain ASGI middleware; knows nothing of what the values mean.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drafting.ui.readers import Readers
from drafting.ui.security import BodyTooLargeError, BodyTooSlowError, path_of

JOIN = "/gradio_api/queue/join"
DATA = "/gradio_api/queue/data"
STREAM_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
# A longer body is taken apart in a thread, so that nobody waits for it.
SHORT_BODY_BYTES = 64 * 2**10
PARSERS = 2
LONG_BODIES = 4
LONG_BODY_SECONDS = 60.0
GENERATING = b'"msg":"process_generating"'

Kind = type[str] | type[int] | type[bool]


class DoorError(ValueError):
    """A body that may not enter; the message is one sentence, and quotes nothing of what was sent."""


class QueueDoor:
    """`endpoints`: the kinds of each endpoint's values, by Gradio's number for it; asked for when a request comes.

    `is_known`: whether there is anything to read under a stream's name.
    """

    def __init__(
        self,
        app: ASGIApp,
        readers: Readers,
        endpoints: Callable[[], Mapping[int, tuple[Kind, ...]]],
        is_known: Callable[[str], bool],
    ) -> None:
        self._app = app
        self._readers = readers
        self._endpoints = endpoints
        self._is_known = is_known
        self._parsers = CapacityLimiter(PARSERS)
        self._long = asyncio.Semaphore(LONG_BODIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope) if scope["type"] == "http" else ""
        if path == JOIN:
            await self._join(scope, receive, send)
        elif path == DATA:
            await self._data(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            sent = await self._body(Request(scope, receive))
            endpoints = self._endpoints()
            if len(sent) <= SHORT_BODY_BYTES:
                body = checked(sent, endpoints)
            else:
                body = await to_thread.run_sync(checked, sent, endpoints, limiter=self._parsers)
        except DoorError as error:
            await JSONResponse({"error": str(error)}, 400)(scope, receive, send)
            return
        except ClientDisconnect:
            return
        except BodyTooLargeError:
            await JSONResponse({"error": "The request is too large."}, 413)(scope, receive, send)
            return
        except BodyTooSlowError:
            late = "The request stopped arriving before it was complete."
            await JSONResponse({"error": late}, 408)(scope, receive, send)
            return
        headers = [
            (name, value) for name, value in scope["headers"] if name not in (b"content-length", b"content-type")
        ]
        headers += [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        given = False

        async def receive_checked() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app({**scope, "headers": headers}, receive_checked, send)

    async def _body(self, request: Request) -> bytes:
        """Only so many long bodies are in memory at the same time; the others wait at their senders."""
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) <= SHORT_BODY_BYTES:
            return await request.body()
        async with self._long:
            try:
                async with asyncio.timeout(LONG_BODY_SECONDS):
                    return await request.body()
            except TimeoutError:
                raise BodyTooSlowError from None

    async def _data(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("session_hash", [])
        if len(names) != 1 or not STREAM_NAME.fullmatch(names[0]):
            await JSONResponse({"error": "The stream's name is invalid."}, 400)(scope, receive, send)
            return
        if not self._is_known(names[0]):
            await JSONResponse({"error": "Unknown stream."}, 404)(scope, receive, send)
            return
        with self._readers.reader(names[0]) as stream:

            async def send_and_count(message: Message) -> None:
                # The server below waits here while the client's end of the connection is full.
                await send(message)
                stream.take(message.get("body", b"").count(GENERATING))

            await self._app(scope, receive, send_and_count)


def checked(sent: bytes, endpoints: Mapping[int, tuple[Kind, ...]]) -> bytes:
    """The body that Gradio is given for the one that was sent. Raises DoorError."""
    try:
        body = json.loads(sent)
    except (ValueError, RecursionError):
        raise DoorError("The request is not JSON.") from None
    if not isinstance(body, dict):
        raise DoorError("The request is not a JSON object.")
    number, name, data = (body.get(key) for key in ("fn_index", "session_hash", "data"))
    if type(number) is not int or number not in endpoints:
        raise DoorError("Unknown endpoint.")
    if not isinstance(name, str) or not STREAM_NAME.fullmatch(name):
        raise DoorError("The stream's name is invalid.")
    kinds = endpoints[number]
    if not isinstance(data, list) or len(data) != len(kinds):
        raise DoorError("Wrong number of values for this endpoint.")
    if not all(_is_of_kind(value, kind) for value, kind in zip(data, kinds, strict=True)):
        raise DoorError("A value has the wrong type for this endpoint.")
    return json.dumps({"fn_index": number, "session_hash": name, "data": data}).encode()


def _is_of_kind(value: Any, kind: Kind) -> bool:
    if type(value) is not kind:
        return False
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True
