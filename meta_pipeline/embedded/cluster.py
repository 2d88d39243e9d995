"""The data folder of one major version: made whole or not at all, and safe to start again."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .account import ServerAccount
from .binaries import Binaries
from .configuration import (
    as_file,
    configuration,
    shared_memory_type,
)
from .errors import ServerStartError
from .folder import (
    ServerFolder,
    remove,
    replace_file,
    sync_folder,
)
from .processes import is_alive

SUPERUSER = "meta"
# Its order of text does not change with the libc of the machine, so no index goes wrong.
_BUILTIN_LOCALE_SINCE_MAJOR = 17
# Before it, `initdb` knew no `--set`.
_INITDB_SETTINGS_SINCE_MAJOR = 16
# Eight short lines and the name of the data folder, which Postgres has end before 1,024 bytes.
_PID_FILE_BYTES = 8192


@dataclass(frozen=True)
class Cluster:
    """The data folder `data`, run by `account` with `binaries`."""

    folder: ServerFolder
    data: Path
    binaries: Binaries
    account: ServerAccount
    durable: bool

    def create(self, password: str) -> None:
        """Run initdb beside the final place, then rename: a crash leaves nothing half-made."""
        unfinished = self.folder.sibling(self.data, "new")
        unfinished.mkdir(mode=0o700)
        self.account.give(unfinished)
        password_file = unfinished.with_name(f"{unfinished.name}.password")
        try:
            replace_file(password_file, f"{password}\n", like=unfinished)
            self._initialize(unfinished, password_file)
        except BaseException:
            remove(unfinished)
            raise
        finally:
            remove(password_file)
        unfinished.rename(self.data)
        if self.durable:
            sync_folder(self.folder.path)

    def _initialize(self, data: Path, password_file: Path) -> None:
        options = [f"--username={SUPERUSER}", "--auth=scram-sha-256", "--encoding=UTF8"]
        options += ["--no-instructions", "--locale=C"]
        if self.binaries.major >= _BUILTIN_LOCALE_SINCE_MAJOR:
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if self.binaries.major >= _INITDB_SETTINGS_SINCE_MAJOR:
            options += ["--set=scram_iterations=1"]
            options += [f"--set=dynamic_shared_memory_type={shared_memory_type()}"]
        command = [
            self.binaries.tool("initdb"),
            "--pgdata",
            data,
            *(options if self.durable else [*options, "--no-sync"]),
        ]
        result = self.account.run([*command, "--pwfile", password_file], self.folder.path)
        if result.returncode != 0:
            raise ServerStartError(
                f"The data folder {self.data} of the embedded Postgres cannot be made: "
                f"{last_lines(result.stdout)}. Put that right, or set DATABASE_URL."
            )

    def configure(self, port: int) -> None:
        """Write the settings the next start will read."""
        settings = configuration(port=port, durable=self.durable, major=self.binaries.major)
        replace_file(self.data / "postgresql.conf", as_file(settings), like=self.data)

    @property
    def _pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def was_left(self) -> bool:
        """Whether a server runs on this folder or ended without cleaning up; False: none runs."""
        return self._pid_file.exists()

    @property
    def last_port(self) -> int | None:
        """The port that the last server of this folder wrote down, unless it ended cleanly."""
        return self._pid_file_number(3)

    @property
    def last_pid_is_alive(self) -> bool:
        """Whether there is a process of the number the last server had; it may be a stranger."""
        pid = self._pid_file_number(0)
        return pid is not None and is_alive(pid)

    def _pid_file_number(self, line: int) -> int | None:
        with suppress(OSError, IndexError, ValueError):
            return int(self._read_pid_file().splitlines()[line])
        return None

    def _read_pid_file(self) -> str:
        """What the pid file says; OSError where there is none, or something else in its place.

        The server's account may put there what it likes. Followed by root, a link would have what
        root alone may read written back as a file of that account, and a pipe is never at its end.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self._pid_file, flags)
        try:
            status = os.fstat(descriptor)
            is_theirs = status.st_uid == self.data.stat().st_uid
            if not (
                stat.S_ISREG(status.st_mode) and is_theirs and status.st_size <= _PID_FILE_BYTES
            ):
                raise OSError(errno.EINVAL, "not written by the server", str(self._pid_file))
            return os.read(descriptor, _PID_FILE_BYTES).decode(errors="replace")
        finally:
            os.close(descriptor)

    def disarm_pid_file(self) -> None:
        """Let a start pass a pid file that a killed server left, when its pid is alive again.

        Postgres takes any living process of that number for a server of this folder and refuses
        for ever; its own parent, us, it excepts. The other lines stay: by the shared memory they
        name, Postgres still sees what is left of a server that really runs. Raises ServerStartError
        where something else is in its place, at which Postgres may wait for ever.
        """
        try:
            pid, newline, others = self._read_pid_file().partition("\n")
        except FileNotFoundError:
            return
        except OSError as error:
            raise ServerStartError(
                f"{self._pid_file} is no pid file of the embedded Postgres ({error.strerror}): "
                "remove it, then try again."
            ) from error
        with suppress(OSError):
            if newline and pid.strip() != str(os.getpid()):
                replace_file(self._pid_file, f"{os.getpid()}\n{others}", like=self.data)


def last_lines(text: str, count: int = 4) -> str:
    """The end of what a tool or the log said, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "it said nothing"
