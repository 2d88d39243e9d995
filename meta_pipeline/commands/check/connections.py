"""The stored connections' part of `meta-pipeline check`: whose, how many accounts, until when.

From the tables alone: `meta-pipeline connections check` asks Meta about each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from meta_pipeline.embedded import EmbeddedPostgresError
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse, WarehouseError
from meta_pipeline.warehouse.connect import READER
from meta_pipeline.words import times

from .finding import CheckFinding

if TYPE_CHECKING:
    from meta_pipeline.connections import Listed


def connection_findings(
    its_url: AbstractContextManager[str], settings: Settings, now: datetime | None = None
) -> Iterator[CheckFinding]:
    """One finding for each stored connection at `now`; none where the database cannot be asked.

    What is wrong with the database is told by its own findings.
    """
    from meta_pipeline.connections import listed

    try:
        with its_url as url, Warehouse(url, max_connections=1, patience=READER) as warehouse:
            if warehouse.pending():
                return
            stored = [
                one
                for one in listed(warehouse, settings, now or datetime.now(UTC))
                if one.connection_id is not None and one.state != "replaced"
            ]
    except (WarehouseError, EmbeddedPostgresError, psycopg.Error):
        return
    for one in stored:
        yield _finding(one)


def _finding(one: Listed) -> CheckFinding:
    lives = one.state is not None and one.state.is_usable
    left = "no end named" if one.days_left is None else f"{times(one.days_left, 'day')} left"
    text = f"{one.kind}, {times(one.accounts, 'account')}, {one.state}, {left}"
    problem = one.problem or one.renewal_problem
    return CheckFinding(
        "Connection",
        f"{one.name} ({one.connection_id})",
        ok=lives and problem is None,
        text=f"{text}; {problem}" if problem else text,
        fix=one.what_to_do or None,
    )
