"""The autoregressive sibling: Gemma 4 at the default model's size, which writes from left to right.

It exists for comparison: the same pictures, texts and size, another way to write. Its text ends with a blank. This
module knows nothing of reports and of canvases being denoised; drafts in the app are never its work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoTokenizer,
    Gemma4ForConditionalGeneration,
    Gemma4ImageProcessorPil,
    PreTrainedTokenizerBase,
)

from drafting.study import Study
from model.network.loading import (
    UNUSABLE,
    ImageTokens,
    ModelError,
    Traits,
    encode_user_turn,
    scaffold,
    shown_name,
    traits_of,
    with_adapter,
)
from model.network.prefix import patches, with_image_tokens
from model.network.tokens import BLANK_TOKEN

# What is asked for where the report is shown with its gap marked; the report follows on a line of its own.
FILL_IN = "Fill in what is missing:"
# What is asked for where the whole report is to be written anew; the report follows as above.
REWRITE = "Write the whole report with what is missing filled in:"
MOST_NEW_TOKENS = 160


@dataclass(frozen=True, eq=False)
class SiblingCheckpoint:
    """A loaded checkpoint. `temperature`: 0 writes the likeliest token each time; above, tokens are drawn."""

    network: Gemma4ForConditionalGeneration
    tokenizer: PreTrainedTokenizerBase
    image_processor: Gemma4ImageProcessorPil
    traits: Traits
    name: str
    temperature: float = 0.0

    @property
    def blank_id(self) -> int:
        return cast(int, self.tokenizer.convert_tokens_to_ids(BLANK_TOKEN))

    @property
    def end_of_turn(self) -> int:
        return scaffold(self.tokenizer)[1][0]

    @property
    def _image(self) -> ImageTokens:
        config = self.network.config
        return ImageTokens(
            cast(int, config.boi_token_id), cast(int, config.image_token_id), cast(int, config.eoi_token_id)
        )

    def encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def turn(self, words: str, study: Study | None) -> list[int]:
        """The user's turn; its image placeholder is one token yet."""
        return encode_user_turn(self.tokenizer, words, study is not None)

    @torch.inference_mode()
    def write(
        self, prompt: list[int], study: Study | None, seed: int, most: int = MOST_NEW_TOKENS
    ) -> tuple[list[int], bool]:
        """What the network writes after a prompt, less the token that ends it, and whether one did."""
        inputs: dict[str, Tensor] = {}
        if study is not None:
            pixels, positions, pieces = patches(self, study.model_picture)
            prompt = with_image_tokens(prompt, pieces, self._image)
            inputs = {"pixel_values": pixels, "image_position_ids": positions}
        ids = torch.tensor([prompt], device=self.network.device)
        inputs["mm_token_type_ids"] = (ids == self._image.piece).long()
        ends = {self.blank_id, self.end_of_turn}
        drawn: dict[str, Any] = (
            {"do_sample": True, "temperature": self.temperature, "top_k": 0} if self.temperature else {}
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            written = cast(Any, self.network).generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=most,
                do_sample=drawn.pop("do_sample", False),
                eos_token_id=sorted(ends),
                suppress_tokens=self._suppressed(ends),
                **drawn,
                **inputs,
            )
        own: list[int] = written[0, len(prompt) :].tolist()
        ended = bool(own) and own[-1] in ends
        return own[:-1] if ended else own, ended

    def _suppressed(self, ends: set[int]) -> list[int]:
        """Special tokens that have no place in report text, and what the tokenizer has no text for."""
        size = self.network.config.get_text_config().vocab_size
        image = self._image
        special = {*self.tokenizer.all_special_ids, image.begin, image.piece, image.end}
        return sorted((special - ends) | set(range(len(self.tokenizer), size)))


def marked(turn: Sequence[int], line: Sequence[int], report: Sequence[int], end_of_turn: int) -> list[int]:
    """A user's turn with a report, its gaps marked by blanks, on a line of its own at its end; all token ids."""
    at = list(turn).index(end_of_turn)
    return [*turn[:at], *line, *report, *turn[at:]]


def load_sibling(
    folder: str | Path,
    temperature: float = 0.0,
    device: str | torch.device = "cpu",
    adapter: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
) -> SiblingCheckpoint:
    """Load a sibling's checkpoint, a folder or a hub id, with or without a PEFT adapter.

    Raises ModelError where it is missing, incomplete or of another architecture.
    """
    source = str(folder)
    try:
        config = AutoConfig.from_pretrained(source)
        if config.model_type != "gemma4":
            raise ModelError(f"{source} is a {config.model_type} checkpoint, not a Gemma 4 one.")
        network = Gemma4ForConditionalGeneration.from_pretrained(
            source, dtype=dtype, device_map={"": torch.device(device)}
        )
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(source)
        image_processor = Gemma4ImageProcessorPil.from_pretrained(source)
    except UNUSABLE as error:
        raise ModelError(f"{source} cannot be loaded as a Gemma 4 checkpoint: {error}") from error
    traits = traits_of(source)
    if adapter is not None:
        network, tokenizer, traits = with_adapter(network, tokenizer, traits, str(adapter), source)
    if traits.image_tokens is not None:
        image_processor.max_soft_tokens = traits.image_tokens
    network.eval().requires_grad_(False)
    return SiblingCheckpoint(network, tokenizer, image_processor, traits, shown_name(source, adapter), temperature)
