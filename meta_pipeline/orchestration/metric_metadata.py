"""What the UI shows of the daily metrics and of the reconciliation, partition by partition."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import dagster as dg
import sqlalchemy as sa

from meta_pipeline import metrics
from meta_pipeline.printable import markdown_lines
from meta_pipeline.warehouse import schema

from .place import here
from .record_metadata import ads_manager_url

ROLLUPS: dict[str, sa.Table] = {
    "campaign": schema.campaign_rollups,
    "adset": schema.adset_rollups,
    "ad": schema.ad_rollups,
}
"""Level to the table that is written."""
_LEVELS = ("campaign", "adset", "ad")
_NOUNS = {"account": "ad account", "campaign": "campaign", "adset": "ad set", "ad": "ad"}
RECONCILIATION = here().key("reconciliation")
RECONCILES = "synced_days_reconcile"
_SHOWN = 20
_COUNTED = {
    metrics.ComparisonOutcome.MATCH: "days_match",
    metrics.ComparisonOutcome.ROUNDING: "days_rounding",
    metrics.ComparisonOutcome.DIFFERS: "days_differ",
    metrics.ComparisonOutcome.UNCHECKED: "days_unchecked",
    metrics.ComparisonOutcome.EMPTY: "days_empty",
}


def daily_key(level: str) -> dg.AssetKey:
    """The asset of a level: named as the relation that people read, which has the names too."""
    return here().key(f"daily_{level}_metrics")


DAILY_METRICS = tuple(map(daily_key, ROLLUPS))
METRIC_KEYS = (*DAILY_METRICS, RECONCILIATION)
"""What is made of insights."""
ADVICE = here().key("advice")
ASKED, NOT_URGENT, MEASURED = "rules_could_be_asked", "nothing_urgent_is_open", "advice_is_measured"
FOLLOWING_KEYS = (*METRIC_KEYS, ADVICE)
"""Everything that follows a sync of insights."""
FOLLOWING_CHECKS = (
    dg.AssetCheckKey(RECONCILIATION, RECONCILES),
    *(dg.AssetCheckKey(ADVICE, name) for name in (ASKED, NOT_URGENT, MEASURED)),
)
"""The checks of it that are asked in the same run."""


def daily_relation(level: str) -> sa.Table:
    """The relation of a level as people read it: its table, with the names of what a row is of."""
    name = daily_key(level).path[-1]
    relation = ROLLUPS[level].to_metadata(sa.MetaData(schema=schema.SCHEMA), name=name)
    relation.comment = str(relation.comment).partition(";")[0]
    for owner in ("account", *_LEVELS[: _LEVELS.index(level) + 1]):
        comment = f"Name of the {_NOUNS[owner]}; null until it was read"
        relation.append_column(sa.Column(f"{owner}_name", sa.Text, comment=comment))
    return relation


def rolled_up(
    done: metrics.RolledUp, level: str, rows: int, seconds: float
) -> dg.AssetMaterialization:
    """One level of an account's rollup; `rows` is what its table now holds of the account."""
    return dg.AssetMaterialization(
        daily_key(level),
        partition=done.account_id,
        metadata={
            **_identity(done.account_id),
            "dagster/partition_row_count": rows,
            "rows_written": done.written.get(level, 0),
            "rows_removed": done.removed.get(level, 0),
            "days_recomputed": len(done.days),
            "duration_seconds": dg.MetadataValue.float(round(seconds, 3)),
            "definition_version": done.definition_version,
            "days": f"{done.days[0]} to {done.days[-1]}" if done.days else "nothing was behind",
        },
        tags={"dagster/code_version": done.definition_version},
    )


def reconciled(account_id: str, days: Sequence[metrics.Reconciliation]) -> dg.AssetMaterialization:
    """The days of an account that were compared just now."""
    apart = [day for day in days if not day.is_ok]
    checked = [day for day in days if not day.is_unchecked]
    counts = {
        name: sum(day.status is outcome for day in days) for outcome, name in _COUNTED.items()
    }
    worst = _worst_pct(apart)
    return dg.AssetMaterialization(
        RECONCILIATION,
        partition=account_id,
        metadata={
            **_identity(account_id),
            "days_compared": len(checked),
            **counts,
            "worst_difference_pct": dg.MetadataValue.float(worst),
            "spend_difference": dg.MetadataValue.float(
                float(sum((day.spend_difference or Decimal(0) for day in checked), Decimal(0)))
            ),
            "summary": dg.MetadataValue.md(_story(days, checked, apart)),
        },
    )


def verdict(apart: Sequence[metrics.Reconciliation]) -> dg.AssetCheckResult:
    """The days of the whole run that do not add up: none, if all is well."""
    worst = _worst_pct(apart)
    return dg.AssetCheckResult(
        check_name=RECONCILES,
        asset_key=RECONCILIATION,
        passed=not apart,
        severity=dg.AssetCheckSeverity.WARN,
        description=markdown_lines(
            f"{len(apart)} days differ." if apart else "All days compared add up."
        ),
        metadata={
            "days_differ": len(apart),
            "worst_difference_pct": dg.MetadataValue.float(worst),
            "days": dg.MetadataValue.md(_days_table(apart)),
            "what_to_do": "Read the days again with `force` (job insights_only); what still "
            "differs is Meta's own: `explanation` says why.",
        },
    )


def _story(
    days: Sequence[metrics.Reconciliation],
    checked: Sequence[metrics.Reconciliation],
    apart: Sequence[metrics.Reconciliation],
) -> str:
    if not days:
        return "No day was read since the last comparison."
    waiting = (
        f" {len(days) - len(checked)} days wait until both levels are read together, which is once "
        "a day."
        if len(days) > len(checked)
        else ""
    )
    if not apart:
        return f"{len(checked)} days compared: ad rows and account rows agree.{waiting}"
    return f"{len(apart)} of {len(checked)} days differ.{waiting}\n\n{_days_table(apart)}"


_ALL_DAYS = "`meta-pipeline metrics reconcile --account ... --preset last_28d`."


def _days_table(apart: Sequence[metrics.Reconciliation]) -> str:
    if not apart:
        return "None."
    lines = ["| account | day | ads | account | % | why |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {day.account_id} | {day.date_start} | {day.spend_ads} | {day.spend_account} "
        f"| {day.spend_difference_pct} | {day.explanation} |"
        for day in apart[:_SHOWN]
    ]
    more = len(apart) - _SHOWN
    return "\n".join([*lines, f"\n... and {more:,} more: {_ALL_DAYS}" if more > 0 else ""])


def _identity(account_id: str) -> dict[str, Any]:
    return {"account": account_id, "ads_manager": dg.MetadataValue.url(ads_manager_url(account_id))}


def _worst_pct(days: Sequence[metrics.Reconciliation]) -> float:
    return float(max((abs(day.spend_difference_pct or Decimal(0)) for day in days), default=0))
