"""Facts: what is right is kept once, what is wrong is named, a replay changes no row."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.facts import NotABatch, ingest, read_batch
from meta_pipeline.facts.batch import MOST_FACTS
from meta_pipeline.metrics.answers.sent import _KNOWN, _MISSING, _SUMS
from meta_pipeline.warehouse import Connection, Warehouse
from meta_pipeline.warehouse.stores.facts import FactStore
from meta_pipeline_tests.postgres import TestPostgres, rows_touched

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
FACT = {
    "provider": "crm",
    "account_id": "act_1",
    "level": "campaign",
    "entity_id": "10",
    "metric": "leads",
    "date": "2026-11-19",
    "value": "5",
    "observed_at": "2026-11-20T08:00:00Z",
}


@pytest.fixture(scope="module")
def kept(postgres: TestPostgres) -> Iterator[Warehouse]:
    """The migrated database of this module."""
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        yield opened


def send(kept: Warehouse, *facts: Any, is_atomic: bool = False, **more: Any) -> Any:
    given = [fact | more if isinstance(fact, dict) else fact for fact in facts]
    batch = read_batch(orjson.dumps(given), is_lines=False, now=NOW)
    return ingest(kept, "default", batch, NOW, is_atomic=is_atomic)


def rows(kept: Warehouse, account: str) -> list[tuple[Any, ...]]:
    with kept.connection() as connection:
        return connection.execute(
            "SELECT metric, hour, breakdown, value::text, observed_at, received_at, xmin::text "
            "FROM meta_ads.facts WHERE account_id = %s ORDER BY 1, 2, 3",
            (account,),
        ).fetchall()


def test_a_replay_changes_no_row_and_an_older_observation_never_wins(kept: Warehouse) -> None:
    facts = [FACT | {"hour": hour, "account_id": "act_a"} for hour in range(24)]
    first = send(kept, *facts)
    assert (first.written, first.unchanged, list(first.rejected)) == (24, 0, [])
    before = rows(kept, "act_a")
    again = send(kept, *facts)
    assert (again.written, again.unchanged) == (0, 24)
    older = send(kept, *facts, value="9", observed_at="2026-11-20T07:59:59Z")
    same_moment = send(kept, *facts, value="9")
    assert (older.unchanged, same_moment.unchanged) == (24, 24)
    assert rows(kept, "act_a") == before
    newer = send(kept, facts[0], value="9", observed_at="2026-11-20T08:00:01Z")
    assert newer.written == 1
    assert [row[3] for row in rows(kept, "act_a")][:2] == ["9", "5"]


def test_of_one_key_in_a_batch_the_latest_observation_wins_and_it_is_told(kept: Warehouse) -> None:
    given = [
        {"value": "1", "observed_at": "2026-11-20T08:00:00Z"},
        {"value": "2", "observed_at": "2026-11-20T08:30:00Z"},
        {"value": "3", "observed_at": "2026-11-20T08:30:00Z"},
        {"value": "4", "observed_at": "2026-11-20T08:10:00Z"},
    ]
    done = send(kept, *(FACT | one | {"account_id": "act_b"} for one in given), is_atomic=True)
    assert (done.written, done.unchanged) == (1, 0)
    assert [(one.index, one.code) for one in done.rejected] == [
        (0, "superseded"),
        (1, "superseded"),
        (3, "superseded"),
    ]
    assert [row[3] for row in rows(kept, "act_b")] == ["3"]


@pytest.fixture(scope="module")
def many(kept: Warehouse) -> Warehouse:
    """3,000 facts of one metric, and one of another that comes last in every order."""
    with kept.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.facts (tenant, provider, account_id, level, entity_id, metric, "
            "date_start, hour, breakdown, value, observed_at, received_at) "
            "SELECT 'many', 'shop', 'shop ' || n % 50, 'ad', n::text, "
            "CASE n WHEN 3000 THEN 'zebras' ELSE 'sales' END, '2026-11-19', -1, '', 1, now(), now()"
            " FROM generate_series(1, 3000) AS n"
        )
    with kept.connection() as connection:
        connection.execute("ANALYZE meta_ads.facts")
    return kept


def read_by(connection: Connection) -> int:
    """Facts that were read over this connection lately."""
    row = connection.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'facts'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_page_reads_no_more_facts_than_it_shows(many: Warehouse) -> None:
    with many.connection() as connection:
        store = FactStore(lambda: nullcontext(connection))
        before = read_by(connection)
        page = store.some("many", 100)
        assert read_by(connection) - before == len(page) == 100
        following = store.some("many", 100, provider="shop", after=page[-1].key)
        assert read_by(connection) - before <= 200
    assert [one.key for one in page + following] == sorted(one.key for one in page + following)
    assert len({one.key for one in page + following}) == 200
    assert many.facts.some("nobody", 100) == []


def test_whether_a_fact_is_sent_is_known_without_reading_all(many: Warehouse) -> None:
    with many.connection() as connection:
        before = read_by(connection)
        asked: dict[str, Any] = {"tenant": "many", "names": ["shop.zebras", "shop.sales"]}
        assert connection.execute(_MISSING, asked).fetchall() == []
        asked["names"] = ["shop.sales", "shop.lions", "shop.apes"]
        assert connection.execute(_MISSING, asked).fetchall() == [("shop.lions",)]
        known = connection.execute(_KNOWN, asked).fetchall()
        assert known == [("shop.sales",), ("shop.zebras",)]
        assert read_by(connection) - before <= 20


_OF_TENANTS = """
    INSERT INTO meta_ads.facts (tenant, provider, account_id, level, entity_id, metric, date_start,
        hour, breakdown, value, observed_at, received_at)
    SELECT tenant, 'crm', 'act_shared', 'campaign', n::text, 'leads', date '2026-11-01' + n % days,
        -1, '', 1, now(), now()
    FROM (VALUES ('own', 4000, 20), ('foreign', 60000, 5)) AS sent (tenant, count, days),
        generate_series(1, count) AS n
