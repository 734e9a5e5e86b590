"""Sets of questions in their owners' layouts, made here in small, and the real ones where they lie beside."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.sets.files import SetError
from model.sets.questions import QuestionSet, SetQuestion, load_questions, split_by_image

SHARED = Path(__file__).parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the collections are not beside this repository")


def picture(path: Path, seed: int, side: int = 48) -> Path:
    """A picture that is like no other: coarse noise, made smooth."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(path, quality=95)
    return path


def rad(qid: int, image: str, question: str = "Is it normal?", answer: Any = "Yes", **more: Any) -> dict[str, Any]:
    entry = {"qid": qid, "image_name": image, "question": question, "answer": answer}
    return entry | {"answer_type": "CLOSED", "question_type": "ABN", "phrase_type": "freeform"} | more


def slake(qid: int, image: str, **more: Any) -> dict[str, Any]:
    entry = {"qid": qid, "img_name": image, "question": "Which organ is this?", "answer": "Lung", "q_lang": "en"}
    return entry | {"answer_type": "OPEN", "content_type": "Organ"} | more


def save(path: Path, held: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Half a character is written as JSON escapes it.
    path.write_text(json.dumps(held, ensure_ascii=False), encoding="utf-8", errors="backslashreplace")
    return path


def lines(path: Path, *held: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(held) + "\n", encoding="utf-8")


def test_vqa_rad_is_read_from_its_two_files(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "synpic1.jpg", 1)
    open_one = rad(2, "synpic2.jpg", " Wo ist die Läsion? ", 4, answer_type="OPEN ", question_type="POS, PRES")
    save(tmp_path / "trainset.json", [rad(1, "synpic1.jpg"), open_one])
    save(tmp_path / "testset.json", [rad(1, "synpic1.jpg", answer="no", answer_type="CLOSED ")])
    loaded = load_questions(tmp_path)
    assert loaded.name == "vqa_rad"
    assert loaded.parts == ("train", "test")
    assert loaded.questions == (
        SetQuestion("1", "synpic1.jpg", "Is it normal?", "Yes", True, "ABN", "train"),
        SetQuestion("2", "synpic2.jpg", "Wo ist die Läsion?", "4", False, "POS, PRES", "train"),
        # The number is taken already.
        SetQuestion("1#2", "synpic1.jpg", "Is it normal?", "no", True, "ABN", "test"),
    )
    assert loaded.missing_images() == ("synpic2.jpg",)
    assert loaded.picture(loaded.questions[0]) == tmp_path / "images" / "synpic1.jpg"


def test_vqa_rad_as_osf_has_it_tells_the_test_questions_by_their_phrase_type(tmp_path: Path) -> None:
    kinds = ["freeform", "para", "test_freeform", "test_para"]
    held = [rad(number, "a.jpg", phrase_type=kind) for number, kind in enumerate(kinds)]
    save(tmp_path / "VQA_RAD Dataset Public.json", held)
    picture(tmp_path / "VQA_RAD Image Folder" / "a.jpg", 1)
    loaded = load_questions(tmp_path)
    assert [question.part for question in loaded.questions] == ["train", "train", "test", "test"]
    assert loaded.missing_images() == ()


def test_of_slake_only_the_english_questions_are_read(tmp_path: Path) -> None:
    chinese = slake(2, "xmlab1/source.jpg", q_lang="zh", question="这是什么器官?", answer="肺")
    save(tmp_path / "train.json", [slake(1, "xmlab1/source.jpg"), chinese])
    save(tmp_path / "validate.json", [slake(3, "xmlab2/source.jpg")])
    save(tmp_path / "test.json", [slake(4, "xmlab3/source.jpg")])
    picture(tmp_path / "imgs" / "xmlab1" / "source.jpg", 1)
    loaded = load_questions(tmp_path)
    assert [(each.id, each.part, each.kind) for each in loaded.questions] == [
        ("1", "train", "Organ"),
        ("3", "validation", "Organ"),
        ("4", "test", "Organ"),
    ]
    assert loaded.missing_images() == ("xmlab2/source.jpg", "xmlab3/source.jpg")


def test_vqa_med_is_read_as_imageclef_ships_it(tmp_path: Path) -> None:
    train = tmp_path / "ImageClef-2019-VQA-Med-Training"
    lines(train / "QAPairsByCategory" / "C1_Modality_train.txt", "synpic1|is this a ct scan?|yes", "")
    lines(train / "QAPairsByCategory" / "C4_Abnormality_train.txt", "synpic1|what is abnormal?|a|b")
    lines(train / "All_QA_Pairs_train.txt", "synpic1|is this a ct scan?|yes", "synpic1|what is abnormal?|a|b")
    picture(train / "Train_images" / "synpic1.jpg", 1)
    lines(tmp_path / "ImageClef-2019-VQA-Med-Validation" / "All_QA_Pairs_val.txt", "synpic2|which plane?|axial")
    test = tmp_path / "VQAMed2019Test"
    lines(test / "VQAMed2019_Test_Questions_w_Ref_Answers.txt", "synpic3|abnormality|what is abnormal?|mass")
    picture(test / "VQAMed2019_Test_Images" / "synpic3.jpg", 3)
    loaded = load_questions(tmp_path)
    assert [(each.part, each.kind, each.image, each.answer, each.closed) for each in loaded.questions] == [
        ("train", "MODALITY", "synpic1.jpg", "yes", True),
        ("train", "ABN", "synpic1.jpg", "a|b", False),
        ("validation", "", "synpic2.jpg", "axial", False),
        ("test", "ABN", "synpic3.jpg", "mass", False),
    ]
    assert len({each.id for each in loaded.questions}) == 4
    assert loaded.missing_images() == ("synpic2.jpg",)
    assert loaded.picture(loaded.questions[-1]) == test / "VQAMed2019_Test_Images" / "synpic3.jpg"


def test_vqa_med_in_the_folder_of_one_archive(tmp_path: Path) -> None:
    lines(tmp_path / "QAPairsByCategory" / "C2_Plane_val.txt", "synpic2|which plane?|axial")
    picture(tmp_path / "Val_images" / "synpic2.jpg", 1)
    loaded = load_questions(tmp_path)
    assert loaded.missing_images() == ()
    assert loaded.parts == ("validation",)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"image_name": "a.jpg"}, "entry 1 has no key 'qid'"),
        (rad(1, "../a.jpg"), "is not the name of an image"),
        (rad(1, "/etc/hosts"), "is not the name of an image"),
        (rad(1, ""), "is not the name of an image"),
        (rad(1, "a.jpg", answer=None), "'answer' is not a text"),
        (rad(1, "a\ud800.jpg"), "half of a surrogate pair"),
        (rad(1, "a.jpg", answer_type="MAYBE"), "neither CLOSED nor OPEN"),
        ("text", "entry 1 is not an object"),
    ],
)
def test_a_broken_entry_is_told_by_its_number_and_key(entry: Any, said: str, tmp_path: Path) -> None:
    save(tmp_path / "trainset.json", [entry])
    with pytest.raises(SetError, match=said) as raised:
        load_questions(tmp_path)
    assert "trainset.json" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'[\n{"qid": 1,', "line 2"),
        (b"", "line 1"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"{}", "list"),
        (b"[]", "no question"),
    ],
)
def test_a_broken_file_is_told_by_its_name(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "trainset.json").write_bytes(content)
    with pytest.raises(SetError, match=said):
        load_questions(tmp_path)


