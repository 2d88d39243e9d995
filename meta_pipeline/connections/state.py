"""Kinds and states of connections, as all rooms know them."""

from __future__ import annotations

from meta_pipeline.model.connection_state import (
    LAST_MOMENT,
    RENEW_WITHIN,
    Kind,
    State,
    is_due,
    renews_at,
    state_at,
)

__all__ = ["LAST_MOMENT", "RENEW_WITHIN", "Kind", "State", "is_due", "renews_at", "state_at"]
