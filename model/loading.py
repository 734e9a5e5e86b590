"""Loading: checkpoint + adapter + tokenizer + image processor -> `DraftingModel`.

One code path for every DiffusionGemma checkpoint, a local folder or a hub id, with or without a PEFT adapter. This
module knows nothing of reports, canvases or denoising.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from peft import PeftModel
from transformers import (
    AutoConfig,
    AutoTokenizer,
    DiffusionGemmaForBlockDiffusion,
    Gemma4ImageProcessorPil,
    PreTrainedTokenizerBase,
)

DEFAULT_MODEL = Path(__file__).parents[1] / "assets" / "default-model"
TRAITS_FILE = "drafting.json"
BLANK_TOKEN = "<blank>"


class ModelError(RuntimeError):
    """A checkpoint or adapter that cannot be used; the message is one line for the person who named it."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a checkpoint was trained with and its own configuration cannot say; kept beside it in `drafting.json`.

    Without the file the values are those of `google/diffusiongemma-26B-A4B-it`.

    `square_picture`: pictures are squeezed to a square before the image processor sees them.
    `fitted_canvas`: the canvas is as long as the report needs; else always the configuration's `canvas_length`, the rest
    padding.
    """

    square_picture: bool = False
    fitted_canvas: bool = False

    def save(self, folder: Path) -> None:
        (folder / TRAITS_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True, eq=False)
class DraftingModel:
    """A loaded checkpoint with all that drafting needs of it.

    `name`: what was loaded, as shown to people. `blank_id`: the token for 'nothing here', None for a checkpoint that
    never learned one. `before`, `after`: the scaffold tokens of the model's turn, before and after the report.
    """

    network: DiffusionGemmaForBlockDiffusion
    tokenizer: PreTrainedTokenizerBase
    image_processor: Gemma4ImageProcessorPil
    traits: Traits
    name: str
    blank_id: int | None
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def device(self) -> torch.device:
        return self.network.device

    @property
    def canvas_length(self) -> int:
        return self.network.config.canvas_length

    @property
    def vocabulary_size(self) -> int:
        return self.network.config.text_config.vocab_size

    @property
    def suppressed_ids(self) -> tuple[int, ...]:
        """Special tokens that have no place in report text: never sampled into an open position."""
        special = set(self.tokenizer.all_special_ids) | {
            self.network.config.image_token_id,
            self.network.config.boi_token_id,
            self.network.config.eoi_token_id,
        }
        return tuple(sorted(id for id in special - {self.blank_id} if 0 <= id < self.vocabulary_size))


def load(
    model: str | Path | None = None,
    adapter: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> DraftingModel:
    """Load a DiffusionGemma checkpoint for drafting.

    `model`: a folder or a hub id; None is the default model that the repository carries. `adapter`: a PEFT adapter's
    folder or hub id; it is kept unmerged, because encoder and decoder share their weights and merging would add its
    delta twice. `device`: None takes the GPU where there is one. `dtype`: None is bfloat16 on a GPU, float32 on a CPU.

    Raises ModelError where checkpoint or adapter is missing, incomplete or of another architecture.
    """
    source = str(model) if model is not None else str(DEFAULT_MODEL)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = dtype or (torch.bfloat16 if device.type == "cuda" else torch.float32)
    try:
        config = AutoConfig.from_pretrained(source)
        if config.model_type != "diffusion_gemma":
            raise ModelError(f"{source} is a {config.model_type} checkpoint, not a DiffusionGemma one.")
        tokenizer = AutoTokenizer.from_pretrained(source)
        image_processor = Gemma4ImageProcessorPil.from_pretrained(source)
        network = DiffusionGemmaForBlockDiffusion.from_pretrained(source, dtype=dtype, device_map={"": device})
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{source} cannot be loaded as a DiffusionGemma checkpoint: {_first_line(error)}") from error
    traits = _traits(source)
    name = Path(source).name if Path(source).exists() else source
    if adapter is not None:
        try:
            network = PeftModel.from_pretrained(network, str(adapter)).get_base_model()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(f"{adapter} cannot be loaded as an adapter of {source}: {_first_line(error)}") from error
        traits = _traits(str(adapter), traits)
        name = f"{name} + {Path(str(adapter)).name if Path(str(adapter)).exists() else adapter}"
    # The only expert implementation that is fast for the few tokens of a canvas on CPUs and GPUs alike.
    network.set_experts_implementation("grouped_mm")
    network.eval().requires_grad_(False)
    before, after = _scaffold(tokenizer)
    return DraftingModel(
        network=network,
        tokenizer=tokenizer,
        image_processor=image_processor,
        traits=traits,
        name=name,
        blank_id=tokenizer.get_vocab().get(BLANK_TOKEN),
        before=before,
        after=after,
    )


def user_turn(tokenizer: PreTrainedTokenizerBase, instruction: str, with_image: bool) -> str:
    """The prompt up to where the model's turn begins, by the checkpoint's own chat template."""
    return tokenizer.apply_chat_template(
        _user_message(instruction, with_image), tokenize=False, add_generation_prompt=True
    )


def _user_message(instruction: str, with_image: bool) -> list[dict[str, Any]]:
    content: list[dict[str, str]] = [{"type": "image"}] if with_image else []
    return [{"role": "user", "content": [*content, {"type": "text", "text": instruction}]}]


def _scaffold(tokenizer: PreTrainedTokenizerBase) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens that the chat template puts into the model's turn before and after its text.

    Taken from the template and not from a list of ids, because instruction-tuned checkpoints differ in it (an empty
    thought frame, for one).
    """
    marker = "REPORT"
    user = _user_message("x", with_image=False)
    answer = {"role": "assistant", "content": [{"type": "text", "text": marker}]}
    whole = tokenizer.apply_chat_template([*user, answer], tokenize=False)
    opening = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
    before, found, after = whole.rpartition(marker)
    if not found:
        raise ModelError("The checkpoint's chat template does not show the model's turn.")
    before = before.removeprefix(opening) if before.startswith(opening) else ""
    encode = lambda text: tuple(tokenizer(text, add_special_tokens=False)["input_ids"])  # noqa: E731
    # What follows the turn's end marker (a line break) belongs to the conversation, not to the turn.
    return encode(before), encode(after.strip())


def _traits(source: str, default: Traits | None = None) -> Traits:
    default = default or Traits()
    path = Path(source) / TRAITS_FILE
    if not Path(source).exists():
        try:
            path = Path(hf_hub_download(source, TRAITS_FILE))
        except (EntryNotFoundError, LocalEntryNotFoundError):
            return default
    if not path.exists():
        return default
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(values) - {field.name for field in fields(Traits)}
        if unknown:
            raise ValueError(f"unknown entries {sorted(unknown)}")
        return Traits(**(asdict(default) | values))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path} is not a description of a drafting checkpoint: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
