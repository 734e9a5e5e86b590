"""Report <-> token positions: the pinned mask, the slots and their blanks.

A layout is the report's tokens in order. Locked text is pinned; each open span has a slot, wider than its text needs,
and what is left over becomes blanks. This module knows nothing of networks, sampling or images.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from drafting.report import Report, Span

Encode = Callable[[str], list[int]]

# Slot widths in tokens for gaps without text. The default model was trained with slots up to these widths and beyond.
GAP_IN_LINE = 24
GAP_OF_SECTION = 72
GAP_OF_REPORT = 136
ROOM_BESIDE_TEXT = 8
LEAST_GAP = 16
# An answer's slot.
ANSWER_WIDTH = 24


@dataclass(frozen=True, slots=True)
class Slot:
    """The positions given to one open span: from `start` up to `stop` of the layout or canvas it belongs to.

    `follows_space`: the locked text before the slot ends in white space, so the slot's own leading space is dropped.
    `glue`: what locked text follows directly, empty where that begins with white space or nothing follows.
    """

    span_id: str
    start: int
    stop: int
    follows_space: bool
    glue: str


@dataclass(frozen=True, slots=True)
class Layout:
    """A report's token positions: ids and whether each is pinned, both (length,), and the slots in order.

    At free positions `ids` hold the open span's text before the draft, then blanks.
    """

    ids: tuple[int, ...]
    pinned: tuple[bool, ...]
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What a slot's width is chosen by: its span, the tokens that this holds, and where it stands.

    `alone`: nothing else is in the report. `own_lines`: the span begins a line or follows a colon, and ends a line.
    """

    span_id: str
    tokens: int
    alone: bool
    own_lines: bool


Width = Callable[[Place], int]


