"""The operational report as an asset: every question in a sentence, numbers that plot, the page."""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import dagster as dg

from meta_pipeline.orchestration.configuration import Period
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import Clock, WarehouseResource
from meta_pipeline.orchestration.tables import OPERATIONS, OWNERS, TAGS
from meta_pipeline.printable import markdown
from meta_pipeline.reports import Report, make_report, questions
from meta_pipeline.reports.page import render, thresholds_of, write
from meta_pipeline.settings import Settings

HERE = here()

REPORT_KEY = HERE.key("operations_report")
_NUMBERS = (
    "throttle_envelope",
    "cost_per_account",
    "sync_outcomes",
    "usage_over_time",
    "freshness",
)
"""The questions whose numbers of the last day are plotted."""
_DESCRIPTION = """\
What the API log and the syncs say: limits, time, throttling, cost, latency, errors, freshness.

Reads our own tables (`meta_api_logs`, `sync_runs` and their hourly totals) and asks Meta nothing.
The summary has each question with its answer; numbers that end in `_24h` are of the last 24 hours,
so that they plot day by day. With `META_REPORT_FILE` the page with all plots and queries is written
there; `meta-pipeline report --html FILE` makes the same page at any time."""


@dg.multi_asset(
    name=HERE.named("report"),
    specs=[
        dg.AssetSpec(
            REPORT_KEY,
            group_name=HERE.group_of(OPERATIONS),
            kinds={"postgres", "report"},
            owners=OWNERS,
            tags=TAGS,
            description=_DESCRIPTION,
        )
    ],
)
@asking
def operations_report(
    warehouse: WarehouseResource, period: dg.ResourceParam[Period], clock: dg.ResourceParam[Clock]
) -> Iterator[dg.MaterializeResult[None]]:
    settings = warehouse.settings()
    whole, day = _ask(warehouse, period.days)
    answered = sum(one.is_enough for one in whole.summary)
    metadata: dict[str, dg.MetadataValue] = {
        "summary": dg.MetadataValue.md(summary_table(whole)),
        "since": dg.MetadataValue.timestamp(whole.since),
        "until": dg.MetadataValue.timestamp(whole.until),
        "questions_answered": dg.MetadataValue.int(answered),
        "questions_without_data": dg.MetadataValue.int(len(whole.answers) - answered),
        **{name: dg.MetadataValue.float(value) for name, value in _numbers(day).items()},
        "simulated": dg.MetadataValue.bool(whole.is_simulated),
    }
    path, error = _page(whole, settings, clock())
    if path is not None:
        metadata["page"] = dg.MetadataValue.path(path)
    yield dg.MaterializeResult(asset_key=REPORT_KEY, metadata=metadata)
    # After the asset: the answers are in, only the page is not.
    if error is not None:
        raise dg.Failure(error)


def _ask(resource: WarehouseResource, days: float) -> tuple[Report, Report]:
    """The report of the period, and of the last day what is plotted."""
    with resource.migrated("report") as warehouse:
        whole = make_report(warehouse, days=days)
        plotted = [one for one in questions() if one.key in _NUMBERS]
        return whole, make_report(warehouse, days=1, only=plotted)


def _page(report: Report, settings: Settings, now: datetime) -> tuple[Path | None, str | None]:
    """The file that was written, or why it could not be."""
    if settings.report_file is None:
        return None, None
    page = render(report, generated_at=now, thresholds=thresholds_of(settings))
    try:
        return write(settings.report_file, page), None
    except OSError as error:
        return None, (
            f"The report was made, its page was not: META_REPORT_FILE is {settings.report_file}, "
            f"which cannot be written ({error.strerror}). Name a file in a folder that exists and "
            "that the process of the run may write to."
        )


def summary_table(report: Report) -> str:
    """Question, answer in a sentence, and how many observations it rests on, as Markdown."""
    lines = ["| question | answer | observations |", "|---|---|---:|"]
    lines += [
        f"| {markdown(one.question)} | {markdown(one.words)} | {one.observations:,} |"
        for one in report.summary
    ]
    return "\n".join(lines)


def _numbers(day: Report) -> Mapping[str, float]:
    """Numbers of the last day under names that never change: Dagster plots them."""
    # In the order of _NUMBERS.
    calls, cost, syncs, usage, fresh = (day.answers[key] for key in _NUMBERS)
    ages = [float(age) for age in fresh.column("age_hours") if age is not None]
    ended = dict(zip(syncs.column("status"), syncs.column("syncs"), strict=True))
    return {
        "calls_24h": float(sum(calls.column("calls"))),
        "throttled_calls_24h": float(sum(calls.column("throttled_calls"))),
        "weighted_cost_24h": float(sum(cost.column("weighted_cost"))),
        "syncs_24h": float(sum(ended.values())),
        "throttled_syncs_24h": float(ended.get("throttled", 0)),
        "failed_syncs_24h": float(ended.get("fail", 0)),
        "usage_max_24h_pct": max(map(float, usage.column("usage_pct")), default=0.0),
        "oldest_account_hours": max(ages, default=0.0),
    }
