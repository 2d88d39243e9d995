"""Collecting: what an account's changes name becomes one sync request, once it is quiet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from meta_pipeline.model.part import Part
from meta_pipeline.sync_requests import Wish, ask
from meta_pipeline.sync_requests.asking import MOST_OBJECTS
from meta_pipeline.warehouse import Connection, Warehouse
from meta_pipeline.warehouse.stores.webhooks import PendingChange

from .objects import named_objects
from .unpacking import unpack

MOST_CHANGES = 2_000
"""Changes of an account that one request is made of; the others follow with the next."""
LATEST = 3
"""An account that is never quiet is read after so many times the quiet that is waited for."""
_KNOWN = """
    SELECT 'campaigns', campaign_id FROM meta_ads.meta_campaigns
    WHERE account_id = %(account)s AND campaign_id = ANY (%(ids)s)
    UNION ALL
    SELECT 'adsets', adset_id FROM meta_ads.meta_adsets
    WHERE account_id = %(account)s AND adset_id = ANY (%(ids)s)
    UNION ALL
    SELECT 'ads', ad_id FROM meta_ads.meta_ads
    WHERE account_id = %(account)s AND ad_id = ANY (%(ids)s)
"""


def collect(warehouse: Warehouse, now: datetime, quiet: timedelta) -> list[str]:
    """Ask for what changes name, account by account; gives the ids of the requests.

    Deliveries that wait are taken apart first. An account whose last request still waits is left
    alone: its changes stay pending and go together when it may be called.
    """
    unpack(warehouse)
    waiting = warehouse.sync_requests.waiting_accounts("webhook")
    made: list[str] = []
    for account_id in warehouse.webhooks.due(now - quiet, now - LATEST * quiet, now):
        if account_id in waiting:
            continue
        # One transaction: the request, and that its changes are asked for, become true together.
        with warehouse.connection() as connection:
            changes = warehouse.webhooks.pending(account_id, MOST_CHANGES, connection)
            if request_id := _request(warehouse, account_id, changes, now, connection):
                made.append(request_id)
    return made


def _request(
    warehouse: Warehouse,
    account_id: str,
    changes: Sequence[PendingChange],
    now: datetime,
    connection: Connection,
) -> str | None:
    """One request for all the changes name; None where it is nothing that could be read."""
    objects, naming = _objects(account_id, changes, connection)
    # What names nothing that can be read is kept for people, and waits for nothing.
    others = [one.change_hash for one in changes if one.change_hash not in naming]
    warehouse.webhooks.settle(others, "kept", connection)
    if not objects:
        return None
    wish = Wish(account_id, objects=objects)
    # Who names more means the account: refused, its changes would be in the way of all others.
    if sum(map(len, objects.values())) > MOST_OBJECTS:
        wish = Wish(account_id, parts=frozenset(objects))
    fields = Counter(one.field for one in changes if one.change_hash in naming)
    told = ", ".join(f"{count} {field}" for field, count in fields.most_common())
    row = ask(
        warehouse,
        wish,
        source="webhook",
        requested_by="Meta",
        reason=told,
        now=now,
        connection=connection,
    )
    warehouse.webhooks.settle(naming, "requested", connection, request_id=row.request_id)
    return row.request_id


def _objects(
    account_id: str, changes: Sequence[PendingChange], connection: Connection
) -> tuple[dict[Part, list[str]], set[str]]:
    """What the changes name, each once, and the changes that name something."""
    if not changes or not changes[0].is_known:
        return {}, set()
    named = [
        (one.change_hash, part, object_id)
        for one in changes
        for part, object_id in named_objects(one.field, one.value)
    ]
    # Meta does not tell of every id what it is of: our tables know most of them.
    levelless = [object_id for _, part, object_id in named if part is None]
    asked = {"account": account_id, "ids": levelless}
    rows = connection.execute(_KNOWN, asked) if levelless else ()
    known = {object_id: Part(part) for part, object_id in rows}
    objects, naming = dict[Part, dict[str, None]](), set[str]()
    for change_hash, part, object_id in named:
        if (of := part or known.get(object_id)) is not None:
            objects.setdefault(of, {})[object_id] = None
            naming.add(change_hash)
    return {part: list(ids) for part, ids in objects.items()}, naming
