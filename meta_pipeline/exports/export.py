"""Export: what changed in Postgres becomes new files, then a new manifest lists them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from psycopg import IsolationLevel

from meta_pipeline.warehouse.connect import WRITER, Connection, connect
from meta_pipeline.warehouse.faults import explained
from meta_pipeline.warehouse.tenancy import begin_session

from .errors import ExportBusy, ExportError, LibrariesMissing, PlaceTaken
from .manifest import A_FILE, FILES, MANIFEST, ExportedFile, Manifest, Superseded, TableFiles
from .parts import ExportScope, FilePart, PartKey, parts
from .places import Destination
from .tables import Table, chosen, exported

KEPT: Final = timedelta(days=1)
"""How long a file stays after it was replaced, for who reads by an older manifest."""
_PENDING: Final = "pending.json"
"""Files that are about to be written: what it lists and the manifest does not, was left behind."""
# As long as the transaction: of an export that is killed none is left behind.
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('meta_ads:export:' || %s, 0))"
_READ_AT = "SELECT now(), current_user::text, row_security_active('meta_ads.meta_insights')"
_SIMULATED = "SELECT coalesce(bool_or(is_simulated), false) FROM meta_ads.meta_ad_accounts"

OnFile = Callable[[str, ExportedFile], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did: the manifest it wrote, and which files of it are new.

    `removed` are the paths of parts that have no rows any more, `read_at` the moment whose rows
    all files that were looked at hold.
    """

    manifest: Manifest
    read_at: datetime
    written: tuple[tuple[str, ExportedFile], ...]
    removed: tuple[str, ...]

    @property
    def rows_written(self) -> int:
        """Rows of the new files."""
        return sum(one.rows for _, one in self.written)

    @property
    def unfit(self) -> dict[str, int]:
        """Values that no file can hold and that are null there, by table.column; of all files."""
        found: dict[str, int] = {}
        for name, table in self.manifest.tables.items():
            for one in table.files:
                for column, count in one.unfit.items():
                    found[f"{name}.{column}"] = found.get(f"{name}.{column}", 0) + count
        return found


def export(
    url: str,
    place: Destination,
    *,
    tables: Collection[str] | None = None,
    accounts: Collection[str] | None = None,
    days: tuple[date, date] | None = None,
    tenant: str | None = None,
    keep: timedelta = KEPT,
    on_file: OnFile = lambda table, file: None,
) -> Exported:
    """Bring the files at a place up to date with the database at `url`.

    All is read in one transaction, so the files agree with each other. Only parts whose rows
    changed are written; those without rows leave the manifest. `accounts` and `days` narrow what is
    looked at, and the rest of the manifest stays: whole months count. With a `tenant` its rows are
    all there is. `on_file` is told of each file. Raises ExportError and WarehouseError; then the
    manifest is what it was, and so are its files.
    """
    _require_libraries()
    scope = ExportScope(accounts, days)
    with explained(url), _reading(url, tenant) as connection:
        row = connection.execute(_LOCK, (place.address,)).fetchone()
        if not (row and row[0]):
            raise ExportBusy(
                f"Another export writes to {place.address}. Nothing was done: let it finish, and "
                "say it again."
            )
        return _Run(connection, place, scope, tenant).run(tables, keep, on_file)


