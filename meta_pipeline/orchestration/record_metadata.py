"""A sync's record as materialization metadata: the same numbers as its `sync_runs` row.

Few keys with stable names and stable types: Dagster plots every number over time, so renaming one
ends its plot. The audit is the table; this is its view.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from meta_pipeline.printable import markdown
from meta_pipeline.sync import Status, SyncRun
from meta_pipeline.words import ago, times

from .tables import AccountTable

ADS_MANAGER = "https://adsmanager.facebook.com/adsmanager/manage/campaigns"


@dataclass(frozen=True)
class Account:
    """What the metadata says of the account; `previous_success_at` is None before its first."""

    account_id: str
    name: str | None = None
    is_simulated: bool = False
    previous_success_at: datetime | None = None
    connection: str | None = None
    """Whose token its calls used; None where none was made."""
    connection_days_left: int | None = None

    @property
    def label(self) -> str:
        """Name and id."""
        return f"{self.name} ({self.account_id})" if self.name else self.account_id


def materialization_metadata(
    record: SyncRun, account: Account, table: AccountTable, rows_stored: int | None = None
) -> dict[str, dg.MetadataValue]:
    """Metadata of one asset's partition; `table` says which rows of the record are its own.

    `rows_stored` is what its table now holds of the account: what a sync reads says little of
    that, as it leaves out what is fresh or did not change.
    """
    rows_read = sum(int(getattr(record, name)) for name in table.rows)
    stored = {} if rows_stored is None else {"dagster/partition_row_count": rows_stored}
    return {
        **{name: dg.MetadataValue.int(value) for name, value in stored.items()},
        **_identity(record, account),
        "rows_read": dg.MetadataValue.int(rows_read),
        **_numbers(record, account),
        **_story(record, account),
    }


def record_metadata(record: SyncRun, account: Account) -> dict[str, dg.MetadataValue]:
    """What every event about a sync says, whatever asset it is for and however it ended."""
    return {**_identity(record, account), **_numbers(record, account), **_story(record, account)}


def ads_manager_url(account_id: str) -> str:
    """Where a person looks at the same account: Ads Manager."""
    return f"{ADS_MANAGER}?act={account_id.removeprefix('act_')}"


def worst_usage_pct(snapshot: Mapping[str, Any]) -> float | None:
    """The highest of a usage snapshot's `app_pct`, `account_pct`, `insights_pct`, or None."""
    known = (value for name, value in snapshot.items() if name.endswith("_pct"))
    return max((float(value) for value in known if value is not None), default=None)


def _identity(record: SyncRun, account: Account) -> dict[str, dg.MetadataValue]:
    return {
        "account": dg.MetadataValue.text(account.label),
        "ads_manager": dg.MetadataValue.url(ads_manager_url(account.account_id)),
        "status": dg.MetadataValue.text(str(record.status)),
        "sync_run_id": dg.MetadataValue.text(record.sync_run_id),
        "simulated": dg.MetadataValue.bool(account.is_simulated),
        **({"connection": dg.MetadataValue.text(account.connection)} if account.connection else {}),
    }


def _numbers(record: SyncRun, account: Account) -> dict[str, dg.MetadataValue]:
    numbers: dict[str, float | int | None] = {
        "calls": record.meta_call_count_total,
        "weighted_cost": float(record.weighted_cost_total),
        "rows_written": record.entity_rows_written + record.insights_rows_written,
        "duration_seconds": round(record.duration_seconds, 3),
        "entity_fetch_ms": _rounded(record.entity_fetch_ms),
        "insights_fetch_ms": _rounded(record.insights_fetch_ms),
        "db_write_ms": _rounded(record.db_write_ms),
        "usage_end_pct": worst_usage_pct(record.meta_usage_end_snapshot),
        "staleness_before_seconds": _rounded(_staleness_seconds(record, account)),
        "connection_days_left": account.connection_days_left,
    }
    return {
        name: dg.MetadataValue.int(value)
        if isinstance(value, int)
        else dg.MetadataValue.float(value)
        for name, value in numbers.items()
        if value is not None
    }


def _story(record: SyncRun, account: Account) -> dict[str, dg.MetadataValue]:
    return {"summary": dg.MetadataValue.md("\n".join(_summary(record, account)))}


def _summary(record: SyncRun, account: Account) -> Iterator[str]:
    """What a person wants to read of the sync, as Markdown."""
    usage = worst_usage_pct(record.meta_usage_end_snapshot)
    yield f"**{markdown(account.name or account.account_id)}**: {record.status}"
    if account.is_simulated:
        yield "\n*Simulated data: it came from a Graph API that is not Meta's.*"
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield (
        f"| Structure read | {record.campaigns_fetched:,} campaigns, "
        f"{record.ad_sets_fetched:,} ad sets, {record.ads_fetched:,} ads |"
    )
    besides = {
        "creatives": record.creatives_fetched,
        "entries of the change log": record.activities_fetched,
        "recommendations of Meta's": record.recommendations_fetched,
        "custom conversions": record.custom_conversions_fetched,
        "custom audiences": record.custom_audiences_fetched,
        "images": record.images_fetched,
    }
    if any(besides.values()):
        told = ", ".join(f"{count:,} {what}" for what, count in besides.items() if count)
        yield f"| Besides | {told} |"
    days = f", {record.since} to {record.until}" if record.since and record.until else ""
    yield f"| Insights read | {record.insights_rows_read:,} rows{days} |"
    yield (
        f"| New or changed | {record.entity_rows_written:,} entities, "
        f"{record.insights_rows_written:,} insight rows |"
    )
    yield (
        f"| Graph API | {record.meta_call_count_total:,} calls, "
        f"weighted cost {record.weighted_cost_total:,.1f} |"
    )
    yield f"| Took | {record.duration_seconds:.1f} s: {_phases(record)} |"
    if account.connection:
        left = account.connection_days_left
        ends = "" if left is None else f", {times(left, 'day')} left"
        yield f"| Connection | {markdown(account.connection)}{ends} |"
    yield f"| Usage at the end | {'no reading' if usage is None else f'{usage:.0f} %'} |"
    yield f"| Synced before | {ago(_staleness_seconds(record, account))} |"
    if record.error_summary:
        yield f"\n{markdown(record.error_summary)}"
    for missing in record.missing:
        yield f"- missing: {markdown(str(missing))}"
    if record.not_before:
        yield f"\nNo call before {record.not_before:%Y-%m-%d %H:%M:%S} UTC."


def _phases(record: SyncRun) -> str:
    phases = (
        ("structure", record.entity_fetch_ms),
        ("insights", record.insights_fetch_ms),
        ("writing", record.db_write_ms),
    )
    # Set by whatever was planned and ended, also without a row or a call; the account itself may be
    # read where nothing else is due.
    has_read = (record.entity_fetch_ms, record.insights_fetch_ms) != (None, None)
    if record.status is Status.SUCCESS and not has_read:
        return "everything was fresh, nothing had to be read"
    return ", ".join(f"{name} {value / 1000:.1f} s" for name, value in phases if value) or "no work"


def _staleness_seconds(record: SyncRun, account: Account) -> float | None:
    if account.previous_success_at is None:
        return None
    return max(0.0, (record.started_at - account.previous_success_at).total_seconds())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 1)
