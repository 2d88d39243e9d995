"""Postgres: the schema, its migrations, bulk upsert, locks, ledger and telemetry."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .account_names import AccountAmbiguous, AccountUnknown, account_id_of, find_account
from .accounts import AccountHealth, AccountRow, AccountStore
from .connect import Connection, connect
from .connections import ConnectionRow, ConnectionStore, SealedToken
from .costs import CostStore, ObservedWeight
from .cursors import CursorRow, CursorStore
from .errors import (
    AccountBusy,
    CannotTell,
    DatabaseNewer,
    DatabaseOutdated,
    DatabaseUnfit,
    DiskFull,
    MigrationBusy,
    PoolerUnsupported,
    RowsRefused,
    ViewInUse,
    WarehouseError,
    WarehouseUnavailable,
)
from .faults import fault
from .gaps import GapRow, Gaps
from .ledger import Ledger, WindowRow
from .locks import account_lock, lock_holder
from .logins import LoginState, LoginStore, PendingRow
from .migrator import MigrationResult
from .pending_reports import PendingReport, PendingReports
from .redaction import redacted, without_secrets
from .retention import Retention, maintain
from .runs import RunStore
from .tokens import TokenRow, TokenStore, tokens_in_use
from .unrecognized import VERSION_SOURCE, UnrecognizedRow, UnrecognizedStore
from .urls import dagster_url, normalized
from .usage import UsageStore
from .warehouse import Warehouse

if TYPE_CHECKING:
    from .copytext import Cleaned, Rendered, render
    from .dagster_schema import create_dagster_schema
    from .entities import mark_deleted, orphans
    from .history import (
        EntityHistory,
        InsightsHistory,
        InsightsRead,
        one_change_per_day,
        tracked_columns,
    )
    from .replacement import ReturnedRows, RowScope, Totals
    from .telemetry import TelemetryWriter
    from .upserts import Upserted, upsert

_WITH_SQLALCHEMY = {
    "Cleaned": "copytext",
    "Rendered": "copytext",
    "render": "copytext",
    "create_dagster_schema": "dagster_schema",
    "mark_deleted": "entities",
    "orphans": "entities",
    "EntityHistory": "history",
    "InsightsHistory": "history",
    "InsightsRead": "history",
    "one_change_per_day": "history",
    "tracked_columns": "history",
    "ReturnedRows": "replacement",
    "RowScope": "replacement",
    "Totals": "replacement",
    "TelemetryWriter": "telemetry",
    "Upserted": "upserts",
    "upsert": "upserts",
}
"""What writes tables: SQLAlchemy is most of a start, and reading needs none of it."""

__all__ = [
    "VERSION_SOURCE",
    "AccountAmbiguous",
    "AccountBusy",
    "AccountHealth",
    "AccountRow",
    "AccountStore",
    "AccountUnknown",
    "CannotTell",
    "Cleaned",
    "Connection",
    "ConnectionRow",
    "ConnectionStore",
    "CostStore",
    "CursorRow",
    "CursorStore",
    "DatabaseNewer",
    "DatabaseOutdated",
    "DatabaseUnfit",
    "DiskFull",
    "EntityHistory",
    "GapRow",
    "Gaps",
    "InsightsHistory",
    "InsightsRead",
    "Ledger",
    "LoginState",
    "LoginStore",
    "MigrationBusy",
    "MigrationResult",
    "ObservedWeight",
    "PendingReport",
    "PendingReports",
    "PendingRow",
    "PoolerUnsupported",
    "Rendered",
    "Retention",
    "ReturnedRows",
    "RowScope",
    "RowsRefused",
    "RunStore",
    "SealedToken",
    "TelemetryWriter",
    "TokenRow",
    "TokenStore",
    "Totals",
    "UnrecognizedRow",
    "UnrecognizedStore",
    "Upserted",
    "UsageStore",
    "ViewInUse",
    "Warehouse",
    "WarehouseError",
    "WarehouseUnavailable",
    "WindowRow",
    "account_id_of",
    "account_lock",
    "connect",
    "create_dagster_schema",
    "dagster_url",
    "fault",
    "find_account",
    "lock_holder",
    "maintain",
    "mark_deleted",
    "normalized",
    "one_change_per_day",
    "orphans",
    "redacted",
    "render",
    "tokens_in_use",
    "tracked_columns",
    "upsert",
    "without_secrets",
]


def __getattr__(name: str) -> Any:
    home = _WITH_SQLALCHEMY.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
