"""Which ad accounts there are: Meta's list, paged, and one account read by itself."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from meta_pipeline.graph import GraphClient
from meta_pipeline.sync.context import SyncContext
from meta_pipeline.sync.rows.unrecognized import Findings
from meta_pipeline.warehouse import AccountRow, UnrecognizedRow

from .account_node import NODE_FIELDS, ask, kept_for_sync, mapped, read_again, store

_PAGE_SIZE = 200
_ACCOUNT = re.compile(r"act_[0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the list brought: the accounts now readable, and the changes since the last time."""

    accounts: tuple[AccountRow, ...]
    new: tuple[str, ...]
    lost: tuple[str, ...]
    calls: int
    seconds: float


def discover(context: SyncContext, client: GraphClient) -> Discovery:
    """Read the list of ad accounts and write it; accounts no longer listed are marked, not lost."""
    started = time.perf_counter()
    warehouse = context.warehouse
    stored = {row.account_id: row for row in warehouse.accounts.all()}
    before = {account_id for account_id, row in stored.items() if row.is_accessible}
    rows: list[dict[str, Any]] = []
    findings_of_all: list[UnrecognizedRow] = []
    doubted: list[str] = []
    calls = 0
    for page in client.pages(
        "me/adaccounts",
        {"fields": NODE_FIELDS},
        account_id=None,
        endpoint_key="ad_accounts_list",
        page_size=_PAGE_SIZE,
    ):
        calls += 1
        for given in page.rows:
            # Whether the row says which account it is of.
            if not (
                isinstance(given.get("id"), str) and _ACCOUNT.fullmatch(given["id"]) is not None
            ):
                continue
            known, findings = stored.get(given["id"]), Findings()
            row = mapped(given, known, findings) | {"is_simulated": context.is_simulated}
            if known is not None and (held := kept_for_sync(known, row)):
                row |= held
                doubted.append(known.account_id)
            rows.append(row)
            findings_of_all += findings.rows(row["account_id"], context.clock())
    with warehouse.connection() as connection, connection.transaction():
        warehouse.accounts.upsert_listed(rows, context.clock(), connection)
        warehouse.unrecognized.record(connection, findings_of_all)
        for account_id in doubted:
            read_again(context, account_id, connection)
    listed = {row["account_id"] for row in rows}
    return Discovery(
        accounts=tuple(warehouse.accounts.all(accessible_only=True)),
        new=tuple(sorted(listed - stored.keys())),
        lost=tuple(sorted(before - listed)),
        calls=calls,
        seconds=time.perf_counter() - started,
    )


def read_account(context: SyncContext, client: GraphClient, account_id: str) -> AccountRow:
    """The stored account, or when there is none Meta's answer, stored."""
    stored = context.warehouse.accounts.get(account_id)
    if stored is not None:
        return stored
    account, _ = store(context, ask(client, account_id), None)
    return account
