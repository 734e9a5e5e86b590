"""JSON between the browser and the desk: the only place that spells out the field names of either side.

What comes from the browser is checked in full and becomes the desk's own values; nothing else passes. Knows nothing
of HTTP or Gradio.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from drafting.desk.errors import TooLargeError
from drafting.desk.runs import Alternative, Outcome
from drafting.desk.session import Session
from drafting.desk.templates import Template
from drafting.engine import AttentionMap, DraftSettings, Frame, WordChoice
from drafting.imaging.transfer import display_fields
from drafting.report import Author, Report, ReportError, Span, State
from drafting.study import Picture, Study

WRITER = re.compile(r"[a-z0-9]{0,32}", re.ASCII)
SPAN_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}", re.ASCII)
# JavaScript counts exactly up to here.
LARGEST_NUMBER = 2**53 - 1


class WireError(ValueError):
    """A message that the protocol does not know; the message is one sentence, and quotes nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class ReportMessage:
    """The report as the editor has it."""

    report: Report
    version: int
    indication: str
    writer: str


@dataclass(frozen=True, slots=True)
class RunMessage:
    """What a run is asked for with."""

    token: str
    sent: ReportMessage
    settings: DraftSettings


@dataclass(frozen=True, slots=True)
class DraftMessage(RunMessage):
    """What Draft was pressed with. `only`: the spans to draft, or None; `start`: the run and step to go on from."""

    only: frozenset[str] | None
    start: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class AlternativesMessage(RunMessage):
    """Other texts for one span."""

    span: str
    count: int


@dataclass(frozen=True, slots=True)
class WordsMessage(RunMessage):
    """What could stand in the place of `word`: the characters `start` to `end` (code points) of a span's text."""

    span: str
    start: int
    end: int
    word: str


@dataclass(frozen=True, slots=True)
class QuestionMessage(RunMessage):
    """A question about the image."""

    question: str


@dataclass(frozen=True, slots=True)
class LookedMessage:
    """The text that is asked of where the model looked for it: a span, and a part of it in code points."""

    span: str
    part: tuple[int, int] | None
    version: int
    writer: str


def parse_object(body: object) -> dict[str, Any]:
    """A JSON object from its text. Raises WireError."""
    if not isinstance(body, str | bytes):
        raise WireError("The request is not JSON.")
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        raise WireError("The request is not JSON.") from None
    if not isinstance(parsed, dict):
        raise WireError("The request is not a JSON object.")
    return parsed


def parse_report(message: Mapping[str, Any], most_spans: int) -> ReportMessage:
    """Raises WireError for anything that is not in order, ReportError for a report that cannot be.

    Raises TooLargeError for more than `most_spans` spans, before any of them is looked at.
    """
    spans = message.get("spans")
    if isinstance(spans, list) and len(spans) > most_spans:
        raise TooLargeError(f"The report has more than {most_spans:,} spans.")
    return ReportMessage(
        report=parse_spans(spans),
        version=_number(message.get("version"), "version"),
        indication=_text(message.get("indication", ""), "indication"),
        writer=_writer(message.get("writer", "")),
    )


def parse_run(
    message: Mapping[str, Any], most_spans: int
) -> DraftMessage | AlternativesMessage | WordsMessage | QuestionMessage:
    """What the editor asks of the model. Raises what `parse_report` raises."""
    kind = message.get("kind")
    if kind not in ("draft", "alternatives", "words", "question"):
        raise WireError("The request does not ask for a draft.")
    steps = message.get("steps")
    try:
        settings = DraftSettings(
            seed=_number(message.get("seed", 0), "seed"),
            steps=None if steps is None else _number(steps, "number of steps"),
        )
    except WireError:
        raise
    except ValueError as error:
        raise WireError(str(error)) from None
    token = _text(message.get("token"), "token")
    sent = parse_report(message, most_spans)
    if kind == "alternatives":
        count = _number(message.get("count"), "number of alternatives")
        return AlternativesMessage(token, sent, settings, _id(message.get("span")), count)
    if kind == "words":
        first, last = (_number(message.get(name), "place of the word") for name in ("start", "end"))
        word = _text(message.get("word"), "word")
        return WordsMessage(token, sent, settings, _id(message.get("span")), first, last, word)
    if kind == "question":
        return QuestionMessage(token, sent, settings, _text(message.get("question"), "question"))
    only, start = message.get("only"), message.get("start")
    if only is not None and not isinstance(only, list):
        raise WireError("The spans to draft are not a list.")
    if start is not None and not isinstance(start, dict):
        raise WireError("The frame to continue from is not an object.")
    return DraftMessage(
        token,
        sent,
        settings,
        None if only is None else frozenset(_id(id) for id in only),
        None if start is None else (_text(start.get("run"), "run"), _number(start.get("step"), "step")),
    )


