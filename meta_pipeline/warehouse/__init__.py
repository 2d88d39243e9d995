"""Postgres: the schema, its migrations, bulk upsert, locks, ledger and telemetry."""

from __future__ import annotations

from .accounts import AccountHealth, AccountRow, AccountStore
from .connect import Connection
from .copytext import Cleaned, Rendered, render
from .costs import CostStore, ObservedWeight
from .cursors import CursorRow, CursorStore
from .entities import ids_of, mark_deleted, orphans
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
from .history import EntityHistory, InsightsHistory, tracked_columns
from .ledger import Ledger, WindowRow
from .locks import account_lock, lock_holder
from .migrator import MigrationResult
from .retention import Retention, maintain
from .runs import RunRow, RunStore
from .telemetry import TelemetryWriter
from .tokens import TokenRow, TokenStore, tokens_in_use
from .unrecognized import UnrecognizedRow, UnrecognizedStore
from .upsert import Upserted, upsert
from .urls import create_dagster_schema, dagster_url, normalized, redacted
from .usage import UsageRow, UsageStore
from .warehouse import Warehouse

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
    "InsightsHistory",
    "Ledger",
    "MigrationBusy",
    "MigrationResult",
    "ObservedWeight",
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
