"""Postgres: the schema, its migrations, bulk upsert, locks, ledger and telemetry."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .connect import Connection, connect
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
    TenantsNotApart,
    TenantUnknown,
    ViewInUse,
    WarehouseError,
    WarehouseUnavailable,
)
from .faults import fault
from .locks import account_lock
from .migrator import MigrationResult
from .redaction import redacted, without_secrets
from .retention import Retention, maintain
from .stores.account_names import (
    AccountAmbiguous,
    AccountIndex,
    AccountUnknown,
    account_id_of,
    find_account,
)
from .stores.accounts import AccountHealth, AccountRow, AccountStore
from .stores.callbacks import CallbackKind, CallbackRow, CallbackStore
from .stores.connections import ConnectionRow, ConnectionStore, SealedToken
from .stores.costs import CostStore, ObservedWeight
from .stores.cursors import CursorRow, CursorStore
from .stores.gaps import GapRow, Gaps
from .stores.ledger import Ledger, WindowRow
from .stores.logins import LoginState, LoginStore, PendingRow
from .stores.pending_reports import PendingReport, PendingReports
from .stores.runs import RunStore
from .stores.sync_requests import SyncRequestRow, SyncRequestStore
from .stores.tenants import MemberRole, MemberRow, TenantRefused, TenantRow, TenantStore
from .stores.tokens import TokenRow, TokenStore, tokens_in_use
from .stores.unrecognized import VERSION_SOURCE, UnrecognizedRow, UnrecognizedStore
from .stores.usage import UsageStore
from .tenancy import DEFAULT_TENANT, TenantSession, enforce, enforcement
from .urls import dagster_url, normalized
from .warehouse import Snapshot, TenantTransaction, TenantWarehouse, Warehouse

if TYPE_CHECKING:
    from .dagster_schema import create_dagster_schema
    from .write.copytext import Cleaned, Rendered, render
    from .write.entities import mark_deleted, orphans
    from .write.forgetting import forget_account
    from .write.history import (
        EntityHistory,
        InsightsHistory,
        InsightsRead,
        one_change_per_day,
        tracked_columns,
    )
    from .write.replacement import ReturnedRows, RowScope, Totals
    from .write.telemetry import TelemetryWriter
    from .write.upserts import Upserted, upsert

_WITH_SQLALCHEMY = {
    "Cleaned": "write.copytext",
    "Rendered": "write.copytext",
    "render": "write.copytext",
    "create_dagster_schema": "dagster_schema",
    "mark_deleted": "write.entities",
    "forget_account": "write.forgetting",
    "orphans": "write.entities",
    "EntityHistory": "write.history",
    "InsightsHistory": "write.history",
    "InsightsRead": "write.history",
    "one_change_per_day": "write.history",
    "tracked_columns": "write.history",
    "ReturnedRows": "write.replacement",
    "RowScope": "write.replacement",
    "Totals": "write.replacement",
    "TelemetryWriter": "write.telemetry",
    "Upserted": "write.upserts",
    "upsert": "write.upserts",
}
"""What writes tables: SQLAlchemy is most of a start, and reading needs none of it."""

__all__ = [
    "DEFAULT_TENANT",
    "VERSION_SOURCE",
    "AccountAmbiguous",
    "AccountBusy",
    "AccountHealth",
    "AccountIndex",
    "AccountRow",
    "AccountStore",
    "AccountUnknown",
    "CallbackKind",
    "CallbackRow",
    "CallbackStore",
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
    "MemberRole",
    "MemberRow",
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
    "Snapshot",
    "SyncRequestRow",
    "SyncRequestStore",
    "TelemetryWriter",
    "TenantRefused",
    "TenantRow",
    "TenantSession",
    "TenantStore",
    "TenantTransaction",
    "TenantUnknown",
    "TenantWarehouse",
    "TenantsNotApart",
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
    "enforce",
    "enforcement",
    "fault",
    "find_account",
    "forget_account",
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
    # SQLAlchemy takes a good part of a start, and most commands need none of it.
    home = _WITH_SQLALCHEMY.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
