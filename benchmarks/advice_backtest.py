"""The back-test of the advice: planted worlds, how thresholds were chosen, stored data.

    python -m benchmarks advice_backtest     # the tables, as docs/advice.md has them
    python -m benchmarks.advice_backtest --write docs/advice.md

Planted worlds have a truth that is known. Each threshold is tried with others around it: too low
cries wolf in worlds where nothing is to be found, too high waits while money is lost. Stored data
is the demo world, read by a sync: each of the last days is asked on what was known on its morning,
and the days after say who was right.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from meta_pipeline import metrics
from meta_pipeline.advice import Kind, Thresholds
from meta_pipeline.advice.backtest import BacktestStats
from meta_pipeline.advisor import backtest_account
from meta_pipeline.metrics.unreconciled import unreconciled_days
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import Limits, Simulator, VirtualClock, demo_world
from meta_pipeline.sync import SyncEngine, SyncRequest

from . import advice_rules as planted
from ._lab import database

WORLDS, STORED_DAYS = 40, 56
_TOKEN = "EAADEMO0WORLD0TOKEN"
_BEGIN, _END = "<!-- begin {}: made by make bench -->", "<!-- end {} -->"


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, the values that were tried, the loosest first, and two worlds to tell by."""

    threshold: str
    values: tuple[float, ...]
    equal: planted.World
    planted: planted.World


def _world(name: str) -> planted.World:
    (found,) = (one for one in (*planted.EQUAL, *planted.PLANTED) if one.name == name)
    return found


CHOICES = (
    Choice("e_value", (5, 10, 20, 40),
           _world("two equal ads, 5 conversions a day each"),
           _world("one of two ads twice as dear")),
    Choice("target_probability", (0.8, 0.9, 0.95, 0.99),
           _world("CPA at the target, 5 conversions a day"), _world("CPA twice the target")),
    Choice("target_factor", (1.1, 1.3, 1.6),
           _world("CPA at the target, conversions arrive late"), _world("CPA twice the target")),
    Choice("fatigue_probability", (0.99, 0.999, 0.9995, 0.9999),
           _world("three creatives seen often, none tired"), _world("click rate falls 5 % a day")),
    Choice("anomaly_chance", (0.05, 0.01, 0.001, 0.0001),
           _world("weekday seasonality, 15 conversions a day"), _world("the pixel breaks")),
    Choice("arrived_share", (1, 0.9, 0.75, 0.5),
           _world("weekday seasonality, conversions arrive late"),
           _world("the pixel breaks, conversions arrive late")),
    Choice("shift_probability", (0.8, 0.9, 0.975, 0.99),
           _world("two equal response curves"), _world("one curve brings twice as much")),
)  # fmt: skip
"""Every threshold whose source is this benchmark."""

Row = Sequence[str]


def worlds_table(worlds: int) -> list[Row]:
    """Each planted world: what was said of so many, and after how many days."""
    head = ("rule", "world", "said", "median day", "limit")
    return [head, *planted.rows(worlds)]


def choices_table(worlds: int) -> list[Row]:
    """Each threshold at each value: false alarms, finds, days, and what waiting lost."""
    table: list[Row] = [
        ("threshold", "value", "false alarms", "found", "median day", "lost by waiting")
    ]
    shipped = {one.name: one.default for one in fields(Thresholds)}
    for choice in CHOICES:
        tried = [Thresholds.parse(f"{choice.threshold}={value}") for value in choice.values]
        alarms = planted.measure_each(choice.equal, worlds, tried)
        finds = planted.measure_each(choice.planted, worlds, tried)
        for value, wrong, right in zip(choice.values, alarms, finds, strict=True):
            days = "" if right.median_days is None else f"{right.median_days:.0f}"
            shown = f"{value:g}"
            table.append(
                (
                    choice.threshold,
                    f"**{shown}**" if value == shipped[choice.threshold] else shown,
                    f"{wrong.share_pct:.1f} %",
                    f"{right.share_pct:.1f} %",
                    days,
                    f"{right.waited_pct:.0f} %",
                )
            )
    return table


