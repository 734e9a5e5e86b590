"""The web desk: sessions, routes, page and endpoints put together, and launched by Gradio so that nothing of a patient
leaves or stays.

The app is a `gradio.Server`: Gradio's server, queue and programming interface around a page of our own. The one module
that starts a server. Knows the engine by its protocol only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import gradio as gr
from anyio import CapacityLimiter
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from drafting.desk.examples import examples
from drafting.desk.session import Limits
from drafting.desk.sessions import Sessions
from drafting.engine import Engine
from drafting.imaging import open as imaging
from drafting.ui import connections, security
from drafting.ui.api import DraftingApi, kinds_of
from drafting.ui.bundle import load_bundle
from drafting.ui.door import JOIN, Kind, QueueDoor
from drafting.ui.drafting import Drafting, Ties
from drafting.ui.gradio_inside import GradioInside
from drafting.ui.page import TITLE
from drafting.ui.readers import Readers
from drafting.ui.routes import DECODERS, DeskRoutes, error_handlers, page_routes

# A study in base64, opened through the queue. Larger files go to /desk/study as they are.
QUEUED_BYTES = 16 * 2**20
RUN = "run"


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the web desk listens and what it takes.

    `port`: None takes the first free one from 7860 on. `server_name`: the address to listen on; on a loopback address
    the desk answers to this machine's own names only. `public_host`: the name in the address bar where a proxy in
    front uses another. `framed_by`: the origins, such as `https://huggingface.co`, whose pages may show this one in a
    frame.
    """

    port: int | None = None
    server_name: str = "127.0.0.1"
    public_host: str | None = None
    framed_by: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    study_limits: imaging.Limits = field(default_factory=lambda: imaging.Limits(file_bytes=128 * 2**20))
    connections: connections.Limits = field(default_factory=connections.Limits)

    @property
    def hosts(self) -> frozenset[str] | None:
        return security.LOOPBACK if self.server_name in security.LOOPBACK else None


class GuardedServer(gr.Server):
    """Gradio's server with the guard around all of it, Gradio's own middleware included."""

    def __init__(self, doors: security.Doors, body_seconds: float, **options: Any) -> None:
        super().__init__(openapi_url=None, docs_url=None, redoc_url=None, **options)
        self._guard = security.Guard(super().__call__, doors, body_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._guard(scope, receive, send)


class WebDesk:
    """A web desk over one engine: made, launched once, closed."""

    def __init__(self, engine: Engine, settings: WebSettings = WebSettings()) -> None:
        """Raises BundleError where the bundle is not built, TemplateError where a template is not in order."""
        self._settings = settings
        self._closing = threading.Event()
        self.has_tools = find_spec("mcp") is not None
        self.sessions = Sessions(engine, settings.limits)
        readers = Readers(self._forget_stream, settings.limits.silence_seconds)
        ties = Ties(readers)
        shown, decoders = examples(), CapacityLimiter(DECODERS)
        self._routes = DeskRoutes(
            self.sessions, engine.model, engine.heeds_hints, shown, settings.study_limits, decoders
        )
        self._drafting = Drafting(self.sessions, readers, ties, self._forget_values)
        self._api = DraftingApi(
            self.sessions, engine.model, shown, settings.study_limits, readers, ties, self._forget_values, decoders
        )
        self.server = GuardedServer(
            self._doors(),
            settings.connections.body_seconds,
            title=TITLE,
            routes=[self._routes.mount(), *page_routes(load_bundle(), lambda: self._inside.endpoints[RUN])],
            exception_handlers=error_handlers(),
            middleware=[
                Middleware(
                    QueueDoor,
                    readers=readers,
                    endpoints=lambda: self._kinds,
                    is_known=lambda name: self._inside.is_known(name),
                )
            ],
        )
        # The desk has a line of its own, which Stop reaches and whose end is a sentence, so Gradio sets no limit.
        self.server.api(self._drafting.run, name=RUN, concurrency_limit=None, api_visibility="private")
        for name, function in self._api.endpoints.items():
            self.server.api(function, name=name, concurrency_limit=None)

    @property
    def page(self) -> gr.Blocks:
        """Gradio's side of the launched app."""
        return self.server.get_blocks()

    @cached_property
    def _inside(self) -> GradioInside:
        # Gradio makes its side when it is launched, and asks for the page before that is over.
        return GradioInside(self.page)

    @cached_property
    def _kinds(self) -> Mapping[int, tuple[Kind, ...]]:
        functions = {RUN: self._drafting.run, **self._api.endpoints}
        return {self._inside.endpoints[name]: kinds_of(function) for name, function in functions.items()}

    def launch(self) -> str:
        """Start serving in the background; gives the address. Raises OSError where the port is taken."""
        _reach_this_machine_without_a_proxy()
        # Asked for again when Gradio's side is made; no variable of the environment may turn on what must stay off.
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        _, address, _ = self.server.launch(
            prevent_thread_lock=True,
            server_name=self._settings.server_name,
            server_port=self._settings.port,
            quiet=True,
            share=False,
            inbrowser=False,
            inline=False,
            show_error=False,
            debug=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=self.has_tools,
            pwa=False,
            num_workers=0,
            strict_cors=True,
            max_file_size=self._settings.study_limits.file_bytes,
            state_session_capacity=2 * self._settings.limits.sessions,
            # Gradio's own themes fetch their fonts from elsewhere.
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        )
        connections.bound(self.page.server, self._settings.connections)
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()
        return address

    def close(self) -> None:
        """Stop serving and forget every session."""
        self._closing.set()
        self.sessions.close_all()
        self._routes.close()
        self.page.close(verbose=False)

    def _doors(self) -> security.Doors:
        settings = self._settings
        studies = dict.fromkeys(("/desk/study", "/desk/prior"), settings.study_limits.file_bytes)
        return security.Doors(
            hosts=settings.hosts,
            public_host=settings.public_host,
            framed_by=settings.framed_by,
            tools=self.has_tools,
            body_bytes_at=MappingProxyType({JOIN: QUEUED_BYTES, **studies}),
        )

    def _forget_values(self, stream: str) -> None:
        self._inside.forget_values(stream)

    def _forget_stream(self, stream: str) -> None:
        self._inside.forget_stream(stream)

    def _sweep(self) -> None:
        while not self._closing.wait(self._settings.limits.idle_seconds / 20):
            self.sessions.close_idle()


def _reach_this_machine_without_a_proxy() -> None:
    """Gradio asks its own server whether it is up, and a proxy that the environment names would not know."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "localhost", "127.0.0.1")))
