"""How good the data is: how old, which days may still change, whether it adds up."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from meta_pipeline import metrics
from meta_pipeline.warehouse import Warehouse

from .answer import Answer, Outcome, Provenance
from .numbers import Wanted, numbers
from .reading import Reading

_COLUMNS = (
    "account_id name last_status staleness last_success_at newest_insight_day "
    "insight_days_fetched insight_days_missing campaigns adsets ads insight_rows usage_pct"
).split()


def data_health(
    warehouse: Warehouse, accounts: list[str] | None, now: datetime | None = None
) -> Answer:
    """One row per account: when it was last synced, what is there, what is missing."""
    with warehouse.connection() as connection:
        if now is not None:
            # The view's own clock, for this transaction: an answer at a moment is the same whenever
            # it is asked.
            connection.execute("SELECT set_config('meta_ads.now', %s, true)", (now.isoformat(),))
        cursor = connection.cursor(row_factory=dict_row)
        rows = [
            {name: _plain(row.get(name)) for name in _COLUMNS}
            | {"is_simulated": bool(row["is_simulated"])}
            for row in cursor.execute(
                """SELECT * FROM meta_ads.sync_health
                   WHERE %(of)s::text[] IS NULL OR account_id = ANY (%(of)s)
                   ORDER BY account_id""",
                {"of": accounts},
            )
        ]
    return Answer(
        outcome=Outcome.ANSWERED,
        columns=_COLUMNS,
        rows=rows,
        row_count=len(rows),
        provenance=Provenance(
            accounts=[row["account_id"] for row in rows],
            is_simulated=any(row["is_simulated"] for row in rows),
        ),
    )


def freshness(warehouse: Warehouse, reading: Reading, now: datetime) -> Answer:
    """How old the data of the accounts is."""
    answer = data_health(warehouse, reading.accounts or None, now)
    ages = sorted({str(row["staleness"]) for row in answer.rows})
    said = f"Last synced: {ages[0]}." if len(ages) == 1 else None
    return answer.model_copy(update={"message": said})


def settling(warehouse: Warehouse, reading: Reading, now: datetime) -> Answer:
    """The days Meta may still restate, and those that were never read."""
    answer = numbers(
        warehouse,
        # Which metric does not matter: what is settling is a day, and spend is always there.
        Wanted(["spend"], reading.days.date_range, reading.accounts or None, by=["account"]),
        now,
    )
    about = answer.provenance
    assert about is not None
    lists = {"settling": about.settling_days, "missing": about.missing_days}
    metrics.Bound().check_rows(sum(len(days) for one in lists.values() for days in one.values()))
    rows = [
        {"account_id": account, "day": day, "state": state}
        for state, by_account in lists.items()
        for account, days in by_account.items()
        for day in days
    ]
    rows.sort(key=lambda row: (row["account_id"], row["day"]))
    return Answer(
        outcome=Outcome.ANSWERED,
        message=None if rows else "None: every day is final.",
        columns=["account_id", "day", "state"],
        rows=rows,
        row_count=len(rows),
        provenance=about,
    )


def reconciled(warehouse: Warehouse, reading: Reading, now: datetime) -> Answer:
    """Each day's ad rows beside the account's own row; nothing of it is stored."""
    accounts, days = reading.accounts or None, reading.days.date_range
    with warehouse.connection() as connection:
        asked = metrics.days_of_each(connection, accounts, days, now, metrics.Bound())
        rows = [
            {
                "account_id": day.account_id,
                "day": day.date_start.isoformat(),
                "status": str(day.status),
                "spend_ads": _plain(day.spend_ads),
                "spend_account": _plain(day.spend_account),
                "spend_difference": _plain(day.spend_difference),
                "explanation": day.explanation,
            }
            for day in metrics.compare(connection, asked)
        ]
    differ = sum(row["status"] == "differs" for row in rows)
    said = f"{differ} of {len(rows)} days differ." if differ else f"{len(rows)} days, none differs."
    columns = list(rows[0]) if rows else ["account_id", "day", "status"]
    return Answer(
        outcome=Outcome.ANSWERED, message=said, columns=columns, rows=rows, row_count=len(rows)
    )


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return float(value) if hasattr(value, "as_tuple") else value
