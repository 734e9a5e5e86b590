"""Single elements of a DICOM data set. A malformed element counts as missing.

This module knows how values are encoded and nothing of what they mean.
"""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Any

from drafting.study import StudyError

# pydicom is imported where it is used: a PNG does not need it.
if TYPE_CHECKING:
    from pydicom import Dataset

CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")
# What pydicom raises when it turns an element's bytes into its value, which it does when the value is asked for.
CONVERSION_ERRORS = (ValueError, TypeError, LookupError, ArithmeticError, NotImplementedError, struct.error)


def functional_group(dataset: Dataset, index: int, keyword: str) -> Dataset:
    """Where the attributes of functional group `keyword` stand for a frame: in its own group, in the shared one, or,
    in an image that is not an enhanced one, in the data set itself (PS3.3 C.7.6.16)."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    for group in (*per_frame[index : index + 1], *shared[:1]):
        items = group.get(keyword)
        if items:
            return items[0]
    return dataset


def element_value(dataset: Dataset, keyword: str) -> Any:
    """An optional element's value; None where it is missing, empty or malformed."""
    try:
        value = dataset.get(keyword)
    except CONVERSION_ERRORS:
        return None
    return None if value in (None, "") else value


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") else list(value)


def element_numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of an element, where all are finite numbers; else none."""
    try:
        numbers = tuple(float(value) for value in _several(element_value(dataset, keyword)))
    except CONVERSION_ERRORS:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def element_texts(dataset: Dataset, keyword: str) -> list[str]:
    return [str(value).strip() for value in _several(element_value(dataset, keyword))]


def element_code(dataset: Dataset, keyword: str) -> str:
    """A code string (VR CS); empty where it is missing or not one."""
    text = next(iter(element_texts(dataset, keyword)), "").upper()
    return text if CODE_STRING.fullmatch(text) else ""


def whole_number(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    try:
        value = dataset.get(keyword)
        return int(default if value in (None, "") else value)  # type: ignore[arg-type]
    except CONVERSION_ERRORS as error:
        raise StudyError(f"The DICOM header is damaged: {keyword} is missing or not a number.") from error
