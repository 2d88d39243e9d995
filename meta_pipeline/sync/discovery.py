"""Which ad accounts there are: Meta's list, paged, and one account read by itself."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from meta_pipeline.graph import GraphClient, MalformedAnswer
from meta_pipeline.warehouse import AccountRow, Warehouse

from .context import SyncContext
from .fields import ACCOUNT_FIELDS
from .mapping import account_row
from .unrecognized import Findings

_PAGE_SIZE = 200
_ACCOUNT = re.compile(r"act_[0-9]{1,40}")
_FIELDS = ",".join([*(known.name for known in ACCOUNT_FIELDS), "account_id", "business{id,name}"])


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
    before = {row.account_id for row in warehouse.accounts.all(accessible_only=True)}
    known = {row.account_id for row in warehouse.accounts.all()}
    findings, rows, calls = Findings(), [], 0
    for page in client.pages(
        "me/adaccounts",
        {"fields": _FIELDS},
        account_id=None,
        endpoint_key="ad_accounts_list",
        page_size=_PAGE_SIZE,
    ):
        calls += 1
        rows += [_row(context, given, findings) for given in page.rows if _is_account(given)]
    warehouse.accounts.upsert_listed(rows, context.clock())
    listed = {row["account_id"] for row in rows}
    return Discovery(
        accounts=tuple(warehouse.accounts.all(accessible_only=True)),
        new=tuple(sorted(listed - known)),
        lost=tuple(sorted(before - listed)),
        calls=calls,
        seconds=time.perf_counter() - started,
    )


def read_account(context: SyncContext, client: GraphClient, account_id: str) -> AccountRow:
    """The stored account, or when there is none Meta's answer, stored."""
    stored = context.warehouse.accounts.get(account_id)
    if stored is not None:
        return stored
    answer = client.get(
        account_id,
        {"fields": _FIELDS},
        account_id=account_id,
        endpoint_key="ad_account",
        required=("id",),
    )
    if answer.body["id"] != account_id:
        raise MalformedAnswer(
            f"Meta answered about another account than {account_id}",
            account_id=account_id,
            endpoint_key="ad_account",
        )
    row = _row(context, answer.body, Findings())
    return _stored(context.warehouse, row, context)


def _stored(warehouse: Warehouse, row: dict[str, Any], context: SyncContext) -> AccountRow:
    warehouse.accounts.upsert_one(row, context.clock())
    found = warehouse.accounts.get(row["account_id"])
    assert found is not None
    return found


def _is_account(given: dict[str, Any]) -> bool:
    """Whether the row says which account it is of."""
    return isinstance(given.get("id"), str) and _ACCOUNT.fullmatch(given["id"]) is not None


def _row(context: SyncContext, given: dict[str, Any], findings: Findings) -> dict[str, Any]:
    return account_row(given, findings) | {"is_simulated": context.is_simulated}
