"""The digest of advice: on its day, through every channel, whole; a broken channel is told."""

# Dagster reads annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from meta_pipeline.orchestration.defs.advice_digest import advice_digest, advice_digest_job
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.alerts.catchers import Hook, hook

MONDAY = datetime(2026, 11, 30, 7, 17, tzinfo=UTC)


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with hook() as found:
        monkeypatch.setenv("META_ALERT_WEBHOOK_URL", found.url)
        yield found


def given(url: str, number: int = 1, **values: Any) -> None:
    row: dict[str, Any] = {
        "account_id": "act_1",
        "kind": "pause",
        "severity": "high",
        "what": "Pause the ad “Dear”.",
        "why": "Its CPA was 40, that of its siblings 20.",
    }
    row |= values
    with Warehouse(url) as warehouse:
        warehouse.migrate()
        with warehouse.connection() as connection:
            for at in range(number):
                connection.execute(
                    """
                    INSERT INTO meta_ads.advice (
                        advice_id, account_id, advice_key, kind, severity, entity_type, entity_id,
                        entity_ids, what, why, numbers, method, doubt, expected_effect, as_of,
                        review_on, ads_manager_url, made_at)
                    VALUES (%(id)s, %(account_id)s, %(id)s, %(kind)s, %(severity)s, 'ad', %(id)s,
                        '[]', %(what)s, %(why)s, '{"cpa": 40}', 'E-value 30.', 'Bunches.', '',
                        '2026-11-27', '2026-12-11', 'https://adsmanager.facebook.com/x', now())
                    """,
                    row | {"id": f"a{at}"},
                )


def tell(url: str) -> dg.ExecuteInProcessResult:
    return advice_digest_job.execute_in_process(
        resources={"warehouse": WarehouseResource(database_url=url)},
        raise_on_error=False,
    )


def test_each_piece_is_told_whole_and_the_rest_is_counted(database_url: str, caught: Hook) -> None:
    given(database_url, 13)
    assert tell(database_url).success
    (text,) = caught.texts
    assert "13 open matters in 1 account" in text
    for part in ("Pause the ad", "Its CPA was 40", "cpa 40", "E-value 30.", "Doubt: Bunches."):
        assert part in text
    assert text.index("Pause the ad") < text.index("Its CPA was 40") < text.index("E-value 30.")
    assert "Open in Ads Manager" in text
    assert "Your last 13 pieces of advice: 0 followed" in text or "…" in text


def test_a_channel_that_refuses_makes_the_run_red_and_says_why(
    database_url: str, caught: Hook
) -> None:
    given(database_url)
    caught.status = 500
    done = tell(database_url)
    assert not done.success
    told = str([event.event_specific_data for event in done.all_events if event.is_failure])
    assert "answered HTTP 500" in told
    assert "S3CRET" not in told


@pytest.mark.parametrize(
    ("setting", "said"),
    [("mon", None), ("daily", None), ("tue", "Not today"), ("off", "is off")],
)
def test_the_setting_says_when(
    caught: Hook, monkeypatch: pytest.MonkeyPatch, database_url: str, setting: str, said: str | None
) -> None:
    monkeypatch.setenv("META_ADVICE_DIGEST", setting)
    found = look(database_url)
    if said is None:
        assert isinstance(found, dg.RunRequest)
    else:
        assert isinstance(found, dg.SkipReason)
        assert said in str(found.skip_message)
    assert caught.posted == []


def test_without_a_channel_it_says_so(database_url: str) -> None:
    found = look(database_url)
    assert isinstance(found, dg.SkipReason)
    assert "META_ALERT_WEBHOOK_URL" in str(found.skip_message)


def look(url: str) -> Any:
    context = dg.build_schedule_context(
        scheduled_execution_time=MONDAY,
        resources={"warehouse": WarehouseResource(database_url=url)},
    )
    return advice_digest(context)
