"""Decoder passes: what transformers' own forward believes, alone or packed with others, whole or free rows alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from drafting.study import Study, StudyFacts
from model.network.decoder import DecoderInput, DecoderSlot, PackedDecoder, bar, barred_tokens, expected_embedding
from model.network.graphs import GraphDecoder
from model.network.loading import DraftingModel, load
from model.network.prefix import Prefix, encode_prefix
from model.network.reading import Reading, State
from model.training.small.step import pin_logits


@pytest.fixture(scope="module", params=["tiny", "default"])
def any_model(request: pytest.FixtureRequest, tiny_model: DraftingModel) -> DraftingModel:
    return tiny_model if request.param == "tiny" else load(device="cpu")


@pytest.fixture(scope="module")
def default_model() -> DraftingModel:
    return load(device="cpu")


def a_prefix(model: DraftingModel, indication: str = "") -> Prefix:
    picture = np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)
    return encode_prefix(model, Study(pictures=(), model_picture=picture, facts=StudyFacts(age=60)), indication)


def a_slot(model: DraftingModel, prefix: Prefix, length: int, free: list[int]) -> DecoderSlot:
    tokens = torch.randint(5, len(model.tokenizer), (length,), generator=torch.Generator().manual_seed(length))
    return DecoderSlot(prefix, tokens, torch.tensor(free), torch.zeros(len(free), dtype=torch.bool))


def a_state(model: DraftingModel, free: int, number: int = 0, seed: int = 0) -> State:
    generator = torch.Generator().manual_seed(seed)
    canvas = torch.randint(len(model.tokenizer), (free,), generator=generator)
    return State(number, canvas, None, torch.zeros(free, dtype=torch.bool), 0, settled=False, anchor=None)


def entry(slot: DecoderSlot, state: State) -> DecoderInput:
    return DecoderInput(slot, state, 0.7, torch.full((len(slot.free),), 0.4))


def same(one: Reading, other: Reading) -> bool:
    return torch.equal(one.best, other.best) and all(
        torch.allclose(a, b, atol=1e-4)
        for a, b in (
            (one.log_probability, other.log_probability),
            (one.entropy, other.entropy),
            (one.belief, other.belief),
        )
    )


@torch.inference_mode()
def as_transformers(
    model: DraftingModel, slot: DecoderSlot, canvas: torch.Tensor, belief: torch.Tensor | None
) -> torch.Tensor:
    """transformers' own logits of the free positions: (free, vocabulary)."""
    cache = DynamicCache()
    for index, (keys, values) in enumerate(slot.prefix.layers):
        cache.update(keys.transpose(0, 1)[None], values.transpose(0, 1)[None], index)
    logits = model.network(
        decoder_input_ids=canvas[None], past_key_values=cache, self_conditioning_logits=belief
    ).logits
    return logits[0, slot.free]


def test_a_pass_believes_what_transformers_does(any_model: DraftingModel) -> None:
    free = [3, 4, 5, 11, 12]
    slot = a_slot(any_model, a_prefix(any_model), 30, free)
    state, decoder = a_state(any_model, len(free)), PackedDecoder(any_model, torch.float32)
    canvas = slot.tokens.clone()
    canvas[free] = state.canvas
    expected = as_transformers(any_model, slot, canvas, None)
    expected = bar(expected, barred_tokens(any_model), slot.opening, any_model.blank_id)
    (first,) = decoder([entry(slot, state)])
    assert torch.equal(first.best, expected.argmax(-1))
    assert torch.allclose(first.log_probability, expected.log_softmax(-1).max(-1).values, atol=1e-4)
    assert torch.allclose(first.belief, expected_embedding(any_model.network, (expected / 0.7).softmax(-1)), atol=1e-4)

    # The second step is conditioned on the first: one-hot where pinned.
    belief = torch.zeros(1, 30, expected.shape[-1])
    belief[0, free] = expected / 0.7
    pinned = torch.ones(1, 30, dtype=torch.bool)
    pinned[0, free] = False
    expected = as_transformers(any_model, slot, canvas, pin_logits(belief, canvas[None], pinned))
    expected = bar(expected, barred_tokens(any_model), slot.opening, any_model.blank_id)
    (second,) = decoder([entry(slot, replace(state, number=1, reading=first))])
    assert torch.equal(second.best, expected.argmax(-1))
    assert torch.allclose(second.log_probability, expected.log_softmax(-1).max(-1).values, atol=1e-4)
    assert not torch.allclose(second.log_probability, first.log_probability, atol=1e-4)


