"""Paths of the files that come with the product: the default model, the example studies and the browser bundle.

This module knows nothing of what the files hold.
"""

from __future__ import annotations

from pathlib import Path

# The wheel carries the files inside this package. A checkout keeps them in `assets/`, beside it.
_INSTALLED = Path(__file__).resolve().parent / "data"
_CHECKOUT = Path(__file__).resolve().parents[1] / "assets"


def asset(name: str) -> Path:
    """The folder `name`, such as 'default-model'. Works in a checkout and in an installed package."""
    return (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT) / name
