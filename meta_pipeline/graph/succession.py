"""What goes on when a token dies: the same request, over the next client that is given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from meta_pipeline.graph.errors import Reauthorize

if TYPE_CHECKING:
    from meta_pipeline.graph.caller import Caller


class Succession:
    """The way calls go now; a dead token's way is left for the next, once for all threads.

    `following` is asked what comes after the one that Meta refused; None: nothing does.
    """

    def __init__(self, first: Caller, following: Callable[[Reauthorize], Caller | None]) -> None:
        self._current = first
        self._following = following
        self._ended: Reauthorize | None = None
        self._lock = threading.Lock()

    @property
    def current(self) -> Caller:
        """The way to take; raises Reauthorize once there is none left."""
        if self._ended is not None:
            raise self._ended
        return self._current

    def give_way(self, refused: Caller, error: Reauthorize) -> None:
        """Go on over the next way, or raise the error when there is none."""
        with self._lock:
            if self._ended is not None:
                raise self._ended
            if refused is not self._current:  # another thread met it first
                return
            following = self._following(error)
            if following is None:
                self._ended = error
                raise error
            self._current = following
