"""Pending: files that are put and stand in no manifest yet, so that the next export goes on there.

`pending.json` has the paths that are being written. `pending-0001.json` and its like have the files
that were put, each those since the list before: every one is a manifest of its own and is written
once, so that a long export writes each file down once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import PlaceTaken
from .manifest import ExportedFile, Manifest, TableFiles
from .places import Destination
from .tables import Table

BATCH_FILES: Final = 100
BATCH_SECONDS: Final = 30.0
"""After so many files, or so long, what was put is written down: a kill costs no more than that."""
_BEGUN: Final = "pending.json"
_logger = logging.getLogger(__name__)

NamedFile = tuple[str, ExportedFile]
"""A file, after the name of its table."""


@dataclass(frozen=True, slots=True)
class Left:
    """What exports that were stopped left at a place, without what its manifest lists.

    `files` were put whole and are of the manifest's rows; `paths` are theirs, and those of whatever
    else was begun. `lists` is the number of lists that lie there.
    """

    files: tuple[NamedFile, ...]
    paths: frozenset[str]
    lists: int


class Pending:
    """What this export has put so far, written down at the place where the next one finds it.

    `left` is what exports that were stopped left there.
    """

    def __init__(
        self,
        place: Destination,
        staging: Path,
        before: Manifest,
        tables: Mapping[str, Table],
        clock: Callable[[], float],
    ) -> None:
        self._place, self._staging, self._clock = place, staging, clock
        self._rows_of, self._tables = before.rows_of, tables
        self.left = _left_at(place, before)
        self._lists = self.left.lists
        self._coming: Sequence[str] = ()
        self._listed = 0
        self._new: list[NamedFile] = []
        self._since = clock()

    def keep(self, files: Collection[NamedFile]) -> frozenset[str]:
        """Of what was left have only these pending; the paths of the rest, which may be removed."""
        rest = self.left.paths - {one.path for _, one in files}
        # In this order: what is killed in between finds each path in one of the two, and no list
        # has as put what was removed.
        if rest:
            self._announce(sorted(rest))
        self._replace_lists(files)
        return rest

    def begin(self, paths: Sequence[str]) -> None:
        """Say what is to come, in this order, before the first of it is put."""
        self._coming = paths
        self._announce(paths[:BATCH_FILES])

    def add(self, file: NamedFile) -> None:
        """The next of what is to come was put."""
        self._new.append(file)
        if len(self._new) < BATCH_FILES and self._clock() - self._since < BATCH_SECONDS:
            return
        self._put_down(self._new)
        self._listed += len(self._new)
        self._new, self._since = [], self._clock()
        self._announce(self._coming[self._listed : self._listed + BATCH_FILES])

    def end(self, files: Collection[NamedFile]) -> None:
        """The manifest lists what was put; only these, which it does not, are pending still."""
        self._replace_lists(files)
        self._place.remove(_BEGUN)

    def _announce(self, paths: Sequence[str]) -> None:
        self._place.write(_BEGUN, json.dumps(paths).encode(), self._staging)

    def _replace_lists(self, files: Collection[NamedFile]) -> None:
        before, self._lists = self._lists, 0
        if files:
            self._put_down(files)
        # From the last: lists are looked for by number, until there is none.
        for number in range(before, self._lists, -1):
            self._place.remove(_list(number))

    def _put_down(self, files: Collection[NamedFile]) -> None:
        self._lists += 1
        names = dict.fromkeys(name for name, _ in files)
        put = Manifest(
            rows_of=self._rows_of,
            tables={
                name: TableFiles.of(self._tables[name], [one for of, one in files if of == name])
                for name in names
            },
        )
        self._place.write(_list(self._lists), put.as_json(), self._staging)


def _left_at(place: Destination, before: Manifest) -> Left:
    """What lies at a place beside `before`. A list that is none is passed over, and logged."""
    paths = _begun(place)
    files: list[NamedFile] = []
    lists = 0
    while (text := place.read(_list(lists + 1))) is not None:
        lists += 1
        try:
            put = Manifest.from_json(text, "")
        except PlaceTaken:
            _pass_over(place, _list(lists))
            continue
        paths |= put.paths
        if put.rows_of == before.rows_of:
            files += [(name, one) for name, table in put.tables.items() for one in table.files]
    # Of an export that ended between its manifest and the end of its lists.
    paths -= before.paths | {one.path for one in before.superseded}
    return Left(tuple(one for one in files if one[1].path in paths), frozenset(paths), lists)


def _begun(place: Destination) -> set[str]:
    text = place.read(_BEGUN)
    try:
        begun = [] if text is None else json.loads(text)
    except (ValueError, RecursionError):
        begun = None
    if not isinstance(begun, list):
        _pass_over(place, _BEGUN)
        return set()
    return {path for path in begun if isinstance(path, str)}


def _list(number: int) -> str:
    return f"pending-{number:04d}.json"


def _pass_over(place: Destination, path: str) -> None:
    _logger.warning(
        "%s is no list of files that an export began. It is passed over: what it alone lists is "
        "written again, and stays where it is.",
        place.url(path),
    )
