"""Which ad accounts there are: the lists of all connections, and one account read by itself."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from meta_pipeline.graph import GraphClient, GraphError, Reauthorize, Throttled
from meta_pipeline.model.limit import Limit
from meta_pipeline.sync.context import SyncContext
from meta_pipeline.sync.rows.unrecognized import Findings
from meta_pipeline.warehouse import AccountRow, Connection, UnrecognizedRow

from .account_node import (
    ask,
    kept_for_sync,
    mapped,
    note_refused,
    read_again,
    store,
    without_refused,
)
from .session import CallSession

if TYPE_CHECKING:
    from meta_pipeline.connections import UsableConnection

# A thousand accounts are five calls.
_PAGE_SIZE = 200
_ACCOUNT = re.compile(r"act_[0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the lists brought: the accounts now readable, and the changes since the last time.

    `problems` says of each connection that gave no list why, as a sentence: its accounts stay.
    """

    accounts: tuple[AccountRow, ...]
    new: tuple[str, ...]
    lost: tuple[str, ...]
    calls: int
    seconds: float
    problems: tuple[str, ...] = ()


@dataclass
class _Walk:
    """The list of one connection: its accounts' rows as Meta gave them, or why there is none."""

    connection: UsableConnection | None
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    error: GraphError | None = None

    @property
    def label(self) -> str:
        return self.connection.details.label if self.connection else "META_ACCESS_TOKEN"


class OpenSession(Protocol):
    """Opens the calls of one connection: `CallSession.open` of the engine's context."""

    def __call__(
        self, account_id: str | None = None, *, connection: UsableConnection | None = None
    ) -> CallSession: ...


def discover(context: SyncContext, opened: OpenSession) -> Discovery:
    """Read the list of every connection and write who reaches what.

    An account that no list has any more is marked, not lost; one that only a connection reaches
    that gave no list stays as it is. Raises the first error when no connection gives its list.
    """
    started = time.perf_counter()
    connections: Sequence[UsableConnection | None] = [None]
    problems: list[str] = []
    if context.connections is not None:
        connections, problems = context.connections.each()
    walks = [_walk(context, opened, one) for one in connections]
    good = [walk for walk in walks if walk.error is None]
    if not good:
        raise next((walk.error for walk in walks if walk.error), None) or Reauthorize(
            "; ".join(problems), next_step="See meta-pipeline connections."
        )
    stored, new, lost = _write(context, good)
    problems += [f"{walk.label}: {walk.error}" for walk in walks if walk.error is not None]
    calls, seconds = sum(walk.calls for walk in walks), time.perf_counter() - started
    return Discovery(stored, new, lost, calls, seconds, tuple(problems))


def _walk(context: SyncContext, opened: OpenSession, connection: UsableConnection | None) -> _Walk:
    """One connection's list, all pages; what goes wrong is its own and nobody else's."""
    walk = _Walk(connection)
    try:
        session = opened(connection=connection)
        decision = session.quota.decide()
        if not decision.may_call and decision.until is not None:
            seconds = (decision.until - context.clock()).total_seconds()
            raise Throttled(
                decision.reason, until=decision.until, seconds=seconds, limit=Limit("app")
            )
        # A list is of many accounts: a field that is forbidden is forbidden of some of them.
        list_them = partial(_listed, session.client, walk)
        walk.rows, walk.refused = without_refused(list_them, is_doubted=True)
    except GraphError as error:
        walk.error = error
    if connection is not None and context.connections is not None:
        if isinstance(walk.error, Reauthorize):
            context.connections.note_refusal(connection, walk.error)
        else:
            context.connections.note_answer(connection, walk.error)
    return walk


