"""Real radiographs as one packed file of grey JPEGs, and the pack as one tensor.

This module knows nothing of findings that are painted and of reports. The pack is scratch: it is made from the
collections where they lie, and is never shipped.

`python -m model.data.radiographs --data DIR --out FILE` makes it; DIR holds `adult_normal_cxr/` and `kermany_cxr/`.
"""

from __future__ import annotations

import argparse
import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from model.data.cases import SOURCES, Case, Source, case_from_labels, sample_case

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, Split, Split] = ("train", "validation", "test")
# Out of every 20 source images or patients, one validates and one tests.
_OF_TWENTY = {0: 1, 1: 2}
# A pack this small travels to any machine that trains.
MOST_BYTES = 45_000_000
_PATIENT = re.compile(r"person\d+|(?:NORMAL2-)?IM-\d+")


@dataclass(frozen=True, eq=False)
class Radiographs:
    """Pictures of one split.

    `images`: (count, 1, side, side) uint8. `sources`: (count,) positions in `cases.SOURCES`. `names`: (count,) file
    names, from which a picture is found again.
    """

    images: Tensor
    sources: NDArray[np.int64]
    names: NDArray[np.str_]


def source_case(source: int, random: Random) -> Case:
    """A case for a picture of this source: sampled where findings are painted, else what the source's label tells.

    `source`: position in `cases.SOURCES`.
    """
    name = SOURCES[source]
    return sample_case(random) if name == "adult_normal" else case_from_labels(name, random)


def split_of(path: Path) -> int:
    """The split of a file, as a position in `SPLITS`: by patient where the name tells the patient, else by file.

    It follows from the name alone, so that adding pictures moves none from one split to another.
    """
    patient = _PATIENT.match(path.name)
    digest = sha256((patient.group() if patient else path.name).encode()).digest()
    return _OF_TWENTY.get(int.from_bytes(digest[:4], "big") % 20, 0)


def pack(adult: Path, kermany: Path, out: Path, side: int, quality: int, children_per_label: int, seed: int = 0) -> int:
    """Write the pack and return its number of pictures.

    All adults, and `children_per_label` pictures of children of either label, chosen by `seed`. JPEGs are stored grey,
    `side` pixels square, at `quality`. Raises ValueError where the pack comes out larger than `MOST_BYTES`.
    """
    random = Random(seed)
    chosen: list[tuple[Path, Source]] = [(path, "adult_normal") for path in sorted(adult.glob("*.jp*g"))]
    labels: tuple[tuple[str, Source], ...] = (("NORMAL", "child_normal"), ("PNEUMONIA", "child_pneumonia"))
    for folder, source in labels:
        paths = sorted((kermany / "train" / folder).glob("*.jp*g"))
        chosen += [(path, source) for path in sorted(random.sample(paths, min(children_per_label, len(paths))))]
    if not chosen:
        raise ValueError(f"No radiographs were found in {adult} and {kermany}.")
    with ThreadPoolExecutor() as pool:
        encoded = list(pool.map(lambda item: _encoded(item[0], side, quality), chosen))
    offsets = np.cumsum([0, *(len(jpeg) for jpeg in encoded)])
    if offsets[-1] > MOST_BYTES:
        raise ValueError(f"The pack would have {offsets[-1]:,} bytes; {MOST_BYTES:,} is the most. Lower the quality.")
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        out,
        data=np.frombuffer(b"".join(encoded), dtype=np.uint8),
        offsets=offsets.astype(np.int64),
        source=np.array([SOURCES.index(source) for _, source in chosen], dtype=np.int8),
        split=np.array([split_of(path) for path, _ in chosen], dtype=np.int8),
        name=np.array([path.name for path, _ in chosen]),
        side=np.array(side),
    )
    return len(chosen)


def load_radiographs(path: Path, split: Split | None = None, side: int | None = None) -> Radiographs:
    """The pictures of one split, or of all, decoded; `side` in pixels, by default the stored one."""
    with np.load(path) as packed:
        data, offsets, name = packed["data"], packed["offsets"], packed["name"]
        sources, splits, stored = packed["source"].astype(np.int64), packed["split"], int(packed["side"])
    wanted = np.arange(len(sources)) if split is None else np.flatnonzero(splits == SPLITS.index(split))
    size = side or stored
    pixels = np.empty((len(wanted), 1, size, size), dtype=np.uint8)

    def decode(row: int) -> None:
        begin, end = offsets[wanted[row]], offsets[wanted[row] + 1]
        pixels[row, 0] = _grey_square(Image.open(io.BytesIO(data[begin:end].tobytes())), size)

    with ThreadPoolExecutor() as pool:
        list(pool.map(decode, range(len(wanted))))
    return Radiographs(torch.from_numpy(pixels), sources[wanted], name[wanted])


def _encoded(path: Path, side: int, quality: int) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        Image.fromarray(_grey_square(image, side)).save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def _grey_square(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """An image as (side, side) uint8, squeezed where it is not square, as one of the collections already is."""
    grey = image.convert("L")
    if grey.size != (side, side):
        grey = grey.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(grey)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m model.data.radiographs", description="Pack radiographs for training."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with adult_normal_cxr/ and kermany_cxr/")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    parser.add_argument("--side", type=int, default=224, help="pixels a side (default 224)")
    parser.add_argument("--quality", type=int, default=62, help="JPEG quality (default 62)")
    parser.add_argument("--children", type=int, default=1000, help="children's pictures of either label (default 1000)")
    chosen = parser.parse_args()
    count = pack(
        chosen.data / "adult_normal_cxr",
        chosen.data / "kermany_cxr",
        chosen.out,
        side=chosen.side,
        quality=chosen.quality,
        children_per_label=chosen.children,
    )
    print(f"{count} radiographs, {chosen.out.stat().st_size:,} bytes: {chosen.out}")


if __name__ == "__main__":
    main()
