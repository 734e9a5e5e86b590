"""`evaluate vqa --questions`: a set's questions answered, controlled, judged, compared, and gone on with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from transformers import DiffusionGemmaForBlockDiffusion, Gemma4ForConditionalGeneration

from drafting.engine import DraftSettings
from drafting.study import Study
from model.__main__ import main
from model.evaluation.judge.endpoint import EndpointError, Message
from model.evaluation.judge.verdict import Answered, Verdict
from model.evaluation.publish.card import table_blocks
from model.evaluation.record import EvaluationError, Row
from model.evaluation.reports.studies import MID_GREY
from model.evaluation.statistics import Estimate
from model.evaluation.vqa.answers import Contender, answer_all, answers_kept
from model.evaluation.vqa.questions import (
    BLANK,
    CONTROLS,
    OTHER,
    OWN,
    Asking,
    VqaSettings,
    chosen_group,
    picture_of,
)
from model.evaluation.vqa.scores import group_rows
from model.sets.questions import load_questions
from model.training.lora.lessons import question_lessons
from model.training.lora.recipe import load_recipe
from model.training.small.fresh import fresh_sibling, fresh_tokenizer, save_checkpoint
from tests.model.conftest import TEXTS, TINY

IMAGES = 6


def write_set(folder: Path, part: str = "test", images: int = IMAGES) -> Path:
    """A set in VQA-RAD's form: of each image one closed and one open question. Each image is grey of its own."""
    (folder / "images").mkdir(parents=True)
    entries = []
    for number in range(images):
        Image.new("L", (8, 8), number * 10).save(folder / "images" / f"i{number}.png")
        for kind, question, answer in (
            ("PRES", "Is it large?", "yes"),
            ("POS", "Wo ist es, für wahr?", f"place {number}"),
        ):
            entry = {"qid": len(entries), "image_name": f"i{number}.png", "question": question, "answer": answer}
            entries.append(entry | {"answer_type": "CLOSED" if answer == "yes" else "OPEN", "question_type": kind})
    (folder / f"{part}set.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


def seen_in(study: Study) -> int:
    return int(study.model_picture[0, 0])


class Model:
    """Reads the place off the image's grey; says yes unless the image is blank. Counts what it is asked."""

    def __init__(self, label: str = "", right: bool = True, fails_after: int = 1000) -> None:
        self.asked: list[tuple[int, str, int]] = []
        self._right, self._fails_after = right, fails_after
        self.contender = Contender(label, {"weights_sha256": label}, lambda together: (self.answer, together))

    def answer(self, study: Study, question: str, settings: DraftSettings) -> str:
        if len(self.asked) >= self._fails_after:
            raise KeyboardInterrupt
        self.asked.append((seen_in(study), question, settings.seed))
        grey = seen_in(study)
        if question == "Is it large?":
            return "Yes." if grey != MID_GREY and self._right else "No."
        return f"Place {grey // 10}." if self._right else "Nowhere."


def test_every_question_is_asked_of_its_own_image_a_blank_one_and_anothers(questions: Path) -> None:
    settings = VqaSettings(blank=4)
    group = chosen_group(questions, settings)
    images, asked = group.images, group.asked
    assert images == "vqa_rad, test"
    model = Model()
    said = answer_all([group], [model.contender], settings, None)
    assert [len(said["", control]) for control in CONTROLS] == [12, 8, 8]
    own = {int(each.picture.stem[1:]) for each in asked}
    assert own == set(range(IMAGES))
    assert all(each.other != each.picture for each in asked if each.among)
    assert {grey for grey, _, _ in model.asked[12:20]} == {MID_GREY}
    # A question keeps its seed in every control.
    assert [seed for _, _, seed in model.asked[:8]] == [seed for _, _, seed in model.asked[12:20]]
    rows = {(row.subject, row.measure): row.estimate for row in group_rows(group, [""], said, None)}
    assert rows[OWN, "closed, exact match"].value == rows[OWN, "open, token F1"].value == 1.0
    assert rows[BLANK, "closed, exact match"].value == 0.0
    assert rows[OTHER, "closed, exact match"].value == 1.0
    assert rows[OTHER, "open, exact match"].value == 0.0
    assert rows[OTHER, "open, token F1"].value == 0.5
    assert rows["its own image less blank image", "closed, exact match: difference"].value == 1.0
    assert rows["its own image less blank image", "closed, exact match: McNemar, p"].value == 2 / 2**4


def test_two_models_are_compared_on_the_same_questions(questions: Path) -> None:
    settings = VqaSettings(blank=0)
    group = chosen_group(questions, settings)
    images = group.images
    said = answer_all([group], [Model().contender, Model("poor", right=False).contender], settings, None)
    rows = {(row.images, row.subject, row.measure): row.estimate for row in group_rows(group, ["", "poor"], said, None)}
    compared = "first model less poor"
    assert rows[images, compared, "all, exact match: the first alone"].value == 12
    assert rows[images, compared, "all, exact match: the second alone"].value == 0
    assert rows[images, compared, "all, exact match: McNemar, p"].value == pytest.approx(2 / 2**12, rel=1e-3)
    assert rows[images, compared, "open, token F1: difference"].value == 1.0
    assert rows[images, compared, "open, token F1: paired bootstrap, p"].value == pytest.approx(2 / 2001, rel=1e-3)
    assert (images, compared, "open, token F1: McNemar, p") not in rows
    assert rows[f"{images}, POS", f"{OWN}, poor", "exact match"].value == 0.0
    assert rows[f"{images}, PRES", OWN, "exact match"].count == IMAGES


def test_a_verdict_that_is_lacking_counts_neither_way_and_is_told(questions: Path) -> None:
    settings = VqaSettings(blank=0)
    group = chosen_group(questions, settings)
    images, asked = group.images, group.asked
    said = answer_all([group], [Model().contender], settings, None)
    verdicts = {}
    for number, each in enumerate(asked):
        answered = Answered(each.question.question, each.question.answer, said["", OWN][each.question.id])
        verdicts[answered] = Verdict(None if number == 1 else True, "judge")
    rows = {row.measure: row.estimate for row in group_rows(group, [""], said, verdicts) if row.images == images}
    lacking = "closed" if asked[1].question.closed else "open"
    assert rows[f"{lacking}, right by the judge"].value == 1.0
    without = sum(verdicts[one].right is None for one in verdicts)
    assert without == 1
    assert rows[f"{lacking}, right by the judge, at least"].value < 1.0
    assert rows[f"{lacking}, right by the judge, at most"].value == 1.0
    assert rows["of these without a verdict"].value > 0


def test_what_was_answered_is_not_answered_again(questions: Path, tmp_path: Path) -> None:
    settings = VqaSettings(blank=2)
    group = chosen_group(questions, settings)
    path = tmp_path / "answers.jsonl"
    stopped, again, whole = Model(fails_after=7), Model(), Model()
    with pytest.raises(KeyboardInterrupt), answers_kept(path, [group], [stopped.contender], settings) as kept:
        answer_all([group], [stopped.contender], settings, kept)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1 + 7
    with answers_kept(path, [group], [again.contender], settings) as kept:
        said = answer_all([group], [again.contender], settings, kept)
    assert said == answer_all([group], [whole.contender], settings, None)
    assert stopped.asked + again.asked == whole.asked
    third = Model(fails_after=0)
    with answers_kept(path, [group], [third.contender], settings) as kept:
        assert answer_all([group], [third.contender], settings, kept) == said


def test_a_file_of_answers_of_other_weights_or_images_is_refused(questions: Path, tmp_path: Path) -> None:
    settings = VqaSettings(blank=2)
    group = chosen_group(questions, settings)
    path = tmp_path / "answers.jsonl"
    with answers_kept(path, [group], [Model().contender], settings):
        pass
    other = Contender("", {"weights_sha256": "other"}, lambda _: (Model().answer, 1))
    with pytest.raises(EvaluationError, match="other settings"), answers_kept(path, [group], [other], settings):
        pass
    Image.new("L", (8, 8), 99).save(group.asked[0].picture)
    same = Model().contender
    with pytest.raises(EvaluationError, match="questions"), answers_kept(path, [group], [same], settings):
        pass


def held(folder: Path, settings: VqaSettings) -> set[str]:
    return {each.picture.name for each in chosen_group(folder, settings).asked}


def test_a_split_by_image_holds_out_what_training_never_sees(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", "train", images=20)
    everything = held(folder, VqaSettings(part="train"))
    test = held(folder, VqaSettings(split_seed=3))
    train = held(folder, VqaSettings(part="train", split_seed=3))
    assert len(everything) == 20
    assert 0 < len(test) < len(train) < 20
    assert not test & train
    least = "rank = 1\nalpha = 1\nlearning_rate = 0.1\nbatch = 1\nsteps = 1\n"
    recipe = tmp_path / "recipe.toml"
    for told, count in (("held_out = 0.25\nsplit_seed = 3", 5), ('held_out_images = ["i3.png"]', 1)):
        recipe.write_text(least + told)
        out = held(folder, VqaSettings(held_out_of=str(recipe)))
        trained = {each.picture.name for each in question_lessons(load_questions(folder), load_recipe(recipe))}
        assert len(out) == count
        assert out | trained == everything
        assert not out & trained
    assert held(folder, VqaSettings(part="all", split_seed=3)) == everything
    assert len(held(folder, VqaSettings(part="train", limit=7))) == 7


def asked_of(folder: Path, *more: str) -> list[str]:
    return ["evaluate", "vqa", "--questions", str(folder), *more]


@pytest.mark.parametrize(
    ("broken", "more", "told"),
    [
        ("", ["--part", "train"], "no question of the part 'train', only of test"),
        ("", ["--held-out-of", "{}/none.toml"], "cannot be read"),
        ("", ["--held-out-of", "x", "--part", "test"], "leave out --part"),
        ("", ["--judge", "http://127.0.0.1:9/v1", "--judge-model", "x"], "--judge needs --drafts and --judged"),
        ("", ["--against", "{}/images"], "contains neither an adapter nor a checkpoint"),
        ("", ["--sibling-adapter", "x"], "--sibling-adapter needs --sibling"),
        ("", ["--sibling", "{}/none"], "is not a folder with a sibling's checkpoint"),
        ("", ["--together", "0"], "At least one draft"),
        ("", ["--drafts", "{}/none/d.jsonl"], "is not an existing folder"),
        ("", ["--model", "{}/images"], "cannot be loaded"),
        ("missing", [], "1 of 6 images are missing"),
        ("cut", [], "cannot be read as an image"),
        ("json", [], "testset.json"),
        ("none", [], "holds no set of questions"),
    ],
)
def test_what_cannot_be_evaluated_is_told_in_one_sentence(
    broken: str, more: list[str], told: str, questions: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = questions / "images" / "i3.png"
    match broken:
        case "missing":
            image.unlink()
        case "cut":
            image.write_bytes(image.read_bytes()[:40])
        case "json":
            (questions / "testset.json").write_text("[{", encoding="utf-8")
        case "none":
            (questions / "testset.json").unlink()
    given = [one.replace("{}", str(questions)) for one in more]
    assert main(asked_of(questions, "--model", str(tiny_checkpoint), *given)) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.strip().splitlines()) == 1


class Judge:
    """Finds nothing right; is gone after so many replies."""

    name = "scripted"

    def __init__(self, fails_after: int) -> None:
        self.asked = 0
        self._fails_after = fails_after

    def reply(self, messages: Sequence[Message]) -> str:
        if self.asked >= self._fails_after:
            raise EndpointError("http://x gives no answer, asked twice: gone.")
        self.asked += 1
        return "WRONG"


def test_the_command_answers_judges_compares_and_goes_on_after_its_judge_was_gone(
    questions: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    save_checkpoint(fresh_sibling(TINY, len(tokenizer)), tokenizer, tmp_path / "sibling")
    out, drafts, kept = tmp_path / "rows.json", tmp_path / "drafts.jsonl", tmp_path / "judged.jsonl"
    models = [
        "--model",
        str(tiny_checkpoint),
        "--sibling",
        str(tmp_path / "sibling"),
        "--against",
        str(tiny_checkpoint),
    ]
    files = ["--drafts", str(drafts), "--judged", str(kept), "--json", str(out)]
    more = ["--limit", "3", "--blank", "2", "--steps", "2", "--judge", "x", "--judge-together", "1"]
    command = asked_of(questions, *models, *files, *more)
    judge = Judge(fails_after=2)

    monkeypatch.setattr("model.evaluation.judge.local.LocalJudge", lambda source, tokens: judge)
    assert main(command) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "2 of" in told
    assert "new verdicts are saved" in told
    # 6 questions of three images, and twice 4 of two, by three models; the settings before them.
    answers = drafts.read_text(encoding="utf-8")
    assert len(answers.splitlines()) == 1 + 3 * (6 + 4 + 4)
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 2

    judge = Judge(fails_after=1000)
    assert main(command) == 0
    assert drafts.read_text(encoding="utf-8") == answers
    saved = json.loads(out.read_text(encoding="utf-8"))
    assert saved["settings"]["judge"] == "scripted"
    assert saved["settings"]["questions"] == 6
    assert len(saved["data_sha256"]) == len(saved["sibling_sha256"]) == 64
    rows = {(row["subject"], row["measure"]): row for row in saved["rows"] if row["images"] == "vqa_rad, test"}
    assert rows[OWN, "all, exact match"]["count"] == 6
    assert rows[f"{OWN}, autoregressive sibling", "all, right by the judge"]["count"] == 6
    same = f"first model less {tiny_checkpoint}"
    assert rows[same, "all, exact match: difference"]["value"] == 0.0
    assert rows[same, "all, right by the judge: McNemar, p"]["value"] == 1.0

    assert main([*command, "--seed", "1"]) == 2
    assert "was started with other settings" in capsys.readouterr().err


def test_adapters_of_both_families_are_compared(questions: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    save_checkpoint(fresh_sibling(TINY, len(tokenizer)), tokenizer, tmp_path / "sibling")
    for network, name in (
        (DiffusionGemmaForBlockDiffusion.from_pretrained(tiny_checkpoint), "tuned"),
        (Gemma4ForConditionalGeneration.from_pretrained(tmp_path / "sibling"), "tuned-sibling"),
    ):
        tuned = get_peft_model(
            network, LoraConfig(r=2, target_modules=r".*(decoder|language_model)\.layers.*self_attn\.(q_proj|v_proj)")
        )
        for parameter_name, parameter in tuned.named_parameters():
            if "lora_B" in parameter_name:
                torch.nn.init.normal_(parameter, std=2.0)
        tuned.save_pretrained(tmp_path / name)
    out = tmp_path / "rows.json"
    models = ["--model", str(tiny_checkpoint), "--adapter", str(tmp_path / "tuned"), "--sibling"]
    models += [str(tmp_path / "sibling"), "--sibling-adapter", str(tmp_path / "tuned-sibling")]
    models += ["--against", str(tmp_path / "tuned"), "--against", str(tiny_checkpoint)]
    few = ["--limit", "2", "--blank", "0", "--steps", "2", "--drafts", str(tmp_path / "d.jsonl"), "--json", str(out)]
    assert main(asked_of(questions, *models, *few)) == 0
    lines = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text(encoding="utf-8").splitlines()]
    identities = lines[0]["settings"]
    assert identities["model"]["adapter_sha256"] == identities[f"model {tmp_path / 'tuned'}"]["adapter_sha256"]
    assert identities["model autoregressive sibling"]["adapter_sha256"] is not None
    said: dict[str, list[str]] = {}
    for line in lines[1:]:
        said.setdefault(line["model"], []).append(line["said"])
    # The same adapter says the same; without it another thing is said.
    assert said[""] == said[str(tmp_path / "tuned")] != said[str(tiny_checkpoint)]
    rows = {(row["subject"], row["measure"]): row["value"] for row in json.loads(out.read_text())["rows"]}
    assert rows[f"first model less {tmp_path / 'tuned'}", "all, token F1: difference"] == 0.0


def test_a_card_rounds_no_p_to_0_and_puts_every_figure_under_its_own_heading() -> None:
    def row(subject: str, measure: str, value: float) -> Row:
        return Row("set", subject, measure, Estimate(value, None, None, 9))

    told = [row("a", "exact match", 0.5), row("a", "exact match: McNemar, p", 0.00003), row("a", "last", 0.25)]
    told += [row("b", "exact match", 0.75), row("b", "last", 0.5), row("b", "token F1: paired bootstrap, p", 0.001)]
    ((head, first, second),) = table_blocks(told)
    assert dict(zip(head, first, strict=True))["exact match: McNemar, p"] == "3e-05, n = 9"
    assert dict(zip(head, second, strict=True))["token F1: paired bootstrap, p"] == "0.001, n = 9"
    assert dict(zip(head, second, strict=True))["exact match: McNemar, p"] == ""
    assert dict(zip(head, second, strict=True))["last"] == "50 %, n = 9"


def test_a_pack_is_still_evaluated_as_before_and_takes_no_options_of_sets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "vqa", "--data", "a", "--questions", "b"])
    with pytest.raises(SystemExit):
        main(["evaluate", "vqa"])
    assert "one of the arguments --data --questions is required" in capsys.readouterr().err
    assert main(["evaluate", "vqa", "--data", str(tmp_path / "none.npz"), "--judge", "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_image_is_taken_upright_and_in_its_colours(tmp_path: Path) -> None:
    picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    Image.new("RGBA", (2, 2), (1, 2, 3, 255)).save(tmp_path / "coloured.png")
    assert picture_of(tmp_path / "turned.png").shape == (4, 3)
    assert picture_of(tmp_path / "coloured.png")[0, 0].tolist() == [1, 2, 3]


def test_a_single_image_has_no_other(questions: Path) -> None:
    group = chosen_group(questions, VqaSettings(limit=1))
    assert all(isinstance(each, Asking) and not each.is_asked(OTHER) and each.is_asked(BLANK) for each in group.asked)
