"""The folder of the server: what lies where, and who may read it."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

import platformdirs

from meta_pipeline.folders import make_folders

from .account import require_own_folder
from .errors import ServerFolderError

# The server may run for months, and nobody rotates the log of a program's own database.
_LOG_LIMIT_BYTES = 10_000_000


def default_root() -> Path:
    """The user's data folder; for root one that the server's account can reach, unlike /root."""
    if os.geteuid() == 0:
        return Path("/var/lib/meta-pipeline")
    return platformdirs.user_data_path("meta-pipeline", appauthor=False)


class ServerFolder:
    """`<root>/postgres`: data by major version, password, port, locks and log."""

    def __init__(self, root: Path) -> None:
        self.path = root.expanduser().absolute() / "postgres"
        self.lock = self.path / "lock"
        self.users = self.path / "users"
        self.log = self.path / "server.log"
        self.binaries = self.path / "binaries"
        self._password = self.path / "password"
        self._port = self.path / "port"
        self._keep = self.path / "keep"

    def create(self) -> None:
        """Make the folders that are missing; leave the rights of those that exist alone."""
        try:
            make_folders(self.path)
            with suppress(FileNotFoundError):  # a reset at this moment: who needs it asks again
                require_own_folder(self.path)
                self.users.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ServerFolderError(
                f"The folder {self.path} of the embedded Postgres cannot be made "
                f"({error.strerror}): choose another with META_PIPELINE_DATA."
            ) from error

    def data(self, major: int) -> Path:
        return self.path / str(major)

    def other_data(self, major: int) -> list[Path]:
        """Data folders of other major versions, which this one cannot read."""
        folders = (path for path in self.path.glob("[0-9]*") if path.name.isdigit())
        return sorted(path for path in folders if path.name != str(major))

    def sibling(self, data: Path, purpose: str) -> Path:
        """A name beside `data` for what is not finished; `sweep` removes what a crash left."""
        return data.with_name(f"{data.name}.{purpose}-{secrets.token_hex(4)}")

    def sweep(self) -> None:
        for pattern in ("*.new-*", "*.removed-*"):
            for leftover in (*self.path.glob(pattern), *self.binaries.glob(pattern)):
                remove(leftover)

    @property
    def password(self) -> str | None:
        return _read(self._password)

    def make_password(self) -> str:
        """The password in its 0600 file, made once."""
        if (password := self.password) is not None:
            return password
        password = secrets.token_hex(24)
        replace_file(self._password, f"{password}\n")
        return password

    @property
    def port(self) -> int | None:
        text = _read(self._port)
        return int(text) if text is not None and text.isdigit() else None

    def remember_port(self, port: int) -> None:
        if port != self.port:
            replace_file(self._port, f"{port}\n")

    @property
    def is_kept(self) -> bool:
        """Whether the server stays up when its last user leaves."""
        return self._keep.exists()

    def keep(self, kept: bool) -> None:
        if kept:
            self._keep.touch(mode=0o600)
        else:
            self._keep.unlink(missing_ok=True)

    def rotate_log(self) -> None:
        with suppress(FileNotFoundError):
            if self.log.stat().st_size > _LOG_LIMIT_BYTES:
                self.log.replace(self.log.with_suffix(".log.1"))

    def remove_everything(self) -> None:
        """Remove what is ours, the lock last; a folder that holds anything else stays."""
        for data in self.other_data(0):
            doomed = self.sibling(data, "removed")
            data.rename(doomed)
        self.sweep()
        for path in (self._password, self._port, self._keep, self.log.with_suffix(".log.1")):
            path.unlink(missing_ok=True)
        for path in (self.log, self.binaries, self.users, self.lock):
            remove(path)
        with suppress(OSError):
            self.path.rmdir()


def replace_file(path: Path, text: str, like: Path | None = None) -> None:
    """Write a 0600 file in one step, owned as `like` where given; never follows a link."""
    temporary = path.with_name(f"{path.name}.new-{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
        if like is not None and os.geteuid() == 0:
            status = like.lstat()
            os.chown(file.fileno(), status.st_uid, status.st_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Make a rename in `path` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise ServerFolderError(
            f"{path} may not be read by this user: run this as its owner, or choose another "
            "folder with META_PIPELINE_DATA."
        ) from error
