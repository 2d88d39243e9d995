"""Manifest: the list of files an export consists of, as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from .errors import PlaceTaken
from .parts import PartKey
from .tables import Table

MANIFEST: Final = "manifest.json"
FORMAT: Final = "meta_pipeline export"
VERSION: Final = 1
FILES: Final = "files.txt"
"""Beside the folder's files: their addresses, one a line, for what loads by such a list."""
A_FILE: Final = re.compile(r"[a-z_][a-z0-9_]*/[a-z0-9_-]+/[a-z0-9-]+\.parquet")
"""Path of a file of ours: whoever may write to the place says nothing about other folders."""
_A_TABLE: Final = re.compile(r"[a-z_][a-z0-9_]*")
_UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading JSON of another shape than ours may raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """One Parquet file: the rows of an account and month, or of an account, or of none."""

    path: str
    """Relative to the place."""
    account_id: str | None
    """None where the table is of no account."""
    month: str | None
    """`2026-11`; None where the table has no days, or the row none that fits a month."""
    rows: int
    size_bytes: int
    fingerprint: str
    """Of rows and columns: while Postgres gives the same, the file is not written again."""
    data_as_of: datetime | None
    """When Meta gave the newest of its rows."""
    written_at: datetime
    """The moment at which its rows were read."""
    current_at: datetime
    """The last moment at which Postgres had the same rows."""
    unfit: Mapping[str, int] = field(default_factory=dict)
    """Values that Parquet's type cannot hold and that are null, counted by column."""

    @property
    def key(self) -> PartKey:
        """Which part of its table it is."""
        return PartKey(self.account_id, self.month)

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> ExportedFile:
        """As a manifest has it; one of `_UNREADABLE` for anything else."""
        # A dataclass checks nothing, and by these paths files are listed and removed.
        numbers, names = (read["rows"], read["size_bytes"]), (read["account_id"], read["month"])
        if not (
            A_FILE.fullmatch(read["path"])
            and all(isinstance(one, int) for one in numbers)
            and all(one is None or isinstance(one, str) for one in names)
        ):
            raise TypeError
        moments = {name: _moment(read[name]) for name in ("data_as_of", "written_at", "current_at")}
        return cls(**{**read, **moments})


@dataclass(frozen=True, slots=True)
class TableFiles:
    """The files of one table, and its columns as name, Postgres type and comment."""

    comment: str
    columns: tuple[Mapping[str, str], ...]
    files: tuple[ExportedFile, ...]

    @classmethod
    def of(cls, table: Table, files: Iterable[ExportedFile]) -> TableFiles:
        """The files in the order of account and month."""
        columns = tuple(asdict(column) for column in table.columns)
        ordered = sorted(files, key=lambda one: (one.account_id or "", one.month or ""))
        return cls(table.comment, columns, tuple(ordered))

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(one.rows for one in self.files)

    @property
    def data_as_of(self) -> datetime | None:
        """When Meta gave the newest row; None for a table that does not say."""
        return max((one.data_as_of for one in self.files if one.data_as_of), default=None)

    def as_json(self) -> str:
        """As a manifest has it, one file a line."""
        head = {
            "comment": self.comment,
            "rows": self.rows,
            "data_as_of": self.data_as_of,
            "columns": self.columns,
        }
        files = ",\n".join(_json(asdict(one)) for one in self.files)
        return f'{_json(head)[:-1]}, "files": [\n{files}\n]}}'


@dataclass(frozen=True, slots=True)
class Superseded:
    """A file that is no longer part of the export, kept for who is still reading it."""

    path: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that an export consists of.

    `rows_of` says what its reader was let see: `everything`, `tenant <name>` or `role <name>`.
    """

    rows_of: str
    is_simulated: bool = False
    written_at: datetime | None = None
    tables: Mapping[str, TableFiles] = field(default_factory=dict)
    superseded: tuple[Superseded, ...] = ()

    @property
    def paths(self) -> set[str]:
        """Every file it lists."""
        return {one.path for table in self.tables.values() for one in table.files}

    def files_of(self, table: str) -> tuple[ExportedFile, ...]:
        """The files of a table; none where it was never exported."""
        return self.tables[table].files if table in self.tables else ()

    def without_successor(self, after: Manifest) -> tuple[str, ...]:
        """The files of parts that have none in `after`."""
        alive = {(name, one.key) for name, table in after.tables.items() for one in table.files}
        return tuple(
            one.path
            for name, table in self.tables.items()
            for one in table.files
            if (name, one.key) not in alive
        )

    def without_superseded(self, paths: Iterable[str]) -> Manifest:
        """The same after these files were removed."""
        gone = set(paths)
        left = tuple(one for one in self.superseded if one.path not in gone)
        return replace(self, superseded=left)

    def as_json(self) -> bytes:
        """As it is stored, one file a line."""
        tables = ",\n".join(
            f"{json.dumps(name)}: {table.as_json()}" for name, table in self.tables.items()
        )
        head = {
            "format": FORMAT,
            "version": VERSION,
            "rows_of": self.rows_of,
            "is_simulated": self.is_simulated,
            "written_at": self.written_at,
            "superseded": [asdict(one) for one in self.superseded],
        }
        return f'{_json(head)[:-1]},\n"tables": {{\n{tables}\n}}}}\n'.encode()

    @classmethod
    def from_json(cls, text: bytes, where: str) -> Manifest:
        """As it was stored; PlaceTaken for anything else, and for a newer version's."""
        try:
            read = json.loads(text)
            is_ours = read["format"] == FORMAT
            is_newer = is_ours and read["version"] > VERSION
        except _UNREADABLE:
            is_ours = False
        if not is_ours:
            raise PlaceTaken(
                f"{where} is not of an export. Name another place; nothing was written."
            )
        if is_newer:
            raise PlaceTaken(
                f"{where} was written by a newer meta_pipeline: upgrade this one, or name another "
                "place. Nothing was written."
            )
        try:
            return cls._of(read)
        except _UNREADABLE:
            raise PlaceTaken(
                f"{where} is damaged. Restore it, or name another place and remove this one; "
                "nothing was written."
            ) from None

    @classmethod
    def _of(cls, read: Mapping[str, Any]) -> Manifest:
        return cls(
            rows_of=read["rows_of"],
            is_simulated=read["is_simulated"],
            written_at=_moment(read["written_at"]),
            tables={
                _table_name(name): TableFiles(
                    table["comment"],
                    tuple(table["columns"]),
                    tuple(map(ExportedFile.from_json, table["files"])),
                )
                for name, table in read["tables"].items()
            },
            superseded=tuple(
                Superseded(one["path"], datetime.fromisoformat(one["since"]))
                for one in read["superseded"]
            ),
        )


def _json(value: Any) -> str:
    return json.dumps(value, default=datetime.isoformat)


def _table_name(name: str) -> str:
    # The list of its files is written to the folder of this name.
    if not _A_TABLE.fullmatch(name):
        raise ValueError("no table of ours")
    return name


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