def test_a_short_line_of_vqa_med_is_told_by_its_number(tmp_path: Path) -> None:
    lines(tmp_path / "All_QA_Pairs_train.txt", "synpic1|what?|this", "synpic2|what?")
    with pytest.raises(SetError, match=r"All_QA_Pairs_train\.txt, line 2 has 2 fields instead of 3"):
        load_questions(tmp_path)


def test_what_is_no_set_or_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetError, match="no set of questions"):
        load_questions(tmp_path)
    with pytest.raises(SetError, match="not a folder"):
        load_questions(tmp_path / "nowhere")
    save(tmp_path / "trainset.json", [rad(1, "a.jpg")])
    save(tmp_path / "train.json", [slake(1, "b.jpg")])
    with pytest.raises(SetError, match="vqa_rad and slake"):
        load_questions(tmp_path)
    assert load_questions(tmp_path, "slake").questions[0].image == "b.jpg"
    with pytest.raises(SetError, match="Unknown format"):
        load_questions(tmp_path, "vqav2")
    with pytest.raises(SetError, match="no question"):
        load_questions(tmp_path, "vqa_med_2019")


def test_without_a_folder_of_images_all_are_missing(tmp_path: Path) -> None:
    save(tmp_path / "trainset.json", [rad(1, "b.jpg"), rad(2, "a.jpg"), rad(3, "b.jpg")])
    loaded = load_questions(tmp_path)
    assert loaded.images is None
    assert loaded.missing_images() == ("a.jpg", "b.jpg")
    with pytest.raises(SetError, match="without a folder of images"):
        loaded.picture(loaded.questions[0])


