"""Pictures that are the same in spite of everything, and what parts of a set share."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from model.__main__ import main
from model.sets.leaks import Item, SetPart, SharedImage, leak_between
from model.sets.pictures import NEAR, Picture, look_at, near_pairs, perceptual_hash, same_picture_groups

SHARED = Path(__file__).parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the collections are not beside this repository")


def noise(seed: int, side: int = 192) -> Image.Image:
    """Noise like no other seed's, weaker the finer it is, as in pictures of something."""
    random, octaves = np.random.default_rng(seed), np.zeros((side, side))
    for cells in (4, 8, 16, 32):
        coarse = Image.fromarray(random.random((cells, cells), dtype=np.float32))
        octaves += np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) / cells
    return Image.fromarray((255 * (octaves - octaves.min()) / np.ptp(octaves)).astype(np.uint8))


def save(image: Image.Image, path: Path, **options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def looked(path: Path) -> Picture:
    found = look_at(path)
    assert found is not None
    return found


def apart(one: Image.Image, other: Image.Image) -> int:
    first, second = perceptual_hash(one), perceptual_hash(other)
    assert first is not None
    assert second is not None
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_count()


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(held)


def test_copies_are_near_and_other_pictures_far() -> None:
    for seed in range(20):
        image = noise(seed)
        assert apart(image, jpeg(image, 60)) <= NEAR
        assert apart(image, image.resize((96, 96), Image.Resampling.BICUBIC)) <= NEAR
        assert apart(image, ImageEnhance.Contrast(image).enhance(0.8)) <= NEAR
        assert apart(image, noise(seed + 100)) > 2 * NEAR


def test_the_pixels_are_the_same_in_another_format_and_in_colour(tmp_path: Path) -> None:
    image = noise(1)
    ones = [
        looked(save(image, tmp_path / "a.png")),
        looked(save(image.convert("RGB"), tmp_path / "b.png")),
        looked(save(image, tmp_path / "c.bmp")),
    ]
    assert len({one.file for one in ones}) == 3
    assert len({one.pixels for one in ones}) == 1
    # The same pixels in another order of rows and columns are another picture.
    other = Image.frombytes("L", (96, 384), image.tobytes())
    assert looked(save(other, tmp_path / "d.png")).pixels != ones[0].pixels


def test_deep_pictures_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    ramps = [np.asarray(noise(seed)).astype(np.uint16) * 200 + 1000 for seed in (1, 2)]
    deep = [looked(save(Image.fromarray(ramp), tmp_path / f"{n}.png")) for n, ramp in enumerate(ramps)]
    assert deep[0].pixels != deep[1].pixels
    shallow = looked(save(noise(1), tmp_path / "8.png"))
    assert deep[0].hash is not None
    assert shallow.hash is not None
    assert list(near_pairs([deep[0].hash], [shallow.hash])) == [(0, 0)]


def test_a_broken_file_has_bytes_alone_and_a_missing_one_nothing(tmp_path: Path) -> None:
    whole = save(noise(1), tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("no picture", encoding="utf-8")
    (tmp_path / "empty.jpg").write_bytes(b"")
    for name in ("cut.jpg", "text.jpg", "empty.jpg"):
        found = looked(tmp_path / name)
        assert (found.pixels, found.hash) == (None, None)
    assert look_at(tmp_path / "gone.jpg") is None
    assert look_at(tmp_path) is None


def test_flat_pictures_are_near_to_nothing(tmp_path: Path) -> None:
    black, grey = (looked(save(Image.new("L", (64, 64), level), tmp_path / f"{level}.png")) for level in (0, 128))
    assert black.hash is None
    assert grey.hash is None
    assert black.pixels != grey.pixels


def test_near_pairs_are_all_found_however_they_are_cut_up(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    ones = [random.bytes(32) for _ in range(30)]
    others = [bytes([one[0] ^ 0b111, *one[1:]]) for one in ones[::3]] + [random.bytes(32) for _ in range(5)]
    wanted = [(3 * number, number) for number in range(10)]
    assert list(near_pairs(ones, others)) == wanted
    monkeypatch.setattr("model.sets.pictures._AT_ONCE", 40)
    assert list(near_pairs(ones, others)) == wanted
    assert list(near_pairs([], others)) == []


@pytest.mark.parametrize(("bits", "near"), [(NEAR, True), (NEAR + 1, False)])
def test_the_threshold_itself_is_near(bits: int, near: bool) -> None:
    other = ((1 << bits) - 1).to_bytes(32, "big")
    assert bool(list(near_pairs([bytes(32)], [other]))) is near


def test_groups_join_by_way_of_others() -> None:
    pictures = {
        "a": Picture("1", "p", None),
        "b": Picture("2", "p", bytes(32)),
        "c": Picture("3", "q", b"\1" + bytes(31)),
        "d": Picture("4", "r", b"\xff" * 32),
        "e": None,
        "f": None,
    }
    names = {key: key for key in pictures} | {"f": "e"}
    assert same_picture_groups(names, pictures) == {"a": 0, "b": 0, "c": 0, "d": 1, "e": 2, "f": 2}


def test_each_shared_image_is_told_once_in_its_surest_way() -> None:
    one = SetPart("train", (), {"a": Picture("1", "p", bytes(32)), "b": Picture("2", "q", b"\xff" * 32), "c": None})
    other = SetPart(
        "test",
        (),
        {
            "a": Picture("1", "p", bytes(32)),
            "x": Picture("2", "q", b"\xff" * 32),
            "y": Picture("3", "p", None),
            "c": None,
        },
    )
    leak = leak_between(one, other)
    assert leak.images == (
        SharedImage("a", "a", "name"),
        SharedImage("c", "c", "name"),
        SharedImage("b", "x", "bytes"),
        SharedImage("a", "y", "pixels"),
    )
    assert leak.shared() == 4


def test_same_words_leak_only_about_the_same_image() -> None:
    train = SetPart(
        "train", (Item("1", "Normal?\nYes", ("a",)), Item("2", "Normal?\nYes", ("b",))), {"a": None, "b": None}
    )
    test = SetPart(
        "test",
        (
            Item("3", "normal?  yes", ("b",)),
            Item("4", "Normal? Yes", ("z",)),
            Item("5", "?", ("b",)),
            Item("6", "", ()),
        ),
        {"b": None, "z": None},
    )
    leak = leak_between(train, test)
    assert leak.texts == (("2", "3"), ("1", "4"))
    assert leak.repeated == ("3",)
    assert leak.touched == ("3", "5")
    assert not leak_between(SetPart("train", train.items, {}), SetPart("test", test.items, {}))


def rad(qid: int, image: str, question: str, answer: str) -> dict[str, object]:
    entry = {"qid": qid, "image_name": image, "question": question, "answer": answer, "phrase_type": "freeform"}
    return entry | {"answer_type": "CLOSED" if answer in ("yes", "no") else "OPEN", "question_type": "PRES"}


def official(folder: Path) -> Path:
    """VQA-RAD's layout in small, and like it: every test image is in training."""
    for number in range(6):
        save(noise(number), folder / "images" / f"synpic{number}.jpg")
    train = [rad(number, f"synpic{number}.jpg", "Is there a mass?", "no") for number in range(6)]
    test = [
        rad(10, "synpic1.jpg", "Is there a mass?", "no"),
        rad(11, "synpic1.jpg", "Where?", "left"),
        rad(12, "synpic4.jpg", "Where?", "right"),
    ]
    for name, held in (("trainset.json", train), ("testset.json", test)):
        (folder / name).write_text(json.dumps(held), encoding="utf-8")
    return folder


def test_the_command_tells_the_leak_of_the_official_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = official(tmp_path / "set")
    assert main(["data", str(folder), "--json", str(tmp_path / "told.json")]) == 0
    printed = capsys.readouterr().out
    assert "train: 6 questions (6 closed, 0 open)" in printed
    assert "test: 3 questions (1 closed, 2 open)" in printed
    assert "LEAK: 2 images of test are in train too (2 by name), which 3 of 3 of test are about" in printed
    assert "same words: 1 of 3, 1 of them with the same image" in printed
    (leak,) = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))["leaks"]
    assert (leak["one"], leak["other"], leak["shared_images"], leak["ways"]) == ("train", "test", 2, {"name": 2})
    assert (leak["touched"], leak["repeated"]) == (["10", "11", "12"], ["10"])


def test_the_command_finds_copies_that_were_renamed_and_saved_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = official(tmp_path / "a"), tmp_path / "b"
    save(noise(2), second / "images" / "same-bytes.jpg")
    save(Image.open(first / "images" / "synpic3.jpg"), second / "images" / "same-pixels.png")
    save(noise(5), second / "images" / "smaller.jpg", quality=60)
    save(noise(50), second / "images" / "other.jpg")
    (second / "images" / "broken.jpg").write_bytes(b"\xff\xd8")
    names = ["same-bytes.jpg", "same-pixels.png", "smaller.jpg", "other.jpg", "broken.jpg", "gone.jpg"]
    held = [rad(number, name, "What?", "this") for number, name in enumerate(names)]
    (second / "trainset.json").write_text(json.dumps(held), encoding="utf-8")
    assert main(["data", str(first), "--against", str(second), "--json", str(tmp_path / "told.json")]) == 0
    printed = capsys.readouterr().out
    assert "images: 6, of which 1 missing (gone.jpg), 1 broken (broken.jpg), 0 copies" in printed
    told = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))
    ways = {(leak["one"], leak["other"]): leak["ways"] for leak in told["leaks"]}
    assert ways[f"{first} train", f"{second} train"] == {"bytes": 1, "pixels": 1, "near": 1}
    assert ways[f"{first} test", f"{second} train"] == {}


