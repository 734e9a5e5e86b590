"""Small image files for tests, and how they are opened and refused."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from drafting.imaging.open import Limits, open_study
from drafting.study import Picture, Study, StudyError
from tests.drafting.imaging.forked_decoding import forked_decoding

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
STANDARD_LIMITS = Limits()


def dicom_dataset(pixels: NDArray[Any], **attributes: Any) -> Dataset:
    """A small Secondary Capture image of (rows, columns) or (frames, rows, columns) integers."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality = "OT"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 else "OW"
    return dataset


def saved(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def ramp(dtype: str = "uint16", low: int = 0, high: int = 4095, shape: tuple[int, ...] = (16, 20)) -> NDArray[Any]:
    return np.linspace(low, high, int(np.prod(shape))).round().astype(dtype).reshape(shape)


def modality_values(picture: Picture) -> NDArray[Any]:
    return picture.values * picture.slope + picture.intercept


def refusal(path: Path, limits: Limits = STANDARD_LIMITS) -> str:
    """The sentence with which a file is refused, checked for what no such sentence may hold."""
    with pytest.raises(StudyError) as caught:
        open_study(path, limits)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert path.name not in sentence
    assert str(path.parent) not in sentence
    return sentence


def lookup_table(keyword: str, entries: Iterable[int], first: int = 0, bits: int = 16) -> dict[str, Any]:
    item = Dataset()
    table = list(entries)
    item.LUTDescriptor = [len(table) % 2**16, first, bits]
    item.add_new("LUTData", "US", table)
    return {keyword: [item]}


def opened_or_refused(paths: list[Path]) -> dict[str, Study | str]:
    def attempt(path: Path) -> Study | str:
        try:
            return open_study(path)
        except StudyError as error:
            return str(error)

    with forked_decoding():
        return {path.name: attempt(path) for path in paths}


def study_of(results: dict[str, Study | str], name: str) -> Study:
    study = results[name]
    assert isinstance(study, Study), f"{name}: {study}"
    return study
