"""Ad days that Meta cannot answer, whatever is asked: for one field of theirs, or altogether.

Reported by users of the API: one ad on one day makes every page and every report fail that holds
it, often for its `actions` only. Nothing else is touched, and totals of other levels stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from meta_pipeline.simulator import errors
from meta_pipeline.simulator.reports import Plan

REFUSALS: Mapping[str, Callable[[], errors.GraphError]] = {
    "timeout": errors.insights_timeout,
    "reduce": errors.reduce_data,
    "too_much": errors.too_much_insights_data,
    "unknown": errors.unknown_error,
}
REPORTS: Mapping[str, Callable[[], Plan]] = {
    "too_large": lambda: Plan("too_large", code=-3, subcode=1504045),
    "fail": Plan.fail,
    "skip": Plan.skip,
}


@dataclass(frozen=True)
class SpoiledDay:
    """One ad on one day; `field` None: nothing of it is answered.

    `refusal` is what pages get (`REFUSALS`), `report` what becomes of reports (`REPORTS`).
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

    def error(self) -> errors.GraphError:
        """What a page that holds it is answered with."""
        return REFUSALS[self.refusal]()

    def plan(self) -> Plan:
        """What becomes of a report that holds it."""
        return REPORTS[self.report]()
