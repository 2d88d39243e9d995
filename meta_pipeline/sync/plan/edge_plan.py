"""One reading of one edge: all of it, what changed, or only what changes silently."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import orjson

from meta_pipeline.sync.rows.fields import EntitySpec

SINGLY_UP_TO = 5
"""So few ids are read one by one, in one request; each counts as a call."""
IDS_PER_PAGE = 100
"""Ids that one page of an edge is asked for; their list is most of the URL."""


def calls_by_id(ids: int) -> int:
    """Calls that so many named objects of one edge cost, where Meta gives all of them."""
    return ids if ids <= SINGLY_UP_TO else math.ceil(ids / IDS_PER_PAGE)


class Mode(StrEnum):
    """How an edge is read."""

    FULL = "full"
    DELTA = "delta"
    SCAN = "scan"


@dataclass(frozen=True, slots=True)
class EdgePlan:
    """One reading of one edge. `changed_since` is the start of a delta, without the overlap."""

    spec: EntitySpec
    mode: Mode
    page_size: int
    expected_rows: int | None = None
    changed_since: datetime | None = None

    @property
    def is_complete(self) -> bool:
        return self.mode is not Mode.DELTA

    @property
    def calls(self) -> int:
        """Pages expected; one where nothing is known."""
        # A delta is sized by what people changed, which no table tells: as a rule one page.
        if self.mode is Mode.DELTA or not self.expected_rows:
            return 1
        return math.ceil(self.expected_rows / self.page_size)


def statuses_hash(spec: EntitySpec) -> str:
    """Changes with the status filter: a cursor made with another filter is not valid."""
    return hashlib.blake2b(orjson.dumps(sorted(spec.statuses)), digest_size=6).hexdigest()
