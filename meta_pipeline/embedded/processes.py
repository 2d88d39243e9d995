"""Processes by their number."""

from __future__ import annotations

import os


def is_alive(pid: int) -> bool:
    """Whether a process has this number; they are used again, so it may be a stranger."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Somebody else's: there it is all the same.
    except PermissionError:
        return True
    return True
