"""Telemetry: API calls, written beside the sync and never in its way."""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self

import orjson
import psycopg
from psycopg import sql

from meta_pipeline.warehouse.connect import Connection, connect
from meta_pipeline.warehouse.schema import meta_api_logs
from meta_pipeline.warehouse.stores.unrecognized import clean

from .copytext import CopyText

LOGGER = logging.getLogger(__name__)

# With Postgres away the log waits in memory; what comes beyond is counted, not kept.
BUFFER_ROWS = 20_000
# While Postgres is away rows wait in memory; asking more often brings it back no sooner.
RECONNECT_SECONDS = 5.0
# A process that ends waits so long for its last rows, and no longer: they are telemetry.
CLOSE_SECONDS = 15.0
_COLUMNS = tuple(column.name for column in meta_api_logs.columns if column.name != "id")
_NAMES = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
_COPY = sql.SQL("COPY meta_ads.meta_api_logs ({}) FROM STDIN").format(_NAMES)
_STAGE = sql.SQL(
    "CREATE TEMP TABLE api_log_staging ON COMMIT DROP AS "
    "SELECT {} FROM meta_ads.meta_api_logs WITH NO DATA"
).format(_NAMES)
_COPY_STAGED = sql.SQL("COPY api_log_staging FROM STDIN")
_INSERT_STAGED = sql.SQL(
    "INSERT INTO meta_ads.meta_api_logs ({}) SELECT * FROM api_log_staging"
).format(_NAMES)


