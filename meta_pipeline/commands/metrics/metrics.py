"""`meta-pipeline metrics`: ask for numbers, see what they mean, check that they are right."""

from dataclasses import asdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from meta_pipeline.commands.terminal.console import add_row, console, fail, say, table, write_json
from meta_pipeline.commands.terminal.options import (
    PRESET,
    Accounts,
    AsJson,
    OneAccount,
    Since,
    Until,
    days,
)
from meta_pipeline.printable import one_line

from . import kpi, movements
from .answers import Format, cell, formatted, show
from .database import opened

app = typer.Typer(
    add_completion=False,
    name="metrics",
    no_args_is_help=True,
)
app.add_typer(kpi.app)
app.command()(movements.settle)
app.command()(movements.history)

Preset = Annotated[str | None, PRESET]
Names = Annotated[list[str], typer.Argument(help="Metrics, such as spend leads cpl roas.")]
By = Annotated[
    list[str] | None,
    typer.Option("--by", "-b", help="Group by day, week, campaign, age, ...; may be repeated."),
]
Level = Annotated[str | None, typer.Option("--level", "-l", help="account, campaign, adset or ad.")]
Filters = Annotated[
    list[str] | None,
    typer.Option("--filter", "-f", help="Keep rows: campaign_name=*spring*, ad=1,2, ..."),
]
Currency = Annotated[
    str | None, typer.Option(help="Convert amounts to it with the table exchange_rates.")
]
Attribution = Annotated[str, typer.Option(help="Attribution window: default, 7d_click, ...")]
Output = Annotated[Format, typer.Option("--format", "-o", help="table, csv or json.")]
DictionaryFile = Annotated[
    Path | None, typer.Argument(help="Dictionary file; the standard one without.")
]


@app.callback()
def about() -> None:
    """Numbers people can trust: ask for them, see what they mean, check them."""


@app.command()
def get(
    names: Names,
    account: Accounts = None,
    preset: Preset = None,
    since: Since = None,
    until: Until = None,
    by: By = None,
    level: Level = None,
    filters: Filters = None,
    currency: Currency = None,
    attribution: Attribution = "default",
    output: Output = Format.TABLE,
    as_json: AsJson = False,
) -> None:
    """Answer a question: metrics of accounts over days, grouped and filtered.

    Without days it is about the last 7 of them, today not included.
    """
    asked = _range(preset, since, until, "last_7d")
    with opened() as (warehouse, metrics):
        answer = metrics.query(
            warehouse,
            account=account,
            metrics=names,
            level=level,
            date_range=asked,
            by=by,
            filters=_filters(filters or []),
            currency=currency,
            attribution=attribution,
        )
        show(answer, formatted(output, as_json=as_json))


@app.command()
def plot(
    account: OneAccount,
    preset: Preset = None,
    since: Since = None,
    until: Until = None,
    results: Annotated[str | None, typer.Option(help="Metric of the middle panel.")] = None,
    cost: Annotated[str | None, typer.Option(help="Metric of the lowest panel.")] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write: .png, .svg or .html.")
    ] = Path("trend.png"),
) -> None:
    """Draw an account's trend: spend, results, cost per result against its target.

    Without days it is about the last 28 of them, today not included.
    """
    asked = _range(preset, since, until, "last_28d")
    from meta_pipeline.metrics import plot as plots

    with opened() as (warehouse, _):
        picture = plots.trend(
            warehouse,
            account,
            date_range=asked,
            results=results,
            cost=cost,
            file_format=output.suffix.removeprefix("."),
        )
        picture.save(output)
    say(f"{output}: {picture.title}")


@app.command("list")
def list_metrics(as_json: AsJson = False) -> None:
    """List every metric of the dictionary."""
    with opened() as (warehouse, metrics):
        dictionary = metrics.dictionary_of(warehouse)
    if as_json:
        write_json([metric.model_dump(mode="json") for metric in dictionary.metrics.values()])
        return
    shown = table("metric", "name", "unit", "kind", "formula", whole=["metric"])
    for metric in sorted(dictionary.metrics.values(), key=lambda one: (one.kind, one.key)):
        cells = (metric.key, metric.display_name, metric.unit, metric.kind, metric.formula)
        add_row(shown, *cells)
    console.print(shown)


