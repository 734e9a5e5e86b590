"""The pack of real radiographs: what is known of each picture travels with it, and no patient is on two sides."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from drafting.study import StudyFacts
from model.synthetic import radiographs as radiographs_module
from model.synthetic.cases import DEVICES, LABELS, REPORTED, SOURCES, Case
from model.synthetic.radiographs import (
    SPLITS,
    USUAL_SIDE,
    Radiographs,
    Split,
    answers_of,
    labelled_case,
    load_radiographs,
    main,
    source_case,
    split_of,
)

PATIENTS = 60
# Rows of the sets with radiologists' readings and boxes: x, y, width and height in shares of the picture.
BOXED = {
    "nih_cxr_384": [
        {"file": "read_normal.jpg", "labels": "Effusion", "rsna_class": "Normal", "nih_boxes": "", "rsna_boxes": ""},
        {
            "file": "boxed.jpg",
            "labels": "Infiltration|Effusion|Cardiomegaly",
            "rsna_class": "Lung Opacity",
            "nih_boxes": '[["Effusion", 0.6, 0.6, 0.2, 0.2], ["Cardiomegaly", 0.4, 0.5, 0.3, 0.2]]',
            "rsna_boxes": "[[0.2, 0.1, 0.1, 0.2]]",
        },
    ],
    "nih_cxr_128": [
        {"file": "no_opacity.jpg", "labels": "Pneumonia", "rsna_class": "No Lung Opacity / Not Normal",
         "nih_boxes": "", "rsna_boxes": ""},
    ],
}  # fmt: skip
RATIOS = ((1, "0.45"), (2, "0.50"), (3, "0.61"))
EVALUATED = "31"


def grey(path: Path, level: int, size: tuple[int, int] = (32, 24)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).save(path)


def table(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def nih_row(patient: int, number: int) -> dict[str, str]:
    return {
        "file": f"train/{patient:08d}_{number:03d}.png",
        "labels": ("No Finding", "Effusion|Mass", "Infiltration", "Hernia|Edema", "Emphysema|Hernia")[patient % 5],
        "age": str(20 + patient), "sex": "F" if patient % 2 else "M", "view": "PA", "patient": str(patient),
    }  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All the collections, small, in pictures of even grey."""
    folder = tmp_path_factory.mktemp("collections")
    for number in range(3):
        grey(folder / f"adult_normal_cxr/normal-{number}.jpg", 90, (USUAL_SIDE, USUAL_SIDE))
        grey(folder / f"kermany_cxr/train/NORMAL/IM-000{number}-0001.jpeg", 90)
        grey(folder / f"kermany_cxr/train/PNEUMONIA/person{number}_virus_1.jpeg", 90)
    nih = [nih_row(patient, number) for patient in range(PATIENTS) for number in range(2)]
    table(folder / "nih_cxr_1000/labels.csv", nih)
    for row in nih:
        grey(folder / "nih_cxr_1000" / row["file"], 100)
    for name, rows in BOXED.items():
        table(folder / name / "labels.csv", [{**nih_row(200, 0), **row} for row in rows])
        for row in rows:
            grey(folder / name / "images" / row["file"], 100)
    table(folder / "wingspan_ctr/labels.csv", [{"file": f"w{n}.jpg", "ctr_from_masks": ratio} for n, ratio in RATIOS])
    for number, _ in RATIOS:
        grey(folder / f"wingspan_ctr/images/w{number}.jpg", 100)
        (folder / "wingspan_ctr/masks").mkdir(exist_ok=True)
        Image.new("L", (32, 24), number % 4).save(folder / f"wingspan_ctr/masks/w{number}.png")
    table(folder / "nih_cxr_full/labels.csv", [nih_row(int(EVALUATED), 0)])
    covid = [
        {"file": f"images/{name}.jpg", "finding": finding, "view": view, "sex": sex, "age": age, "clinical_notes": note}
        for name, finding, view, sex, age, note in (
            ("a", "COVID-19", "AP Supine", "M", "44.0", ""),
            ("b", "COVID-19", "PA", "", "", "On the first day. Unremarkable."),
            ("c", "No Finding", "PA", "F", "", ""),
            ("d", "todo", "PA", "F", "", ""),
        )
    ]
    table(folder / "covid_cxr_permissive/metadata.csv", covid)
    for row in covid:
        grey(folder / "covid_cxr_permissive" / row["file"], 110, (448, 358))
    questions: list[dict[str, object]] = []
    for number in range(30):
        # The grey tells which picture it is.
        grey(folder / f"vqa_rad/images/synpic{number}.jpg", 8 * number, (600, 400))
        if number != 5:
            image = {"image_name": f"synpic{number}.jpg"}
            questions.append({**image, "question": f"Is this {number}? ", "answer": "Yes", "answer_type": "CLOSED "})
            questions.append({**image, "question": "How many?", "answer": number, "answer_type": "OPEN"})
    # The order of the questions is not that of the pictures.
    Random(1).shuffle(questions)
    (folder / "vqa_rad/trainset.json").write_text(json.dumps(questions), encoding="utf-8")
    (folder / "vqa_rad/xray_images.txt").write_text("synpic3.jpg\nsynpic4.jpg\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def packed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packed") / "pack.npz"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["radiographs", "--data", str(data), "--out", str(out), "--side", "384"])
        main()
    return out


