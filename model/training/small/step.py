"""A small DiffusionGemma's forward pass and loss in static shapes: nothing in it waits for the device.

The loss is block diffusion's with uniform corruption: free positions are replaced by random tokens with probability t,
t uniform, and predicted from both sides; pinned positions stay clean and stand one-hot in the self-conditioning, as in
drafting. This module knows nothing of text and of where examples come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from transformers import DiffusionGemmaForBlockDiffusion

from model.network.loading import image_tokens, layer_kinds, text_config

PATCH = 16
POOL = 3
GRID = 24
LEAST_NOISE = 0.02
# DiffusionGemma caps its logits at +-30; a one-hot distribution in logits of that size survives the softmax as one.
PINNED_LOGIT = 30.0


@dataclass(frozen=True, slots=True)
class Canvases:
    """Canvases of one length, on the device.

    `prefix_length`: (canvases,) how many of their prefixes' tokens count. `canvas`: (canvases, length) wanted ids, of
    which `canvas_length` (canvases,) count; `pinned`: (canvases, length) bool.
    """

    prefix_length: Tensor
    canvas: Tensor
    canvas_length: Tensor
    pinned: Tensor

    def first(self, count: int) -> Canvases:
        return Canvases(
            self.prefix_length[:count], self.canvas[:count], self.canvas_length[:count], self.pinned[:count]
        )


class LayerPrefix:
    """One layer's keys and values, (batch, heads, prefix, width): the encoder's layer writes, the decoder's reads them.

    It stands for a whole cache whose every layer is this one. With a cache for all layers each layer would be compiled
    by itself, because its place in the cache is a constant to the compiler; and the library's caches move small tensors
    to the device as they fill, which a captured graph cannot.
    """

    is_compileable = False
    keys: Tensor
    values: Tensor

    @property
    def layers(self) -> list[LayerPrefix]:
        return [self]

    def of(self, rows: slice, times: int = 1) -> LayerPrefix:
        """The same of some of the batch, each so many times in a row."""
        part = LayerPrefix()
        part.keys, part.values = (
            kept[rows] if times == 1 else kept[rows].repeat_interleave(times, dim=0)
            for kept in (self.keys, self.values)
        )
        return part

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        self.keys, self.values = keys, values
        return keys, values


def one_place(network: DiffusionGemmaForBlockDiffusion) -> None:
    """Let every layer find its keys and values in the first place of its own `LayerPrefix`."""
    for layer in (*network.model.encoder.language_model.layers, *network.model.decoder.layers):
        layer.self_attn.layer_idx = 0


def fast_layers(layers: Iterable[nn.Module], backend: str = "inductor") -> None:
    """Compile layers, one piece of code for all of a kind and shape. They then serve fixed shapes alone."""
    # All layers count against one limit, 8 by itself: of the vision tower one piece of code, of the encoder two (layers
    # with sliding and with full attention), of the decoder eight (these, for reports and for answers, with and without
    # gradients). Beyond the limit layers would run uncompiled without a word.
    torch._dynamo.config.recompile_limit = 64
    for layer in layers:
        layer.compile(dynamic=False, backend=backend)


def layers_of(network: DiffusionGemmaForBlockDiffusion) -> Iterator[nn.Module]:
    """Every layer that training runs through."""
    model = network.model
    yield from model.encoder.vision_tower.encoder.layers
    yield from model.encoder.language_model.layers
    yield from model.decoder.layers


class LabelHead(nn.Module):
    """Reads labels off the vision tower's output while training, so that it learns to see early; not shipped."""

    def __init__(self, hidden: int, labels: int) -> None:
        super().__init__()
        self.attend = nn.Linear(hidden, labels)
        self.read = nn.Linear(hidden, labels)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, tokens, hidden) -> logits (batch, labels): each label attends to its own places."""
        weights = self.attend(features).softmax(dim=1)
        return (weights * self.read(features)).sum(dim=1)


def to_patches(images: Tensor) -> tuple[Tensor, Tensor]:
    """Images (batch, 1, side, side) as the image processor gives them.

    Pixels (batch, 576, 768) and positions (batch, 576, 2).
    """
    batch, side = images.shape[0], GRID * PATCH
    if images.shape[-1] != side:
        images = functional.interpolate(images, (side, side), mode="bicubic", align_corners=False).clamp(0, 1)
    grid = images.expand(-1, 3, -1, -1).reshape(batch, 3, GRID, PATCH, GRID, PATCH)
    pixels = grid.permute(0, 2, 4, 3, 5, 1).reshape(batch, GRID * GRID, PATCH * PATCH * 3)
    columns, rows = torch.meshgrid(*[torch.arange(GRID, device=images.device)] * 2, indexing="xy")
    positions = torch.stack([columns, rows], dim=-1).reshape(1, GRID * GRID, 2)
    return pixels, positions.expand(batch, -1, -1)


def see(tower: Any, images: Tensor) -> Tensor:
    """Pooled features of a vision tower of Gemma 4's: (batch, 64, vision hidden).

    The same computation as the tower's own forward, for square pictures without padding; that one selects by a mask,
    which a captured graph cannot, and makes another mask while one is being captured than before.
    """
    pixels, positions = to_patches(images)
    nothing_padded = torch.zeros(pixels.shape[:2], dtype=torch.bool, device=pixels.device)
    embedded = tower.patch_embedder(pixels, positions, nothing_padded)
    hidden = embedded
    rotary = tower.encoder.rotary_emb(hidden, positions)
    for layer in tower.encoder.layers:
        hidden = layer(hidden, attention_mask=None, position_embeddings=rotary, position_ids=positions)
    batch, _, width = hidden.shape
    cells = GRID // POOL
    pooled = hidden.reshape(batch, cells, POOL, cells, POOL, width).float().mean(dim=(2, 4))
    return (pooled.reshape(batch, cells * cells, width) * width**0.5).to(embedded.dtype)


def encode(network: DiffusionGemmaForBlockDiffusion, features: Tensor, prefix: Tensor) -> list[LayerPrefix]:
    """Each layer's keys and values for `prefix` (batch, prefix), its image tokens replaced by `features`."""
    encoder = network.model.encoder
    soft = encoder.embed_vision(inputs_embeds=features)
    is_image = prefix == image_tokens(network).piece
    hidden = with_image(encoder.language_model.embed_tokens(prefix), soft, is_image)
    mask = image_sight(is_image)
    positions = torch.arange(prefix.shape[1], device=prefix.device)[None]
    rotary = _rotary(network, encoder.language_model.rotary_emb, hidden, positions)
    caches: list[LayerPrefix] = []
    for layer, kind in zip(encoder.language_model.layers, layer_kinds(network), strict=True):
        caches.append(LayerPrefix())
        hidden = layer(
            hidden,
            position_embeddings=rotary[kind],
            attention_mask=mask,
            position_ids=positions,
            past_key_values=caches[-1],
        )
    return caches