class _Run:
    """One export, within its transaction."""

    def __init__(
        self, connection: Connection, place: Destination, scope: ExportScope, tenant: str | None
    ) -> None:
        self._connection = connection
        self._place = place
        self._scope = scope
        row = connection.execute(_READ_AT).fetchone()
        assert row is not None
        self._read_at, user, is_apart = row
        # An export of some rows must never take the place of one of all.
        self._rows_of = (
            f"tenant {tenant}" if tenant else f"role {user}" if is_apart else "everything"
        )

    def run(self, wanted: Collection[str] | None, keep: timedelta, on_file: OnFile) -> Exported:
        known = exported(self._connection)
        tables = chosen(known, wanted)
        before = self._before()
        found = {
            table: parts(self._connection, table, self._scope)
            for table in tables
            if self._scope.reaches(table)
        }
        new: dict[tuple[str, PartKey], str] = {}
        for table, now in found.items():
            known_as = {one.key: one.fingerprint for one in before.files_of(table.name)}
            changed = (part.key for part in now if known_as.get(part.key) != part.fingerprint)
            new |= {(table.name, key): key.new_path(table) for key in changed}
        with self._place.staging() as staging:
            before = self._swept(before, keep, staging)
            # Before the first file: if this process ends in between, the next export finds them
            # here.
            self._place.write(_PENDING, json.dumps(list(new.values())).encode(), staging)
            written: list[tuple[str, ExportedFile]] = []
            for table, now in found.items():
                for part in now:
                    path = new.get((table.name, part.key))
                    if path is not None:
                        written.append((table.name, self._write(table, part, path, staging)))
                        on_file(*written[-1])
            dropped = before.tables.keys() - known.keys() if wanted is None else set()
            after = self._after(before, found, written, dropped)
            self._publish(before, after, staging)
        return Exported(after, self._read_at, tuple(written), before.without_successor(after))

    def _before(self) -> Manifest:
        text = self._place.read(MANIFEST)
        if text is None:
            return Manifest(rows_of=self._rows_of)
        found = Manifest.from_json(text, self._place.url(MANIFEST))
        if found.rows_of != self._rows_of:
            raise PlaceTaken(
                f"{self._place.address} holds the rows of {found.rows_of}, and these would be of "
                f"{self._rows_of}. Name another place; nothing was written."
            )
        return found

    def _swept(self, manifest: Manifest, keep: timedelta, staging: Path) -> Manifest:
        """Remove what nobody reads any more, and what an export that was stopped left behind."""
        try:
            listed = json.loads(self._place.read(_PENDING) or b"[]")
        except (ValueError, RecursionError):
            listed = []  # of a list that is none, no files
        pending = listed if isinstance(listed, list) else []
        left_behind = {path for path in pending if isinstance(path, str)} - manifest.paths
        if left_behind:
            for name, table in manifest.tables.items():  # a list may name them already
                self._list(name, table, staging)
        old = {one.path for one in manifest.superseded if one.since <= self._read_at - keep}
        for path in left_behind | old:
            if A_FILE.fullmatch(path):  # whoever may write there says nothing about other folders
                self._place.remove(path)
        return manifest.without_superseded(old)

    def _write(self, table: Table, part: FilePart, path: str, staging: Path) -> ExportedFile:
        from .parquet import write_part  # noqa: PLC0415  # pyarrow is an extra

        source = staging / "part.parquet"
        about = {
            "account_id": part.key.account_id or "",
            "month": part.key.month or "",
            "read_at": self._read_at.isoformat(),
            "data_as_of": part.data_as_of.isoformat() if part.data_as_of else "",
        }
        rows, unfit = write_part(self._connection, table, part.key, source, **about)
        if rows != part.rows:
            raise ExportError(
                f"{path} would hold {rows:,} rows where {table.name} has {part.rows:,}: this is a "
                "fault in meta_pipeline, please report it. The manifest stays as it was."
            )
        size_bytes = source.stat().st_size
        self._place.put(source, path)
        return ExportedFile(
            path=path,
            account_id=part.key.account_id,
            month=part.key.month,
            rows=rows,
            size_bytes=size_bytes,
            fingerprint=part.fingerprint,
            data_as_of=part.data_as_of,
            written_at=self._read_at,
            current_at=self._read_at,
            unfit=dict(unfit),
        )

    def _after(
        self,
        before: Manifest,
        found: dict[Table, list[FilePart]],
        written: list[tuple[str, ExportedFile]],
        dropped: Collection[str],
    ) -> Manifest:
        tables = {name: table for name, table in before.tables.items() if name not in dropped}
        for table, now in found.items():
            alive = {part.key for part in now}
            files = {
                one.key: replace(one, current_at=self._read_at) if one.key in alive else one
                for one in before.files_of(table.name)
                if one.key in alive or not self._scope.holds(one.key)
            }
            files |= {one.key: one for name, one in written if name == table.name}
            tables[table.name] = TableFiles.of(table, files.values())
        row = self._connection.execute(_SIMULATED).fetchone()
        after = replace(
            before,
            is_simulated=bool(row and row[0]),
            written_at=self._read_at,
            tables=tables,
        )
        gone = (Superseded(path, self._read_at) for path in sorted(before.paths - after.paths))
        return replace(after, superseded=(*before.superseded, *gone))

    def _publish(self, before: Manifest, after: Manifest, staging: Path) -> None:
        """Make the new files the export: the lists first, the manifest last."""
        for name, table in after.tables.items():
            paths = [one.path for one in table.files]
            if name not in before.tables or paths != [one.path for one in before.files_of(name)]:
                self._list(name, table, staging)
        self._place.write(MANIFEST, after.as_json(), staging)
        for name in before.tables.keys() - after.tables.keys():
            self._place.remove(f"{name}/{FILES}")
        self._place.remove(_PENDING)

    def _list(self, name: str, table: TableFiles, staging: Path) -> None:
        lines = "".join(f"{self._place.url(one.path)}\n" for one in table.files)
        self._place.write(f"{name}/{FILES}", lines.encode(), staging)


@contextmanager
def _reading(url: str, tenant: str | None) -> Iterator[Connection]:
    """One transaction that sees one moment, changes nothing, and may be one tenant's."""
    with closing(
        connect(url, application_name="meta_pipeline export", patience=WRITER)
    ) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        if tenant is None:
            with connection.transaction():
                yield connection
            return
        with begin_session(connection, tenant, read_only=True) as session:
            yield session.connection


def _require_libraries() -> None:
    missing = [name for name in ("pyarrow", "fsspec") if find_spec(name) is None]
    if missing:
        raise LibrariesMissing(
            f"An export needs {' and '.join(missing)}, not installed here. "
            "Install it: pip install 'meta-pipeline[lake]'."
        )