def stored_table(days: int, e_values: Iterable[float] = (5, 20, 80)) -> list[Row]:
    """The demo world as a sync stored it: what the rules said on each day, and what came of it.

    Every kind with the shipped thresholds, and pause and scale with other e-values.
    """
    head = ("kind", "e-value", "given", "hits", "false alarms", "unclear", "hit rate", "regret")
    now = datetime.now(UTC)
    world = demo_world(VirtualClock(now), anchor=now.date())
    table: list[Row] = [head]
    with (
        database() as url,
        Simulator(world, token=_TOKEN, limits=Limits(tier="standard_access")) as sim,
    ):
        settings = Settings.load(
            env_file=None, META_ACCESS_TOKEN=_TOKEN, META_GRAPH_URL=sim.url, DATABASE_URL=url
        )
        with SyncEngine.open(settings) as engine:
            accounts = [one.account_id for one in engine.discover().accounts]
            for account_id in accounts:
                engine.sync(SyncRequest(account_id))
                with engine.warehouse.connection() as connection:
                    metrics.rollup(connection, account_id)
                    if unproven := unreconciled_days(connection, account_id):
                        metrics.reconcile(connection, account_id, unproven[0], unproven[-1])
            for value in e_values:
                numbers = Thresholds.parse(f"e_value={value}")
                total: dict[Kind, BacktestStats] = {}
                for account_id in accounts:
                    done = backtest_account(engine.warehouse, account_id, days, numbers, now)
                    for kind, stats in done.stats_by_kind.items():
                        total[kind] = total[kind] + stats if kind in total else stats
                is_shipped = value == Thresholds().e_value
                table += [
                    _tallied(total[kind], value, is_shipped=is_shipped)
                    for kind in sorted(total)
                    if is_shipped or kind in (Kind.PAUSE, Kind.SCALE)
                ]
    return [table[0], *sorted(table[1:], key=lambda row: row[0])]


def _tallied(stats: BacktestStats, value: float, *, is_shipped: bool) -> Row:
    by_e_value = stats.kind in (Kind.PAUSE, Kind.SCALE)
    shown = f"**{value:g}**" if is_shipped else f"{value:g}"
    return (
        str(stats.kind),
        shown if by_e_value else "",
        *map(str, (stats.given, stats.hits, stats.false_alarms, stats.unclear)),
        "" if stats.hit_rate_pct is None else f"{stats.hit_rate_pct:.0f} %",
        "" if stats.regret_pct is None else f"{stats.regret_pct:+.1f} %",
    )


def markdown(table: Sequence[Row]) -> str:
    """A table as the docs have it: words to the left, numbers to the right."""
    head, *rest = table
    marks = [
        "---:" if any(row[at][:1].isdigit() for row in rest) and at > 1 else "---"
        for at in range(len(head))
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, marks, *rest))


def written(text: str, name: str, table: Sequence[Row]) -> str:
    """The page with the table between its marks."""
    begin, end = _BEGIN.format(name), _END.format(name)
    if begin not in text or end not in text:
        raise ValueError(f"the page has no place for the table {name}: {begin} … {end}")
    pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
    inside = f"{begin}\n\n{markdown(table)}\n\n{end}"
    return re.sub(pattern, lambda _: inside, text, flags=re.DOTALL)


def table_in(text: str, name: str) -> list[list[str]]:
    """The rows of a table of the page, its head first."""
    _, _, rest = text.partition(_BEGIN.format(name))
    inside, _, _ = rest.partition(_END.format(name))
    lines = [line for line in inside.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if not set("".join(row)) <= set("-:")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--days", type=int, default=STORED_DAYS)
    parser.add_argument("--write", type=Path, help="the page whose tables are to be renewed")
    parser.add_argument("--only", choices=("worlds", "thresholds", "stored"), help="one table")
    asked = parser.parse_args()
    tables: dict[str, Callable[[], list[Row]]] = {
        "worlds": lambda: worlds_table(asked.worlds),
        "thresholds": lambda: choices_table(asked.worlds),
        "stored": lambda: stored_table(asked.days),
    }
    for name, make in tables.items():
        if asked.only not in (None, name):
            continue
        table = make()
        print(f"\n{name}\n\n{markdown(table)}", flush=True)
        if asked.write is not None:
            page = asked.write.read_text(encoding="utf-8")
            asked.write.write_text(written(page, name, table), encoding="utf-8")


if __name__ == "__main__":
    main()
