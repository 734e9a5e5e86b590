"""The desk's routes, `/desk/...`: sessions, studies, pixels, reports. Everything but drafting, which needs the queue.

JSON in, JSON out; an error is a status and one sentence. Knows nothing of Gradio.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from drafting.desk.errors import BusyError, DeskError, TooLargeError, UnknownSessionError, VersionConflictError
from drafting.desk.examples import Example
from drafting.desk.session import Session
from drafting.desk.sessions import Sessions
from drafting.desk.templates import templates
from drafting.imaging import open as imaging
from drafting.imaging.open import open_study
from drafting.report import ReportError
from drafting.study import Study, StudyError
from drafting.ui import VERSION, wire
from drafting.ui.bundle import Bundle
from drafting.ui.page import document
from drafting.ui.security import BodyTooLargeError, BodyTooSlowError

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]

STATUS: Mapping[type[Exception], int] = {
    UnknownSessionError: 404,
    VersionConflictError: 409,
    TooLargeError: 413,
    BusyError: 503,
    DeskError: 422,
    StudyError: 422,
    ReportError: 422,
    wire.WireError: 422,
}
# A decoder may take all the memory that its limits allow.
DECODERS = 2
# Where the model looked is computed between the steps of everybody's drafts.
LOOKERS = 2
# Reports that are taken apart at the same time.
PARSERS = 2
# A proxy in front may hang up on a connection that is silent for longer.
SIGN_OF_LIFE_SECONDS = 15.0
# Of a picture, copied at once. A multiple of every pixel's size.
PIECE_BYTES = 3 * 2**18


class CannotStoreError(RuntimeError):
    """A file that arrives cannot be written; the message is the system's reason."""


