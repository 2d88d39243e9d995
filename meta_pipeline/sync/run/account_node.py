"""The ad account's own row: read again now and then, and what a change of it means.

Everything hangs on it: the currency divides budgets, the zone cuts days. So one odd answer must
not stay, and a change must not pass in silence. Reading it costs a call, so it is read once a day,
and at once where the stored row is odd or other rows of Meta's spoke of another currency or zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Any, TypeVar

from meta_pipeline.graph import (
    AppRefused,
    GraphClient,
    GraphError,
    MalformedAnswer,
    PermissionDenied,
    Reauthorize,
    Throttled,
)
from meta_pipeline.model.money import CURRENCIES
from meta_pipeline.model.time_zone import zone
from meta_pipeline.moments import past
from meta_pipeline.sync.context import SyncContext
from meta_pipeline.sync.days import is_known_zone
from meta_pipeline.sync.read.halving import refused_beside
from meta_pipeline.sync.read.refusals import FORBIDDEN, REFUSED
from meta_pipeline.sync.rows.entity_mapping import account_row
from meta_pipeline.sync.rows.fields import ACCOUNT_FIELDS
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.warehouse import AccountRow, Connection, CursorRow

_Answer = TypeVar("_Answer")

ACCOUNT_EDGE = "account"
"""The node's row in `sync_cursor`: `last_fetched_at` is when it was last read by itself, null when
it is to be read again at once; `last_full_at` when such a doubt was last settled."""
NODE_FIELDS = (*(known.name for known in ACCOUNT_FIELDS), "account_id", "business{id,name}")
_NEEDED = ("id", "currency", "timezone_name")
_COLUMNS = {known.name: (known.column,) for known in ACCOUNT_FIELDS} | {
    "business{id,name}": ("business_id", "business_name")
}
"""Columns of `meta_ad_accounts` that each of the fields fills."""
# Such as business_management, which `owner` needs and nothing else does.
_PERMISSION = re.compile(r"\b(?!ads_read|ads_management)[a-z]+(?:_[a-z]+)+\b")
# Currency and zone change a few times in an account's life.
_READ_EVERY = timedelta(days=1)
# What all numbers of the account hang on.
_KEPT = ("currency", "timezone_name")
_ENTITY_EDGES = ("campaigns", "adsets", "ads")


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """An account as it is stored now, and what people should know of it, as sentences."""

    account: AccountRow
    notes: tuple[str, ...] = ()


class AccountNode:
    """Reads one account's node for a sync, through the connection that holds its lock."""

    def __init__(
        self, context: SyncContext, client: GraphClient, connection: Connection, sync_run_id: str
    ) -> None:
        self._context = context
        self._client = client
        self._connection = connection
        self._sync_run_id = sync_run_id

    def read(self, account_id: str) -> ReadAccount:
        """The account, from Meta where it is due, else as stored.

        Raises GraphError when nothing is stored, or when Meta's refusal concerns the whole sync.
        """
        stored = self._context.warehouse.accounts.get(account_id)
        cursor = self._cursor(account_id)
        if stored is not None and not _is_due(stored, cursor, self._context.clock()):
            return ReadAccount(stored, _notes(stored))
        try:
            # A refusal that stays may be of a field, whatever it says.
            failures, _ = self._context.warehouse.runs.failing(account_id, self._context.clock())
            given, refused = ask(self._client, account_id, is_doubted=failures > 0)
        except GraphError as error:
            # These hold for every call of the sync; any other costs it the news of the node.
            if stored is None or isinstance(error, Reauthorize | PermissionDenied | AppRefused):
                raise
            if isinstance(error, Throttled):  # the sync itself is about to say so
                return ReadAccount(stored, _notes(stored))
            note = f"the account itself could not be read again: {error}"
            return ReadAccount(stored, (note, *_notes(stored)))
        account, changes = store(
            self._context,
            given,
            stored,
            self._connection,
            sync_run_id=self._sync_run_id,
            refused=refused,
        )
        now = self._context.clock()
        settled = now if stored is not None and cursor is not None and _in_doubt(cursor) else None
        fresh = cursor or CursorRow(account_id, ACCOUNT_EDGE)
        with self._connection.transaction():
            self._context.warehouse.cursors.save(
                self._connection,
                replace(fresh, last_fetched_at=now, last_full_at=settled or fresh.last_full_at),
            )
        return ReadAccount(account, (*changes, *_notes(account)))

    def doubt(self, account_id: str) -> None:
        """Have the node read again by the next sync: other rows contradict what is stored.

        Where that was done within a day and changed nothing, it is Meta's own contradiction.
        """
        cursor = self._cursor(account_id)
        settled = cursor.last_full_at if cursor else None
        if settled is None or self._context.clock() - settled > _READ_EVERY:
            with self._connection.transaction():
                read_again(self._context, account_id, self._connection)

    def _cursor(self, account_id: str) -> CursorRow | None:
        return _cursor(self._context, account_id, self._connection)


