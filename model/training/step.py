"""One training step of a small DiffusionGemma in static shapes: what can be captured in a CUDA graph and replayed.

The loss is block diffusion's with uniform corruption: free positions are replaced by random tokens with probability t,
t uniform, and predicted from both sides; pinned positions stay clean and stand one-hot in the self-conditioning, as in
drafting. This module knows nothing of text and of where examples come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from transformers import DiffusionGemmaForBlockDiffusion

from model.loading import image_tokens, layer_kinds, text_config

PATCH = 16
POOL = 3
GRID = 24
LEAST_NOISE = 0.02
SELF_CONDITIONED = 0.5
# DiffusionGemma caps its logits at +-30; a one-hot distribution in logits of that size survives the softmax as one.
PINNED_LOGIT = 30.0


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of examples on the device.

    `images`: (batch, 1, side, side) in 0 to 1. `prefix`: (batch, prefix) ids, of which `prefix_length` (batch,) count.
    `canvas`: (batch, length) wanted ids, of which `canvas_length` (batch,) count; `pinned`: (batch, length) bool.
    `labels`: (batch, labels) 0, 1, or -1 where unknown.
    """

    images: Tensor
    prefix: Tensor
    prefix_length: Tensor
    canvas: Tensor
    canvas_length: Tensor
    pinned: Tensor
    labels: Tensor


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

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        self.keys, self.values = keys, values
        return keys, values


def fast_layers(network: DiffusionGemmaForBlockDiffusion) -> None:
    """Compile the layers, one piece of code for all of a kind. The network then only serves `encode` and `decode`."""
    model = network.model
    for layer in (
        *model.encoder.vision_tower.encoder.layers,
        *model.encoder.language_model.layers,
        *model.decoder.layers,
    ):
        layer.compile(dynamic=False)


def one_place(network: DiffusionGemmaForBlockDiffusion) -> None:
    """Let every layer find its keys and values in the first place of its own `LayerPrefix`."""
    for layer in (*network.model.encoder.language_model.layers, *network.model.decoder.layers):
        layer.self_attn.layer_idx = 0


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


def see(network: DiffusionGemmaForBlockDiffusion, images: Tensor) -> Tensor:
    """The vision tower's pooled features: (batch, 64, vision hidden).

    The same computation as the tower's own forward, for square pictures without padding; that one selects by a mask,
    which a captured graph cannot.
    """
    tower = network.model.encoder.vision_tower
    pixels, positions = to_patches(images)
    nothing_padded = torch.zeros(pixels.shape[:2], dtype=torch.bool, device=pixels.device)
    embedded = tower.patch_embedder(pixels, positions, nothing_padded)
    hidden = tower.encoder(inputs_embeds=embedded, attention_mask=None, pixel_position_ids=positions).last_hidden_state
    batch, _, width = hidden.shape
    cells = GRID // POOL
    pooled = hidden.reshape(batch, cells, POOL, cells, POOL, width).float().mean(dim=(2, 4))
    return (pooled.reshape(batch, cells * cells, width) * width**0.5).to(embedded.dtype)


def encode(network: DiffusionGemmaForBlockDiffusion, features: Tensor, prefix: Tensor) -> list[LayerPrefix]:
    """Each layer's keys and values for `prefix` (batch, prefix), its image tokens replaced by `features`."""
    encoder = network.model.encoder
    soft = encoder.embed_vision(inputs_embeds=features)
    embedded = encoder.language_model.embed_tokens(prefix)
    is_image = prefix == image_tokens(network).piece
    index = (is_image.long().cumsum(dim=1) - 1).clamp_min(0)
    spread = soft.to(embedded.dtype).gather(1, index[..., None].expand(-1, -1, soft.shape[-1]))
    hidden = torch.where(is_image[..., None], spread, embedded)
    length = prefix.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=prefix.device).tril()
    mask = (causal[None] | (is_image[:, :, None] & is_image[:, None, :]))[:, None]
    positions = torch.arange(length, device=prefix.device)[None]
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


def decode(
    network: DiffusionGemmaForBlockDiffusion,
    batch: Batch,
    caches: list[LayerPrefix],
    noised: Tensor,
    belief: Tensor | None,
    believed: Tensor | None,
) -> Tensor:
    """The decoder's logits (batch, length, vocabulary) for a noised canvas; padding is masked out of its sight.

    `belief`: self-conditioning logits, (batch, length, vocabulary), counted where `believed` (batch,) says so.
    """
    decoder, length = network.model.decoder, noised.shape[1]
    prefix_keys = torch.arange(batch.prefix.shape[1], device=noised.device)[None] < batch.prefix_length[:, None]
    canvas_keys = torch.arange(length, device=noised.device)[None] < batch.canvas_length[:, None]
    mask = torch.cat([prefix_keys, canvas_keys], dim=1)[:, None, None, :].expand(-1, 1, length, -1)
    positions = batch.prefix_length[:, None] + torch.arange(length, device=noised.device)[None]

    embedded = decoder.embed_tokens(noised)
    signal = torch.zeros_like(embedded)
    if belief is not None and believed is not None:
        expected = belief.softmax(dim=-1, dtype=torch.float32) @ decoder.embed_tokens.weight
        signal = expected * decoder.embed_tokens.embed_scale * believed[:, None, None]
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


def losses(network: DiffusionGemmaForBlockDiffusion, head: LabelHead, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """The denoising loss and the label loss (scalars), and the share of free positions predicted right."""
    features = see(network, batch.images)
    caches = encode(network, features, batch.prefix)
    size, vocabulary = batch.canvas.shape[0], text_config(network).vocab_size
    device = batch.canvas.device
    level = torch.rand(size, 1, device=device) * (1 - LEAST_NOISE) + LEAST_NOISE
    noised = (torch.rand(batch.canvas.shape, device=device) < level) & ~batch.pinned
    random_tokens = (torch.rand(batch.canvas.shape, device=device) * vocabulary).long()
    canvas = torch.where(noised, random_tokens, batch.canvas)
    with torch.no_grad():
        belief = pin_logits(decode(network, batch, caches, canvas, None, None), batch.canvas, batch.pinned)
    believed = torch.rand(size, device=device) < SELF_CONDITIONED
    logits = decode(network, batch, caches, canvas, belief, believed)
    free = (~batch.pinned).float()
    token_loss = functional.cross_entropy(logits.flatten(0, 1), batch.canvas.flatten(), reduction="none")
    loss = (token_loss.view_as(free) * free).sum() / free.sum()
    right = ((logits.argmax(dim=-1) == batch.canvas).float() * free).sum() / free.sum()

    known = (batch.labels >= 0).float()
    label_logits = head(features.float())
    label_loss = functional.binary_cross_entropy_with_logits(label_logits, batch.labels.clamp_min(0), reduction="none")
    return loss, (label_loss * known).sum() / known.sum().clamp_min(1), right
