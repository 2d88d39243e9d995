"""A run begins accounts as long as it may, and reads no more days of them than it is told."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest

from meta_pipeline.orchestration.configuration import InsightsDays
from meta_pipeline.orchestration.defs.sync import Step, in_time
from meta_pipeline.orchestration.session import SyncSession
from meta_pipeline.sync.days import today
from meta_pipeline_tests.fleet.fleet import NOW
from meta_pipeline_tests.orchestration.conftest import Stand

from .test_account_assets import run, run_of, scalar

FOUR = ["act_1", "act_2", "act_3", "act_4"]


class Session:
    """A session whose clock the test moves."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> object:
        return self.at


@pytest.mark.parametrize(
    ("begin_within", "minutes_each", "begun"),
    [(None, 60, 4), (5, 0, 4), (5, 2, 3), (5, 5, 2), (5, 6, 1), (5, 600, 1)],
)
def test_accounts_are_begun_while_there_is_time(
    begin_within: int | None, minutes_each: int, begun: int
) -> None:
    session = Session()
    limit = None if begin_within is None else timedelta(minutes=begin_within)
    step = Step("numbers", (), begin_within=limit)
    accounts = []
    for account_id in in_time(
        step, cast("SyncSession", session), ["act_1", "act_2", "act_3", "act_4"]
    ):
        accounts.append(account_id)
        session.at += timedelta(minutes=minutes_each)
    assert accounts == ["act_1", "act_2", "act_3", "act_4"][:begun]


def test_accounts_left_over_fail_nothing_and_look_not_fresh(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter(NOW + timedelta(hours=number) for number in range(99))
    monkeypatch.setattr(SyncSession, "now", lambda _: next(moments))
    accounts = [stand.good, stand.accounts[-1]]
    with run_of(stand, accounts, begin_within_seconds=60) as result:
        assert result.success
    for table in ("campaigns", "ads", "insights"):
        assert [stand.materialized(table, account) for account in accounts] == [1, 0]


def test_only_the_newest_days_are_read(stand: Stand) -> None:
    with run(stand, [stand.good], days={"newest_days": 3}) as result:
        assert result.success
    found = scalar(
        stand,
        "SELECT array_agg(DISTINCT date_start ORDER BY date_start) FROM meta_ads.sync_windows "
        "WHERE account_id = %s AND dataset = 'insights_ad'",
        stand.good,
    )
    zone = scalar(
        stand,
        "SELECT timezone_name FROM meta_ads.meta_ad_accounts WHERE account_id = %s",
        stand.good,
    )
    last = today(stand.sim.now(), str(zone))
    assert found == [last - timedelta(days=2), last - timedelta(days=1), last]


@pytest.mark.parametrize("other", [{"preset": "last_7d"}, {"since": "2026-01-01"}])
def test_newest_days_and_another_range_contradict(other: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="give newest_days, or a preset, or since and until"):
        InsightsDays.model_validate({"newest_days": 3, **other})
