"""Delivery that is there and yet not answered: days that fail, actions that are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

# By these names: what a page is answered with, and what becomes of a report.
REFUSALS = frozenset({"timeout", "reduce", "too_much", "unknown", "cut"})
REPORTS = frozenset({"too_large", "fail", "skip"})


@dataclass(frozen=True)
class SpoiledDay:
    """An ad's day that makes every page and every report at ad level fail that holds it.

    Reported by users of the API, often for the `actions` of the day only. Nothing else is touched,
    and totals of other levels stand. `field` None: nothing of the day is answered. `refusal` is
    what pages get (`REFUSALS`), `report` what becomes of reports (`REPORTS`).
    """

    ad_id: str
    day: date
    field: str | None = None
    refusal: str = "timeout"
    report: str = "too_large"

    def __post_init__(self) -> None:
        for name, known in ((self.refusal, REFUSALS), (self.report, REPORTS)):
            if name not in known:
                raise ValueError(f"no {name!r}; there are {', '.join(sorted(known))}")


@dataclass(frozen=True)
class LostConversions:
    """Actions whose type holds `words` are in no row of these days but the account's own."""

    account_id: str
    since: date
    until: date
    words: str

    def concerns(self, account_id: str, row: Mapping[str, Any]) -> bool:
        """Whether the row is of one of the days; rows of several days stay whole."""
        return (
            account_id == self.account_id
            and row["date_start"] == row["date_stop"]
            and str(self.since) <= row["date_start"] <= str(self.until)
        )
