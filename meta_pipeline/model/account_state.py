"""How one ad account stands at one moment: what the choice of the next one is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """How one ad account stands, as `rotation_states` reads it; every time is aware.

    `tenant` is the owning business, else the owner, else empty.
    `entities_synced_at` and `insights_synced_at` are when Meta was last asked for all of them,
    None for never. `failures` counts the attempts in a row that did not succeed; throttled ones
    do not count. `spend_7d` is in major units of `currency`, which is one for all accounts but
    those that are not `is_comparable`. `can_deliver` is False for an account without an active
    campaign. `has_backfill_gap`: the oldest days that are wanted are not there;
    `has_newest_days_only`: nor is any but those that a fleet's first sync begins with.
    `is_running`: a sync holds the account; `is_requested`: a run of it is queued or has started.
    """

    account_id: str
    tenant: str = ""
    entities_synced_at: datetime | None = None
    insights_synced_at: datetime | None = None
    last_attempt_at: datetime | None = None
    last_status: str | None = None
    failures: int = 0
    not_before: datetime | None = None
    spend_7d: float = 0.0
    currency: str | None = None
    is_comparable: bool = True
    can_deliver: bool = True
    is_accessible: bool = True
    first_seen_at: datetime | None = None
    has_backfill_gap: bool = False
    has_newest_days_only: bool = False
    is_running: bool = False
    is_requested: bool = False

    @property
    def is_first_sync(self) -> bool:
        """Whether no numbers of the account were ever read."""
        return self.insights_synced_at is None

    @property
    def awaits_its_history(self) -> bool:
        """Whether its newest days came with the last attempt, which left the others for later."""
        return (
            self.has_backfill_gap
            and self.has_newest_days_only
            and self.last_status == "success"
            and self.insights_synced_at is not None
            and self.last_attempt_at is not None
            and self.last_attempt_at <= self.insights_synced_at
        )

    @property
    def is_busy(self) -> bool:
        return self.is_running or self.is_requested
