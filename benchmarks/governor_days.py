"""The governor's days as a table: calls made, refused, work and time lost against the ideal.

    python -m benchmarks.governor_days            # every scenario, a whole day each
    python -m benchmarks.governor_days --hours 6

The meters are those of meta_pipeline_tests/governor/world.py (Meta's published formulas), the
ideal is a scheduler that sees them: once with the whole quota, once within the same thresholds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from meta_pipeline_tests.governor import scenarios
from meta_pipeline_tests.governor.day import LATENCY_SECONDS
from meta_pipeline_tests.governor.scenarios import Outcome, Setting, run

DAY_HOURS = 24.0
WHOLE_QUOTA = (1.0, 1.0)


def days(hours: float) -> list[tuple[str, Callable[[], Setting]]]:
    """Scenario and name, in the order of the proof."""
    odd = [
        (f"(e) headers {kind}", lambda kind=kind: scenarios.odd_headers(kind, min(hours, 12)))
        for kind in scenarios.ODD
    ]
    return [
        ("(a) load rises and falls with the day", lambda: scenarios.rising(hours)),
        ("(a) more load than fits", lambda: scenarios.saturated(hours)),
        (
            "(a) more load than fits, stop at 95 %",
            lambda: scenarios.saturated(hours, account_stop_pct=95),
        ),
        ("(a) ad-account score", lambda: scenarios.saturated_score(min(hours, 6))),
        *((f"(b) noisy neighbour {seed}", _noisy(hours, seed)) for seed in (1, 2, 3)),
        ("(c) one of ten accounts blocked", lambda: scenarios.one_of_ten(hours)),
        ("(d) app blocked, ten processes", lambda: scenarios.whole_app(hours)),
        *odd,
        ("(f) ten processes, one quota", lambda: scenarios.ten_processes(hours)),
        ("(g) restarts within the blocks", lambda: scenarios.restart(hours)),
    ]


def _noisy(hours: float, seed: int) -> Callable[[], Setting]:
    return lambda: scenarios.noisy(hours, seed)


def row_of(capped: Outcome, free: Outcome, seconds: float) -> list[str]:
    """One line of the table."""
    return [
        capped.name,
        f"{capped.calls:,}",
        str(capped.refused),
        str(len(capped.world.refused_though_known(LATENCY_SECONDS))),
        str(capped.blocks),
        f"{capped.work_pct:.1f} %",
        f"{capped.lost_minutes_per_call:.1f}",
        f"{free.work_pct:.1f} %",
        f"{free.lost_minutes_per_call:.1f}",
        f"{seconds:.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=DAY_HOURS)
    hours = parser.parse_args().hours
    table = Table(
        title=f"Governor: simulated days of {hours:g} hours; minutes are later than the ideal, "
        "on average per call"
    )
    heads = ("day", "calls", "refused", "known block", "blocks", "work, same caps", "min",
             "work, whole quota", "min", "s")  # fmt: skip
    for head in heads:
        table.add_column(head, justify="left" if head == "day" else "right")
    for name, make in days(hours):
        start = time.perf_counter()
        limits = make().thresholds
        caps = (limits.account_stop_pct / 100, limits.app_stop_pct / 100)
        capped = run(name, make, ideal_caps=caps)
        seconds = time.perf_counter() - start
        table.add_row(*row_of(capped, run(name, make, ideal_caps=WHOLE_QUOTA), seconds))
    Console(width=150).print(table)
    Console(width=110).print(
        "refused: calls that Meta refused. known block: those of them that were sent after a "
        "refusal was answered and before the time it told; a governor must have none."
    )


if __name__ == "__main__":
    main()
