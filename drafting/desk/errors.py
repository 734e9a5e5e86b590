"""The desk's errors, and how failures are logged without any text of a report.

This module knows nothing of sessions, engines or browsers.
"""

from __future__ import annotations

import logging
import traceback


class DeskError(RuntimeError):
    """The desk refuses; the message is one sentence for the radiologist."""


class UnknownSessionError(DeskError):
    """No session has this token, or it has been closed."""


class VersionConflictError(DeskError):
    """The desk holds a newer version of the report."""


class OlderVersionError(VersionConflictError):
    """The page that sends the report has itself saved a newer version already."""


class TooLargeError(DeskError):
    """More than a session may hold."""


class BusyError(DeskError):
    """The desk cannot take this on at the moment."""


class OutOfMemoryError(BusyError):
    """The sessions of the desk hold as much as they may together."""


class RunFailedError(DeskError):
    """A run ended without a draft; the report is as it was."""


class NotLookedError(DeskError):
    """There is no telling where the model looked."""


def log_failure(log: logging.Logger, what: str, error: BaseException) -> None:
    """Log that `what` failed: the error's type and where it was raised, never its message, which may quote a report."""
    frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
    log.error("%s failed: %s\n%s", what, type(error).__qualname__, frames)
