"""`meta-pipeline report`: what the API log and the syncs say, in the terminal or as one page."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .database import opened_warehouse
from .terminal.console import (
    SIMULATED,
    add_row,
    console,
    fail,
    say,
    say_more,
    styled,
    table,
    write_json,
)
from .terminal.options import AsJson, Limit

if TYPE_CHECKING:
    from meta_pipeline.reports import Question, QuestionRows, Report
    from meta_pipeline.settings import Settings

    from .terminal.sheet import Sheet

# Sixteen questions are answered below each other.
_ROWS = 20
Days = Annotated[float, typer.Option(min=0.01, max=3650, help="Length of the period in days.")]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write one self-contained page to this file.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--question", "-q", help="Answer only this question; may be repeated."),
]
ListThem = Annotated[bool, typer.Option("--list", help="List the questions and answer none.")]
ShowQuery = Annotated[bool, typer.Option("--sql", help="Show each query above its answer.")]

_SENTENCES = ("last_reason", "waiting_for")
"""Columns that are sentences: a table has no room for them, so they are printed below it."""


def report(
    days: Days = 7,
    html: Html = None,
    as_json: AsJson = False,
    limit: Limit = _ROWS,
    question: Only = None,
    list_them: ListThem = False,
    sql: ShowQuery = False,
) -> None:
    """Answer the operational questions: limits, time, throttling, cost, latency, freshness.

    Every answer says how many observations it rests on, and says so when they are too few.
    Exit code: 0, 1 no database or one of another version, 3 cannot tell: the database did not
    answer in time.
    """
    from meta_pipeline.reports import make_report, questions

    # Before the database is opened: a misspelt question is wrong usage.
    chosen = _chosen(question)
    if list_them:
        for one in questions():
            say(styled(f"{one.key:<20}", "bold"), f" {one.words}")
        return
    with opened_warehouse() as (settings, warehouse):
        made = make_report(warehouse, days=days, only=chosen)
    if html is not None:
        _write(html, made, settings)
    elif as_json:
        write_json(made.document(), default=_plain)
    else:
        _print(made, limit, with_sql=sql, with_findings=chosen is None)


def _chosen(keys: list[str] | None) -> "list[Question] | None":
    from meta_pipeline.reports import questions

    known = {one.key: one for one in questions()}
    unknown = [key for key in keys or () if key not in known]
    if unknown:
        fail(f"No such question: {', '.join(unknown)}. There are {', '.join(known)}.", code=2)
    return [known[key] for key in keys] if keys else None


def _write(path: Path, made: "Report", settings: "Settings") -> None:
    from meta_pipeline.reports.page import render, thresholds_of, write

    page = render(made, generated_at=datetime.now(UTC), thresholds=thresholds_of(settings))
    try:
        written = write(path, page)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}. Choose another file with --html.")
    say(f"Wrote {written}")


def _print(made: "Report", limit: int, *, with_sql: bool, with_findings: bool) -> None:
    if made.is_simulated:
        say(styled(SIMULATED, "yellow"))
    say(f"{made.since:%Y-%m-%d %H:%M} to {made.until:%Y-%m-%d %H:%M} UTC")
    say()
    if with_findings:
        for one in made.findings:
            mark = None if one.is_enough else styled("! ", "yellow")
            say(styled(one.title, "bold"), "  ", mark, one.words)
    for answer in made.answers.values():
        say()
        if with_sql:
            say(styled(f"{answer.question.sql}\n", "dim"))
        _print_answer(answer, limit)


def _print_answer(answer: "QuestionRows", limit: int) -> None:
    asked = answer.question
    about = f"{asked.words} ({answer.observations:,} observations)"
    say(styled(asked.title, "bold"))
    say(styled(about, "dim"))
    if answer.note:
        say(answer.note)
        return
    console.print(_table(answer, limit))
    for row in answer.records()[:limit]:
        who = next(iter(row.values()))
        for name in _SENTENCES:
            if row.get(name):
                say(styled(f"{who}: {row[name]}", "dim"))
    left = len(answer.rows) - min(limit, len(answer.rows))
    say_more(left, f"-q {asked.key} --limit {len(answer.rows)}, --json or --html show them")


def _table(answer: "QuestionRows", limit: int) -> "Sheet":
    from meta_pipeline.reports.words import cell, heading, is_number

    shown = answer.rows[:limit]
    # Said once above the table.
    hidden = ("observations", *_SENTENCES)
    wanted = [n for n, name in enumerate(answer.columns) if name not in hidden]
    headings = {n: heading(answer.columns[n]) for n in wanted}
    numbers = [headings[n] for n in wanted if any(is_number(row[n]) for row in shown)]
    whole = [
        headings[n]
        for n in wanted
        if answer.columns[n].endswith("_id") or any(isinstance(row[n], date) for row in shown)
    ]
    sheet = table(*headings.values(), right=numbers, whole=whole)
    for row in shown:
        add_row(sheet, *(cell(row[n]) for n in wanted))
    return sheet


def _plain(value: object) -> object:
    """Numbers of Postgres as JSON numbers, moments as ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value)
