"""The hourly totals: exact, whatever the headers and however many write at once."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meta_pipeline.warehouse import TelemetryWriter, Warehouse
from meta_pipeline.warehouse.retention import Retention, maintain

START = datetime(2026, 11, 20, 10, 59, 30, tzinfo=UTC)
BUSINESS = "x-business-use-case-usage"


def attempt(second: float = 0, **facts: Any) -> dict[str, Any]:
    return {
        "account_id": "act_1",
        "endpoint_key": "insights_ad",
        "params_hash": "a",
        "query_shape": "level=ad",
        "status_code": 200,
        "latency_ms": 100.0,
        "rows": 5,
        "weighted_cost": 5,
        "timestamp": START + timedelta(seconds=second),
        **facts,
    }


def insights(pct: float, management: float | None = None) -> dict[str, str]:
    entries = [{"type": "ads_insights", "call_count": pct, "total_time": 0}]
    if management is not None:
        entries.insert(0, {"type": "ads_management", "call_count": management})
    return {BUSINESS: json.dumps({"1": entries})}


def management(pct: float) -> dict[str, str]:
    return {BUSINESS: json.dumps({"1": [{"type": "ads_management", "call_count": pct}]})}


def write(url: str, *attempts: dict[str, Any]) -> None:
    with TelemetryWriter(url) as telemetry:
        for one in attempts:
            telemetry.log(one)
        assert telemetry.flush()
    assert telemetry.lost == 0


def rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with warehouse.connection() as connection:
        return connection.execute(query).fetchall()


def test_hours_and_outcomes_are_apart(database_url: str, warehouse: Warehouse) -> None:
    write(
        database_url,
        attempt(0),
        attempt(40),
        attempt(41, status_code=400, error_code=80000, error_subcode=2446079, throttled=True),
        attempt(42, status_code=None, latency_ms=None, retry_count=1, rows=None),
        attempt(43, status_code=502),
        attempt(44, error_message="not JSON"),
        attempt(45, account_id=None),
    )
    assert rows(
        warehouse,
        "SELECT extract(hour FROM hour)::int, account_id, outcome, calls::int, "
        "throttled_calls::int, retried_calls::int FROM meta_ads.meta_api_hours ORDER BY 1, 2, 3",
    ) == [
        (10, "act_1", "ok", 1, 0, 0),
        (11, "", "ok", 1, 0, 0),
        (11, "act_1", "80000/2446079", 1, 1, 0),
        (11, "act_1", "HTTP 502", 1, 0, 0),
        (11, "act_1", "no answer", 1, 0, 1),
        (11, "act_1", "not understood", 1, 0, 0),
        (11, "act_1", "ok", 1, 0, 0),
    ]
    # 1.05^94 is 98.1 ms and 1.05^95 is 103.0 ms
    found = rows(warehouse, "SELECT step, sum(calls)::int FROM meta_ads.meta_api_latency_hours "
                            "GROUP BY 1")  # fmt: skip
    assert found == [(94, 6)]


def test_apps_are_apart_and_leave_together(database_url: str, warehouse: Warehouse) -> None:
    other = "app_77"
    write(database_url, attempt(0), attempt(1, app_key="app"), attempt(2, app_key=other))
    write(database_url, attempt(3, app_key=other))
    query = "SELECT app_key, sum(calls)::int FROM meta_ads.meta_api_hours GROUP BY 1 ORDER BY 1"
    assert rows(warehouse, query) == [("app", 2), (other, 2)]
    kept = Retention(log_days=1, total_days=1, run_days=1)
    maintain(warehouse, kept, now=START + timedelta(days=3), slice_rows=1)
    assert rows(warehouse, query) == []
    total = "SELECT sum(total)::int FROM meta_ads.retired_totals WHERE counter = 'api_requests'"
    assert rows(warehouse, total) == [(4,)]


def test_a_movement_is_a_rise_of_the_same_use_case_within_a_minute(
    database_url: str, warehouse: Warehouse
) -> None:
    write(
        database_url,
        attempt(0, usage_headers=insights(10, 50)),
        attempt(1, usage_headers=insights(13, 58)),  # +3 of its own; management is not its doing
        attempt(2, endpoint_key="ads_list", params_hash="b", usage_headers=insights(13, 60)),
        attempt(3, usage_headers=insights(12, 60)),  # a fall: the hour rolled on
        attempt(4, usage_headers=insights(16, 60)),  # +4
        attempt(90, usage_headers=insights(30, 60)),  # too long after
    )
    # A later batch goes on from the last reading of the one before.
    write(database_url, attempt(91, usage_headers=insights(32, 60)))
    found = rows(
        warehouse,
        "SELECT endpoint_key, sum(observations)::int, sum(moved_pct)::int, "
        "sum(moved_pct_squared)::int, max(use_case_pct)::int "
        "FROM meta_ads.meta_api_hours GROUP BY 1 ORDER BY 1",
    )
    assert found == [("ads_list", 0, 0, 0, 60), ("insights_ad", 3, 9, 29, 32)]


def test_observed_weights_compare_within_a_use_case(
    database_url: str, warehouse: Warehouse
) -> None:
    cheap = {"params_hash": "cheap", "weighted_cost": 1}
    dear = {"params_hash": "dear", "weighted_cost": 1}
    made, pct = [attempt(0, **cheap, usage_headers=insights(0))], 0.0
    for number in range(1, 31):
        pct += 3 if number % 2 else 1
        kind = dear if number % 2 else cheap
        made.append(attempt(number, **kind, usage_headers=insights(pct)))
    write(database_url, *made)
    with warehouse.connection() as connection:
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", [str(START)])
        found = connection.execute(
            "SELECT params_hash, configured_weight::float8, observed_weight::float8, "
            "observations, moved_spread_pct::float8, verdict FROM meta_ads.call_cost ORDER BY 1"
        ).fetchall()
    # Together 30 calls of weight 1 moved it by 60 points: 2 points are worth weight 1.
    assert found == [
        ("cheap", 1.0, 0.5, 15, 0.0, "guess too high"),
        ("dear", 1.0, 1.5, 15, 0.0, "about right"),
    ]


def costs(warehouse: Warehouse) -> dict[str, Any]:
    """`call_cost` by params_hash: observed weight, margin, verdict."""
    with warehouse.connection() as connection:
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", [str(START)])
        found = connection.execute(
            "SELECT params_hash, observed_weight::float8, observed_margin::float8, verdict "
            "FROM meta_ads.call_cost"
        ).fetchall()
    return {key: tuple(rest) for key, *rest in found}


def test_big_and_small_accounts_are_compared_each_with_itself(
    database_url: str, warehouse: Warehouse
) -> None:
    """The same two queries, equally dear; the small account is asked mostly by one of them."""
    made = []
    for account, points, turns in (("act_1", 8.0, "aaab"), ("act_2", 0.5, "abbb")):
        pct = 0.0
        for number in range(41):
            pct += points
            made.append(
                attempt(
                    number,
                    account_id=account,
                    params_hash=turns[number % 4],
                    weighted_cost=1,
                    usage_headers=insights(pct),
                )
            )
    write(database_url, *made)
    found = costs(warehouse)
    assert {key: weight for key, (weight, _, _) in found.items()} == {
        "a": pytest.approx(1, abs=0.01),
        "b": pytest.approx(1, abs=0.01),
    }
    assert {verdict for _, _, verdict in found.values()} == {"about right"}


def test_an_account_with_one_query_compares_nothing(
    database_url: str, warehouse: Warehouse
) -> None:
    alone = [
        attempt(n, account_id="act_9", params_hash="a", usage_headers=insights(n))
        for n in range(60)
    ]
    both = [
        attempt(n, params_hash="ab"[n % 2], weighted_cost=1, usage_headers=insights(pct))
        for n, pct in enumerate(accumulate(([1, 3] * 15), initial=0))
    ]
    write(database_url, *alone, *both)
    found = costs(warehouse)
    assert found["a"][0] == pytest.approx(1.5, abs=0.01)
    assert found["b"][0] == pytest.approx(0.5, abs=0.01)


def test_chance_is_no_verdict(database_url: str, warehouse: Warehouse) -> None:
    """Whole percents: the meter moved three times, and one query happened to be there."""
    pct, made = 0, [attempt(params_hash="b", weighted_cost=1, usage_headers=insights(0))]
    for number in range(1, 25):
        pct += number in (5, 17, 19)
        made.append(attempt(number, params_hash="ab"[number % 2], weighted_cost=1,
                            usage_headers=insights(pct)))  # fmt: skip
    write(database_url, *made)
    found = costs(warehouse)
    assert (found["a"][0], found["b"][0]) == (0.0, 2.0)
    assert found["a"][1] > 1, "nothing seen in twelve calls is no proof of nothing"
    assert found["a"][2] == found["b"][2] == "not enough data"


def test_attempts_of_many_calls_price_nothing(database_url: str, warehouse: Warehouse) -> None:
    made = [
        attempt(
            number,
            endpoint_key=("campaigns_list", "objects_by_id", "ads_list")[number % 3],
            params_hash="abc"[number % 3],
            weighted_cost=(1, 50, 1)[number % 3],
            usage_headers=management(pct),
        )
        for number, pct in enumerate(accumulate([50, 1, 1] * 14, initial=0))
    ]
    moved = [one | {"timestamp": one["timestamp"] + (datetime.now(UTC) - START)} for one in made]
    write(database_url, *moved)
    warehouse.costs.learn()
    priced = {one.endpoint_key: one.weight for one in warehouse.costs.observed()}
    assert priced == {"campaigns_list": 1.0, "ads_list": 1.0}


def test_one_shape_alone_is_compared_with_nothing(database_url: str, warehouse: Warehouse) -> None:
    write(database_url, *(attempt(n, usage_headers=insights(n)) for n in range(20)))
    with warehouse.connection() as connection:
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", [str(START)])
        query = "SELECT observed_weight, verdict FROM meta_ads.call_cost"
        assert connection.execute(query).fetchall() == [(None, "not enough data")]


ODD = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "{", "[]", "null", '"97"', "1e999999", '{"1": {"call_count": 5}}']),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["1", "type", "call_count", "acc_id_util_pct"]), inner, max_size=3
            )
        ),
        max_leaves=8,
    ).map(json.dumps),
)


@settings(max_examples=60)
@given(st.dictionaries(
    st.sampled_from(
        ["x-app-usage", "x-ad-account-usage", BUSINESS, "x-fb-ads-insights-throttle", "other"]
    ),
    ODD,
))  # fmt: skip
@example({"x-app-usage": json.dumps({"call_count": "\x00"})})
@example({BUSINESS: json.dumps({"1": [{"type": "\\u0000", "call_count": 5}]})})
@example({"other": "\\\x00\\u0000"})
def test_no_header_stops_the_log(headers: dict[str, str]) -> None:
    with psycopg.connect(_ODD["url"], autocommit=True) as connection:
        # As the writer does: Postgres has no text with NUL; a header that spells one stays.
        stored = json.dumps({name: value.replace("\x00", "") for name, value in headers.items()})
        connection.execute(
            "INSERT INTO meta_ads.meta_api_logs "
            '(account_id, endpoint_key, throttled, "timestamp", usage_headers) '
            "VALUES ('act_1', 'insights_ad', false, now(), %s)",
            [stored],
        )


_ODD: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _url_for_hypothesis(database_url: str) -> None:
    _ODD["url"] = database_url


def test_percent_texts_of_meta_are_read(warehouse: Warehouse) -> None:
    texts = ["97", "9.67", " 12% ", "250", "-1", "1e9", "", "NaN", "x", "12345678901"]
    with warehouse.connection() as connection:
        found = [
            connection.execute("SELECT meta_ads.pct_or_null(%s)::float8", [text]).fetchone()
            for text in texts
        ]
    assert [row[0] for row in found if row] == [97, 9.67, 12, 250, *[None] * 6]


def test_many_writers_add_up(database_url: str, warehouse: Warehouse) -> None:
    """Each process has a writer of its own; they meet in the rows of app, hour and day."""

    def log(writer: int) -> None:
        made = (
            attempt(n, account_id=None if n % 3 == 0 else f"act_{n % 4}", endpoint_key=f"e{n % 5}")
            for n in range(writer, 200 + writer)
        )
        with TelemetryWriter(database_url, flush_seconds=0.01, batch_rows=7) as telemetry:
            for one in made:
                telemetry.log(one)

    threads = [threading.Thread(target=log, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    query = (
        "SELECT (SELECT count(*) FROM meta_ads.meta_api_logs), "
        "(SELECT sum(calls)::int FROM meta_ads.meta_api_hours), "
        "(SELECT sum(calls)::int FROM meta_ads.meta_api_latency_hours), "
        "(SELECT sum(weighted_cost)::int FROM meta_ads.meta_api_days)"
    )
    assert rows(warehouse, query) == [(1200, 1200, 1200, 1200 * 5)]


def test_a_log_that_is_rolled_back_leaves_no_total(database_url: str, warehouse: Warehouse) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            'INSERT INTO meta_ads.meta_api_logs (endpoint_key, throttled, "timestamp") '
            "VALUES ('ads_list', false, now())"
        )
        connection.rollback()
    for table in ("meta_api_hours", "meta_api_days"):
        assert rows(warehouse, f"SELECT count(*)::int FROM meta_ads.{table}") == [(0,)]
