"""Child processes that end with their parent, whatever ends it, and say why when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from meta_pipeline.local import guardian

# The end of a traceback, which says what is wrong.
TAIL_LINES = 15
# Dagster ends its own children first; what still runs then is killed.
_GRACE_SECONDS = 5.0


class ChildDied(Exception):
    """A process that should run has ended; the message has the last lines of its log."""


@dataclass
class Child:
    """A process of ours: what it is called in messages, and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        """Its output so far."""
        with suppress(OSError):
            return self.log.read_text(encoding="utf-8", errors="replace")
        return ""

    @property
    def tail(self) -> str:
        """The last lines of its output."""
        return "\n".join(self.said.splitlines()[-TAIL_LINES:])

    def require_alive(self) -> None:
        code = self.process.poll()
        if code is not None:
            raise ChildDied(
                f"{self.name} ended (exit code {code}). Its log is {self.log}; the end of it:\n"
                f"{self.tail}"
            )

    def wait_for(self, is_ready: Callable[[], bool], seconds: float) -> bool:
        """Whether it is ready within so many seconds; ChildDied where it ends instead."""
        deadline = time.monotonic() + seconds
        while True:
            ready = is_ready()
            self.require_alive()  # what answers in its place, when it is dead, is not the child
            if ready or time.monotonic() > deadline:
                return ready
            time.sleep(0.05)


class Children:
    """Starts processes, each in a group of its own, and ends all of them.

    Leaving the context ends them. When this process is killed, a guardian process does it: it
    notices by a pipe that the kernel closes. `keep_open` are file descriptors the guardian holds
    as long as it works, such as that of a lock.
    """

    def __init__(self, logs: Path, keep_open: Sequence[int] = ()) -> None:
        self._logs = logs
        self._keep_open = tuple(keep_open)
        self._children: list[Child] = []
        self._guardian: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._guardian = subprocess.Popen(
            # Without site-packages and PYTHON* variables: it starts at once, and nothing changes
            # what it is.
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._keep_open,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._guardian and self._guardian.stdin:
            self._guardian.stdin.close()
            self._guardian.wait()

    def start(
        self, name: str, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path
    ) -> Child:
        """Start a process; its output goes to `<logs>/<name>.log`, fresh for each start."""
        log = self._logs / f"{name.replace(' ', '-')}.log"
        log.unlink(missing_ok=True)
        # A new file: one that is there would keep the rights it has.
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as output:
            process = subprocess.Popen(
                list(arguments),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,  # logs, storage, sockets: for nobody else's eyes
            )
        self._tell_guardian(f"+{process.pid}")
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def forget(self, child: Child) -> None:
        """The child has done its work and ended by itself."""
        self._children.remove(child)
        self._tell_guardian(f"-{child.process.pid}")

    def require_alive(self) -> None:
        """Raise ChildDied when one of them has ended."""
        for child in self._children:
            child.require_alive()

    def stop(self, grace_seconds: float = _GRACE_SECONDS) -> None:
        """End them all at once; a second Ctrl-C does not leave half of them behind.

        What they started themselves, such as a run, is in their process groups and ends too.
        """
        with _deaf_to_interrupts():
            children, self._children = self._children, []
            for child in children:
                guardian.send(child.process.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace_seconds
            for child in children:
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0.0, deadline - time.monotonic()))
            left = max(0.0, deadline - time.monotonic())
            guardian.end({child.process.pid for child in children}, left)
            for child in children:
                child.process.wait()
                self._tell_guardian(f"-{child.process.pid}")

    def _tell_guardian(self, line: str) -> None:
        if self._guardian and self._guardian.stdin:
            with suppress(BrokenPipeError):
                self._guardian.stdin.write(f"{line}\n".encode())
                self._guardian.stdin.flush()


class _deaf_to_interrupts:  # noqa: N801 -- reads as a with statement
    """Ignore Ctrl-C for a while; outside the main thread signals are not ours to change."""

    def __enter__(self) -> None:
        self._before = None
        with suppress(ValueError):
            self._before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
