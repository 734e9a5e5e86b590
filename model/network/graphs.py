"""Decoder passes on a GPU: captured once for each size, replayed for every step.

A step of a large model is some thousand small operations, and launching them one by one takes longer than computing
them. So a pass is compiled, captured in a CUDA graph and replayed. A graph has fixed sizes: canvases sit at places,
each with room for a prefix, and rows, read rows and places in use are rounded up to a few sizes. What is rounded up is
masked, and weighs little, because reading the weights takes most of the time whatever the rows are.

Every pass takes whole canvases: free rows alone would hardly be faster, since the same weights are read.

This module knows nothing of text, of drawing tokens over time, or of who wants a draft.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from transformers import DiffusionGemmaForBlockDiffusion

from model.network.decoder import (
    DecoderInput,
    DecoderSlot,
    Meanwhile,
    PackedDecoder,
    Route,
    bar,
    barred_tokens,
    capped,
    do_nothing,
    expected_embedding,
    layer_inputs,
    layer_outputs,
    rotary_tables,
    route_plainly,
)
from model.network.joined import can_be_joined, join_weights
from model.network.loading import DraftingModel, layer_kinds, text_config
from model.network.reading import Reading, read

PLACES = 8
ROWS_STEP = 32
READ_SIZES = (32,)
CONTEXT_STEP = 128
# Up to so many bytes of weights a pass is bound by its launches, and computing all places costs little. With more, a
# pass at eight places takes two to three times as long as at one; there a draft among others may differ from the draft
# alone by rounding, and so by a word.
ALIKE_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Size:
    """What a graph is captured for: places, rows a canvas, rows of each that are read, and prefix positions."""

    places: int
    rows: int
    read: int
    context: int


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Where a graph finds its inputs. Rows of a canvas begin with its free ones.

    Set when a canvas takes its place: `tokens`, `positions` (places, rows); `free`, `opening` (places, read) bool;
    `unseen` (places, context + rows) float32, added to attention scores: 0, or minus infinity for a key that is not
    there; `keys_values`, for each layer, (places, heads, context, width) twice.

    Set for every pass: `step` (places, 2 * read + 2) float32, which arrives in one transfer: tokens at free rows (exact
    up to 2**24), their uniform random numbers, the temperature, and 1 where there is a belief; `belief` (places, read,
    hidden). `slots`: the decoder slot at each place.
    """

    tokens: Tensor
    positions: Tensor
    free: Tensor
    opening: Tensor
    unseen: Tensor
    keys_values: tuple[tuple[Tensor, Tensor], ...]
    step: Tensor
    belief: Tensor
    slots: list[weakref.ref[DecoderSlot] | None]


Graph = tuple[torch.cuda.CUDAGraph | None, Inputs, tuple[Tensor, Tensor] | None]
"""A captured pass with its inputs and its outputs; on a CPU the inputs alone."""


