"""Heartbeat: whoever waits for a command hears of it, at the latest after half a minute of silence.

Statements over big tables, migrations and waits for Meta say nothing by themselves. The word goes
to standard error, so that what a command prints for programs stays as it is.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .streams import Outlet

# Long enough not to disturb, short enough that nobody thinks it hangs.
SILENCE_SECONDS = 30.0
ENDLESS = frozenset(
    ("demo", "dev", "exec", "exporter", "mcp", "simulate", "web", "db psql", "--watch", "-w")
)
"""What runs until it is stopped, or leaves the terminal to another program."""


@contextmanager
def heartbeat(
    words: Sequence[str],
    output: object,
    errors: object,
    *,
    after_seconds: float = SILENCE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Inside, a line on `errors` for every `after_seconds` in which neither stream was written.

    `words` are those of the command line. Nothing is said where a stream is not an Outlet.
    """
    name = " ".join(itertools.takewhile(lambda word: word.isidentifier(), words[:2]))
    endless = {*words, name} & ENDLESS
    if endless or not (isinstance(output, Outlet) and isinstance(errors, Outlet)):
        yield
        return
    began, is_over = clock(), threading.Event()

    def beat() -> None:
        while not is_over.wait(after_seconds / 6):
            spoken_at = max(began, output.written_at, errors.written_at)
            if clock() - spoken_at >= after_seconds:
                errors.write(f"… {name} goes on ({clock() - began:,.0f} s; Ctrl-C ends it)\n")
                errors.flush()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
