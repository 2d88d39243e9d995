"""Rules: whose the rows of each table are, and what the API may write there.

A table that is not named here is known by its columns: `tenant` says whose a row is, else
`account_id` does. One that has neither has to be named, or a test fails; until then no tenant
reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from meta_pipeline.warehouse.names import SCHEMA

SETTING: Final = f"{SCHEMA}.tenant"
"""The setting, of one transaction, that says for which tenant the API works."""

_OWN_TENANTS: Final = f"ARRAY(SELECT tenant FROM {SCHEMA}.tenants)"
_OWN_ACCOUNTS: Final = f"ARRAY(SELECT account_id FROM {SCHEMA}.tenant_accounts)"
# NULL where it was never set, '' after a transaction that set it: no tenant is called either.
_BY_SETTING: Final = f"tenant = current_setting('{SETTING}', true)"
_CHANGE: Final = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class TenancyRule:
    """Whose the rows of a table are.

    `api` and `sql` are conditions that a row has to fulfil for the group's members. They read
    other tables through those tables' own policies. An array from a sub-select is made once a
    statement and lets indexes be used, where IN (SELECT ...) reads all rows. `api_writes` are the
    statements besides SELECT that the API is granted, UPDATE of all columns or of some; `sql_reads`
    False is nobody's reading.
    """

    api: str
    sql: str
    api_writes: tuple[str, ...] = ()
    sql_reads: bool = True


def by_account(column: str = "account_id", *, api_writes: tuple[str, ...] = ()) -> TenancyRule:
    """Rows of the tenant's ad accounts; those of no account are the operator's."""
    condition = f"{column} = ANY ({_OWN_ACCOUNTS})"
    return TenancyRule(api=condition, sql=condition, api_writes=api_writes)


def by_asker(*, api_writes: tuple[str, ...]) -> TenancyRule:
    """Rows of the tenant's ad accounts that it asked for itself, or Meta did by a webhook.

    An account may be another tenant's too, whose people and reasons are none of this one's.
    """
    condition = (
        f"account_id = ANY ({_OWN_ACCOUNTS}) "
        f"AND (tenant = ANY ({_OWN_TENANTS}) OR source = 'webhook')"
    )
    return TenancyRule(api=condition, sql=condition, api_writes=api_writes)


def by_tenant(*, api_writes: tuple[str, ...] = (), sql_reads: bool = True) -> TenancyRule:
    """Rows that name the tenant."""
    condition = f"tenant = ANY ({_OWN_TENANTS})"
    return TenancyRule(api=condition, sql=condition, api_writes=api_writes, sql_reads=sql_reads)


def by_parent(
    table: str, column: str, *, api_writes: tuple[str, ...] = (), sql_reads: bool = True
) -> TenancyRule:
    """Rows that belong to a row of another table, which is the tenant's."""
    condition = f"{column} = ANY (ARRAY(SELECT {column} FROM {SCHEMA}.{table}))"
    return TenancyRule(api=condition, sql=condition, api_writes=api_writes, sql_reads=sql_reads)


SHARED: Final = TenancyRule(api="true", sql="true")
"""The same for everybody, nobody's data: definitions, rates."""
POOLED: Final = TenancyRule(api="accounts >= 5", sql="false", sql_reads=False)
"""Averages over several accounts of whatever tenants: our code prices a tenant's plan by them.

None over fewer than five, which might be one tenant's; and no tenant looks at them itself.
"""
OPERATOR: Final = TenancyRule(api="false", sql="false", sql_reads=False)
"""Of the installation as a whole: no tenant sees a row."""

RULES: Final[Mapping[str, TenancyRule]] = MappingProxyType(
    {
        "tenants": TenancyRule(
            api=_BY_SETTING,
            sql=f"tenant = ANY (ARRAY(SELECT tenant FROM {SCHEMA}.tenant_roles))",
        ),
        "tenant_roles": TenancyRule(api=_BY_SETTING, sql="role_name = current_user"),
        # Not the API's to write: whoever could, would give itself another's accounts.
        "tenant_accounts": by_tenant(),
        "members": by_tenant(api_writes=_CHANGE, sql_reads=False),
        "invitations": by_tenant(api_writes=_CHANGE, sql_reads=False),
        "connections": by_tenant(api_writes=_CHANGE),
        "connection_events": by_tenant(api_writes=("INSERT",), sql_reads=False),
        "connection_accounts": by_parent("connections", "connection_id", api_writes=_CHANGE),
        "connection_tokens": by_parent(
            "connections", "connection_id", api_writes=_CHANGE, sql_reads=False
        ),
        "login_states": by_tenant(api_writes=_CHANGE, sql_reads=False),
        "pending_connections": by_tenant(api_writes=_CHANGE, sql_reads=False),
        "pending_accounts": by_parent(
            "pending_connections", "pending_id", api_writes=_CHANGE, sql_reads=False
        ),
        "web_events": by_tenant(api_writes=("INSERT",), sql_reads=False),
        "web_links": OPERATOR,
        # Read before anybody knows for whom a request is.
        "web_sign_outs": OPERATOR,
        "sync_requests": by_asker(api_writes=("INSERT", "UPDATE")),
        "facts": by_tenant(api_writes=("INSERT", "UPDATE")),
        # Read before anybody knows for whom a request is.
        "api_keys": by_tenant(sql_reads=False),
        "webhook_changes": by_account(),
        # Whose it is, is known when it is taken apart.
        "webhook_deliveries": OPERATOR,
        "advice": by_account(api_writes=("UPDATE (outcome)",)),
        "advice_outcomes": by_account(api_writes=("INSERT",)),
        "account_kpis": by_account(api_writes=_CHANGE),
        # Meters of an ad account have its id as key; those of the app are the operator's.
        "usage_readings": by_account("key"),
        "call_weights": POOLED,
        "exchange_rates": SHARED,
        "metric_definitions": SHARED,
        "metric_families": SHARED,
        "metric_goals": SHARED,
        "schema_version": SHARED,
        "schema_views": SHARED,
        "alert_channels": OPERATOR,
        # A definition names accounts; the rows of its table are under a rule by account.
        "custom_reports": OPERATOR,
        "meta_callbacks": OPERATOR,
        "meta_api_latency_hours": OPERATOR,
        "retired_totals": OPERATOR,
        "counted_until": OPERATOR,
        "token_health": OPERATOR,
    }
)


def rule_of(table: str, columns: Collection[str]) -> TenancyRule | None:
    """The rule of a table that has these columns; None where nobody said whose its rows are."""
    if table in RULES:
        return RULES[table]
    if "tenant" in columns:
        return by_tenant()
    return by_account() if "account_id" in columns else None
