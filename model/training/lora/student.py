"""The network that a LoRA run adapts, with all that goes with it; both families alike.

Loading, the adapter, and the blank that a checkpoint may be taught. This module knows nothing of lessons and losses.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import AddedToken, AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

from model.network.experts import ALL_EXPERTS
from model.network.loading import UNUSABLE, ImageTokens, Traits, load, scaffold, teach_blank
from model.network.sibling import load_sibling
from model.network.tokens import BLANK_TOKEN
from model.training.lora.recipe import LoraRecipe, TrainingError

Family = Literal["diffusion", "autoregressive"]
FAMILIES: dict[str, Family] = {"diffusion_gemma": "diffusion", "gemma4": "autoregressive"}
# Up to so many experts all of them take every token, which is the faster way; see `model.network.experts`.
FEW_EXPERTS = 8

# Where the layers of each part are; the sibling has one stack of text layers.
_LAYERS: dict[Family, dict[str, str]] = {
    "diffusion": {
        "encoder": r"model\.encoder\.language_model\.layers",
        "decoder": r"model\.decoder\.layers",
        "vision": r"model\.encoder\.vision_tower\.encoder\.layers",
    },
    "autoregressive": {
        "encoder": r"model\.language_model\.layers",
        "decoder": r"model\.language_model\.layers",
        "vision": r"model\.vision_tower\.encoder\.layers",
    },
}


@dataclass(frozen=True, eq=False)
class Student:
    """A checkpoint that is trained. `source`: the folder or hub id that it came from.

    `before`, `after`: scaffold tokens of the model's turn. `taught`: its blank is new to it, and its row is trained.
    """

    family: Family
    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    image_processor: Gemma4ImageProcessorPil
    traits: Traits
    source: str
    blank_id: int | None
    before: tuple[int, ...]
    after: tuple[int, ...]
    taught: bool = False

    def encode(self, text: str) -> list[int]:
        """The token ids of a text; special tokens' names in it are text."""
        return cast(list[int], self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    @property
    def image(self) -> ImageTokens:
        """Raises TrainingError where the checkpoint's configuration names no tokens of an image."""
        config = cast(Any, self.network.config)
        begin, piece, end = config.boi_token_id, config.image_token_id, config.eoi_token_id
        if begin is None or piece is None or end is None:
            raise TrainingError(f"The configuration of {self.source} lacks the image tokens.")
        return ImageTokens(begin, piece, end)

    @property
    def pad_id(self) -> int:
        return cast(int, self.tokenizer.pad_token_id or 0)

    @property
    def embedding(self) -> nn.Parameter:
        """The embedding (vocabulary, hidden) that every input and the output share."""
        return cast(nn.Parameter, self.network.get_input_embeddings().weight)


def family_of(source: str) -> Family:
    """Raises TrainingError where `source` is no checkpoint of a family that can be trained."""
    try:
        kind = str(AutoConfig.from_pretrained(source).model_type)
    except UNUSABLE as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise TrainingError(f"{source} cannot be loaded as a checkpoint: {line}") from error
    if kind not in FAMILIES:
        raise TrainingError(f"{source} is a {kind} checkpoint; LoRA is for {' and '.join(FAMILIES)}.")
    return FAMILIES[kind]


def load_student(source: str, recipe: LoraRecipe, device: torch.device) -> Student:
    """Load a checkpoint of either family. Raises TrainingError or ModelError, a sentence each."""
    family = family_of(source)
    dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
    if family == "diffusion":
        drafting = load(source, device=device, dtype=dtype)
        student = Student(
            family,
            drafting.network,
            drafting.tokenizer,
            drafting.image_processor,
            drafting.traits,
            source,
            drafting.blank_id,
            drafting.before,
            drafting.after,
        )
    else:
        sibling = load_sibling(source, device=device, dtype=dtype)
        before, after = scaffold(sibling.tokenizer)
        blank = sibling.tokenizer.get_vocab().get(BLANK_TOKEN)
        student = Student(
            family,
            sibling.network,
            sibling.tokenizer,
            sibling.image_processor,
            sibling.traits,
            source,
            blank,
            before,
            after,
        )
    return prepared(student, recipe)


def prepared(student: Student, recipe: LoraRecipe) -> Student:
    """A student as the recipe wants it: its pictures' tokens, its experts' implementation, a blank."""
    longest = cast(int | None, getattr(student.network.config, "canvas_length", None))
    if longest is not None and recipe.canvas > longest:
        raise TrainingError(f"'canvas' is {recipe.canvas}, and {student.source} has canvases of up to {longest}.")
    trainable_experts(student.network)
    if recipe.image_tokens:
        student.image_processor.max_soft_tokens = recipe.image_tokens
        student = replace(student, traits=replace(student.traits, image_tokens=recipe.image_tokens))
    if recipe.teach_blanks and student.blank_id is None:
        student = _with_blank(student)
    return student


def trainable_experts(network: PreTrainedModel) -> None:
    """Compute experts in a way that gradients pass: the kernels for drafting have none."""
    experts = cast(int | None, getattr(network.config.get_text_config(), "num_experts", None))
    if experts:
        network.set_experts_implementation(ALL_EXPERTS if experts <= FEW_EXPERTS else "grouped_mm")


def _with_blank(student: Student) -> Student:
    rows = len(student.embedding)
    tokenizer = with_blank_token(student.tokenizer, rows, student.source)
    blank = cast(int, tokenizer.convert_tokens_to_ids(BLANK_TOKEN))
    # It begins as the token that the model knows for 'nothing more'.
    teach_blank(student.network, blank, student.embedding[student.after[0]].detach().clone())
    traits = replace(student.traits, taught_blank=blank)
    return replace(student, tokenizer=tokenizer, blank_id=blank, traits=traits, taught=True)


def with_blank_token(tokenizer: PreTrainedTokenizerBase, rows: int, source: str) -> PreTrainedTokenizerBase:
    """The same tokenizer with a blank, in a row of the embedding that nothing uses: past the last token, or that of
    the last `<unused...>` one. So the network keeps its shape. Raises TrainingError where there is no such row.
    """
    unused = max((t for t in tokenizer.get_vocab() if re.fullmatch(r"<unused\d+>", t)), key=_number, default=None)
    if len(tokenizer) >= rows and unused is None:
        raise TrainingError(f"No row of the embedding of {source} is free for a blank; set 'teach_blanks' to false.")
    # By way of its files, so that the one that is given stays as it is.
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        if len(tokenizer) >= rows:
            for path in Path(folder).glob("*.json"):
                text = path.read_text(encoding="utf-8")
                path.write_text(text.replace(json.dumps(unused), json.dumps(BLANK_TOKEN)), encoding="utf-8")
        renamed = cast(PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(folder))
    renamed.add_tokens([AddedToken(BLANK_TOKEN, special=True, normalized=False)], special_tokens=True)
    return renamed


def _number(token: str) -> int:
    return int(token.removeprefix("<unused").removesuffix(">"))


def adapted(student: Student, recipe: LoraRecipe, seed: int) -> PeftModel:
    """Put the recipe's adapters into the network, in 32 bits and trainable; all else is frozen."""
    network = student.network
    network.requires_grad_(False)
    torch.manual_seed(seed)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=cast(int, recipe.alpha),
        lora_dropout=recipe.dropout,
        target_modules=targets_of(student.family, recipe),
        bias="none",
    )
    try:
        tuned = get_peft_model(network, config)
    except ValueError as error:
        line = next(iter(str(error).splitlines()), "")
        raise TrainingError(f"{student.source} does not support this adapter: {line}") from error
    if recipe.checkpointing:
        network.activation_checkpointing_enable({"use_reentrant": False})
    network.train()
    return cast(PeftModel, tuned)


def targets_of(family: Family, recipe: LoraRecipe) -> str:
    """The modules that get an adapter, as PEFT takes them: one regular expression for their whole names."""
    layers = _LAYERS[family]
    text = sorted({layers[part] for part in recipe.adapts if part != "vision"})
    names = f"(?:self_attn|mlp)\\.(?:{'|'.join(recipe.targets)})"
    ways = [f"(?:{'|'.join(text)})\\.\\d+\\.{names}"] if text else []
    if "vision" in recipe.adapts:
        # The tower's projections stand in a module that clips what goes in and out.
        ways.append(f"{layers['vision']}\\.\\d+\\.{names}\\.linear")
    return "|".join(ways)


def blank_row(student: Student) -> Tensor:
    """The embedding of the blank, (hidden,)."""
    assert student.blank_id is not None
    return student.embedding[student.blank_id].detach()