class DeskRoutes:
    """The routes of one desk. `study_limits.file_bytes` is also the most that an upload may send.

    Raises TemplateError where a template is not in order.
    """

    def __init__(
        self,
        sessions: Sessions,
        model: str,
        heeds_hints: bool,
        examples: tuple[Example, ...],
        study_limits: imaging.Limits,
        decoders: CapacityLimiter,
    ) -> None:
        self._sessions = sessions
        self._model = model
        self._heeds_hints = heeds_hints
        self._examples = {example.name: example for example in examples}
        self._study_limits = study_limits
        # Now and not when a page asks: a broken one is told to who starts the app.
        self._templates = [wire.template_json(template) for template in templates()]
        self._decoders = decoders
        self._lookers = CapacityLimiter(LOOKERS)
        self._parsers = CapacityLimiter(PARSERS)
        self._pages: Counter[str] = Counter()
        self._closing = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def close(self) -> None:
        """Let go of the pages that are connected. May be called from any thread."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._closing.set)

    def mount(self) -> BaseRoute:
        routes = [
            Route("/sessions", self.begin, methods=["POST"]),
            Route("/sessions", self.end, methods=["DELETE"]),
            Route("/leave", self.leave, methods=["POST"]),
            Route("/alive", self.alive, methods=["POST"]),
            Route("/here", self.here, methods=["GET"]),
            Route("/study", self.open_upload, methods=["POST"]),
            Route("/study/example", self.open_example, methods=["POST"]),
            Route("/examples/{name}.jpg", self.thumbnail, methods=["GET"]),
            Route("/pictures/{index:int}", self.picture, methods=["GET"]),
            # The prior beside the study
            Route("/prior", self.open_prior, methods=["POST"]),
            Route("/prior", self.close_prior, methods=["DELETE"]),
            Route("/prior/example", self.open_prior_example, methods=["POST"]),
            Route("/prior/pictures/{index:int}", self.prior_picture, methods=["GET"]),
            Route("/report", self.report, methods=["PUT"]),
            Route("/report", self.held, methods=["GET"]),
            Route("/stop", self.stop, methods=["POST"]),
            *self._editor_routes(),
        ]
        handlers: dict[Any, Any] = dict.fromkeys(STATUS, _refused)
        handlers |= error_handlers() | {CannotStoreError: _cannot_store, HTTPException: _not_found}
        return Mount("/desk", app=Starlette(routes=routes, exception_handlers=handlers))

    async def begin(self, request: Request) -> Response:
        """A new session; with the token of one that a page was left with, that one."""
        resumed: dict[str, Any] = {}
        try:
            session = self._session(request)
        except UnknownSessionError:
            session = await to_thread.run_sync(self._sessions.open)
        else:
            resumed = {"resumed": await to_thread.run_sync(wire.resumed_json, session)}
        return JSONResponse(
            resumed
            | {
                "token": session.token,
                "model": self._model,
                "heeds_hints": self._heeds_hints,
                "version": VERSION,
                "limits": {
                    "upload_bytes": self._study_limits.file_bytes,
                    "report_characters": self._sessions.limits.report_characters,
                    "silence_seconds": self._sessions.limits.silence_seconds,
                },
                "examples": [
                    {"name": example.name, "title": example.title, "description": example.description}
                    for example in self._examples.values()
                ],
            }
        )

    async def end(self, request: Request) -> Response:
        session = self._session(request)
        await to_thread.run_sync(self._sessions.close, session.token)
        return JSONResponse({})

    async def leave(self, request: Request) -> Response:
        session = self._session(request)
        try:
            # The page's newest words, where they were not sent yet.
            if await request.body():
                await self.report(request)
        finally:
            session.leave()
        return JSONResponse({})

    async def alive(self, request: Request) -> Response:
        return JSONResponse(wire.held_json(self._session(request)))

    async def here(self, request: Request) -> Response:
        """The page holds this connection for as long as it is there: when it breaks, the page is gone."""
        return StreamingResponse(self._here(self._session(request)), media_type="text/plain")

    async def _here(self, session: Session) -> AsyncIterator[bytes]:
        self._loop = asyncio.get_running_loop()
        self._pages[session.token] += 1
        try:
            while not self._closing.is_set():
                yield b"\n"
                with suppress(TimeoutError):
                    async with asyncio.timeout(SIGN_OF_LIFE_SECONDS):
                        await self._closing.wait()
        finally:
            # A page that is loaded again is here before its former self is seen to go.
            self._pages[session.token] -= 1
            if not self._pages[session.token]:
                del self._pages[session.token]
                self._sessions.leave(session.token)

    async def open_upload(self, request: Request) -> Response:
        session = self._session(request)
        return await self._open_arriving(session, request, _as_study(session, request))

    async def open_example(self, request: Request) -> Response:
        session = self._session(request)
        return await self._open(await self._example(request), _as_study(session, request))

    async def open_prior(self, request: Request) -> Response:
        session = self._session(request)
        return await self._open_arriving(session, request, session.open_prior)

    async def open_prior_example(self, request: Request) -> Response:
        session = self._session(request)
        return await self._open(await self._example(request), session.open_prior)

    async def close_prior(self, request: Request) -> Response:
        self._session(request).close_prior()
        return JSONResponse({})

    async def thumbnail(self, request: Request) -> Response:
        example = self._examples.get(request.path_params["name"])
        if example is None:
            raise HTTPException(404)
        return FileResponse(example.thumbnail, media_type="image/jpeg")

    async def picture(self, request: Request) -> Response:
        session = self._session(request)
        return _pixels(lambda: session.study, request.path_params["index"])

    async def prior_picture(self, request: Request) -> Response:
        session = self._session(request)
        return _pixels(lambda: session.prior, request.path_params["index"])

    async def report(self, request: Request) -> Response:
        session = self._session(request)
        # In a thread: a long report takes longer to check than anybody should wait for.
        sent = await to_thread.run_sync(self._received, await request.body(), limiter=self._parsers)
        version = session.receive(sent.report, sent.version, sent.indication, sent.writer)
        return JSONResponse({"version": version})

    def _received(self, body: bytes) -> wire.ReportMessage:
        return wire.parse_report(wire.parse_object(body), self._sessions.limits.spans)

    async def held(self, request: Request) -> Response:
        return JSONResponse(await to_thread.run_sync(wire.resumed_json, self._session(request)))

    async def stop(self, request: Request) -> Response:
        self._session(request).stop()
        return JSONResponse({})

    def _editor_routes(self) -> list[BaseRoute]:
        """What the report side asks for beside saving: templates, the last run's frames, and where the model looked."""
        return [
            Route("/templates", self.templates, methods=["GET"]),
            Route("/frames", self.frames, methods=["GET"]),
            Route("/looked", self.looked, methods=["POST"]),
        ]

    async def templates(self, request: Request) -> Response:
        return JSONResponse({"templates": self._templates})

    async def frames(self, request: Request) -> Response:
        last = self._session(request).last_run()
        if last is None:
            # Not 'not found': that would tell the page that its session has ended.
            return JSONResponse({"run": None, "frames": []})
        # Put into words in a thread of its own: a hundred frames of a long report are megabytes.
        return JSONResponse(await to_thread.run_sync(wire.frames_json, *last))

    async def looked(self, request: Request) -> Response:
        session = self._session(request)
        asked = wire.parse_looked(wire.parse_object(await request.body()))
        looked = await to_thread.run_sync(
            session.looked, asked.span, asked.part, asked.version, asked.writer, limiter=self._lookers
        )
        return JSONResponse(wire.looked_json(looked))

    def _session(self, request: Request) -> Session:
        return self._sessions.find(request.headers.get("x-desk", ""))

    async def _example(self, request: Request) -> Path:
        example = self._examples.get(wire.parse_name(wire.parse_object(await request.body())))
        if example is None:
            raise HTTPException(404)
        return example.path

    async def _open_arriving(self, session: Session, request: Request, take: Callable[[Study], None]) -> Response:
        # The file's own name may name the patient, so it is not even read; the format shows in the first bytes.
        with ExitStack() as stack:
            try:
                file = stack.enter_context(session.arriving_file())
                async for chunk in request.stream():
                    file.write(chunk)
            except OSError as error:
                raise CannotStoreError(error.strerror or type(error).__name__) from error
            return await self._open(file, take)

    async def _open(self, source: Path | IO[bytes], take: Callable[[Study], None]) -> Response:
        study = await to_thread.run_sync(open_study, source, self._study_limits, limiter=self._decoders)
        await to_thread.run_sync(take, study)
        return JSONResponse(wire.study_json(study))


