"""Failover: what Meta refuses over one client goes on, as the same request, over the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from meta_pipeline.graph.errors import (
    AppRefused,
    GraphError,
    ObjectMissing,
    PermissionDenied,
    Reauthorize,
)

if TYPE_CHECKING:
    from meta_pipeline.graph.caller import Caller


class Failover:
    """The caller in use; one whose token Meta refuses is left for the next, once for all threads.

    `following` is asked what comes after the one that Meta refused; None: nothing does. A dead
    token then ends all calls, any other refusal is that of its request alone.
    """

    def __init__(self, first: Caller, following: Callable[[GraphError], Caller | None]) -> None:
        self._current = first
        self._following = following
        self._ended: Reauthorize | None = None
        self._lock = threading.Lock()

    @property
    def current(self) -> Caller:
        """Whom to ask; raises Reauthorize once there is none left."""
        if self._ended is not None:
            raise self._ended
        return self._current

    def leave(self, refused: Caller, error: GraphError) -> None:
        """Go on over the next caller, or raise the error when there is none."""
        with self._lock:
            if self._ended is not None:
                raise self._ended
            if refused is not self._current:  # another thread met it first
                return
            following = self._following(error)
            if following is None:
                if isinstance(error, Reauthorize):
                    self._ended = error
                raise error
            self._current = following


def is_of_token(error: GraphError, path: str, account_id: str | None) -> bool:
    """Whether another token may be answered what this one was refused.

    That an object is missing says so of the account's own paths alone: Meta answers it where
    permissions are missing, too (FACTS §3.3).
    """
    if isinstance(error, ObjectMissing):
        return path.partition("/")[0] == account_id
    return isinstance(error, Reauthorize | PermissionDenied | AppRefused)
