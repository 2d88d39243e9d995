"""`meta-pipeline runs`: what every sync did, waited for and met, from our own tables."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meta_pipeline.printable import one_line

from .database import opened_warehouse
from .selection import stored
from .terminal.console import Words, add_row, console, fail, say, styled, table, write_json
from .terminal.options import Accounts, AsJson, Limit

if TYPE_CHECKING:
    from meta_pipeline.reports.runs import RunDetail

app = typer.Typer(add_completion=False, name="runs", no_args_is_help=True)

STATUSES = ("running", "success", "partial", "fail", "throttled", "refused")
_STYLES = {"success": "green", "fail": "red", "running": "cyan"}
# Enough to be the only one that begins so; commands take any beginning.
_ID_SHOWN = 8


@app.callback()
def about() -> None:
    """What every sync did, waited for and met: calls, waits, rows and errors."""


@app.command("list")
def list_runs(
    account: Accounts = None,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help=f"Only of this status: {', '.join(STATUSES)}; repeatable."),
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest syncs, newest first: whose, when, how they ended, calls, waits, rows, errors.

    An attempt is a run also when it was refused or throttled before the first call.
    """
    from meta_pipeline.reports.runs import read_runs

    for one in status or ():
        # Else a misspelt status would be a list without a run.
        if one not in STATUSES:
            raise typer.BadParameter(f"{one!r} is no status: {', '.join(STATUSES)}")
    with opened_warehouse() as (_, warehouse):
        ids = [one.account_id for one in stored(warehouse, account)] if account else None
        runs = read_runs(warehouse, accounts=ids, statuses=status, limit=limit)
    if as_json:
        write_json(runs)
    elif runs:
        _print_list(runs)
    else:
        say("No sync has run yet." if not (account or status) else "No such run.")


