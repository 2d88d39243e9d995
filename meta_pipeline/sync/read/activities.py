"""Who changed what: the account's activities as Meta's change log tells them (FACTS section 12)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from meta_pipeline.graph import FieldRejected, GraphClient, GraphError, Page
from meta_pipeline.model.part import Part
from meta_pipeline.sync.rows.convert import json_text, moment_or_none
from meta_pipeline.sync.rows.entity_mapping import Row, Source
from meta_pipeline.sync.rows.keys import id_text
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.sync.write.slices import Slice, noting_last, rendered
from meta_pipeline.warehouse import Connection, CursorRow, Warehouse, schema

from .halving import refused_beside
from .refusals import FORBIDDEN, REFUSED, UNANSWERED

# Entries are small, and an hour has few: one page as a rule.
_PAGE_SIZE = 200
_FIELDS = (
    "event_time",
    "event_type",
    "translated_event_type",
    "object_id",
    "object_type",
    "object_name",
    "actor_id",
    "actor_name",
    "application_name",
    "extra_data",
)
# In the texts of a row, which begin after `event_time`.
_OBJECT_ID = _FIELDS.index("object_id") - 1
_COLUMNS = ("activity_id", "account_id", *_FIELDS, "data_as_of")


class ActivityReader:
    """Reads the change log from a moment on; an event is known again by its hash."""

    def __init__(
        self, client: GraphClient, source: Source, warehouse: Warehouse, findings: Findings
    ) -> None:
        self._client = client
        self._source = source
        self._warehouse = warehouse
        self._findings = findings

    def slices(self, since: datetime) -> Iterator[Slice]:
        """One slice for each page; the last one carries the cursor for the next time."""
        asked = list(_FIELDS)
        while True:
            try:
                yield from self._walk(since, asked)
            except REFUSED as error:
                refused = self._refused(since, asked, error)
                if not refused:
                    raise
                for name in refused:
                    asked.remove(name)
                    text, why = error.message, Reason.REFUSED_FIELD
                    self._findings.note("activities", name, text, why)
            else:
                return

    def _refused(self, since: datetime, asked: Sequence[str], error: GraphError) -> list[str]:
        """The fields without which the edge answers, but for the time that tells what is new."""
        if isinstance(error, FieldRejected) and error.field_name in asked[1:]:
            return [error.field_name]
        if isinstance(error, FORBIDDEN):  # most tokens that may not read the log may read nothing
            return []

        def takes(names: Sequence[str]) -> bool:
            params = self._params(since, names) | {"limit": 1}
            account_id = self._source.account_id
            path = f"{account_id}/activities"
            try:
                self._client.get(
                    path, params, account_id=account_id, endpoint_key="activities_list"
                )
            except REFUSED:
                return False
            return True

        try:
            return refused_beside(asked[:1], asked[1:], takes)
        except UNANSWERED:
            return []

    def _params(self, since: datetime, names: Sequence[str]) -> dict[str, Any]:
        return {
            "fields": ",".join(names),
            "since": int(since.timestamp()),
            "until": int(self._source.data_as_of.timestamp()),
        }

    def _walk(self, since: datetime, names: Sequence[str]) -> Iterator[Slice]:
        self._newest = since
        # Up to when the sync began, whose time the cursor takes: what happens meanwhile comes next.
        pages = self._client.pages(
            f"{self._source.account_id}/activities",
            self._params(since, names),
            account_id=self._source.account_id,
            endpoint_key="activities_list",
            page_size=_PAGE_SIZE,
        )
        return noting_last(map(self._slice, pages), self._save)

    def _slice(self, page: Page) -> Slice:
        rows = [row for one in page.rows if (row := self._row(one)) is not None]
        self._newest = max([self._newest, *(row[2] for row in rows)])
        return Slice(
            part=Part.ACTIVITIES,
            table=schema.meta_activities,
            columns=_COLUMNS,
            rows=rendered(schema.meta_activities, _COLUMNS, rows, self._findings),
            read=len(page.rows),
            message=f"activities page {page.number}",
        )

    def _row(self, given: Mapping[str, Any]) -> Row | None:
        happened = moment_or_none(given.get("event_time"))
        if happened is None:
            self._findings.note("activities", "event_time", json_text(given), Reason.MISSING_KEY)
            return None
        values = [given.get(name) for name in _FIELDS[1:-1]]
        texts = [
            value if value is None or isinstance(value, str) else json_text(value)
            for value in values
        ]
        if texts[_OBJECT_ID] is not None and id_text(texts[_OBJECT_ID]) is None:
            # An index takes no text of any length.
            self._findings.note("activities", "object_id", texts[_OBJECT_ID], Reason.WRONG_TYPE)
            texts[_OBJECT_ID] = None
        # Meta gives an event no id: it is known by all that it says.
        known = json_text([given.get(name) for name in _FIELDS]).encode()
        return (
            hashlib.blake2b(known, digest_size=16).hexdigest(),
            self._source.account_id,
            happened,
            *texts,
            _loaded(given.get("extra_data")),
            self._source.data_as_of,
        )

    def _save(self, connection: Connection) -> None:
        account_id, now = self._source.account_id, self._source.data_as_of
        known = self._warehouse.cursors.get(account_id, "activities")
        cursor = known or CursorRow(account_id, "activities")
        # An event of the future would have every later sync ask from there on, and find nothing.
        read_until = min(self._newest, now)
        self._warehouse.cursors.save(
            connection,
            replace(cursor, updated_since=read_until, last_fetched_at=now, last_full_at=now),
        )


def _loaded(value: Any) -> Any:
    """`extra_data` is JSON in a text; text that is none is kept as text."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
