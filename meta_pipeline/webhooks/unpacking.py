"""Unpacking: deliveries that were answered as they came become rows, one for each change."""

from __future__ import annotations

import logging

from meta_pipeline.warehouse import Connection, Warehouse
from meta_pipeline.warehouse.stores.webhooks import Unstorable, WebhookDelivery

from .delivery import Unreadable, changes_of, unreadable_change

MOST_DELIVERIES = 2_000
"""Taken apart in one go; the others follow with the next."""
_AT_ONCE = 100
"""Deliveries a transaction: their locks are held for about a second at most."""
_log = logging.getLogger(__name__)


def unpack(warehouse: Warehouse, most: int = MOST_DELIVERIES) -> int:
    """Take waiting deliveries apart, oldest first, `most` of them; gives how many.

    Each is removed in the transaction that keeps its changes. What cannot be taken apart is kept
    whole as one change, so that it neither is lost nor stops those behind it.
    """
    done = 0
    while done < most:
        with warehouse.connection() as connection:
            deliveries = warehouse.webhooks.oldest(min(_AT_ONCE, most - done), connection)
            for delivery in deliveries:
                _keep(warehouse, delivery, connection)
            warehouse.webhooks.forget([one.body_hash for one in deliveries], connection)
        done += len(deliveries)
        if not deliveries:
            break
    return done


def _keep(warehouse: Warehouse, delivery: WebhookDelivery, connection: Connection) -> None:
    try:
        changes = changes_of(delivery.body)
        warehouse.webhooks.keep(changes, delivery.received_at, connection)
    except (Unreadable, Unstorable) as error:
        # Meta was told that it came, and will not send it again.
        _log.warning("a signed delivery cannot be taken apart and is kept whole: %s", error)
        change = unreadable_change(delivery.body)
        warehouse.webhooks.keep([change], delivery.received_at, connection)
