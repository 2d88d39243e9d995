"""Answers that take long, kept while the rows they were made of are the very same.

Somebody who sorts, turns pages and opens rows asks the same of tables that change when a sync
writes. Kept is what Postgres answered, by the question and by a fingerprint of each account's rows:
of a fleet some account is always being synced, and only what is said of that one is read again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from psycopg import Connection

from .once import once_each

Value = TypeVar("Value")

# Goals are of the dictionary, not of an account.
WITHOUT_ACCOUNT = frozenset({"metric_goals"})
# ctid and xmin name a row as it was written: a row that is updated, replaced or removed changes
# the sum, and one that is not does not. No value is read.
_FINGERPRINT = """
    SELECT '{table}', {whose}, count(*), sum(hashtidextended(ctid, xmin::text::bigint))
    FROM meta_ads.{table} {where}
"""
_OF_ACCOUNTS = {
    "whose": "account_id",
    "where": "WHERE account_id = ANY (%s::text[]) GROUP BY account_id",
}
_OF_ALL = {"whose": "NULL", "where": ""}

Fingerprints = Mapping[str | None, Mapping[str, Hashable]]
"""By account (None: tables that have none) and table: what changes whenever a row does."""


class Kept(Generic[Value]):
    """At most so many answers of this process; those asked for longest ago go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[Hashable, tuple[Fingerprints, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def answer(
        self,
        connection: Connection[Any],
        asked: Hashable,
        tables: Sequence[str],
        accounts: Sequence[str],
        read: Callable[[Value | None, list[str]], Value],
    ) -> Value:
        """The answer `read` gave when `tables` had the same rows of `accounts`, or a new one.

        `asked` is all that decides the answer beside the rows. `read` is given the answer there was
        and the accounts whose rows are others since; None and all of them where it has to begin
        anew.
        """
        info = connection.info
        key = (asked, (info.host, info.port, info.dbname), tuple(accounts))
        now = fingerprints(connection, tables, accounts)
        with self._lock:
            kept = self._answers.get(key)
        then, before = kept or ({}, None)
        changed = [one for one in accounts if then.get(one) != now.get(one)]
        if kept is None or then.get(None) != now.get(None):
            value = read(None, list(accounts))
        elif changed:
            value = read(before, changed)
        else:
            value = kept[1]
        with self._lock:
            self._answers[key] = now, value
            self._answers.move_to_end(key)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
        return value


def fingerprints(
    connection: Connection[Any], tables: Sequence[str], accounts: Sequence[str]
) -> Fingerprints:
    """Of each account and table what changes whenever one of its rows does."""
    whose = tuple(accounts)
    by_table = once_each(
        connection,
        "fingerprints",
        [(table, whose) for table in tables],
        lambda some: _read(connection, [table for table, _ in some], whose),
    )
    by_account: dict[str | None, dict[str, Hashable]] = {}
    for (table, _), of_accounts in by_table.items():
        for account_id, fingerprint in of_accounts.items():
            by_account.setdefault(account_id, {})[table] = fingerprint
    return by_account


def _read(
    connection: Connection[Any], tables: Sequence[str], accounts: tuple[str, ...]
) -> dict[tuple[str, tuple[str, ...]], dict[str | None, Hashable]]:
    text = " UNION ALL ".join(
        _FINGERPRINT.format(table=table, **(_OF_ALL if table in WITHOUT_ACCOUNT else _OF_ACCOUNTS))
        for table in tables
    )
    places = [list(accounts) for table in tables if table not in WITHOUT_ACCOUNT]
    by_table: dict[tuple[str, tuple[str, ...]], dict[str | None, Hashable]] = {
        (table, accounts): {} for table in tables
    }
    for table, account_id, count, hashed in connection.execute(text, places):
        by_table[table, accounts][account_id] = (count, hashed)
    return by_table
