"""API keys: `mp_<id>_<secret>`, shown once; what is kept lets nobody in."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from meta_pipeline.moments import past
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.stores.api_keys import ApiKeyRow

MOST_LIVE = 2
"""Live keys of a name: the one in use, and the one that takes its place."""
_KEY = re.compile(r"mp_([0-9a-f]{12})_([0-9a-f]{64})")
# It stands in tables and in the audit.
_LONGEST_NAME = 100
# A write for each request would cost more than most requests.
_USED_EVERY = timedelta(minutes=1)
# The hash of no secret: as long as one, and never equal.
_NOBODY = "0" * 64


class Scope(StrEnum):
    """What a key may do."""

    READ = "read"
    SYNC = "sync"
    FACTS = "facts"


MEANINGS = {
    Scope.READ: "reads accounts, entities, metrics, syncs and facts",
    Scope.SYNC: "asks for syncs and takes them back",
    Scope.FACTS: "sends facts",
}


class KeyRefused(ValueError):
    """The key cannot be made; the message says what to do."""


def new_key(
    warehouse: Warehouse,
    name: str,
    *,
    tenant: str,
    scopes: Iterable[Scope],
    created_by: str,
    now: datetime,
    lasts: timedelta | None = None,
) -> tuple[ApiKeyRow, str]:
    """Make a key and give its row and its text, which nobody can show again.

    Raises KeyRefused where the tenant is not known, or two keys of that name live already.
    """
    cleaned = " ".join(name.replace("\x00", "").split())[:_LONGEST_NAME]
    granted = [str(scope) for scope in Scope if scope in set(scopes)]
    if not cleaned or not granted:
        raise KeyRefused("a key needs a name, and at least one scope: read, sync, facts")
    key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    row = ApiKeyRow(
        key_id=key_id,
        tenant=tenant,
        name=cleaned,
        # Without salt or stretching: 32 random bytes cannot be guessed, whatever hashes them.
        secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
        scopes=granted,
        created_at=now,
        created_by=created_by[:_LONGEST_NAME],
        expires_at=None if lasts is None else now + lasts,
    )
    if tenant not in {one.tenant for one in warehouse.tenants.all()}:
        raise KeyRefused(f"there is no tenant {tenant}")
    with warehouse.connection() as connection:
        # Counted and added under one lock, or two at once would make a third key.
        warehouse.api_keys.lock(tenant, connection)
        known = warehouse.api_keys.all(tenant, connection)
        live = [one for one in known if one.name == cleaned and one.is_live(now)]
        if len(live) >= MOST_LIVE:
            raise KeyRefused(
                f"two keys called {cleaned} live already: revoke {live[0].key_id}, the older one, "
                "before another is made"
            )
        warehouse.api_keys.add(row, connection)
    return row, f"mp_{key_id}_{secret}"


def key_of(warehouse: Warehouse, text: str, now: datetime) -> ApiKeyRow | None:
    """Whose key this is; None for one that lets nobody in. Notes that it was used."""
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    row = warehouse.api_keys.get(match[1])
    # Compared also where there is none: how long it takes tells nothing.
    expected = row.secret_sha256 if row else _NOBODY
    given = hashlib.sha256(match[2].encode()).hexdigest()
    if not hmac.compare_digest(given, expected) or row is None or not row.is_live(now):
        return None
    used_at = past(row.last_used_at, now)
    if used_at is None or now - used_at >= _USED_EVERY:
        warehouse.api_keys.used(row.key_id, now)
    return row