def _listed(client: GraphClient, walk: _Walk, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The accounts of the list, by id, with these fields."""
    rows: dict[str, Mapping[str, Any]] = {}
    for page in client.pages(
        "me/adaccounts",
        {"fields": ",".join(names)},
        account_id=None,
        endpoint_key="ad_accounts_list",
        page_size=_PAGE_SIZE,
    ):
        walk.calls += 1
        # Whether the row says which account it is of.
        rows |= {
            given["id"]: given
            for given in page.rows
            if isinstance(given.get("id"), str) and _ACCOUNT.fullmatch(given["id"])
        }
    return rows


def _write(
    context: SyncContext, walks: Sequence[_Walk]
) -> tuple[tuple[AccountRow, ...], tuple[str, ...], tuple[str, ...]]:
    """Write what the lists say, in one transaction: accounts now readable, new ones, lost ones."""
    warehouse, now = context.warehouse, context.clock()
    stored = {row.account_id: row for row in warehouse.accounts.all()}
    before = {account_id for account_id, row in stored.items() if row.is_accessible}
    findings_of_all: list[UnrecognizedRow] = []
    doubted: list[str] = []
    with warehouse.connection() as connection, connection.transaction():
        # Walks come with the best connection first: of an account, its row counts.
        listed: dict[str, Mapping[str, Any]] = {}
        # Not set, it reads nothing more: this process knows, who writes later goes by the table.
        environment = None if _has_environment(context) else frozenset[str]()
        for walk in walks:
            asked = walk.connection.details if walk.connection else None
            if asked is None or asked.connection_id is None:
                environment = frozenset(walk.rows)
                listed = walk.rows | listed
            else:
                listed = _noted(context, asked.connection_id, walk.rows, now, connection) | listed
        refused = {name: why for walk in walks for name, why in walk.refused.items()}
        rows = []
        for account_id, given in listed.items():
            known, findings = stored.get(account_id), Findings()
            note_refused(findings, refused, account_id)
            row = mapped(given, known, findings, refused) | {"is_simulated": context.is_simulated}
            if known is not None and (held := kept_for_sync(known, row)):
                row |= held
                doubted.append(known.account_id)
            rows.append(row)
            findings_of_all += findings.rows(row["account_id"], now)
        unsure = _unsure(context, walks, connection)
        warehouse.accounts.upsert_listed(
            rows, now, connection, by_environment=environment, unsure=unsure
        )
        warehouse.unrecognized.record(connection, findings_of_all)
        for account_id in doubted:
            read_again(context, account_id, connection)
        if context.connections is not None:
            context.connections.take_back(connection)
    return (
        tuple(warehouse.accounts.all(accessible_only=True)),
        tuple(sorted(listed.keys() - stored.keys())),
        tuple(sorted(before - listed.keys() - unsure)),
    )


def _noted(
    context: SyncContext,
    connection_id: str,
    rows: dict[str, Mapping[str, Any]],
    now: datetime,
    connection: Connection,
) -> dict[str, Mapping[str, Any]]:
    """Note whom a stored connection reaches; of its list what was chosen, which is all we read."""
    # Locked: it may be removed, or its accounts be chosen anew, while its list is written.
    store = context.warehouse.connections
    row = store.get(connection_id, connection, locked=True)
    if row is None or row.state == "replaced":
        return {}  # removed while its list was read
    names = {one: None if rows[one].get("name") is None else str(rows[one]["name"]) for one in rows}
    store.set_accounts(connection_id, names, now, connection)
    if row.chosen_accounts is None:
        return rows
    chosen = set(row.chosen_accounts)
    return {one: rows[one] for one in rows if one in chosen}


def _unsure(context: SyncContext, walks: Sequence[_Walk], connection: Connection) -> frozenset[str]:
    """The accounts of the connections that gave no list: dead, refused, throttled, unreadable."""
    store = context.warehouse.connections
    asked = {walk.connection.details.connection_id if walk.connection else None for walk in walks}
    account_ids = {
        account_id
        for account_id, ids in store.reaching(connection=connection).items()
        if not set(ids) <= asked
    }
    if _has_environment(context) and None not in asked:
        account_ids |= store.listed_by_environment(connection=connection)
    return frozenset(account_ids)


def _has_environment(context: SyncContext) -> bool:
    return context.connections is None or context.connections.has_environment


def read_account(context: SyncContext, client: GraphClient, account_id: str) -> AccountRow:
    """The stored account, or when there is none Meta's answer, stored."""
    stored = context.warehouse.accounts.get(account_id)
    if stored is not None:
        return stored
    given, refused = ask(client, account_id)
    account, _ = store(context, given, None, refused=refused)
    return account
