"""The denoising loop with pinned positions: entropy-bound sampling of discrete diffusion on a canvas.

Every step runs the decoder once on the whole canvas, accepts the free positions whose joint entropy stays under a
bound, and replaces the others by uniform noise (Ben-Hamu et al., "Accelerated Sampling from Masked Diffusion Models
via Entropy Bounded Unmasking", arXiv 2505.24857, section 3; the uniform corruption is DiffusionGemma's). Pinned
positions are written back last in every step, stand one-hot in the self-conditioning, and count neither for the entropy
budget nor for the stop test.

This module works on token ids and tensors; it knows nothing of text, reports or images.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

# DiffusionGemma caps its logits at +-30; a one-hot distribution in logits of that size survives the softmax as one.
PINNED_LOGIT = 30.0


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """How to denoise. The defaults are those of transformers' `DiffusionGemmaGenerationConfig`.

    `steps`: at most this many denoising steps. `entropy_bound`: nats. The temperature falls linearly from
    `temperature_start` to `temperature_end`. Sampling stops early once the argmax canvas has been the same for
    `stable_steps` steps and the mean entropy of the free positions is under `confident_entropy` (nats).
    """

    steps: int = 48
    entropy_bound: float = 0.1
    temperature_start: float = 0.8
    temperature_end: float = 0.4
    stable_steps: int = 1
    confident_entropy: float = 0.005

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError("The number of steps must be at least 1.")
        if self.entropy_bound <= 0:
            raise ValueError("The entropy bound must be above 0.")
        if not 0 < self.temperature_end <= self.temperature_start:
            raise ValueError("The temperatures must be above 0 and must not rise.")
        if self.stable_steps < 0 or self.confident_entropy <= 0:
            raise ValueError("The stop test needs at least 0 stable steps and an entropy above 0.")

    @classmethod
    def of_checkpoint(cls, generation_config: Any) -> SamplerSettings:
        """The settings that a checkpoint's own generation config asks for; what it leaves open is the default."""
        sampler = getattr(generation_config, "sampler_config", None)
        found = {
            "steps": generation_config.max_denoising_steps,
            "entropy_bound": sampler.entropy_bound if sampler is not None else None,
            "temperature_start": generation_config.t_max,
            "temperature_end": generation_config.t_min,
            "stable_steps": generation_config.stability_threshold,
            "confident_entropy": generation_config.confidence_threshold,
        }
        return replace(cls(), **{name: value for name, value in found.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Step:
    """What one denoising step gives. All tensors are on the CPU.

    `number` counts from 1. `tokens`: (batch, length) the most likely canvas, pinned positions as given.
    `entropy`: (batch, length) nats, 0 where pinned. `accepted`: (batch, length) bool, True where pinned.
    `log_probability`: (batch, length) of `tokens` at temperature 1, 0 where pinned. `last`: whether the run ends here.
    """

    number: int
    tokens: Tensor
    entropy: Tensor
    accepted: Tensor
    log_probability: Tensor
    last: bool


def temperature(settings: SamplerSettings, step: int) -> float:
    """The temperature of step `step` (from 1): linear in the steps that remain, as DiffusionGemma was sampled."""
    remaining = settings.steps - step + 1
    return (
        settings.temperature_end + (settings.temperature_start - settings.temperature_end) * remaining / settings.steps
    )


def accept(entropy: Tensor, free: Tensor, entropy_bound: float) -> Tensor:
    """Which free positions to accept: (batch, length) bool.

    The k least uncertain free positions such that the sum of their entropies less the largest of them stays within the
    bound, which bounds their mutual information (arXiv 2505.24857, section 3): they are then nearly independent and
    can be sampled at once. At least one free position is always accepted.

    `entropy`: (batch, length) nats; `free`: (batch, length) bool.
    """
    ordered, order = entropy.masked_fill(~free, float("inf")).sort(dim=-1)
    within = (ordered.cumsum(dim=-1) - ordered) <= entropy_bound
    return torch.zeros_like(free).scatter(-1, order, within) & free


def noise(shape: tuple[int, int], vocabulary_size: int, generator: torch.Generator) -> Tensor:
    """Tokens drawn uniformly from the whole vocabulary, as in training: (batch, length)."""
    return torch.randint(vocabulary_size, shape, generator=generator, device=generator.device)


def pin_logits(logits: Tensor, tokens: Tensor, pinned: Tensor) -> Tensor:
    """Logits with the pinned positions one-hot at their tokens: (batch, length, vocabulary)."""
    one_hot = torch.full_like(logits, -PINNED_LOGIT).scatter(-1, tokens[..., None], PINNED_LOGIT)
    return torch.where(pinned[..., None], one_hot, logits)


Decoder = Callable[[Tensor, Tensor | None], Tensor]
"""(canvas (batch, length), self-conditioning logits or None) -> logits (batch, length, vocabulary), float32."""


def denoise(
    decoder: Decoder,
    tokens: Tensor,
    pinned: Tensor,
    allowed: Tensor,
    settings: SamplerSettings,
    generator: torch.Generator,
) -> Generator[Step]:
    """Denoise the free positions of a canvas; yields a `Step` for every pass of the decoder.

    `tokens`: (batch, length) token ids; those at free positions are ignored. `pinned`: (batch, length) bool.
    `allowed`: (vocabulary,) or (length, vocabulary) bool, the tokens that may stand at free positions. `generator`, on
    the device of `tokens`, fixes the outcome. Without a free position nothing is yielded.
    """
    free = ~pinned
    if not free.any():
        return
    shape = (tokens.shape[0], tokens.shape[1])
    canvas = torch.where(pinned, tokens, noise(shape, allowed.shape[-1], generator))
    belief: Tensor | None = None
    history: list[Tensor] = []
    free_count = free.sum(dim=-1).clamp_min(1)
    for number in range(1, settings.steps + 1):
        raw = decoder(canvas, belief).masked_fill(~allowed, -float("inf"))
        logits = raw / temperature(settings, number)
        log_probabilities = logits.log_softmax(dim=-1)
        probabilities = log_probabilities.exp()
        entropy = torch.special.entr(probabilities).sum(dim=-1).masked_fill(pinned, 0.0)
        sampled = torch.multinomial(probabilities.flatten(0, 1), 1, generator=generator).view_as(tokens)
        best = torch.where(pinned, tokens, logits.argmax(dim=-1))
        accepted = accept(entropy, free, settings.entropy_bound)

        stable = len(history) == settings.stable_steps and all(torch.equal(best, earlier) for earlier in history)
        confident = bool((entropy.sum(dim=-1) / free_count < settings.confident_entropy).all())
        history = [*history, best][-settings.stable_steps :] if settings.stable_steps else []
        last = number == settings.steps or (stable and confident)

        chosen = raw.log_softmax(dim=-1).gather(-1, best[..., None]).squeeze(-1)
        yield Step(
            number=number,
            tokens=best.cpu(),
            entropy=entropy.cpu(),
            accepted=(accepted | pinned).cpu(),
            log_probability=chosen.masked_fill(pinned, 0.0).cpu(),
            last=last,
        )
        if last:
            return
        renoised = torch.where(accepted, sampled, noise(shape, allowed.shape[-1], generator))
        belief = pin_logits(logits, tokens, pinned)
        canvas = torch.where(pinned, tokens, renoised)