def with_image(embedded: Tensor, soft: Tensor, is_image: Tensor) -> Tensor:
    """Embedded text (batch, length, hidden) with an image's features where `is_image` (batch, length) says so."""
    index = (is_image.long().cumsum(dim=1) - 1).clamp_min(0)
    spread = soft.to(embedded.dtype).gather(1, index[..., None].expand(-1, -1, soft.shape[-1]))
    return torch.where(is_image[..., None], spread, embedded)


def causal_sight(length: int, device: torch.device) -> Tensor:
    """Who sees whom where everyone sees what comes before: (1, 1, length, length) bool."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()[None, None]


def image_sight(is_image: Tensor) -> Tensor:
    """Who sees whom where an image's tokens see each other as well: (batch, 1, length, length) bool."""
    both = is_image[:, :, None] & is_image[:, None, :]
    return causal_sight(is_image.shape[1], is_image.device) | both[:, None]


def decode(
    network: DiffusionGemmaForBlockDiffusion,
    batch: Canvases,
    caches: list[LayerPrefix],
    noised: Tensor,
    belief: Tensor | None,
) -> Tensor:
    """The decoder's logits (batch, length, vocabulary) for a noised canvas; padding is masked out of its sight.

    `belief`: self-conditioning logits, (believing, length, vocabulary), of the first canvases of the batch.
    """
    decoder, length = network.model.decoder, noised.shape[1]
    prefix_keys = torch.arange(caches[0].keys.shape[2], device=noised.device)[None] < batch.prefix_length[:, None]
    canvas_keys = torch.arange(length, device=noised.device)[None] < batch.canvas_length[:, None]
    mask = torch.cat([prefix_keys, canvas_keys], dim=1)[:, None, None, :].expand(-1, 1, length, -1)
    positions = batch.prefix_length[:, None] + torch.arange(length, device=noised.device)[None]

    embedded = decoder.embed_tokens(noised)
    signal = torch.zeros_like(embedded)
    if belief is not None:
        expected = belief.softmax(dim=-1, dtype=torch.float32) @ decoder.embed_tokens.weight
        expected = (expected * decoder.embed_tokens.embed_scale).to(signal.dtype)
        signal = torch.cat([expected, signal[len(belief) :]])
    hidden = decoder.self_conditioning(embedded, signal.to(embedded.dtype))
    rotary = _rotary(network, decoder.rotary_emb, hidden, positions)
    for layer, kind, cache in zip(decoder.layers, layer_kinds(network), caches, strict=True):
        hidden = layer(
            hidden,
            position_embeddings=rotary[kind],
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
        )
    logits = network.lm_head(decoder.norm(hidden)).float()
    cap = network.final_logit_softcapping
    return (logits / cap).tanh() * cap