def parse_looked(message: Mapping[str, Any]) -> LookedMessage:
    """Raises WireError."""
    part = message.get("part")
    if part is not None and not (isinstance(part, list) and len(part) == 2):
        raise WireError("The part of the span must be a start and a stop.")
    return LookedMessage(
        _id(message.get("span")),
        None if part is None else (_number(part[0], "start"), _number(part[1], "stop")),
        _number(message.get("version"), "version"),
        _writer(message.get("writer", "")),
    )


def parse_spans(spans: Any) -> Report:
    """Raises WireError for anything that is not a list of spans, ReportError for a report that cannot be."""
    if not isinstance(spans, list):
        raise WireError("The report's spans are missing.")
    return Report.from_spans(_span(span) for span in spans)


def held_json(session: Session) -> dict[str, Any]:
    """Which version of the report the desk holds, and which page wrote it."""
    return {"version": session.version, "writer": session.writer}


def resumed_json(session: Session) -> dict[str, Any]:
    """All that a page needs to show a session as it was when its page was left. That a run was cut off is told once."""
    spans = [_span_json(span) for span in session.report.spans]
    study, prior = session.study, session.prior
    return held_json(session) | {
        "spans": spans,
        "indication": session.indication,
        "study": study_json(study) if study else None,
        "prior": study_json(prior) if prior else None,
        "drafting": session.is_drafting,
        "cut_off": session.take_cut_off(),
    }


def parse_name(message: Mapping[str, Any]) -> str:
    """The name of an example. Raises WireError."""
    return _text(message.get("name"), "name")


def study_json(study: Study) -> dict[str, Any]:
    pictures = [_picture_json(picture) for picture in study.pictures]
    return {"facts": asdict(study.facts), "pictures": pictures, "note": study.note}


