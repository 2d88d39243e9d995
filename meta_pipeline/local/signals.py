"""Being told to end is an exception like Ctrl-C, so that everything started is ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class ToldToEnd(KeyboardInterrupt):
    """SIGTERM or SIGHUP arrived."""


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise ToldToEnd in the main thread; called in another, nothing is
    changed.

    A SIGHUP that is ignored stays so: under nohup a closed terminal ends nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise ToldToEnd

    heard = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
