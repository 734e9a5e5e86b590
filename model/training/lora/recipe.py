"""The recipe of a LoRA run: one file in TOML, the same for both families. This module knows nothing of networks."""

from __future__ import annotations

import math
import tomllib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
ADAPTED = ("encoder", "decoder", "vision")
IMAGE_TOKENS = (70, 140, 280, 560, 1120)
Precision = Literal["fp32", "mixed", "bf16"]


class TrainingError(RuntimeError):
    """A run that cannot begin or go on; the message is one sentence for the person who started it."""


@dataclass(frozen=True, slots=True)
class LoraRecipe:
    """What a run depends on beside checkpoint, data and seed. In the file, keys that have a value here may be left out.

    `targets`: the projections of `PROJECTIONS` that get an adapter of `rank`, scaled by `alpha` / `rank`. `adapts`: in
    which parts; the autoregressive sibling has one stack of layers for `encoder` and `decoder`, `vision` is the vision
    tower's.

    The learning rate rises over `warm_up` steps and falls along a cosine to `last_learning_rate`. Either `epochs` or
    `steps` is given. A step takes `batch` x `accumulation` examples, `batch` at once; several devices share the
    accumulation, so that a step is the same with any number of them. `seeds`: of the runs that belong together.

    `canvas`: positions, at most; what does not fit is left out for both families. `noise`: the least share of noised
    positions. `believing`: the share of examples whose second pass is conditioned on what a first pass believed.
    `encoder_loss`: the weight of the encoder's next-token loss on the wanted text.

    `infill`: the share of examples where a part of the wanted text is given. `teach_blanks`: a checkpoint that knows no
    blank is taught one, with a row of its embedding; else its slots are of fixed width.

    `part`: the part of the data that is trained on. With `held_out` above 0 that share of its images, by `split_seed`,
    is left out; `held_out_images` names those that are, instead, as where a checkpoint's own training saw some of the
    set. `image_tokens`: of a picture, one of `IMAGE_TOKENS`; 0 is the checkpoint's own.

    `precision`: `fp32`; `mixed`, weights in 32 bits and products in bfloat16; or `bf16`, weights in bfloat16, while the
    adapter's stay in 32 bits. `checkpointing`: activations are computed again instead of kept. `logged_every`,
    `saved_every`: in steps.
    """

    rank: int
    alpha: float
    learning_rate: float
    batch: int
    epochs: float = 0.0
    steps: int = 0
    accumulation: int = 1
    dropout: float = 0.0
    targets: tuple[str, ...] = PROJECTIONS
    adapts: tuple[str, ...] = ("encoder", "decoder")
    last_learning_rate: float = 0.0
    warm_up: int = 0
    weight_decay: float = 0.0
    betas: tuple[float, ...] = (0.9, 0.95)
    clip: float = 1.0
    seeds: tuple[int, ...] = (0,)
    canvas: int = 256
    noise: float = 0.001
    believing: float = 0.5
    encoder_loss: float = 0.0
    infill: float = 0.0
    teach_blanks: bool = False
    part: str = "train"
    held_out: float = 0.0
    split_seed: int = 0
    held_out_images: tuple[str, ...] = ()
    image_tokens: int = 0
    precision: Precision = "fp32"
    checkpointing: bool = False
    logged_every: int = 10
    saved_every: int = 100

    def __post_init__(self) -> None:
        """Raise TrainingError for values that no run could have."""
        for name in ("rank", "batch", "accumulation", "canvas", "logged_every", "saved_every"):
            _demand(getattr(self, name) >= 1, f"'{name}' must be at least 1")
        for name in ("alpha", "learning_rate", "clip"):
            _demand(getattr(self, name) > 0, f"'{name}' must be above 0")
        for name in ("steps", "epochs", "warm_up", "weight_decay", "last_learning_rate", "encoder_loss"):
            _demand(getattr(self, name) >= 0, f"'{name}' must not be below 0")
        for name in ("dropout", "noise", "held_out"):
            _demand(0 <= getattr(self, name) < 1, f"'{name}' must be at least 0 and below 1")
        for name in ("believing", "infill"):
            _demand(0 <= getattr(self, name) <= 1, f"'{name}' must be from 0 to 1")
        _demand((self.steps > 0) != (self.epochs > 0), "either 'steps' or 'epochs' must be above 0")
        _demand(self.last_learning_rate <= self.learning_rate, "'last_learning_rate' must not be above 'learning_rate'")
        _demand(not (self.held_out and self.held_out_images), "'held_out' and 'held_out_images' cannot both be given")
        _demand(len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas), "'betas' must be two, below 1")
        _demand(bool(self.seeds) and len(set(self.seeds)) == len(self.seeds), "'seeds' must be different numbers")
        _demand(all(seed >= 0 for seed in self.seeds), "'seeds' must not be below 0")
        _among("targets", self.targets, PROJECTIONS)
        _among("adapts", self.adapts, ADAPTED)
        _among("precision", (self.precision,), get_args(Precision))
        if self.image_tokens:
            _demand(self.image_tokens in IMAGE_TOKENS, f"'image_tokens' must be one of {_listed(IMAGE_TOKENS)}, or 0")

    def steps_for(self, examples: int) -> int:
        """The steps of a run on so many examples; those that an epoch leaves over go into the next."""
        return self.steps or max(math.ceil(self.epochs * examples / self.examples_a_step), 1)

    @property
    def examples_a_step(self) -> int:
        return self.batch * self.accumulation

    def learning_rate_at(self, step: int, steps: int) -> float:
        """The rate of step `step`, counted from 0, of `steps`."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        done = min((step - self.warm_up) / max(steps - self.warm_up, 1), 1.0)
        fall = (1 + math.cos(math.pi * done)) / 2
        return self.last_learning_rate + (self.learning_rate - self.last_learning_rate) * fall


def load_recipe(path: Path) -> LoraRecipe:
    """Read a recipe's file. Raises TrainingError where it is missing, no TOML, or says what no recipe can."""
    try:
        with path.open("rb") as file:
            told = tomllib.load(file)
    except OSError as error:
        raise TrainingError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"The recipe {path} is not TOML: {error}.") from error
    try:
        return recipe_of(told)
    except TrainingError as error:
        raise TrainingError(f"The recipe {path}: {error}") from error