def test_packed_with_others_a_canvas_is_read_as_alone(any_model: DraftingModel) -> None:
    decoder = PackedDecoder(any_model, torch.float32)
    near, far = a_prefix(any_model), a_prefix(any_model, "Shortness of breath and fever for three days.")
    slots = [
        a_slot(any_model, near, 30, [3, 4, 5, 11]),
        a_slot(any_model, far, 70, list(range(40))),
        a_slot(any_model, near, 9, list(range(9))),
    ]
    states = [a_state(any_model, len(slot.free), seed=number) for number, slot in enumerate(slots)]
    alone = [decoder([entry(slot, state)])[0] for slot, state in zip(slots, states, strict=True)]
    together = decoder([entry(slot, state) for slot, state in zip(slots, states, strict=True)])
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))

    # The next step, of free rows alone for some and of the whole canvas for others.
    later = [
        replace(state, number=1, reading=reading, anchor=state if number != 1 else None)
        for number, (state, reading) in enumerate(zip(states, alone, strict=True))
    ]
    alone = [decoder([entry(slot, state)])[0] for slot, state in zip(slots, later, strict=True)]
    for slot in slots:
        slot.context_of = None
    together = decoder([entry(slot, state) for slot, state in zip(slots, later, strict=True)])
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_among_others_a_canvas_is_read_bit_for_bit_as_alone_however_many_threads_compute(
    default_model: DraftingModel, threads: int
) -> None:
    decoder, prefix = PackedDecoder(default_model), a_prefix(default_model)
    slots = [
        a_slot(default_model, prefix, 20, [3, 4, 5]),
        a_slot(default_model, prefix, 60, list(range(24))),
        a_slot(default_model, prefix, 150, list(range(136))),
    ]
    states = [a_state(default_model, len(slot.free), seed=number) for number, slot in enumerate(slots)]

    def read(numbers: list[int]) -> list[Reading]:
        return decoder([entry(slots[number], states[number]) for number in numbers])

    own = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for _ in range(2):
            alone = [read([number])[0] for number in range(3)]
            for numbers in ([0, 1], [2, 0, 1]):
                for number, reading in zip(numbers, read(numbers), strict=True):
                    for field in ("best", "log_probability", "sampled", "entropy", "belief"):
                        assert torch.equal(getattr(reading, field), getattr(alone[number], field)), field
            states = [
                replace(state, number=state.number + 1, reading=reading)
                for state, reading in zip(states, alone, strict=True)
            ]
    finally:
        torch.set_num_threads(own)


def test_free_rows_alone_read_the_same_while_nothing_else_has_moved(any_model: DraftingModel) -> None:
    """A pass of the free rows reuses pinned keys and values; while the canvas is what it was, nothing may differ."""
    slot = a_slot(any_model, a_prefix(any_model), 30, [3, 4, 5, 11])
    state, decoder = a_state(any_model, 4), PackedDecoder(any_model, torch.float32)
    (whole,) = decoder([entry(slot, state)])
    (free_rows,) = decoder([entry(slot, replace(state, number=1, anchor=state))])
    assert same(whole, free_rows)


def test_what_may_not_stand_is_never_read(tiny_model: DraftingModel) -> None:
    slot = a_slot(tiny_model, a_prefix(tiny_model), 40, list(range(40)))
    slot.opening[:] = True
    (reading,) = PackedDecoder(tiny_model, torch.float32)([entry(slot, a_state(tiny_model, 40))])
    barred = {*tiny_model.suppressed_ids, tiny_model.blank_id}
    assert not barred & {*reading.best.tolist(), *reading.sampled.tolist()}


def test_scores_are_the_log_probabilities_of_what_stands(tiny_model: DraftingModel) -> None:
    slot = a_slot(tiny_model, a_prefix(tiny_model), 20, [5, 6, 7])
    expected = as_transformers(tiny_model, slot, slot.tokens, None)
    expected = bar(expected, barred_tokens(tiny_model), slot.opening, tiny_model.blank_id).log_softmax(-1)
    assert torch.allclose(
        PackedDecoder(tiny_model, torch.float32).score(slot), expected[range(3), slot.tokens[5:8]], atol=1e-4
    )


