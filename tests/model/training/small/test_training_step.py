"""The training step's static forward is the library's own: what is trained is what drafting runs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from model.network.loading import DraftingModel
from model.network.prefix import encode_tokens
from model.network.tokens import BEGIN_IMAGE, END_IMAGE, IMAGE
from model.training.small.step import (
    Canvases,
    LabelHead,
    decode,
    denoising_loss,
    encode,
    label_loss,
    one_place,
    see,
    to_patches,
)


def batch(image_first: bool, generator: torch.Generator) -> tuple[Tensor, Tensor, Canvases]:
    """Images, prefixes and canvases. Image or text comes first; what comes last is out of the decoder's sight."""
    text = torch.randint(9, 200, (2, 6), generator=generator)
    image = torch.tensor([BEGIN_IMAGE, *[IMAGE] * 64, END_IMAGE]).expand(2, -1)
    parts = [text[:, :2], image, text[:, 2:]] if image_first else [text, image]
    prefix = torch.cat([*parts, torch.zeros(2, 9, dtype=torch.long)], dim=1)
    return (
        torch.rand(2, 1, 384, 384, generator=generator),
        prefix,
        Canvases(
            prefix_length=torch.full((2,), 72 if image_first else 6),
            canvas=torch.randint(9, 200, (2, 20), generator=generator),
            canvas_length=torch.full((2,), 15),
            pinned=torch.arange(20)[None].expand(2, -1) % 3 == 0,
        ),
    )


@torch.no_grad()
def test_the_static_forward_equals_the_librarys_with_and_without_image(tiny_model: DraftingModel) -> None:
    network = copy.deepcopy(tiny_model.network)
    reference = tiny_model.network
    one_place(network)
    for image_first in (True, False):
        images, prefix, made = batch(image_first, torch.Generator().manual_seed(1))
        caches = encode(network, see(network.model.encoder.vision_tower, images), prefix)
        ours = decode(network, made, caches, made.canvas, None)
        pixels, positions = to_patches(images)
        length = int(made.prefix_length[0])
        # By the library's own way with a picture, not by ours, which keeps what the tower made of it.
        features = reference.model.encoder.get_image_features(pixels, positions).pooler_output
        cache = encode_tokens(reference, prefix[:, :length], features if image_first else None)
        theirs = reference(decoder_input_ids=made.canvas[:, :15], past_key_values=cache).logits
        assert torch.allclose(ours[:, :15], theirs, atol=1e-4)

        believed = torch.tensor([True, False])
        ours_again = decode(network, made, caches, made.canvas, ours[:1])
        theirs_again = reference(
            decoder_input_ids=made.canvas[:, :15],
            past_key_values=cache,
            self_conditioning_logits=theirs,
            self_conditioning_mask=believed,
        ).logits
        assert not torch.allclose(ours_again[0], ours[0], atol=1e-2)
        assert torch.allclose(ours_again[:, :15], theirs_again, atol=1e-4)


@torch.no_grad()
def test_a_picture_that_was_looked_at_before_is_encoded_as_the_library_encodes_one(
    tiny_model: DraftingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = tiny_model.network.model.encoder
    images, prefix, made = batch(True, torch.Generator().manual_seed(2))
    pixels, positions = to_patches(images)
    ids = prefix[:, : int(made.prefix_length[0])]
    given: dict[str, Any] = {}
    forward = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda **named: given.update(named) or forward(**named))
    ours = encode_tokens(tiny_model.network, ids, encoder.get_image_features(pixels, positions).pooler_output)
    theirs = DynamicCache(config=tiny_model.network.config.get_text_config(decoder=True))
    given |= {"input_ids": ids, "pixel_values": pixels, "image_position_ids": positions, "past_key_values": theirs}
    del given["inputs_embeds"]
    forward(**given)
    for mine, own in zip(ours, theirs, strict=True):
        assert torch.equal(mine[0], own[0])
        assert torch.equal(mine[1], own[1])


def test_the_image_processor_gives_the_patches_that_training_saw(tiny_model: DraftingModel) -> None:
    from model.network.prefix import patches

    picture = torch.randint(0, 256, (384, 384), dtype=torch.uint8)
    pixels, positions, tokens = patches(tiny_model, picture.numpy())
    trained, trained_positions = to_patches(picture[None, None].float() / 255)
    assert tokens == 64
    assert torch.equal(positions, trained_positions)
    assert torch.allclose(pixels, trained, atol=1e-6)


def test_losses_reach_the_vision_tower_and_the_decoder(tiny_model: DraftingModel) -> None:
    network = type(tiny_model.network)(tiny_model.network.config)
    one_place(network)
    head = LabelHead(64, 2)
    images, prefix, made = batch(True, torch.Generator().manual_seed(2))
    features = see(network.model.encoder.vision_tower, images)
    loss, (free, right) = denoising_loss(network, made, encode(network, features, prefix))
    (loss + label_loss(head, features, torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))).backward()
    assert free == (~made.pinned).sum()
    assert 0 <= right <= free
    for parameter in (
        network.model.encoder.vision_tower.patch_embedder.input_proj.weight,
        network.model.decoder.self_conditioning.up_proj.weight,
        network.model.decoder.layers[0].experts.gate_up_proj,
        head.read.weight,
    ):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_labels_that_are_unknown_count_nothing() -> None:
    head, features = LabelHead(8, 3), torch.randn(2, 5, 8)
    known = torch.tensor([[1.0, 0.0, -1.0], [-1.0, -1.0, -1.0]])
    logits = head(features)
    expected = -(logits[0, 0].sigmoid().log() + (-logits[0, 1]).sigmoid().log()) / 2
    assert torch.isclose(label_loss(head, features, known), expected)
    assert label_loss(head, features, torch.full((2, 3), -1.0)) == 0
