"""Decoder layers whose projections are joined, for CPUs: the same computation in half as many operations.

With two dozen rows an operation takes some ten microseconds whatever it does, and a pass has a thousand. Queries, keys
and values come from one product, are normed and rotated together, gate and up projection are one product too, and the
three norms of one state are taken once. The joined weights take the place of the separate ones, which become views.

This module knows nothing of canvases and passes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


class JoinedLayer:
    """A layer of `DiffusionGemmaDecoderModel`, with `inputs` and `outputs` as any `model.decoder.LayerStep`."""

    def __init__(self, layer: Any) -> None:
        own = layer.self_attn
        self._layer = layer
        self._width = own.head_dim
        projections = (own.q_proj, own.k_proj, own.v_proj)
        self._heads = [projection.out_features // own.head_dim for projection in projections]
        self._projection = _joined(projections)
        norms = (own.q_norm.weight, own.k_norm.weight, torch.ones_like(own.k_norm.weight))
        self._head_norms = torch.cat([one.expand(count, -1) for one, count in zip(norms, self._heads, strict=True)])
        self._gate_up = _joined((layer.mlp.gate_proj, layer.mlp.up_proj))
        router = layer.router
        self._router_scale = router.scale * router.scalar_root_size

    @staticmethod
    def can_be(layer: Any) -> bool:
        """Whether a layer is one that can be joined: plain projections, no adapter on any, and values of their own."""
        own = layer.self_attn
        projections = (own.q_proj, own.k_proj, own.v_proj, layer.mlp.gate_proj, layer.mlp.up_proj)
        eps = {own.q_norm.eps, own.k_norm.eps, own.v_norm.eps}
        return len(eps) == 1 and all(type(each) is nn.Linear and each.bias is None for each in projections)

    def inputs(self, hidden: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        own, (queries, keys, values) = self._layer.self_attn, self._heads
        normed = _plain_norm(hidden, self._layer.input_layernorm.eps) * self._layer.input_layernorm.weight
        heads = functional.linear(normed, self._projection).unflatten(-1, (-1, self._width))
        heads = _plain_norm(heads, own.q_norm.eps) * self._head_norms
        turned, valued = heads.split([queries + keys, values], dim=-2)
        first, second = turned.chunk(2, dim=-1)
        turned = turned * cosine + torch.cat((-second, first), dim=-1) * sine
        return turned[..., :queries, :], turned[..., queries:, :], valued

    def outputs(self, hidden: Tensor, taken: Tensor) -> Tensor:
        layer = self._layer
        hidden = hidden + _norm(layer.post_attention_layernorm, layer.self_attn.o_proj(taken.flatten(-2)))
        plain = _plain_norm(hidden, layer.pre_feedforward_layernorm.eps)
        gate, up = functional.linear(plain * layer.pre_feedforward_layernorm.weight, self._gate_up).chunk(2, dim=-1)
        dense = _norm(layer.post_feedforward_layernorm_1, layer.mlp.down_proj(layer.mlp.act_fn(gate) * up))
        shares, chosen = self._route(plain)
        expert = layer.experts(plain * layer.pre_feedforward_layernorm_2.weight, chosen, shares)
        both = dense + _norm(layer.post_feedforward_layernorm_2, expert)
        return (hidden + _norm(layer.post_feedforward_layernorm, both)) * layer.layer_scalar

    def _route(self, plain: Tensor) -> tuple[Tensor, Tensor]:
        """As `DiffusionGemmaTextRouter`: the likeliest experts, with shares that sum to 1 before they are scaled."""
        router = self._layer.router
        scores = router.proj(plain * self._router_scale)
        shares, chosen = scores.softmax(dim=-1).topk(router.config.top_k_experts, dim=-1)
        return shares / shares.sum(dim=-1, keepdim=True) * router.per_expert_scale[chosen], chosen


def _joined(projections: tuple[nn.Linear, ...]) -> Tensor:
    """The projections' weights as one; each projection's own becomes a view of it, so nothing is there twice."""
    whole = torch.cat([projection.weight.detach() for projection in projections])
    parts = whole.split([projection.out_features for projection in projections])
    for projection, part in zip(projections, parts, strict=True):
        projection.weight.data = part
    return whole


def _plain_norm(hidden: Tensor, eps: float) -> Tensor:
    return functional.rms_norm(hidden, hidden.shape[-1:], eps=eps)


def _norm(module: Any, hidden: Tensor) -> Tensor:
    return functional.rms_norm(hidden, hidden.shape[-1:], module.weight, module.eps)
