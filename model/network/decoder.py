"""Decoder passes: the network's predictions for the free positions of several canvases.

Positions of a canvas attend to each other, to their own prefix and to nothing of another canvas. Where canvases are
computed together, their rows are packed one after the other, so that nothing is padded. Free rows come before pinned
ones, because only they are read. A pass either takes a whole canvas and keeps the keys and values of its pinned rows,
or its free rows alone and reuses those.

This module knows nothing of text, of drawing tokens over time, or of who wants a draft.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor
from transformers import DiffusionGemmaForBlockDiffusion

from model.network.joined import JoinedLayer, product_dtype
from model.network.loading import DraftingModel, layer_kinds
from model.network.prefix import KeysValues, Prefix
from model.network.reading import Reading, State, read

Route = Callable[[Any, Tensor], tuple[Tensor, Tensor]]
"""(router, rows (rows, hidden)) -> shares and experts, each (rows, experts used)."""


@dataclass(eq=False)
class DecoderSlot:
    """A canvas's place at the decoder.

    `tokens`: (length,) with whatever at free positions. `free`: (free,) the free positions, rising. `opening`: (free,)
    bool, where no blank may stand. `pinned_context`: the layers' keys and values of pinned positions from the pass of
    state `context_of`; a pass replaces them.
    """

    prefix: Prefix
    tokens: Tensor
    free: Tensor
    opening: Tensor
    pinned_context: list[KeysValues] = field(default_factory=list)
    context_of: State | None = None

    @cached_property
    def pinned(self) -> Tensor:
        """(length - free,) the pinned positions, rising."""
        rest = torch.ones(len(self.tokens), dtype=torch.bool)
        rest[self.free] = False
        return rest.nonzero().squeeze(-1)


@dataclass(frozen=True, slots=True, eq=False)
class DecoderInput:
    """One canvas in one pass: where it sits, its state, the step's temperature and (free,) uniform random numbers."""

    slot: DecoderSlot
    state: State
    temperature: float
    uniform: Tensor