"""


def test_facts_of_a_tenant_are_added_up_without_those_that_others_sent(kept: Warehouse) -> None:
    asked = {
        "levels": ["account", "campaign", "adset", "ad"],
        "accounts": ["act_shared"],
        "since": [date(2026, 11, 1)],
        "until": [date(2026, 11, 2)],
        "tenant": "own",
        "names": ["crm.leads"],
        "depth": 1,
    }
    sums = _SUMS.format(selected="sum(fact.value)", grouped="", ordered="")
    with kept.connection() as connection:
        connection.execute(_OF_TENANTS)
    with psycopg.connect(kept.url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE meta_ads.facts")
        assert connection.execute(sums, asked).fetchall() == [(400,)]
        assert rows_touched(connection, sums, asked) < 4_000


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "provider": ({"provider": "meta"}, "value_error"),
    "provider name": ({"provider": "CRM!"}, "string_pattern_mismatch"),
    "level": ({"level": "galaxy"}, "literal_error"),
    "entity": ({"entity_id": None}, "value_error"),
    "account": ({"account_id": "a\x00b"}, "value_error"),
    "metric": ({"metric": ""}, "string_pattern_mismatch"),
    "date": ({"date": "2026-13-01"}, "date_from_datetime_parsing"),
    "far date": ({"date": "1066-10-14"}, "value_error"),
    "hour": ({"hour": 24}, "less_than_equal"),
    "hour text": ({"hour": "5"}, "int_type"),
    "words": ({"value": "five"}, "value_error"),
    "nan": ({"value": "NaN"}, "value_error"),
    "flag": ({"value": True}, "value_error"),
    "digits": ({"value": "1" * 31}, "value_error"),
    "places": ({"value": "0." + "1" * 13}, "value_error"),
    "exponent": ({"value": "1e99"}, "value_error"),
    "no offset": ({"observed_at": "2026-11-20T08:00:00"}, "value_error"),
    "future": ({"observed_at": "2026-11-22T08:00:00Z"}, "in_the_future"),
    "surprise": ({"colour": "red"}, "extra_forbidden"),
}


def test_each_wrong_fact_is_named_and_costs_no_other(kept: Warehouse) -> None:
    good = FACT | {"account_id": "act_c"}
    facts = [good, *(good | {"metric": "other"} | change for change, _ in WRONG.values()), 5, None]
    done = send(kept, *facts)
    assert done.written == 1
    codes = {one.index: one.code for one in done.rejected}
    expected = [code for _, code in WRONG.values()] + ["not_an_object"] * 2
    assert [codes[index] for index in range(1, len(facts))] == expected
    assert all(one.message for one in done.rejected)
    atomic = send(kept, good | {"metric": "new"}, good | {"value": "x"}, is_atomic=True)
    assert (atomic.written, len(atomic.rejected)) == (0, 1)
    assert [row[0] for row in rows(kept, "act_c")] == ["leads"]


def test_lines_are_facts_each_and_a_bad_line_costs_itself(kept: Warehouse) -> None:
    good = orjson.dumps(FACT | {"account_id": "act_d"})
    batch = read_batch(good + b"\r\n\n{broken\n" + good, is_lines=True, now=NOW)
    assert [(one.index, one.code) for one in batch.rejected] == [(0, "superseded"), (1, "not_json")]
    assert ingest(kept, "default", batch, NOW).written == 1


@pytest.mark.parametrize(
    ("body", "is_lines"),
    [
        (b"", False),
        (b"", True),
        (b"[]", False),
        (b"{}", False),
        (b"{", False),
        (orjson.dumps([1] * (MOST_FACTS + 1)), False),
        (b"1\n" * (MOST_FACTS + 1), True),
    ],
    ids=["empty", "no line", "no fact", "object", "broken", "too many", "too many lines"],
)
def test_what_is_no_batch_says_what_one_is(body: bytes, is_lines: bool) -> None:
    with pytest.raises(NotABatch):
        read_batch(body, is_lines=is_lines, now=NOW)


_numbers = count(1)
SENT = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=8
)


@settings(max_examples=10)
@given(st.lists(SENT, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_in_whatever_order_batches_come_and_come_again_the_latest_stays(
    kept: Warehouse, batches: list[list[tuple[str, int, int]]], random: Any
) -> None:
    """Where every observation of a moment says the same, order and replays make no difference."""
    kept_account = f"act_{next(_numbers)}"

    def batch(sent: list[tuple[str, int, int]]) -> list[dict[str, Any]]:
        return [
            FACT
            | {
                "account_id": kept_account,
                "metric": metric,
                "value": str(minute),
                "observed_at": (NOW + timedelta(minutes=minute)).isoformat(),
            }
            for metric, minute, _ in sent
        ]

    order = [*batches, *batches]
    random.shuffle(order)
    for sent in order:
        send(kept, *batch(sent))
    latest: dict[str, int] = {}
    for metric, minute, _ in (one for sent in batches for one in sent):
        latest[metric] = max(latest.get(metric, 0), minute)
    assert {row[0]: int(row[3]) for row in rows(kept, kept_account)} == latest


def test_the_same_facts_sent_at_once_in_other_orders_do_not_lock_up(kept: Warehouse) -> None:
    facts = [FACT | {"account_id": "act_e", "metric": f"m{n}"} for n in range(200)]
    done: list[Any] = []
    threads = [
        threading.Thread(target=lambda given=given: done.append(send(kept, *given)))
        for given in (facts, facts[::-1]) * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(one.written for one in done) == 200
    assert len(done) == 4
