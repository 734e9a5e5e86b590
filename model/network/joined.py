"""Decoder layers whose projections are joined: the same computation in fewer operations.

With few rows an operation takes some microseconds whatever it does, and a pass has a thousand. Queries, keys and values
come from one product, and gate and up projection too: on GPUs by `join_weights`, for layers that are otherwise computed
as they are. `JoinedLayer` is for CPUs, where heads are also normed and rotated together, the three norms of one state
are taken once, and where there are few experts every one takes every row, in two products in all.

The products are in bfloat16 where the processor has instructions for it, which makes them two to four times as fast (24
rows by 320 by 1,280: 152 and 68 microseconds on two cores of an EPYC; 130 rows: 667 and 181); all else is in float32.

This module knows nothing of canvases and passes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

# Every expert on every row is twice the arithmetic where half of them are used, and still the faster way.
MOST_EXPERTS_A_ROUTE = 2


def join_weights(layer: Any) -> tuple[Tensor, Tensor]:
    """A layer's weights as (queries', keys' and values' units, hidden) and (gate's and up's units, hidden).

    The layer's own weights become views of them, so that nothing is held twice. The layer is one that `can_be_joined`.
    """
    own, mlp = layer.self_attn, layer.mlp
    projections = [projection for projection in (own.q_proj, own.k_proj, own.v_proj) if projection is not None]
    return _as_one(projections), _as_one([mlp.gate_proj, mlp.up_proj])


def can_be_joined(layer: Any) -> bool:
    """Whether a layer's projections are plain ones, without an adapter or a bias on any."""
    own, mlp = layer.self_attn, layer.mlp
    projections = [own.q_proj, own.k_proj, own.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj]
    projections += [own.v_proj] if own.v_proj is not None else []
    return all(type(each) is nn.Linear and each.bias is None for each in projections)


def _as_one(projections: list[nn.Linear]) -> Tensor:
    weight = torch.cat([projection.weight.detach() for projection in projections])
    for projection, part in zip(
        projections, weight.split([projection.out_features for projection in projections]), strict=True
    ):
        # The parameter itself stays, because encoder and decoder share it.
        projection.weight.data = part
    return weight


class JoinedLayer:
    """A layer of `DiffusionGemmaDecoderModel`, with `inputs` and `outputs` as any `model.network.decoder.LayerStep`.

    `dtype`: of the products. The layer's own weights stay as they are; those joined here are copies.
    """

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        own, router = layer.self_attn, layer.router
        self._layer = layer
        self._dtype = dtype
        self._width = own.head_dim
        # A layer that attends fully has no projection for values: they are its keys before norm and rotation.
        projections = [projection for projection in (own.q_proj, own.k_proj, own.v_proj) if projection is not None]
        self._queries, self._keys, *_ = [projection.out_features // own.head_dim for projection in projections]
        self._projection = self._joined(*(projection.weight for projection in projections))
        norms = ((own.q_norm.weight, self._queries), (own.k_norm.weight, self._keys))
        self._head_norms = torch.cat([weight.expand(count, -1) for weight, count in norms])
        self._output = self._joined(own.o_proj.weight)
        self._gate_up = self._joined(layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight)
        self._down = self._joined(layer.mlp.down_proj.weight)
        self._router_scale = router.scale * router.scalar_root_size
        self._experts = layer.experts.num_experts
        self._takes_all = self._experts <= MOST_EXPERTS_A_ROUTE * router.config.top_k_experts
        if self._takes_all:
            # (experts * 2 * inner, width), gates of all experts first; and (width, experts * inner).
            gates, ups = layer.experts.gate_up_proj.chunk(2, dim=1)
            self._expert_gate_up = self._joined(gates.flatten(0, 1), ups.flatten(0, 1))
            self._expert_down = self._joined(layer.experts.down_proj.transpose(0, 1).flatten(1))

    @staticmethod
    def can_be(layer: Any) -> bool:
        """Whether a layer is one that can be joined, its heads normed together."""
        own = layer.self_attn
        return len({own.q_norm.eps, own.k_norm.eps, own.v_norm.eps}) == 1 and can_be_joined(layer)

    def inputs(self, hidden: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heads = self._product(_norm(self._layer.input_layernorm, hidden), self._projection)
        heads = heads.unflatten(-1, (-1, self._width))
        heads = _plain_norm(heads, self._layer.self_attn.q_norm.eps)
        turned = heads[..., : self._queries + self._keys, :] * self._head_norms
        first, second = turned.chunk(2, dim=-1)
        turned = turned * cosine + torch.cat((-second, first), dim=-1) * sine
        # The last heads are the values', or the keys', which then are the values too.
        return turned[..., : self._queries, :], turned[..., self._queries :, :], heads[..., -self._keys :, :]

    def outputs(self, hidden: Tensor, taken: Tensor) -> Tensor:
        layer = self._layer
        hidden = hidden + _norm(layer.post_attention_layernorm, self._product(taken.flatten(-2), self._output))
        plain = _plain_norm(hidden, layer.pre_feedforward_layernorm.eps)
        gate, up = self._halves(plain * layer.pre_feedforward_layernorm.weight, self._gate_up)
        dense = _norm(
            layer.post_feedforward_layernorm_1, functional.linear(layer.mlp.act_fn(gate) * up, self._down).float()
        )
        expert = self._expert(plain * layer.pre_feedforward_layernorm_2.weight, *self._route(plain))
        both = dense + _norm(layer.post_feedforward_layernorm_2, expert)
        return (hidden + _norm(layer.post_feedforward_layernorm, both)) * layer.layer_scalar

    def _route(self, plain: Tensor) -> tuple[Tensor, Tensor]:
        """As `DiffusionGemmaTextRouter`: the likeliest experts, with shares that sum to 1 before they are scaled."""
        router = self._layer.router
        scores = router.proj(plain * self._router_scale)
        shares, chosen = scores.softmax(dim=-1).topk(router.config.top_k_experts, dim=-1)
        return shares / shares.sum(dim=-1, keepdim=True) * router.per_expert_scale[chosen], chosen

    def _expert(self, rows: Tensor, shares: Tensor, chosen: Tensor) -> Tensor:
        experts = self._layer.experts
        if not self._takes_all:
            return experts(rows, chosen, shares)
        gate, up = self._halves(rows, self._expert_gate_up)
        inner = (experts.act_fn(gate) * up).unflatten(-1, (self._experts, -1))
        spread = torch.zeros(len(rows), self._experts).scatter_(1, chosen, shares).to(self._dtype)
        return functional.linear((inner * spread[..., None]).flatten(1), self._expert_down).float()

    def _halves(self, rows: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        first, second = functional.linear(rows.to(self._dtype), weight).chunk(2, dim=-1)
        return first, second

    def _product(self, rows: Tensor, weight: Tensor) -> Tensor:
        return functional.linear(rows.to(self._dtype), weight).float()

    def _joined(self, *weights: Tensor) -> Tensor:
        return torch.cat([weight.detach() for weight in weights]).to(self._dtype).contiguous()


def product_dtype() -> torch.dtype:
    """What products on this machine's CPU are fastest in."""
    found = torch.cpu.get_capabilities()
    return torch.bfloat16 if found.get("avx512_bf16") or found.get("amx_bf16") else torch.float32


def _plain_norm(hidden: Tensor, eps: float) -> Tensor:
    return functional.rms_norm(hidden, hidden.shape[-1:], eps=eps)


def _norm(module: Any, hidden: Tensor) -> Tensor:
    return functional.rms_norm(hidden, hidden.shape[-1:], module.weight, module.eps)
