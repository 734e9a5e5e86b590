"""Starts the web app: wires an engine to the web desk and serves it until it is told to end.

An entry point: it knows both the drafting side and the engine.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time

from drafting.desk.templates import TemplateError
from drafting.exports.text import NOTICE
from drafting.ui.bundle import BundleError
from drafting.ui.web import WebDesk, WebSettings
from model.engine.local import LocalEngine
from model.network.loading import ModelError

WRONG_INPUT = 2


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python app.py", description=f"Draft radiology reports in a browser. {NOTICE}"
    )
    parser.add_argument(
        "--model", metavar="DIR_OR_HUB_ID", help="a DiffusionGemma checkpoint (default: the one shipped)"
    )
    parser.add_argument("--adapter", metavar="DIR_OR_HUB_ID", help="a PEFT adapter for it")
    parser.add_argument(
        "--bits",
        type=int,
        choices=[4, 8, 16],
        default=16,
        help="bits a weight of the experts (default: 16); fewer need less of a GPU's memory",
    )
    parser.add_argument(
        "--engine", choices=["local"], default="local", help="where drafts are written (default: local)"
    )
    parser.add_argument("--port", type=int, default=_port(), help="default: the first free one from 7860 on")
    options = parser.parse_args(arguments)
    try:
        print("Loading model…", end=" ", flush=True)
        started = time.perf_counter()
        engine = LocalEngine.load(options.model, options.adapter, options.bits)
        engine.warm_up()
        print(f"{engine.model}, {time.perf_counter() - started:.1f} s.", flush=True)
        desk = WebDesk(engine, _settings(options.port))
        address = desk.launch()
    except (ModelError, BundleError, TemplateError, OSError) as error:
        print(f"\npython app.py: {error}", file=sys.stderr)
        return WRONG_INPUT
    print(f"Open {address}", flush=True)
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    ending.wait()
    desk.close()
    return 0


def _port() -> int | None:
    port = os.environ.get("GRADIO_SERVER_PORT") or os.environ.get("PORT") or ""
    return int(port) if port.isdecimal() else None


def _settings(port: int | None) -> WebSettings:
    """Hugging Face Spaces say in the environment where to listen and what the Space is called."""
    hosted = "SPACE_ID" in os.environ
    return WebSettings(
        port=port,
        server_name=os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if hosted else "127.0.0.1"),
        public_host=os.environ.get("SPACE_HOST"),
    )


if __name__ == "__main__":
    sys.exit(main())
