"""The pool `meta_api`: how many runs of syncs are under way at once, on all machines together."""

from __future__ import annotations

import dagster as dg
from sqlalchemy.exc import IntegrityError

from meta_pipeline.orchestration.place import OWN_POOL, here

POOL = here().pool


def keep_slots(instance: dg.DagsterInstance, slots: int) -> None:
    """Give the pool as many slots as META_MAX_SYNCS says.

    Discovery does it before the first sync is queued: Dagster makes a pool that it has never met
    while it looks at the queue, and lets everything of that very look pass. Each tick does it for a
    setting that was changed. The number is the pool's own, not the default of dagster.yaml, which
    Dagster cannot change in Postgres: it fails every run that needs the pool instead
    (https://github.com/dagster-io/dagster/issues/33552).
    """
    if POOL != OWN_POOL:
        return  # somebody's own, with a limit of theirs
    storage = instance.event_log_storage
    # As that of SQLite, in tests and in a first `dagster dev`.
    if not storage.supports_global_concurrency_limits:
        return
    known = {pool.name: pool for pool in storage.get_pool_limits()}.get(POOL)
    if known is not None and known.limit == slots and not known.from_default:
        return
    try:
        storage.set_concurrency_slots(POOL, slots)
    except IntegrityError:
        # Another process made the pool at this very moment, from the same setting.
        return