class GraphDecoder:
    """Reads canvases by replaying captured passes. On a CPU, where nothing can be captured, it computes them anew.

    `places`: so many canvases are read together; more are read in turns.
    """

    def __init__(
        self, drafting_model: DraftingModel, places: int = PLACES, compiled: bool = True, alike: bool | None = None
    ) -> None:
        """`alike`: whether a canvas is computed at the same sizes whoever is computed with it; None: where it costs
        little, which is with weights up to `ALIKE_BYTES`.
        """
        self._network = drafting_model.network
        self._device = drafting_model.device
        self._longest = _up(drafting_model.canvas_length, ROWS_STEP)
        self._slots: list[weakref.ref[DecoderSlot] | None] = [None] * places
        self._context = 0
        # What every canvas takes of it at least, so that warmed-up sizes serve most.
        self._least_context = 0
        self._keys_values: list[tuple[Tensor, Tensor]] = []
        self._graphs: dict[Size, Graph] = {}
        self._pool: Any = None
        self._packed = PackedDecoder(drafting_model)
        weights = sum(weight.numel() * weight.element_size() for weight in drafting_model.network.parameters())
        self._alike = weights <= ALIKE_BYTES if alike is None else alike
        self._pass = _Pass(drafting_model, compiled and self._device.type == "cuda")

    @torch.inference_mode()
    def __call__(self, entries: Sequence[DecoderInput], meanwhile: Meanwhile = do_nothing) -> list[Reading]:
        self._make_room(max(entry.slot.prefix.length for entry in entries))
        most = len(self._slots)
        groups: dict[Size | None, list[int]] = {}
        for number, entry in enumerate(entries):
            groups.setdefault(self._size([entry], most) if self._alike else None, []).append(number)
        readings: dict[int, Reading] = {}
        for numbers in groups.values():
            for at in range(0, len(numbers), most):
                some = numbers[at : at + most]
                found = self._together([entries[number] for number in some], do_nothing if readings else meanwhile)
                readings |= dict(zip(some, found, strict=True))
        return [readings[number] for number in range(len(entries))]

    def score(self, slot: DecoderSlot, canvas: Tensor | None = None) -> Tensor:
        return self._packed.score(slot, canvas)

    def beliefs(self, slots: Sequence[DecoderSlot], canvases: Sequence[Tensor]) -> list[Tensor]:
        return self._packed.beliefs(slots, canvases)

    @torch.inference_mode()
    def warm_up(self, prefix_length: int) -> None:
        """Capture what drafts with prefixes up to a length begin with, so that none of them waits for it."""
        self._least_context = _up(prefix_length, CONTEXT_STEP)
        self._make_room(prefix_length)
        for places in sorted({_power_of_two(count, len(self._slots)) for count in range(1, len(self._slots) + 1)}):
            if self._alike and places < len(self._slots):
                continue
            for rows in range(ROWS_STEP, self._longest + 1, ROWS_STEP):
                for count in sorted({_read_size(free, rows) for free in range(1, rows + 1)}):
                    self._graph(Size(places, rows, count, self._context))

    def _together(self, entries: Sequence[DecoderInput], meanwhile: Meanwhile) -> list[Reading]:
        places = self._take_places([entry.slot for entry in entries])
        size = self._size(entries, len(self._slots) if self._alike else max(places) + 1)
        graph, inputs, outputs = self._graph(size)
        _fill(inputs, size, entries, places)
        if graph is None or outputs is None:
            meanwhile()
            outputs = self._pass(inputs)
        else:
            graph.replay()
            meanwhile()
        told, belief = outputs
        best, log_probability, sampled, entropy = told.cpu()
        return [
            Reading(
                best=best[place, :count].long(),
                log_probability=log_probability[place, :count],
                sampled=sampled[place, :count].long(),
                entropy=entropy[place, :count],
                # A graph's own output is overwritten by its next replay.
                belief=belief[place, :count].clone(),
            )
            for place, count in zip(places, (len(entry.slot.free) for entry in entries), strict=True)
        ]

    def _size(self, entries: Sequence[DecoderInput], places: int) -> Size:
        """What is computed for entries together, at least so many places.

        Another size is another order of additions. So where canvases are to be alike, it follows from the canvas alone:
        of the room for prefixes it takes what its own needs, however much longer ones have needed since.
        """
        rows = max(_up(len(entry.slot.tokens), ROWS_STEP) for entry in entries)
        needed = max(entry.slot.prefix.length for entry in entries)
        return Size(
            places=_power_of_two(places, len(self._slots)),
            rows=rows,
            read=_read_size(max(len(entry.slot.free) for entry in entries), rows),
            context=max(_up(needed, CONTEXT_STEP), self._least_context) if self._alike else self._context,
        )

    def _take_places(self, slots: Sequence[DecoderSlot]) -> list[int]:
        """The places where the slots' prefixes are, or are put now: low ones first, so that few are computed."""
        held = [reference() if reference else None for reference in self._slots]
        free = [place for place, slot in enumerate(held) if slot is None or slot not in slots]
        if self._alike:
            # All places are computed in any case, so nobody's prefix is put away for one that finds another place.
            free.sort(key=lambda place: held[place] is not None)
        places = []
        for slot in slots:
            place = held.index(slot) if slot in held else free.pop(0)
            if held[place] is not slot:
                for (keys, values), (own_keys, own_values) in zip(self._keys_values, slot.prefix.layers, strict=True):
                    keys[place, :, : len(own_keys)] = own_keys.transpose(0, 1)
                    values[place, :, : len(own_values)] = own_values.transpose(0, 1)
                self._slots[place] = weakref.ref(slot)
            places.append(place)
        return places

    def _make_room(self, prefix_length: int) -> None:
        """Have room for prefixes of a length. More room than before is another size, for graphs too."""
        if prefix_length <= self._context:
            return
        self._context = _up(prefix_length, CONTEXT_STEP)
        self._graphs.clear()
        # Its memory went with the last graph that used it.
        self._pool = None
        self._slots = [None] * len(self._slots)
        places, dtype = len(self._slots), self._network.dtype
        self._keys_values = []
        for layer in self._network.model.decoder.layers:
            width = layer.self_attn.head_dim
            heads = layer.self_attn.k_proj.out_features // width
            shape = (places, heads, self._context, width)
            # Zeros and not whatever was there: a key that is masked must still be a number.
            self._keys_values.append(
                (
                    torch.zeros(shape, dtype=dtype, device=self._device),
                    torch.zeros(shape, dtype=dtype, device=self._device),
                )
            )

    def _graph(self, size: Size) -> Graph:
        if size not in self._graphs:
            inputs = self._empty(size)
            self._graphs[size] = self._captured(inputs) if self._device.type == "cuda" else (None, inputs, None)
        return self._graphs[size]

    def _captured(self, inputs: Inputs) -> Graph:
        """What is computed is compiled and its memory found by computing it once or twice before it is captured."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self._pass(inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            outputs = self._pass(inputs)
        self._pool = self._pool or graph.pool()
        return graph, inputs, outputs

    def _empty(self, size: Size) -> Inputs:
        def zeros(*shape: int, dtype: torch.dtype) -> Tensor:
            return torch.zeros(size.places, *shape, dtype=dtype, device=self._device)

        step = zeros(2 * size.read + 2, dtype=torch.float32)
        step[:, -2] = 1
        return Inputs(
            tokens=zeros(size.rows, dtype=torch.long),
            positions=zeros(size.rows, dtype=torch.long),
            free=zeros(size.read, dtype=torch.bool),
            opening=zeros(size.read, dtype=torch.bool),
            unseen=zeros(size.context + size.rows, dtype=torch.float32),
            keys_values=tuple(
                (keys[: size.places, :, : size.context], values[: size.places, :, : size.context])
                for keys, values in self._keys_values
            ),
            step=step,
            belief=zeros(size.read, text_config(self._network).hidden_size, dtype=self._network.dtype),
            slots=[None] * size.places,
        )


def _put(inputs: Inputs, size: Size, place: int, slot: DecoderSlot) -> None:
    """Set what stays the same while a canvas keeps its place."""
    count = len(slot.free)
    order = torch.cat([slot.free, slot.pinned])
    rows = torch.zeros(2, size.rows, dtype=torch.long)
    rows[0, : len(order)] = slot.tokens[order]
    rows[1, : len(order)] = order + slot.prefix.length
    flags = torch.zeros(2, size.read, dtype=torch.bool)
    flags[0, :count], flags[1, :count] = True, slot.opening
    unseen = torch.full((size.context + size.rows,), -torch.inf)
    unseen[: len(slot.prefix.layers[0][0])] = 0
    unseen[size.context : size.context + len(order)] = 0
    inputs.tokens[place], inputs.positions[place] = rows.to(inputs.tokens.device)
    inputs.free[place], inputs.opening[place] = flags.to(inputs.free.device)
    inputs.unseen[place] = unseen.to(inputs.unseen.device)
    inputs.slots[place] = weakref.ref(slot)


def _fill(inputs: Inputs, size: Size, entries: Sequence[DecoderInput], places: Sequence[int]) -> None:
    """Put the entries into a graph's inputs. Places without an entry keep what they had; nobody reads them."""
    step = torch.zeros(size.places, 2 * size.read + 2)
    step[:, -2] = 1
    for place, entry in zip(places, entries, strict=True):
        present = inputs.slots[place]
        if present is None or present() is not entry.slot:
            _put(inputs, size, place, entry.slot)
        count = len(entry.slot.free)
        step[place, :count] = entry.state.canvas.float()
        step[place, size.read : size.read + count] = entry.uniform.float()
        step[place, -2], step[place, -1] = entry.temperature, float(entry.state.reading is not None)
        if entry.state.reading is not None:
            inputs.belief[place, :count] = entry.state.reading.belief
    inputs.step.copy_(step)


