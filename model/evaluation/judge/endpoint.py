"""A server that speaks the OpenAI protocol for chat completions (POST /chat/completions), with retries.

Requests go straight to the address that was named: no proxy, no redirect, no other host. This module knows nothing of
what is asked.

Written by hand although the `openai` package has a client: that takes keys, organization and project from the
environment, where the user did not name them for this server, and limits neither an answer's bytes nor its whole time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import httpx
from pydantic import BaseModel, Field, ValidationError

Message = dict[str, str]
"""A turn of a conversation: its `role` and its `content`."""

MOST_BYTES = 1 << 20
_SHOWN = 200


class EndpointError(RuntimeError):
    """The server gives no answer; the message is one line for the person who named it."""


class _MayPassError(Exception):
    """A failure that another try may not meet. `wait`: seconds that the server asks to wait."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Patience:
    """`seconds`: for a whole answer. `tries`: so often at most; `first`, `longest`: seconds between, doubling."""

    seconds: float = 120.0
    tries: int = 6
    first: float = 1.0
    longest: float = 60.0


class _Said(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Said


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


class Endpoint:
    """One model of a server. A context manager; safe to use from several threads.

    `key`: sent as a bearer token. `tokens`: of an answer at most.
    """

    def __init__(
        self,
        url: str,
        model: str,
        key: str | None = None,
        tokens: int = 64,
        patience: Patience = Patience(),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises EndpointError where `url` is none."""
        self.model, self._tokens, self._patience, self._sleep = model, tokens, patience, sleep
        if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key != ""):
            # Told here: the client's own message would show the key.
            raise EndpointError("The judge's key contains characters that a key cannot contain.")
        try:
            self.url = str(httpx.URL(url)).rstrip("/")
            if httpx.URL(url).scheme not in ("http", "https") or not httpx.URL(url).host:
                raise EndpointError(f"{url} is not a server's address, such as http://127.0.0.1:8000/v1.")
            if httpx.URL(url).userinfo:
                raise EndpointError(
                    "The server's address must not contain a password, because results record the address."
                )
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            # The environment would name proxies and passwords that the user did not name here.
            self._client = httpx.Client(headers=headers, timeout=patience.seconds, trust_env=False)
        except (httpx.InvalidURL, ValueError) as error:
            raise EndpointError(f"No request can be sent to {url}: {_line(str(error))}.") from error

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def reply(self, messages: Sequence[Message]) -> str:
        """What the model says, its likeliest words. Empty where it says nothing.

        Tries again after 408, 429, 5xx, timeouts, broken connections and answers that are none; at once raises
        EndpointError for what no other try would mend.
        """
        wait = self._patience.first
        for attempt in range(1, self._patience.tries + 1):
            try:
                return self._asked(messages)
            except _MayPassError as failure:
                if attempt == self._patience.tries:
                    times = "1 attempt" if attempt == 1 else f"{attempt} attempts"
                    raise EndpointError(f"No answer from {self.url} after {times}: {failure}.") from failure
                # A server that asks for an hour is as good as gone.
                self._sleep(min(max(wait, failure.wait or 0.0), self._patience.longest))
                wait = min(2 * wait, self._patience.longest)
        raise EndpointError("At least one attempt is needed.")

    def _asked(self, messages: Sequence[Message]) -> str:
        asked = {
            "model": self.model,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": self._tokens,
            "stream": False,
        }
        until = time.monotonic() + self._patience.seconds
        body = bytearray()
        try:
            with self._client.stream("POST", f"{self.url}/chat/completions", json=asked) as response:
                for block in response.iter_bytes():
                    body += block
                    # The client's own limit is for each block: a server may drip for ever.
                    if len(body) > MOST_BYTES:
                        raise EndpointError(f"{self.url} answers with more than {MOST_BYTES} bytes.")
                    if time.monotonic() > until:
                        raise _MayPassError(f"no whole answer within {self._patience.seconds:g} s")
        except httpx.TimeoutException as error:
            raise _MayPassError(f"no answer within {self._patience.seconds:g} s") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _MayPassError(_line(str(error)) or type(error).__name__) from error
        status = response.status_code
        if status in (408, 409, 425, 429) or status >= 500:
            raise _MayPassError(f"{status} {_told(body)}".strip(), _retry_after(response.headers.get("retry-after")))
        if status != 200:
            raise EndpointError(f"{self.url} refuses with {status} {_told(body)}".strip() + ".")
        return _content(bytes(body))


def _content(body: bytes) -> str:
    """The text of a chat completion; empty where the model wrote none."""
    try:
        return _Completion.model_validate_json(body).choices[0].message.content or ""
    except ValidationError as error:
        shown = _line(body.decode("utf-8", "replace"))
        raise _MayPassError(f"the response is not a chat completion: {shown}") from error


def _told(body: bytes | bytearray) -> str:
    """What a server says beside a failure, by OpenAI's form where it has it."""
    text = bytes(body).decode("utf-8", "replace")
    try:
        told: Any = json.loads(text)
        error = told.get("error", told) if isinstance(told, dict) else told
        shown = error.get("message", error.get("detail", error)) if isinstance(error, dict) else error
        return _line(str(shown))
    except ValueError:
        return _line(text)


def _retry_after(value: str | None) -> float | None:
    """Seconds that a server asks to wait, as a number or as a date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
