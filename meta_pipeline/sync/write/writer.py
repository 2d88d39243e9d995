"""Writes slices through the connection that holds the account's lock, one transaction each."""

from __future__ import annotations

import time
from collections import Counter

from meta_pipeline.model.part import INSIGHTS, Part
from meta_pipeline.sync.rows.entity_mapping import Source
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.warehouse import (
    Connection,
    Rendered,
    ReturnedRows,
    RowsRefused,
    UnrecognizedStore,
    Upserted,
    upsert,
)

from .slices import Slice


class Writer:
    """Commits slices and counts them: what was read and written of each part, and how long."""

    def __init__(
        self,
        connection: Connection,
        source: Source,
        findings: Findings,
        unrecognized: UnrecognizedStore,
        returned: ReturnedRows | None = None,
    ) -> None:
        self._connection = connection
        self._source = source
        self._findings = findings
        self._unrecognized = unrecognized
        self._returned = returned or ReturnedRows()
        self.read: Counter[Part] = Counter()
        self.written: Counter[Part] = Counter()
        self.write_ms = 0.0

    def write(self, one: Slice) -> Upserted:
        """Commit one slice with its notes; all of it or nothing."""
        started = time.perf_counter()
        with self._connection.transaction():
            try:
                done = self._upsert(one, one.rows)
            except RowsRefused:
                done = self._what_fits(one)
            for note in one.after:
                note(self._connection)
            self._note_findings()
        self.read[one.part] += one.read
        self.written[one.part] += done.written
        self.write_ms += (time.perf_counter() - started) * 1000
        return done

    def _upsert(self, one: Slice, rows: Rendered) -> Upserted:
        # A savepoint: rows that Postgres refuses must not take the slice's transaction with them.
        with self._connection.transaction():
            # Where the keys of the rows are kept: their window had rows before.
            if one.window is None:
                kept: tuple[ReturnedRows, int] | None = None
            else:
                scope = one.window.dataset.scope(self._source.account_id)
                since, until = one.window.since, one.window.until
                is_known = self._returned.keeps(self._connection, scope, since, until)
                kept = (self._returned, one.walk) if is_known else None
            return upsert(
                self._connection,
                one.table,
                one.columns,
                rows,
                history=one.history,
                # A row that differs in nothing but when it was read stays as it is.
                ignore=("data_as_of", "first_seen_at", "deleted_seen_at"),
                returned=kept,
            )

    def _what_fits(self, one: Slice) -> Upserted:
        """The rows of a slice that was refused, without the few that are why.

        Where none of several fits the fault is not the rows': RowsRefused.
        """
        done, refused = Upserted(), list[RowsRefused]()
        waiting = [one.rows]
        while waiting:
            some = waiting.pop()
            try:
                done += self._upsert(one, some)
            except RowsRefused as error:
                if some.count > 1:
                    first, second = some.halves()
                    waiting += [second, first]  # a stack: the first half is next
                    continue
                refused.append(error)
                self._findings.note(one.table.name, "row", str(error), Reason.REFUSED_ROW)
        if len(refused) == one.rows.count and (len(refused) > 1 or not refused[0].is_of_content):
            raise refused[0]
        return done

    @property
    def entity_rows_written(self) -> int:
        return sum(rows for part, rows in self.written.items() if part not in INSIGHTS)

    @property
    def insights_rows_written(self) -> int:
        return sum(self.written[part] for part in INSIGHTS)

    @property
    def insights_rows_read(self) -> int:
        return sum(self.read[part] for part in INSIGHTS)

    def _note_findings(self) -> None:
        rows = self._findings.rows(self._source.account_id, self._source.data_as_of)
        self._unrecognized.record(self._connection, rows)

    def finish(self) -> None:
        """Write the findings no slice has taken along."""
        with self._connection.transaction():
            self._note_findings()