class _Pass:
    """One pass over all places: (4, places, read) float32 best, log-probability, sampled, entropy; and the belief.

    Token ids are exact in float32 up to 2**24.
    """

    def __init__(self, drafting_model: DraftingModel, compiled: bool) -> None:
        self._network = drafting_model.network
        self._blank_id = drafting_model.blank_id
        self._barred = barred_tokens(drafting_model)
        # One piece of code for all sizes and for all layers of a kind.
        self._first = torch.compile(_first, dynamic=True) if compiled else _first
        self._layer = torch.compile(_layer, dynamic=True) if compiled else _layer
        self._read, self._route = _fused(drafting_model.device)
        self._joined: list[tuple[Tensor, Tensor] | tuple[None, None]] = [
            join_weights(layer) if can_be_joined(layer) else (None, None)
            for layer in self._network.model.decoder.layers
        ]

    def __call__(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        network, (places, count) = self._network, inputs.opening.shape
        hidden = self._first(network, inputs.tokens, inputs.free, inputs.step, inputs.belief)
        rotary = rotary_tables(network, hidden, inputs.positions)
        unseen = inputs.unseen[:, None, None]
        layers = zip(network.model.decoder.layers, layer_kinds(network), inputs.keys_values, self._joined, strict=True)
        for layer, kind, (keys, values), joined in layers:
            hidden = self._layer(layer, joined, hidden, *rotary[kind], keys, values, unseen, self._route)
        products = network.lm_head(network.model.decoder.norm(hidden[:, :count].flatten(0, 1)))
        temperatures = inputs.step[:, -2:-1].expand(-1, count).flatten()
        uniform = inputs.step[:, count : 2 * count].flatten()
        best, log_probability, sampled, entropy, probabilities = self._read(
            products,
            network.final_logit_softcapping,
            self._barred,
            inputs.opening.flatten(),
            self._blank_id,
            temperatures,
            uniform,
        )
        told = torch.stack([best.float(), log_probability, sampled.float(), entropy])
        belief = expected_embedding(network, probabilities)
        return told.view(4, places, count), belief.view(places, count, -1)


def _first(
    network: DiffusionGemmaForBlockDiffusion, tokens: Tensor, free: Tensor, step: Tensor, belief: Tensor
) -> Tensor:
    """Embeddings with their self-conditioning: (places, rows, hidden). Pinned rows are one-hot: their own embedding."""
    decoder, count = network.model.decoder, free.shape[1]
    read_tokens = torch.where(free, step[:, :count].long(), tokens[:, :count])
    embedded = decoder.embed_tokens(torch.cat([read_tokens, tokens[:, count:]], dim=1))
    believed = torch.where(free[..., None], belief, embedded[:, :count])
    signal = torch.cat([believed, embedded[:, count:]], dim=1) * step[:, -1:, None].to(embedded.dtype)
    return decoder.self_conditioning(embedded, signal)


def _layer(
    layer: Any,
    joined: tuple[Tensor | None, Tensor | None],
    hidden: Tensor,
    cosine: Tensor,
    sine: Tensor,
    keys: Tensor,
    values: Tensor,
    unseen: Tensor,
    route: Route,
) -> Tensor:
    projection, gate_up = joined
    queries, own_keys, own_values = layer_inputs(layer, hidden, cosine, sine, projection)
    seen_keys = torch.cat([keys, own_keys.transpose(1, 2)], dim=2)
    seen_values = torch.cat([values, own_values.transpose(1, 2)], dim=2)
    return layer_outputs(layer, hidden, _attention(queries, seen_keys, seen_values, unseen), route, gate_up)


def _attention(queries: Tensor, keys: Tensor, values: Tensor, unseen: Tensor) -> Tensor:
    """(places, rows, heads, width), twice (places, key heads, seen, width) -> (places, rows, heads, width).

    Written as two products with the scores in float32, which suits few rows, every width of a head, and a mask: on an
    H100 a step at canvas 256 took about a millisecond more with torch's fused attention. All queries of a place see the
    same keys, so the query heads that share a key head are rows of one. `unseen`: (places, 1, 1, seen).
    """
    places, rows, heads, width = queries.shape
    key_heads, seen = keys.shape[1], keys.shape[2]
    shares = heads // key_heads
    grouped = queries.view(places, rows, key_heads, shares, width).permute(0, 2, 3, 1, 4)
    grouped = grouped.reshape(places * key_heads, shares * rows, width)
    scores = _product_in_float32(grouped, keys.reshape(places * key_heads, seen, width).transpose(1, 2))
    scores = scores.view(places, key_heads, shares * rows, seen) + unseen
    weights = scores.softmax(dim=-1).to(values.dtype)
    taken = (weights @ values).view(places, key_heads, shares, rows, width)
    return taken.permute(0, 3, 1, 2, 4).reshape(places, rows, heads, width)


def _product_in_float32(one: Tensor, other: Tensor) -> Tensor:
    """Batched matrix product whose result keeps float32: scores in bfloat16 would be off by half a nat and more."""
    if one.dtype == torch.float32 or one.device.type != "cuda":
        return one.float() @ other.float()
    return torch.bmm(one, other, out_dtype=torch.float32)


Reader = Callable[
    [Tensor, float, Tensor, Tensor, int | None, Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
]
"""(products, cap, barred, opening, blank_id, temperatures, uniform) -> what `model.network.reading.read` gives."""


def _fused(device: torch.device) -> tuple[Reader, Route]:
    """What reads the output layer's products, and what chooses experts: on a GPU a few kernels, not a dozen each."""
    if device.type == "cuda" and find_spec("triton"):
        from model.network.kernels.experts import route
        from model.network.kernels.reading import read_products

        return read_products, route
    return _read_plainly, route_plainly


def _read_plainly(
    products: Tensor,
    cap: float,
    barred: Tensor,
    opening: Tensor,
    blank_id: int | None,
    temperatures: Tensor,
    uniform: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    return read(bar(capped(products, cap), barred, opening, blank_id), temperatures, uniform)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def _power_of_two(number: int, most: int) -> int:
    return min(1 << (number - 1).bit_length(), most)


def _read_size(free: int, rows: int) -> int:
    return next((size for size in READ_SIZES if free <= size <= rows), rows)