@app.command()
def show(
    run: Annotated[
        str | None,
        typer.Argument(help="Id of the run or its beginning, or a Dagster run's; newest without."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain one run: what was asked, every kind of call, waits with their reason, rows, errors.

    With the id of a Dagster run all its syncs; JSON is a list in every case.
    """
    from meta_pipeline.reports.runs import RunUnknown, read_run

    with opened_warehouse() as (_, warehouse):
        try:
            details = read_run(warehouse, run)
        except RunUnknown as error:
            # The newest of none is no mistake of whoever asks.
            if run is None:
                say(str(error))
                return
            fail(str(error))
    if as_json:
        write_json(
            [
                dict(one.facts)
                | {name: list(value) for name, value in asdict(one).items() if name != "facts"}
                for one in details
            ]
        )
        return
    for number, one in enumerate(details):
        if number:
            say()
        _print_run(one)


def _print_list(runs: Sequence[Mapping[str, Any]]) -> None:
    numbers = ("took", "calls", "waited", "rows")
    whole = ("run", "account", "started (UTC)", *numbers)
    names = ("run", "name", "account", "started (UTC)", "status", "why", *numbers, "what it says")
    shown = table(*names, right=numbers, whole=whole)
    for one in runs:
        status: Words = styled(one["status"], _STYLES.get(one["status"], "yellow"))
        add_row(
            shown,
            one["sync_run_id"][:_ID_SHOWN],
            one["account_name"] or "-",
            one["account_id"],
            _moment(one["started_at"]),
            status,
            one["reason"] or "-",
            _seconds(one["seconds"]),
            _count(one["meta_call_count_total"]),
            _seconds(one["waited_seconds"]) if one["waited_seconds"] else "-",
            _count(one["insights_rows_read"]),
            one["error_summary"] or "",
        )
    console.print(shown)


def _print_run(run: "RunDetail") -> None:
    facts = run.facts
    name = one_line(facts["account_name"] or "")
    say(
        styled(facts["status"], _STYLES.get(facts["status"], "yellow")),
        f" {facts['account_id']} {name}".rstrip(),
    )
    for label, value in _lines(facts).items():
        if value:
            say(styled(f"{label:<9} ", "dim"), one_line(value))
    for one in facts["missing"] or ():
        say(styled(f"{'missing':<9} ", "dim"), one_line(str(one)))
    if run.is_forgotten:
        say("Its calls are no longer kept (META_LOG_RETENTION_DAYS).")
    if run.calls:
        say()
        _print_calls(run.calls)
    for wait in run.waits:
        times = f"{wait['times']} calls" if wait["times"] > 1 else "1 call"
        told = (
            f" waited {_seconds(wait['seconds'])} before {times}: {one_line(wait['reason'] or '')}"
        )
        say(styled("…", "yellow"), told)
    for error in run.errors:
        say(styled("✗", "red"), f" {_error(error)}")


def _lines(facts: Mapping[str, Any]) -> dict[str, str]:
    """What is known of a run, in the order a person asks."""
    days = f", {facts['since']} to {facts['until']}" if facts["since"] else ""
    ended = _moment(facts["finished_at"]) if facts["finished_at"] else "still running"
    entities = {
        "campaigns": facts["campaigns_fetched"],
        "ad sets": facts["ad_sets_fetched"],
        "ads": facts["ads_fetched"],
        "creatives": facts["creatives_fetched"],
        "changes": facts["activities_fetched"],
        "recommendations": facts["recommendations_fetched"],
        "custom conversions": facts["custom_conversions_fetched"],
        "custom audiences": facts["custom_audiences_fetched"],
        "images": facts["images_fetched"],
        "insight rows": facts["insights_rows_read"],
    }
    read = ", ".join(f"{count:,} {what}" for what, count in entities.items() if count)
    written = (facts["entity_rows_written"] or 0) + (facts["insights_rows_written"] or 0)
    spans = {
        "entities": facts["entity_fetch_ms"],
        "insights": facts["insights_fetch_ms"],
        "writing": facts["db_write_ms"],
    }
    took = ", ".join(f"{what} {_seconds(float(ms) / 1000)}" for what, ms in spans.items() if ms)
    waits = facts["not_before"]
    return {
        "run": facts["sync_run_id"],
        "asked": f"{facts['scope']}{days}; reason: {facts['reason'] or '-'}",
        "when": f"{_moment(facts['started_at'])} to {ended} UTC ({_seconds(facts['seconds'])})",
        "took": took,
        "calls": f"{_count(facts['meta_call_count_total'])}, weighted cost "
        f"{float(facts['weighted_cost_total'] or 0):,.0f}",
        "read": f"{read or 'nothing'}; {written:,} rows new or changed",
        "says": facts["error_summary"] or "",
        "waits": f"no call before {_moment(waits)} UTC" if waits else "",
        "dagster": facts["dagster_run_id"] or "",
        "host": facts["host"] or "",
    }


def _print_calls(calls: Sequence[Mapping[str, Any]]) -> None:
    numbers = ("attempts", "retries", "throttled", "refused", "rows", "cost", "p50 ms")
    shown = table("calls to", *numbers, right=numbers, whole=numbers)
    for one in calls:
        counts = [
            _count(one[key]) for key in ("attempts", "retries", "throttled", "refused", "rows")
        ]
        latency = one["latency_p50_ms"]
        add_row(
            shown,
            one["endpoint_key"],
            *counts,
            f"{one['weighted_cost']:,.0f}",
            "-" if latency is None else f"{latency:,.0f}",
        )
    console.print(shown)


def _error(error: Mapping[str, Any]) -> str:
    codes = {
        "code": error["error_code"],
        "subcode": error["error_subcode"],
        "HTTP": error["status_code"],
        "fbtrace_id": error["fbtrace_id"],
    }
    told = ", ".join(f"{name} {value}" for name, value in codes.items() if value is not None)
    times = f"{error['times']} times, last " if error["times"] > 1 else ""
    return (
        f"{error['endpoint_key']}: {one_line(error['error_message'])} [{one_line(told)}] "
        f"({times}{error['last_at']:%Y-%m-%d %H:%M:%S} UTC)"
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _seconds(seconds: float) -> str:
    # Tenths of a second tell nothing of an hour.
    return f"{seconds:,.1f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