def recipe_of(told: dict[str, Any]) -> LoraRecipe:
    """The recipe of a file's keys and values. Raises TrainingError for keys and values that are none of a recipe."""
    known = {field.name: field for field in fields(LoraRecipe)}
    unknown = sorted(set(told) - set(known))
    _demand(not unknown, f"unknown: {_listed(unknown)}; known: {_listed(known)}")
    missing = [name for name, field in known.items() if field.default is MISSING and name not in told]
    _demand(not missing, f"{_listed(missing)} must be given")
    kinds = get_type_hints(LoraRecipe)
    return LoraRecipe(**{name: _typed(name, value, kinds[name]) for name, value in told.items()})


def _typed(name: str, value: Any, kind: Any) -> Any:
    if kind is bool:
        _demand(isinstance(value, bool), f"'{name}' must be true or false")
        return value
    if kind in (int, float):
        return _number(name, value, kind)
    if kind in (tuple[str, ...], tuple[int, ...], tuple[float, ...]):
        _demand(isinstance(value, list), f"'{name}' must be a list")
        item = get_args(kind)[0]
        return tuple(_typed(name, one, item) for one in value)
    _demand(isinstance(value, str), f"'{name}' must be a text")
    return value


def _number(name: str, value: Any, kind: type[int] | type[float]) -> float:
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = whole if kind is int else whole or isinstance(value, float)
    _demand(fits, f"'{name}' must be a {'whole number' if kind is int else 'number'}")
    _demand(math.isfinite(value), f"'{name}' must be finite")
    return kind(value)


def _among(name: str, chosen: tuple[str, ...], known: tuple[str, ...]) -> None:
    _demand(bool(chosen), f"'{name}' must not be empty")
    strange = [one for one in chosen if one not in known]
    _demand(not strange, f"'{name}' has {_listed(strange)}; there are {_listed(known)}")


def _listed(names: Any) -> str:
    return ", ".join(str(name) for name in names)


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise TrainingError(f"{otherwise}.")
