"""A run that begins with trained weights: what is alike is taken over, new tokens begin as their pieces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import DiffusionGemmaForBlockDiffusion

from model.training.small.fresh import fresh_model, fresh_sibling, fresh_tokenizer
from model.training.small.start import start_from
from tests.model.conftest import TEXTS, TINY

NEW_WORD = "cardiomegaly"


def embeddings(network: DiffusionGemmaForBlockDiffusion) -> torch.Tensor:
    return network.model.decoder.embed_tokens.weight.detach()


def test_weights_are_taken_over_and_new_tokens_begin_as_the_mean_of_their_pieces(tiny_checkpoint: Path) -> None:
    trained = DiffusionGemmaForBlockDiffusion.from_pretrained(tiny_checkpoint, dtype=torch.float32)
    old = fresh_tokenizer(TEXTS, TINY.vocabulary)
    new = fresh_tokenizer([*TEXTS, *[f"{NEW_WORD} is marked."] * 20], TINY.vocabulary + 20)
    core = new.backend_tokenizer
    added = next(id for id in range(len(new)) if core.id_to_token(id) == f"{NEW_WORD}")
    assert old.backend_tokenizer.token_to_id(NEW_WORD) is None
    network = fresh_model(TINY, len(new), seed=7)
    start_from(network, new, tiny_checkpoint)
    for name, weight in network.state_dict().items():
        if weight.shape == trained.state_dict()[name].shape:
            assert torch.equal(weight, trained.state_dict()[name]), name
    rows, before = embeddings(network), embeddings(trained)
    for word in ("<eos>", "e", "Ġheart"):
        assert torch.equal(rows[core.token_to_id(word)], before[old.backend_tokenizer.token_to_id(word)])
    pieces = [token.id for token in old.backend_tokenizer.model.tokenize(NEW_WORD)]
    assert len(pieces) > 1
    assert torch.allclose(rows[added], before[pieces].mean(dim=0))


def test_the_sibling_takes_over_a_diffusion_models_encoder(tiny_checkpoint: Path) -> None:
    trained = DiffusionGemmaForBlockDiffusion.from_pretrained(tiny_checkpoint, dtype=torch.float32).model
    sibling = fresh_sibling(TINY, len(fresh_tokenizer(TEXTS, TINY.vocabulary)), seed=7)
    start_from(sibling, fresh_tokenizer(TEXTS, TINY.vocabulary), tiny_checkpoint)
    for own, source in (
        (sibling.model.vision_tower, trained.encoder.vision_tower),
        (sibling.model.language_model.layers, trained.encoder.language_model.layers),
        (sibling.model.embed_vision, trained.encoder.embed_vision),
    ):
        weights = source.state_dict()
        assert weights
        for name, weight in own.state_dict().items():
            assert torch.equal(weight, weights[name]), name
    assert torch.equal(sibling.lm_head.weight, trained.decoder.embed_tokens.weight)


def test_another_shape_is_refused(tiny_checkpoint: Path) -> None:
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    with pytest.raises(ValueError, match="another shape"):
        start_from(fresh_model(replace(TINY, mlp=96), len(tokenizer)), tokenizer, tiny_checkpoint)
