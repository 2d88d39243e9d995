"""Asset checks over the whole tables: every account counts, so that none hides behind another.

They run in a job of their own (`data_quality`, hourly), not with every sync: each is one question
to all accounts. What they find is also written to the book of alerts.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from meta_pipeline.alerts import AlertBook, check_conditions, limits_of
from meta_pipeline.graph import GraphError
from meta_pipeline.graph.redaction import redact
from meta_pipeline.quality import (
    CHECKS,
    TOKEN_CHECK,
    Check,
    Finding,
    Severity,
    find,
    token_finding,
    token_unknown,
)
from meta_pipeline.settings import Settings
from meta_pipeline.sync import SyncEngine
from meta_pipeline.warehouse import Warehouse

from .accounts_asset import AD_ACCOUNTS_KEY
from .metric_assets import INSIGHTS_KEY
from .metric_metadata import RECONCILIATION
from .resources import MetaGraphResource, SyncResource, WarehouseResource

STEP = "data_checks"
_ASSETS: Mapping[str, dg.AssetKey] = {
    "meta_ad_accounts": AD_ACCOUNTS_KEY,
    "meta_insights": INSIGHTS_KEY,
    "daily_ad_metrics": dg.AssetKey(["meta", "daily_ad_metrics"]),
    "reconciliations": RECONCILIATION,
}
CHECK_KEYS = tuple(
    dg.AssetCheckKey(_ASSETS[check.table], check.name) for check in (*CHECKS, TOKEN_CHECK)
)
"""All checks of job `data_quality`."""
_SEVERITIES = {
    Severity.WARN: dg.AssetCheckSeverity.WARN,
    Severity.ERROR: dg.AssetCheckSeverity.ERROR,
}

Clock = Callable[[], datetime]


def build_checks(clock: Clock = lambda: datetime.now(UTC)) -> dg.AssetChecksDefinition:
    """The checks of the catalogue and that of the token, as one step that may run in part."""

    @dg.multi_asset_check(
        name=STEP, specs=[_spec(check) for check in (*CHECKS, TOKEN_CHECK)], can_subset=True
    )
    def data_quality(
        context: dg.AssetCheckExecutionContext,
        warehouse: WarehouseResource,
        graph: MetaGraphResource,
    ) -> Iterator[dg.AssetCheckResult]:
        sync = SyncResource(graph=graph, warehouse=warehouse)
        settings, broken = warehouse.settings(), []
        names = sorted(key.name for key in context.selected_asset_check_keys)
        with Warehouse(settings.require_database_url(), max_connections=1) as opened:
            opened.migrate()
            for name in names:
                try:
                    finding = _find(name, opened, sync, clock())
                except Exception as error:  # the other questions can still be asked
                    broken.append(f"{name}: {redact(str(error))}")
                    continue
                _note(opened, finding, clock())
                yield _result(finding)
        if broken:
            listed = "\n".join(broken)
            raise dg.Failure(f"{len(broken)} checks could not be asked:\n{listed}")

    return data_quality


def _spec(check: Check) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        check.name,
        asset=_ASSETS[check.table],
        description=f"{check.description}\n\n**When it fails:** {check.what_to_do}",
    )


def _find(name: str, warehouse: Warehouse, sync: SyncResource, now: datetime) -> Finding:
    settings = sync.settings()
    if name == TOKEN_CHECK.name:
        return _token(settings, now)
    with warehouse.connection() as connection:
        return find(name).run(connection, limits_of(settings))


def _token(settings: Settings, now: datetime) -> Finding:
    with SyncEngine.open(settings) as engine:
        try:
            return token_finding(engine.token(), now)
        except GraphError as error:
            return token_unknown(redact(str(error)))


def _note(warehouse: Warehouse, finding: Finding, now: datetime) -> None:
    with warehouse.connection() as connection:
        conditions = check_conditions(finding, now)
        AlertBook(connection).replace(f"check:{finding.check}", conditions, now)


def _result(finding: Finding) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=finding.check,
        asset_key=_ASSETS[_table(finding.check)],
        passed=finding.passed,
        severity=_SEVERITIES[finding.severity],
        description=finding.headline,
        metadata={
            "count": finding.count,
            "headline": finding.headline,
            "what_to_do": dg.MetadataValue.md(finding.what_to_do),
            **finding.numbers,
            **({"worst": _worst(finding.rows)} if finding.rows else {}),
        },
    )


def _table(name: str) -> str:
    return next(check.table for check in (*CHECKS, TOKEN_CHECK) if check.name == name)


def _worst(rows: Iterable[Mapping[str, Any]]) -> dg.TableMetadataValue:
    records = [dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in rows]
    columns = [dg.TableColumn(name, _type(value)) for name, value in records[0].data.items()]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _cell(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | None) else str(value)


def _type(value: object) -> str:
    return {int: "int", float: "float", bool: "bool"}.get(type(value), "string")
