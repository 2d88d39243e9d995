"""`meta-pipeline metrics kpi`: what an account is steered by, and how it stands."""

from dataclasses import asdict
from typing import Annotated

import typer

from meta_pipeline.commands.terminal.console import add_row, console, say, table, warn, write_json
from meta_pipeline.commands.terminal.options import PRESET, Account, AsJson, MaybeAccount

from .answers import cell
from .database import opened

app = typer.Typer(
    name="kpi",
    no_args_is_help=True,
    help="The metrics an account is steered by: targets, performance, pacing of budgets.",
)
MetricKey = Annotated[str, typer.Argument(help="Metric of the dictionary, such as cpl.")]


@app.command("set")
def set_kpi(
    account: Account,
    metric: MetricKey,
    target: Annotated[
        float | None, typer.Argument(help="Value to reach; leave it out to watch only.")
    ] = None,
    primary: Annotated[
        bool, typer.Option("--primary", help="The one metric the account is judged by.")
    ] = False,
    note: Annotated[str | None, typer.Option(help="Who set it and why.")] = None,
) -> None:
    """Steer an account by a metric."""
    with opened() as (warehouse, metrics):
        kpi = metrics.KPIs(warehouse).set(account, metric, target, is_primary=primary, note=note)
    goal = f"target {float(kpi.target):g}" if kpi.target is not None else "no target"
    say(f"{kpi.account_id} {kpi.metric_key}: {goal}{' (primary)' if primary else ''}")


@app.command()
def remove(account: Account, metric: MetricKey) -> None:
    """Stop steering an account by a metric."""
    with opened() as (warehouse, metrics):
        metrics.KPIs(warehouse).remove(account, metric)


@app.command("list")
def list_kpis(account: MaybeAccount = None, as_json: AsJson = False) -> None:
    """Show the KPIs of one account, or of all."""
    with opened() as (warehouse, metrics):
        kpis = metrics.KPIs(warehouse).list(account)
    if as_json:
        write_json([asdict(kpi) for kpi in kpis])
        return
    shown = table(
        *("account", "metric", "target", "primary", "note"),
        right=["target"],
        whole=["account", "metric"],
    )
    for kpi in kpis:
        target = "-" if kpi.target is None else f"{float(kpi.target):g}"
        primary = "yes" if kpi.is_primary else ""
        add_row(shown, kpi.account_id, kpi.metric_key, target, primary, kpi.note or "")
    console.print(shown if kpis else "No KPI is set. Set one: meta-pipeline metrics kpi set")


@app.command()
def performance(
    account: MaybeAccount = None,
    preset: Annotated[str, PRESET] = "last_7d",
    as_json: AsJson = False,
) -> None:
    """Show every KPI against its target."""
    with opened() as (warehouse, metrics):
        rows = metrics.KPIs(warehouse).performance(account, preset)
    if as_json:
        write_json([asdict(row) for row in rows])
        return
    shown = table(
        *("account", "metric", "value", "target", "better by %", "verdict"),
        right=["value", "target", "better by %"],
        whole=["account", "metric"],
    )
    for row in rows:
        numbers = (row.value, row.target, row.distance_pct)
        cells = [cell(number, "ratio") for number in numbers]
        add_row(shown, row.account_id, row.metric_key, *cells, str(row.verdict))
    console.print(shown if rows else "No KPI is set. Set one: meta-pipeline metrics kpi set")
    for note in dict.fromkeys(note for row in rows for note in row.notes):
        warn(note)


@app.command()
def pacing(account: MaybeAccount = None, as_json: AsJson = False) -> None:
    """Show every budget: spent against what was due by now."""
    with opened() as (warehouse, metrics):
        rows = metrics.KPIs(warehouse).pacing(account)
    if as_json:
        write_json([asdict(row) for row in rows])
        return
    shown = table(
        *("account", "budget of", "kind", "budget", "spent", "due", "pace %", "state"),
        right=["budget", "spent", "due", "pace %"],
        whole=["account"],
    )
    for row in rows:
        name = f"{row.entity_type} {row.entity_name or row.entity_id}"
        numbers = (row.budget, row.spent, row.due, row.pacing_pct)
        cells = [cell(number, "currency") for number in numbers]
        add_row(shown, row.account_id, name, row.budget_kind, *cells, str(row.state))
    console.print(shown if rows else "No campaign or ad set has a budget.")
