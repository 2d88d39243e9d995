"""Answers that take long, kept while the rows they were made of are the very same.

Somebody who sorts, turns pages and opens rows asks the same of tables that change when a sync
writes. Kept is what Postgres answered, by the question and by a fingerprint of the rows.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from psycopg import Connection

from .once import once_each

Value = TypeVar("Value")

WITHOUT_ACCOUNT = frozenset({"metric_goals"})
# ctid and xmin name a row as it was written: a row that is updated, replaced or removed changes
# the sum, and one that is not does not. No value is read.
_FINGERPRINT = """
    SELECT '{table}', count(*), sum(hashtidextended(ctid, xmin::text::bigint))
    FROM meta_ads.{table} WHERE {whose}
"""


class Kept(Generic[Value]):
    """At most so many answers of this process; those asked for longest ago go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def answer(
        self,
        connection: Connection[Any],
        asked: Hashable,
        tables: Sequence[str],
        accounts: Sequence[str],
        read: Callable[[], Value],
    ) -> Value:
        """The answer of `read`, or the one it gave when `tables` had the same rows of `accounts`.

        `asked` is all that decides the answer beside the rows.
        """
        info = connection.info
        key = (
            asked,
            (info.host, info.port, info.dbname),
            tuple(accounts),
            fingerprints(connection, tables, accounts),
        )
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        value = read()
        with self._lock:
            self._answers[key] = value
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
        return value


def fingerprints(
    connection: Connection[Any], tables: Sequence[str], accounts: Sequence[str]
) -> tuple[Hashable, ...]:
    """Of each table what changes whenever one of its rows of these accounts does."""
    whose = tuple(accounts)
    return tuple(
        once_each(
            connection,
            "fingerprints",
            [(table, whose) for table in tables],
            lambda some: _read(connection, [table for table, _ in some], whose),
        ).values()
    )


def _read(
    connection: Connection[Any], tables: Sequence[str], accounts: tuple[str, ...]
) -> dict[tuple[str, tuple[str, ...]], Hashable]:
    text = " UNION ALL ".join(
        _FINGERPRINT.format(
            table=table,
            whose="true" if table in WITHOUT_ACCOUNT else "account_id = ANY (%s::text[])",
        )
        for table in tables
    )
    places = [list(accounts) for table in tables if table not in WITHOUT_ACCOUNT]
    rows = connection.execute(text, places).fetchall()
    return {(table, accounts): (count, hashed) for table, count, hashed in rows}
