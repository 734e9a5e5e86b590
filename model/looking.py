"""Where the network looks: how much attention the positions of a canvas pay to each token of the prefix's image.

One pass over a whole canvas with its text in place, computed layer by layer as the network has it, on any device. This
module knows nothing of reports and of how a map is shown.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.decoder import PlainLayer, attention, rotary_tables
from model.loading import DraftingModel, layer_kinds
from model.prefix import Prefix


class BlindError(ValueError):
    """No layer of the network holds the whole image."""


@torch.inference_mode()
def attention_to_image(drafting_model: DraftingModel, prefix: Prefix, tokens: Tensor) -> Tensor:
    """The attention that each position pays to each token of the image: (length, image tokens) float32, on the CPU.

    `tokens`: (length,) a canvas. Softmax over all that a position sees, prefix and canvas, and the mean over all heads
    of all layers that hold the whole image: a row's sum is the share of attention that goes to the image. The decoder
    has no sliding window of its own, but layers whose cache has one keep only the last of a prefix that is longer
    than it; they are left out where that cuts the image. The network is told of no earlier belief, as at the first
    step. Raises BlindError where there is no image, or no layer that holds it.
    """
    network, image = drafting_model.network, prefix.image
    if image is None:
        raise BlindError("The prefix has no image.")
    decoder, ids = network.model.decoder, tokens.to(network.device)
    embedded = decoder.embed_tokens(ids)
    hidden = decoder.self_conditioning(embedded, torch.zeros_like(embedded))
    rotary = rotary_tables(network, hidden, torch.arange(len(ids), device=ids.device) + prefix.length)
    maps = []
    for module, kind, (own_keys, own_values) in zip(
        decoder.layers, layer_kinds(network), prefix.layers, strict=True
    ):
        layer = PlainLayer(module)
        queries, keys, values = layer.inputs(hidden, *rotary[kind])
        keys, values = torch.cat([own_keys, keys]), torch.cat([own_values, values])
        first = image.start - (prefix.length - len(own_keys))
        if first >= 0:
            maps.append(_weights(queries, keys)[..., first : first + image.rows * image.columns].mean(dim=1))
        hidden = layer.outputs(hidden, attention(queries, keys, values))
    if not maps:
        raise BlindError("No layer holds the whole image.")
    return torch.stack(maps).mean(dim=0).cpu()


def _weights(queries: Tensor, keys: Tensor) -> Tensor:
    """Softmax in float32: (rows, heads, width), (seen, key heads, width) -> (rows, heads, seen)."""
    grouped = queries.unflatten(1, (keys.shape[1], -1))
    products = torch.einsum("rkgw,skw->rkgs", grouped.float(), keys.float())
    return products.softmax(dim=-1).flatten(1, 2)
