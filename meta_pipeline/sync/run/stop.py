"""The wish that a sync should end: set in a signal handler, looked at between two slices."""

from __future__ import annotations


class Interrupted(Exception):
    """Somebody asked the sync to stop; what was committed is kept."""


class StopSign:
    """Up or not; raising it is one assignment, so a signal handler may do it."""

    def __init__(self) -> None:
        self._is_up = False

    def put_up(self) -> None:
        self._is_up = True

    def check(self) -> None:
        """Raise Interrupted when the sign is up."""
        if self._is_up:
            raise Interrupted
