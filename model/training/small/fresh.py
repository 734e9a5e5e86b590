"""A fresh small checkpoint: DiffusionGemma's own classes at a small shape, with a tokenizer and a chat template.

Its autoregressive sibling is Gemma 4 at the same shape: layer for layer the same weights, less the self-conditioning.

Everything that loads the published checkpoint loads what is saved here. This module knows nothing of data and training.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4ImageProcessorPil,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    DiffusionGemmaGenerationConfig,
    EntropyBoundSamplerConfig,
)

from model.network.loading import Traits, write_checksums
from model.network.tokens import BEGIN_IMAGE, BLANK, BOS, END_IMAGE, END_TURN, EOS, IMAGE, PAD, SPECIAL_TOKENS

CHAT_TEMPLATE = (
    "<bos>{% for message in messages %}"
    "<|turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|image|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<turn|>\n{% endfor %}{% if add_generation_prompt %}<|turn>model\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a small DiffusionGemma. Widths in units, `canvas_length` in tokens, `steps` in denoising steps."""

    hidden: int = 320
    layers: int = 6
    heads: int = 4
    key_value_heads: int = 2
    mlp: int = 640
    experts: int = 4
    experts_used: int = 2
    expert_mlp: int = 192
    vision_hidden: int = 256
    vision_layers: int = 10
    vocabulary: int = 2560
    canvas_length: int = 160
    steps: int = 48


def fresh_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of at most `vocabulary` tokens, learned from `texts`; it can spell any string."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        extra_special_tokens=[token for token in SPECIAL_TOKENS if token not in ("<bos>", "<eos>", "<pad>")],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def fresh_config(shape: Shape, vocabulary: int) -> DiffusionGemmaConfig:
    """The configuration of a small DiffusionGemma; every third layer attends fully, as the sliding ones never slide."""
    return DiffusionGemmaConfig(
        text_config=_text(shape, vocabulary),
        vision_config=_vision(shape),
        canvas_length=shape.canvas_length,
        image_token_id=IMAGE,
        boi_token_id=BEGIN_IMAGE,
        eoi_token_id=END_IMAGE,
    )


def sibling_config(shape: Shape, vocabulary: int) -> Gemma4Config:
    """The configuration of the small DiffusionGemma's autoregressive sibling."""
    return Gemma4Config(
        text_config={**_text(shape, vocabulary), **sibling_options()},
        vision_config=_vision(shape),
        audio_config=None,
        image_token_id=IMAGE,
        boi_token_id=BEGIN_IMAGE,
        eoi_token_id=END_IMAGE,
    )


def sibling_options() -> dict[str, Any]:
    """What Gemma 4 has as options of its text configuration, and DiffusionGemma has built in."""
    return {
        "enable_moe_block": True,
        "attention_k_eq_v": True,
        "hidden_size_per_layer_input": 0,
        "final_logit_softcapping": 30.0,
    }


def _text(shape: Shape, vocabulary: int) -> dict[str, Any]:
    return {
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads,
        "num_global_key_value_heads": shape.key_value_heads,
        "head_dim": 64,
        "global_head_dim": 64,
        "intermediate_size": shape.mlp,
        "moe_intermediate_size": shape.expert_mlp,
        "num_experts": shape.experts,
        "top_k_experts": shape.experts_used,
        "vocab_size": vocabulary,
        "sliding_window": 1024,
        "use_bidirectional_attention": "vision",
        "pad_token_id": PAD,
        "eos_token_id": EOS,
        "bos_token_id": BOS,
        "layer_types": [
            "full_attention" if index % 3 == 2 or index == shape.layers - 1 else "sliding_attention"
            for index in range(shape.layers)
        ],
    }


def _vision(shape: Shape) -> dict[str, Any]:
    return {
        "model_type": "gemma4_vision",
        "hidden_size": shape.vision_hidden,
        "intermediate_size": 4 * shape.vision_hidden,
        "num_hidden_layers": shape.vision_layers,
        "num_attention_heads": shape.vision_hidden // 64,
        "num_key_value_heads": shape.vision_hidden // 64,
        "head_dim": 64,
        "patch_size": 16,
        "pooling_kernel_size": 3,
        "position_embedding_size": 64,
    }


def fresh_model(shape: Shape, vocabulary: int, seed: int = 0) -> DiffusionGemmaForBlockDiffusion:
    """A small DiffusionGemma with random weights."""
    torch.manual_seed(seed)
    network = DiffusionGemmaForBlockDiffusion(fresh_config(shape, vocabulary))
    network.generation_config = DiffusionGemmaGenerationConfig(
        max_denoising_steps=shape.steps,
        sampler_config=EntropyBoundSamplerConfig(entropy_bound=0.1),
        # Colder than the published checkpoint: at 0.8 to 0.4 a small model's drafts broke in 1 of 24, at these in none.
        t_min=0.3,
        t_max=0.6,
        stability_threshold=1,
        confidence_threshold=0.005,
        bos_token_id=BOS,
        pad_token_id=PAD,
        eos_token_id=EOS,
    )
    return network


def fresh_sibling(shape: Shape, vocabulary: int, seed: int = 0) -> Gemma4ForConditionalGeneration:
    """The autoregressive sibling of `fresh_model`, with random weights."""
    torch.manual_seed(seed)
    network = Gemma4ForConditionalGeneration(sibling_config(shape, vocabulary))
    # A gap's text ends with a blank, a turn with the marker of its end.
    network.generation_config = GenerationConfig(eos_token_id=[BLANK, END_TURN], bos_token_id=BOS, pad_token_id=PAD)
    return network


def save_checkpoint(network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Save a checkpoint that `model.network.loading.load`, or `model.network.sibling.load_sibling`, takes.

    Safetensors of at most 15 MB and all beside them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder, max_shard_size="15MB")
    tokenizer.save_pretrained(folder)
    Gemma4ImageProcessorPil(max_soft_tokens=70).save_pretrained(folder)
    Traits(square_picture=True, fitted_canvas=True).save(folder)
    write_checksums(folder)
