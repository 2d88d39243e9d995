"""`meta-pipeline ask`: a question in plain words, answered from the warehouse alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .database import opened_warehouse
from .metrics.answers import Format, as_table, formatted, heading, say_days, say_definitions
from .terminal.console import (
    console,
    errors,
    say,
    say_more,
    styled,
    warn,
    write_csv,
    write_json,
)
from .terminal.options import Accounts, AsJson, Limit

if TYPE_CHECKING:
    from meta_pipeline.copilot import Answer

Question = Annotated[
    list[str],
    typer.Argument(
        metavar="QUESTION", help="The question, such as: spend last week by campaign for 2EZi"
    ),
]
Output = Annotated[Format, typer.Option("--format", "-o", help="table, csv or json.")]
_SHOWN = 30


def ask(
    question: Question,
    account: Accounts = None,
    limit: Limit = _SHOWN,
    output: Output = Format.TABLE,
    as_json: AsJson = False,
) -> None:
    """Answer a question in plain words: metrics, comparisons, rankings, status, why.

    It says how it read the question. What it does not understand it refuses, what has two readings
    it asks back; no metric is ever guessed. Nothing is changed and Meta is not asked.

    Exit code: 0, 1 asked back, refused or no database, 3 the database had no answer in time.
    """
    from meta_pipeline.copilot import MAX_ROWS, Outcome
    from meta_pipeline.copilot import ask as answered

    wanted = formatted(output, as_json=as_json)
    with opened_warehouse(asks=True) as (_, warehouse):
        rows = min(limit, MAX_ROWS) if wanted is Format.TABLE else MAX_ROWS
        answer = answered(warehouse, " ".join(question), account=account, limit=rows)
        rest = answer
        # A file is read by a program, which wants all of it; a person wants the top.
        while wanted is not Format.TABLE and rest.next_cursor:
            rest = answered(warehouse, " ".join(question), account=account, cursor=rest.next_cursor)
            answer.rows += rest.rows
            answer.next_cursor = None
    if wanted is Format.JSON:
        write_json(answer.model_dump(mode="json"))
    elif answer.outcome is Outcome.ANSWERED:
        _show(answer, wanted)
    else:
        _say_why_not(answer)
    # A script must be able to tell a number from a question back.
    if answer.outcome is not Outcome.ANSWERED:
        raise typer.Exit(1)


def _show(answer: Answer, wanted: Format) -> None:
    """The rows on standard output, how the question was read and what to know besides."""
    if wanted is Format.CSV:
        write_csv(answer.columns, ({n: row.get(n) for n in answer.columns} for row in answer.rows))
        # To the other stream: standard output is the file.
        warn(f"Read as: {answer.reading}")
    else:
        say(styled(f"Read as: {answer.reading}", "dim"))
        if answer.message:
            say(answer.message)
        if answer.rows:
            say()
            about = answer.provenance
            units, currency = (about.units, about.currency) if about else ({}, None)
            headings = {name: heading(name, units.get(name), currency) for name in answer.columns}
            rows = ([row.get(name) for name in headings] for row in answer.rows)
            console.print(as_table(headings, units, rows))
            say_more(answer.row_count - len(answer.rows), f"--limit {answer.row_count} shows them")
        _say_provenance(answer)
    for note in answer.notes:
        warn(note)


def _say_provenance(answer: Answer) -> None:
    about = answer.provenance
    if about is None:
        return
    if about.since:
        say_days(about.since, about.until, about.timezone, about.data_as_of)
    say_definitions(about.formulas, about.overrides)
    edits = answer.asked.get("edits") or []
    if edits:
        say(styled(f"{len(edits)} edits in these days: --json has them", "dim"))
    if about.is_simulated:
        say(styled("Simulated data.", "yellow"))


def _say_why_not(answer: Answer) -> None:
    say(styled("?", "yellow"), f" {answer.message}", to=errors)
    for choice in answer.choices:
        say(f"  {choice.say}", styled(f"  {choice.label}", "dim"), to=errors)
    if answer.near:
        say(f"  Near: {', '.join(answer.near)}", to=errors)
