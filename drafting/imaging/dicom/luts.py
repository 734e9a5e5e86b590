"""Lookup tables and windows of a DICOM data set: how stored values become what a screen shows (PS3.3 C.11).

This module knows nothing of how pixels are stored or compressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drafting.imaging.dicom.elements import element_code, element_numbers, element_texts, element_value
from drafting.imaging.dicom.facts import impersonal
from drafting.study import StudyError, Window

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True, slots=True)
class LookupTable:
    """`entries[0]` is for input `first` and all below, the last entry for all above; entries run to `top`."""

    first: int
    entries: NDArray[np.uint16]
    top: int

    def look_up(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        return self.entries[np.clip(values.astype(np.int64) - self.first, 0, len(self.entries) - 1)]


def lookup_table(holder: Dataset, keyword: str, dataset: Dataset) -> LookupTable | None:
    """The first item of Modality LUT Sequence or VOI LUT Sequence, PS3.3 C.11.1.1 and C.11.2.1.1."""
    items = holder.get(keyword)
    if not items:
        return None
    descriptor = element_numbers(items[0], "LUTDescriptor")
    data = element_value(items[0], "LUTData")
    if len(descriptor) != 3 or data is None:
        raise StudyError(f"The DICOM header is damaged: {keyword} is incomplete.")
    count, first, bits = int(descriptor[0]) or 2**16, int(descriptor[1]), int(descriptor[2])
    if isinstance(data, bytes):
        little_endian = dataset.original_encoding[1]
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little_endian else ">u2")
    else:
        words = np.atleast_1d(np.asarray(data)).astype(np.uint16)
    if len(words) < count <= 2 * len(words):
        # Entries of 8 bits may be packed two to a word.
        words = np.frombuffer(words.astype("<u2").tobytes(), np.uint8)
    if len(words) < count:
        raise StudyError(f"The DICOM header is damaged: {keyword} is incomplete.")
    entries = words[:count].astype(np.uint16)
    # Some makers announce fewer bits than their entries have.
    return LookupTable(first, entries, top=max(2 ** min(bits, 16) - 1, int(entries.max())))


def voi_curve(voi: Dataset, dataset: Dataset, modality: NDArray[Any]) -> LookupTable | None:
    """What a VOI transformation that no window can express makes of each modality value; None for windows.

    That is a VOI LUT Sequence, which goes before windows where a file has both, or the first SIGMOID window.
    """
    table = lookup_table(voi, "VOILUTSequence", dataset)
    if table is not None:
        return LookupTable(0, table.look_up(np.rint(modality)), table.top)
    centers, widths = element_numbers(voi, "WindowCenter"), element_numbers(voi, "WindowWidth")
    if element_code(voi, "VOILUTFunction") == "SIGMOID" and centers and widths and widths[0] > 0:
        # PS3.3 C.11.2.1.3.1, as 1 / (1 + exp(-2x)) is (1 + tanh x) / 2, which cannot overflow.
        curve = (1 + np.tanh(2 * (modality - centers[0]) / widths[0])) / 2
        return LookupTable(0, np.rint(curve * 0xFFFF).astype(np.uint16), 0xFFFF)
    return None


def windows_of(voi: Dataset, dataset: Dataset, floating: bool) -> tuple[Window, ...]:
    """The file's windows, as LINEAR ones; a width that its function does not allow makes no window.

    Their names are typed by people, so one that holds anything of the patient is left out.
    """
    names = [impersonal(name, dataset) for name in element_texts(voi, "WindowCenterWidthExplanation")]
    # LINEAR is for whole numbers: taken at its word, it would make a window from 0 to 1 a threshold.
    exact = floating or element_code(voi, "VOILUTFunction") == "LINEAR_EXACT"
    windows = []
    pairs = zip(element_numbers(voi, "WindowCenter"), element_numbers(voi, "WindowWidth"), strict=False)
    for index, (center, width) in enumerate(pairs):
        name = names[index] if index < len(names) else ""
        if exact and width > 0:
            windows.append(Window.between(center - width / 2, center + width / 2, name))
        elif not exact and width >= 1:
            windows.append(Window(center, width, name))
    return tuple(windows)
