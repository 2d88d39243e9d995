"""The asset `meta/data_quality` and its checks: every account counts, none hides behind another.

They run in a job of their own (`data_quality`, hourly), not with every sync: each is one question
to all accounts. Dagster shows a check's answer until its asset is materialized again, so they stand
on an asset that only this job materializes: on `meta/insights`, which some account's sync
materializes every minute, they would read "not evaluated". What they find is also written to the
stored alerts.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from meta_pipeline.alerts import AlertStore, check_conditions, limits_of
from meta_pipeline.graph import GraphError
from meta_pipeline.orchestration.metric_metadata import METRIC_KEYS
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import Clock, WarehouseResource
from meta_pipeline.orchestration.tables import (
    AD_ACCOUNTS_KEY,
    INSIGHTS_KEY,
    OPERATIONS,
    OWNERS,
    TAGS,
)
from meta_pipeline.printable import markdown, markdown_lines
from meta_pipeline.quality import (
    CHECKS,
    TOKEN_CHECK,
    Finding,
    Severity,
    find,
    token_finding,
    token_unknown,
)
from meta_pipeline.redaction import redact
from meta_pipeline.settings import Settings
from meta_pipeline.sync import SyncEngine
from meta_pipeline.warehouse import Warehouse

HERE = here()

STEP = "data_checks"
DATA_QUALITY_KEY = HERE.key("data_quality")
_CATALOGUE = (*CHECKS, TOKEN_CHECK)
_SEVERITIES = {
    Severity.WARN: dg.AssetCheckSeverity.WARN,
    Severity.ERROR: dg.AssetCheckSeverity.ERROR,
}
_DESCRIPTION = """\
Whether the data is right, asked of the whole tables: every account at once, and the token.

The checks are this asset's; each says how many things are wrong, shows the worst and what to do.
They are asked hourly by job `data_quality`; start it after a repair and they are up to date."""

Event = dg.AssetCheckResult | dg.MaterializeResult[None]


@dg.multi_asset(
    name=HERE.named(STEP),
    specs=[
        dg.AssetSpec(
            DATA_QUALITY_KEY,
            deps=[AD_ACCOUNTS_KEY, INSIGHTS_KEY, *METRIC_KEYS],
            group_name=HERE.group_of(OPERATIONS),
            kinds={"postgres"},
            owners=OWNERS,
            tags=TAGS,
            description=_DESCRIPTION,
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(
            check.name,
            asset=DATA_QUALITY_KEY,
            description=f"{check.description} (`{check.table}`)\n\n"
            f"**When it fails:** {check.what_to_do}",
        )
        for check in _CATALOGUE
    ],
    can_subset=True,
)
@asking
def data_quality(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> Iterator[Event]:
    settings = warehouse.settings()
    findings: list[Finding] = []
    broken: dict[str, str] = {}
    names = sorted(key.name for key in context.selected_asset_check_keys)
    with warehouse.migrated("checks") as opened:
        for name in names:
            try:
                finding = _find(name, opened, settings, clock())
            except Exception as error:  # the other questions can still be asked
                broken[name] = redact(str(error))
                continue
            with opened.connection() as connection:
                AlertStore(connection).replace(
                    f"check:{finding.check}", check_conditions(finding, clock()), clock()
                )
            findings.append(finding)
            yield _result(finding)
    if DATA_QUALITY_KEY in context.selected_asset_keys:
        yield dg.MaterializeResult(asset_key=DATA_QUALITY_KEY, metadata=_metadata(findings, broken))
    # At the end: the answers that could be had are shown and stored first.
    if broken:
        listed = "\n".join(f"{name}: {why}" for name, why in broken.items())
        raise dg.Failure(f"{len(broken)} checks could not be asked:\n{listed}")


def _metadata(
    findings: Sequence[Finding], broken: Mapping[str, str]
) -> dict[str, dg.MetadataValue[Any]]:
    failed = [finding for finding in findings if not finding.passed]
    # Each check with its answer, what failed first.
    lines = ["| check | | answer |", "|---|---|---|"]
    lines += [f"| {name} | not asked | {markdown(why)} |" for name, why in broken.items()]
    for finding in sorted(findings, key=lambda one: one.passed):
        grade = "passed" if finding.passed else finding.severity.name.lower()
        lines.append(f"| {finding.check} | {grade} | {markdown(finding.headline)} |")
    return {
        "summary": dg.MetadataValue.md("\n".join(lines)),
        "checks_passed": dg.MetadataValue.int(len(findings) - len(failed)),
        "checks_failed": dg.MetadataValue.int(len(failed)),
        "checks_not_asked": dg.MetadataValue.int(len(broken)),
    }


def _find(name: str, warehouse: Warehouse, settings: Settings, now: datetime) -> Finding:
    if name == TOKEN_CHECK.name:
        with SyncEngine.open(settings) as engine:
            try:
                return token_finding(engine.token(), now)
            except GraphError as error:
                return token_unknown(redact(str(error)))
    with warehouse.connection() as connection:
        return find(name).run(connection, limits_of(settings))


def _result(finding: Finding) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=finding.check,
        asset_key=DATA_QUALITY_KEY,
        passed=finding.passed,
        severity=_SEVERITIES[finding.severity],
        description=markdown_lines(finding.headline),
        metadata={
            "count": finding.count,
            "headline": finding.headline,
            "what_to_do": dg.MetadataValue.md(finding.what_to_do),
            **finding.numbers,
            **({"worst": _worst(finding.rows)} if finding.rows else {}),
        },
    )


def _worst(rows: Iterable[Mapping[str, Any]]) -> dg.TableMetadataValue:
    # Dagster's tables hold nothing else.
    plain = str | int | float | None
    records = [
        dg.TableRecord(
            {name: one if isinstance(one, plain) else str(one) for name, one in row.items()}
        )
        for row in rows
    ]
    # Looked up by exact type: True is an int to isinstance.
    types = {int: "int", float: "float", bool: "bool"}
    columns = [
        dg.TableColumn(name, types.get(type(value), "string"))
        for name, value in records[0].data.items()
    ]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))
