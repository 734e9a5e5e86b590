"""The decoding process: a file on standard input -> one study, or the reason why there is none.

`drafting.imaging.open` starts it as `python -m drafting.imaging.worker RESULT LIMITS`, where RESULT is the number of an
open file descriptor and LIMITS is `Limits` as JSON. This module knows no path, no format, no report and no model, and
it trusts nothing that it reads: whatever pydicom, Pillow or a codec does on a hostile file happens here, under limits.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import traceback
from mmap import ACCESS_READ, mmap
from typing import IO, cast

from drafting.imaging.open import Limits, in_megabytes
from drafting.imaging.series import decode
from drafting.imaging.transfer import write_error, write_study
from drafting.study import StudyError


def _restrain(limits: Limits) -> None:
    """Give up what decoding does not need, before anything of the file is read. None of it can be taken back."""
    seconds = math.ceil(limits.seconds)
    restraints = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 4 * limits.decoded_bytes + 2**26,
        # A core dump would hold the image.
        resource.RLIMIT_CORE: 0,
    }
    if sys.platform == "linux":
        restraints[resource.RLIMIT_AS] = limits.memory_bytes
    for kind, most in restraints.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def main(result_descriptor: int, limits: Limits) -> None:
    """Decode standard input; write the study or the reason to `result_descriptor`."""
    _restrain(limits)
    with os.fdopen(result_descriptor, "wb") as result:
        try:
            # Mapped: a read of a file reserves what a damaged length asks for, a read of a map only what is there.
            with mmap(sys.stdin.fileno(), 0, access=ACCESS_READ) as stream:
                study = decode(cast("IO[bytes]", stream), limits)
        except StudyError as error:
            write_error(error, result)
        except MemoryError:
            needed = in_megabytes(limits.memory_bytes)
            write_error(
                StudyError(f"Opening this file takes more than {needed} of memory, which is the limit."), result
            )
        except RecursionError:
            write_error(StudyError("The DICOM header is nested too deeply to be read."), result)
        except Exception:  # noqa: BLE001
            # pydicom, Pillow and the codecs raise anything at all on damaged files; seen by who runs this by hand.
            traceback.print_exc()
            write_error(StudyError("This file is damaged and cannot be read."), result)
        else:
            write_study(study, result)


if __name__ == "__main__":
    main(int(sys.argv[1]), Limits(**json.loads(sys.argv[2])))
