"""Locks that the kernel drops when their process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .deadline import Deadline
from .errors import ServerStartError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def exclusive(path: Path, deadline: Deadline, prepare: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `path` alone; `prepare` makes its folder, again if it was removed.

    Raises ServerStartError when another process holds it past the deadline.
    """
    descriptor = _acquire(path, deadline, prepare)
    try:
        yield
    finally:
        _release(descriptor)


def _acquire(path: Path, deadline: Deadline, prepare: Callable[[], None]) -> int:
    while True:
        prepare()
        with suppress(FileNotFoundError):  # the folder was removed between the two calls
            descriptor = _try_lock(path)
            if descriptor is not None:
                return descriptor
        if not deadline.wait(0.02):
            raise ServerStartError(
                f"Another process is starting or stopping the embedded Postgres and holds {path}; "
                "wait for it or end it, then try again."
            )


def _try_lock(path: Path) -> int | None:
    """The descriptor that holds the lock, or None where another process does."""
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Removed while we waited: a lock on it would protect nothing.
        try:
            is_still_at = os.path.samestat(path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            is_still_at = False
        if is_still_at:
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _release(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_UN)  # a forked child may have the descriptor too
    os.close(descriptor)


class User:
    """One use of the server: a locked file, named by the process that holds it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._descriptor = os.open(self.path, _FLAGS | os.O_EXCL, 0o600)
        # Waits at most for the microsecond in which `Users.pids` of a status looks at the file.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def leave(self) -> None:
        """Stop counting; the kernel does the same for a process that was killed."""
        self.path.unlink(missing_ok=True)
        _release(self._descriptor)


class Users:
    """Those who use the server now. Join, leave and `forget_dead` only under the start lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def join(self) -> User:
        return User(self.folder)

    def pids(self) -> list[int]:
        """The process of each living use; a process that uses the server twice appears twice."""
        # A file that somebody else put there is held by nobody known: 0.
        numbers = (path.name.partition("-")[0] for path in self._files() if _is_held(path))
        return [int(number) if number.isdigit() else 0 for number in numbers]

    def forget_dead(self) -> None:
        """Remove the files of processes that ended without leaving."""
        for path in self._files():
            if not _is_held(path):
                path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        try:
            return sorted(self.folder.iterdir())
        except FileNotFoundError:
            return []


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
