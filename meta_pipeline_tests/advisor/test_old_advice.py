"""Advice that was settled long ago costs nothing: neither pages nor programs read through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, TypeAlias

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import errors
from psycopg.types.json import Jsonb

from meta_pipeline.advisor import (
    AdviceRow,
    AdviceSettled,
    advice_beginning,
    count_open_advice,
    dismiss,
    given_advice,
    open_advice,
    track_record,
)
from meta_pipeline.advisor.store import newest_by_key
from meta_pipeline.copilot.advice import advice_given
from meta_pipeline.warehouse import DEFAULT_TENANT, Warehouse
from meta_pipeline.warehouse.tenancy.groups import group_names
from meta_pipeline_tests.metrics.rows import NOW
from meta_pipeline_tests.postgres import TestPostgres, rows_read
from meta_pipeline_tests.warehouse.tenancy import two

FLEET, EACH, OPEN, LIMIT = 50, 1000, 20, 20
TABLES = ("advice", "advice_outcomes", "advice_reviews")
OWN = ["act_1", "act_2", "act_3"]
"""Of the tenant `shop`; all that is open is of the last two, and the first was advised long ago."""
_ACCOUNTS = """
    INSERT INTO meta_ads.meta_ad_accounts (account_id, name, data_as_of, last_listed_at)
    SELECT 'act_' || n, 'Shop ' || n, now(), now() FROM generate_series(1, %s) AS n
"""
_ADVICE = """
    INSERT INTO meta_ads.advice (
        advice_id, account_id, advice_key, kind, severity, entity_type, entity_id, entity_ids,
        what, why, numbers, method, doubt, expected_effect, as_of, review_on, ads_manager_url,
        made_at)
    SELECT md5(account || ' ' || n), 'act_' || account, 'key ' || n,
        (ARRAY['pause', 'pacing'])[1 + n %% 2], 'high', 'ad', n::text, '["7"]', 'Pause it.',
        'It is dear.', '{}', 'E-value.', 'None.', 'More.', day, day + 14,
        'https://adsmanager.facebook.com/x', day + interval '7 hours'
    FROM generate_series(1, %(fleet)s) AS account, generate_series(1, %(each)s) AS n,
        LATERAL (
            SELECT %(last)s::date - n / 3 - CASE account WHEN 1 THEN 1000 ELSE 0 END AS day
        ) AS days
"""
_SETTLED = """
    INSERT INTO meta_ads.advice_outcomes (advice_id, outcome, account_id, at, by, reason)
    SELECT advice_id, CASE entity_id::int % 10 WHEN 0 THEN 'superseded' ELSE 'followed' END,
        account_id, made_at + interval '3 days', 'the rules', 'It was.'
    FROM meta_ads.advice
    WHERE account_id NOT IN ('act_2', 'act_3') OR entity_id::int % 100 <> 0
"""
_REVIEWED = """
    INSERT INTO meta_ads.advice_reviews
    SELECT advice_id, account_id, 'better', 'Half.', '{}', at FROM meta_ads.advice_outcomes
