"""A run tells in its events how far its syncs are: seldom enough to cost nothing."""

from __future__ import annotations

from meta_pipeline.orchestration.session import Telling
from meta_pipeline.sync import Progress


def test_a_line_at_most_every_half_minute() -> None:
    now = [0.0]
    told: list[tuple[float, str]] = []
    telling = Telling(
        "Nordwind Shop (act_1)", lambda line: told.append((now[0], line)), clock=lambda: now[0]
    )
    for second in range(0, 125, 5):
        now[0] = float(second)
        telling(
            Progress(
                account_id="act_1",
                step="insights",
                rows=9_969,
                calls=13,
                seconds=float(second),
                message="insights_ad 2026-01-01 … 2026-01-07",
                quota_pct=12.4,
                seconds_left=130.0,
            )
        )
    assert [at for at, _ in told] == [30, 60, 90, 120]
    assert told[0][1] == (
        "Nordwind Shop (act_1): insights_ad 2026-01-01 … 2026-01-07: "
        "9,969 rows, 13 calls, 30.0 s, quota 12 %, about 2 min left"
    )


def test_a_sync_of_seconds_has_no_event_of_its_own() -> None:
    told: list[str] = []
    telling = Telling("act_1", told.append, clock=lambda: 7.0)
    for _ in range(20):
        telling(Progress("act_1", "ads", 1, 1, 1.0))
    assert told == []
