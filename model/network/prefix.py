"""The prefix: image and instructions, encoded once per study into the encoder's KV cache and reused by every draft.

This module knows nothing of reports and canvases; the decoder reads what is encoded here and never writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import DiffusionGemmaForBlockDiffusion, DynamicCache, Gemma4ImageProcessorPil, PreTrainedModel

from drafting.study import Study, StudyFacts
from model.network.loading import DraftingModel, ImageTokens, Traits, encode_user_turn, image_tokens

KeysValues = tuple[Tensor, Tensor]
"""A layer's keys and values, each (tokens, key heads, width)."""


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where a prefix holds its image: `rows` x `columns` tokens from the token `start` on, row by row.

    Together they cover the whole picture without a rest, each an equal part of its height and width: the picture is
    resized to a whole number of tokens, never padded.
    """

    start: int
    rows: int
    columns: int


@dataclass(frozen=True, eq=False)
class Prefix:
    """An encoded prefix of `length` tokens: the keys and values that each layer keeps of them.

    A layer with a sliding window keeps no more than that window's last. `image`: None without a study.
    """

    layers: tuple[KeysValues, ...]
    length: int
    image: ImagePlace | None = None


@dataclass(frozen=True, eq=False)
class VisionFeatures:
    """What the vision tower makes of a study's picture: `features` (rows * columns, text hidden), row by row.

    It depends on nothing but the picture, and is over half of what a prefix costs.
    """

    features: Tensor
    rows: int
    columns: int


def instruction(facts: StudyFacts, indication: str, question: str = "", hints: Sequence[str] = ()) -> str:
    """What the model reads beside the image: to write the report, or to answer `question` where there is one.

    `hints`: what is wanted in each open span of the report, in order, empty where nothing is said. The default model
    was trained on exactly this wording.
    """
    sex = {"M": "male", "F": "female", "O": "other"}.get(facts.sex or "")
    asked = " ".join(question.split())
    words = [
        "Answer the question about this radiograph." if asked else "Write the report of this radiograph.",
        f"Age {facts.age}." if facts.age is not None else "",
        f"Sex {sex}." if sex else "",
        f"View {facts.view}." if facts.view else "",
        f"Indication: {' '.join(indication.split())}" if indication.strip() else "",
        f"Question: {asked}" if asked else "",
        *(f"Gap {number}: {hint}" for number, hint in enumerate(hints, 1) if hint),
    ]
    return " ".join(part for part in words if part)


@torch.inference_mode()
def encode_prefix(
    drafting_model: DraftingModel,
    study: Study | None,
    indication: str = "",
    question: str = "",
    hints: Sequence[str] = (),
    vision: VisionFeatures | None = None,
) -> Prefix:
    """Encode the prefix of a study, for its report or for the answer to `question`; without a study, of the words.

    `vision`: what the tower made of the study's picture before; without it the picture is encoded now.
    """
    tokenizer, network = drafting_model.tokenizer, drafting_model.network
    words = instruction(study.facts if study else StudyFacts(), indication, question, hints)
    ids = encode_user_turn(tokenizer, words, study is not None)
    features = image = None
    if study is not None:
        vision = vision or encode_picture(drafting_model, study.model_picture)
        ids = with_image_tokens(ids, len(vision.features), image_tokens(network))
        image = ImagePlace(ids.index(image_tokens(network).piece), vision.rows, vision.columns)
        features = vision.features
    cache = encode_tokens(network, torch.tensor([ids], device=network.device), features)
    layers = tuple((cast(Tensor, k)[0].transpose(0, 1), cast(Tensor, v)[0].transpose(0, 1)) for k, v, *_ in cache)
    return Prefix(layers, len(ids), image)


@torch.inference_mode()
def encode_picture(drafting_model: DraftingModel, picture: NDArray[np.uint8]) -> VisionFeatures:
    """Look at a picture, (height, width) or (height, width, 3) uint8."""
    pixels, positions, pieces = patches(drafting_model, picture)
    columns = int(positions[0, :, 0].max() + 1) // drafting_model.image_processor.pooling_kernel_size
    encoded = drafting_model.network.model.encoder.get_image_features(pixels, positions)
    return VisionFeatures(encoded.pooler_output.reshape(pieces, -1), pieces // columns, columns)


class VisionCheckpoint(Protocol):
    """A checkpoint with what its pictures go through."""

    @property
    def network(self) -> PreTrainedModel: ...

    @property
    def image_processor(self) -> Gemma4ImageProcessorPil: ...

    @property
    def traits(self) -> Traits: ...


def patches(model: VisionCheckpoint, picture: NDArray[np.uint8]) -> tuple[Tensor, Tensor, int]:
    """A picture as the vision tower takes it: pixels (1, patches, 768), positions (1, patches, 2), its image tokens.

    `picture`: (height, width) or (height, width, 3) uint8.
    """
    image = Image.fromarray(picture).convert("RGB")
    processor = model.image_processor
    if model.traits.square_picture:
        pooled = processor.patch_size * processor.pooling_kernel_size
        side = int(processor.max_soft_tokens**0.5) * pooled
        image = image.resize((side, side), Image.Resampling.BICUBIC)
    processed = processor(image, return_tensors="pt")
    network = model.network
    positions = processed["image_position_ids"].to(network.device)
    # The processor pads to the budget; the padding is not encoded.
    real = positions[0, :, 0] >= 0
    pixels = processed["pixel_values"].to(network.device, network.dtype)
    return pixels[:, real], positions[:, real], int(processed["num_soft_tokens_per_image"][0])


def encode_tokens(network: DiffusionGemmaForBlockDiffusion, input_ids: Tensor, features: Tensor | None) -> DynamicCache:
    """Run the encoder: its KV cache for `input_ids` (batch, length), image tokens among them attending both ways.

    `features`: (image tokens of the batch, text hidden), what the tower made of the pictures.
    """
    config = network.config
    cache = DynamicCache(config=config.get_text_config(decoder=True))
    is_image = input_ids == image_tokens(network).piece
    embedded = network.model.encoder.get_input_embeddings()(input_ids)
    if features is not None:
        embedded = embedded.masked_scatter(is_image[..., None], features.to(embedded))
    # The encoder ignores masks it would make itself for images, so they are made here, as `generate` does.
    masks = network.model.encoder.create_masks_for_generate(
        config=config,
        inputs_embeds=torch.empty(*input_ids.shape, 0, device=input_ids.device, dtype=network.dtype),
        attention_mask=None,
        past_key_values=cache,
        position_ids=torch.arange(input_ids.shape[1], device=input_ids.device)[None],
        mm_token_type_ids=is_image.long(),
    )
    network.model.encoder(
        inputs_embeds=embedded,
        past_key_values=cache,
        attention_mask=masks,
        mm_token_type_ids=is_image.long(),
    )
    return cache


def with_image_tokens(ids: list[int], count: int, tokens: ImageTokens) -> list[int]:
    """The prompt's one image placeholder widened to the tokens of the picture, between their markers."""
    at = ids.index(tokens.piece)
    return [*ids[:at], tokens.begin, *[tokens.piece] * count, tokens.end, *ids[at + 1 :]]
