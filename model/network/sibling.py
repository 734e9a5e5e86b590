"""The autoregressive sibling: Gemma 4 at the default model's size, which writes from left to right.

It exists for comparison: the same pictures, texts and size, another way to write. A gap is filled either from what
stands before it alone, or from a prompt that holds the report with the gap marked. Its text ends with a blank. This
module knows nothing of canvases being denoised; drafts in the app are never its work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoTokenizer,
    Gemma4ForConditionalGeneration,
    Gemma4ImageProcessorPil,
    PreTrainedTokenizerBase,
)

from drafting.engine import DraftSettings
from drafting.report import Report
from drafting.study import Study, StudyFacts
from model.engine import layout as canvases
from model.network.loading import (
    BLANK_TOKEN,
    UNUSABLE,
    ImageTokens,
    ModelError,
    Traits,
    scaffold,
    shown_name,
    traits_of,
    user_turn,
    with_adapter,
)
from model.network.prefix import instruction, patches, with_image_tokens

Sides = Literal["left", "both"]

# What is asked for where the report is shown with its gap marked; the report follows on a line of its own.
FILL_IN = "Fill in what is missing:"
# What is asked for where the whole report is to be written anew; the report follows as above.
REWRITE = "Write the whole report with what is missing filled in:"
MOST_NEW_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Filling:
    """The text of one gap. `cut_off`: nothing ended it but the limit on its tokens."""

    text: str
    cut_off: bool


@dataclass(frozen=True, eq=False)
class Sibling:
    """A loaded checkpoint. `temperature`: 0 writes the likeliest token each time; above, tokens are drawn."""

    network: Gemma4ForConditionalGeneration
    tokenizer: PreTrainedTokenizerBase
    image_processor: Gemma4ImageProcessorPil
    traits: Traits
    name: str
    temperature: float = 0.0

    def fill(
        self, study: Study | None, report: Report, sides: Sides, settings: DraftSettings, indication: str = ""
    ) -> str:
        """The text of a report's one open span, written from what is left of it or from `both` sides of it.

        Of the settings the seed counts, where tokens are drawn. Raises ValueError where not one span is open.
        """
        if len(report.open_spans) != 1:
            raise ValueError(f"The report has {len(report.open_spans)} open spans; the sibling fills one.")
        (filling,) = self.fill_all(study, report, sides, settings, indication).values()
        return filling.text

    def fill_all(
        self, study: Study | None, report: Report, sides: Sides, settings: DraftSettings, indication: str = ""
    ) -> dict[str, Filling]:
        """The texts of all open spans by id, one after another; each is written with those before it in sight.

        `both`: all gaps are marked in the prompt and their texts written in order, each ended by a blank, as in
        training. `left`: locked text stands between them as it comes, and what follows a gap is not seen.
        """
        layout = canvases.lay_out(report, self._encode, self._blank, 1, canvases.chosen_width({}))
        told = instruction(study.facts if study else StudyFacts(), indication)
        if sides == "left":
            prompt = self._turn(told, study)
        else:
            turn = self._turn(f"{told} {FILL_IN}", study)
            prompt = marked(turn, self._encode("\n"), self._shown(layout), self._end_of_turn)
        line_end = "\r\n" if "\r\n" in report.text else "\n"
        fillings: dict[str, Filling] = {}
        at = 0
        for slot in layout.slots:
            if sides == "left":
                prompt = [*prompt, *layout.ids[at : slot.start]]
            at = slot.stop
            ids, ended = self._written(prompt, study, settings.seed + len(fillings))
            prompt = [*prompt, *ids, self._blank]
            pieces = [text for text, _ in canvases.decode_pieces(ids, self.tokenizer, self._blank)]
            fillings[slot.span_id] = Filling("".join(canvases.fitted(pieces, slot, line_end)), not ended)
        return fillings

    def rewrite(
        self, study: Study | None, report: Report, settings: DraftSettings, indication: str = ""
    ) -> tuple[str, bool]:
        """The whole report written anew from a prompt that shows it with its gaps marked, and whether it was cut off.

        A general chat model would be used so; the sibling was not trained to. Nothing keeps locked text as it is.
        """
        layout = canvases.lay_out(report, self._encode, self._blank, 1, canvases.chosen_width({}))
        told = instruction(study.facts if study else StudyFacts(), indication)
        turn = self._turn(f"{told} {REWRITE}", study)
        prompt = marked(turn, self._encode("\n"), self._shown(layout), self._end_of_turn)
        ids, ended = self._written(prompt, study, settings.seed, len(layout.ids) + MOST_NEW_TOKENS)
        written = "".join(text for text, _ in canvases.decode_pieces(ids, self.tokenizer, self._blank))
        return written.lstrip() if not report.text[:1].isspace() else written, not ended

    def answer(self, study: Study | None, question: str) -> str:
        """The answer to a question about a study's image."""
        told = instruction(study.facts if study else StudyFacts(), "", question)
        ids, _ = self._written(self._turn(told, study), study, seed=0)
        return "".join(text for text, _ in canvases.decode_pieces(ids, self.tokenizer, self._blank)).strip()

    def _shown(self, layout: canvases.Layout) -> list[int]:
        """The report's tokens with a blank for each open span, whatever it holds; its slots are one position wide."""
        marks = {slot.start for slot in layout.slots}
        return [self._blank if at in marks else id for at, id in enumerate(layout.ids)]

    @property
    def _blank(self) -> int:
        return cast(int, self.tokenizer.convert_tokens_to_ids(BLANK_TOKEN))

    @property
    def _end_of_turn(self) -> int:
        return scaffold(self.tokenizer)[1][0]

    @property
    def _image(self) -> ImageTokens:
        config = self.network.config
        return ImageTokens(
            cast(int, config.boi_token_id), cast(int, config.image_token_id), cast(int, config.eoi_token_id)
        )

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def _turn(self, told: str, study: Study | None) -> list[int]:
        """The user's turn; its image placeholder is one token yet."""
        text = user_turn(self.tokenizer, told, study is not None)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @torch.inference_mode()
    def _written(
        self, prompt: list[int], study: Study | None, seed: int, most: int = MOST_NEW_TOKENS
    ) -> tuple[list[int], bool]:
        """What the network writes after a prompt, less the token that ends it, and whether one did."""
        told: dict[str, Tensor] = {}
        if study is not None:
            pixels, positions, pieces = patches(self, study.model_picture)
            prompt = with_image_tokens(prompt, pieces, self._image)
            told = {"pixel_values": pixels, "image_position_ids": positions}
        ids = torch.tensor([prompt], device=self.network.device)
        told["mm_token_type_ids"] = (ids == self._image.piece).long()
        ends = {self._blank, self._end_of_turn}
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
                **told,
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
) -> Sibling:
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
    return Sibling(network, tokenizer, image_processor, traits, shown_name(source, adapter), temperature)
