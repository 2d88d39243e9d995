"""Export: what changed in Postgres becomes new files, then a new manifest lists them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Final

from psycopg import IsolationLevel

from meta_pipeline.warehouse.connect import WRITER, Connection, connect
from meta_pipeline.warehouse.faults import explained
from meta_pipeline.warehouse.tenancy import begin_session

from .errors import ExportBusy, ExportError, LibrariesMissing, PlaceTaken
from .manifest import A_FILE, FILES, MANIFEST, ExportedFile, Manifest, Superseded, TableFiles
from .parts import ExportScope, FilePart, PartKey, history_of, parts
from .pending import NamedFile, Pending
from .places import Destination
from .tables import Table, chosen, exported

KEPT: Final = timedelta(days=1)
"""How long a file stays after it was replaced, for who reads by an older manifest."""
# As long as the transaction: of an export that is killed none is left behind.
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('meta_ads:export:' || %s, 0))"
_READ_AT = "SELECT now(), current_user::text, row_security_active('meta_ads.meta_insights')"
_SIMULATED = "SELECT coalesce(bool_or(is_simulated), false) FROM meta_ads.meta_ad_accounts"

OnFile = Callable[[str, ExportedFile], None]
_New = dict[tuple[str, PartKey], tuple[Table, FilePart]]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did: the manifest it wrote, and which files of it are new.

    `adopted` are files that an export which was stopped had put, and that still hold what Postgres
    has. `removed` are the paths of parts that have no rows any more, `read_at` the moment whose
    rows all files that were looked at hold.
    """

    manifest: Manifest
    read_at: datetime
    written: tuple[NamedFile, ...]
    adopted: tuple[NamedFile, ...]
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
    clock: Callable[[], float] = monotonic,
) -> Exported:
    """Bring the files at a place up to date with the database at `url`.

    All is read in one transaction, so the files agree with each other. Only parts whose rows
    changed are written; those without rows leave the manifest. `accounts` and `days` narrow what is
    looked at, and the rest of the manifest stays: whole months count. With a `tenant` its rows are
    all there is. `on_file` is told of each file. Raises ExportError and WarehouseError; then the
    manifest is what it was, and so are its files. What was put until then is not lost: the next
    export adopts each file whose part has not changed since; `clock`, in seconds, says how often
    they are written down.
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
        return _Run(connection, place, scope, tenant, clock).run(tables, keep, on_file)


class _Run:
    """One export, within its transaction."""

    def __init__(
        self,
        connection: Connection,
        place: Destination,
        scope: ExportScope,
        tenant: str | None,
        clock: Callable[[], float],
    ) -> None:
        self._connection, self._place, self._scope = connection, place, scope
        self._clock = clock
        row = connection.execute(_READ_AT).fetchone()
        assert row is not None
        self._read_at, user, is_apart = row
        # An export of some rows must never take the place of one of all.
        self._rows_of = (
            f"tenant {tenant}" if tenant else f"role {user}" if is_apart else "everything"
        )

    def run(self, wanted: Collection[str] | None, keep: timedelta, on_file: OnFile) -> Exported:
        known = exported(self._connection)
        before, history = self._before(), history_of(self._connection)
        found = {
            table: parts(self._connection, table, self._scope, history)
            for table in chosen(known, wanted)
            if self._scope.reaches(table)
        }
        new = _changed(before, found)
        with self._place.staging() as staging:
            pending = Pending(self._place, staging, before, known, self._clock)
            adopted, apart = self._adopted(pending, new), self._apart(pending, known, found)
            before = self._swept(before, keep, staging, pending, [*adopted, *apart])
            for name, one in adopted:
                del new[name, one.key]
            written = self._written(new.values(), staging, pending, on_file)
            dropped = before.tables.keys() - known.keys() if wanted is None else set()
            after = self._after(before, found, [*adopted, *written], dropped)
            self._publish(before, after, staging)
            pending.end(apart)
        gone = before.without_successor(after)
        return Exported(after, self._read_at, tuple(written), tuple(adopted), gone)

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

    def _adopted(self, pending: Pending, new: _New) -> list[NamedFile]:
        """Files that were put, that hold what has changed since the manifest, and lie there."""
        sizes: dict[str, dict[str, int]] = {}
        adopted: dict[tuple[str, PartKey], NamedFile] = {}
        for name, one in pending.left.files:
            _, part = new.get((name, one.key), (None, None))
            if part is None or part.fingerprint != one.fingerprint:
                continue
            # Whoever removed a file that no manifest lists did nothing wrong.
            folder, _, file = one.path.rpartition("/")
            if folder not in sizes:
                sizes[folder] = self._place.sizes(folder)
            if sizes[folder].get(file) == one.size_bytes:
                adopted[name, one.key] = (name, one)
        return list(adopted.values())

    def _apart(
        self, pending: Pending, known: Collection[str], found: Collection[Table]
    ) -> list[NamedFile]:
        """Files that were put, of parts that are not looked at: the next export may."""
        looked_at = {table.name for table in found}
        return [
            (name, one)
            for name, one in pending.left.files
            if name in known and not (name in looked_at and self._scope.holds(one.key))
        ]

    def _swept(
        self,
        manifest: Manifest,
        keep: timedelta,
        staging: Path,
        pending: Pending,
        kept: Collection[NamedFile],
    ) -> Manifest:
        """Remove what nobody reads any more, and what an export left behind that was stopped."""
        left_behind = pending.keep(kept)
        if pending.left.paths:
            for name, table in manifest.tables.items():  # a list may name them already
                self._list(name, table, staging)
        old = {one.path for one in manifest.superseded if one.since <= self._read_at - keep}
        for path in left_behind | old:
            if A_FILE.fullmatch(path):  # whoever may write there says nothing about other folders
                self._place.remove(path)
        return manifest.without_superseded(old)

    def _written(
        self,
        new: Collection[tuple[Table, FilePart]],
        staging: Path,
        pending: Pending,
        on_file: OnFile,
    ) -> list[NamedFile]:
        written: list[NamedFile] = []
        paths = [part.key.new_path(table) for table, part in new]
        # Before the first file: if this process ends in between, the next export finds them there.
        pending.begin(paths)
        for path, (table, part) in zip(paths, new, strict=True):
            written.append((table.name, self._write(table, part, path, staging)))
            pending.add(written[-1])
            on_file(*written[-1])
        return written

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
        put: list[NamedFile],
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
            files |= {
                one.key: replace(one, current_at=self._read_at)
                for name, one in put
                if name == table.name
            }
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

    def _list(self, name: str, table: TableFiles, staging: Path) -> None:
        lines = "".join(f"{self._place.url(one.path)}\n" for one in table.files)
        self._place.write(f"{name}/{FILES}", lines.encode(), staging)


def _changed(before: Manifest, found: dict[Table, list[FilePart]]) -> _New:
    """Parts whose rows are not those of the manifest's file."""
    new: _New = {}
    for table, now in found.items():
        known_as = {one.key: one.fingerprint for one in before.files_of(table.name)}
        new |= {
            (table.name, part.key): (table, part)
            for part in now
            if known_as.get(part.key) != part.fingerprint
        }
    return new


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
