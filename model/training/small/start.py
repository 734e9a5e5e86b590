"""Beginning a run with the weights of a trained checkpoint of the same shape, whatever its tokens are.

A grammar that has learned new words wants a tokenizer of its own; what the network has learned to see and to write
before then would be lost with the old one's numbering. The autoregressive sibling can begin with the diffusion model's
weights, whose encoder is a Gemma 4 by itself: what both learn from there on can be compared.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, DiffusionGemmaForBlockDiffusion, PreTrainedModel, PreTrainedTokenizerFast

from model.training.sight.readings import TOWER_FILE

SIGHT = ("vision_tower.", "embed_vision.")
EMBEDDINGS = ("embed_tokens.weight", "lm_head.weight")


@torch.no_grad()
def start_from(
    network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, checkpoint: Path, but_sight: bool = False
) -> None:
    """Give `network` the weights of a checkpoint folder, of its own kind or, a Gemma 4, of a DiffusionGemma's encoder.

    A token that the checkpoint's tokenizer spells in pieces begins as the mean of their embeddings. `but_sight`: the
    vision tower, and what fits its output to the text, keep the network's own weights. Raises ValueError where anything
    but the number of tokens differs in shape.
    """
    from_diffusion = AutoConfig.from_pretrained(checkpoint).model_type == "diffusion_gemma"
    kind = DiffusionGemmaForBlockDiffusion if from_diffusion else type(network)
    trained = kind.from_pretrained(checkpoint, dtype=torch.float32).state_dict()
    if from_diffusion and not isinstance(network, DiffusionGemmaForBlockDiffusion):
        trained = {name.replace("model.encoder.", "model."): weight for name, weight in trained.items()}
    own = network.state_dict()
    pieces = spelled(tokenizer, PreTrainedTokenizerFast.from_pretrained(checkpoint))
    for name, weight in own.items():
        if but_sight and any(part in name for part in SIGHT):
            continue
        source = trained.get(name)
        if source is not None and name.endswith(EMBEDDINGS) and source.shape[1:] == weight.shape[1:]:
            source = torch.stack([source[ids].mean(dim=0) for ids in pieces])
        if source is None or source.shape != weight.shape:
            raise ValueError(f"{checkpoint} has another shape: its {name} does not fit.")
        weight.copy_(source)


@torch.no_grad()
def start_seeing(tower: nn.Module, head: nn.Module, folder: Path) -> None:
    """Give a vision tower, and the head that reads labels off it, the weights that `train sight` left in a folder.

    Raises RuntimeError where they are of another shape.
    """
    weights = load_file(folder / TOWER_FILE)
    for module, prefix in ((tower, "tower."), (head, "head.")):
        module.load_state_dict({name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)})


def spelled(tokenizer: PreTrainedTokenizerFast, other: PreTrainedTokenizerFast) -> list[Tensor]:
    """For each token of `tokenizer` the ids, one or more, of the tokens of `other` that spell it."""
    core = other.backend_tokenizer
    spellings = []
    for id in range(len(tokenizer)):
        piece = tokenizer.backend_tokenizer.id_to_token(id)
        assert piece is not None
        same = core.token_to_id(piece)
        ids = [token.id for token in core.model.tokenize(piece)] if same is None else [same]
        spellings.append(torch.tensor(ids))
    return spellings
