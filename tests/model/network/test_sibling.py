"""The autoregressive sibling: same size, its sequences, its static forward, and what it fills in and answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from drafting.engine import DraftSettings
from drafting.report import merge_draft, parse_markup
from drafting.study import Study, StudyFacts
from model.evaluation.sibling import Sibling, load_sibling
from model.network.loading import ModelError, user_turn
from model.network.prefix import instruction
from model.network.sibling import FILL_IN
from model.network.tokens import BLANK, END_TURN, IMAGE
from model.synthetic.cases import sample_case
from model.training.small.batches import learn_tokenizer
from model.training.small.fresh import (
    Shape,
    fresh_model,
    fresh_sibling,
    fresh_tokenizer,
    save_checkpoint,
)
from model.training.small.sibling import QUESTION_LENGTH, REPORT_LENGTH, NextToken, read, sequence
from model.training.small.step import see, to_patches
from model.training.small.tasks import Task, Words, question_task, report_task
from tests.model.conftest import TEXTS, TINY


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sibling") / "tiny-sibling"
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    save_checkpoint(fresh_sibling(TINY, len(tokenizer)), tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def sibling(folder: Path) -> Sibling:
    return load_sibling(folder)


@pytest.fixture(scope="module")
def study() -> Study:
    picture = np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)
    return Study(pictures=(), model_picture=picture, facts=StudyFacts(age=60, sex="F", view="PA"))


def weights(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("shape", [Shape(), TINY])
def test_the_sibling_is_of_the_same_size_less_the_self_conditioning(shape: Shape) -> None:
    diffusion, sibling = fresh_model(shape, 1000), fresh_sibling(shape, 1000)
    assert weights(sibling) == weights(diffusion) - weights(diffusion.model.decoder.self_conditioning)
    assert sibling.config.text_config.final_logit_softcapping == diffusion.final_logit_softcapping


@torch.no_grad()
@pytest.mark.parametrize("sees", [True, False])
def test_the_static_forward_equals_the_librarys(sibling: Sibling, sees: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(2, 1, 384, 384, generator=generator)
    tokens = torch.randint(9, 200, (2, 90), generator=generator)
    if sees:
        tokens[:, 3:67] = IMAGE
    network = sibling.network
    ours = read(network, see(network.model.vision_tower, images), tokens)
    pixels, positions = to_patches(images)
    theirs = network(
        input_ids=tokens,
        attention_mask=torch.ones_like(tokens),
        pixel_values=pixels if sees else None,
        image_position_ids=positions if sees else None,
        mm_token_type_ids=(tokens == IMAGE).long(),
    ).logits
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert not torch.allclose(ours[0], ours[1], atol=1e-2)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return learn_tokenizer(2048, 1500, 0, ())


@pytest.fixture(scope="module")
def words(tokenizer: PreTrainedTokenizerFast) -> Words:
    return Words(tokenizer)


def gaps_task(markup: str, sees: bool = True) -> Task:
    return Task(StudyFacts(age=50), "", "", sees, parse_markup(markup))


MARKUP = "FINDINGS: The heart is [[normal in size]]. [[No pleural effusion is seen.]] IMPRESSION: No acute disease."


def test_in_natural_order_a_gap_follows_what_is_left_of_it(words: Words, tokenizer: PreTrainedTokenizerFast) -> None:
    made = sequence(gaps_task(MARKUP), words, REPORT_LENGTH, show=False)
    assert made is not None
    ids, wanted = made
    turn = words.turn(instruction(StudyFacts(age=50), ""), sees=True)
    assert ids[: len(turn)] == turn
    assert tokenizer.decode(ids[len(turn) :]) == (
        "FINDINGS: The heart is normal in size<blank>. No pleural effusion is seen.<blank>"
    )
    own = [id for id, counted in zip(ids, wanted, strict=True) if counted]
    assert tokenizer.decode(own) == " normal in size<blank> No pleural effusion is seen.<blank>"


def test_shown_on_both_sides_the_report_is_asked_with_its_gaps_marked(
    words: Words, tokenizer: PreTrainedTokenizerFast
) -> None:
    made = sequence(gaps_task(MARKUP), words, REPORT_LENGTH, show=True)
    assert made is not None
    ids, wanted = made
    first = wanted.index(True)
    assert all(wanted[first:])
    assert tokenizer.decode(ids[first:]) == " normal in size<blank> No pleural effusion is seen.<blank>"
    asked = tokenizer.decode(ids[:first])
    assert f"{FILL_IN}\nFINDINGS: The heart is<blank>.<blank> IMPRESSION: No acute disease.<turn|>" in asked
    assert ids[first - 1] == words.turn("x", sees=True)[-1]


def test_both_kinds_want_the_tokens_of_the_open_spans_and_no_others(words: Words) -> None:
    for seed in range(150):
        random = Random(seed)
        task = report_task(sample_case(random), True, random)
        shown, natural = (sequence(task, words, 600, show) for show in (True, False))
        assert shown is not None
        assert natural is not None
        of_shown, of_natural = ([id for id, counted in zip(*made, strict=True) if counted] for made in (shown, natural))
        assert of_shown == of_natural
        assert of_shown.count(BLANK) == len(task.report.open_spans)


def test_an_answer_follows_its_question(words: Words, tokenizer: PreTrainedTokenizerFast) -> None:
    task = question_task(StudyFacts(), "", ("Is there a pneumothorax?", "No."), sees=False)
    made = sequence(task, words, QUESTION_LENGTH, show=False)
    assert made is not None
    ids, wanted = made
    assert tokenizer.decode([id for id, counted in zip(ids, wanted, strict=True) if counted]) == "No.<blank>"
    assert IMAGE not in ids
    assert sequence(task, words, 10, show=False) is None


def test_the_loss_reaches_the_vision_tower_and_counts_wanted_tokens_alone(words: Words) -> None:
    network = fresh_sibling(TINY, 2048)
    objective = NextToken(network)
    tasks = [report_task(sample_case(Random(seed)), True, Random(seed)) for seed in (1, 2)]
    reports = objective.lay_report(tasks, words, Random(0))
    question = question_task(StudyFacts(), "", ("Is there a pneumothorax?", "No."), sees=True)
    questions = objective.lay_question([question], words, Random(0))
    assert reports is not None
    assert questions is not None
    on_device = [{k: torch.from_numpy(v)[None] for k, v in group.items()} for group in (reports, questions)]
    features = see(objective.tower, torch.rand(1, 1, 384, 384))
    loss, question_loss, right = objective.losses(features, *on_device)
    (loss + question_loss).backward()
    assert 0 <= right <= 1
    assert network.model.vision_tower.patch_embedder.input_proj.weight.grad.abs().sum() > 0
    with torch.no_grad():
        tokens, wanted = on_device[1]["tokens"][:, 0].long(), on_device[1]["wanted"][:, 0]
        places = wanted[0].nonzero().squeeze(-1)
        logits = read(network, features, tokens)[0].log_softmax(-1)
        expected = -sum(logits[place - 1, tokens[0, place]] for place in places) / len(places)
    assert torch.isclose(question_loss, expected, atol=1e-4)


@pytest.mark.parametrize("sides", ["left", "both"])
def test_a_gap_is_filled_and_the_rest_of_the_report_is_left_alone(sibling: Sibling, study: Study, sides: str) -> None:
    report = parse_markup("FINDINGS:\nThe heart [[]] The lungs are clear. <blank>")
    text = sibling.fill(study, report, sides, DraftSettings())  # type: ignore[arg-type]
    (open_span,) = report.open_spans
    assert merge_draft(report, {open_span.id: text}).locked_text == report.locked_text
    assert text == sibling.fill(study, report, sides, DraftSettings(seed=9))  # type: ignore[arg-type]
    assert "<" not in text


def test_what_it_is_told_is_what_it_was_trained_on(
    sibling: Sibling, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[list[int]] = []
    generate = sibling.network.generate

    def kept(**told: torch.Tensor) -> torch.Tensor:
        prompts.append(told["input_ids"][0].tolist())
        return generate(**told)

    monkeypatch.setattr(sibling.network, "generate", kept)
    markup = "FINDINGS: The heart [[is normal in size.]] The lungs are clear."
    own = Words(sibling.tokenizer)  # type: ignore[arg-type]
    for sides, show in (("left", False), ("both", True)):
        sibling.fill(study, parse_markup(markup), sides, DraftSettings(), "Cough")  # type: ignore[arg-type]
        made = sequence(Task(study.facts, "Cough", "", True, parse_markup(markup)), own, 2000, show)
        assert made is not None
        ids, wanted = made
        assert prompts[-1] == ids[: wanted.index(True)]
    sibling.answer(study, "Is there air?")
    made = sequence(question_task(study.facts, "", ("Is there air?", "No."), True), own, 2000, False)
    assert made is not None
    assert prompts[-1] == made[0][: made[1].index(True)]


def test_a_seed_draws_the_same_tokens_again_and_another_draws_others(folder: Path, study: Study) -> None:
    drawing = load_sibling(folder, temperature=1.0)
    report = parse_markup("The heart [[]]. The lungs are clear.")
    texts = [drawing.fill(study, report, "left", DraftSettings(seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_the_image_and_the_question_reach_the_answer(folder: Path, study: Study) -> None:
    drawing = load_sibling(folder, temperature=1.0)
    white = replace(study, model_picture=np.full((90, 70), 255, dtype=np.uint8))
    answers = {drawing.answer(seen, asked) for seen in (study, white, None) for asked in ("Is there air?", "Why?")}
    assert len(answers) > 3


def test_other_reports_and_checkpoints_are_refused(sibling: Sibling, tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 open spans"):
        sibling.fill(None, parse_markup("[[]] and [[]]"), "left", DraftSettings())
    with pytest.raises(ModelError, match="diffusion_gemma"):
        load_sibling(tiny_checkpoint)
    with pytest.raises(ModelError):
        load_sibling(tmp_path)


def test_the_users_turn_ends_where_the_marked_report_is_put(tokenizer: PreTrainedTokenizerFast) -> None:
    turn = user_turn(tokenizer, "x", with_image=False)
    ids = tokenizer(turn, add_special_tokens=False)["input_ids"]
    assert ids.count(END_TURN) == 1
