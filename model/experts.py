"""Every expert on every token: an implementation of mixture-of-experts layers for checkpoints with few experts.

With two experts used of four it does twice the arithmetic that is needed, in two matrix products and without sorting,
grouping or waiting for the device, so that a step can be captured in a CUDA graph. This module knows nothing of what
the tokens are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
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


ALL_EXPERTS_FUNCTIONS.register(ALL_EXPERTS, every_expert)
