"""Real radiographs as one packed file of grey WebP pictures, and the pack as one tensor, with the labels and questions
that their collections give them.

This module knows nothing of findings that are painted and of reports. The pack is scratch: it is made from the
collections where they lie, and is never shipped.

`python -m model.synthetic.radiographs --data DIR --out FILE` makes it; DIR holds `adult_normal_cxr/`, `kermany_cxr/`,
`nih_cxr_1000/`, `nih_cxr_384/`, `nih_cxr_128/`, `covid_cxr_permissive/`, `vqa_rad/` and `wingspan_ctr/`. Images of
patients that are in DIR's `nih_cxr_full/`, which is for evaluation, are kept out of training.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from drafting.study import StudyFacts
from model.synthetic.cases import (
    LABELS,
    REPORTED,
    SOURCES,
    Case,
    Source,
    Unplaced,
    case_from_labels,
    case_of_answers,
    sample_case,
)

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, Split, Split] = ("train", "validation", "test")
# Out of every 20 source images or patients, one validates and one tests.
_OF_TWENTY = {0: 1, 1: 2}
# The collections with labels or questions are small: of 20 patients or images two validate and four test.
_OF_TWENTY_SMALL = {0: 1, 1: 1, 2: 2, 3: 2, 4: 2, 5: 2}
# ChestX-ray14's folders share patients, hence one split. Sight is measured elsewhere, on radiologists' readings.
_OF_TWENTY_NIH = {0: 1, 2: 2}
# A pack this small travels to any machine that trains.
MOST_BYTES = 60_000_000
# Pictures are painted at this size: above most collections' own 224, below the 384 that the vision tower takes.
USUAL_SIDE = 320
_PATIENT = re.compile(r"person\d+|(?:NORMAL2-)?IM-\d+")

# What the real labels speak of, by the names of `LABELS`; a side, a zone and a size are never known.
_FINDINGS: tuple[Unplaced, ...] = get_args(Unplaced)
# The ChestX-ray14 labels that mean each. A mass is a solid round lesion too.
_NIH_LABELS: dict[str, frozenset[str]] = {
    "cardiomegaly": frozenset({"Cardiomegaly"}),
    "edema": frozenset({"Edema"}),
    "opacity": frozenset({"Consolidation", "Infiltration", "Pneumonia"}),
    "effusion": frozenset({"Effusion"}),
    "pneumothorax": frozenset({"Pneumothorax"}),
    "atelectasis": frozenset({"Atelectasis"}),
    "nodule": frozenset({"Nodule", "Mass"}),
    "mass": frozenset({"Mass"}),
}
# What ChestX-ray14's boxes are of, by their names; a heart has no side.
_NIH_BOXES: dict[str, str] = {
    "Infiltration": "opacity",
    "Infiltrate": "opacity",
    "Pneumonia": "opacity",
    "Consolidation": "opacity",
    "Effusion": "effusion",
    "Pneumothorax": "pneumothorax",
    "Atelectasis": "atelectasis",
    "Nodule": "nodule",
    "Mass": "nodule",
}
_MAPPED = frozenset().union(*_NIH_LABELS.values())
# Of so many findings a report of a real picture must know whether they are there: with one alone it is one sentence.
_LEAST_KNOWN = 4
# Two files with this correlation at 32 pixels are one picture: 40 of 800 have such a twin, and one comes to 0.97.
_TWINS = 0.99
# Pixels a side of the masks of heart and lungs, and what their values mean.
MASK_SIDE = 256
NEITHER, LEFT_LUNG, RIGHT_LUNG, HEART = range(4)
# A heart wider than half of the chest is enlarged (Danzer, Am J Med Sci 1919); so close to it readers disagree.
_NORMAL_RATIO, _ENLARGED_RATIO = 0.48, 0.52
# Findings of the COVID-19 collection that are opacity on a radiograph: pneumonias, and the lungs' shock.
_COVID_OPACITIES = frozenset({"COVID-19", "Pneumocystis", "ARDS"})


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a real picture. `picture`: its row in `Radiographs.images`; `closed`: answered yes or no, or
    with one of what the question names."""

    picture: int
    text: str
    answer: str
    closed: bool


