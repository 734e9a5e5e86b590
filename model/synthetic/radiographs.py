"""Real radiographs as one packed file of grey JPEGs, and the pack as one tensor, with the labels and questions that
their collections give them.

This module knows nothing of findings that are painted and of reports. The pack is scratch: it is made from the
collections where they lie, and is never shipped.

`python -m model.synthetic.radiographs --data DIR --out FILE` makes it; DIR holds `adult_normal_cxr/`, `kermany_cxr/`,
`nih_cxr_1000/`, `covid_cxr_permissive/` and `vqa_rad/`. Images of patients that are in DIR's `nih_cxr_full/`, which is
for evaluation, are kept out of training.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
from collections.abc import Mapping
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
    case_of_findings,
    sample_case,
)

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, Split, Split] = ("train", "validation", "test")
# Out of every 20 source images or patients, one validates and one tests.
_OF_TWENTY = {0: 1, 1: 2}
# The collections with labels or questions are small: of 20 patients or images two validate and four test.
_OF_TWENTY_SMALL = {0: 1, 1: 1, 2: 2, 3: 2, 4: 2, 5: 2}
# A pack this small travels to any machine that trains.
MOST_BYTES = 55_000_000
# What most collections come in; pictures are painted at this size.
USUAL_SIDE = 224
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
_MAPPED = frozenset().union(*_NIH_LABELS.values())
# Of so many findings a report of a real picture must know whether they are there: with one alone it is one sentence.
_LEAST_KNOWN = 4
# Two files with this correlation at 32 pixels are one picture: 40 of 800 have such a twin, and one comes to 0.97.
_TWINS = 0.99
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
    collection tells; all unknown where they follow from the case. `facts`: age, sex and view where the collection tells
    them. `chest`: (count,) whether the picture is a chest radiograph; of those with questions not all are.
    """

    images: Tensor
    sources: NDArray[np.int64]
    names: NDArray[np.str_]
    labels: NDArray[np.int8]
    facts: tuple[StudyFacts, ...]
    chest: NDArray[np.bool_]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A picture to be packed, with what is known of it. `findings`: yes or no by the names of `_FINDINGS`."""

    path: Path
    source: Source
    split: int
    findings: Mapping[str, bool] = field(default_factory=dict)
    facts: StudyFacts = field(default_factory=StudyFacts)
    chest: bool = True
    questions: tuple[tuple[str, str, bool], ...] = ()


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
    """The case of a real picture of an adult from its collection's labels, (len(LABELS),); None where less is known
    than a report needs."""
    known = {finding: int(labels[LABELS.index(finding)]) for finding in _FINDINGS}
    findings = {finding: value > 0 for finding, value in known.items() if value >= 0}
    return case_of_findings(findings) if len(findings) >= _LEAST_KNOWN else None


def split_of(path: Path) -> int:
    """The split of a file, as a position in `SPLITS`: by patient where the name tells the patient, else by file.

    It follows from the name alone, so that adding pictures moves none from one split to another.
    """
    patient = _PATIENT.match(path.name)
    return _OF_TWENTY.get(_twentieth(patient.group() if patient else path.name), 0)


def _twentieth(key: str) -> int:
    return int.from_bytes(sha256(key.encode()).digest()[:4], "big") % 20


def pack(
    adult: Path,
    kermany: Path,
    out: Path,
    side: int,
    quality: int,
    children_per_label: int,
    seed: int = 0,
    nih: Path | None = None,
    covid: Path | None = None,
    vqa_rad: Path | None = None,
    held_out_patients: frozenset[str] = frozenset(),
) -> int:
    """Write the pack and return its number of pictures.

    All adults, and `children_per_label` pictures of children of either label, chosen by `seed`; of the collections with
    labels or questions all, where a folder is given. JPEGs are stored grey and square at `quality`, each as large as it
    is but at most `side` pixels. `held_out_patients`: patients of ChestX-ray14 that test, whatever their number says.
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
    chosen += _without_twins(_nih_entries(nih, held_out_patients), chosen) if nih else []
    chosen += _covid_entries(covid) if covid else []
    chosen += _vqa_entries(vqa_rad) if vqa_rad else []
    with ThreadPoolExecutor() as pool:
        encoded = list(pool.map(lambda entry: _encoded(entry.path, side, quality), chosen))
    offsets = np.cumsum([0, *(len(jpeg) for jpeg in encoded)])
    asked = [
        {"picture": row, "text": text, "answer": answer, "closed": closed}
        for row, entry in enumerate(chosen)
        for text, answer, closed in entry.questions
    ]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        data=np.frombuffer(b"".join(encoded), dtype=np.uint8),
        offsets=offsets.astype(np.int64),
        source=np.array([SOURCES.index(entry.source) for entry in chosen], dtype=np.int8),
        split=np.array([entry.split for entry in chosen], dtype=np.int8),
        name=np.array([entry.path.name for entry in chosen]),
        label_names=np.array(LABELS),
        labels=np.array([answers_of(entry.findings) for entry in chosen], dtype=np.int8),
        age=np.array([-1 if entry.facts.age is None else entry.facts.age for entry in chosen], dtype=np.int16),
        sex=np.array([entry.facts.sex or "" for entry in chosen]),
        view=np.array([entry.facts.view or "" for entry in chosen]),
        chest=np.array([entry.chest for entry in chosen]),
        questions=np.frombuffer(json.dumps(asked, ensure_ascii=False).encode(), dtype=np.uint8),
        side=np.array(side),
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
    )


