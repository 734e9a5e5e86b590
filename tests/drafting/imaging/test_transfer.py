"""What the decoding process gives back is checked before it is a study."""

from __future__ import annotations

import io
import json

import pytest

from drafting.imaging.transfer import read_study
from drafting.study import StudyError


def described(shape: object, dtype: str = "uint8") -> dict[str, object]:
    display_fields = {"slope": 1, "intercept": 0, "windows": [], "inverted": False, "spacing": None}
    return {"shape": shape, "dtype": dtype, **display_fields}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x80\x04K*.",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"pictures": [], "model_picture": {"shape": [1, 1], "dtype": "uint8"}, "facts": {}}',
        *(
            json.dumps(
                {"pictures": [picture], "model_picture": {"shape": [1, 1], "dtype": "uint8"}, "facts": {}}
            ).encode()
            for picture in (
                described([10**9, 10**9]),
                described([-1, 4]),
                described([0, 0]),
                described([2, 2, 2]),
                described([1, 1], "object"),
                described(None),
                {"shape": [1, 1], "dtype": "uint8"},
            )
        ),
    ],
)
def test_rubbish_from_a_worker_is_refused(header: bytes) -> None:
    with pytest.raises(StudyError, match="no usable result"):
        read_study(io.BytesIO(header + b"\n" + bytes(8)))
