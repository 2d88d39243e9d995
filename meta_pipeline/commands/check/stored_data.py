"""What `meta-pipeline check --data` finds: the checks of the stored data, without Dagster."""

from collections.abc import Iterator

from meta_pipeline import quality
from meta_pipeline.alerts import limits_of
from meta_pipeline.commands.database import opened_warehouse
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import CannotTell, DatabaseNewer, DatabaseOutdated, Warehouse
from meta_pipeline.warehouse.names import SCHEMA

from .finding import CheckFinding

# A sentence of a terminal's width; `status --failing` has them all.
_ACCOUNTS_NAMED = 5


def data_findings() -> Iterator[CheckFinding]:
    """The checks that Dagster's job `data_quality` asks, without Dagster."""
    try:
        with opened_warehouse(max_connections=1) as (settings, warehouse):
            yield from _of_stored(settings, warehouse)
    except (DatabaseOutdated, DatabaseNewer) as error:
        yield CheckFinding("Data", SCHEMA, ok=False, text=str(error))


def _of_stored(settings: Settings, warehouse: Warehouse) -> Iterator[CheckFinding]:
    if not any(one.insight_rows for one in warehouse.accounts.health()):
        text = "no insights are stored: there is nothing to check"
        yield CheckFinding("Data", SCHEMA, ok=False, text=text, fix="Sync an account first.")
        return
    # Each in a transaction of its own: one that runs out of time leaves the others their answer.
    for one in quality.CHECKS:
        try:
            with warehouse.connection() as connection:
                finding = one.run(connection, limits_of(settings))
        except CannotTell as error:
            yield CheckFinding("Data", one.name, ok=False, text=str(error), is_known=False)
            continue
        named = f" {', '.join(finding.accounts[:_ACCOUNTS_NAMED])}" if finding.accounts else ""
        left = len(finding.accounts) - _ACCOUNTS_NAMED
        named += f" ... and {left:,} more: meta-pipeline status --failing" if left > 0 else ""
        fix = None if finding.passed else finding.what_to_do
        text = f"{finding.headline}{named}"
        yield CheckFinding("Data", finding.check, ok=finding.passed, text=text, fix=fix)
