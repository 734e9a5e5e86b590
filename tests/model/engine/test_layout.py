"""Layouts: what is pinned, where slots lie, and how a slot's text goes back between its neighbours."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from drafting.report import Report, Span, parse_markup
from model.engine.layout import (
    Layout,
    canvas_for,
    elastic_width,
    lay_out,
    lay_out_within,
    windows,
)
from model.network.loading import DraftingModel

TEXT = st.text(alphabet=st.sampled_from("The heart. \n\r\té😀א0"), max_size=20)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    spans = draw(st.lists(st.tuples(TEXT, st.sampled_from(["locked", "open"])), max_size=8))
    return Report.from_spans(Span(f"s{i}", text, state, "radiologist") for i, (text, state) in enumerate(spans))


def layout_of(report: Report, model: DraftingModel, widest: int = 64) -> Layout:
    encode = lambda text: model.tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    return lay_out(report, encode, model.blank_id or 0, widest, elastic_width)


def test_locked_text_is_pinned_and_gaps_are_blank_slots(tiny_model: DraftingModel) -> None:
    layout = layout_of(parse_markup("The heart is [[]]. No effusion."), tiny_model)
    (slot,) = layout.slots
    assert not any(layout.pinned[slot.start : slot.stop])
    assert all(layout.pinned[: slot.start])
    assert all(layout.pinned[slot.stop :])
    assert set(layout.ids[slot.start : slot.stop]) == {tiny_model.blank_id}
    pinned = [id for id, is_pinned in zip(layout.ids, layout.pinned, strict=True) if is_pinned]
    assert tiny_model.tokenizer.decode(pinned) == "The heart is. No effusion."
    assert slot.follows_space
    assert slot.glue.startswith(".")


@given(reports())
@settings(max_examples=300, deadline=None)
def test_every_open_span_has_one_slot_and_all_else_is_pinned(tiny_model: DraftingModel, report: Report) -> None:
    layout = layout_of(report, tiny_model)
    assert [slot.span_id for slot in layout.slots] == [span.id for span in report.open_spans]
    free = {at for slot in layout.slots for at in range(slot.start, slot.stop)}
    assert [at in free for at in range(len(layout.ids))] == [not pinned for pinned in layout.pinned]
    assert all(0 < slot.stop - slot.start <= 64 for slot in layout.slots)


@given(reports(), st.integers(70, 200))
@settings(max_examples=300, deadline=None)
def test_windows_hold_every_slot_once_and_fit_the_room(tiny_model: DraftingModel, report: Report, room: int) -> None:
    layout = layout_of(report, tiny_model)
    groups = windows(layout.slots, room)
    assert [slot for group in groups for slot in group] == list(layout.slots)
    context = {slot.span_id: (9, 9) for slot in layout.slots}
    for group in groups:
        canvas = canvas_for(layout, group, context, room, (7,), (8,), padding=room + 2, pad_id=0)
        assert len(canvas.ids) == len(canvas.pinned) == room + 2
        assert canvas.ids[0] == 7
        assert [slot.span_id for slot in canvas.slots] == [slot.span_id for slot in group]
        free = {at for slot in canvas.slots for at in range(slot.start, slot.stop)}
        assert [not pinned for pinned in canvas.pinned] == [at in free for at in range(len(canvas.ids))]
        for slot, laid in zip(canvas.slots, group, strict=True):
            assert canvas.ids[slot.start : slot.stop] == layout.ids[laid.start : laid.stop]


def test_a_long_report_gives_a_window_the_text_on_both_sides(tiny_model: DraftingModel) -> None:
    layout = layout_of(parse_markup("The lungs are clear. " * 40 + "[[]]" + " The heart is normal." * 40), tiny_model)
    (group,) = windows(layout.slots, 90)
    canvas = canvas_for(layout, group, {"s2": ()}, 90, (), ())
    (slot,) = canvas.slots
    assert len(canvas.ids) == 90
    assert slot.start > 20
    assert slot.stop < 70


def test_slots_get_narrower_so_that_all_gaps_see_each_other(tiny_model: DraftingModel) -> None:
    encode = lambda text: tiny_model.tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    report = parse_markup("FINDINGS:\n[[]]\nIMPRESSION:\n[[]]\n[[The heart is normal.]]")
    wide = lay_out(report, encode, 3, 200, elastic_width)
    room = len(wide.ids) - 60
    layout = lay_out_within(report, encode, 3, room, elastic_width)
    assert len(layout.ids) <= room
    assert len(windows(layout.slots, room)) == 1
    assert layout.slots[2].stop - layout.slots[2].start >= len(encode("The heart is normal.")) + 8
    assert lay_out_within(report, encode, 3, 200, elastic_width) == wide
    assert lay_out_within(report, encode, 3, 40, elastic_width) == lay_out(report, encode, 3, 40, elastic_width)
