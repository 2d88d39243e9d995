"""Places of an export: whose links are followed, and what is not waited for or read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any, ClassVar

import fsspec
import psycopg
import pytest
from fsspec import AbstractFileSystem

from meta_pipeline.exports import export
from meta_pipeline.exports.errors import PlaceUnreachable
from meta_pipeline.exports.places import MOST_BYTES, ObjectStore, open_place

from .lake import fill

NOBODY = 65_534
PATHS = ("manifest.json", "meta_ads/files.txt", "meta_ads/act_1/2026-01.parquet")


def links(path: str) -> list[str]:
    """The file itself and each folder above it."""
    return [path, *(str(one) for one in Path(path).parents if one.name)]


@pytest.mark.parametrize(("path", "link"), [(path, one) for path in PATHS for one in links(path)])
def test_a_link_of_somebody_else_leads_nowhere(tmp_path: Path, path: str, link: str) -> None:
    if os.geteuid():
        pytest.skip("only root can make a link that is another user's")
    lake, theirs, source = tmp_path / "lake", tmp_path / "theirs", tmp_path / "source"
    place = open_place(str(lake))
    (lake / link).parent.mkdir(parents=True, exist_ok=True)
    inside = theirs / Path(path).relative_to(Path(link).parent)
    inside.parent.mkdir(parents=True)
    inside.write_text("theirs")
    (lake / link).symlink_to(theirs / Path(link).name)
    source.write_text("ours")
    # One's own is followed: a table may lie on a larger disk.
    assert place.read(path) == b"theirs"
    os.lchown(lake / link, NOBODY, NOBODY)
    with pytest.raises(PlaceUnreachable, match="a link that another user made"):
        place.read(path)
    with pytest.raises(PlaceUnreachable, match="a link that another user made"):
        place.put(source, path)
    with pytest.raises(PlaceUnreachable, match="a link that another user made"):
        place.remove(path)
    assert inside.read_text() == "theirs"


class Silent(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A store that answers everything but `call`, and that only once nobody waits any more."""

    protocol = "silent"
    call: ClassVar[str] = ""
    size_bytes: ClassVar[int | None] = None
    is_over: ClassVar[Event]

    def __init__(self, *_: Any, **__: Any) -> None:
        self._answer("connect")
        super().__init__()

    def _answer(self, call: str, answer: Any = None) -> Any:
        if call == self.call:
            self.is_over.wait()
        return answer

    def info(self, path: str, **_: Any) -> Any:
        if self._answer("info", self.size_bytes) is None:
            raise FileNotFoundError(path)
        return {"name": path, "size": self.size_bytes, "type": "file"}

    def cat_file(self, path: str, *_: Any, **__: Any) -> Any:
        return self._answer("cat_file", b"[]")

    def put_file(self, lpath: str, rpath: str, **_: Any) -> Any:
        return self._answer("put_file")

    def rm_file(self, path: str) -> Any:
        return self._answer("rm_file")

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        return self._answer("ls", [])


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Silent]]:
    fsspec.register_implementation("silent", Silent, clobber=True)
    monkeypatch.setattr(Silent, "call", "")
    monkeypatch.setattr(Silent, "size_bytes", None)
    Silent.is_over = Event()
    yield Silent
    Silent.is_over.set()


@pytest.mark.parametrize("call", ["info", "cat_file", "put_file", "rm_file", "ls"])
def test_a_store_that_does_not_answer_is_given_up(
    silent: type[Silent], tmp_path: Path, call: str
) -> None:
    silent.call, silent.size_bytes = call, 2
    place = ObjectStore("silent://lake", seconds=0.05)
    (tmp_path / "small").write_text("ours")
    calls = {
        "put_file": lambda: place.put(tmp_path / "small", "manifest.json"),
        "rm_file": lambda: place.remove("manifest.json"),
        "ls": lambda: place.sizes("meta_ads/act_1"),
    }
    with pytest.raises(PlaceUnreachable, match=r"silent://lake gave no answer within 0 s"):
        calls.get(call, lambda: place.read("manifest.json"))()


def test_a_store_that_cannot_be_connected_to_is_given_up(silent: type[Silent]) -> None:
    """Some of fsspec's libraries connect as soon as the place is named."""
    silent.call = "connect"
    with pytest.raises(PlaceUnreachable, match=r"silent://lake gave no answer within 0 s"):
        ObjectStore("silent://lake", seconds=0.05)


def test_an_export_ends_with_its_store(silent: type[Silent], postgres_url: str) -> None:
    fill(postgres_url)
    silent.call = "put_file"
    # The second is not told that another is at work.
    for _ in range(2):
        with pytest.raises(PlaceUnreachable, match="gave no answer"):
            export(postgres_url, ObjectStore("silent://lake", seconds=0.05))
    with psycopg.connect(postgres_url) as connection:
        held = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert held == (0,)


def test_a_list_that_fills_the_memory_is_not_read(silent: type[Silent], tmp_path: Path) -> None:
    silent.size_bytes = MOST_BYTES + 1
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # a file of holes, which takes no room
    for address in ("silent://lake", str(tmp_path)):
        with pytest.raises(PlaceUnreachable, match="no list of an export is as long"):
            open_place(address).read("manifest.json")
