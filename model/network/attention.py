"""Attention to the image: how much of it the positions of a canvas pay to each token of the prefix's image.

One pass over a whole canvas with its text in place, computed layer by layer as the network has it, on any device. This
module knows nothing of reports and of how a map is shown.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.network.decoder import PlainLayer, attention, rotary_tables
from model.network.loading import DraftingModel, layer_kinds
from model.network.prefix import ImagePlace, Prefix


class ImageNotVisibleError(ValueError):
    """No layer of the network holds the whole image."""


@torch.inference_mode()
def distinctive_attention(
    drafting_model: DraftingModel, prefix: Prefix, tokens: Tensor, text: slice, body: int
) -> tuple[Tensor, float]:
    """What is particular to the attention of the positions `text`, (rows, columns), and its share that the image has.

    Attention of a small network has a fixed pattern: some parts of any picture draw it for any text. Therefore the map
    of the rest of the canvas, up to its position `body` (padding sees nothing), is taken away from the text's, each
    normalised to sum 1, and what is below 0 is cut off. Raises what `attention_to_image` raises.
    """
    image = _image_of(prefix)
    paid = attention_to_image(drafting_model, prefix, tokens)[:body]
    rest = torch.ones(body, dtype=torch.bool)
    rest[text] = False
    own, others = paid[text].mean(dim=0), paid[rest].mean(dim=0)
    weights = (own / own.sum() - others / others.sum()).clamp(min=0)
    return weights.view(image.rows, image.columns), own.sum().item()


@torch.inference_mode()
def attention_to_image(drafting_model: DraftingModel, prefix: Prefix, tokens: Tensor) -> Tensor:
    """The attention that each position pays to each token of the image: (length, image tokens) float32, on the CPU.

    `tokens`: (length,) a canvas. Softmax over all that a position sees, prefix and canvas, and the mean over all heads
    of all layers that hold the whole image: a row's sum is the share of attention that goes to the image. The decoder
    has no sliding window of its own, but layers whose cache has one keep only the last of a prefix that is longer
    than it; they are left out where that cuts the image. The network is told the same tokens as its earlier belief, as
    at the end of a draft. Raises ImageNotVisibleError where there is no image, or no layer that holds it.
    """
    network, image = drafting_model.network, _image_of(prefix)
    decoder, ids = network.model.decoder, tokens.to(network.device)
    embedded = decoder.embed_tokens(ids)
    hidden = decoder.self_conditioning(embedded, embedded)
    rotary = rotary_tables(network, hidden, torch.arange(len(ids), device=ids.device) + prefix.length)
    maps = []
    for module, kind, (own_keys, own_values) in zip(decoder.layers, layer_kinds(network), prefix.layers, strict=True):
        layer = PlainLayer(module)
        queries, keys, values = layer.inputs(hidden, *rotary[kind])
        keys, values = torch.cat([own_keys, keys]), torch.cat([own_values, values])
        first = image.start - (prefix.length - len(own_keys))
        if first >= 0:
            maps.append(_weights(queries, keys)[..., first : first + image.rows * image.columns].mean(dim=1))
        hidden = layer.outputs(hidden, attention(queries, keys, values))
    if not maps:
        raise ImageNotVisibleError("No layer holds the whole image.")
    return torch.stack(maps).mean(dim=0).cpu()


def _image_of(prefix: Prefix) -> ImagePlace:
    if prefix.image is None:
        raise ImageNotVisibleError("The prefix has no image.")
    return prefix.image


def _weights(queries: Tensor, keys: Tensor) -> Tensor:
    """Softmax in float32: (rows, heads, width), (seen, key heads, width) -> (rows, heads, seen)."""
    grouped = queries.unflatten(1, (keys.shape[1], -1))
    products = torch.einsum("rkgw,skw->rkgs", grouped.float(), keys.float())
    return products.softmax(dim=-1).flatten(1, 2)
