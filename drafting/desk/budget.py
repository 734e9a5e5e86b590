"""The memory budget that all sessions share: pixels of studies and prior studies, and frames of drafts.

Whoever holds something says how many bytes before holding it. This module knows nothing of what they are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from drafting.desk.errors import OutOfMemoryError


class Budget:
    """`most_bytes` for all holders together. Safe to use from many threads.

    `make_room`: called without a lock where there is too little left, with the name of who asks; makes somebody else
    let go of something, and tells whether there was anybody.
    """

    def __init__(self, most_bytes: int, make_room: Callable[[str], bool]) -> None:
        self.most_bytes = most_bytes
        self._make_room = make_room
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str], int] = {}

    @property
    def held_bytes(self) -> int:
        with self._lock:
            return sum(self._held.values())

    @property
    def holders(self) -> frozenset[str]:
        """Who holds anything."""
        with self._lock:
            return frozenset(holder for holder, _ in self._held)

    def hold(self, holder: str, amounts: Mapping[str, int]) -> dict[str, int]:
        """From now on `holder` has so many bytes of each of these; gives the bytes that it had of them before.

        Raises OutOfMemoryError where they do not fit; the holder then has what it had.
        """
        while (before := self._exchange(holder, amounts)) is None:
            if not self._make_room(holder):
                raise OutOfMemoryError(
                    "The server has no memory left for images. Close a study in another tab, or try again in a few"
                    " minutes."
                )
        return before

    def release(self, holder: str) -> None:
        """`holder` has nothing any more."""
        with self._lock:
            for key in [key for key in self._held if key[0] == holder]:
                del self._held[key]

    def _exchange(self, holder: str, amounts: Mapping[str, int]) -> dict[str, int] | None:
        """What `holder` had before, where it now has `amounts`; None where they do not fit."""
        with self._lock:
            before = {what: self._held.get((holder, what), 0) for what in amounts}
            more = sum(amounts.values()) - sum(before.values())
            # Who takes no more than before is never refused.
            if more > 0 and sum(self._held.values()) + more > self.most_bytes:
                return None
            for what, amount in amounts.items():
                if amount:
                    self._held[holder, what] = amount
                else:
                    self._held.pop((holder, what), None)
            return before
