"""How often, how many, and who: the numbers of rotation, validated."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta

# While nobody but new accounts waits, a run takes so many times as many of them; the ids of more
# than 100 accounts are longer than an index of Postgres takes of a tag (2.7 kB).
_FILL_TIMES, _MOST_PER_RUN = 4, 100
_POSITIVE_COUNTS = (
    "first_syncs_at_once", "accounts_per_run", "first_syncs_per_run", "newest_days"
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationRules:
    """The numbers of the policies; docs/rotation.md gives the reason of each.

    Spend is of the last 7 days, in major units of one currency for all accounts. `*_every` is how
    old the data may become. Raises ValueError for numbers that make no sense.
    """

    # An account is of the tier when it spends more than this.
    high_spend: float = 100.0
    medium_spend: float = 10.0
    # How old numbers may become under priority and hybrid, by tier.
    high_every: timedelta = timedelta(minutes=30)
    medium_every: timedelta = timedelta(hours=2)
    low_every: timedelta = timedelta(hours=12)
    empty_every: timedelta = timedelta(days=1)
    # Under any policy entities are read no more often than this.
    entities_every: timedelta = timedelta(hours=4)
    # How old numbers may become under rotation, which knows no tiers.
    insights_every: timedelta = timedelta(hours=1)
    # An account synced within this time is left alone.
    fresh: timedelta = timedelta(minutes=30)
    # Who is late by more than this has places kept, so many a tick.
    fallback_after: timedelta = timedelta(hours=3)
    fallback_at_most: int = 3
    # The pause after a failure, doubled each time, up to the longest.
    retry_first: timedelta = timedelta(minutes=10)
    retry_longest: timedelta = timedelta(hours=2)
    # A run that left no trace is requested again.
    request_again_after: timedelta = timedelta(minutes=15)
    # The patience of a new account: what its lateness is measured in.
    first_sync_within: timedelta = timedelta(minutes=15)
    # The most new accounts ahead of others; a first sync takes minutes.
    first_syncs_at_once: int = 10
    # A run costs 6 CPU-seconds before its first call, so many share one.
    accounts_per_run: int = 25
    first_syncs_per_run: int = 3
    # Where more new accounts wait than one run holds, each is read these days first.
    newest_days: int = 7
    # So long a run goes on to its next account; the others are left to the next run.
    begin_within: timedelta = timedelta(minutes=5)
    backfill_days: int = 90
    # Empty means every account; whoever is excluded is out in any case.
    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, timedelta) and value <= timedelta(0) and field.name != "fresh":
                raise ValueError(f"{field.name} is {value}: give a time above zero")
        if self.fresh < timedelta(0):
            raise ValueError(f"fresh is {self.fresh}: give a time, or zero for none")
        for name in _POSITIVE_COUNTS:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give 1 or more")
        if self.fallback_at_most < 0:
            raise ValueError(f"fallback_at_most is {self.fallback_at_most}: give 0 or more")
        if not 0 <= self.medium_spend <= self.high_spend:
            raise ValueError(
                f"medium_spend {self.medium_spend:g} and high_spend {self.high_spend:g} "
                "must rise from 0"
            )

    @property
    def accounts_per_fill_run(self) -> int:
        """How many accounts share a run while a fleet is filled and nobody else waits."""
        return max(self.accounts_per_run, min(_FILL_TIMES * self.accounts_per_run, _MOST_PER_RUN))

    def names(self, account_id: str) -> bool:
        """Whether the include and exclude lists let the account be synced."""
        if account_id in self.exclude:
            return False
        return not self.include or account_id in self.include
