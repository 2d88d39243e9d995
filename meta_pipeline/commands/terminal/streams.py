"""Streams: standard output and error that never stop the work of a command.

A reader that goes away ends the printing, not the sync that prints. A terminal that lacks a
character gets a question mark. A disk that is full is told at the end, with an exit code.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOBase
from typing import Any, TextIO, cast

_GONE = (errno.EPIPE, errno.ECONNRESET, errno.EIO, errno.EBADF)
"""Nobody reads any more: the pipe, the socket or the terminal was closed."""


class Outlet(TextIOBase):
    """A text stream that takes everything; `trouble` is why what it took was not written."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.trouble: OSError | None = None
        self.written_at = 0.0
        """When something was last written, by `time.monotonic`."""

    def write(self, text: str) -> int:
        self.written_at = time.monotonic()
        if self._stream is not None and self.trouble is None:
            encoding = self.encoding
            try:
                # A terminal in latin-1 has no ✓: a question mark is better than an end.
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
            except (OSError, ValueError) as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None and self.trouble is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def is_lost(self) -> bool:
        """Whether what was written is lost though somebody wanted it."""
        return self.trouble is not None and self.trouble.errno not in _GONE

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        if self._stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError | ValueError) -> None:
        """Write no more; what the stream still holds goes nowhere, also when Python ends."""
        is_os = isinstance(error, OSError)
        self.trouble = cast("OSError", error) if is_os else OSError(errno.EBADF, str(error))
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            # Python flushes standard output once more when it ends, and would complain of a closed
            # pipe.
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


@contextmanager
def forgiving() -> Iterator[tuple[Outlet, Outlet]]:
    """Inside, standard output and error are Outlets; flushed at the end."""
    before = sys.stdout, sys.stderr
    outlets = Outlet(sys.stdout), Outlet(sys.stderr)
    sys.stdout, sys.stderr = cast("TextIO", outlets[0]), cast("TextIO", outlets[1])
    try:
        yield outlets
    finally:
        for outlet in outlets:
            outlet.flush()
        sys.stdout, sys.stderr = before