@app.command("show")
def show_metric(
    name: Annotated[str, typer.Argument(help="Metric of the dictionary.")], as_json: AsJson = False
) -> None:
    """Show all there is to know of one metric, also which accounts count it otherwise."""
    with opened() as (warehouse, metrics):
        dictionary = metrics.dictionary_of(warehouse)
        metric = dictionary.metric(name)
        overrides = [one for one in dictionary.overrides if one.metric == name]
        told = metric.model_dump(mode="json")
        told["overrides"] = [one.model_dump(mode="json") for one in overrides]
        with warehouse.connection() as connection:
            found = metrics.names_in(connection, [metric.formula, str(told)])
    names = {action_type: one_line(called) for action_type, called in found.items()}
    if as_json:
        write_json(told | {"custom_conversions": names})
        return
    lines = {
        "name": metric.display_name,
        "meaning": metric.description,
        "unit": metric.unit,
        "kind": metric.kind,
        "formula": metrics.with_names(metric.formula, names),
        "better": metric.better,
        "window": metric.window,
    }
    for label, value in lines.items():
        say(f"{label:<9} {value}")
    for override in overrides:
        valid = f"{override.valid_from or 'always'} to {override.valid_until or 'open'}"
        say(f"{override.account} {valid}: {override.note}")
    for action_type, called in names.items():
        say(f"{action_type} is the custom conversion “{called}”")


@app.command()
def load(file: DictionaryFile = None) -> None:
    """Write the dictionary to the warehouse: the standard one with FILE laid over it."""
    with opened() as (warehouse, metrics):
        dictionary = metrics.load_dictionary(warehouse, file)
    say(
        f"{len(dictionary.metrics)} metrics and {len(dictionary.overrides)} overrides are loaded; "
        "rollups of other definitions are made again by the next sync, or now: "
        "meta-pipeline metrics rollup"
    )


@app.command()
def check(file: Annotated[Path, typer.Argument(help="Dictionary file.")]) -> None:
    """Check a dictionary file without loading it; says what is wrong, with the line."""
    from meta_pipeline import metrics

    try:
        dictionary = metrics.read_dictionary(file)
    except metrics.MetricsError as error:
        fail(str(error))
    say(f"{file} is right: {len(dictionary.metrics)} metrics with the standard ones.")


@app.command()
def rollup(account: Accounts = None) -> None:
    """Bring the daily tables up to date: days not rolled up, read since, or defined otherwise."""
    with opened(writes=True) as (warehouse, metrics):
        # Each in transactions of its own: what is done stays when Ctrl-C ends the rest.
        for known in metrics.accounts_of(warehouse, account):
            with warehouse.connection() as connection:
                done = metrics.rollup(connection, known.account_id)
            written = sum(done.written.values())
            say(f"{done.account_id}: {len(done.days)} days, {written} rows written")


@app.command()
def reconcile(
    account: OneAccount,
    preset: Preset = None,
    since: Since = None,
    until: Until = None,
    tolerance_pct: Annotated[float, typer.Option(help="Difference to tolerate, percent.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare the ad rows of each day with the account's own row; exit code 1 if they differ.

    Without days it is about the last 7 of them, today not included.
    """
    asked = _range(preset, since, until, "last_7d")
    with opened() as (warehouse, metrics), warehouse.connection() as connection:
        account_id, first, last = metrics.days_of(connection, account, asked)
        # By its text: Decimal(0.1) is not what was typed.
        rows = metrics.reconcile(connection, account_id, first, last, Decimal(str(tolerance_pct)))
    if as_json:
        write_json([asdict(row) for row in rows])
    else:
        amounts = ("ads", "account", "difference")
        shown = table("day", "status", *amounts, "why", right=amounts, whole=("day", "status"))
        for row in rows:
            numbers = (row.spend_ads, row.spend_account, row.spend_difference)
            cells = [cell(amount, "currency") for amount in numbers]
            add_row(shown, str(row.date_start), str(row.status), *cells, row.explanation)
        console.print(shown)
    # For cron: a day that differs must not pass in silence.
    if not all(row.is_ok for row in rows):
        raise typer.Exit(1)


@app.command()
def rates(file: Annotated[Path, typer.Argument(help="CSV: date,base,quote,rate.")]) -> None:
    """Load exchange rates for conversions into one currency."""
    from meta_pipeline.metrics.answers import exchange

    with opened() as (warehouse, _), warehouse.connection() as connection:
        count = exchange.load_rates(connection, exchange.read_rates(file), file.name)
    say(f"{count} rates are new or different.")


def _range(
    preset: str | None, since: str | None, until: str | None, otherwise: str
) -> str | tuple[date, date]:
    """The days that were typed, or a preset by name."""
    return days(since, until, preset) or preset or otherwise


def _filters(given: list[str]) -> dict[str, list[str]]:
    filters = {}
    for one in given:
        name, separator, values = one.partition("=")
        if not separator:
            raise typer.BadParameter(f"{one!r}: a filter is written name=value, as ad=1,2")
        filters[name] = values.split(",")
    return filters
