"""Tables at every width: each number and id is whole in its line, each name is all there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from meta_pipeline import commands
from meta_pipeline.commands import report, status
from meta_pipeline.commands.check import check
from meta_pipeline.commands.check.finding import CheckFinding
from meta_pipeline.commands.metrics import answers
from meta_pipeline.commands.terminal.console import add_row, table
from meta_pipeline.commands.terminal.sheet import Sheet
from meta_pipeline.local.summary import Effort, summary_table
from meta_pipeline.reports.answer import QuestionRows
from meta_pipeline.reports.status import AccountStatus
from meta_pipeline.warehouse import AccountHealth

WIDTHS = (60, 80, 120, 200)
HUGE = 123_456_789_012
LONG = "Nordwind Shop International Performance Marketing and Retargeting (Europe, Middle East)"
WIDE = "株式会社日本広告代理店ノルドウィンドショップ東京本社マーケティング統括部第二営業課"
IDS = ("act_1234567890123456", "act_9999999999999999")


def rendered(shown: Any, width: int) -> str:
    out = StringIO()
    Console(file=out, width=width, markup=False, emoji=False, highlight=False).print(shown)
    return out.getvalue()


def _status() -> tuple[Sheet, list[str]]:
    facts = {
        "staleness": "never",
        "staleness_seconds": None,
        "is_accessible": True,
        "is_running": False,
        "last_status": None,
        "waiting_for": None,
        "campaigns": HUGE,
        "adsets": 0,
        "ads": 0,
        "insight_rows": HUGE,
        "newest_insight_day": date(2026, 11, 28),
        "insight_days_fetched": 1234,
        "insight_days_missing": 567,
        "usage_pct": 100,
    }
    accounts = [
        AccountStatus(facts | {"account_id": one, "name": name})
        for one, name in zip(IDS, (LONG, WIDE), strict=True)
    ]
    whole = [*IDS, "123,456,789,012", "2026-11-28", "1,234, 567 missing", "100 %", "never"]
    return status._table(accounts), whole


def _summary() -> tuple[Sheet, list[str]]:
    health = [
        SimpleNamespace(
            account_id=one,
            name=name,
            staleness_seconds=90.0,
            campaigns=HUGE,
            adsets=0,
            ads=0,
            active=HUGE,
            insight_rows=HUGE,
        )
        for one, name in zip(IDS, (LONG, WIDE), strict=True)
    ]
    found: list[AccountHealth] = health  # type: ignore[assignment]
    shown = summary_table(found, {one: Effort(HUGE, 1234567.8) for one in IDS})
    return shown, [*IDS, "123,456,789,012", "246,913,578,024", "2,469,136 s"]


def test_what_the_demo_ends_with_is_a_line_for_each_account_at_80_columns() -> None:
    health = SimpleNamespace(
        account_id=IDS[0],
        name="2EZi",
        staleness_seconds=3,
        campaigns=49,
        adsets=231,
        ads=749,
        insight_rows=11_015,
    )
    found: list[AccountHealth] = [health]  # type: ignore[list-item]
    lines = rendered(summary_table(found, {IDS[0]: Effort(14, 23.5)}), 80).splitlines()
    assert len(lines) == 3, "headings, the account, all together"


def _answer() -> tuple[Sheet, list[str]]:
    frame = pd.DataFrame(
        {
            "account_id": IDS,
            "campaign_name": (LONG, WIDE),
            "spend": (Decimal("98765432109.87"), Decimal(1)),
            "impressions": (HUGE, 1),
        }
    )
    units = {"spend": "currency", "impressions": "count"}
    headings = {name: answers.heading(name, units.get(name), "JPY") for name in frame.columns}
    shown = answers.as_table(headings, units, frame.itertuples(index=False, name=None))
    return shown, [*IDS, "98,765,432,109.87", "123,456,789,012"]


def _records() -> tuple[Sheet, list[str]]:
    rows = [
        {"happened_at": "2026-11-28 20:15:00", "entity_id": one, "entity_name": name, "rows": HUGE}
        for one, name in zip(IDS, (LONG, WIDE), strict=True)
    ]
    units = {"happened_at": None, "entity_id": None, "entity_name": None, "rows": "count"}
    headings = {name: answers.heading(name, unit) for name, unit in units.items()}
    shown = answers.as_table(headings, units, (one.values() for one in rows))
    return shown, [*IDS, "2026-11-28 20:15:00", "123,456,789,012"]


def _report() -> tuple[Sheet, list[str]]:
    row = (LONG, HUGE, 98.76, datetime(2026, 11, 28, 20, 15, tzinfo=UTC), HUGE)
    names = ("name", "calls", "usage_pct", "started_at", "rows")
    answer: QuestionRows = SimpleNamespace(columns=names, rows=[row, (WIDE, *row[1:])])  # type: ignore[assignment]
    return report._table(answer, 20), ["123,456,789,012", "98.76", "2026-11-28 20:15:00"]


def _plain() -> tuple[Sheet, list[str]]:
    numbers = [f"n{number}" for number in range(6)]
    shown = table("account", *numbers, right=numbers)
    for name in (LONG, WIDE):
        add_row(shown, name, *(f"{HUGE + n:,}" for n in range(6)))
    return shown, [f"{HUGE + n:,}" for n in range(6)]


TABLES: dict[str, Callable[[], tuple[Sheet, list[str]]]] = {
    "status": _status,
    "summary": _summary,
    "answer": _answer,
    "records": _records,
    "report": _report,
    "many numbers": _plain,
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TABLES)
def test_no_number_is_cut_and_every_name_is_there(name: str, width: int) -> None:
    shown, whole = TABLES[name]()
    text = rendered(shown, width)
    lines = text.splitlines()
    assert max(map(cell_len, lines)) <= width
    for one in whole:
        alone = re.compile(rf"(?<![\w,.]){re.escape(one)}(?![\w,.]*\d)")
        assert any(map(alone.search, lines)), one
    if name != "many numbers":
        assert all(any(part in line for line in lines) for part in (LONG[:8], WIDE[:5]))


@given(
    names=st.lists(st.text("ab 日本語ü", min_size=1, max_size=80), min_size=1, max_size=5),
    numbers=st.lists(st.integers(0, 10**18), min_size=1, max_size=7),
    width=st.integers(60, 200),
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_rows_are(names: list[str], numbers: list[int], width: int) -> None:
    headings = [f"number {n}" for n in range(len(numbers))]
    shown = table("name", *headings, right=headings)
    for name in names:
        add_row(shown, name, *(f"{number:,}" for number in numbers))
    text = rendered(shown, width)
    assert max(map(cell_len, text.splitlines())) <= width
    found = re.findall(r"(?<![\d,])\d[\d,]*", re.sub(r"number \d+", "", text))
    for number in numbers:
        assert found.count(f"{number:,}") >= len(names)
    # Every letter of every name is there, wherever it was wrapped to.
    letters = "".join(names)
    for letter in set(letters) - {" "}:
        assert text.count(letter) >= letters.count(letter)


@pytest.mark.parametrize("width", WIDTHS)
def test_findings_wrap(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = CheckFinding("Account", f"{IDS[0]} {WIDE}", ok=False, text=f"{LONG} {HUGE}", fix=LONG)
    out = StringIO()
    monkeypatch.setattr(check, "console", Console(file=out, width=width, markup=False))
    check._print_table([finding])
    lines = out.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= width
    assert any(IDS[0] in line for line in lines)
    assert any(str(HUGE) in line for line in lines)


def _tables() -> list[ast.Call]:
    folder = Path(str(commands.__file__)).parent
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) == "table" and call.args]


def test_every_table_of_the_commands_says_what_stays_whole() -> None:
    assert len(_tables()) > 8
    for call in _tables():
        named = {each.arg for each in call.keywords}
        assert named & {"right", "whole", "show_header"}, ast.unparse(call)