@dataclass(frozen=True, eq=False)
class Radiographs:
    """Pictures of one split.

    `images`: (count, 1, side, side) uint8. `sources`: (count,) positions in `cases.SOURCES`. `names`: (count,) file
    names, from which a picture is found again. `labels`: (count, len(LABELS)) int8, 1 yes, 0 no, -1 unknown, as the
    collection tells; all unknown where they follow from the case. `read`: (count,) whether radiologists looked at the
    picture for the labels; else a program searched a report, and what it did not find may be there. `folds`: (count,)
    0 to 9, by patient where the patient is known, for readings by models that never saw the picture. `facts`: age, sex
    and view where the collection tells them. `chest`: (count,) whether the picture is a chest radiograph; of those with
    questions not all are. `masks`: (masked, MASK_SIDE, MASK_SIDE) uint8, 0 neither, 1 left lung, 2 right lung, 3 heart,
    of the pictures at the rows `masked`.
    """

    images: Tensor
    sources: NDArray[np.int64]
    names: NDArray[np.str_]
    labels: NDArray[np.int8]
    read: NDArray[np.bool_]
    folds: NDArray[np.int8]
    facts: tuple[StudyFacts, ...]
    chest: NDArray[np.bool_]
    questions: tuple[Question, ...]
    masks: NDArray[np.uint8]
    masked: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A picture to be packed, with what is known of it.

    `findings`: yes or no by the names of `_FINDINGS`. `places`: labels of a side or zone that a box of the collection
    shows. `read`: whether radiologists looked at the picture for them. `patient`: decides the fold; else the file name
    does.
    """

    path: Path
    source: Source
    split: int
    findings: Mapping[str, bool] = field(default_factory=dict)
    places: frozenset[str] = frozenset()
    read: bool = False
    patient: str = ""
    facts: StudyFacts = field(default_factory=StudyFacts)
    chest: bool = True
    questions: tuple[tuple[str, str, bool], ...] = ()
    mask: Path | None = None


def source_case(source: int, random: Random) -> Case:
    """A case for a picture of this source: sampled where findings are painted, else what the source's label tells.

    `source`: position in `cases.SOURCES`, of one of `cases.REPORTED`; ValueError for the others, of which too little is
    known for a report.
    """
    name = SOURCES[source]
    if name not in REPORTED:
        raise ValueError(f"Pictures of {name} have labels or questions, no case.")
    return sample_case(random) if name == "adult_normal" else case_from_labels(name, random)


def labelled_case(labels: NDArray[np.int8]) -> Case | None:
    """The case of a real picture of an adult from what is known of it, (len(LABELS),) 1, 0 or -1; None where less is
    known than a report needs."""
    answers = dict(zip(LABELS, labels.tolist(), strict=True))
    known = sum(answers[finding] >= 0 for finding in _FINDINGS)
    return case_of_answers(answers) if known >= _LEAST_KNOWN else None


def split_of(path: Path) -> int:
    """The split of a file, as a position in `SPLITS`: by patient where the name tells the patient, else by file.

    It follows from the name alone, so that adding pictures moves none from one split to another.
    """
    patient = _PATIENT.match(path.name)
    return _OF_TWENTY.get(_twentieth(patient.group() if patient else path.name), 0)


def _twentieth(key: str) -> int:
    return _hashed(key) % 20


def _hashed(key: str) -> int:
    return int.from_bytes(sha256(key.encode()).digest()[:4], "big")


def pack(
    adult: Path,
    kermany: Path,
    out: Path,
    side: int,
    quality: int,
    children_per_label: int,
    seed: int = 0,
    nih: Sequence[Path] = (),
    covid: Path | None = None,
    vqa_rad: Path | None = None,
    wingspan: Path | None = None,
    held_out_patients: frozenset[str] = frozenset(),
) -> int:
    """Write the pack and return its number of pictures.

    All adults, and `children_per_label` pictures of children of either label, chosen by `seed`; of the collections with
    labels or questions all, where a folder is given. Pictures are stored grey and square at WebP `quality`, each as
    large as it is but at most `side` pixels. `nih`: folders of ChestX-ray14. `held_out_patients`: patients of
    ChestX-ray14 that test, whatever their number says.
    Raises ValueError where the pack comes out larger than `MOST_BYTES`.
    """
    random = Random(seed)
    chosen = [_Entry(path, "adult_normal", split_of(path)) for path in sorted(adult.glob("*.jp*g"))]
    labels: tuple[tuple[str, Source], ...] = (("NORMAL", "child_normal"), ("PNEUMONIA", "child_pneumonia"))
    for folder, source in labels:
        paths = sorted((kermany / "train" / folder).glob("*.jp*g"))
        some = sorted(random.sample(paths, min(children_per_label, len(paths))))
        chosen += [_Entry(path, source, split_of(path)) for path in some]
    if not chosen:
        raise ValueError(f"No radiographs were found in {adult} and {kermany}.")
    for collection in nih:
        # One after another, so that a picture that two folders hold is taken once.
        chosen += _without_twins(_nih_entries(collection, held_out_patients), chosen)
    chosen += _covid_entries(covid) if covid else []
    chosen += _vqa_entries(vqa_rad) if vqa_rad else []
    chosen += _wingspan_entries(wingspan) if wingspan else []
    with ThreadPoolExecutor() as pool:
        encoded = list(pool.map(lambda entry: _encoded(entry.path, side, quality), chosen))
    offsets = np.cumsum([0, *(len(picture) for picture in encoded)])
    asked = [
        {"picture": row, "text": text, "answer": answer, "closed": closed}
        for row, entry in enumerate(chosen)
        for text, answer, closed in entry.questions
    ]
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        data=np.frombuffer(b"".join(encoded), dtype=np.uint8),
        offsets=offsets.astype(np.int64),
        source=np.array([SOURCES.index(entry.source) for entry in chosen], dtype=np.int8),
        split=np.array([entry.split for entry in chosen], dtype=np.int8),
        name=np.array([entry.path.name for entry in chosen]),
        label_names=np.array(LABELS),
        labels=np.array([answers_of(entry.findings, entry.places) for entry in chosen], dtype=np.int8),
        read=np.array([entry.read for entry in chosen]),
        fold=np.array([_hashed(entry.patient or entry.path.name) % 10 for entry in chosen], dtype=np.int8),
        age=np.array([-1 if entry.facts.age is None else entry.facts.age for entry in chosen], dtype=np.int16),
        sex=np.array([entry.facts.sex or "" for entry in chosen]),
        view=np.array([entry.facts.view or "" for entry in chosen]),
        chest=np.array([entry.chest for entry in chosen]),
        questions=np.frombuffer(json.dumps(asked, ensure_ascii=False).encode(), dtype=np.uint8),
        side=np.array(side),
        masks=np.array([_mask(entry.mask) for entry in chosen if entry.mask]).reshape(-1, MASK_SIDE, MASK_SIDE),
        masked=np.array([row for row, entry in enumerate(chosen) if entry.mask], dtype=np.int64),
    )
    if buffer.tell() > MOST_BYTES:
        raise ValueError(f"The pack would have {buffer.tell():,} bytes; {MOST_BYTES:,} is the most. Lower the quality.")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(buffer.getbuffer())
    return len(chosen)


def load_radiographs(path: Path, split: Split | None = None, side: int | None = None) -> Radiographs:
    """The pictures of one split, or of all, decoded; `side` in pixels, by default that of the pack's largest picture
    and at most `USUAL_SIDE`.

    Raises KeyError for a pack of an earlier version and ValueError for one whose labels are not those of `LABELS`.
    """
    with np.load(path) as packed:
        data, offsets, name = packed["data"], packed["offsets"], packed["name"]
        sources, splits, largest = packed["source"].astype(np.int64), packed["split"], int(packed["side"])
        labels, label_names = packed["labels"], tuple(packed["label_names"].tolist())
        ages, sexes, views = packed["age"].tolist(), packed["sex"].tolist(), packed["view"].tolist()
        chest, asked = packed["chest"], json.loads(packed["questions"].tobytes())
        read, folds = packed["read"], packed["fold"]
        masks, masked = packed["masks"], packed["masked"].tolist()
    if label_names != LABELS:
        raise ValueError(f"{path} was packed with other labels; pack the radiographs again.")
    wanted = np.arange(len(sources)) if split is None else np.flatnonzero(splits == SPLITS.index(split))
    size = side or min(largest, USUAL_SIDE)
    pixels = np.empty((len(wanted), 1, size, size), dtype=np.uint8)

    def decode(row: int) -> None:
        begin, end = offsets[wanted[row]], offsets[wanted[row] + 1]
        pixels[row, 0] = _grey_square(Image.open(io.BytesIO(data[begin:end].tobytes())), size)

    with ThreadPoolExecutor() as pool:
        list(pool.map(decode, range(len(wanted))))
    rows = {int(number): row for row, number in enumerate(wanted)}
    return Radiographs(
        torch.from_numpy(pixels),
        sources[wanted],
        name[wanted],
        labels[wanted],
        read[wanted],
        folds[wanted],
        tuple(
            StudyFacts(
                age=ages[number] if ages[number] >= 0 else None, sex=sexes[number] or None, view=views[number] or None
            )
            for number in wanted
        ),
        chest[wanted],
        tuple(
            Question(rows[each["picture"]], each["text"], each["answer"], each["closed"])
            for each in asked
            if each["picture"] in rows
        ),
        masks[[number in rows for number in masked]],
        np.array([rows[number] for number in masked if number in rows], dtype=np.int64),
    )


def answers_of(findings: Mapping[str, bool], places: frozenset[str] = frozenset()) -> list[int]:
    """What is known of every entry of `LABELS`, given which findings the chest shows: 1 yes, 0 no, -1 unknown.

    A finding that is not there is nowhere and of no size; of one that is there, side, zone and size stay unknown, but
    for the labels in `places`, which are shown.
    """

    def answer(label: str) -> int:
        if label in places:
            return 1
        about = next((finding for finding in _FINDINGS if finding in label), None)
        if about is None or about not in findings:
            return -1
        return 0 if not findings[about] else 1 if label == about else -1

    return [answer(label) for label in LABELS]


def _nih_entries(folder: Path, held_out_patients: frozenset[str]) -> list[_Entry]:
    """ChestX-ray14's pictures, split by patient: text-mined labels, in which what is not named counts as absent, and,
    where the folder has them, radiologists' readings for opacity (RSNA) and boxes of both."""
    entries = []
    pictures = folder / "images" if (folder / "images").is_dir() else folder
    for row in _table(folder / "labels.csv"):
        named = set(row["labels"].split("|"))
        patient = row["patient"]
        split = 2 if patient in held_out_patients else _OF_TWENTY_NIH.get(_twentieth(f"nih {patient}"), 0)
        facts = StudyFacts(age=int(row["age"]), sex=row["sex"], view=row["view"])
        findings = {finding: bool(named & means) for finding, means in _NIH_LABELS.items()}
        if named.isdisjoint({"No Finding", *_MAPPED}):
            # Emphysema, hernia or thickened pleura alone: not normal, and nothing else is named that could be said.
            findings = {}
        elif "Fibrosis" in named and not findings["opacity"]:
            # Scarred lungs are not clear, and no label tells whether they hold opacity too.
            del findings["opacity"]
        rsna = row.get("rsna_class") or ""
        if rsna == "Normal":
            # Radiologists found nothing, whatever the report's words were taken for.
            findings = dict.fromkeys(_NIH_LABELS, False)
        elif rsna:
            findings["opacity"] = rsna == "Lung Opacity"
        boxes = [(_NIH_BOXES.get(box[0]), box[1:]) for box in json.loads(row.get("nih_boxes") or "[]")]
        boxes += [("opacity", box) for box in json.loads(row.get("rsna_boxes") or "[]")]
        places = frozenset(_place(finding, box) for finding, box in boxes if finding and findings.get(finding))
        entries.append(
            _Entry(
                pictures / row["file"], "nih_labelled", split, findings, places, rsna == "Normal", patient, facts=facts
            )
        )
    return entries


