"""`meta-pipeline report`: what the API log and the syncs say, in the terminal or as one page."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse

from .console import console, explained, fail
from .database import DemoOption, chosen_database

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from meta_pipeline.reports import Answer, Question, Report

Days = Annotated[float, typer.Option(min=0.01, max=3650, help="Length of the period in days.")]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write one self-contained page to this file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--question", "-q", help="Answer only this question; may be repeated."),
]
ListThem = Annotated[bool, typer.Option("--list", help="List the questions and answer none.")]
ShowQuery = Annotated[bool, typer.Option("--sql", help="Show each query above its answer.")]

_ROWS = 20
_SENTENCES = ("last_reason", "waiting_for")
"""Columns that are sentences: a table has no room for them, so they are printed below it."""


def report(
    days: Days = 7,
    html: Html = None,
    as_json: AsJson = False,
    question: Only = None,
    list_them: ListThem = False,
    sql: ShowQuery = False,
    demo: DemoOption = False,
) -> None:
    """Answer the operational questions: limits, time, throttling, cost, latency, freshness.

    Every answer says how many observations it rests on, and says so when they are too few.
    """
    from meta_pipeline.reports import make_report, questions

    chosen = _chosen(question)
    if list_them:
        for one in questions():
            console.print(f"[bold]{one.key:<20}[/bold] {one.words}", soft_wrap=True)
        return
    settings = Settings.load()
    with explained(), chosen_database(settings, demo=demo) as url, Warehouse(url) as warehouse:
        warehouse.migrate()
        made = make_report(warehouse, days=days, only=chosen)
    if html is not None:
        _write(html, made, settings)
    elif as_json:
        typer.echo(json.dumps(made.document(), default=_plain, indent=2))
    else:
        _print(made, with_sql=sql, with_findings=chosen is None)


def _chosen(keys: list[str] | None) -> "list[Question] | None":
    from meta_pipeline.reports import questions

    known = {one.key: one for one in questions()}
    unknown = [key for key in keys or () if key not in known]
    if unknown:
        fail(f"No such question: {', '.join(unknown)}. There are {', '.join(known)}.", code=2)
    return [known[key] for key in keys] if keys else None


def _write(path: Path, made: "Report", settings: Settings) -> None:
    from meta_pipeline.reports.page import render, thresholds_of, write

    page = render(made, generated_at=datetime.now(UTC), thresholds=thresholds_of(settings))
    try:
        written = write(path, page)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}. Choose another file with --html.")
    console.print(f"Wrote {written}", soft_wrap=True)


def _print(made: "Report", *, with_sql: bool, with_findings: bool) -> None:
    if made.is_simulated:
        console.print("[yellow]Simulated data: it came from a Graph API that is not Meta's.[/]")
    console.print(f"{made.since:%Y-%m-%d %H:%M} to {made.until:%Y-%m-%d %H:%M} UTC\n")
    if with_findings:
        for one in made.findings:
            mark = "" if one.is_enough else "[yellow]![/] "
            console.print(f"[bold]{one.title}[/bold]  {mark}{escape(one.words)}", soft_wrap=True)
    for answer in made.answers.values():
        console.print()
        if with_sql:
            console.print(f"[dim]{escape(answer.question.sql)}[/dim]\n", soft_wrap=True)
        _print_answer(answer)


def _print_answer(answer: "Answer") -> None:
    asked = answer.question
    about = f"{asked.words} ({answer.observations:,} observations)"
    if answer.note:
        console.print(f"[bold]{asked.title}[/bold]\n[dim]{about}[/dim]\n{escape(answer.note)}")
        return
    console.print(_table(answer, f"[bold]{asked.title}[/bold]\n[dim]{about}[/dim]"))
    for row in answer.records()[:_ROWS]:
        who = next(iter(row.values()))
        for name in _SENTENCES:
            if row.get(name):
                console.print(f"[dim]{escape(f'{who}: {row[name]}')}[/dim]", soft_wrap=True)
    more = len(answer.rows) - _ROWS
    if more > 0:
        console.print(f"[dim]and {more:,} more rows; --json and --html have them[/dim]")


def _table(answer: "Answer", title: str) -> Table:
    from meta_pipeline.reports.words import cell, heading, is_number

    table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False)
    shown = answer.rows[:_ROWS]
    hidden = ("observations", *_SENTENCES)
    wanted = [n for n, name in enumerate(answer.columns) if name not in hidden]
    for n in wanted:
        right = any(is_number(row[n]) for row in shown)
        name = heading(answer.columns[n])
        justify: JustifyMethod = "right" if right else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=right)
    for row in shown:
        table.add_row(*(escape(cell(row[n])) for n in wanted))
    return table


def _plain(value: object) -> object:
    """Numbers of Postgres as JSON numbers, moments as ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value)
