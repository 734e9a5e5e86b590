"""What tests of opened files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drafting.imaging.forked_decoding import forked_decoding


@pytest.fixture
def by_forks() -> Iterator[None]:
    """Files are opened by forks of one process, which is ten times as fast."""
    with forked_decoding():
        yield