@pytest.fixture(scope="module")
def everything(packed: Path) -> Radiographs:
    return load_radiographs(packed, side=24)


def answers(radiographs: Radiographs, name: str) -> dict[str, int]:
    row = radiographs.names.tolist().index(name)
    return dict(zip(LABELS, radiographs.labels[row].tolist(), strict=True))


def test_every_collection_is_there(everything: Radiographs) -> None:
    counted = {source: int((everything.sources == number).sum()) for number, source in enumerate(SOURCES)}
    assert counted == {
        "adult_normal": 3, "child_normal": 3, "child_pneumonia": 3, "nih_labelled": 2 * PATIENTS + 3, "covid": 4,
        "vqa_rad": 30, "wingspan": 3,
    }  # fmt: skip
    count = sum(counted.values())
    assert everything.images.shape == (count, 1, 24, 24)
    assert everything.labels.shape == (count, len(LABELS))
    assert everything.labels.dtype == np.int8
    assert len(everything.facts) == len(everything.chest) == len(everything.names) == count


def test_what_a_text_mined_label_does_not_name_is_absent_and_what_it_names_has_no_side(
    everything: Radiographs,
) -> None:
    found = answers(everything, "00000001_000.png")
    assert {label for label, answer in found.items() if answer == 1} == {"effusion", "mass", "nodule"}
    for unknown in ("effusion_right", "large_effusion_left", "nodule_left", *DEVICES):
        assert found[unknown] == -1, unknown
    for absent in ("edema", "marked_cardiomegaly", "opacity", "opacity_upper_left", "pneumothorax_right"):
        assert found[absent] == 0, absent
    assert answers(everything, "00000002_000.png")["opacity"] == 1
    assert answers(everything, "00000003_000.png")["edema"] == 1


def test_a_picture_of_which_only_other_findings_are_named_is_not_called_normal(everything: Radiographs) -> None:
    assert set(answers(everything, "00000004_000.png").values()) == {-1}


def test_a_report_is_made_only_of_pictures_of_which_enough_is_known(everything: Radiographs) -> None:
    def case_of(name: str) -> Case | None:
        return labelled_case(everything.labels[everything.names.tolist().index(name)])

    assert case_of("a.jpg") is None, "opacity, and of nothing else is it known"
    assert case_of("00000004_000.png") is None
    one = case_of("00000001_000.png")
    assert one is not None
    assert one.unplaced == {"effusion", "mass", "nodule"}


def test_without_a_finding_every_label_but_the_devices_is_no(everything: Radiographs) -> None:
    for name in ("00000000_000.png", "c.jpg"):
        found = answers(everything, name)
        assert {label for label, answer in found.items() if answer == -1} == set(DEVICES)
        assert 1 not in found.values()


def test_a_radiologists_reading_stands_against_a_text_mined_label(everything: Radiographs) -> None:
    read = dict(zip(everything.names.tolist(), everything.read.tolist(), strict=True))
    assert read["read_normal.jpg"]
    assert not read["boxed.jpg"]
    assert 1 not in answers(everything, "read_normal.jpg").values()
    assert answers(everything, "no_opacity.jpg")["opacity"] == 0


def test_a_box_tells_the_side_and_an_opacitys_zone(everything: Radiographs) -> None:
    found = answers(everything, "boxed.jpg")
    assert found["effusion_left"] == 1
    assert found["effusion_right"] == -1
    assert found["opacity_upper_right"] == 1
    assert found["opacity_lower_left"] == -1
    assert found["cardiomegaly"] == 1


