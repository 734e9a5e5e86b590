"""Loading: checkpoint + adapter + tokenizer + image processor -> `DraftingModel`.

One code path for every DiffusionGemma checkpoint, a local folder or a hub id, with or without a PEFT adapter. This
module knows nothing of reports, canvases or denoising.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, StrictDataclassError
from jinja2 import TemplateError
from peft import PeftModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoTokenizer,
    DiffusionGemmaForBlockDiffusion,
    DiffusionGemmaTextConfig,
    Gemma4ImageProcessorPil,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from drafting.assets import asset
from model.network.experts import experts_implementation, quantise_experts
from model.network.tokens import BLANK_TOKEN

Result = TypeVar("Result")
Network = TypeVar("Network", bound=PreTrainedModel)

# What stands in a chat template for the text that belongs there.
_MARKER = "REPORT"
DEFAULT_MODEL = asset("default-model")
TRAITS_FILE = "drafting.json"
CHECKSUMS = "SHA256SUMS"
# Weights, configuration and tokenizer: every file of a checkpoint that loading reads.
CHECKED = ("*.safetensors", "*.json", "*.jinja")
BLANK_FILE = "blank.safetensors"


# What the libraries raise for files that are missing, cut short, not what their names say, or at odds with each other.
UNUSABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError, TemplateError)


class ModelError(Exception):
    """A checkpoint or adapter that cannot be used; the message is one line for the person who named it."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a checkpoint was trained with and its own configuration cannot say; kept beside it in `drafting.json`.

    Without the file the values are those of `google/diffusiongemma-26B-A4B-it`.

    `square_picture`: pictures are squeezed to a square before the image processor sees them.
    `fitted_canvas`: the canvas is as long as the report needs; else always the configuration's `canvas_length`, the
    rest padding.
    `image_tokens`: how many a picture has at most; None is what the image processor says. `taught_blank`: the row of
    the embedding that an adapter has taught to be a blank, see `teach_blank`. `heeds_hints`: hints of gaps are told it;
    to weights that never met one they are noise, and what they write gets worse.
    """

    square_picture: bool = False
    fitted_canvas: bool = False
    image_tokens: int | None = None
    taught_blank: int | None = None
    heeds_hints: bool = True

    def save(self, folder: Path) -> None:
        (folder / TRAITS_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class ImageTokens:
    """The ids of the tokens that begin an image in a prompt, stand for each piece of it, and end it."""

    begin: int
    piece: int
    end: int


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
        return cast(int, self.network.config.canvas_length)

    @property
    def vocabulary_size(self) -> int:
        return text_config(self.network).vocab_size

    @property
    def suppressed_ids(self) -> tuple[int, ...]:
        """Special tokens that have no place in report text: never sampled into an open position."""
        image = image_tokens(self.network)
        special = {*self.tokenizer.all_special_ids, image.begin, image.piece, image.end}
        return tuple(sorted(id for id in special - {self.blank_id} if 0 <= id < self.vocabulary_size))


def load(
    model: str | Path | None = None,
    adapter: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    bits: int = 16,
) -> DraftingModel:
    """Load a DiffusionGemma checkpoint for drafting.

    `model`: a folder or a hub id; None is the default model that the repository carries. `adapter`: a PEFT adapter's
    folder or hub id; it is kept unmerged, because encoder and decoder share their weights and merging would add its
    delta twice. `device`: None takes the GPU where there is one. `dtype`: None is bfloat16 on a GPU, float32 on a CPU.
    `bits`: 8 or 4 leave the experts' weights, nine tenths of the published checkpoint, in so many bits; for GPUs alone.

    Raises ModelError where checkpoint or adapter is missing, incomplete or of another architecture.
    """
    return in_a_thread_that_ends(lambda: _load(model, adapter, device, dtype, bits))


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 sums of a checkpoint's files into its folder, as `sha256sum` does (FIPS 180-4)."""
    paths = sorted(path for pattern in CHECKED for path in folder.glob(pattern))
    lines = [f"{_sha256(path)}  {path.name}\n" for path in paths]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="ascii")