def _rotary(
    network: DiffusionGemmaForBlockDiffusion, embed: nn.Module, hidden: Tensor, positions: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    return {kind: embed(hidden, positions, kind) for kind in sorted(set(layer_kinds(network)))}


def pin_logits(logits: Tensor, tokens: Tensor, pinned: Tensor) -> Tensor:
    """Logits with the pinned positions one-hot at their tokens: (batch, length, vocabulary)."""
    one_hot = torch.full_like(logits, -PINNED_LOGIT).scatter(-1, tokens[..., None], PINNED_LOGIT)
    return torch.where(pinned[..., None], one_hot, logits)


def denoising_loss(
    network: DiffusionGemmaForBlockDiffusion, batch: Canvases, caches: list[LayerPrefix]
) -> tuple[Tensor, Tensor]:
    """The summed loss of the free positions (nats), and what happened there: (free positions, of them right).

    The first half of the canvases is conditioned on what a first pass believed; they come in no order. So the first
    pass is made for those alone that it serves.
    """
    size, vocabulary = batch.canvas.shape[0], text_config(network).vocab_size
    device = batch.canvas.device
    level = torch.rand(size, 1, device=device) * (1 - LEAST_NOISE) + LEAST_NOISE
    noised = (torch.rand(batch.canvas.shape, device=device) < level) & ~batch.pinned
    random_tokens = (torch.rand(batch.canvas.shape, device=device) * vocabulary).long()
    canvas = torch.where(noised, random_tokens, batch.canvas)
    half = size // 2
    first = batch.first(half)
    with torch.no_grad():
        seen = [cache.of(slice(half)) for cache in caches]
        belief = pin_logits(decode(network, first, seen, canvas[:half], None), first.canvas, first.pinned)
    logits = decode(network, batch, caches, canvas, belief if half else None)
    free = (~batch.pinned).float()
    token_loss = functional.cross_entropy(logits.flatten(0, 1), batch.canvas.flatten(), reduction="none")
    right = ((logits.argmax(dim=-1) == batch.canvas).float() * free).sum()
    return (token_loss.view_as(free) * free).sum(), torch.stack([free.sum(), right])


def label_loss(head: LabelHead, features: Tensor, labels: Tensor) -> Tensor:
    """How wrong the label head is, mean over what is known: `labels` (batch, labels) 0, 1, or -1 where unknown."""
    known = (labels >= 0).float()
    logits = head(features.float())
    wrong = functional.binary_cross_entropy_with_logits(logits, labels.clamp_min(0), reduction="none")
    return (wrong * known).sum() / known.sum().clamp_min(1)
