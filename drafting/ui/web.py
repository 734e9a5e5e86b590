"""The web desk: sessions, routes and page put together, and launched so that nothing of a patient leaves or stays.

The one module that starts a server. Knows the engine by its protocol only.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from types import MappingProxyType

import gradio as gr
from starlette.middleware import Middleware

from drafting.desk.examples import examples
from drafting.desk.session import Limits
from drafting.desk.sessions import Sessions
from drafting.engine import Engine
from drafting.imaging import open as imaging
from drafting.ui import page, security
from drafting.ui.bundle import load_bundle
from drafting.ui.routes import DeskRoutes, bundle_routes


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the web desk listens and what it takes.

    `port`: None takes the first free one from 7860 on. `server_name`: the address to listen on; on a loopback address
    the desk answers to this machine's own names only. `public_host`: the name in the address bar where a proxy in
    front uses another.
    """

    port: int | None = None
    server_name: str = "127.0.0.1"
    public_host: str | None = None
    limits: Limits = field(default_factory=Limits)
    study_limits: imaging.Limits = field(default_factory=lambda: imaging.Limits(file_bytes=128 * 2**20))

    @property
    def hosts(self) -> frozenset[str] | None:
        return security.LOOPBACK if self.server_name in security.LOOPBACK else None


class WebDesk:
    """A web desk over one engine: made, launched once, closed."""

    def __init__(self, engine: Engine, settings: WebSettings = WebSettings()) -> None:
        """Raises BundleError where the bundle is not built, TemplateError where a template is not in order."""
        self._settings = settings
        self.sessions = Sessions(engine, settings.limits)
        bundle = load_bundle()
        desk = DeskRoutes(self.sessions, engine.model, engine.heeds_hints, examples(), settings.study_limits)
        self._routes = [desk.mount(), *bundle_routes(bundle)]
        self.page = page.build(self.sessions, bundle)
        self._closing = threading.Event()

    def launch(self) -> str:
        """Start serving in the background; gives the address. Raises OSError where the port is taken."""
        doors = security.Doors(
            hosts=self._settings.hosts,
            public_host=self._settings.public_host,
            body_bytes_at=MappingProxyType(
                dict.fromkeys(("/desk/study", "/desk/prior"), self._settings.study_limits.file_bytes)
            ),
        )
        _reach_this_machine_without_a_proxy()
        # Every switch is set here, so that no variable of the environment turns on what must stay off.
        _, address, _ = self.page.launch(
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
            mcp_server=False,
            pwa=False,
            num_workers=0,
            strict_cors=True,
            max_file_size=self._settings.study_limits.file_bytes,
            state_session_capacity=2 * self._settings.limits.sessions,
            # Gradio's own themes fetch their fonts from elsewhere.
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
            app_kwargs={
                "routes": self._routes,
                "middleware": [Middleware(security.Guard, doors=doors)],
                "openapi_url": None,
            },
        )
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()
        return address

    def close(self) -> None:
        """Stop serving and forget every session."""
        self._closing.set()
        self.sessions.close_all()
        self.page.close(verbose=False)

    def _sweep(self) -> None:
        while not self._closing.wait(self._settings.limits.idle_seconds / 20):
            self.sessions.close_idle()


def _reach_this_machine_without_a_proxy() -> None:
    """Gradio asks its own server whether it is up, and a proxy that the environment names would not know."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "localhost", "127.0.0.1")))
