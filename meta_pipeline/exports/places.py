"""Places: where an export is kept, a folder or whatever fsspec can reach.

A file is complete or not there: a folder gets it by rename, an object store by one upload.
"""

from __future__ import annotations

import os
import shutil
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from meta_pipeline.deadline import NoAnswerInTime, answer_within
from meta_pipeline.redaction import redact
from meta_pipeline.warehouse.redaction import without_secrets

from .errors import LibrariesMissing, PlaceUnreachable

MOST_BYTES: Final = 512 * 2**20
"""Of a file that is read: a manifest of a million files has less."""
CALL_SECONDS: Final = 300.0
"""How long a store may take for a call without bytes: its library tries again within that."""
_BYTES_A_SECOND = 100_000  # of a store that is slow and still works
_UNFINISHED = ".unfinished"

T = TypeVar("T")


class Destination(ABC):
    """A folder of files with relative paths; `address` is fit to be printed."""

    address: str

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """What a file holds; None where there is none. PlaceUnreachable beyond `MOST_BYTES`."""

    @abstractmethod
    def put(self, source: Path, path: str) -> None:
        """Take a finished file of this machine in; it appears whole, or not at all."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file; nothing where there is none."""

    @abstractmethod
    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of the files in a folder by name; none where there is no such folder."""

    @abstractmethod
    def staging(self) -> AbstractContextManager[Path]:
        """A context with a folder of this machine for files that are not finished."""

    @abstractmethod
    def url(self, path: str) -> str:
        """The whole address of a file, as other programs take it."""

    def write(self, path: str, content: bytes, staging: Path) -> None:
        """Write a small file whole."""
        source = staging / "small"
        source.write_bytes(content)
        self.put(source, path)


def open_place(address: str) -> Destination:
    """The place at an address: a folder's path, or a URL such as s3://bucket/lake.

    Credentials come from where the place's own library looks for them (environment, profile,
    instance role). Raises LibrariesMissing, and PlaceUnreachable for an address nobody knows or
    that holds a secret: it is listed in the export's own files, and shown in Dagster.
    """
    scheme, mark, rest = address.partition("://")
    if mark and (":" in rest.rpartition("@")[0] or "?" in rest):
        raise PlaceUnreachable(
            f"{scheme}://... holds a password, or options behind a question mark: both would stand "
            "in the export's own lists. Write the place alone, and give the credentials in the "
            "environment (docs/lake.md)."
        )
    if not mark or scheme in {"file", "local"}:
        path = unquote(urlsplit(address).path) if mark else address
        return Folder(Path(path).expanduser().absolute())
    return ObjectStore(address)


class Folder(Destination):
    """A folder of this machine's file system."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.address = str(root)

    def read(self, path: str) -> bytes | None:
        with self._told():
            try:
                target = self._at(path)
                _refuse_large(target.stat().st_size, str(target))
                return target.read_bytes()
            except FileNotFoundError:
                return None

    def put(self, source: Path, path: str) -> None:
        with self._told():
            target = self._at(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            # The bytes before the name: after a power cut a name alone would look like a whole
            # file.
            with source.open("rb") as written:
                os.fsync(written.fileno())
            source.replace(target)
            # Then the name itself, where the file system can make a rename last.
            if os.name != "nt":
                folder = os.open(target.parent, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def remove(self, path: str) -> None:
        with self._told():
            self._at(path).unlink(missing_ok=True)

    def sizes(self, folder: str) -> dict[str, int]:
        with self._told():
            try:
                return {one.name: one.lstat().st_size for one in self._at(folder).iterdir()}
            except FileNotFoundError:
                return {}

    @contextmanager
    def staging(self) -> Iterator[Path]:
        folder = self._root / _UNFINISHED
        with self._told():
            shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
            # A lake that we make is the user's alone; one that is there says itself whose it is.
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def url(self, path: str) -> str:
        return str(self._root / path)

    def _at(self, path: str) -> Path:
        """Where a file lies; PlaceUnreachable where somebody else's link would lead elsewhere."""
        target = self._root / path
        for place in (target, *target.parents):
            if place == self._root:
                break
            with suppress(FileNotFoundError):
                found = place.lstat()
                # One's own leads to a larger disk; root may do what it likes anyway.
                if stat.S_ISLNK(found.st_mode) and found.st_uid and found.st_uid != os.geteuid():
                    raise PlaceUnreachable(
                        f"{place} is a link that another user made, who might have files of yours "
                        "read, replaced or removed by it. Remove it, or name a folder that nobody "
                        "else may write to. What was exported before is whole."
                    )
        return target

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PlaceUnreachable(
                f"{self.address} cannot be used: {error.strerror or error}. Name a folder that "
                "this user may write to, on a disk with room. What was exported before is whole."
            ) from error


class ObjectStore(Destination):
    """Whatever else fsspec knows: S3, Google Cloud Storage, Azure, ...

    Of no answer within `seconds`, and another for each 100 kB, PlaceUnreachable is made: the export
    holds its transaction open meanwhile.
    """

    def __init__(self, address: str, *, seconds: float = CALL_SECONDS) -> None:
        self.address = address
        self._seconds = seconds
        scheme = address.partition("://")[0]
        try:
            fsspec = import_module("fsspec")
            with self._told():
                # Its caches know neither what another process wrote nor that a credential is new.
                # Some connect already here.
                self._files, self._root = self._answer(
                    lambda: fsspec.core.url_to_fs(
                        address, skip_instance_cache=True, use_listings_cache=False
                    )
                )
        except ImportError as error:
            raise LibrariesMissing(
                f"{self.address} needs a library that is not installed: {error}. For S3 install "
                "pip install 'meta-pipeline[lake]'; for Google also gcsfs, for Azure adlfs."
            ) from error
        self._prefix = f"{scheme}://{self._root.rstrip('/')}"

    def read(self, path: str) -> bytes | None:
        inside = self._inside(path)
        with self._told():
            try:
                size_bytes: int = self._answer(lambda: self._files.info(inside)["size"] or 0)
                _refuse_large(size_bytes, self.url(path))
                content: bytes = self._answer(lambda: self._files.cat_file(inside), size_bytes)
            except FileNotFoundError:
                return None
            return content

    def put(self, source: Path, path: str) -> None:
        inside = self._inside(path)
        with self._told():
            size_bytes = source.stat().st_size
            self._answer(lambda: self._files.put_file(str(source), inside), size_bytes)

    def remove(self, path: str) -> None:
        inside = self._inside(path)
        with self._told(), suppress(FileNotFoundError):
            self._answer(lambda: self._files.rm_file(inside))

    def sizes(self, folder: str) -> dict[str, int]:
        inside = self._inside(folder)
        with self._told():
            try:
                found = self._answer(lambda: self._files.ls(inside, detail=True))
            except FileNotFoundError:
                return {}
            return {one["name"].rpartition("/")[2]: one["size"] or 0 for one in found}

    @contextmanager
    def staging(self) -> Iterator[Path]:
        with TemporaryDirectory(prefix="meta-pipeline-export-") as folder:
            yield Path(folder)

    def url(self, path: str) -> str:
        return f"{self._prefix}/{path}"

    def _inside(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def _answer(self, ask: Callable[[], T], size_bytes: int = 0) -> T:
        """What the store says in time."""
        seconds = self._seconds + size_bytes / _BYTES_A_SECOND
        try:
            return answer_within(seconds, ask, name="export to a store")
        except NoAnswerInTime as error:
            raise PlaceUnreachable(
                f"{self.address} gave no answer within {seconds:,.0f} s. Say it again when it "
                "answers. What was exported before is whole."
            ) from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        # The first is told where the place is opened, with what to install.
        except (ImportError, PlaceUnreachable):
            raise
        except Exception as error:  # each library has errors of its own
            said = " ".join(str(error).split()) or type(error).__name__
            said = redact(without_secrets(said)).rstrip(".")
            raise PlaceUnreachable(
                f"{self.address} cannot be used: {said}. Look at the address, at the credentials "
                "in the environment and at what they may do there. What was exported before is "
                "whole."
            ) from error


def _refuse_large(size_bytes: int, where: str) -> None:
    """Nobody fills the memory who may write to the place."""
    if size_bytes > MOST_BYTES:
        raise PlaceUnreachable(
            f"{where} has {size_bytes:,} bytes: no list of an export is as long. Look at who put "
            "it there. Nothing was read or written."
        )
