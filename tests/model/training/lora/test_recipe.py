"""Recipes of LoRA runs: what a file may say, and the one sentence where it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.training.lora.recipe import LoraRecipe, TrainingError, load_recipe, recipe_of

LEAST = {"rank": 4, "alpha": 8, "learning_rate": 1e-3, "batch": 2, "steps": 10}
RECIPES = sorted((Path(__file__).parents[4] / "docs" / "recipes").glob("*.toml"))


def test_both_recipes_of_the_repository_can_be_read() -> None:
    read = {path.stem: load_recipe(path) for path in RECIPES}
    assert set(read) == {"default-vqa-rad", "paper-26b"}
    assert read["paper-26b"].examples_a_step == 8
    assert read["paper-26b"].canvas == 256
    assert len(read["default-vqa-rad"].seeds) == 3
    assert len(read["default-vqa-rad"].held_out_images) == 69


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"learning_rat": 1}, "unknown: learning_rat"),
        ({"held_out": 0.5, "held_out_images": ["a"]}, "'held_out' and 'held_out_images' cannot both be given"),
        ({"rank": 0}, "'rank' must be at least 1"),
        ({"rank": 1.5}, "'rank' must be a whole number"),
        ({"rank": True}, "'rank' must be a whole number"),
        ({"alpha": "8"}, "'alpha' must be a number"),
        ({"alpha": float("nan")}, "'alpha' must be finite"),
        ({"epochs": 1.0}, "either 'steps' or 'epochs'"),
        ({"steps": 0}, "either 'steps' or 'epochs'"),
        ({"infill": 1.2}, "'infill' must be from 0 to 1"),
        ({"noise": 1.0}, "'noise' must be at least 0 and below 1"),
        ({"targets": ["q_proj", "experts"]}, "'targets' has experts"),
        ({"targets": "q_proj"}, "'targets' must be a list"),
        ({"targets": []}, "'targets' must not be empty"),
        ({"adapts": ["router"]}, "'adapts' has router"),
        ({"precision": "fp16"}, "'precision' has fp16; there are fp32, mixed, bf16"),
        ({"image_tokens": 64}, "'image_tokens' must be one of 70, 140, 280, 560, 1120"),
        ({"seeds": [1, 1]}, "'seeds' must be different numbers"),
        ({"seeds": [1, "2"]}, "'seeds' must be a whole number"),
        ({"betas": [0.9]}, "'betas' must be two"),
        ({"teach_blanks": 1}, "'teach_blanks' must be true or false"),
        ({"last_learning_rate": 1.0}, "'last_learning_rate' must not be above"),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence(told: dict[str, object], sentence: str) -> None:
    with pytest.raises(TrainingError) as raised:
        recipe_of(LEAST | told)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


def test_what_must_be_given_is_named() -> None:
    with pytest.raises(TrainingError, match=r"^rank, batch must be given\.$"):
        recipe_of({"alpha": 8, "learning_rate": 1e-3, "steps": 1})


def test_a_file_that_is_none_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"missing\.toml cannot be read: No such file"):
        load_recipe(tmp_path / "missing.toml")
    broken = tmp_path / "broken.toml"
    for content in (b"rank = = 4", b"\xff\xfe"):
        broken.write_bytes(content)
        with pytest.raises(TrainingError, match=r"broken\.toml is not TOML"):
            load_recipe(broken)
    broken.write_text("rank = 0\nalpha = 1\nlearning_rate = 1\nbatch = 1\nsteps = 1")
    with pytest.raises(TrainingError, match=r"broken\.toml: 'rank' must be at least 1\.$"):
        load_recipe(broken)


def test_the_rate_rises_and_falls_to_the_last_one() -> None:
    recipe = LoraRecipe(1, 1, learning_rate=1.0, batch=1, steps=100, warm_up=10, last_learning_rate=0.1)
    rates = [recipe.learning_rate_at(step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[100] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.55, abs=0.01)


def test_steps_follow_from_epochs_and_examples() -> None:
    recipe = recipe_of(LEAST | {"steps": 0, "epochs": 1.5, "accumulation": 2})
    assert recipe.steps_for(100) == 38
    assert recipe.steps_for(1) == 1
    assert recipe_of(LEAST).steps_for(100) == 10