def test_masks_travel_with_their_pictures_and_the_hearts_share_decides_its_size(everything: Radiographs) -> None:
    assert everything.names[everything.masked].tolist() == ["w1.jpg", "w2.jpg", "w3.jpg"]
    assert [int(mask.max()) for mask in everything.masks] == [1, 2, 3]
    assert [answers(everything, f"w{n}.jpg")["cardiomegaly"] for n, _ in RATIOS] == [0, -1, 1]


def test_a_patients_pictures_are_in_one_fold(everything: Radiographs) -> None:
    folds: dict[str, set[int]] = {}
    for name, fold in zip(everything.names.tolist(), everything.folds.tolist(), strict=True):
        if name[:8].isdigit():
            folds.setdefault(name[:8], set()).add(fold)
    assert len(folds) == PATIENTS
    assert all(len(own) == 1 for own in folds.values())
    assert len(set().union(*folds.values())) > 5


def test_pneumonias_are_opacity_unless_the_note_says_that_nothing_is_seen(everything: Radiographs) -> None:
    assert answers(everything, "a.jpg") == {label: 1 if label == "opacity" else -1 for label in LABELS}
    for name in ("b.jpg", "d.jpg"):
        assert set(answers(everything, name).values()) == {-1}


def test_labels_that_follow_from_a_case_or_are_not_known_are_unknown(everything: Radiographs) -> None:
    without = np.isin(everything.sources, [SOURCES.index(source) for source in (*REPORTED, "vqa_rad")])
    assert (everything.labels[without] == -1).all()


def test_every_label_is_about_one_finding_or_a_device() -> None:
    found = dict(zip(LABELS, answers_of(dict.fromkeys(radiographs_module._FINDINGS, False)), strict=True))
    assert {label for label, answer in found.items() if answer != 0} == set(DEVICES)


def test_header_facts_are_kept(everything: Radiographs) -> None:
    facts = dict(zip(everything.names.tolist(), everything.facts, strict=True))
    assert facts["00000007_001.png"] == StudyFacts(age=27, sex="F", view="PA")
    assert facts["a.jpg"] == StudyFacts(age=44, sex="M", view="AP")
    assert facts["b.jpg"] == StudyFacts(view="PA")
    assert facts["normal-0.jpg"] == StudyFacts()


@pytest.mark.parametrize("split", [None, *SPLITS])
def test_a_question_is_about_its_own_picture(packed: Path, split: Split | None) -> None:
    radiographs = load_radiographs(packed, split, side=24)
    assert radiographs.questions
    for question in radiographs.questions:
        number = int(str(radiographs.names[question.picture]).removeprefix("synpic").removesuffix(".jpg"))
        assert abs(int(radiographs.images[question.picture].float().mean()) - 8 * number) <= 3
        if question.closed:
            assert (question.text, question.answer) == (f"Is this {number}?", "Yes")
        else:
            assert (question.text, question.answer) == ("How many?", str(number))


def test_the_splits_share_no_patient_and_lose_nothing(packed: Path, everything: Radiographs) -> None:
    parts = [load_radiographs(packed, split, side=24) for split in SPLITS]
    assert sum(len(part.names) for part in parts) == len(everything.names)
    assert sum(len(part.questions) for part in parts) == len(everything.questions) == 58
    nih = SOURCES.index("nih_labelled")
    patients = [{n[:8] for n in part.names[part.sources == nih].tolist() if n[:8].isdigit()} for part in parts]
    assert sum(len(some) for some in patients) == len(set().union(*patients)) == PATIENTS
    # A twentieth tests and a twentieth validates, as far as chance keeps to that.
    assert 0 < len(patients[2]) / PATIENTS < 0.15
    assert 0 < len(patients[1]) / PATIENTS < 0.15


def test_patients_of_the_set_for_evaluation_test(packed: Path, data: Path, tmp_path: Path) -> None:
    def tested(path: Path) -> set[str]:
        return {name[:8] for name in load_radiographs(path, "test", side=24).names.tolist()}

    unforced = tmp_path / "unforced.npz"
    radiographs_module.pack(
        data / "adult_normal_cxr", data / "kermany_cxr", unforced, 24, 60, 3, nih=[data / "nih_cxr_1000"]
    )
    assert f"{int(EVALUATED):08d}" in tested(packed) - tested(unforced)


