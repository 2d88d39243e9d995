"""Faults that somebody might make: each has a name, and a test must notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NamedFault:
    """A text of a module that is replaced by another."""

    name: str
    module: str
    old: str
    new: str


NAMED = (
    NamedFault(
        "no window is ever a report",
        "meta_pipeline.sync.plan.windows",
        "_REPORT_FROM_ROWS = 20_000",
        "_REPORT_FROM_ROWS = 10**12",
    ),
    NamedFault(
        "windows of 4,000 days",
        "meta_pipeline.sync.plan.ranges",
        "LONGEST_WINDOW_DAYS = 93",
        "LONGEST_WINDOW_DAYS = 4_000",
    ),
    NamedFault(
        "activities without overlap",
        "meta_pipeline.sync.plan.planner",
        "cursor.updated_since - _ACTIVITY_OVERLAP if is_due",
        "cursor.updated_since if is_due",
    ),
    NamedFault(
        "gaps are never bridged",
        "meta_pipeline.sync.plan.windows",
        "ranges = bridged(ranges, per_day, page_size)",
        "pass",
    ),
    NamedFault(
        "extras are not last",
        "meta_pipeline.sync.plan.planner",
        "(one.dataset.part in EXTRAS, -one.until.toordinal())",
        "(False, -one.until.toordinal())",
    ),
    NamedFault(
        "gaps between proofs stay",
        "meta_pipeline.sync.plan.due_days",
        "joint |= {day for day in together if min(joint) < day < max(joint)}",
        "pass",
    ),
    NamedFault(
        "forty pages in a window",
        "meta_pipeline.sync.plan.ranges",
        "_PAGES_PER_WINDOW = 4",
        "_PAGES_PER_WINDOW = 40",
    ),
    NamedFault(
        "a day that has just begun is proven at once",
        "meta_pipeline.sync.plan.due_days",
        "return [] if proof and ledger and just_begun and not self.request.force else days",
        "return days",
    ),
)
