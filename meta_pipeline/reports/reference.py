"""Reference: docs/reports.md, every question with its query and a sample answer.

python -m meta_pipeline.reports.reference DATABASE_URL > docs/reports.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from meta_pipeline.warehouse import Warehouse
from meta_pipeline.words import shortened, times

from .answer import QuestionRows
from .report import Report, make_report
from .words import cell, heading, is_number

# They show what a row looks like; the page is about the questions.
_SAMPLE_ROWS = 5
_LONGEST = 90
_INTRODUCTION = """\
# Reports

`meta-pipeline report` answers the questions below from `meta_api_logs` and `sync_runs`, in the
terminal, as `--json`, or as one self-contained page with plots: `--html report.html`. `--days 30`
chooses the period, `--question latency` one question, `--sql` shows the queries.

Each question is one `.sql` file and runs in psql as it stands:

```
SET meta_ads.report_days = 30;   -- 7 when not set
\\i meta_pipeline/reports/sql/latency.sql
```

Every answer carries `observations`, what it rests on. Below its minimum the report says "not enough
data" instead of a number. Queries read hourly totals (`meta_api_hours`, kept by a trigger in the
transaction that logs a call), so that ten million calls make no difference; see
[observability](observability.md) for retention and figures.

In Dagster, asset `meta/operations_report` asks all of them every day: its metadata has each answer
in a sentence, and with `META_REPORT_FILE=/srv/www/report.html` the page is written there. See
[dagster.md](dagster.md).

The samples are simulated data.
"""


def page(report: Report) -> str:
    """The page as Markdown; the report's rows are its samples."""
    sections = (_section(answer) for answer in report.answers.values())
    return "\n".join((_INTRODUCTION, *sections))


def _section(answer: QuestionRows) -> str:
    asked = answer.question
    file = f"meta_pipeline/reports/sql/{asked.key}.sql"
    return "\n".join(
        (
            f"## {asked.title}",
            "",
            f"{asked.words} At least {times(asked.minimum, 'observation')}. [`{file}`](../{file})",
            "",
            *(f"- **{name}**: {meaning}" for name, meaning in asked.columns.items()),
            "",
            *_sample(answer),
            "",
            "<details><summary>Query</summary>",
            "",
            "```sql",
            asked.sql,
            "```",
            "</details>",
            "",
        )
    )


def _sample(answer: QuestionRows) -> Iterator[str]:
    if answer.note:
        yield answer.note
        return
    shown = answer.rows[:_SAMPLE_ROWS]
    yield _line(heading(name) for name in answer.columns)
    yield _line(
        "---:" if any(is_number(row[n]) for row in shown) else "---"
        for n in range(len(answer.columns))
    )
    for row in shown:
        # An error of Meta's can be a paragraph, and a Markdown table has no line breaks.
        yield _line(shortened(cell(value), _LONGEST + 1) for value in row)


def _line(cells: Iterator[str]) -> str:
    return f"| {' | '.join(one.replace('|', '/') for one in cells)} |"


if __name__ == "__main__":
    with Warehouse(sys.argv[1]) as _warehouse:
        sys.stdout.write(page(make_report(_warehouse)))