def _as_study(session: Session, request: Request) -> Callable[[Study], None]:
    """What opens the study of a session; with `?report=clear` the report of the former one goes with it."""
    match request.query_params.get("report", "keep"):
        case "keep":
            return session.open_study
        case "clear":
            return partial(session.open_study, report="clear")
    raise wire.WireError("The report must be 'keep' or 'clear' when a study is opened.")


def _pixels(find: Callable[[], Study | None], index: int) -> Response:
    study = find()
    if study is None or index >= len(study.pictures):
        raise HTTPException(404)
    return PictureResponse(find, study, index)


class PictureResponse(Response):
    """A picture's pixels, copied as they are taken: a client that reads nothing costs a piece and not the picture.

    Between two pieces nothing holds the study. Where it was put away meanwhile, the connection breaks off, so that
    nobody takes a part for the whole.
    """

    media_type = "application/octet-stream"

    def __init__(self, find: Callable[[], Study | None], study: Study, index: int) -> None:
        self._find = find
        self._study_id = study.id
        self._index = index
        self._length = study.pictures[index].values.nbytes
        super().__init__(headers={"Content-Length": str(self._length)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, self._length, PIECE_BYTES):
            piece = self._piece(start)
            if piece is None:
                return
            more = start + PIECE_BYTES < self._length
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    def _piece(self, start: int) -> bytes | None:
        study = self._find()
        if study is None or study.id != self._study_id:
            return None
        return wire.pixels(study.pictures[self._index], start, start + PIECE_BYTES)


def page_routes(bundle: Bundle, endpoint: Callable[[], int]) -> list[BaseRoute]:
    """The page, and the built editor and viewer that it loads. Their address names the content, so it never goes stale.

    `endpoint`: the number of the page's runs in Gradio's queue, asked for when the page is.
    """

    async def page(request: Request) -> Response:
        return Response(document(bundle, endpoint()), media_type="text/html", headers={"Cache-Control": "no-cache"})

    def served(content: bytes, media_type: str) -> Endpoint:
        async def serve(request: Request) -> Response:
            headers = {"Cache-Control": "public, max-age=31536000, immutable"}
            return Response(content, media_type=media_type, headers=headers)

        return serve

    files = (bundle.script, bundle.style)
    return [Route("/", page), *(Route(f"/{file.address}", served(file.content, file.media_type)) for file in files)]


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


def error_handlers() -> dict[Any, Any]:
    """What is answered where a request breaks off or the program fails."""
    return {
        BodyTooLargeError: _too_large,
        BodyTooSlowError: _too_slow,
        ClientDisconnect: _gone,
        Exception: _failed,
    }


async def _refused(request: Request, error: Exception) -> Response:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return _error(status, str(error))


async def _too_large(request: Request, error: Exception) -> Response:
    return _error(413, "The request is too large.")


async def _too_slow(request: Request, error: Exception) -> Response:
    return _error(408, "The request stopped arriving before it was complete.")


async def _cannot_store(request: Request, error: Exception) -> Response:
    # The operator's log names the reason as well: a full or a read-only disk is theirs to mend.
    logger.error("The server cannot write to its temporary folder: %s.", error)
    return _error(507, f"The server cannot write to its temporary folder: {error}.")


async def _gone(request: Request, error: Exception) -> Response:
    # Nobody is there to read it; raising instead would count as a failure of the server.
    return _error(400, "The client closed the connection during the request.")


async def _not_found(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return _error(status, "Not found.")


async def _failed(request: Request, error: Exception) -> Response:
    return _error(500, "The server had an internal error.")