def verify_checksums(folder: Path) -> None:
    """Raise ModelError where a file differs from its checksum, or weights have none.

    A folder without checksums is accepted: most published checkpoints have none.
    """
    if not (folder / CHECKSUMS).is_file():
        return
    expected: dict[str, str] = {}
    for line in (folder / CHECKSUMS).read_text(encoding="ascii").splitlines():
        digest, name = line.split("  ", 1)
        expected[name] = digest
    for path in sorted({*folder.glob("*.safetensors"), *(folder / name for name in expected)}):
        if not path.is_file() or expected.get(path.name) != _sha256(path):
            raise ModelError(f"{path} is missing or damaged: it does not match {CHECKSUMS}.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def in_a_thread_that_ends(work: Callable[[], Result]) -> Result:
    """Do `work` with torch before drafts begin; returns or raises what it does.

    A thread that computes gets workers of OpenMP, which stay as long as it does. With more workers than cores, libgomp
    sends them to sleep between operations, and the steps of the engine's own thread take twice as long.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def _load(
    model: str | Path | None,
    adapter: str | Path | None,
    device: str | torch.device | None,
    dtype: torch.dtype | None,
    bits: int,
) -> DraftingModel:
    source = str(model) if model is not None else str(DEFAULT_MODEL)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = dtype or (torch.bfloat16 if device.type == "cuda" else torch.float32)
    if bits not in (4, 8, 16):
        raise ModelError(f"Experts can be stored in 16, 8 or 4 bits, not in {bits}.")
    if bits < 16 and experts_implementation(device, dtype) == "grouped_mm":
        raise ModelError(f"Experts in {bits} bits need an NVIDIA GPU and Triton.")
    # What is to be made smaller must first fit somewhere.
    first = torch.device("cpu") if bits < 16 else device
    try:
        verify_checksums(Path(source))
        config = AutoConfig.from_pretrained(source)
        if config.model_type != "diffusion_gemma":
            raise ModelError(f"{source} is a {config.model_type} checkpoint, not a DiffusionGemma one.")
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(source)
        before, after = scaffold(tokenizer)
        image_processor = Gemma4ImageProcessorPil.from_pretrained(source)
        # What is downloaded may take an hour and shows it.
        with _without_progress_bars() if Path(source).exists() else nullcontext():
            network = DiffusionGemmaForBlockDiffusion.from_pretrained(source, dtype=dtype, device_map={"": first})
    except UNUSABLE as error:
        raise ModelError(f"{source} cannot be loaded as a DiffusionGemma checkpoint: {_first_line(error)}") from error
    if bits < 16:
        quantise_experts(network, bits, device)
        cast(torch.nn.Module, network).to(device)
    traits = traits_of(source)
    if adapter is not None:
        network, tokenizer, traits = with_adapter(network, tokenizer, traits, str(adapter), source)
    if traits.image_tokens is not None:
        image_processor.max_soft_tokens = traits.image_tokens
    network.set_experts_implementation(experts_implementation(device, dtype))
    network.eval().requires_grad_(False)
    return DraftingModel(
        network=network,
        tokenizer=tokenizer,
        image_processor=image_processor,
        traits=traits,
        name=shown_name(source, adapter),
        blank_id=tokenizer.get_vocab().get(BLANK_TOKEN),
        before=before,
        after=after,
    )


def with_adapter(
    network: Network, tokenizer: PreTrainedTokenizerBase, traits: Traits, adapter: str, source: str
) -> tuple[Network, PreTrainedTokenizerBase, Traits]:
    """A network with a PEFT adapter, unmerged, and the tokenizer and traits that belong to it.

    Raises ModelError where the adapter is missing, incomplete or another checkpoint's than `source`.
    """
    try:
        tuned = PeftModel.from_pretrained(network, adapter)
        traits = traits_of(adapter, traits)
        if traits.taught_blank is not None:
            tokenizer = AutoTokenizer.from_pretrained(adapter)
            _teach(network, _beside(adapter, BLANK_FILE), traits.taught_blank)
    except UNUSABLE as error:
        raise ModelError(f"{adapter} cannot be loaded as an adapter of {source}: {_first_line(error)}") from error
    return cast(Network, tuned.get_base_model()), tokenizer, traits


def _teach(network: PreTrainedModel, path: Path | None, row: int) -> None:
    if path is None:
        raise ValueError(f"it was trained with a blank token but has no {BLANK_FILE}")
    teach_blank(network, row, load_file(path)["blank"])


@torch.no_grad()
def teach_blank(network: PreTrainedModel, row: int, embedding: Tensor) -> None:
    """Put a blank's embedding (hidden,) into its row of the embedding, which input and output share."""
    weight = cast(Tensor, network.get_input_embeddings().weight)
    weight[row] = embedding.to(weight)


def user_turn(tokenizer: PreTrainedTokenizerBase, instruction: str, with_image: bool) -> str:
    """The prompt up to where the model's turn begins, by the checkpoint's own chat template."""
    return _conversation(tokenizer, _user_message(instruction, with_image), opened=True)


def encode_user_turn(tokenizer: PreTrainedTokenizerBase, instruction: str, with_image: bool) -> list[int]:
    """The token ids of `user_turn`. What the instruction spells is text, a special token's name too."""
    before, _, after = user_turn(tokenizer, _MARKER, with_image).partition(_MARKER)

    def spell(text: str, as_text: bool) -> list[int]:
        return tokenizer(text, add_special_tokens=False, split_special_tokens=as_text)["input_ids"]

    return [*spell(before, False), *spell(instruction, True), *spell(after, False)]


def text_config(network: DiffusionGemmaForBlockDiffusion) -> DiffusionGemmaTextConfig:
    """The part of a checkpoint's configuration that describes its layers and vocabulary."""
    # Optional in the library's types alone: the configuration fills it in.
    return cast(DiffusionGemmaTextConfig, network.config.text_config)


def layer_kinds(network: DiffusionGemmaForBlockDiffusion) -> list[str]:
    """How each layer attends: 'sliding_attention' or 'full_attention'."""
    # Optional in the library's types alone, as above.
    return cast(list[str], text_config(network).layer_types)


def image_tokens(network: DiffusionGemmaForBlockDiffusion) -> ImageTokens:
    """The image tokens of a checkpoint. Raises ModelError where its configuration names none."""
    config = network.config
    begin, piece, end = config.boi_token_id, config.image_token_id, config.eoi_token_id
    if begin is None or piece is None or end is None:
        raise ModelError("The checkpoint's configuration lacks the image tokens.")
    return ImageTokens(begin, piece, end)


def _conversation(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, Any]], opened: bool) -> str:
    """Messages by the checkpoint's chat template; `opened`: up to where the model's turn begins."""
    return cast(str, tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opened))