def _place(finding: str, box: Sequence[float]) -> str:
    """The label of the side, and of an opacity the zone, of a box: x, y, width, height in shares of the picture.

    The zones are those of lungs that reach from 0.12 to 0.78 of the picture's height, as in most.
    """
    x, y, width, height = box
    side = "right" if x + width / 2 < 0.5 else "left"
    if finding != "opacity":
        return f"{finding}_{side}"
    middle = y + height / 2
    zone = "upper" if middle < 0.34 else "mid" if middle < 0.56 else "lower"
    return f"opacity_{zone}_{side}"


def _without_twins(entries: list[_Entry], others: list[_Entry]) -> list[_Entry]:
    """The entries without those whose picture is among `others` in another split, or is of ChestX-ray14 in both.

    The adults' normal pictures are ChestX-ray14's under other names, so that some are in both collections.
    """
    if not entries or not others:
        return entries
    with ThreadPoolExecutor() as pool:
        ours, theirs = (
            torch.stack(list(pool.map(lambda entry: _standardized(entry.path), group))) for group in (entries, others)
        )
    same = ours @ theirs.T > _TWINS
    elsewhere = torch.tensor([[entry.split] for entry in entries]) != torch.tensor([entry.split for entry in others])
    again = torch.tensor([entry.source == "nih_labelled" for entry in others])
    left_out = (same & (elsewhere | again)).any(dim=1).tolist()
    return [entry for entry, twin in zip(entries, left_out, strict=True) if not twin]