def answers_of(findings: Mapping[str, bool]) -> list[int]:
    """What is known of every entry of `LABELS`, given which findings the chest shows: 1 yes, 0 no, -1 unknown.

    A finding that is not there is nowhere and of no size; of one that is there, side, zone and size stay unknown.
    """

    def answer(label: str) -> int:
        about = next((finding for finding in _FINDINGS if finding in label), None)
        if about is None or about not in findings:
            return -1
        return 0 if not findings[about] else 1 if label == about else -1

    return [answer(label) for label in LABELS]


def _nih_entries(folder: Path, held_out_patients: frozenset[str]) -> list[_Entry]:
    """ChestX-ray14's pictures with their text-mined labels; what is not named is absent. Split by patient."""
    entries = []
    for row in _table(folder / "labels.csv"):
        named = set(row["labels"].split("|"))
        patient = row["patient"]
        split = 2 if patient in held_out_patients else _OF_TWENTY_SMALL.get(_twentieth(f"nih {patient}"), 0)
        facts = StudyFacts(age=int(row["age"]), sex=row["sex"], view=row["view"])
        findings = {finding: bool(named & means) for finding, means in _NIH_LABELS.items()}
        if named.isdisjoint({"No Finding", *_MAPPED}):
            # Emphysema, hernia or thickened pleura alone: not normal, and nothing else is named that could be said.
            findings = {}
        elif "Fibrosis" in named and not findings["opacity"]:
            # Scarred lungs are not clear, and no label tells whether they hold opacity too.
            del findings["opacity"]
        entries.append(_Entry(folder / row["file"], "nih_labelled", split, findings, facts))
    return entries


def _without_twins(entries: list[_Entry], others: list[_Entry]) -> list[_Entry]:
    """The entries without those whose picture is among `others` in another split.

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
    moved = (same & elsewhere).any(dim=1).tolist()
    return [entry for entry, twin in zip(entries, moved, strict=True) if not twin]


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
        entries.append(_Entry(path, "covid", split, findings, facts))
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


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _encoded(path: Path, side: int, quality: int) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        # Enlarging a small picture would only cost bytes.
        square = _grey_square(image, min(side, max(image.size)))
        Image.fromarray(square).save(buffer, "JPEG", quality=quality, optimize=True)
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
    parser.add_argument("--quality", type=int, default=62, help="JPEG quality (default 62)")
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
        nih=data / "nih_cxr_1000",
        covid=data / "covid_cxr_permissive",
        vqa_rad=data / "vqa_rad",
        held_out_patients=frozenset(row["patient"] for row in _table(data / "nih_cxr_full" / "labels.csv")),
    )
    digest = sha256(chosen.out.read_bytes()).hexdigest()
    print(f"{count} radiographs, {chosen.out.stat().st_size:,} bytes, SHA-256 {digest}: {chosen.out}")


if __name__ == "__main__":
    main()