@pytest.mark.parametrize(
    "more", [["--json", "no/such/folder/told.json"], ["--format", "vqav2"], ["--against", "nowhere"]]
)
def test_a_wrong_path_ends_in_one_line(more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", str(official(tmp_path)), *more]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("python -m model: ")
    assert told.err.count("\n") == 1


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "told.json").mkdir()
    assert main(["data", str(official(tmp_path / "set")), "--json", str(tmp_path / "told.json")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "told.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "told.json.part").symlink_to("/dev/full")
    assert main(["data", str(official(tmp_path / "set")), "--json", str(tmp_path / "told.json")]) == 2
    told = capsys.readouterr()
    # What was found is not lost with the file.
    assert "LEAK: 2 images of test" in told.out
    assert told.err == f"python -m model: {tmp_path / 'told.json'} cannot be written: No space left on device.\n"


def test_importing_the_sets_loads_no_torch() -> None:
    script = "import model.sets.command, sys; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[3], check=True)


@needs_data
def test_radiographs_of_adults_are_not_taken_for_each_other() -> None:
    paths = sorted((SHARED / "adult_normal_cxr").glob("*.jpg"))[:600]
    hashes = [found.hash for path in paths if (found := look_at(path)) and found.hash]
    assert len(hashes) == 600
    assert [pair for pair in near_pairs(hashes, hashes) if pair[0] != pair[1]] == []
