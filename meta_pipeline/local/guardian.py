"""Ends the processes of a parent that could not do it itself, for example after kill -9.

Runs on its own (`python -I -S guardian.py`), with one end of a pipe as standard input. The parent
writes `+<process group>` for each child it starts and `-<process group>` for each that ended. When
the parent is gone, however it went, the kernel closes the pipe and the groups left are ended.
"""

from __future__ import annotations

import os
import signal
import sys
import time

# The same grace as with a parent that ends what it started itself.
GRACE_SECONDS = 5.0


def main() -> None:
    """Read groups until the parent is gone, then end those that are left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        if line.startswith("+"):
            groups.add(int(line[1:]))
        elif line.startswith("-"):
            groups.discard(int(line[1:]))
    end(groups, GRACE_SECONDS)


def end(groups: set[int], grace_seconds: float) -> None:
    """Ask the groups to end, wait, and kill what is left of them."""
    for group in groups:
        send(group, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline and any(is_alive(group) for group in groups):
        time.sleep(0.05)
    for group in groups:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Send a signal to a process group; False when nothing of it is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def is_alive(group: int) -> bool:
    return send(group, 0)


if __name__ == "__main__":
    main()