class LayerStep(Protocol):
    """One decoder layer, but for what its rows take from each other: the same computation as transformers' layer.

    Written out, because that one knows no rows without their canvas and gives no keys and values.
    """

    def inputs(self, hidden: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...

    def outputs(self, hidden: Tensor, taken: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class PlainLayer:
    """A layer of any checkpoint, with or without an adapter."""

    layer: Any

    def inputs(self, hidden: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return layer_inputs(self.layer, hidden, cosine, sine)

    def outputs(self, hidden: Tensor, taken: Tensor) -> Tensor:
        return layer_outputs(self.layer, hidden, taken)


Meanwhile = Callable[[], None]


def do_nothing() -> None:
    pass


class Decoder(Protocol):
    """Reads several canvases in one go."""

    def __call__(self, entries: Sequence[DecoderInput], meanwhile: Meanwhile = do_nothing) -> list[Reading]:
        """`meanwhile` is called once, when the device has its work and before that is waited for."""
        ...

    def score(self, slot: DecoderSlot, canvas: Tensor | None = None) -> Tensor:
        """How likely the slot's tokens at free positions are: log-probabilities (free,), nats, on the CPU.

        `canvas`: (free,) what the network sees there instead of them, noise for one.
        """
        ...

    def beliefs(self, slots: Sequence[DecoderSlot], canvases: Sequence[Tensor]) -> list[Tensor]:
        """What the network believes of free positions that hold `canvases`, each (free,): log-probabilities.

        Gives (free, vocabulary) for each, nats, on the CPU. A slot that was read before reuses the keys and values of
        its pinned positions from then, so a new one stands here once, and then as often as wanted.
        """
        ...


class PackedDecoder:
    """Runs the network on any device, on rows packed without padding.

    Pinned positions are one-hot in the self-conditioning, as in training: their own embedding. It makes no difference
    that was found: of 324 sentences that the rest of the report decides, on validation pictures and with a seed each,
    87.3 % were right so and as many with zeros instead (difference 0.0, -2.2 to 1.9).
    """

    def __init__(self, drafting_model: DraftingModel, products: torch.dtype | None = None) -> None:
        """`products`: what a CPU multiplies matrices in; None is what this one is fastest in."""
        self._network = drafting_model.network
        self._blank_id = drafting_model.blank_id
        self._barred = barred_tokens(drafting_model)
        layers = self._network.model.decoder.layers
        on_cpu = self._network.device.type == "cpu" and self._network.dtype == torch.float32
        products = (products or product_dtype()) if on_cpu else None
        self._layers: list[LayerStep] = [
            JoinedLayer(layer, products) if products and JoinedLayer.can_be(layer) else PlainLayer(layer)
            for layer in layers
        ]

    @torch.inference_mode()
    def __call__(self, entries: Sequence[DecoderInput], meanwhile: Meanwhile = do_nothing) -> list[Reading]:
        # Nothing is left to the device to do by itself.
        meanwhile()
        # Each canvas by itself: how a library adds up a row's terms depends on the rows beside it and on the threads.
        # On a Xeon a row of 768 terms in bfloat16 came out otherwise among 25 to 32 rows than among others, in float32
        # among fewer than 16; with 16 threads also among 20, 64 and 128, and so did GELU. An ulp in float32 can become
        # a 250th in bfloat16, and that another token: a draft among others would not be the draft alone.
        return [self._reading(entry) for entry in entries]

    def _reading(self, entry: DecoderInput) -> Reading:
        logits = capped_logits(self._network, self._forward([entry]))
        logits = bar(logits, self._barred, entry.slot.opening.to(logits.device), self._blank_id)
        temperatures = torch.full((len(logits),), entry.temperature, dtype=torch.float32, device=logits.device)
        *found, probabilities = read(logits, temperatures, entry.uniform.to(logits.device))
        best, log_probability, sampled, entropy = (column.cpu() for column in found)
        return Reading(best, log_probability, sampled, entropy, expected_embedding(self._network, probabilities))

    @torch.inference_mode()
    def score(self, slot: DecoderSlot, canvas: Tensor | None = None) -> Tensor:
        present = slot.tokens[slot.free]
        seen = present if canvas is None else canvas
        state = State(0, seen, None, torch.zeros(len(present), dtype=torch.bool), 0, settled=False, anchor=None)
        hidden = self._forward([DecoderInput(slot, state, 1.0, torch.zeros(len(present)))])
        logits = bar(capped_logits(self._network, hidden), self._barred, slot.opening.to(hidden.device), self._blank_id)
        return logits.log_softmax(dim=-1).gather(-1, present.to(logits.device)[:, None]).squeeze(-1).cpu()

    @torch.inference_mode()
    def beliefs(self, slots: Sequence[DecoderSlot], canvases: Sequence[Tensor]) -> list[Tensor]:
        entries = []
        for slot, canvas in zip(slots, canvases, strict=True):
            nothing = torch.zeros(len(canvas), dtype=torch.bool)
            state = State(0, canvas, None, nothing, 0, settled=False, anchor=slot.context_of)
            entries.append(DecoderInput(slot, state, 1.0, torch.zeros(len(canvas))))
        hidden = self._forward(entries)
        openings = torch.cat([slot.opening for slot in slots]).to(hidden.device)
        logits = bar(capped_logits(self._network, hidden), self._barred, openings, self._blank_id)
        return list(logits.log_softmax(dim=-1).cpu().split([len(canvas) for canvas in canvases]))

    def _forward(self, entries: Sequence[DecoderInput]) -> Tensor:
        """The last hidden states of the free rows: (free rows of all, hidden)."""
        network = self._network
        embed = network.model.decoder.embed_tokens
        device = network.device
        whole = [entry.state.anchor is None for entry in entries]
        tokens, positions, beliefs, spans = [], [], [], []
        at = 0
        for entry, is_whole in zip(entries, whole, strict=True):
            slot, reading = entry.slot, entry.state.reading
            rows = torch.cat([slot.free, slot.pinned]) if is_whole else slot.free
            own = torch.cat([entry.state.canvas, slot.tokens[slot.pinned]]) if is_whole else entry.state.canvas
            tokens.append(own)
            positions.append(rows + slot.prefix.length)
            spans.append((at, at + len(rows)))
            at += len(rows)
            beliefs.append(None if reading is None else reading.belief)
        ids = torch.cat(tokens).to(device)
        embedded = embed(ids)
        # Before the first reading the network is told nothing of any position, pinned ones included, as in training.
        signal = embedded.clone()
        for (start, stop), belief in zip(spans, beliefs, strict=True):
            if belief is None:
                signal[start:stop] = 0
            else:
                signal[start : start + len(belief)] = belief
        kept: list[list[KeysValues]] = [[] for _ in entries]

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            taken = []
            for number, (entry, (start, stop)) in enumerate(zip(entries, spans, strict=True)):
                seen = [entry.slot.prefix.layers[layer]]
                if whole[number]:
                    first = start + len(entry.slot.free)
                    kept[number].append((keys[first:stop], values[first:stop]))
                else:
                    seen.append(entry.slot.pinned_context[layer])
                own_keys = torch.cat([*(k for k, _ in seen), keys[start:stop]])
                own_values = torch.cat([*(v for _, v in seen), values[start:stop]])
                taken.append(attention(queries[start:stop], own_keys, own_values))
            return torch.cat(taken) if len(taken) > 1 else taken[0]

        free = torch.cat(
            [torch.arange(s, s + len(entry.slot.free)) for (s, _), entry in zip(spans, entries, strict=True)]
        )
        hidden = network.model.decoder.self_conditioning(embedded, signal)
        rotary = rotary_tables(network, hidden, torch.cat(positions).to(device))
        last = len(self._layers) - 1
        for index, (layer, kind) in enumerate(zip(self._layers, layer_kinds(network), strict=True)):
            queries, keys, values = layer.inputs(hidden, *rotary[kind])
            took = attend(index, queries, keys, values)
            if index == last:
                # Of pinned rows only keys and values are wanted of the last layer.
                hidden, took = hidden[free.to(device)], took[free.to(device)]
            hidden = layer.outputs(hidden, took)
        for entry, context, is_whole in zip(entries, kept, whole, strict=True):
            if is_whole:
                entry.slot.pinned_context, entry.slot.context_of = context, entry.state
        return network.model.decoder.norm(hidden)


def barred_tokens(drafting_model: DraftingModel) -> Tensor:
    """The tokens that may stand at no free position: (vocabulary,) bool on the model's device."""
    barred = torch.zeros(drafting_model.vocabulary_size, dtype=torch.bool)
    barred[list(drafting_model.suppressed_ids)] = True
    barred[len(drafting_model.tokenizer) :] = True
    return barred.to(drafting_model.device)


def bar(logits: Tensor, barred: Tensor, openings: Tensor, blank_id: int | None) -> Tensor:
    """Logits (rows, tokens), minus infinity for `barred` (tokens,), and for the blank where `openings` (rows,) says."""
    logits = logits.masked_fill(barred, -torch.inf)
    if blank_id is not None:
        logits[:, blank_id] = logits[:, blank_id].masked_fill(openings, -torch.inf)
    return logits


def capped_logits(network: DiffusionGemmaForBlockDiffusion, hidden: Tensor) -> Tensor:
    """The output layer and its soft cap: (rows, hidden) -> (rows, vocabulary) float32."""
    return capped(network.lm_head(hidden), network.final_logit_softcapping)


def capped(products: Tensor, cap: float) -> Tensor:
    """The output layer's products under a soft cap, in float32: between -cap and cap."""
    return torch.tanh(products.float() / cap) * cap


def expected_embedding(network: DiffusionGemmaForBlockDiffusion, probabilities: Tensor) -> Tensor:
    """The self-conditioning signal of a belief: (rows, vocabulary) -> (rows, hidden)."""
    embed = network.model.decoder.embed_tokens
    return probabilities.to(embed.weight.dtype) @ embed.weight * embed.embed_scale.to(embed.weight.dtype)


def attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Every query sees every key: (rows, heads, width), twice (seen, key heads, width) -> (rows, heads, width)."""
    taken = functional.scaled_dot_product_attention(
        queries.transpose(0, 1)[None],
        keys.transpose(0, 1)[None],
        values.transpose(0, 1)[None],
        scale=1.0,
        enable_gqa=True,
    )
    return taken[0].transpose(0, 1)


def rotary_tables(
    network: DiffusionGemmaForBlockDiffusion, hidden: Tensor, positions: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """Cosines and sines for each kind of layer, (..., 1, width), for `positions` (...)."""
    tables = {}
    for kind in sorted(set(layer_kinds(network))):
        cosine, sine = network.model.decoder.rotary_emb(hidden, torch.atleast_2d(positions), kind)
        tables[kind] = tuple(part.reshape(*positions.shape, 1, -1) for part in (cosine, sine))
    return tables


def layer_inputs(
    layer: Any, hidden: Tensor, cosine: Tensor, sine: Tensor, joined: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """A layer's queries, keys and values: (..., hidden) -> (..., heads, width). `cosine`, `sine`: (..., 1, width).

    `joined`: their weights as one, as `model.network.joined.join_weights` gives them.
    """
    own = layer.self_attn
    normed = norm(layer.input_layernorm, hidden)
    projections = [projection for projection in (own.q_proj, own.k_proj, own.v_proj) if projection is not None]
    if joined is None:
        products = [projection(normed) for projection in projections]
    else:
        units = [projection.out_features for projection in projections]
        products = list(functional.linear(normed, joined).split(units, dim=-1))
    # A layer that attends fully has no projection for values: they are its keys before norm and rotation.
    queries, keys, values = (
        product.unflatten(-1, (-1, own.head_dim)) for product in (products[0], products[1], products[-1])
    )
    queries = rotate(norm(own.q_norm, queries), cosine, sine)
    keys = rotate(norm(own.k_norm, keys), cosine, sine)
    return queries, keys, norm(own.v_norm, values)


def route_plainly(router: Any, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The shares and the experts that each of (rows, hidden) goes to, each (rows, experts used)."""
    _, weights, chosen = router(rows)
    return weights, chosen


def layer_outputs(
    layer: Any, hidden: Tensor, taken: Tensor, route: Route = route_plainly, joined: Tensor | None = None
) -> Tensor:
    """The rest of a layer, MLP beside experts: (..., hidden), from what attention took (..., heads, width).

    `joined`: gate's and up's weights as one, as `model.network.joined.join_weights` gives them.
    """
    hidden = hidden + norm(layer.post_attention_layernorm, layer.self_attn.o_proj(taken.flatten(-2)))
    normed = norm(layer.pre_feedforward_layernorm, hidden)
    if joined is None:
        dense = layer.mlp(normed)
    else:
        gate, up = functional.linear(normed, joined).chunk(2, dim=-1)
        dense = layer.mlp.down_proj(layer.mlp.act_fn(gate) * up)
    dense = norm(layer.post_feedforward_layernorm_1, dense)
    rows = hidden.flatten(0, -2)
    weights, chosen = route(layer.router, rows)
    expert = layer.experts(norm(layer.pre_feedforward_layernorm_2, rows), chosen, weights)
    both = dense + norm(layer.post_feedforward_layernorm_2, expert.view_as(hidden))
    return (hidden + norm(layer.post_feedforward_layernorm, both)) * layer.layer_scalar


def norm(module: Any, hidden: Tensor) -> Tensor:
    """`DiffusionGemmaRMSNorm` in one operation of torch's, in float32 inside as there."""
    weight = module.weight.float() if module.with_scale else None
    normed = functional.rms_norm(hidden.float(), hidden.shape[-1:], weight, module.eps)
    return normed.to(hidden.dtype)


def rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary position embedding (Su et al., arXiv 2104.09864): (..., heads, width), with (..., 1, width)."""
    first, second = states.chunk(2, dim=-1)
    return states * cosine + torch.cat((-second, first), dim=-1) * sine
