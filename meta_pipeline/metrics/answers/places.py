"""Places in the order of a long table: Postgres knows them all, the first are kept here."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.errors import ImpossibleQuestion

_KEPT_PLACES = 5_000
"""Of the first pages: whoever looks farther down waits for Postgres."""
_PLAIN = re.compile(r"[0-9a-z]+", re.ASCII)
"""Ids that every collation puts in the order Python does; Meta's are digits."""
_NUMBER = re.compile(r"-?[0-9]{1,200}(\.[0-9]{1,200})?", re.ASCII)
"""As Postgres writes one; longer ones are none of ours."""


@dataclass(frozen=True, slots=True)
class PagePosition:
    """A place in the order: the id, and the value it is ordered by as text, None where it has none.

    Pages go on from one: however far down it is, what comes next costs the same.
    """

    id: str
    value: str | None

    def __str__(self) -> str:
        return self.id if self.value is None else f"{self.id}:{self.value}"

    @classmethod
    def read(cls, text: str) -> PagePosition:
        """As `str` wrote it."""
        # From an address that anybody may type: Postgres takes no NUL in a text.
        entity_id, colon, value = text.replace("\x00", "").partition(":")
        return cls(entity_id, value if colon else None)


@dataclass(frozen=True, slots=True)
class Ordered:
    """Rows (id, value) of `matching` in order; `kind` is the value's type."""

    matching: str
    kind: str
    descending: bool
    made_of: tuple[str, ...]
    """Tables that decide it; none where it is asked anew each time."""

    def page(
        self,
        params: Mapping[str, Any],
        first: int,
        size: int | None,
        after: PagePosition | None,
        before: PagePosition | None,
    ) -> tuple[str, dict[str, Any]]:
        """Rows of id, value as text and how many match; those `before` a place come backwards."""
        place, backwards = (before, True) if before is not None else (after, False)
        falls = self.descending != backwards
        nulls = "FIRST" if backwards else "LAST"
        text = f"""
            {self.matching}
            SELECT id, value::text AS place, (SELECT count(*) FROM matching)
            FROM matching WHERE {self._beyond(place, falls, backwards)}
            ORDER BY value {"DESC" if falls else "ASC"} NULLS {nulls},
                     id {"DESC" if backwards else "ASC"}
            OFFSET %(first)s LIMIT %(size)s
        """
        asked: dict[str, Any] = {"first": 0 if place else first, "size": size}
        if place is not None:
            asked |= {"place_id": place.id, "place_value": self.checked(place.value)}
        return text, {**params, **asked}

    def count(self, connection: Connection[Any], params: Mapping[str, Any]) -> int:
        """How many match; for pages beyond the last of them, on which no row says it."""
        row = connection.execute(*self.page(params, 0, 1, None, None)).fetchone()
        return int(row[2]) if row else 0

    def beginning(self, params: Mapping[str, Any], kept: Start) -> tuple[str, dict[str, Any]]:
        """The first rows of these and of what is kept, by id, value and account.

        Above them is a row without an id: how many match by account, as JSON. Below the floor of
        what is kept nothing is said, for there others stand, too.
        """
        direction = "DESC" if self.descending else "ASC"
        below = self._beyond(kept.floor, self.descending, backwards=False)
        text = f"""
            {self.matching},
            first AS (
                SELECT id, value::text AS place, account_id, row_number() OVER (
                    ORDER BY value {direction} NULLS LAST, id ASC
                ) AS number
                FROM (
                    SELECT id, value, account_id FROM matching
                    UNION ALL
                    SELECT * FROM unnest(
                        %(kept_ids)s::text[],
                        %(kept_values)s::{self.kind}[],
                        %(kept_owners)s::text[]
                    )
                ) AS rows (id, value, account_id)
                WHERE {"true" if kept.floor is None else f"({below}) IS NOT TRUE"}
                ORDER BY number LIMIT %(size)s
            )
            SELECT NULL AS id, (
                SELECT jsonb_object_agg(account_id, matched)::text
                FROM (SELECT account_id, count(*) AS matched FROM matching GROUP BY 1) AS counted
            ) AS place, NULL AS account_id, 0 AS number
            UNION ALL
            SELECT id, place, account_id, number FROM first
            ORDER BY number
        """
        asked: dict[str, Any] = {
            "size": _KEPT_PLACES,
            "kept_ids": [entity_id for entity_id, _, _ in kept.rows],
            "kept_values": [value for _, value, _ in kept.rows],
            "kept_owners": [owner for _, _, owner in kept.rows],
        }
        if kept.floor is not None:
            asked |= {"place_id": kept.floor.id, "place_value": kept.floor.value}
        return text, {**params, **asked}

    def _beyond(self, place: PagePosition | None, falls: bool, backwards: bool) -> str:
        """Whether a row comes after the place, in this direction; what has no value is last."""
        if place is None:
            return "true"
        further = f"id {'<' if backwards else '>'} %(place_id)s"
        value = f"%(place_value)s::{self.kind}"
        if place.value is None:
            same = f"(value IS NULL AND {further})"
            return f"(value IS NOT NULL OR {same})" if backwards else same
        beyond = f"value {'<' if falls else '>'} {value} OR (value = {value} AND {further})"
        return f"({beyond})" if backwards else f"({beyond} OR value IS NULL)"

    def checked(self, value: str | None) -> str | None:
        """The value as Postgres reads it; ImpossibleQuestion where it is none of its type.

        Python reads more than Postgres: weeks, offsets of seconds and their parts.
        """
        if value is None or self.kind == "text":
            return value
        try:
            if self.kind == "timestamptz":
                moment = datetime.fromisoformat(value)
                value = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).isoformat()
            elif not _NUMBER.fullmatch(value):
                raise ValueError
        except (ValueError, OverflowError):
            raise ImpossibleQuestion(
                f"{value[:40]!r} is no place in this order: begin on the first page."
            ) from None
        return value


