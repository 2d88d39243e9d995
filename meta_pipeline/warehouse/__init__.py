"""Postgres: the schema, its migrations, bulk upsert, locks, ledger and telemetry."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .accounts import AccountHealth, AccountRow, AccountStore
from .connect import Connection
from .costs import CostStore, ObservedWeight
from .cursors import CursorRow, CursorStore
from .errors import (
    AccountBusy,
    DatabaseNewer,
    MigrationBusy,
    PoolerUnsupported,
    RowsRefused,
    ViewInUse,
    WarehouseError,
    WarehouseUnavailable,
)
from .gaps import GapRow, Gaps
from .ledger import Ledger, WindowRow
from .locks import account_lock, lock_holder
from .migrator import MigrationResult
from .pending_reports import PendingReport, PendingReports
from .retention import Retention, maintain
from .runs import RunRow, RunStore
from .tokens import TokenRow, TokenStore, tokens_in_use
from .unrecognized import UnrecognizedRow, UnrecognizedStore
from .urls import create_dagster_schema, dagster_url, normalized, redacted
from .usage import UsageRow, UsageStore
from .warehouse import Warehouse

if TYPE_CHECKING:
    from .copytext import Cleaned, Rendered, render
    from .entities import ids_of, mark_deleted, orphans
    from .history import EntityHistory, InsightsHistory, tracked_columns
    from .telemetry import TelemetryWriter
    from .upserts import Upserted, upsert

_WITH_SQLALCHEMY = {
    "Cleaned": "copytext",
    "Rendered": "copytext",
    "render": "copytext",
    "ids_of": "entities",
    "mark_deleted": "entities",
    "orphans": "entities",
    "EntityHistory": "history",
    "InsightsHistory": "history",
    "tracked_columns": "history",
    "TelemetryWriter": "telemetry",
    "Upserted": "upserts",
    "upsert": "upserts",
}
"""What writes tables: SQLAlchemy is most of a start, and reading needs none of it."""

__all__ = [
    "AccountBusy",
    "AccountHealth",
    "AccountRow",
    "AccountStore",
    "Cleaned",
    "Connection",
    "CostStore",
    "CursorRow",
    "CursorStore",
    "DatabaseNewer",
    "EntityHistory",
    "GapRow",
    "Gaps",
    "InsightsHistory",
    "Ledger",
    "MigrationBusy",
    "MigrationResult",
    "ObservedWeight",
    "PendingReport",
    "PendingReports",
    "PoolerUnsupported",
    "Rendered",
    "Retention",
    "RowsRefused",
    "RunRow",
    "RunStore",
    "TelemetryWriter",
    "TokenRow",
    "TokenStore",
    "UnrecognizedRow",
    "UnrecognizedStore",
    "Upserted",
    "UsageRow",
    "UsageStore",
    "ViewInUse",
    "Warehouse",
    "WarehouseError",
    "WarehouseUnavailable",
    "WindowRow",
    "account_lock",
    "create_dagster_schema",
    "dagster_url",
    "ids_of",
    "lock_holder",
    "maintain",
    "mark_deleted",
    "normalized",
    "orphans",
    "redacted",
    "render",
    "tokens_in_use",
    "tracked_columns",
    "upsert",
]


def __getattr__(name: str) -> Any:
    home = _WITH_SQLALCHEMY.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
