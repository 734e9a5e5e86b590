"""Starts the web app: connects an engine to the web desk and serves it until a signal ends it.

An entry point: it knows both the drafting side and the engine.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
import time

from drafting.desk.templates import TemplateError
from drafting.exports.text import NOTICE
from drafting.ui.bundle import BundleError
from drafting.ui.security import ORIGIN
from drafting.ui.web import WebDesk, WebSettings
from model.engine.local import LocalEngine
from model.network.loading import ModelError

WRONG_INPUT = 2
LAST_PORT = 65535
# Shows a Space inside a page of its own.
SPACES = "https://huggingface.co"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python app.py", description=f"Draft radiology reports in a browser. {NOTICE}"
    )
    parser.add_argument(
        "--model", metavar="DIR_OR_HUB_ID", help="a DiffusionGemma checkpoint (default: the model in this repository)"
    )
    parser.add_argument("--adapter", metavar="DIR_OR_HUB_ID", help="a PEFT adapter for it")
    parser.add_argument(
        "--bits",
        type=int,
        choices=[4, 8, 16],
        default=16,
        help="bits for each weight of the experts (default: 16); fewer bits need less GPU memory",
    )
    parser.add_argument("--port", metavar="N", help="from 1 to 65535 (default: the first free port from 7860)")
    parser.add_argument(
        "--framed-by",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a site that may show this page in a frame, such as https://portal.example (default: none)",
    )
    options = parser.parse_args(arguments)
    try:
        settings = _settings(options.port, options.framed_by)
        print("Loading model…", end=" ", flush=True)
        started = time.perf_counter()
        engine = LocalEngine.load(options.model, options.adapter, options.bits)
        engine.warm_up()
        print(f"{engine.model}, {time.perf_counter() - started:.1f} s.", flush=True)
        desk = WebDesk(engine, settings)
        address = desk.launch()
    except (SettingError, ModelError, BundleError, TemplateError, OSError) as error:
        print(f"\npython app.py: {error}", file=sys.stderr)
        return WRONG_INPUT
    print(f"Open {address}", flush=True)
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    ending.wait()
    desk.close()
    return 0


class SettingError(ValueError):
    """A setting that cannot be; the message is one line for the person who started the program."""


def _settings(port: str | None, framed_by: list[str]) -> WebSettings:
    """Hugging Face Spaces say in the environment where to listen and what the Space is called.

    Raises SettingError.
    """
    hosted = "SPACE_ID" in os.environ
    for origin in framed_by:
        if not ORIGIN.fullmatch(origin):
            raise SettingError(f"--framed-by takes an origin such as https://portal.example, not {origin!r}.")
    return WebSettings(
        port=_port(port or os.environ.get("GRADIO_SERVER_PORT") or os.environ.get("PORT")),
        server_name=os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if hosted else "127.0.0.1"),
        public_host=os.environ.get("SPACE_HOST"),
        framed_by=(*framed_by, *((SPACES,) if hosted else ())),
    )


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= LAST_PORT:
        raise SettingError(f"A port is a whole number from 1 to {LAST_PORT}, not {text!r}.")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