def pixels(picture: Picture, start: int = 0, stop: int | None = None) -> bytes:
    """The stored values row by row, little-endian, colour interleaved; of all their bytes those from `start` to `stop`.

    Raises ValueError where these cut a value in two.
    """
    values = picture.values
    size = values.itemsize
    if start % size or (stop or 0) % size:
        raise ValueError("A value of a picture is cut in two.")
    part = values.reshape(-1)[start // size : None if stop is None else stop // size]
    return part.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def frame_json(run: str, version: int, frame: Frame) -> str:
    return _dumped({"kind": "frame", "run": run, "version": version, **_frame(frame)})


def frames_json(run: str, frames: Sequence[Frame]) -> dict[str, Any]:
    """The frames of a run that has ended, by the name under which the session keeps it."""
    return {"run": run, "frames": [_frame(frame) for frame in frames]}


def progress_json(run: str, version: int, frames: Sequence[Frame]) -> str:
    """How far drafts under way together are: the one that has furthest to go counts."""
    slowest = min(frames, key=lambda frame: frame.step / max(frame.steps, 1))
    message = {
        "kind": "progress",
        "run": run,
        "version": version,
        "step": slowest.step,
        "steps": slowest.steps,
        "seconds": round(slowest.seconds, 3),
    }
    return _dumped(message | {"place": slowest.place} if slowest.place else message)


def alternatives_json(run: str, version: int, span: str, alternatives: Sequence[Alternative]) -> str:
    """`likelihood`: a text's share among these, 0 to 1."""
    return _dumped(
        {
            "kind": "alternatives",
            "run": run,
            "version": version,
            "span": span,
            "alternatives": [
                {"text": one.text, "likelihood": round(one.share, 4), "seed": one.seed} for one in alternatives
            ],
        }
    )


def words_json(run: str, version: int, span: str, words: Sequence[WordChoice]) -> str:
    return _dumped(
        {
            "kind": "words",
            "run": run,
            "version": version,
            "span": span,
            "words": [{"text": word.text, "probability": round(word.probability, 4)} for word in words],
        }
    )


def answer_json(run: str, version: int, outcome: Outcome) -> str:
    return _dumped(
        {
            "kind": "answer",
            "run": run,
            "version": version,
            "text": "".join(outcome.texts.values()),
            "seconds": round(outcome.seconds, 3),
            "stopped": outcome.stopped,
            "seed": outcome.seed,
        }
    )


def looked_json(looked: AttentionMap) -> dict[str, Any]:
    """`weights`: rows from the top of the picture as it is stored."""
    weights = [[round(float(weight), 6) for weight in row] for row in looked.weights]
    return {"weights": weights, "share": round(looked.share, 4)}


def template_json(template: Template) -> dict[str, Any]:
    """A template's spans have no ids: the editor gives them their own where it puts them."""
    return {
        "code": template.code,
        "title": template.title,
        "whole": template.whole,
        "spans": [
            {name: value for name, value in _span_json(span).items() if name != "id"} for span in template.report.spans
        ],
    }


def outcome_json(run: str, version: int, outcome: Outcome) -> str:
    return _dumped(
        {
            "kind": "draft",
            "run": run,
            "version": version,
            "steps": outcome.steps,
            "seconds": round(outcome.seconds, 3),
            "stopped": outcome.stopped,
            "seed": outcome.seed,
            "texts": dict(outcome.texts),
        }
    )


def error_json(run: str, sentence: str) -> str:
    return _dumped({"kind": "error", "run": run, "message": sentence})


def _span(span: Any) -> Span:
    if not isinstance(span, dict):
        raise WireError("A span is not an object.")
    id = span.get("id")
    if not isinstance(id, str) or not SPAN_ID.fullmatch(id):
        raise WireError("A span has an invalid id.")
    # Span itself refuses a state or an author that there is not, but would quote it.
    state, author = span.get("state"), span.get("author")
    if state not in ("locked", "open") or author not in ("radiologist", "model", "template"):
        raise ReportError("A span has an unknown state or author.")
    reviewed = span.get("reviewed", False)
    if not isinstance(reviewed, bool):
        raise WireError("A span's 'reviewed' must be true or false.")
    text, hint = _text(span.get("text"), "text of a span"), _text(span.get("hint", ""), "hint of a gap")
    return Span(id, text, cast(State, state), cast(Author, author), reviewed, hint)


def _span_json(span: Span) -> dict[str, Any]:
    """As the editor sends it: `reviewed` and `hint` only where there is something to say."""
    said: dict[str, Any] = {"id": span.id, "text": span.text, "state": span.state, "author": span.author}
    if span.reviewed:
        said["reviewed"] = True
    if span.hint:
        said["hint"] = span.hint
    return said


def _id(value: Any) -> str:
    if not isinstance(value, str) or not SPAN_ID.fullmatch(value):
        raise WireError("A span has an invalid id.")
    return value


def _frame(frame: Frame) -> dict[str, Any]:
    spans = {
        id: [[piece.text, round(_certainty(piece.entropy), 3), int(piece.accepted)] for piece in pieces]
        for id, pieces in frame.pieces.items()
    }
    message = {"step": frame.step, "steps": frame.steps, "seconds": round(frame.seconds, 3), "spans": spans}
    return message | {"place": frame.place} if frame.place else message


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise WireError(f"The {name} is missing.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise WireError(f"The {name} contains half of a surrogate pair, which cannot be stored.") from None
    return value


def _writer(value: Any) -> str:
    if not isinstance(value, str) or not WRITER.fullmatch(value):
        raise WireError("The page's name is invalid.")
    return value


def _number(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_NUMBER:
        raise WireError(f"The {name} is not a whole number.")
    return value


def _picture_json(picture: Picture) -> dict[str, Any]:
    height, width = picture.values.shape[:2]
    return {
        "width": width,
        "height": height,
        "channels": 3 if picture.values.ndim == 3 else 1,
        "bits": picture.values.dtype.itemsize * 8,
        **display_fields(picture),
    }


def _certainty(entropy: float) -> float:
    """1 for certain, towards 0 with growing entropy (nats): the reciprocal of the perplexity."""
    return math.exp(-max(entropy, 0.0))


def _dumped(message: Mapping[str, Any] | Sequence[Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
