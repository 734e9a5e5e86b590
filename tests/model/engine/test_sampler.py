"""The denoising method: reading, accepting, renoising, stopping, and random numbers of a seed, a stream and a step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    DiffusionGemmaGenerationConfig,
    EntropyBoundSampler,
    EntropyBoundSamplerConfig,
)

from model.engine.sampler import (
    Course,
    Run,
    SamplerSettings,
    accept,
    begin,
    denoise,
    draws,
    is_over,
    renoise,
    temperature,
)
from model.network.reading import Reading, State, read

VOCABULARY = 50
FREE = 7


def beliefs(sharpness: float) -> Tensor:
    return torch.randn(FREE, VOCABULARY, generator=torch.Generator().manual_seed(0)) * sharpness


def a_run(seed: int = 1, free: int = FREE, **settings: float) -> Run:
    return Run(free, VOCABULARY, SamplerSettings(**{"steps": 8, **settings}), seed)  # type: ignore[arg-type]


def reading_of(run: Run, state: State, logits: Tensor) -> Reading:
    step = state.number + 1
    temperatures = torch.full((len(logits),), temperature(run.settings, step))
    best, log_probability, sampled, entropy, probabilities = read(logits, temperatures, draws(run, step)[0])
    return Reading(best, log_probability, sampled, entropy, probabilities)


def states_of(course: Course | Run, logits: Tensor) -> list[State]:
    """All states of a run whose decoder always believes the same."""
    course = Course(course) if isinstance(course, Run) else course
    loop = denoise(course)
    states: list[State] = []
    try:
        states.append(next(loop))
        while True:
            states.append(loop.send(reading_of(course.at(states[-1].number + 1), states[-1], logits)))
    except StopIteration as end:
        return [*states, end.value]


def test_without_a_free_position_nothing_is_run() -> None:
    run = a_run(free=0)
    assert is_over(Course(run), begin(run))
    with pytest.raises(StopIteration):
        next(denoise(Course(run)))


def test_the_same_seed_gives_the_same_run_and_another_seed_or_stream_another() -> None:
    def canvases(run: Run) -> list[list[int]]:
        return [state.canvas.tolist() for state in states_of(run, beliefs(1.0))]

    assert canvases(a_run()) == canvases(a_run())
    assert canvases(a_run()) != canvases(a_run(seed=2))
    assert canvases(a_run()) != canvases(replace(a_run(), stream=1))


def test_a_course_repeats_earlier_steps_and_then_goes_its_own_way() -> None:
    earlier, other = a_run(seed=2**63 - 1), a_run(seed=3, steps=11)
    once = states_of(earlier, beliefs(1.0))
    assert len(once) == 9
    for step in (1, 4, 8):
        course = Course(earlier).continued(step, other)
        whole = states_of(course, beliefs(1.0))
        assert [s.canvas.tolist() for s in whole[: step + 1]] == [s.canvas.tolist() for s in once[: step + 1]]
        assert whole[-1].number == 11
        # And again from a step of that course, before or after the one where it changed.
        third = states_of(course.continued(6, earlier), beliefs(1.0))
        assert [s.canvas.tolist() for s in third[:7]] == [s.canvas.tolist() for s in whole[:7]]
        assert third[-1].number == 8


def test_a_stable_and_certain_canvas_stops_early() -> None:
    last = states_of(a_run(), beliefs(1000.0))[-1]
    assert last.settled
    assert last.number == 2


def test_an_uncertain_canvas_uses_every_step() -> None:
    last = states_of(a_run(), beliefs(1.0))[-1]
    assert not last.settled
    assert last.number == 8


def test_pinned_keys_and_values_are_anew_ever_more_seldom_up_to_a_limit() -> None:
    def passes(refresh: int) -> list[int]:
        """For each step, the step before whose pass its pinned keys and values were computed."""
        states = states_of(a_run(refresh=refresh), beliefs(1.0))[:-1]
        return [(state.anchor or state).number for state in states]

    assert passes(1) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert passes(2) == [0, 0, 2, 2, 4, 4, 6, 6]
    assert passes(3) == [0, 0, 2, 2, 4, 4, 4, 7]
    assert passes(100) == [0, 0, 2, 2, 4, 4, 4, 4]


def test_a_state_holds_on_to_no_more_than_its_anchor() -> None:
    last = states_of(a_run(refresh=8), beliefs(1.0))[-2]
    assert last.anchor is not None
    assert last.anchor.anchor is None


def test_what_is_read_is_what_the_softmax_says() -> None:
    logits, temperatures = beliefs(2.0), torch.linspace(0.3, 0.9, FREE)
    best, log_probability, _, entropy, probabilities = read(logits, temperatures, torch.full((FREE,), 0.5))
    expected = torch.distributions.Categorical(logits=logits / temperatures[:, None])
    assert torch.allclose(probabilities, expected.probs, atol=1e-6)
    assert torch.allclose(entropy, expected.entropy(), atol=1e-5)
    assert torch.equal(best, logits.argmax(-1))
    assert torch.allclose(log_probability, logits.log_softmax(-1).max(-1).values, atol=1e-5)


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits = torch.tensor([[0.0, -torch.inf, 1.0, 2.0]]).expand(20_000, 4)
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    *_, sampled, _, probabilities = read(logits, torch.ones(20_000), uniform)
    shares = torch.bincount(sampled, minlength=4) / 20_000
    assert torch.allclose(shares, probabilities[0], atol=0.015)
    assert shares[1] == 0


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_the_ends_of_the_unit_interval_draw_tokens_that_may_stand(uniform: float) -> None:
    logits = torch.full((1, 6), -torch.inf)
    logits[0, 2:4] = 0.0
    sampled = read(logits, torch.ones(1), torch.tensor([uniform], dtype=torch.float64))[2]
    assert sampled.item() in (2, 3)


def test_acceptance_is_that_of_transformers() -> None:
    logits = torch.randn(3, 20, VOCABULARY, generator=torch.Generator().manual_seed(4)) * 6
    reference = EntropyBoundSampler(EntropyBoundSamplerConfig(entropy_bound=0.4), 20, VOCABULARY, 8)
    canvas = torch.zeros(3, 20, dtype=torch.long)
    reference.accept_canvas(canvas, canvas, logits, 1)
    entropy = torch.distributions.Categorical(logits=logits).entropy()
    assert torch.equal(accept(entropy, 0.4), reference.accepted_token_mask)


def test_the_least_uncertain_position_is_always_accepted() -> None:
    assert accept(torch.tensor([5.05, 5.07]), 0.1).tolist() == [True, False]


def test_what_is_not_accepted_is_noise_again() -> None:
    sampled, accepted, noise = torch.tensor([1, 2, 3]), torch.tensor([True, False, True]), torch.tensor([7, 8, 9])
    assert renoise(sampled, accepted, noise).tolist() == [1, 8, 3]


def test_random_numbers_are_uniform_over_the_whole_vocabulary() -> None:
    uniform, tokens = draws(replace(a_run(), free=40_000), 3)
    assert 0 <= uniform.min() < 0.001
    assert 0.999 < uniform.max() < 1
    assert set(tokens.tolist()) == set(range(VOCABULARY))
    assert abs(tokens.float().mean().item() - (VOCABULARY - 1) / 2) < 0.5


def test_the_temperature_falls_as_in_transformers() -> None:
    settings = SamplerSettings(steps=10, temperature_start=0.8, temperature_end=0.4)
    assert temperature(settings, 1) == pytest.approx(0.8)
    assert temperature(settings, 10) == pytest.approx(0.44)


def test_settings_come_from_the_checkpoint_and_its_gaps_from_the_defaults() -> None:
    config = DiffusionGemmaGenerationConfig(
        max_denoising_steps=7, sampler_config=EntropyBoundSamplerConfig(entropy_bound=0.2), t_max=0.9
    )
    settings = SamplerSettings.of_checkpoint(config)
    assert settings == SamplerSettings(steps=7, entropy_bound=0.2, temperature_start=0.9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"entropy_bound": 0},
        {"temperature_end": 0},
        {"temperature_end": 0.9},
        {"stable_steps": -1},
        {"confident_entropy": 0},
        {"refresh": 0},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        SamplerSettings(**wrong)  # type: ignore[arg-type]