"""
Read: TypeAlias = Callable[[Warehouse, psycopg.Connection[Any], Sequence[str] | None], int]


@pytest.fixture(scope="module")
def advised(postgres: TestPostgres) -> Iterator[Warehouse]:
    """Accounts of two tenants: 20 pieces of advice are open, 50,000 are settled."""
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        with opened.connection() as connection:
            groups = group_names(connection)
            connection.execute(_ACCOUNTS, (FLEET,))
            values = {"fleet": FLEET, "each": EACH, "last": date(2026, 1, 1)}
            connection.execute(_ADVICE, values)
            for statement in (_SETTLED, _REVIEWED):
                connection.execute(statement)
        try:
            opened.tenants.add("shop", "Shop", NOW)
            opened.tenants.grant("shop", OWN, NOW)
            opened.keep_tenants_apart()
            with psycopg.connect(url, autocommit=True) as connection:
                # All were open at once here: pages that this left empty are gone in a real one.
                connection.execute("REINDEX TABLE meta_ads.advice")
                connection.execute("VACUUM ANALYZE")
            yield opened
        finally:
            opened.close()
            two._drop(postgres, url, groups)


READS: dict[str, Read] = {
    "the counts of the page": lambda _, c, __: count_open_advice(c).total(),
    "what is open": lambda _, c, named: len(open_advice(c, named, limit=LIMIT)),
    "what is open of a kind": lambda _, c, named: len(
        open_advice(c, named, kinds=["pause"], limit=LIMIT)
    ),
    "what was settled last": lambda _, c, named: len(
        given_advice(c, named, is_settled=True, limit=LIMIT)
    ),
    "the track record": lambda _, c, named: track_record(c, named, limit=LIMIT).advices,
    "a page of what is open": lambda _, c, named: len(
        given_advice(c, named, is_settled=False, limit=LIMIT)
    ),
    "a page of all": lambda _, c, named: len(given_advice(c, named, limit=LIMIT)),
    "a page of all, far back": lambda _, c, named: len(
        given_advice(c, named, after=(date(2025, 3, 1), "8"), limit=LIMIT)
    ),
    "what an assistant is told": lambda seen, _, named: (
        advice_given(
            seen, None if named is None else list(named), None, include_settled=False
        ).row_count
    ),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("named", [None, OWN])
@pytest.mark.parametrize("tenant", ["shop", None])
def test_what_was_settled_is_not_read(
    advised: Warehouse, read: str, named: Sequence[str] | None, tenant: str | None
) -> None:
    with (
        advised.of_tenant(tenant or DEFAULT_TENANT).snapshot() as seen,
        seen.connection() as connection,
    ):
        if tenant is None:
            connection.execute("RESET ROLE")  # the owner, in a transaction whose reads are counted
        # As often as Postgres then plans for any values, and not for these.
        for _ in range(7):
            before = rows_read(connection, *TABLES)
            assert READS[read](seen, connection, named) == OPEN == LIMIT
            assert rows_read(connection, *TABLES) - before <= 6 * LIMIT


@pytest.mark.parametrize("tenant", ["shop", DEFAULT_TENANT])
@pytest.mark.parametrize("named", [None, ["act_1", "act_2"]])
@pytest.mark.parametrize("is_settled", [None, True, False])
def test_pages_follow_each_other_through_all_there_is(
    advised: Warehouse, tenant: str, named: Sequence[str] | None, is_settled: bool | None
) -> None:
    asked = {"is_settled": is_settled, "kinds": ["pause"], "limit": 2000}
    found: list[AdviceRow] = []
    with advised.of_tenant(tenant).connection() as connection:
        while page := given_advice(
            connection, named, after=(found[-1].as_of, found[-1].advice_id) if found else None,
            **asked,  # type: ignore[arg-type]
        ):  # fmt: skip
            found += page
    keys = [(row.as_of, row.advice_id) for row in found]
    assert keys == sorted({*keys}, reverse=True)
    accounts = {*(named or OWN)} if tenant == "shop" or named else None
    with advised.connection() as connection:
        ids = connection.execute(
            "SELECT advice_id FROM meta_ads.advice AS a LEFT JOIN meta_ads.advice_outcomes AS o"
            " USING (advice_id) WHERE kind = 'pause'"
            " AND (%(settled)s::bool IS NULL OR %(settled)s = (o.outcome IS NOT NULL))"
            " AND (%(accounts)s::text[] IS NULL OR a.account_id = ANY (%(accounts)s))",
            {"settled": is_settled, "accounts": list(accounts) if accounts else None},
        ).fetchall()
    assert {row.advice_id for row in found} == {one for (one,) in ids}
    assert all(row.verdict == "better" for row in found if row.outcome)
    assert all(row.outcome_by == "the rules" for row in found if row.outcome)


def test_judging_reads_what_is_open_and_not_all_that_was_advised(advised: Warehouse) -> None:
    with advised.connection() as connection, connection.transaction(force_rollback=True):
        for _ in range(7):
            before = rows_read(connection, *TABLES)
            found = newest_by_key(connection, "act_2", NOW)
            assert rows_read(connection, *TABLES) - before <= 6 * LIMIT
        still_open = {key for key, row in found.items() if row.outcome is None}
        assert still_open == {row.advice_key for row in open_advice(connection, ["act_2"])}


@given(
    known=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(-5000, 5000), st.booleans()), max_size=12
    ),
    keys=st.sets(st.sampled_from("abc")),
)
@settings(max_examples=25)
def test_of_every_key_the_last_is_found_and_none_of_the_future_if_there_is_another(
    advised: Warehouse, known: list[tuple[str, int, bool]], keys: set[str]
) -> None:
    with advised.connection() as connection, connection.transaction(force_rollback=True):
        for place, (key, minutes, is_open) in enumerate(known):
            connection.execute(
                "INSERT INTO meta_ads.advice SELECT (jsonb_populate_record(one, %s)).*"
                " FROM (SELECT one FROM meta_ads.advice AS one LIMIT 1) AS sample",
                (
                    Jsonb(
                        {
                            "advice_id": f"{key}{place:02}",
                            "account_id": "act_new",
                            "advice_key": key,
                            "made_at": (NOW + timedelta(minutes=minutes)).isoformat(),
                            "outcome": None if is_open else "expired",
                        }
                    ),
                ),
            )
        found = newest_by_key(connection, "act_new", NOW, keys)
        of_open = newest_by_key(connection, "act_new", NOW)
    last: dict[str, str] = {}
    # Five minutes ahead is no future: the clocks of two machines lie apart so far.
    by_age = sorted(enumerate(known), key=lambda one: (one[1][1] <= 5, one[1][1], one[0]))
    for place, (key, _, _) in by_age:
        last[key] = f"{key}{place:02}"
    assert {key: row.advice_id for key, row in found.items()} == {
        key: last[key] for key in last.keys() & keys
    }
    assert of_open.keys() == {key for key, _, is_open in known if is_open}
    assert all(row.advice_id == last[key] for key, row in of_open.items())


_OUTCOME = "INSERT INTO meta_ads.advice_outcomes VALUES (%s, %s, %s, %s, 'ana', 'It was.')"


def test_of_two_outcomes_that_are_written_at_once_the_first_counts(advised: Warehouse) -> None:
    with advised.connection() as connection, connection.transaction(force_rollback=True):
        row = open_advice(connection, ["act_2"])[0]
        connection.execute(_OUTCOME, (row.advice_id, "expired", "act_9", NOW))
        assert row in open_advice(connection), "of another account than the advice"
        for outcome, hours in (("followed", 1), ("dismissed", 2)):
            at = NOW + timedelta(hours=hours)
            connection.execute(_OUTCOME, (row.advice_id, outcome, "act_2", at))
        (found,) = advice_beginning(connection, row.advice_id[:12])
        assert (found.outcome, found.outcome_at) == ("followed", NOW + timedelta(hours=1))
        assert row.advice_id not in {one.advice_id for one in open_advice(connection)}


def test_a_tenant_settles_its_own_advice_and_changes_nothing_else_of_it(advised: Warehouse) -> None:
    with (
        advised.of_tenant("shop").connection() as connection,
        connection.transaction(force_rollback=True),
    ):
        row = open_advice(connection, ["act_3"])[0]
        with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
            connection.execute("UPDATE meta_ads.advice SET severity = 'low'")
        dismiss(connection, row, by="ana", reason="no", at=NOW)
        with pytest.raises(AdviceSettled, match="is dismissed"):
            dismiss(connection, row, by="ana", reason="no", at=NOW)
        assert count_open_advice(connection).total() == OPEN - 1