def test_graphs_compute_what_packed_rows_do(any_model: DraftingModel) -> None:
    """On a CPU nothing is captured, but places, rounded sizes, masks and the order of rows are the same."""
    packed, graphs = PackedDecoder(any_model, torch.float32), GraphDecoder(any_model, places=4)
    near, far = a_prefix(any_model), a_prefix(any_model, "Shortness of breath and fever for three days. " * 9)
    assert far.length > 128 > near.length
    slots = [
        a_slot(any_model, near, 30, [3, 4, 5, 11]),
        a_slot(any_model, far, 90, list(range(40))),
        a_slot(any_model, near, 64, list(range(64))),
    ]
    slots[0].opening[1] = True
    states = [a_state(any_model, len(slot.free), seed=number) for number, slot in enumerate(slots)]
    # They come and go: a place is kept, given away, and shared out anew when a longer prefix arrives.
    for chosen in ([0], [2, 0], [2, 0, 1], [1], [0, 1]):
        entries = [entry(slots[number], states[number]) for number in chosen]
        for number, (one, other) in enumerate(zip(packed(entries), graphs(entries), strict=True)):
            assert same(one, other)
            assert torch.equal(one.sampled, other.sampled)
            states[chosen[number]] = replace(states[chosen[number]], number=1, reading=one)


def test_a_graph_computes_a_canvas_at_the_same_sizes_whoever_is_beside_it(tiny_model: DraftingModel) -> None:
    near, far = a_prefix(tiny_model), a_prefix(tiny_model, "Shortness of breath and fever for three days. " * 9)
    slots = [
        a_slot(tiny_model, near, 30, [3, 4, 5, 11]),
        a_slot(tiny_model, far, 90, list(range(40))),
        a_slot(tiny_model, near, 64, list(range(64))),
    ]
    entries = [entry(slot, a_state(tiny_model, len(slot.free), seed=at)) for at, slot in enumerate(slots)]
    graphs, sizes = GraphDecoder(tiny_model, places=4, alike=True), []
    captured = graphs._graph
    graphs._graph = lambda size: sizes.append(size) or captured(size)  # type: ignore[method-assign]
    alone = []
    for one in entries:
        graphs([one])
        alone.append(sizes.pop())
    assert len(set(alone)) == 3
    # A longer prefix has come meanwhile, and several canvases come together: each at the size that it had alone.
    for numbers in ([0], [1, 0], [2, 1, 0, 0]):
        readings = graphs([entries[number] for number in numbers])
        assert set(sizes) == {alone[number] for number in numbers}
        assert [len(reading.best) for reading in readings] == [len(slots[number].free) for number in numbers]
        sizes.clear()
    assert {size.places for size in alone} == {4}


def test_more_canvases_than_places_are_read_in_turns(tiny_model: DraftingModel) -> None:
    prefix = a_prefix(tiny_model)
    slots = [a_slot(tiny_model, prefix, 20 + number, [3, 4]) for number in range(5)]
    entries = [entry(slot, a_state(tiny_model, 2, seed=number)) for number, slot in enumerate(slots)]
    graphs = GraphDecoder(tiny_model, places=2)
    assert all(
        same(one, other)
        for one, other in zip(PackedDecoder(tiny_model, torch.float32)(entries), graphs(entries), strict=True)
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="passes are captured on a GPU alone")
def test_a_captured_pass_is_replayed_with_what_is_put_before_it() -> None:
    model = load(device="cuda")
    packed, graphs = PackedDecoder(model), GraphDecoder(model, places=2)
    near, far = a_prefix(model), a_prefix(model, "Shortness of breath and fever for three days. " * 9)
    # The longer prefix needs more room: what was captured before is thrown away.
    for seed, prefix in enumerate((near, near, far)):
        slots = [a_slot(model, prefix, 60, list(range(8, 32))), a_slot(model, prefix, 150, list(range(8, 120)))]
        states = [a_state(model, len(slot.free), seed=seed) for slot in slots]
        entries = [entry(slot, state) for slot, state in zip(slots, states, strict=True)]
        for one, other in zip(packed(entries), graphs(entries), strict=True):
            # Sixteen-bit arithmetic in another order.
            assert (one.best == other.best).float().mean() > 0.95
            assert torch.allclose(one.log_probability, other.log_probability, atol=0.2)
            assert (one.belief - other.belief).norm() < 0.05 * one.belief.norm()


def test_products_of_sixteen_bits_say_nearly_the_same(any_model: DraftingModel) -> None:
    """On a processor without instructions for it bfloat16 is slow and just as right."""
    slot = a_slot(any_model, a_prefix(any_model), 60, list(range(10, 34)))
    state = a_state(any_model, 24)
    (exact,) = PackedDecoder(any_model, torch.float32)([entry(slot, state)])
    (rounded,) = PackedDecoder(any_model, torch.bfloat16)([entry(slot, state)])
    assert (exact.best == rounded.best).float().mean() >= 0.9
    assert (exact.log_probability - rounded.log_probability).abs().mean() < 0.1
    assert (exact.belief - rounded.belief).norm() < 0.1 * exact.belief.norm()
