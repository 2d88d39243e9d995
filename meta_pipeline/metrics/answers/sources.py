"""Sources: the fastest tables that have an answer, each for some of the accounts."""

from __future__ import annotations

from typing import Any, TypeAlias

from psycopg import Connection

from meta_pipeline.metrics.definitions.definition import DEFAULT_WINDOW
from meta_pipeline.metrics.errors import ImpossibleQuestion
from meta_pipeline.metrics.once import once_each
from meta_pipeline.metrics.source import (
    CELLS_OF,
    Rows,
    Source,
    breakdown,
    daily,
    finest,
    hourly,
    rollup,
)
from meta_pipeline.metrics.stale_days import days_behind
from meta_pipeline.words import times

from . import statement
from .goals import changed_goals
from .question import Question, as_arrays, rows_of_each, sync_command

_EACH = """
    unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[])
        AS asked (account_id, since, until)
"""
# From the ledger: cells are the most rows there are. Of a day whose breakdown Meta refused it has
# none, and those of fewer breakdowns under their own name.
_CELLS = f"""
    SELECT DISTINCT asked.account_id, substr(f.dataset, length('{CELLS_OF}') + 1)
    FROM {_EACH}
    JOIN meta_ads.sync_windows AS f ON {statement.OF_ASKED}
    WHERE starts_with(f.dataset, '{CELLS_OF}') AND (f.rows > 0 OR f.kept_rows > 0)
"""
# Newest first, by index: of an account that has the window at all some row has it soon.
_HAVING = f"""
    SELECT asked.account_id
    FROM {_EACH}
    CROSS JOIN LATERAL (
        SELECT FROM {{source.table}} AS f
        WHERE {statement.OF_ASKED} AND {{source.condition}} AND f.actions @? %(path)s::jsonpath
        ORDER BY f.date_start DESC LIMIT 1
    ) AS found
"""
_ACTIONS = f"""
    SELECT asked.account_id, count(*)
    FROM {_EACH}
    JOIN {{source.table}} AS f ON {statement.OF_ASKED}
    WHERE {{source.condition}} AND jsonb_array_length(f.actions) > 0
    GROUP BY asked.account_id
"""

Sources: TypeAlias = list[tuple[Question, Source]]
"""Where rows are read from, and the question about the accounts that are read there."""


def choose_sources(connection: Connection[Any], question: Question) -> tuple[Sources, list[str]]:
    """The fastest tables that have the answer, each for some accounts, and what to say of them."""
    grouped = question.grouping
    # From the narrowest source to the widest: hours and cells are kept in their own tables only.
    if "hour" in grouped.by:
        return [(question, hourly())], []
    if grouped.breakdowns:
        source, notes = _breakdown_source(connection, question)
        return [(question, source)], notes
    # Rollups hold the default window's conversions and no other.
    if question.attribution != DEFAULT_WINDOW:
        return [(question, daily("ad"))], []
    behind = _days_behind(connection, question)
    # Of a fleet some account was always read a moment ago: the others do not wait for its rollup.
    ahead = question.of(set(question.account_ids) - set(behind))
    sources: Sources = []
    if ahead.accounts:
        # Which part of an amount has results is known of an ad set; of spend its campaign knows it
        # too.
        goals = ["adset"] if ahead.parts_by_goal - {"spend"} else []
        sources.append((ahead, rollup(finest([*grouped.levels, *goals, "account"]))))
    if not behind:
        return sources, []
    whose = f" of {times(len(behind), 'account')}" if sources else ""
    sources.append((question.of(behind), daily("ad")))
    days = sum(behind.values())
    return sources, [
        f"The rollup{whose} is {times(days, 'day')} behind: read from the insight rows, slower."
    ]


def _days_behind(connection: Connection[Any], question: Question) -> dict[str, int]:
    """Of each account that has some: days whose rollups are missing, old or of another goal."""
    version = question.dictionary.version
    asked = [(one, version(one), since, until) for one, since, until in question.asked]
    behind = once_each(connection, "days behind", asked, lambda some: days_behind(connection, some))
    counts = {one[0]: days for one, days in behind.items()}
    if question.by_goal:
        changed = changed_goals(connection, question)
        stale = once_each(
            connection,
            "stale days",
            [one for one in asked if one[0] in changed],
            lambda some: days_behind(connection, some, by_goal=True),
        )
        counts |= {one[0]: days for one, days in stale.items()}
    return {account_id: days for account_id, days in counts.items() if days}


def _breakdown_source(connection: Connection[Any], question: Question) -> tuple[Source, list[str]]:
    """Cells of exactly these breakdowns, or of more of them, added up."""
    wanted = set(question.grouping.breakdowns)
    cells = once_each(
        connection,
        "cells",
        question.asked,
        lambda some: rows_of_each(some, connection.execute(_CELLS, as_arrays(some))),
    )
    kept = {names for of_account in cells.values() for (names,) in of_account}
    # The fewest breakdowns are the fewest rows.
    fits = [(len(one.split(",")), one) for one in kept if wanted <= set(one.split(","))]
    if not fits:
        raise ImpossibleQuestion(
            f"No rows by {', '.join(sorted(wanted))} are kept for these days"
            + (f" (there are: {'; '.join(sorted(kept))})" if kept else "")
            + ". Fetch them: "
            + sync_command(
                question.account_ids, question.period, "--breakdown", ",".join(sorted(wanted))
            )
        )
    _, names = min(fits)
    note = [] if set(names.split(",")) == wanted else [f"Added up from the cells of {names}."]
    return breakdown("ad", names), note


def check_window_kept(connection: Connection[Any], question: Question, source: Source) -> None:
    """A window that was never asked for looks like zero everywhere: refuse it."""
    if question.attribution == DEFAULT_WINDOW or source.rows is Rows.ROLLUP:
        return
    if any(_of_each(connection, question, source, _HAVING)):
        return
    counted = _of_each(connection, question, source, _ACTIONS)
    with_actions = sum(count for found in counted for (count,) in found)
    if with_actions:
        raise ImpossibleQuestion(
            f"None of the {with_actions} rows with actions has the window {question.attribution}: "
            "it was not asked for, so it is unknown, not zero. Add it to META_ATTRIBUTION_WINDOWS, "
            "then read these days again: "
            + sync_command(question.account_ids, question.period, "--force")
        )


def _of_each(
    connection: Connection[Any], question: Question, source: Source, text: str
) -> list[list[tuple[Any, ...]]]:
    """Of each account the rows of `text` about the source and the attribution window."""
    text = text.format(source=source)
    path = {"path": f'$[*]."{question.attribution}"'}
    found = once_each(
        connection,
        f"{question.attribution} by {text}",
        question.asked,
        lambda some: rows_of_each(some, connection.execute(text, as_arrays(some) | path)),
    )
    return [*found.values()]
