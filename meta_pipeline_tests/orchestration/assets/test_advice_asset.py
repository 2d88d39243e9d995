"""Asset `meta/advice`: asked in the run of a sync, seldom enough, by hand at once."""

from __future__ import annotations

from datetime import datetime

import dagster as dg
import pytest

from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline_tests.orchestration.conftest import Stand

from .test_metric_assets import metadata, rows, run

CHECKS = {"rules_could_be_asked", "nothing_urgent_is_open", "advice_is_measured"}


def by_hand(stand: Stand, account_id: str) -> dg.ExecuteInProcessResult:
    return (
        build_defs()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=stand.instance,
            partition_key=account_id,
            asset_selection=[dg.AssetKey(["meta", "advice"])],
            raise_on_error=False,
        )
    )


def judged(stand: Stand) -> dict[str, datetime]:
    return dict(rows(stand, "SELECT account_id, judged_at FROM meta_ads.advice_judgements"))


def test_the_rules_are_asked_in_the_run_of_a_sync(stand: Stand) -> None:
    with run(stand, stand.good) as result:
        assert result.success
        found = {
            one.check_name: one
            for one in result.get_asset_check_evaluations()
            if one.asset_key.path[-1] == "advice"
        }
    assert found.keys() == CHECKS
    assert found["rules_could_be_asked"].passed
    assert found["advice_is_measured"].passed
    told = metadata(stand, "advice")
    ((stored,),) = rows(stand, "SELECT count(*) FROM meta_ads.advice")
    assert told["open"] == told["given"] == stored
    assert found["nothing_urgent_is_open"].passed == (told["urgent"] == 0)
    assert judged(stand).keys() == {stand.good}


def test_a_second_sync_asks_no_rules_and_a_person_does(stand: Stand) -> None:
    with run(stand, stand.good):
        pass
    before = judged(stand)
    with run(stand, stand.good) as again:
        assert again.success
    assert judged(stand) == before
    assert stand.materialized("advice", stand.good) == 1
    assert by_hand(stand, stand.good).success
    assert judged(stand)[stand.good] > before[stand.good]
    assert metadata(stand, "advice")["given"] == 0, "what was said is not said again"


def test_an_account_that_was_never_read_has_no_advice_and_no_failure_of_its_own(
    stand: Stand,
) -> None:
    config = run_config(accounts={"ids": [stand.good, stand.closed]})
    with run(stand, stand.good, config=config) as result:
        steps = {event.step_key for event in result.get_step_success_events()}
    assert "advice" in steps
    assert stand.materialized("advice", stand.good) == 1


def test_thresholds_are_those_of_the_settings(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_ADVICE_THRESHOLDS", "pace_under_pct=1,pace_over_pct=100000")
    with run(stand, stand.good) as result:
        assert result.success
    kinds = rows(stand, "SELECT DISTINCT kind FROM meta_ads.advice")
    assert ("pacing",) not in kinds
