"""`meta-pipeline reports`: tables of insights that a file describes."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meta_pipeline.model.part import Part

from .database import opened_warehouse
from .selection import Accounts, EveryAccount
from .terminal.console import add_row, console, fail, say, styled, table, warn, write, write_json
from .terminal.options import AsJson, Since, Until
from .terminal.questions import confirmed

if TYPE_CHECKING:
    from meta_pipeline.custom_reports import CustomReport

app = typer.Typer(add_completion=False, name="reports", no_args_is_help=True)

File = Annotated[
    Path | None, typer.Option("--reports-file", help="Another file than META_REPORTS_FILE.")
]


@app.callback()
def about() -> None:
    """Custom reports: tables of insights that META_REPORTS_FILE describes."""


@app.command()
def validate(reports_file: File = None, as_json: AsJson = False) -> None:
    """Check the file: names, fields, breakdowns, and what goes together at Meta.

    Makes no call. Each problem is a sentence that says what to change. Exit code 1 where there is
    one.
    """
    reports = _loaded(reports_file)
    warnings = [(one.name, sentence) for one in reports for sentence in one.warnings()]
    if as_json:
        write_json(
            {
                "reports": [one.name for one in reports],
                "warnings": [{"report": name, "warning": told} for name, told in warnings],
            }
        )
        return
    for name, sentence in warnings:
        warn(f"{name}: {sentence}")
    say(styled("✓", "green"), f" {len(reports)} reports are sound.")


@app.command("list")
def list_reports(reports_file: File = None, as_json: AsJson = False) -> None:
    """List the reports of the file."""
    reports = _loaded(reports_file)
    if as_json:
        write_json([_facts(one) for one in reports])
        return
    shown = table(
        "report",
        "level",
        "rows of",
        "breakdowns",
        "fields",
        "accounts",
        right=("fields",),
        whole=("report", "fields"),
    )
    for one in reports:
        add_row(
            shown,
            one.name,
            one.level,
            _rows_of(one),
            ", ".join(one.breakdowns) or "-",
            str(len(one.fields)),
            ", ".join(one.accounts),
        )
    console.print(shown)


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="Print this one as YAML.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the presets; with a NAME print that one as YAML, to start a file with."""
    from meta_pipeline.custom_reports.presets import PRESETS, as_yaml, unknown_preset

    if name is not None and name not in PRESETS:
        raise typer.BadParameter(unknown_preset(name))
    if as_json:
        chosen = {key: dict(value) for key, value in PRESETS.items() if name in (None, key)}
        write_json(chosen)
        return
    if name is not None:
        write(as_yaml(name))
        return
    shown = table("preset", "what it shows", whole=("preset",))
    for key, values in PRESETS.items():
        add_row(shown, key, str(values["description"]))
    console.print(shown)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="REPORT", help="Name of the report.")],
    reports_file: File = None,
    as_json: AsJson = False,
) -> None:
    """Show a report and the columns of its table."""
    from meta_pipeline.custom_reports.columns import columns_of

    report = chosen(_loaded(reports_file), name)
    columns = columns_of(report)
    if as_json:
        listed = [
            {"name": one.name, "type": str(one.type), "comment": one.comment, "is_key": one.is_key}
            for one in columns
        ]
        write_json(_facts(report) | {"columns": listed, "warnings": list(report.warnings())})
        return
    words = f": {report.description}" if report.description else ""
    say(styled(report.name, "bold"), f"{words}. Table meta_ads.{report.table_name}.")
    say(f"Rows of {_rows_of(report)} at level {report.level}, read again {report.cadence} at most.")
    shown = table("column", "type", "key", "meaning", whole=("column", "type"))
    for one in columns:
        add_row(shown, one.name, str(one.type), "key" if one.is_key else "", one.comment)
    console.print(shown)
    for sentence in report.warnings():
        warn(sentence)


@app.command()
def backfill(
    name: Annotated[str, typer.Argument(metavar="REPORT", help="Name of the report.")],
    field: Annotated[str, typer.Option("--field", help="Field that was added to it later.")],
    account: Accounts = None,
    every: EveryAccount = False,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say the price, and read nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the records as JSON; with --dry-run the plans.")
    ] = False,
) -> None:
    """Read one field of a report for the days that were read before it had the field.

    Nothing else of these days is asked for, and what they have stays as it is. It says first what
    that costs; a day that is in is not read again, and the same command goes on where it was. Exit
    code as `sync`.
    """
    from .selection import chosen as chosen_accounts
    from .sync.backfill import say_price
    from .sync.plan import Priced
    from .sync.syncs import run
    from .sync.wanted import Wanted, opened_engine

    # A price changes nothing, the schema neither.
    with opened_engine(migrates=not dry_run) as (settings, engine):
        report = chosen(engine.extras.reports, name)
        late = engine.late_field(report, field, makes_column=not dry_run)
        # Without a table every day is still to be read, with all fields.
        if late is None:
            raise typer.BadParameter(f"Report {name} has no field {field!r}, or no table yet")
        typed = Wanted.of(since, until, only=[Part.REPORTS], report=[name], reason="backfill")
        wanted = replace(typed, late_field=late)
        ids = chosen_accounts(engine, settings, account, every=every or not account)
        read = [one for one in ids if report.is_for(one)]
        priced = [Priced.of(engine, wanted, account_id) for account_id in read]
        if not as_json:
            say_price(priced)
        if dry_run:
            if as_json:
                write_json([one.facts() for one in priced])
            return
        # Without this an account that has it all would be a sync that does nothing, in the records
        # too.
        due = [one.plan.account_id for one in priced if not one.plan.is_empty]
        code = run(engine, wanted, due, as_json=as_json, is_one=False) if due or as_json else 0
    raise typer.Exit(code)


@app.command()
def drop(
    name: Annotated[str, typer.Argument(metavar="REPORT", help="Name of the report.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Drop the table of a report and what is known of its days: it is read anew, or never again.

    A report that still stands in the file is made anew by the next sync that reads it.
    """
    with opened_warehouse(writes=True) as (_, warehouse):
        if name not in warehouse.report_tables.known():
            raise typer.BadParameter(f"No report {name!r} has a table")
        question = f"Drop meta_ads.report_{name} with all its rows?"
        nobody = "Nothing was dropped: nobody answered. --yes answers for you."
        if not yes and not confirmed(question, nobody, err=True):
            fail("Nothing was dropped.")
        rows = warehouse.report_tables.drop(name)
    say(f"meta_ads.report_{name} is gone, with {rows:,} rows.")


def chosen(reports: "tuple[CustomReport, ...]", name: str) -> "CustomReport":
    """The report of that name; wrong usage says which there are."""
    for one in reports:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in reports) or "none"
    raise typer.BadParameter(f"There is no report {name!r}; the file has {known}")


def _loaded(path: Path | None) -> "tuple[CustomReport, ...]":
    from meta_pipeline.custom_reports import load
    from meta_pipeline.settings import Settings

    used = path or Settings.load().reports_file
    if used is None:
        fail(
            "META_REPORTS_FILE is not set, and no --reports-file was given. Start one with: "
            "meta-pipeline reports presets age_gender > reports.yaml"
        )
    return load(used)


def _rows_of(report: "CustomReport") -> str:
    """`a day`, `a week`, ... as the table shows it."""
    named = {1: "a day", 7: "a week", "monthly": "a month"}
    return named.get(report.time_increment, f"{report.covered_days} days")


def _facts(report: "CustomReport") -> dict[str, Any]:
    return report.model_dump(mode="json") | {"table": f"meta_ads.{report.table_name}"}