def is_node_due(context: SyncContext, account: AccountRow) -> bool:
    """Whether a sync that began now would read the account's node."""
    return _is_due(account, _cursor(context, account.account_id), context.clock())


def _cursor(
    context: SyncContext, account_id: str, connection: Connection | None = None
) -> CursorRow | None:
    known = context.warehouse.cursors.get(account_id, ACCOUNT_EDGE, connection)
    return known.as_of(context.clock()) if known else None


def ask(
    client: GraphClient, account_id: str, *, is_doubted: bool = False
) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Meta's answer about one account, and of the fields that it refuses why; one call as a rule.

    `is_doubted` as in `without_refused`.
    """

    def asked(names: Sequence[str]) -> Mapping[str, Any]:
        answer = client.get(
            account_id,
            {"fields": ",".join(names)},
            account_id=account_id,
            endpoint_key="ad_account",
            required=("id",),
        )
        return answer.body

    body, refused = without_refused(asked, is_doubted=is_doubted)
    if body["id"] != account_id:
        raise MalformedAnswer(
            f"Meta answered about another account than {account_id}",
            account_id=account_id,
            endpoint_key="ad_account",
        )
    return body, refused


def without_refused(
    asked: Callable[[Sequence[str]], _Answer], *, is_doubted: bool
) -> tuple[_Answer, Mapping[str, str]]:
    """What Meta answers about accounts, and of the fields that it refuses why.

    One of them may be gone, or need a permission that no other needs: it costs itself. A refusal
    that speaks of no such permission is of the account itself, unless that `is_doubted`.
    """
    try:
        return asked(NODE_FIELDS), {}
    except REFUSED as error:
        is_of_account = isinstance(error, FORBIDDEN) and not _PERMISSION.search(error.message)
        if is_of_account and not is_doubted:
            raise
        optional = [name for name in NODE_FIELDS if name not in _NEEDED]
        refused = refused_beside(_NEEDED, optional, partial(_is_answered, asked))
        if not refused:
            raise
        kept = [name for name in NODE_FIELDS if name not in refused]
        return asked(kept), dict.fromkeys(refused, error.message)


def _is_answered(asked: Callable[[Sequence[str]], object], names: Sequence[str]) -> bool:
    try:
        asked(names)
    except REFUSED:
        return False
    return True


def store(
    context: SyncContext,
    given: Mapping[str, Any],
    stored: AccountRow | None,
    connection: Connection | None = None,
    *,
    sync_run_id: str | None = None,
    refused: Mapping[str, str] = MappingProxyType({}),
) -> tuple[AccountRow, list[str]]:
    """Write one account as Meta tells it, with its findings, history and what follows from it.

    `refused` are the fields that it does not give, and why.
    Returns the row as it is stored now and what changed, as sentences.
    """
    account_id, now = str(given["id"]), context.clock()
    warehouse, findings = context.warehouse, Findings()
    note_refused(findings, refused, account_id)
    row = mapped(given, stored, findings, refused) | {"is_simulated": context.is_simulated}
    # One transaction: an account in its new zone, beside days that were cut by the old one, would
    # be believed by whoever plans between the two.
    opened = warehouse.connection() if connection is None else nullcontext(connection)
    with opened as used, used.transaction():
        warehouse.accounts.upsert_one(row, now, used, sync_run_id=sync_run_id)
        warehouse.unrecognized.record(used, findings.rows(account_id, now))
        account = warehouse.accounts.get(account_id, used)
        assert account is not None
        changes = [] if stored is None else _follow(context, stored, row, used)
    return account, changes


def note_refused(findings: Findings, refused: Mapping[str, str], account_id: str) -> None:
    """Record of an account which fields Meta refuses, and why."""
    for name, why in refused.items():
        findings.note("ad_accounts", name, why, Reason.REFUSED_FIELD, account_id)


def mapped(
    given: Mapping[str, Any],
    stored: AccountRow | None,
    findings: Findings,
    refused: Collection[str] = (),
) -> dict[str, Any]:
    """The account's row; an answer with an odd currency or zone, or none, takes none away.

    Neither does one without the fields that Meta refuses.
    """
    held = None
    if stored is not None and stored.currency in CURRENCIES:
        held = stored.currency
    row = account_row(given, findings, held)
    if stored is not None:
        good = {"currency": row["currency"] in CURRENCIES,
                "timezone_name": is_known_zone(row["timezone_name"])}  # fmt: skip
        row |= {
            name: getattr(stored, name)
            for name in _KEPT
            if not good[name] and not _is_odd_value(name, getattr(stored, name))
        }
        # Another connection may have been given what one was refused.
        missing = [name for name in refused if name.partition("{")[0] not in given]
        columns = chain.from_iterable(_COLUMNS.get(name, ()) for name in missing)
        row |= {column: getattr(stored, column) for column in columns}
    return row


def kept_for_sync(stored: AccountRow, row: Mapping[str, Any]) -> dict[str, Any]:
    """The currency and zone that are stored, where the row has others; else nothing.

    A change of them is for a sync to follow: it holds the account's lock.
    """
    held = {name: getattr(stored, name) for name in _KEPT}
    return {} if held == {name: row[name] for name in _KEPT} else held


def read_again(context: SyncContext, account_id: str, connection: Connection) -> None:
    """Have the next sync read the node, in the transaction of the caller."""
    cursors = context.warehouse.cursors
    known = cursors.get(account_id, ACCOUNT_EDGE, connection)
    cursor = known or CursorRow(account_id, ACCOUNT_EDGE)
    cursors.save(connection, replace(cursor, last_fetched_at=None))


def is_odd(account: AccountRow) -> bool:
    """Whether the currency or the zone is missing, or none that is known here."""
    return any(_is_odd_value(name, getattr(account, name)) for name in _KEPT)


def oddities(currency: object, timezone_name: object) -> list[str]:
    """What an odd currency or zone of an account means for its numbers, as sentences."""
    sentences = []
    if not is_known_zone(timezone_name):
        named = timezone_name or "not named by Meta"
        sentences.append(f"time zone {named} is not known here: days are counted in UTC")
    if not isinstance(currency, str) or currency not in CURRENCIES:
        named = currency or "not named by Meta"
        sentences.append(
            f"currency {named} is not known here: budgets and bids come in minor units and are "
            "left empty"
        )
    return sentences


def _notes(account: AccountRow) -> tuple[str, ...]:
    return tuple(oddities(account.currency, account.timezone_name))


def _is_odd_value(name: str, value: str | None) -> bool:
    return value not in CURRENCIES if name == "currency" else not is_known_zone(value)


def _is_due(stored: AccountRow, cursor: CursorRow | None, now: datetime) -> bool:
    if is_odd(stored) or (cursor is not None and _in_doubt(cursor)):
        return True
    # A list of all accounts has the node's fields too.
    read_at = cursor.last_fetched_at if cursor else None
    times = [at for at in (read_at, past(stored.last_listed_at, now)) if at is not None]
    return not times or now - max(times) > _READ_EVERY


def _in_doubt(cursor: CursorRow) -> bool:
    return cursor.last_fetched_at is None


def _follow(
    context: SyncContext, before: AccountRow, now: Mapping[str, Any], connection: Connection
) -> list[str]:
    """Do what a change of the account asks for, in the transaction that writes it, and say it."""
    said = []
    warehouse, account_id = context.warehouse, before.account_id
    if before.account_status != now["account_status"]:
        said.append(f"account_status is {now['account_status']}, was {before.account_status}")
    if before.currency != now["currency"]:
        warehouse.cursors.list_again(connection, account_id, _ENTITY_EDGES)
        said.append(
            f"the account's currency is {now['currency']}, was {before.currency}: budgets are read "
            "again; stored amounts keep the currency they were read in"
        )
    if zone(before.timezone_name).key != zone(now["timezone_name"]).key:
        days = warehouse.ledger.reopen(connection, account_id)
        said.append(
            f"the account's time zone is {now['timezone_name']}, was {before.timezone_name}: its "
            f"days are other days, and the {days} stored ones are read again"
        )
    return said
