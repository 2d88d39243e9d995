"""The operating-system account the server runs as: Postgres refuses to run as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .errors import ServerFolderError, ServerStartError

_FOR_ROOT = ("postgres", "nobody")


@dataclass(frozen=True)
class ServerAccount:
    """Who runs the server. `is_other` when this process, as root, gives its rights away for it."""

    name: str
    uid: int
    gid: int
    is_other: bool

    @classmethod
    def choose(cls, data_folder: Path) -> ServerAccount:
        """The present user; as root the owner of existing data, else `postgres`, else `nobody`."""
        if os.geteuid() != 0:
            return cls(_user_name(os.geteuid()), os.geteuid(), os.getegid(), is_other=False)
        try:
            uid = data_folder.stat().st_uid
            owner: pwd.struct_passwd | None = pwd.getpwuid(uid) if uid != 0 else None
        except (FileNotFoundError, KeyError):
            owner = None
        entry = owner or _first_known(_FOR_ROOT)
        if entry is None:
            raise ServerStartError(
                "Postgres does not run as root and there is no user postgres or nobody to run it "
                "as: run this as a normal user, or set DATABASE_URL to a Postgres of yours."
            )
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid, is_other=True)

    def may_reach(self, path: Path) -> bool:
        """Whether the account may read `path` and enter every folder above it."""
        if not self.is_other:
            return True
        path = path.resolve()
        wanted = 0o5 if path.is_dir() else 0o4
        return self._has(path, wanted) and all(self._has(parent, 0o1) for parent in path.parents)

    def require_access(self, folder: Path) -> None:
        """Raise ServerFolderError where the account cannot come to its data."""
        if not self.may_reach(folder):
            raise ServerFolderError(
                f"The user {self.name}, which runs the embedded Postgres for root, cannot reach "
                f"{folder}: choose a folder that all may enter with META_PIPELINE_DATA."
            )

    def _has(self, path: Path, wanted: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            granted = status.st_mode >> 6
        elif status.st_gid == self.gid:
            granted = status.st_mode >> 3
        else:
            granted = status.st_mode
        return granted & wanted == wanted

    def give(self, descriptor_or_path: int | Path) -> None:
        """Make the account the owner of a file of ours."""
        if self.is_other:
            os.chown(descriptor_or_path, self.uid, self.gid)

    def run(self, command: Sequence[object], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a tool of Postgres to its end; what it printed is in `stdout`."""
        with _explained(self.name):
            return subprocess.run(
                [str(part) for part in command],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                **self._circumstances(folder),
            )

    def start(
        self, command: Sequence[object], folder: Path, log: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        """Start a server that outlives this process and does not see its Ctrl-C."""
        with _explained(self.name):
            return subprocess.Popen(
                [str(part) for part in command],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._circumstances(folder),
            )

    def _circumstances(self, folder: Path) -> dict[str, Any]:
        """A known folder, umask and environment.

        PG* variables of the user would redirect the tools, and a server must not carry this
        process's tokens in an environment that its account can read.
        """
        environment = {
            name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ
        }
        circumstances: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "cwd": folder,
            "umask": 0o077,
            "env": {**environment, "LC_ALL": "C"},
        }
        if self.is_other:
            circumstances |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return circumstances


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ServerStartError(
            f"Postgres cannot be run as the user {name} ({error.strerror}): run this as a normal "
            "user, or set DATABASE_URL to a Postgres of yours."
        ) from error


def require_own_folder(path: Path) -> None:
    """Refuse a folder of another user: files of two owners in it would lock both out."""
    owner = path.stat().st_uid
    if owner != os.geteuid():
        raise ServerFolderError(
            f"{path} belongs to the user {_user_name(owner)}, not to {_user_name(os.geteuid())}: "
            "run this as that user, or choose another folder with META_PIPELINE_DATA."
        )


def _first_known(names: Sequence[str]) -> pwd.struct_passwd | None:
    for name in names:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"
