"""Being told to end is an exception like Ctrl-C, so that everything started is ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class ToldToEnd(KeyboardInterrupt):
    """SIGTERM or SIGHUP arrived."""


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise ToldToEnd in the main thread."""

    def end(number: int, frame: FrameType | None) -> None:
        raise ToldToEnd

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
