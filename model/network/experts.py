"""Which implementation of mixture-of-experts layers suits a device, and one for checkpoints with few experts.

That one, every expert on every token, does twice the arithmetic that is needed with two experts used of four, in two
matrix products and without sorting, grouping or waiting for the device, so that a training step can be captured in a
CUDA graph. The one for many experts on a GPU is in `model.network.kernels.experts`. This module knows nothing of what
the tokens are.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers import DiffusionGemmaForBlockDiffusion
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

ALL_EXPERTS = "every_expert"


class Experts(Protocol):
    """A layer of experts: `gate_up_proj` (experts, 2 * inner, width), `down_proj` (experts, width, inner)."""

    gate_up_proj: Tensor
    down_proj: Tensor
    act_fn: Callable[[Tensor], Tensor]


def every_expert(experts: Experts, hidden: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """The layer's output (tokens, width), the same as the library's own implementations give.

    `hidden`: (tokens, width); `chosen`, `weights`: (tokens, experts used), the experts a token goes to and their
    shares.
    """
    count, doubled, width = experts.gate_up_proj.shape
    shares = torch.zeros(len(hidden), count, dtype=weights.dtype, device=hidden.device).scatter(1, chosen, weights)
    gate, up = (
        (hidden @ experts.gate_up_proj.reshape(count * doubled, width).T).unflatten(-1, (count, 2, -1)).unbind(-2)
    )
    inner = experts.act_fn(gate) * up * shares[..., None].to(gate.dtype)
    return inner.flatten(1) @ experts.down_proj.transpose(1, 2).reshape(-1, width)


def experts_implementation(device: torch.device, dtype: torch.dtype) -> str:
    """The fastest implementation for drafting on a device, by its name in transformers.

    `expert_kernels` took 0.55 ms a layer of the published checkpoint on an H100 where the library's grouped products
    take 0.78; it needs Triton, which comes with torch for CUDA, and 16-bit weights. On a CPU the grouped products are
    the fastest for many experts and within a millisecond of the fastest for few.
    """
    if device.type == "cuda" and dtype in (torch.bfloat16, torch.float16) and find_spec("triton"):
        from model.network.kernels.experts import GROUPED

        return GROUPED
    return "grouped_mm"


def can_be_captured(network: DiffusionGemmaForBlockDiffusion) -> bool:
    """Whether a pass never waits for the host, as the library's own implementations of experts do."""
    return network.device.type == "cuda" and network.config._experts_implementation not in ("grouped_mm", "eager")


def quantise_experts(
    network: DiffusionGemmaForBlockDiffusion,
    bits: int,
    device: torch.device,
    prepare: Callable[[nn.Module], None] = lambda experts: None,
) -> None:
    """Leave the experts' weights in 8 or 4 bits on `device`, layer by layer, shared by encoder and decoder as before.

    `prepare` is called with each layer's experts before they are quantised. Needs a GPU with Triton. All else of the
    network stays as it is and where it is.
    """
    from model.network.kernels.experts import quantise

    encoder, decoder = network.model.encoder.language_model.layers, network.model.decoder.layers
    for own, twin in zip((layer.experts for layer in decoder), (layer.experts for layer in encoder), strict=True):
        prepare(own)
        own.to(device)
        quantise(own, bits)
        for name in [name for name, _ in twin.named_parameters(recurse=False)]:
            delattr(twin, name)
        for name, buffer in own.named_buffers(recurse=False):
            twin.register_buffer(name, buffer)


ALL_EXPERTS_FUNCTIONS.register(ALL_EXPERTS, every_expert)
