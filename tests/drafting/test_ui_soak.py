"""A short soak: what a desk holds after drafts that were read, broken off, never read and asked for at once."""

from __future__ import annotations

from tests.browser.soak import Work, soak

# Two reports and what an allocator keeps for them; the unread streams of a faulty server hold forty times as much.
MEGABYTES = 32.0
# Gradio's and the desk's pools, which let go of idle threads later.
POOLED_THREADS = 60


def test_a_desk_that_has_worked_holds_what_it_held_before() -> None:
    row = soak(Work(drafts=12, broken=12, unread=4, pages=6))
    before, after = row["before"], row["after"]
    assert after["files"] <= before["files"]
    assert after["threads"] <= POOLED_THREADS
    assert after["megabytes"] - before["megabytes"] < MEGABYTES
