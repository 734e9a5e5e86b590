"""Where the model looks: transformers' own attention, on the parts of the picture that the image tokens are of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from drafting.study import Study, StudyFacts
from model.network.attention import ImageNotVisibleError, attention_to_image, distinctive_attention
from model.network.loading import DraftingModel, layer_kinds, load
from model.network.prefix import Prefix, encode_prefix


@pytest.fixture(scope="module", params=["tiny", "default"])
def any_model(request: pytest.FixtureRequest, tiny_model: DraftingModel) -> DraftingModel:
    return tiny_model if request.param == "tiny" else load(device="cpu")


def a_study(height: int = 90, width: int = 70) -> Study:
    picture = np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8)
    return Study(pictures=(), model_picture=picture, facts=StudyFacts(age=60))


def some_tokens(model: DraftingModel, length: int = 20) -> torch.Tensor:
    return torch.randint(5, len(model.tokenizer), (length,), generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def as_transformers(model: DraftingModel, prefix: Prefix, tokens: torch.Tensor) -> list[torch.Tensor]:
    """The library's eager attention weights: for each layer (heads, length, seen)."""
    network: Any = model.network
    cache = DynamicCache()
    for index, (keys, values) in enumerate(prefix.layers):
        cache.update(keys.transpose(0, 1)[None], values.transpose(0, 1)[None], index)
    certain = torch.nn.functional.one_hot(tokens[None], model.vocabulary_size).float() * 1e4
    seen: list[torch.Tensor] = []
    hooks = [
        layer.self_attn.register_forward_hook(lambda module, given, output: seen.append(output[1][0]))
        for layer in network.model.decoder.layers
    ]
    former = network.config._attn_implementation
    network.set_attn_implementation("eager")
    try:
        network(decoder_input_ids=tokens[None], past_key_values=cache, self_conditioning_logits=certain)
    finally:
        network.set_attn_implementation(former)
        for hook in hooks:
            hook.remove()
    return seen


def test_the_attention_is_what_transformers_computes(any_model: DraftingModel) -> None:
    prefix, tokens = encode_prefix(any_model, a_study()), some_tokens(any_model)
    assert prefix.image is not None
    image = slice(prefix.image.start, prefix.image.start + prefix.image.rows * prefix.image.columns)
    layers = as_transformers(any_model, prefix, tokens)
    assert len(layers) == len(layer_kinds(any_model.network))
    expected = torch.stack([weights[..., image].mean(dim=0) for weights in layers]).mean(dim=0)
    computed = attention_to_image(any_model, prefix, tokens)
    assert torch.allclose(computed, expected, atol=1e-4)
    # A row is compared as a pattern too: each weight is small.
    assert torch.allclose(computed / computed.mean(), expected / expected.mean(), atol=1e-3)

    own, rest = expected[3:9].mean(0), torch.cat([expected[:3], expected[9:15]]).mean(0)
    weights, share = distinctive_attention(any_model, prefix, tokens, slice(3, 9), 15)
    assert weights.shape == (prefix.image.rows, prefix.image.columns)
    assert torch.allclose(weights.flatten(), (own / own.sum() - rest / rest.sum()).clamp(min=0), atol=1e-4)
    assert share == pytest.approx(own.sum().item(), abs=1e-4)


@pytest.mark.parametrize(("height", "width"), [(60, 200), (200, 60), (100, 100)])
def test_the_tokens_are_parts_of_the_picture_row_by_row(tiny_model: DraftingModel, height: int, width: int) -> None:
    # A checkpoint whose picture keeps its shape has more columns than rows where it is wide.
    keeping = replace(tiny_model, traits=replace(tiny_model.traits, square_picture=False))
    prefix = encode_prefix(keeping, a_study(height, width))
    assert prefix.image is not None
    assert (prefix.image.rows < prefix.image.columns) == (height < width)
    assert (prefix.image.rows > prefix.image.columns) == (height > width)

    # The vision tower's features change most where the picture does.
    study = a_study(height, width)
    changed = study.model_picture.copy()
    changed[: height // prefix.image.rows, -(width // prefix.image.columns) :] = 255
    features = [features_of(keeping, picture) for picture in (study.model_picture, changed)]
    moved = (features[0] - features[1]).norm(dim=-1).view(prefix.image.rows, prefix.image.columns)
    assert moved.argmax() == prefix.image.columns - 1


@torch.inference_mode()
def features_of(model: DraftingModel, picture: np.ndarray[Any, np.dtype[np.uint8]]) -> torch.Tensor:
    from model.network.prefix import patches

    pixels, positions, _ = patches(model, picture)
    network: Any = model.network
    return network.model.encoder.get_image_features(pixels, positions).pooler_output.view(-1, model_width(model))


def model_width(model: DraftingModel) -> int:
    return int(model.network.model.decoder.embed_tokens.weight.shape[1])


def test_a_layer_that_has_lost_a_part_of_the_image_is_left_out(tiny_model: DraftingModel) -> None:
    prefix, tokens = encode_prefix(tiny_model, a_study()), some_tokens(tiny_model)
    assert prefix.image is not None
    kept = prefix.length - prefix.image.start - 1
    cut = [(keys[-kept:], values[-kept:]) for keys, values in prefix.layers]
    with pytest.raises(ImageNotVisibleError):
        attention_to_image(tiny_model, replace(prefix, layers=tuple(cut)), tokens)
    # The last layer alone is whole: its attention is all there is.
    mixed = replace(prefix, layers=(*cut[:-1], prefix.layers[-1]))
    paid = attention_to_image(tiny_model, mixed, tokens)
    assert paid.shape == (20, prefix.image.rows * prefix.image.columns)
    assert 0 < paid.sum(-1).max() < 1
    with pytest.raises(ImageNotVisibleError):
        attention_to_image(tiny_model, encode_prefix(tiny_model, None), tokens)
