"""The decoding process: a file on standard input -> one study, or the reason why there is none.

`drafting.imaging.open` starts it as `python -P -m drafting.imaging.worker RESULT LIMITS`, where RESULT is the number of
an open file descriptor and LIMITS is `Limits` as JSON. This module knows no path, no format, no report and no model,
and it trusts nothing that it reads: whatever pydicom, Pillow or a codec does on a hostile file happens here, confined.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from mmap import ACCESS_READ, mmap
from typing import IO, cast

from drafting.imaging.confinement import confine
from drafting.imaging.open import EXIT_DISK_FULL, NO_SPACE, Limits, in_megabytes
from drafting.imaging.series import decode
from drafting.imaging.transfer import write_error, write_study
from drafting.study import StudyError


def main(result_descriptor: int, limits: Limits) -> None:
    """Decode standard input; write the study or the reason to `result_descriptor`."""
    confine(limits)
    try:
        _decode(result_descriptor, limits)
    except OSError as error:
        if error.errno in NO_SPACE:
            sys.exit(EXIT_DISK_FULL)
        raise


def _decode(result_descriptor: int, limits: Limits) -> None:
    with os.fdopen(result_descriptor, "wb") as result:
        try:
            # Mapped: a read of a file reserves what a damaged length asks for, a read of a map only what is there.
            with mmap(sys.stdin.fileno(), 0, access=ACCESS_READ) as stream:
                study = decode(cast("IO[bytes]", stream), limits)
        except StudyError as error:
            write_error(error, result)
        except MemoryError:
            needed = in_megabytes(limits.memory_bytes)
            write_error(StudyError(f"Opening this file needs more than {needed} of memory, the limit."), result)
        except RecursionError:
            write_error(StudyError("The DICOM header is nested too deeply."), result)
        except Exception:  # noqa: BLE001
            # pydicom, Pillow and the codecs raise anything at all on damaged files; seen by who runs this by hand.
            traceback.print_exc()
            write_error(StudyError("This file is damaged and cannot be read."), result)
        else:
            write_study(study, result)


if __name__ == "__main__":
    main(int(sys.argv[1]), Limits(**json.loads(sys.argv[2])))