def test_the_split_of_the_older_collections_follows_from_the_name(everything: Radiographs, packed: Path) -> None:
    for number, split in enumerate(SPLITS):
        part = load_radiographs(packed, split, side=24)
        reported = np.isin(part.sources, [SOURCES.index(source) for source in REPORTED])
        assert all(split_of(Path(name)) == number for name in part.names[reported].tolist())
    # Written down once; whoever changes the rule moves test pictures into training.
    held_out = {number: split_of(Path(f"normal-{number}.jpg")) for number in range(40)}
    assert {number: split for number, split in held_out.items() if split} == {0: 1, 30: 2}
    assert split_of(Path("person7_bacteria_1.jpeg")) == split_of(Path("person7_virus_22.jpeg"))


def test_pictures_keep_their_own_size_up_to_the_most(packed: Path) -> None:
    with np.load(packed) as arrays:
        data, offsets, names = arrays["data"], arrays["offsets"], arrays["name"].tolist()
    sizes = {}
    for name in ("normal-0.jpg", "00000001_000.png", "synpic9.jpg"):
        row = names.index(name)
        file = packed.parent / "one.jpg"
        file.write_bytes(data[offsets[row] : offsets[row + 1]].tobytes())
        with Image.open(file) as image:
            sizes[name] = image.size
    assert sizes == {
        "normal-0.jpg": (USUAL_SIDE, USUAL_SIDE), "00000001_000.png": (32, 32), "synpic9.jpg": (384, 384)
    }  # fmt: skip
    assert load_radiographs(packed, "test").images.shape[2:] == (USUAL_SIDE, USUAL_SIDE)


def test_only_chest_radiographs_are_called_so(everything: Radiographs) -> None:
    of_questions = everything.sources == SOURCES.index("vqa_rad")
    assert everything.chest[~of_questions].all()
    assert set(everything.names[of_questions & everything.chest].tolist()) == {"synpic3.jpg", "synpic4.jpg"}


def test_only_pictures_with_a_case_have_one() -> None:
    for number, source in enumerate(SOURCES):
        if source in REPORTED:
            assert source_case(number, Random(0)).paediatric == source.startswith("child")
        else:
            with pytest.raises(ValueError, match=source):
                source_case(number, Random(0))


def test_a_pack_that_is_too_large_is_not_written(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radiographs_module, "MOST_BYTES", 1_000)
    out = tmp_path / "large.npz"
    with pytest.raises(ValueError, match="1,000"):
        radiographs_module.pack(data / "adult_normal_cxr", data / "kermany_cxr", out, 224, 60, 3)
    assert not out.exists()


def test_a_pack_with_other_labels_is_refused(packed: Path, tmp_path: Path) -> None:
    with np.load(packed) as arrays:
        kept = dict(arrays)
    kept["label_names"] = kept["label_names"][::-1]
    np.savez(tmp_path / "other.npz", **kept)
    with pytest.raises(ValueError, match="other labels"):
        load_radiographs(tmp_path / "other.npz")


def test_packing_again_gives_the_same_bytes(packed: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = packed.parent / "again.npz"
    monkeypatch.setattr("sys.argv", ["radiographs", "--data", str(data), "--out", str(again), "--side", "384"])
    main()
    assert again.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize(
    ("name", "tests", "dropped"),
    [("normal-1", False, False), ("normal-1", True, True), ("normal-0", False, True)],
    ids=["both train", "the patient tests", "the other validates"],
)
def test_a_picture_in_two_collections_is_on_one_side_only(
    tmp_path: Path, name: str, tests: bool, dropped: bool
) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8))
    for place in (f"adult/{name}.jpg", "nih/train/00000001_000.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        noise.save(tmp_path / place, "PNG")
    grey(tmp_path / "nih/train/00000001_001.png", 90)
    table(tmp_path / "nih/labels.csv", [nih_row(1, 0), nih_row(1, 1)])
    patients = frozenset({"1"}) if tests else frozenset()
    out = tmp_path / "pack.npz"
    radiographs_module.pack(
        tmp_path / "adult", tmp_path, out, 48, 90, 1, nih=[tmp_path / "nih"], held_out_patients=patients
    )
    kept = ["00000001_001.png"] if dropped else ["00000001_000.png", "00000001_001.png"]
    assert load_radiographs(out).names.tolist() == [f"{name}.jpg", *kept]
