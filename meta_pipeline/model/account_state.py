"""How one ad account stands at one moment: what the choice of the next one is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """How one ad account stands, as `rotation_states` reads it; every time is aware."""

    account_id: str
    # Its tenant; without one but default the owning business, else the owner, else empty.
    tenant: str = ""
    # When Meta was last asked for all of them; None for never.
    entities_synced_at: datetime | None = None
    insights_synced_at: datetime | None = None
    # Of the newest attempt that was not refused and not of extras only.
    last_attempt_at: datetime | None = None
    last_status: str | None = None
    # Attempts in a row that did not succeed; throttled ones do not count.
    failures: int = 0
    # When Meta, or our own rest, allows the next call.
    not_before: datetime | None = None
    # In major units of `currency`, today included.
    spend_7d: float = 0.0
    currency: str | None = None
    # False where the currency has no rate to the others.
    is_comparable: bool = True
    # False without an active campaign: nothing in it could spend.
    can_deliver: bool = True
    is_accessible: bool = True
    first_seen_at: datetime | None = None
    # The oldest days that are wanted are not there.
    has_backfill_gap: bool = False
    # Nor is any but those that a fleet's first sync begins with.
    has_newest_days_only: bool = False
    # Why no connection that reaches it lets us in, a sentence; None where one does.
    unreached: str | None = None
    # A sync holds the account's lock, whatever its rows say.
    is_running: bool = False
    # A run of it is queued or has started.
    is_requested: bool = False

    @property
    def is_first_sync(self) -> bool:
        """Whether no numbers of the account were ever read."""
        return self.insights_synced_at is None

    @property
    def brought_at(self) -> datetime | None:
        """When a sync last brought anything; one that found nothing to read counts too.

        While a part was never read only a success counts: else a first sync whose numbers failed
        would wait for the freshness of its structure.
        """
        if self.insights_synced_at is None or self.entities_synced_at is None:
            return self.last_attempt_at if self.last_status == "success" else None
        synced_at = max(self.insights_synced_at, self.entities_synced_at)
        if self.last_status == "success" and self.last_attempt_at is not None:
            return max(synced_at, self.last_attempt_at)
        return synced_at

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
