"""Reading one edge of an account: all of it, what changed, or only what changes silently.

`updated_time` does not move when a budget is edited, when a parent is paused or when something is
deleted (FACTS section 8). So a delta is read often, and now and then every object is listed: with
all fields where that costs no more calls than a delta, else with the few fields that matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from meta_pipeline.graph import (
    CursorLost,
    FieldRejected,
    GraphClient,
    GraphError,
    InvalidRequest,
    Page,
)
from meta_pipeline.model.part import ENTITIES
from meta_pipeline.sync.plan.edge_plan import EdgePlan, Mode, statuses_hash
from meta_pipeline.sync.rows.convert import moment_or_none
from meta_pipeline.sync.rows.entity_mapping import EntityMapper, Source
from meta_pipeline.sync.rows.fields import EntitySpec
from meta_pipeline.sync.rows.keys import id_text
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.sync.write.seen import SeenIds
from meta_pipeline.sync.write.slices import Note, Slice, noting_last, rendered
from meta_pipeline.warehouse import (
    Connection,
    CursorRow,
    EntityHistory,
    Warehouse,
    tracked_columns,
)

from .halving import refused_beside
from .refusals import FORBIDDEN, REFUSED, STATUSES, UNANSWERED, Refusals

OVERLAP = timedelta(minutes=10)
"""A delta starts this much before the newest change seen: Meta promises no order of commits."""
_WALKS = 3
"""How often an edge is walked from its start when its cursor dies on the way."""
_TRIES = 2
"""How often a parameter that is refused, and then is not, may be refused again."""


class EdgeReader:
    """Reads one edge as the plan says and yields it as slices, one for each page."""

    def __init__(
        self,
        plan: EdgePlan,
        *,
        client: GraphClient,
        warehouse: Warehouse,
        source: Source,
        findings: Findings,
        cursor: CursorRow | None,
        refusals: Refusals,
    ) -> None:
        self._refusals = refusals
        self._plan = plan
        self._spec = plan.spec
        self._client = client
        self._warehouse = warehouse
        self._source = source
        self._findings = findings
        self._cursor = cursor or CursorRow(source.account_id, plan.spec.edge)
        self._refused: set[str] = set()
        # What was answered last time: a size that is refused costs a call each time.
        self._page_size = (cursor.page_size if cursor else None) or plan.page_size
        self._has_shrunk = False
        self._newest = self._cursor.updated_since

    def slices(self) -> Iterator[Slice]:
        """The edge, page by page; the last slice carries the cursor for the next time."""
        lost = passing = 0
        while True:
            try:
                # `map` holds no page while the next one is fetched, as a loop over them would.
                mapper = EntityMapper(self._spec, self._findings, self._names)
                slices = map(partial(self._slice, mapper=mapper), self._pages(self._params()))
                yield from noting_last(slices, self._note_read)
            except (FieldRejected, *FORBIDDEN) as error:
                if not self._goes_on_without(error):
                    raise
            except CursorLost:
                # It dies with its object (FACTS section 4.3). Rows that come again are not written.
                lost += 1
                if lost == _WALKS:
                    raise
            except InvalidRequest as error:
                # Which statuses may be asked for is not settled (FACTS section 4.5).
                # Looked for once: where nothing is found, it may pass, or is of no value or field.
                if not passing and self._is_asked_less(error):
                    continue
                passing += 1
                if passing == _TRIES or not self._statuses:
                    raise
            else:
                return

    @property
    def _statuses(self) -> list[str]:
        return self._refusals.taken(STATUSES, self._spec.edge, self._spec.statuses)

    def _takes(self, statuses: Sequence[str], fields: Sequence[str] = ("id",)) -> bool:
        """Whether the edge may be asked with these statuses and fields: one small call."""
        params: dict[str, Any] = {"fields": ",".join(fields), "limit": 1}
        if statuses:
            params[STATUSES] = list(statuses)
        try:
            self._client.get(
                f"{self._source.account_id}/{self._spec.edge}",
                params,
                account_id=self._source.account_id,
                endpoint_key=self._spec.endpoint_key,
            )
        except REFUSED:
            return False
        return True

    def _pages(self, params: dict[str, Any], after: str | None = None) -> Iterator[Page]:
        return self._client.pages(
            f"{self._source.account_id}/{self._spec.edge}",
            params,
            account_id=self._source.account_id,
            endpoint_key=self._spec.endpoint_key,
            page_size=self._plan.page_size,
            start_page_size=self._page_size,
            on_page_size=self._remember_page_size,
            after=after,
        )

    @property
    def _names(self) -> tuple[str, ...] | None:
        cheap = self._plan.mode is Mode.SCAN
        names = self._spec.cheap if cheap else tuple(one.name for one in self._spec.fields)
        asked = tuple(name for name in names if name not in self._refused)
        return None if not cheap and not self._refused else asked

    def _params(self) -> dict[str, Any]:
        names = self._names or tuple(one.name for one in self._spec.fields)
        params: dict[str, Any] = {"fields": ",".join(names)}
        # Without, archived and deleted objects are left out (FACTS section 4.5).
        if self._statuses:
            params[STATUSES] = self._statuses
        if self._plan.mode is Mode.DELTA and self._plan.changed_since is not None:
            params["filtering"] = [
                {
                    "field": f"{self._spec.prefix}.updated_time",
                    "operator": "GREATER_THAN",
                    "value": int((self._plan.changed_since - OVERLAP).timestamp()),
                }
            ]
        return params

    def _slice(self, page: Page, mapper: EntityMapper) -> Slice:
        given = self._with_id(page.rows)
        rows = [mapper.row(one, self._source) for one in given]
        self._note_change_times(given)
        self._refusals.is_answered = True
        ids, is_first = [str(one["id"]) for one in given], page.number == 1
        # No lambda over the page: a slice that waits for the writer would keep all of it.
        seen = partial(SeenIds(self._spec.edge).add, ids=ids, restart=is_first)
        notes: list[Note] = [seen] if self._plan.is_complete else []
        return Slice(
            part=self._spec.part,
            table=self._spec.table,
            columns=mapper.columns,
            rows=rendered(self._spec.table, mapper.columns, rows, self._findings),
            read=len(page.rows),
            message=f"{self._spec.edge} page {page.number}",
            after=notes,
            history=history_of(self._spec, mapper.columns, self._source),
        )

    def _with_id(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows that say what they are; the others cannot be stored and are recorded."""
        identified = [row for row in rows if id_text(row.get("id")) is not None]
        for row in rows if len(identified) < len(rows) else ():
            if id_text(row.get("id")) is None:
                self._findings.note(self._spec.edge, "id", row, Reason.MISSING_KEY)
        return identified

    def _note_change_times(self, rows: list[dict[str, Any]]) -> None:
        """Keep the newest change, and see that a delta holds only what it asked for."""
        since = self._plan.changed_since if self._plan.mode is Mode.DELTA else None
        for given in rows:
            changed = moment_or_none(given.get("updated_time"))
            if changed is None:
                continue
            self._newest = max(self._newest or changed, changed)
            # A filter that Meta does not understand is ignored in silence (FACTS section 4.4).
            if since is not None and changed < since - OVERLAP:
                self._findings.note(
                    self._spec.edge, "updated_time", "", Reason.FILTER_IGNORED, given.get("id")
                )

    def _note_read(self, connection: Connection) -> None:
        cursors, now = self._warehouse.cursors, self._source.data_as_of
        # A delta may have moved it since this sync began.
        stored = cursors.get(self._source.account_id, self._spec.edge, connection)
        known = (stored or self._cursor).as_of(now)
        # A small edge has too few pages to grow back on the way: each listing may double them.
        may_grow = self._plan.is_complete and not self._has_shrunk
        grown = min(self._page_size * 2, self._plan.page_size)
        cursors.save(
            connection,
            replace(
                known,
                updated_since=self._changed_until(known.updated_since),
                last_fetched_at=now,
                last_full_at=now if self._is_done(connection) else known.last_full_at,
                statuses_hash=statuses_hash(self._spec),
                page_size=grown if may_grow else self._page_size,
            ),
        )

    def _changed_until(self, known: datetime | None) -> datetime | None:
        """Where the next delta starts: what changed before it has been read with all its fields.

        A scan reads few fields and moves nothing. A change made while the pages were read may be
        of an object that had been read already, so nothing after the start counts.
        """
        if self._plan.mode is Mode.SCAN or self._newest is None:
            return known
        safe = min(self._newest, self._source.data_as_of)
        return safe if known is None else max(known, safe)

    def _is_done(self, connection: Connection) -> bool:
        """Whether a listing has nothing left to look up: see `Dimensions.mark_vanished`."""
        if not self._plan.is_complete:
            return False
        if not self._spec.is_checked:
            return True
        return not SeenIds(self._spec.edge).vanished(
            connection,
            self._spec.table,
            self._spec.id_column,
            self._source.account_id,
            after="",
            at_most=1,
        )

    def _remember_page_size(self, size: int) -> None:
        self._has_shrunk |= size < self._page_size
        self._page_size = size

    @property
    def _optional(self) -> list[str]:
        """The fields that are asked for and may be left out: what a row is known by may not."""
        asked = self._names or tuple(one.name for one in self._spec.fields)
        return [name for name in asked[1:] if name not in self._refused]

    def _is_asked_less(self, error: InvalidRequest) -> bool:
        """Whether there are statuses or fields without which the edge answers."""
        source, asked = self._spec.edge, self._statuses
        dropped = self._refusals.drop_statuses(source, asked, error, self._takes)
        return dropped or self._drop_unnamed(error)

    def _goes_on_without(self, error: GraphError) -> bool:
        """Whether there is a field without which the edge answers; a named one is believed."""
        if isinstance(error, FieldRejected) and error.field_name in self._optional:
            self._drop_field(error)
            return True
        # Before anything was answered, it is as likely the whole account that is forbidden.
        may_be_field = self._refusals.is_answered or not isinstance(error, FORBIDDEN)
        return may_be_field and self._drop_unnamed(error)

    def _drop_unnamed(self, error: GraphError) -> bool:
        """Leave out the fields without which the edge answers, where Meta names none."""
        own, takes = self._spec.fields[0].name, partial(self._takes, self._statuses)
        try:
            refused = refused_beside([own], self._optional, takes)
        except UNANSWERED:
            return False
        for name in refused:
            self._drop_field(FieldRejected.named(name, error))
        return bool(refused)

    def _drop_field(self, error: FieldRejected) -> None:
        self._refused.add(error.field_name)
        self._findings.note(self._spec.edge, error.field_name, error.message, Reason.REFUSED_FIELD)


def history_of(spec: EntitySpec, columns: Sequence[str], source: Source) -> EntityHistory | None:
    """What to note of changes to these columns; only the structure has a history."""
    if spec.part not in ENTITIES:
        return None
    tracked = [name for name in tracked_columns(spec.table, columns) if name not in spec.untracked]
    return EntityHistory(
        tracked=tracked,
        entity_type=spec.entity_type,
        id_column=spec.id_column,
        sync_run_id=source.sync_run_id,
        seen_at=source.data_as_of,
    )