def _user_message(instruction: str, with_image: bool) -> list[dict[str, Any]]:
    content: list[dict[str, str]] = [{"type": "image"}] if with_image else []
    return [{"role": "user", "content": [*content, {"type": "text", "text": instruction}]}]


def scaffold(tokenizer: PreTrainedTokenizerBase) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens that the chat template puts into the model's turn before and after its text.

    Taken from the template and not from a list of ids, because instruction-tuned checkpoints differ in it (an empty
    thought frame, for one).
    """
    user = _user_message("x", with_image=False)
    answer = {"role": "assistant", "content": [{"type": "text", "text": _MARKER}]}
    whole = _conversation(tokenizer, [*user, answer], opened=False)
    opening = _conversation(tokenizer, user, opened=True)
    before, found, after = whole.rpartition(_MARKER)
    if not found:
        raise ModelError("The checkpoint's chat template does not show the model's turn.")
    before = before.removeprefix(opening) if before.startswith(opening) else ""
    encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    # Without its files the library makes an empty tokenizer, which can spell nothing.
    if _MARKER not in str(tokenizer.decode(encode(_MARKER))):
        raise ModelError("The checkpoint has no tokenizer.")
    # What follows the turn's end marker (a line break) belongs to the conversation, not to the turn.
    return tuple(encode(before)), tuple(encode(after.strip()))


def _beside(source: str, name: str) -> Path | None:
    """A file of a folder or hub id; None where there is none."""
    if Path(source).exists():
        return Path(source) / name if (Path(source) / name).exists() else None
    try:
        return Path(hf_hub_download(source, name))
    except (EntryNotFoundError, LocalEntryNotFoundError):
        return None


def shown_name(source: str, adapter: str | Path | None) -> str:
    """What a checkpoint is called on screen and in results, with its adapter: a folder's own name, or a hub id."""
    given = [source] if adapter is None else [source, str(adapter)]
    return " + ".join(Path(one).name if Path(one).exists() else one for one in given)


def traits_of(source: str, default: Traits | None = None) -> Traits:
    """The traits of a checkpoint or adapter, `default` where it tells none. Raises ModelError for a broken file."""
    default = default or Traits()
    path = _beside(source, TRAITS_FILE)
    if path is None:
        return default
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(values) - {field.name for field in fields(Traits)}
        if unknown:
            raise ValueError(f"unknown entries {sorted(unknown)}")
        return Traits(**(asdict(default) | values))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path} is not a description of a drafting checkpoint: {_first_line(error)}") from error


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """Keep the library's progress bars off standard error, which belongs to the program that loads."""
    if not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
