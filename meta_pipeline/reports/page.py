"""Page: the report as one HTML file that needs nothing else: no scripts, no requests, no fonts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from meta_pipeline.settings import Settings

from .answer import TOTAL, QuestionRows
from .finding import Finding
from .plots import plot
from .report import Report
from .words import cell, heading, is_number, number

_STYLE = Path(__file__).with_name("page.css")
_LONG = 60
"""Characters from which a cell gets room to wrap."""

_GLANCE = ("usage_over_time", "time_by_phase", "cost_per_account", "throttled_syncs", "freshness")
"""The plots shown first, before the questions one by one."""


def render(
    report: Report, *, generated_at: datetime, thresholds: Mapping[str, float] | None = None
) -> str:
    """The whole page. `thresholds` in percent by name are lines of the usage plot."""
    lines = dict(thresholds or {})
    days = "day" if report.days == 1 else f"{number(report.days)} days"
    title = f"Meta Ads operations, last {days}"
    drawn = "".join(_question(one, lines) for one in report.answers.values())
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title><style>{_STYLE.read_text(encoding='utf-8')}</style>",
            f"</head><body>{_header(report, title, generated_at)}<main>",
            _findings(report.findings),
            _glance(report, lines),
            f'<h2 id="questions">All questions</h2>{drawn}',
            f"</main>{_FOOTER}</body></html>\n",
        )
    )


def write(path: Path, page: str) -> Path:
    """Put the page at `path` in one step: whoever opens it sees the old one or the new one.

    Raises OSError when it cannot be written; then nothing is left beside it.
    """
    whole = path.expanduser().absolute()
    # In the same folder: only within one file system is a rename one step.
    made = whole.with_name(f".{whole.name}.{secrets.token_hex(4)}")
    try:
        made.write_text(page, encoding="utf-8")
        made.replace(whole)
    finally:
        made.unlink(missing_ok=True)
    return whole


def thresholds_of(settings: Settings) -> dict[str, float]:
    """The governor's thresholds in percent, by the names the usage plot shows."""
    return {
        "app stops at": settings.app_usage_stop_pct,
        "account stops at": settings.account_usage_stop_pct,
        "can wait from": settings.insights_usage_stop_pct,
    }


_FOOTER = (
    "<footer><p>Every query runs as it stands in psql; "
    "<code>SET meta_ads.report_days = 30;</code> chooses another period. Times are UTC. "
    "Weighted cost counts a plain call as 1 and others by the shape of their query.</p></footer>"
)


def _header(report: Report, title: str, generated_at: datetime) -> str:
    banner = (
        '<p class="banner" role="note">Simulated data: it came from a Graph API that is not '
        "Meta's.</p>"
        if report.is_simulated
        else ""
    )
    tiles = "".join(
        f"<li><b>{escape(cell(value))}</b><span>{escape(name)}</span></li>"
        for name, value in _totals(report.answers)
    )
    return (
        f"<header><h1>{escape(title)}</h1>"
        f'<div class="soft">{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC · '
        f"generated {generated_at:%Y-%m-%d %H:%M:%S} UTC</div>{banner}"
        f'<ul class="tiles">{tiles}</ul>'
        f'<nav aria-label="Sections"><a href="#answers">Answers</a><a href="#plots">Plots</a>'
        f'<a href="#questions">All questions</a></nav></header>'
    )


def _totals(answers: Mapping[str, QuestionRows]) -> Iterator[tuple[str, Any]]:
    if "freshness" in answers:
        yield "ad accounts", len(answers["freshness"].rows)
    if "sync_outcomes" in answers:
        yield "syncs", answers["sync_outcomes"].observations
    if "throttle_envelope" in answers:
        envelope = answers["throttle_envelope"]
        yield "Graph API calls", envelope.observations
        yield "calls refused", int(sum(envelope.column("throttled_calls")))
    if "cost_per_account" in answers:
        yield "weighted cost", round(sum(answers["cost_per_account"].column("weighted_cost")))
    if "usage_over_time" in answers:
        usage = answers["usage_over_time"].column("usage_pct")
        yield "highest usage", f"{number(max(usage))} %" if usage else None


def _findings(findings: list[Finding]) -> str:
    cards = "".join(
        f'<div class="card"><h3>{escape(one.title)}</h3>'
        f'<div class="question">{escape(one.question)}</div>'
        f"<p{'' if one.is_enough else ' class=few'}>{escape(one.words)}</p>"
        f'<div class="basis">{one.observations:,} observations · '
        f'<a href="#{one.key}">numbers and query</a></div></div>'
        for one in findings
    )
    return f'<h2 id="answers">Answers</h2><div class="findings">{cards}</div>' if cards else ""


def _glance(report: Report, thresholds: Mapping[str, float]) -> str:
    shown = [report.answers[key] for key in _GLANCE if key in report.answers]
    drawn = ""
    for one in shown:
        note = f'<p class="few">{escape(one.note)}</p>' if one.note else ""
        picture = plot(one, thresholds) or note or "<p>Nothing to draw: all values are zero.</p>"
        drawn += f"<section><h3>{escape(one.question.title)}</h3>{picture}</section>"
    return f'<h2 id="plots">Plots</h2>{drawn}' if drawn else ""


def _question(answer: QuestionRows, thresholds: Mapping[str, float]) -> str:
    asked = answer.question
    # It stands above already.
    picture = "" if asked.key in _GLANCE else plot(answer, thresholds)
    shown = f'<p class="few">{escape(answer.note)}</p>' if answer.note else picture + _table(answer)
    meanings = "".join(
        f"<dt>{escape(heading(name))}</dt><dd>{escape(meaning)}</dd>"
        for name, meaning in asked.columns.items()
    )
    return (
        f'<section id="{asked.key}"><h3>{escape(asked.title)}</h3><p>{escape(asked.words)} '
        f"({answer.observations:,} observations)</p>{shown}"
        f"<details><summary>What the columns mean</summary><dl>{meanings}</dl></details>"
        f"<details><summary>Query</summary><pre>{escape(asked.sql)}</pre></details></section>"
    )


# The page is opened on phones, too; with a thousand accounts each table would be a thousand rows.
_ROWS = 60


def _table(answer: QuestionRows) -> str:
    heads = rows = ""
    for n, name in enumerate(answer.columns):
        kind = ' class="number"' if any(is_number(row[n]) for row in answer.rows) else ""
        meaning = escape(answer.question.columns.get(name, ""))
        heads += f'<th scope="col"{kind} title="{meaning}">{escape(heading(name))}</th>'
    for row in answer.rows[:_ROWS]:
        kind = ' class="total"' if str(row[0]).startswith(TOTAL) else ""
        rows += f"<tr{kind}>{''.join(_cell(value) for value in row)}</tr>"
    more = len(answer.rows) - _ROWS
    rest = f"<p>and {more:,} more rows: run the query to see them.</p>" if more > 0 else ""
    return (
        f'<div class="table" tabindex="0"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{rest}"
    )


def _cell(value: Any) -> str:
    text = cell(value)
    kind = ' class="number"' if is_number(value) else ""
    kind = ' class="long"' if len(text) >= _LONG else kind
    return f"<td{kind}>{escape(text)}</td>"
