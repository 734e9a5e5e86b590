"""A server that speaks the OpenAI protocol for chat completions as a script tells it: `python judge_servers.py SCRIPT`.

It prints its port and then a line for every request. Scripts: `same` gives verdicts by a rule; `busy` answers 429 to
every first asking of a question; `broken` 500 likewise; `dies` ends its process in the middle of the fifth answer;
`nonsense` is a server of another kind; `hangs` says nothing; `drips` says it byte by byte; `chatty` gives no verdict;
`locked` wants the key 'secret'; `elsewhere` redirects; `mute` writes nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse


def verdict_of(content: str) -> str:
    """RIGHT where the first word of the claim is that of the reference: a judge that is easily predicted."""
    told = dict(line.split(": ", 1) for line in content.splitlines() if ": " in line)
    first = (told.get(name, "").split() or [""] for name in ("Reference answer", "Claim"))
    reference, claim = (words[0].lower().strip(".,;") for words in first)
    return "RIGHT" if reference and reference == claim else "WRONG"


def completion(text: str | None) -> dict[str, object]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "scripted", "choices": [choice]}


def app_of(script: str) -> FastAPI:
    app = FastAPI()
    seen: set[str] = set()
    count = 0

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        nonlocal count
        asked = await request.json()
        count += 1
        content = asked["messages"][-1]["content"]
        print(json.dumps(asked | {"authorization": request.headers.get("authorization")}), flush=True)
        first, again = content not in seen, seen.add(content)
        assert again is None
        said = JSONResponse(completion(verdict_of(content)))
        match script:
            case "busy" if first:
                return JSONResponse({"error": {"message": "slow down"}}, 429, {"retry-after": "0"})
            case "broken" if first:
                return Response("upstream\nis gone", 502)
            case "dies" if count >= 5:
                return StreamingResponse(dying(), media_type="application/json")
            case "nonsense":
                return HTMLResponse("<html>Welcome to\nthis printer.</html>")
            case "hangs":
                await asyncio.sleep(3600)
            case "drips":
                return StreamingResponse(dripping(), media_type="application/json")
            case "chatty":
                return JSONResponse(completion("I would say that this is right, more or less."))
            case "locked" if request.headers.get("authorization") != "Bearer secret":
                return JSONResponse({"error": {"message": "Incorrect API key provided."}}, 401)
            case "elsewhere":
                return RedirectResponse("http://127.0.0.1:9/v1/chat/completions", 307)
            case "mute":
                return JSONResponse(completion(None))
        return said

    return app


async def dying() -> AsyncIterator[bytes]:
    yield b'{"id": "x", "choices": [{"mess'
    await asyncio.sleep(0.05)
    os._exit(1)


async def dripping() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app_of(sys.argv[1]), log_level="critical")).run(sockets=[listening])
