"""Adapters of tiny checkpoints, loaded again by the app and by PEFT alone, and blanks that are taught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import DiffusionGemmaForBlockDiffusion, Gemma4ForConditionalGeneration

from drafting.engine import DraftSettings
from model.engine.local import LocalEngine
from model.evaluation.sibling import load_sibling
from model.network.loading import DraftingModel, load, write_checksums
from model.network.tokens import BLANK, BLANK_TOKEN
from model.training.lora.lessons import Lesson
from model.training.lora.recipe import TrainingError
from model.training.lora.student import with_blank_token
from model.training.small.fresh import (
    fresh_model,
    fresh_sibling,
    fresh_tokenizer,
    save_checkpoint,
)
from tests.model.conftest import TEXTS, TINY
from tests.model.lora import (
    FAMILIES,
    draft,
    run,
    student_of,
    study_of,
    tiny_recipe,
)


def test_the_app_and_peft_load_the_same_adapter_and_the_draft_changes(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    source = checkpoints["diffusion"]
    run(source, tiny_recipe(steps=8, adapts=["encoder", "decoder", "vision"]), lessons, tmp_path)
    ours = load(source, tmp_path / "adapter", device="cpu")
    base = DiffusionGemmaForBlockDiffusion.from_pretrained(source, dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    asked = {"input_ids": torch.arange(20, 60)[None], "decoder_input_ids": torch.arange(50, 100)[None]}
    with torch.no_grad():
        tuned, plain = ours.network(**asked).logits, load(source, device="cpu").network(**asked).logits
        assert torch.allclose(tuned, theirs(**asked).logits, atol=1e-4)
    assert not torch.allclose(tuned, plain, atol=0.1)

    report, with_adapter = draft(ours, lessons[0])
    _, without = draft(load(source, device="cpu"), lessons[0])
    for drafted in (with_adapter, without):
        kept = [span.text for span in drafted.spans if span.locked]
        assert kept == [span.text for span in report.spans if span.locked]
    assert with_adapter.text != without.text


def test_what_was_learned_by_heart_is_answered(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    """Train, save, reload in the app, ask: the loop from end to end."""
    source, lesson = checkpoints["diffusion"], replace(lessons[2], text="The")
    run(source, tiny_recipe(rank=16, alpha=32, steps=40, warm_up=5), [lesson], tmp_path)
    told = [answer(load(source, adapter, device="cpu"), lesson) for adapter in (tmp_path / "adapter", None)]
    assert told[0] == "The"
    assert told[1] != "The"


def answer(model: DraftingModel, lesson: Lesson) -> str:
    frames = LocalEngine(model).answer(study_of(lesson), lesson.question, DraftSettings())
    while True:
        try:
            next(frames)
        except StopIteration as stop:
            return "".join(stop.value.texts.values())


def test_the_siblings_adapter_is_loaded_by_the_app_and_by_peft(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    source = checkpoints["autoregressive"]
    run(source, tiny_recipe(steps=8, adapts=["decoder", "vision"]), lessons, tmp_path)
    ours = load_sibling(source, adapter=tmp_path / "adapter")
    base = Gemma4ForConditionalGeneration.from_pretrained(source, dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    tokens = torch.arange(20, 60)[None]
    with torch.no_grad():
        tuned = ours.network(input_ids=tokens).logits
        assert torch.allclose(tuned, theirs(input_ids=tokens).logits, atol=1e-4)
        assert not torch.allclose(tuned, load_sibling(source).network(input_ids=tokens).logits, atol=0.1)
    assert ours.name == "autoregressive + adapter"


# Blanks that are taught


@pytest.fixture(scope="module")
def blankless(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both families' checkpoints whose tokenizer has an unused token in the blank's place, and no row to spare."""
    folder = tmp_path_factory.mktemp("blankless")
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    for family, fresh in zip(FAMILIES, (fresh_model, fresh_sibling), strict=True):
        network = fresh(TINY, len(tokenizer))
        with torch.no_grad():
            network.get_input_embeddings().weight.mul_(8)
        save_checkpoint(network, tokenizer, folder / family)
        for path in (folder / family).glob("tokenizer*.json"):
            text = path.read_text(encoding="utf-8").replace('"<blank>"', '"<unused7>"')
            path.write_text(text, encoding="utf-8")
        write_checksums(folder / family)
    return {family: folder / family for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_blank_is_taught_saved_and_loaded(
    family: str, blankless: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    source = blankless[family]
    plain = student_of(source, tiny_recipe())
    assert plain.blank_id is None
    recipe = tiny_recipe(steps=6, teach_blanks=True, saved_every=2, image_tokens=140)
    run(source, recipe, lessons, tmp_path / "whole")
    row = load_file(tmp_path / "whole" / "adapter" / "blank.safetensors")["blank"]
    before = student_of(source, recipe).embedding.detach()
    assert torch.equal(before[BLANK], before[plain.after[0]])
    assert not torch.allclose(row, before[BLANK], atol=1e-3)
    # Of the embedding the blank's row alone has changed.
    if family == "diffusion":
        loaded = load(source, tmp_path / "whole" / "adapter", device="cpu")
        assert loaded.blank_id == BLANK
        network, tokenizer, processor = loaded.network, loaded.tokenizer, loaded.image_processor
        report, drafted = draft(loaded, lessons[0])
        assert [s.text for s in drafted.spans if s.locked] == [s.text for s in report.spans if s.locked]
    else:
        sibling = load_sibling(source, adapter=tmp_path / "whole" / "adapter")
        network, tokenizer, processor = sibling.network, sibling.tokenizer, sibling.image_processor
    embedding = network.get_input_embeddings().weight
    assert torch.equal(embedding[BLANK], row)
    others = torch.arange(len(embedding)) != BLANK
    assert torch.equal(embedding[others], plain.embedding[others])
    assert tokenizer.convert_tokens_to_ids(BLANK_TOKEN) == BLANK
    assert processor.max_soft_tokens == 140
    # And it is gone on from as everything else is.
    run(source, recipe, lessons, tmp_path / "cut", stop_after=3)
    run(source, recipe, lessons, tmp_path / "cut")
    again = load_file(tmp_path / "cut" / "adapter" / "blank.safetensors")["blank"]
    assert torch.equal(again, row)


def test_the_blank_takes_a_row_that_nothing_uses(checkpoints: dict[str, Path], blankless: dict[str, Path]) -> None:
    tokenizer = student_of(blankless["diffusion"], tiny_recipe()).tokenizer
    size = len(tokenizer)
    for rows, id in ((size, BLANK), (size + 3, size)):
        taught = with_blank_token(tokenizer, rows, "it")
        assert taught.convert_tokens_to_ids(BLANK_TOKEN) == id
        assert taught("a<blank>b", add_special_tokens=False)["input_ids"].count(id) == 1
        assert taught("The heart", add_special_tokens=False) == tokenizer("The heart", add_special_tokens=False)
        assert BLANK_TOKEN not in tokenizer.get_vocab()
    known = student_of(checkpoints["diffusion"], tiny_recipe()).tokenizer
    full = fresh_tokenizer(TEXTS, TINY.vocabulary)
    assert len(known) == len(full)
    with pytest.raises(TrainingError, match="No row of the embedding of it is free for a blank"):
        with_blank_token(full, len(full), "it")


# The command
