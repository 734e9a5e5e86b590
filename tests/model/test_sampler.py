"""The denoising loop: pinned positions, the entropy budget, the stop test and the seed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    DiffusionGemmaGenerationConfig,
    EntropyBoundSampler,
    EntropyBoundSamplerConfig,
)

from model.sampler import SamplerSettings, Step, accept, denoise, pin_logits, temperature

VOCABULARY = 50


class Recorder:
    """A decoder with fixed random beliefs, that keeps what it was shown."""

    def __init__(self, sharpness: float, length: int = 12) -> None:
        torch.manual_seed(0)
        self.logits = torch.randn(1, length, VOCABULARY) * sharpness
        self.canvases: list[Tensor] = []
        self.beliefs: list[Tensor | None] = []

    def __call__(self, canvas: Tensor, belief: Tensor | None) -> Tensor:
        self.canvases.append(canvas.clone())
        self.beliefs.append(belief)
        return self.logits.clone()


def run(
    decoder: Recorder, pinned: Tensor, seed: int = 1, allowed: Tensor | None = None, **settings: float
) -> list[Step]:
    tokens = torch.arange(pinned.shape[1])[None] + 30
    allowed = torch.ones(VOCABULARY, dtype=torch.bool) if allowed is None else allowed
    chosen = SamplerSettings(**{"steps": 8, **settings})  # type: ignore[arg-type]
    return list(denoise(decoder, tokens, pinned, allowed, chosen, torch.Generator().manual_seed(seed)))


def test_pinned_positions_hold_their_token_in_every_canvas_belief_and_result() -> None:
    decoder, pinned = Recorder(1.0), torch.tensor([[True] * 5 + [False] * 7])
    steps = run(decoder, pinned)
    for canvas in (*decoder.canvases, *(step.tokens for step in steps)):
        assert canvas[0, :5].tolist() == [30, 31, 32, 33, 34]
    for belief in decoder.beliefs[1:]:
        assert belief is not None
        assert torch.allclose(belief[0, :5].softmax(-1).max(-1).values, torch.ones(5))
        assert belief[0, :5].argmax(-1).tolist() == [30, 31, 32, 33, 34]
    assert all(step.accepted[pinned].all() and not step.entropy[pinned].any() for step in steps)


def test_without_a_free_position_nothing_is_run() -> None:
    decoder = Recorder(1.0)
    assert run(decoder, torch.ones(1, 12, dtype=torch.bool)) == []
    assert not decoder.canvases


def test_the_same_seed_gives_the_same_run_and_another_gives_another() -> None:
    pinned = torch.zeros(1, 12, dtype=torch.bool)
    first, again, other = (Recorder(1.0) for _ in range(3))
    run(first, pinned), run(again, pinned), run(other, pinned, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first.canvases, again.canvases, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.canvases, other.canvases, strict=True))


def test_pinned_positions_do_not_stop_a_run_whose_free_ones_are_uncertain() -> None:
    decoder, pinned = Recorder(1.0, 12), torch.ones(1, 12, dtype=torch.bool)
    pinned[0, 3] = False
    assert len(run(decoder, pinned)) == 8


def test_a_stable_and_certain_canvas_stops_early() -> None:
    decoder = Recorder(1000.0)
    steps = run(decoder, torch.zeros(1, 12, dtype=torch.bool))
    assert len(steps) == 2
    assert steps[-1].last


def test_tokens_that_are_not_allowed_never_come_out() -> None:
    allowed = torch.zeros(VOCABULARY, dtype=torch.bool)
    allowed[10:15] = True
    steps = run(Recorder(1.0), torch.zeros(1, 12, dtype=torch.bool), allowed=allowed)
    assert all(((step.tokens >= 10) & (step.tokens < 15)).all() for step in steps)


def test_acceptance_without_pins_is_that_of_transformers() -> None:
    logits = torch.randn(3, 20, VOCABULARY, generator=torch.Generator().manual_seed(4)) * 6
    reference = EntropyBoundSampler(EntropyBoundSamplerConfig(entropy_bound=0.4), 20, VOCABULARY, 8)
    canvas = torch.zeros(3, 20, dtype=torch.long)
    reference.accept_canvas(canvas, canvas, logits, 1)
    entropy = torch.distributions.Categorical(logits=logits).entropy()
    assert torch.equal(accept(entropy, torch.ones(3, 20, dtype=torch.bool), 0.4), reference.accepted_token_mask)


def test_pinned_positions_take_nothing_of_the_entropy_budget() -> None:
    entropy = torch.tensor([[0.06, 0.05, 0.06, 0.07]])
    free = torch.tensor([[False, True, False, True]])
    assert accept(entropy, free, 0.1).tolist() == [[False, True, False, True]]
    assert accept(entropy + 5, free, 0.1).tolist() == [[False, True, False, False]]


def test_the_temperature_falls_as_in_transformers() -> None:
    settings = SamplerSettings(steps=10, temperature_start=0.8, temperature_end=0.4)
    assert temperature(settings, 1) == pytest.approx(0.8)
    assert temperature(settings, 10) == pytest.approx(0.44)


def test_pinned_logits_are_one_hot_after_the_softmax() -> None:
    pinned = pin_logits(torch.randn(1, 4, VOCABULARY), torch.tensor([[1, 2, 3, 4]]), torch.ones(1, 4, dtype=torch.bool))
    assert torch.allclose(
        pinned.softmax(-1), torch.nn.functional.one_hot(torch.tensor([[1, 2, 3, 4]]), VOCABULARY).float()
    )


def test_settings_come_from_the_checkpoint_and_its_gaps_from_the_defaults() -> None:
    config = DiffusionGemmaGenerationConfig(
        max_denoising_steps=7, sampler_config=EntropyBoundSamplerConfig(entropy_bound=0.2), t_max=0.9
    )
    settings = SamplerSettings.of_checkpoint(config)
    assert settings == SamplerSettings(steps=7, entropy_bound=0.2, temperature_start=0.9)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"entropy_bound": 0}, {"temperature_end": 0}, {"temperature_end": 0.9}, {"stable_steps": -1}],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        SamplerSettings(**wrong)  # type: ignore[arg-type]
