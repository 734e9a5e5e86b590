"""Input and output of a decoder pass: the values that cross between the network and the sampler.

This module works on token ids and tensors; it knows nothing of text, networks, samplers or devices.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a decoder pass says of the free positions; all (free,) on the CPU but `belief`.

    `best`: the likeliest token. `log_probability`: of `best` at temperature 1. `sampled`: a token drawn at the step's
    temperature. `entropy`: nats, at the step's temperature. `belief`: (free, hidden) on the decoder's device, the
    expected embedding, which the next pass is conditioned on.
    """

    best: Tensor
    log_probability: Tensor
    sampled: Tensor
    entropy: Tensor
    belief: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A run after `number` steps: what that step shows, and all that the next one needs. Never changed in place.

    `canvas`: (free,) tokens that the next pass sees. `reading`: of step `number`, None before the first. `accepted`:
    (free,) bool. `unchanged`: for how many steps `reading.best` has been the same. `settled`: the stop test was met.
    `anchor`: the state whose pass computed the pinned keys and values that the next pass reuses; None where the next
    pass computes them.
    """

    number: int
    canvas: Tensor
    reading: Reading | None
    accepted: Tensor
    unchanged: int
    settled: bool
    anchor: State | None


def read(logits: Tensor, temperatures: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """What logits say: `best`, `log_probability`, `sampled`, `entropy`, all (rows,), and probabilities (rows, tokens).

    `logits`: (rows, tokens) float32, minus infinity where a token may not stand. `temperatures`, `uniform`: (rows,).
    The drawn token is the first whose cumulative probability exceeds `uniform`: one random number a row decides.
    """
    scaled = logits / temperatures[:, None]
    log_probabilities = scaled.log_softmax(dim=-1)
    probabilities = log_probabilities.exp()
    best = scaled.argmax(dim=-1)
    log_probability = logits.gather(-1, best[:, None]).squeeze(-1) - logits.logsumexp(dim=-1)
    entropy = torch.special.entr(probabilities).sum(dim=-1)
    cumulative = probabilities.cumsum(dim=-1)
    sampled = (cumulative <= uniform[:, None].to(cumulative.dtype) * cumulative[:, -1:]).sum(dim=-1)
    # Rounding can put the threshold at the very end, behind the last token that may stand.
    sampled = torch.where(sampled < logits.shape[-1], sampled, best)
    return best, log_probability, sampled, entropy, probabilities
