"""A limit of Meta's as a refusal names it: whose calls it stops, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from .usage import ADS_INSIGHTS, APP, FULL_ACCESS, Meter, MeterScope

# How long Meta documents a block to last, by the tier of access (FACTS §2).
LIMITED_BLOCK_SECONDS = 300.0
FULL_BLOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Limit:
    """What one error code says of its limit; graph/error_policy.py has each (FACTS §2, §3.3)."""

    # Whose limit it is: "account", "app", "user" or "page".
    scope: str = "account"
    # Meta's name where the limit is one use case's only.
    use_case: str | None = None
    # How long Meta documents the block to last; None for the ad account's score, whose block
    # depends on the access tier.
    wait_seconds: float | None = 300.0
    # False for a limit on edits, which stops no call of a program that only reads.
    reads: bool = True

    def meter(self, account_id: str | None, app: str = APP) -> Meter | None:
        """The meter that is full, of a call of the app to that account; None for a limit on edits.

        The limit of a user, or of a page, holds for every account the token reads. A refusal of a
        call to no account closes the app.
        """
        if not self.reads:
            return None
        if self.scope == "app" and self.use_case == ADS_INSIGHTS:
            return Meter(MeterScope.INSIGHTS_APP, app, "")
        is_shared = self.scope != "account" and self.use_case is None
        if account_id is None or is_shared:
            return Meter(MeterScope.APP, app, "")
        return Meter(MeterScope.ACCOUNT, account_id, self.use_case or "")

    def documented_seconds(self, access_tier: str | None) -> float:
        """How long the block lasts where no header tells."""
        if self.wait_seconds is not None:
            return self.wait_seconds
        return FULL_BLOCK_SECONDS if access_tier == FULL_ACCESS else LIMITED_BLOCK_SECONDS