def many(folder: Path, images: int, each: int = 3) -> QuestionSet:
    for number in range(images):
        picture(folder / "images" / f"{number}.jpg", number)
    asked = [rad(images * turn + number, f"{number}.jpg") for turn in range(each) for number in range(images)]
    save(folder / "trainset.json", asked)
    return load_questions(folder)


def test_a_split_by_image_is_the_same_for_the_same_seed_and_shares_no_image(tmp_path: Path) -> None:
    loaded = many(tmp_path, 20)
    shares = {"train": 0.7, "validation": 0.1, "test": 0.2}
    split = split_by_image(loaded, shares, 0)
    assert split == split_by_image(load_questions(tmp_path), shares, 0)
    assert split != split_by_image(loaded, shares, 1)
    assert Counter(each.part for each in split.questions) == {"train": 42, "validation": 6, "test": 12}
    assert len({(each.image, each.part) for each in split.questions}) == 20
    assert [each.id for each in split.questions] == [each.id for each in loaded.questions]


def test_copies_of_an_image_stay_in_one_part(tmp_path: Path) -> None:
    many(tmp_path, 6)
    for number in range(3):
        original = tmp_path / "images" / f"{number}.jpg"
        (tmp_path / "images" / f"{number}-copy.jpg").write_bytes(original.read_bytes())
    copied = [rad(100 + number, f"{number}-copy.jpg") for number in range(3)]
    held = json.loads((tmp_path / "trainset.json").read_text(encoding="utf-8"))
    save(tmp_path / "trainset.json", held + copied)
    for seed in range(5):
        split = split_by_image(load_questions(tmp_path), {"train": 0.5, "test": 0.5}, seed)
        part = {each.image: each.part for each in split.questions}
        assert all(part[f"{number}.jpg"] == part[f"{number}-copy.jpg"] for number in range(3))


def test_a_split_needs_enough_images_and_shares_above_nothing(tmp_path: Path) -> None:
    loaded = many(tmp_path, 3)
    # One image is nearly everything, and still every part gets one.
    assert set(split_by_image(loaded, {"train": 98.0, "validation": 1.0, "test": 1.0}, 0).parts) == {
        "train",
        "validation",
        "test",
    }
    with pytest.raises(SetError, match="too few"):
        split_by_image(loaded, {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0}, 0)
    with pytest.raises(SetError, match="share above 0"):
        split_by_image(loaded, {"train": 1.0, "test": 0.0}, 0)
    with pytest.raises(SetError, match="share above 0"):
        split_by_image(loaded, {}, 0)


def test_the_checksum_follows_the_questions_and_not_the_files(tmp_path: Path) -> None:
    entries = [rad(1, "a.jpg"), rad(2, "b.jpg")]
    for name, held in (("one", entries), ("same", entries), ("other", [rad(1, "a.jpg"), rad(2, "b.jpg", answer="No")])):
        save(tmp_path / name / "trainset.json", held)
    (tmp_path / "same" / "trainset.json").write_text(json.dumps(entries, indent=4), encoding="utf-8")
    one, same, other = (load_questions(tmp_path / name).sha256 for name in ("one", "same", "other"))
    assert one == same != other


def test_a_name_that_no_system_bears_is_a_missing_image(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    save(tmp_path / "trainset.json", [rad(1, "a" * 5000)])
    assert load_questions(tmp_path).missing_images() == ("a" * 5000,)


@needs_data
def test_the_real_vqa_rad() -> None:
    loaded = load_questions(SHARED / "vqa_rad")
    assert len(loaded.of("train")) == 3064
    assert sum(each.closed for each in loaded.questions) == 1823
    assert loaded.missing_images() == ()


@needs_data
@pytest.mark.parametrize(("name", "count", "images"), [("slake", 4919, 450), ("vqa_med_2019", 12792, 3200)])
def test_the_real_sets_without_images(name: str, count: int, images: int) -> None:
    loaded = load_questions(SHARED / name)
    assert loaded.name == name
    assert len(loaded.of("train")) == count
    assert len(loaded.missing_images()) == images
