"""The published checkpoint's shape with random weights: for speed and memory, which do not depend on the values.

This module knows nothing of how anything is measured.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import (
    AutoTokenizer,
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    Gemma4ImageProcessorPil,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    DiffusionGemmaGenerationConfig,
    EntropyBoundSamplerConfig,
)
from transformers.models.diffusion_gemma.modeling_diffusion_gemma import DiffusionGemmaTextExperts

from model.network.experts import experts_implementation, quantise_experts
from model.network.loading import DEFAULT_MODEL, DraftingModel, Traits, scaffold
from model.network.tokens import BEGIN_IMAGE, BLANK, BOS, END_IMAGE, EOS, IMAGE, PAD

Network = TypeVar("Network", bound=PreTrainedModel)

IMAGE_TOKENS = 280
_STANDARD_DEVIATION = 0.02


def published_config() -> DiffusionGemmaConfig:
    """The shape of `google/diffusiongemma-26B-A4B-it`: 25.8 billion parameters, of which 3.8 serve a token.

    The ids of special tokens are those of the default model's tokenizer.
    """
    text = {
        "hidden_size": 2816,
        "num_hidden_layers": 30,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "num_global_key_value_heads": 2,
        "head_dim": 256,
        "global_head_dim": 512,
        "intermediate_size": 2112,
        "moe_intermediate_size": 704,
        "num_experts": 128,
        "top_k_experts": 8,
        "vocab_size": 262_144,
        "sliding_window": 1024,
        "use_bidirectional_attention": "vision",
        "pad_token_id": PAD,
        "eos_token_id": EOS,
        "bos_token_id": BOS,
    }
    vision = {
        "model_type": "gemma4_vision",
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "head_dim": 72,
        "patch_size": 16,
        "pooling_kernel_size": 3,
    }
    return DiffusionGemmaConfig(
        text_config=text,
        vision_config=vision,
        canvas_length=256,
        image_token_id=IMAGE,
        boi_token_id=BEGIN_IMAGE,
        eoi_token_id=END_IMAGE,
    )


def random_model(
    config: DiffusionGemmaConfig, device: torch.device, dtype: torch.dtype, name: str, bits: int = 16
) -> DraftingModel:
    """A checkpoint of a configuration with random weights, made on `device` without a second copy anywhere.

    `bits`: 8 or 4 quantise the experts. The canvas is as long as the report needs; the tokenizer is the default
    model's.
    """
    network = empty_network(DiffusionGemmaForBlockDiffusion, config)
    if bits < 16:
        fill(network, device, dtype, passing_over=DiffusionGemmaTextExperts)
        # A layer at a time, so that a GPU which could not hold all in 16 bits can build it.
        quantise_experts(network, bits, device, lambda experts: fill(experts, device, dtype))
    else:
        fill(network, device, dtype)
    network.generation_config = DiffusionGemmaGenerationConfig(
        max_denoising_steps=48,
        sampler_config=EntropyBoundSamplerConfig(entropy_bound=0.1),
        t_min=0.4,
        t_max=0.8,
        stability_threshold=1,
        confidence_threshold=0.005,
        bos_token_id=BOS,
        pad_token_id=PAD,
        eos_token_id=EOS,
    )
    network.set_experts_implementation(experts_implementation(device, dtype))
    network.eval().requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(DEFAULT_MODEL)
    before, after = scaffold(tokenizer)
    return DraftingModel(
        network=network,
        tokenizer=tokenizer,
        image_processor=Gemma4ImageProcessorPil(max_soft_tokens=IMAGE_TOKENS),
        traits=Traits(fitted_canvas=True),
        name=name,
        blank_id=BLANK,
        before=before,
        after=after,
    )


def empty_network(kind: type[Network], config: PreTrainedConfig) -> Network:
    """A network of a configuration whose parameters have no data yet, tied as in a checkpoint; `fill` gives it some."""
    with init_empty_weights(include_buffers=False):
        network = kind(config)
    network.tie_weights()
    return network


def fill(
    network: nn.Module, device: torch.device, dtype: torch.dtype, passing_over: type[nn.Module] | None = None
) -> None:
    """Give parameters without data random data on `device`; what is tied stays tied. Buffers are moved."""
    torch.manual_seed(0)
    filled: dict[int, nn.Parameter] = {}
    for module in network.modules():
        if passing_over and isinstance(module, passing_over):
            continue
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) not in filled:
                data = torch.empty(parameter.shape, dtype=dtype, device=device)
                # Norms and scales multiply: ones. All else is a matrix.
                data.normal_(0, _STANDARD_DEVIATION) if parameter.dim() > 1 else data.fill_(1)
                filled[id(parameter)] = nn.Parameter(data, requires_grad=False)
            setattr(module, name, filled[id(parameter)])
        for name, buffer in list(module.named_buffers(recurse=False)):
            # Angles of the rotary embedding keep their precision, as when a checkpoint is loaded.
            keeps = "inv_freq" in name or not buffer.is_floating_point()
            setattr(module, name, buffer.to(device) if keeps else buffer.to(device, dtype))