def _standardized(path: Path) -> Tensor:
    """A picture of 32 x 32 pixels as (1024,) of mean 0 and length 1, so that products are correlations."""
    with Image.open(path) as image:
        grey = torch.from_numpy(_grey_square(image, 32).astype(np.float32)).flatten()
    return torch.nn.functional.normalize(grey - grey.mean(), dim=0)


def _covid_entries(folder: Path) -> list[_Entry]:
    """The COVID-19 collection's pictures. Split by file: they come with no patient's number."""
    entries = []
    for row in _table(folder / "metadata.csv"):
        findings: dict[str, bool] = {}
        if row["finding"] == "No Finding":
            findings = dict.fromkeys(_FINDINGS, False)
        elif row["finding"] in _COVID_OPACITIES and "unremarkable" not in row["clinical_notes"].lower():
            findings = {"opacity": True}
        # 'AP Supine' is an AP view.
        view = row["view"].partition(" ")[0] or None
        facts = StudyFacts(age=round(float(row["age"])) if row["age"] else None, sex=row["sex"] or None, view=view)
        path = folder / row["file"]
        split = _OF_TWENTY_SMALL.get(_twentieth(path.name), 0)
        entries.append(_Entry(path, "covid", split, findings, facts=facts))
    return entries


def _vqa_entries(folder: Path) -> list[_Entry]:
    """VQA-RAD's pictures with their questions. Split by image: the official split asks about the same ones twice."""
    asked: dict[str, list[tuple[str, str, bool]]] = {}
    for each in json.loads((folder / "trainset.json").read_text(encoding="utf-8")):
        closed = each["answer_type"].strip() == "CLOSED"
        asked.setdefault(each["image_name"], []).append((each["question"].strip(), str(each["answer"]).strip(), closed))
    chests = set((folder / "xray_images.txt").read_text(encoding="utf-8").split())
    return [
        _Entry(
            path,
            "vqa_rad",
            _OF_TWENTY_SMALL.get(_twentieth(path.name), 0),
            chest=path.name in chests,
            questions=tuple(asked.get(path.name, ())),
        )
        for path in sorted((folder / "images").glob("*.jp*g"))
    ]


