"""The asset `meta/advice`: the rules asked of each account after its metrics, and the digest.

Reads and writes our tables alone. The rules go by whole days, so an account is asked again only
after META_ADVICE_EVERY_HOURS; who materializes the asset by hand asks at once.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from meta_pipeline.advisor import AdviceRow, last_asked, open_advice, unmeasured
from meta_pipeline.metrics import UnknownName
from meta_pipeline.orchestration.configuration import Accounts
from meta_pipeline.orchestration.dagster_internals import is_reserved_asset_job_name
from meta_pipeline.orchestration.metric_metadata import (
    ADVICE,
    ASKED,
    MEASURED,
    METRIC_KEYS,
    NOT_URGENT,
)
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import Clock, WarehouseResource
from meta_pipeline.orchestration.runs.batches import (
    MAX_ACCOUNTS_PER_RUN,
    accounts_in,
    passed_on,
)
from meta_pipeline.orchestration.runs.each_account import Event, each_account, raise_failed
from meta_pipeline.orchestration.tables import table_spec
from meta_pipeline.printable import markdown, markdown_lines
from meta_pipeline.warehouse import Warehouse, schema
from meta_pipeline.words import times

if TYPE_CHECKING:
    from meta_pipeline.advisor import Judged

HERE = here()

_DOCS = "https://www.facebook.com/business/help/112167992830700"
_SHOWN = 10
_LATE = timedelta(days=42)
"""A day moves for 28; by then an account that is synced has had its two weeks measured."""


def _check(name: str, description: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=ADVICE, description=description)


@dg.multi_asset(
    name=HERE.named("advice"),
    specs=[
        table_spec(
            ADVICE,
            schema.advice,
            group="advice",
            deps=METRIC_KEYS,
            summary="What to pause, scale or mend in the account, why, on which numbers and with "
            "how much doubt; what became of older advice is measured. Asks Meta nothing.",
            docs=_DOCS,
        ).replace_attributes(kinds={"postgres"})
    ],
    check_specs=[
        _check(
            ASKED,
            "Every account of the last run had days that add up: else its rules are not asked. "
            "**When it fails:** read the days again with job `restate`.",
        ),
        _check(
            NOT_URGENT,
            "No advice that should be looked at today is open in the accounts of the last run. "
            "**When it fails:** see it on page Advice or by `meta-pipeline advice list`.",
        ),
        _check(
            MEASURED,
            "What became of advice was measured in time, in the accounts of the last run. "
            "**When it fails:** its days were not read: look at `missing_days`.",
        ),
    ],
    partitions_def=AD_ACCOUNTS,
    backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
)
@asking
def advice(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    accounts: dg.ResourceParam[Accounts],
    clock: dg.ResourceParam[Clock],
) -> Iterator[Event]:
    """Ask the rules of the accounts of the run, and measure what became of their advice."""
    settings, now = warehouse.settings(), clock()
    thresholds = settings.advice_thresholds
    patience = timedelta(hours=settings.advice_every_hours)
    # *Materialize* on the page of an asset runs in a job that Dagster makes up; ours have names.
    is_by_hand = is_reserved_asset_job_name(context.job_name)
    failed: dict[str, str] = {}
    judged: list[Judged] = []

    def asked(opened: Warehouse, account_id: str) -> Iterator[dg.AssetMaterialization]:
        with opened.connection() as connection:
            last = last_asked(connection, account_id)
        # A moment ahead of us is of a clock that was set back since: not waited for.
        if last is not None and not is_by_hand and timedelta(0) <= now - last.at < patience:
            return
        # The rules bring scipy: a run that does not ask them does without.
        from meta_pipeline.advisor import judge_account  # noqa: PLC0415

        try:
            done = judge_account(opened, account_id, thresholds, now)
        except UnknownName:  # it was never read: its own steps say why
            return
        judged.append(done)
        with opened.connection() as connection:
            rows = open_advice(connection, [account_id])
        yield dg.AssetMaterialization(ADVICE, partition=account_id, metadata=_metadata(done, rows))

    yield from each_account(context, warehouse, accounts, "advice", asked, failed)
    yield from _verdicts(warehouse, accounts_in(context, accounts), judged, now - _LATE)
    yield passed_on(context, ADVICE)
    raise_failed(failed, "judged")


def _metadata(done: "Judged", rows: Sequence[AdviceRow]) -> dict[str, Any]:
    return {
        "account": done.account_id,
        "open": len(rows),
        "urgent": sum(row.severity == "high" for row in rows),
        "given": done.given,
        "settled": done.settled,
        "measured": done.reviewed,
        "gates_closed": len(done.closed),
        "dagster/partition_row_count": len(rows),
        "summary": dg.MetadataValue.md(_summary(done, rows)),
    }


def _summary(done: "Judged", rows: Sequence[AdviceRow]) -> str:
    lines = [f"- **{row.severity}** {markdown(row.what)} {markdown(row.why)}" for row in rows]
    more = len(lines) - _SHOWN
    if more > 0:
        lines[_SHOWN:] = [f"- ... and {more} more: `meta-pipeline advice list`"]
    gates = list(dict.fromkeys(markdown(one.sentence) for one in done.closed))
    closed = [f"- {sentence}" for sentence in gates[:_SHOWN]]
    if len(gates) > _SHOWN:
        closed.append(f"- ... and {len(gates) - _SHOWN} more gates")
    return "\n".join(lines or ["No advice is open."]) + (
        "\n\nNot weighed:\n\n" + "\n".join(closed) if closed else ""
    )


def _verdicts(
    warehouse: WarehouseResource, account_ids: Sequence[str], judged: Sequence["Judged"], late: Any
) -> Iterator[dg.AssetCheckResult]:
    differing = [
        one.account_id for one in judged if any(gate.gate == "reconciled" for gate in one.closed)
    ]
    with warehouse.read("advice") as opened, opened.connection() as connection:
        urgent = [
            row for row in open_advice(connection, list(account_ids)) if row.severity == "high"
        ]
        overdue = unmeasured(connection, list(account_ids), late.date())
    yield _result(
        ASKED,
        not differing,
        f"Days of {times(len(differing), 'account')} do not add up: {', '.join(differing[:5])}."
        if differing
        else f"The rules of {times(len(judged), 'account')} were asked.",
        len(differing),
    )
    yield _result(
        NOT_URGENT,
        not urgent,
        f"{times(len(urgent), 'matter')} should be looked at today. {urgent[0].what}"
        if urgent
        else "Nothing has to be looked at today.",
        len(urgent),
    )
    yield _result(
        MEASURED,
        not overdue,
        f"{times(overdue, 'outcome')} could not be measured in time."
        if overdue
        else "What became of advice is measured.",
        overdue,
    )


def _result(name: str, passed: bool, said: str, count: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=ADVICE,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=markdown_lines(said),
        metadata={"count": count},
    )