@dataclass(frozen=True, slots=True)
class Start:
    """The first places, as many as are kept, whose they are, and how many each account has."""

    rows: tuple[tuple[str, str | None, str], ...]
    """Id, value and account; plain tuples, as the collector of garbage does not look into them."""
    counts: Mapping[str, int]
    floor: PagePosition | None
    """What comes after this place is not known; None where nothing does."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def is_short(self) -> bool:
        """Whether so many places fell out that the next pages are not here."""
        return self.floor is not None and len(self.rows) < _KEPT_PLACES // 2

    def without(self, accounts: Collection[str]) -> Start:
        """What is known beside these accounts."""
        return replace(
            self,
            rows=tuple(row for row in self.rows if row[2] not in accounts),
            counts={one: count for one, count in self.counts.items() if one not in accounts},
        )

    @classmethod
    def read(
        cls, connection: Connection[Any], ordered: Ordered, params: Mapping[str, Any]
    ) -> Start:
        """The first places of all accounts."""
        return cls((), {}, None).read_on(connection, ordered, params)

    def read_on(
        self, connection: Connection[Any], ordered: Ordered, params: Mapping[str, Any]
    ) -> Start:
        """The first places of these and of the accounts of the statement together.

        Postgres puts them in order: nobody else sorts names as its collation does.
        """
        rows = connection.execute(*ordered.beginning(params, self)).fetchall()
        (_, counted, *_), *found = rows
        counts = {**self.counts, **json.loads(counted or "{}")}
        is_cut = len(found) == _KEPT_PLACES < sum(counts.values())
        return Start(
            tuple((entity_id, value, owner) for entity_id, value, owner, _ in found),
            counts,
            PagePosition(*found[-1][:2]) if is_cut else self.floor,
        )

    def page(
        self,
        ordered: Ordered,
        first: int,
        size: int,
        after: PagePosition | None,
        before: PagePosition | None,
    ) -> tuple[PagePosition, ...] | None:
        """The places of a page, as Postgres has them; None where some are not here."""
        place = before if before is not None else after
        begin, end = first, first + size
        if place is not None:
            stands = self._position(ordered, place)
            if stands is None:
                return None
            begin, end = stands, stands + size
            if before is not None:
                begin, end = max(0, stands - size), stands
            elif self._has(stands, place):
                begin, end = begin + 1, end + 1
        if end > len(self.rows) < self.total:
            return None
        return tuple(PagePosition(entity_id, value) for entity_id, value, _ in self.rows[begin:end])

    def _position(self, ordered: Ordered, place: PagePosition) -> int | None:
        """Where a place is, or would be if something stood there; None where that is not known.

        What stood at the end of the page before has another number after a sync.
        """
        ids = [row[0] for row in self.rows]
        if place.id in ids and self._has(ids.index(place.id), place):
            return ids.index(place.id)
        if place.value is None or ordered.kind != "numeric" or not _PLAIN.fullmatch(place.id):
            return None
        ordered.checked(place.value)

        def key(row: tuple[str, str | None, str]) -> tuple[bool, Decimal, str]:
            entity_id, text, _ = row
            value = Decimal(text or 0)
            return text is None, -value if ordered.descending else value, entity_id

        stands = bisect_left(self.rows, key((place.id, place.value, "")), key=key)
        # Below the last that is kept others may stand above it.
        return stands if stands < len(self.rows) or len(self.rows) == self.total else None

    def _has(self, number: int, place: PagePosition) -> bool:
        return [row[:2] for row in self.rows[number : number + 1]] == [(place.id, place.value)]