class TelemetryWriter:
    """Writes `meta_api_logs` from a thread and a connection of its own.

    What is logged stays when the sync's transaction rolls back, and within `flush_seconds` it is
    committed: a killed process loses no more than that. Nothing here raises into the sync. While
    Postgres cannot be reached rows wait in a bounded buffer; when that is full the oldest go, and
    `lost` counts them. Use as a context manager, or call `close()`: both write what is left.
    """

    def __init__(
        self,
        url: str,
        *,
        flush_seconds: float = 1.0,
        batch_rows: int = 500,
        buffer_rows: int = BUFFER_ROWS,
        application_name: str = "meta_pipeline telemetry",
    ) -> None:
        self._url = url
        self._flush_seconds = flush_seconds
        self._batch_rows = batch_rows
        self._application_name = application_name
        self._rows: deque[Mapping[str, Any]] = deque()
        self._buffer_rows = max(buffer_rows, batch_rows)
        self._lost = 0
        self._state = threading.Condition()
        self._thread: threading.Thread | None = None
        self._asked = 0
        self._answered = 0
        self._is_closing = False
        self._connection: Connection | None = None

    @property
    def lost(self) -> int:
        """Rows that could not be kept: the buffer was full, or Postgres refused the row."""
        return self._lost

    @property
    def waiting(self) -> int:
        """Rows that are not written yet."""
        return len(self._rows)

    def log(self, row: Mapping[str, Any]) -> None:
        """Take one API attempt: column names of `meta_api_logs` to values; others are ignored."""
        kept = dict(row)
        kept.setdefault("timestamp", datetime.now(UTC))
        with self._state:
            self._rows.append(kept)
            if len(self._rows) > self._buffer_rows:
                self._rows.popleft()
                self._lost += 1
            # Start the thread with the first row; wake it early when a batch is full.
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
                # The interpreter is ending where none can start: `close` counts what is left.
                with suppress(RuntimeError):
                    thread.start()
                    self._thread = thread
                atexit.register(self.close)  # the thread is a daemon: it would die with its rows
            # The first row after a pause, or a full batch; the rows between wake nobody.
            if len(self._rows) >= self._batch_rows or len(self._rows) <= 1:
                self._state.notify_all()

    def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Write now; whether everything logged before is in the database."""
        with self._state:
            if self._thread is None:
                return not self._rows
            self._asked += 1
            mine = self._asked
            self._state.notify_all()
            self._state.wait_for(lambda: self._answered >= mine, timeout_seconds)
            return not self._rows

    def close(self) -> None:
        """Write what is left and stop; what cannot be written now counts as lost."""
        with self._state:
            self._is_closing = True
            self._state.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
        atexit.unregister(self.close)
        with self._state:
            if self._rows:
                LOGGER.warning("%d API log rows could not be written", len(self._rows))
            self._lost += len(self._rows)
            self._rows.clear()
            self._thread, self._is_closing = None, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        is_reachable = True
        while True:
            with self._state:
                pause = self._flush_seconds if is_reachable else RECONNECT_SECONDS
                # Until there is anything, then a while for more of it: one COPY for many rows.
                self._state.wait_for(
                    lambda: bool(self._rows) or self._is_closing or self._asked > self._answered
                )
                self._state.wait_for(partial(self._is_urgent, is_reachable), pause)
                asked, is_closing = self._asked, self._is_closing
            is_reachable = self._write_everything()
            with self._state:
                self._answered = asked
                self._state.notify_all()
                if is_closing:
                    break
        self._disconnect()

    def _is_urgent(self, is_reachable: bool) -> bool:
        is_full = is_reachable and len(self._rows) >= self._batch_rows
        return is_full or self._is_closing or self._asked > self._answered

    def _write_everything(self) -> bool:
        """Write all there is, batch by batch; False when Postgres cannot be reached."""
        try:
            while self._write_batch():
                pass
        except Exception as error:
            LOGGER.warning("API log waits for Postgres: %s", error)
            self._disconnect()
            return False
        return True

    def _write_batch(self) -> bool:
        with self._state:
            batch = [self._rows.popleft() for _ in range(min(len(self._rows), self._batch_rows))]
        if not batch:
            return False
        try:
            self._copy(batch)
        except (psycopg.DataError, psycopg.IntegrityError, TypeError, ValueError):
            self._copy_singly(batch)
        # Postgres is away: they go back to the front, as far as there is room.
        except Exception:
            with self._state:
                self._rows.extendleft(reversed(batch))
                while len(self._rows) > self._buffer_rows:
                    self._rows.popleft()
                    self._lost += 1
            raise
        return True

    def _copy(self, batch: Sequence[Mapping[str, Any]]) -> None:
        text = CopyText(meta_api_logs, _COLUMNS).format([_values(row) for row in batch])
        if self._connection is None or self._connection.closed:
            self._connection = connect(
                self._url, application_name=self._application_name, autocommit=True
            )
        connection = self._connection
        try:
            with connection.transaction(), connection.cursor().copy(_COPY) as copy:
                copy.write(text)
        except psycopg.errors.FeatureNotSupported:
            # Tenants are kept apart, and this user is not the owner of the tables: under row-level
            # security Postgres takes no COPY, but any INSERT.
            with connection.transaction():
                connection.execute(_STAGE)
                with connection.cursor().copy(_COPY_STAGED) as copy:
                    copy.write(text)
                connection.execute(_INSERT_STAGED)

    def _copy_singly(self, batch: Sequence[Mapping[str, Any]]) -> None:
        """One row does not fit its table: keep the others, count that one."""
        for row in batch:
            try:
                self._copy([row])
            except (psycopg.DataError, psycopg.IntegrityError, TypeError, ValueError) as error:
                with self._state:
                    self._lost += 1
                LOGGER.warning("An API log row was refused: %s", error)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _values(row: Mapping[str, Any]) -> list[Any]:
    given = {"throttled": False, "endpoint_key": "unknown"} | {
        name: value for name, value in row.items() if value is not None
    }
    if isinstance(headers := given.get("usage_headers"), Mapping):
        given["usage_headers"] = {str(name).lower(): _as_json(headers[name]) for name in headers}
    return [given.get(name) for name in _COLUMNS]


def _as_json(header: Any) -> str:
    """The header's text when Postgres can read it as JSON, else as a JSON string of it.

    `(usage_headers ->> name)::jsonb` then never fails, whatever a proxy made of the header.
    """
    text = header if isinstance(header, str) else orjson.dumps(header).decode()
    with suppress(orjson.JSONDecodeError):
        orjson.loads(text)
        if "\\u" not in text:  # escapes may name characters that jsonb refuses
            return text
    return orjson.dumps(clean(text)).decode()