def elastic_width(place: Place) -> int:
    """The width of a slot for a checkpoint that knows blanks."""
    if place.tokens:
        return place.tokens + max(ROOM_BESIDE_TEXT, place.tokens // 2)
    return GAP_OF_REPORT if place.alone else GAP_OF_SECTION if place.own_lines else GAP_IN_LINE


def fixed_width(place: Place) -> int:
    """The width of a slot for a checkpoint that knows no blanks: that of its text; a guess where it has none."""
    return place.tokens or elastic_width(place)


def chosen_width(widths: Mapping[str, int]) -> Width:
    """Slots of given widths, by span id. Spans without one get a single position: they belong to another window."""
    return lambda place: widths.get(place.span_id, 1)


def narrower(width: Width, share: float) -> Width:
    """Slots of `share` of their width, but never less than their text and a few blanks need."""
    return lambda place: max(round(width(place) * share), place.tokens + ROOM_BESIDE_TEXT, LEAST_GAP)


def lay_out_within(report: Report, encode: Encode, filler: int, room: int, width: Width) -> Layout:
    """`lay_out` with slots made narrower, as far as they can be, where the report then fits into `room` positions.

    All gaps denoised together see each other; windows drafted in turn do not. A report that fits in no way is laid out
    with slots of full width.
    """
    whole = layout = lay_out(report, encode, filler, room, width)
    for share in (0.8, 0.65, 0.5, 0.35, 0.25):
        if len(layout.ids) <= room:
            return layout
        layout = lay_out(report, encode, filler, room, narrower(width, share))
    return layout if len(layout.ids) <= room else whole


def lay_out(report: Report, encode: Encode, filler: int, widest: int, width: Width) -> Layout:
    """The layout of a report: locked text pinned, a slot for each open span.

    `encode` gives the token ids of a text; `filler` stands after an open span's text to the end of its slot. `width`
    chooses the width of a slot, which cuts a longer text; none is wider than `widest` positions.
    """
    ids: list[int] = []
    pinned: list[bool] = []
    slots: list[Slot] = []
    runs = _runs(report)
    for index, run in enumerate(runs):
        before = runs[index - 1] if index else None
        after = runs[index + 1] if index + 1 < len(runs) else None
        if isinstance(run, str):
            # A word's token begins with its space. The space before a slot therefore belongs to the slot's first word.
            text = run[:-1] if run.endswith(" ") and isinstance(after, Span) else run
            locked = encode(text)
            ids += locked
            pinned += [True] * len(locked)
            continue
        spaced = isinstance(before, str) and before.endswith(" ")
        text = _as_seen(run.text)
        tokens = encode(f" {text}" if spaced and text else text)[:widest]
        positions = max(min(width(_place(runs, index, run.id, len(tokens))), widest), 1)
        ids += (tokens + [filler] * positions)[:positions]
        pinned += [False] * positions
        glue = after if isinstance(after, str) and not after[:1].isspace() else ""
        follows_space = before is None or (isinstance(before, str) and before[-1:].isspace())
        slots.append(Slot(run.id, len(ids) - positions, len(ids), follows_space, glue))
    return Layout(tuple(ids), tuple(pinned), tuple(slots))


def _place(runs: Sequence[str | Span], index: int, span_id: str, tokens: int) -> Place:
    before = runs[index - 1] if index else ""
    after = runs[index + 1] if index + 1 < len(runs) else ""
    begins = isinstance(before, str) and re.search(r"(?:^|\n|:)\s*$", before) is not None
    ends = isinstance(after, str) and re.match(r"\s*(?:\n|$)", after) is not None
    alone = all(at == index or (isinstance(run, str) and not run.strip()) for at, run in enumerate(runs))
    return Place(span_id, tokens, alone=alone, own_lines=begins and ends)


def _as_seen(text: str) -> str:
    """Text as the model sees it: line ends are line feeds."""
    return text.replace("\r\n", "\n")


def _runs(report: Report) -> list[str | Span]:
    """The report as the model sees it: locked text that touches is one string, open spans stand alone."""
    runs: list[str | Span] = []
    for span in report.spans:
        if not span.locked:
            runs.append(span)
        elif span.text:
            if runs and isinstance(runs[-1], str):
                runs[-1] += _as_seen(span.text)
            else:
                runs.append(_as_seen(span.text))
    return runs


@dataclass(frozen=True, slots=True)
class Canvas:
    """What is denoised together: scaffold and a window of the layout. `ids` and `pinned`: (length,).

    `slots` are positions of this canvas.
    """

    ids: tuple[int, ...]
    pinned: tuple[bool, ...]
    slots: tuple[Slot, ...]

    @property
    def free(self) -> tuple[int, ...]:
        """The positions that are not pinned, rising."""
        return tuple(at for at, pinned in enumerate(self.pinned) if not pinned)

    def keeping(self, positions: Collection[int]) -> Canvas:
        """This canvas with `positions` pinned to what stands there."""
        return replace(self, pinned=tuple(pinned or at in positions for at, pinned in enumerate(self.pinned)))


def windows(slots: Sequence[Slot], room: int) -> tuple[tuple[Slot, ...], ...]:
    """A layout's slots in groups that can be denoised together: what a group spans fits into `room` positions."""
    groups: list[list[Slot]] = []
    for slot in slots:
        if groups and slot.stop - groups[-1][0].start <= room:
            groups[-1].append(slot)
        else:
            groups.append([slot])
    return tuple(tuple(group) for group in groups)


def canvas_for(
    layout: Layout,
    group: Sequence[Slot],
    context: Mapping[str, Sequence[int]],
    room: int,
    before: Sequence[int],
    after: Sequence[int],
    padding: int = 0,
    pad_id: int = 0,
) -> Canvas:
    """The canvas that denoises `group` with as much of the report around it as `room` positions hold.

    Open spans outside the group are pinned to what `context` (span id -> token ids) has for them: their draft, or the
    text they hold. `before` and `after` are the scaffold; the canvas is padded to `padding` positions.
    """
    wanted = {slot.span_id for slot in group}
    ids: list[int] = []
    pinned: list[bool] = []
    slots: list[Slot] = []
    at = 0
    for slot in (*layout.slots, None):
        stop = slot.start if slot else len(layout.ids)
        ids += layout.ids[at:stop]
        pinned += [True] * (stop - at)
        if slot is None:
            break
        at = slot.stop
        if slot.span_id in wanted:
            start = len(ids)
            ids += layout.ids[slot.start : slot.stop]
            pinned += [False] * (slot.stop - slot.start)
            slots.append(Slot(slot.span_id, start, len(ids), slot.follows_space, slot.glue))
        else:
            ids += context[slot.span_id]
            pinned += [True] * len(context[slot.span_id])
    first, last = slots[0].start, slots[-1].stop
    spare = max(room - (last - first), 0)
    low = max(first - max(spare // 2, spare - (len(ids) - last)), 0)
    high = min(low + max(room, last - first), len(ids))
    shift = len(before) - low
    body = (*before, *ids[low:high], *after)
    tail = max(padding - len(body), 0)
    return Canvas(
        ids=body + (pad_id,) * tail,
        pinned=(True,) * len(before) + tuple(pinned[low:high]) + (True,) * (len(after) + tail),
        slots=tuple(Slot(s.span_id, s.start + shift, s.stop + shift, s.follows_space, s.glue) for s in slots),
    )
