"""How often, how many, and who: the numbers of rotation, validated."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta

_POSITIVE_COUNTS = (
    "first_syncs_at_once", "accounts_per_run", "first_syncs_per_run", "newest_days"
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationRules:
    """The numbers of the policies; docs/rotation.md gives the reason of each.

    Spend is of the last 7 days, in major units of one currency for all accounts. `*_every` is how
    old the data may become. `fresh`: an account synced within it is left alone. `entities_every`
    and `insights_every` are the cadences of rotation; under priority the tier sets that of
    insights, and entities are read no more often than `entities_every`. `fallback_*`: who is late
    by more than that comes first, so many a tick. `retry_*`: the pause after a failure, doubled
    each time. `first_sync_within` is the patience of a new account; `first_syncs_at_once` the
    most of them while others are due. When more new accounts wait than one run holds, each is
    read its `newest_days` first, and what is before them when nobody waits for that.
    `begin_within`: so long a run goes on to its next account. `request_again_after`: a run that
    left no trace is requested again. An empty `include` means every account. Raises ValueError
    for numbers that make no sense.
    """

    high_spend: float = 100.0
    medium_spend: float = 10.0
    high_every: timedelta = timedelta(minutes=30)
    medium_every: timedelta = timedelta(hours=2)
    low_every: timedelta = timedelta(hours=12)
    empty_every: timedelta = timedelta(days=1)
    entities_every: timedelta = timedelta(hours=4)
    insights_every: timedelta = timedelta(hours=1)
    fresh: timedelta = timedelta(minutes=30)
    fallback_after: timedelta = timedelta(hours=3)
    fallback_at_most: int = 3
    retry_first: timedelta = timedelta(minutes=10)
    retry_longest: timedelta = timedelta(hours=2)
    request_again_after: timedelta = timedelta(minutes=15)
    first_sync_within: timedelta = timedelta(minutes=15)
    first_syncs_at_once: int = 10
    accounts_per_run: int = 25
    first_syncs_per_run: int = 3
    newest_days: int = 7
    begin_within: timedelta = timedelta(minutes=5)
    backfill_days: int = 90
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

    def names(self, account_id: str) -> bool:
        """Whether the include and exclude lists let the account be synced."""
        if account_id in self.exclude:
            return False
        return not self.include or account_id in self.include