def _wingspan_entries(folder: Path) -> list[_Entry]:
    """Pictures with masks of heart and lungs; whether the heart is enlarged follows from its share of the chest."""
    entries = []
    for row in _table(folder / "labels.csv"):
        ratio = float(row["ctr_from_masks"])
        findings = {} if _NORMAL_RATIO < ratio < _ENLARGED_RATIO else {"cardiomegaly": ratio >= _ENLARGED_RATIO}
        path = folder / "images" / row["file"]
        mask = (folder / "masks" / row["file"]).with_suffix(".png")
        split = _OF_TWENTY.get(_twentieth(path.name), 0)
        entries.append(_Entry(path, "wingspan", split, findings, read=True, mask=mask))
    return entries


def _mask(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((MASK_SIDE, MASK_SIDE), Image.Resampling.NEAREST))


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _encoded(path: Path, side: int, quality: int) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        # Enlarging a small picture would only cost bytes.
        square = _grey_square(image, min(side, max(image.size)))
        # Half the size of a JPEG that looks as good.
        Image.fromarray(square).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def _grey_square(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """An image as (side, side) uint8, squeezed where it is not square, as one of the collections already is."""
    grey = image.convert("L")
    if grey.size != (side, side):
        grey = grey.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(grey)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m model.synthetic.radiographs", description="Pack radiographs for training."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the collections' folders")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    parser.add_argument("--side", type=int, default=384, help="most pixels a side (default 384)")
    parser.add_argument("--quality", type=int, default=65, help="WebP quality (default 65)")
    parser.add_argument("--children", type=int, default=1000, help="children's pictures of either label (default 1000)")
    chosen = parser.parse_args()
    data: Path = chosen.data
    count = pack(
        data / "adult_normal_cxr",
        data / "kermany_cxr",
        chosen.out,
        side=chosen.side,
        quality=chosen.quality,
        children_per_label=chosen.children,
        # The larger pictures first: of a picture that two folders hold the first is taken.
        nih=[data / name for name in ("nih_cxr_384", "nih_cxr_128", "nih_cxr_1000")],
        covid=data / "covid_cxr_permissive",
        vqa_rad=data / "vqa_rad",
        wingspan=data / "wingspan_ctr",
        held_out_patients=frozenset(row["patient"] for row in _table(data / "nih_cxr_full" / "labels.csv")),
    )
    digest = sha256(chosen.out.read_bytes()).hexdigest()
    print(f"{count} radiographs, {chosen.out.stat().st_size:,} bytes, SHA-256 {digest}: {chosen.out}")


if __name__ == "__main__":
    main()
