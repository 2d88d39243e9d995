"""Why a metric changed: parts that add up to the whole, to the last digit."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline import copilot, metrics
from meta_pipeline.copilot.change import _EDITS, Sides, decompose
from meta_pipeline.model.time_zone import begin_of, zone
from meta_pipeline.warehouse import DEFAULT_TENANT, Warehouse
from meta_pipeline_tests.postgres import rows_read

from .conftest import Place
from .goldens import N

AMOUNT = st.decimals(0, 10_000, places=2).map(Fraction)
PERIOD = st.dictionaries(
    st.sampled_from("abcdefgh"), st.builds(Sides, AMOUNT, st.integers(0, 500).map(Fraction))
)
THIS, BEFORE = ((date(2026, 11, 13), date(2026, 11, 19)), (date(2026, 11, 6), date(2026, 11, 12)))


def whole(period: dict[str, Sides], *, is_ratio: bool) -> Fraction | None:
    above = sum((one.above for one in period.values()), Fraction(0))
    below = sum((one.below for one in period.values()), Fraction(0))
    if not is_ratio:
        return above
    return above / below if below else None


@settings(max_examples=40)
@given(PERIOD, PERIOD, st.booleans())
def test_parts_add_up_exactly(
    before: dict[str, Sides], after: dict[str, Sides], is_ratio: bool
) -> None:
    expected = [whole(period, is_ratio=is_ratio) for period in (before, after)]
    if None in expected:
        with pytest.raises(metrics.ImpossibleQuestion):
            decompose(before, after, is_ratio=is_ratio)
        return

    start, end, parts = decompose(before, after, is_ratio=is_ratio)

    assert sum((one.mix + one.rate for one in parts), Decimal(0)) == end - start
    for found, value in ((start, expected[0]), (end, expected[1])):
        assert abs(Fraction(found) - value) <= Fraction(1, 2_000_000)  # type: ignore[operator]
    assert {one.entity_id for one in parts} == before.keys() | after.keys()


def test_mix_is_of_shares_and_rate_of_own_values() -> None:
    cheap, dear = Sides(Fraction(100), Fraction(10)), Sides(Fraction(300), Fraction(10))

    # The same prices in other shares: only mix. The same shares at another price: only rate.
    _, _, shifted = decompose(
        {"cheap": cheap, "dear": dear},
        {"cheap": Sides(Fraction(50), Fraction(5)), "dear": Sides(Fraction(450), Fraction(15))},
        is_ratio=True,
    )
    _, _, pricier = decompose(
        {"cheap": cheap, "dear": dear},
        {"cheap": Sides(Fraction(200), Fraction(10)), "dear": dear},
        is_ratio=True,
    )

    assert {one.rate for one in shifted} == {Decimal(0)}
    assert sum(one.mix for one in shifted) == 5
    assert {one.entity_id: (one.mix, one.rate) for one in pricier} == {
        "cheap": (Decimal(0), Decimal(5)),
        "dear": (Decimal(0), Decimal(0)),
    }


@pytest.mark.parametrize("metric", ["cpl", "spend", "roas"])
@pytest.mark.parametrize("level", ["campaign", pytest.param("ad", marks=pytest.mark.slow)])
def test_the_whole_is_what_the_metric_layer_says(place: Place, metric: str, level: str) -> None:
    found = copilot.explain_change(
        place.warehouse, metric, account=N, level=level, date_range=THIS, now=place.now
    )

    values = [
        metrics.query(place.warehouse, account=N, metrics=[metric], date_range=days)[metric][0]
        for days in (BEFORE, THIS)
    ]
    assert (found.asked["before_since"], found.asked["before_until"]) == tuple(map(str, BEFORE))
    assert [float(found.asked["before"]), float(found.asked["after"])] == pytest.approx(values)
    parts = sum(Decimal(row["mix"]) + Decimal(row["rate"]) for row in found.rows)
    assert parts == Decimal(found.asked["change"])
    assert parts == sum(Decimal(row["contribution"]) for row in found.rows)


def test_only_the_days_of_both_periods_are_said_to_reconcile(place: Place) -> None:
    long_ago = (date(2025, 3, 1), date(2025, 3, 3))
    for before, days in ((long_ago, 3), (THIS, 0)):
        found = copilot.explain_change(
            place.warehouse, "spend", account=N, date_range=THIS, before=before, now=place.now
        )
        told = found.provenance
        assert told is not None
        own = (THIS[1] - THIS[0]).days + 1
        assert told.reconciliation is not None
        assert sum(told.reconciliation.days_by_status.values()) == own + days


def test_what_has_no_parts_is_refused(place: Place) -> None:
    for metric, said in (("reach", "counts people"), ("cpa", "unknown")):
        with pytest.raises(metrics.ImpossibleQuestion, match=said):
            copilot.explain_change(
                place.warehouse,
                metric,
                account=N,
                date_range=(date(2026, 3, 2), date(2026, 3, 3)),
                now=place.now,
            )


@pytest.mark.parametrize(
    ("bound", "told"),
    [(metrics.Bound(rows=2), "more than 2 rows"), (metrics.Bound(days=9), "14 days, of 2 ad acc")],
)
def test_an_answer_has_a_bound_whoever_asks(
    place: Place, monkeypatch: pytest.MonkeyPatch, bound: metrics.Bound, told: str
) -> None:
    """It is made whole, in the memory of a process that answers others too."""
    monkeypatch.setattr(metrics, "Bound", lambda: bound)
    by_ad = place.ask("spend by ad last week")
    assert by_ad.outcome is copilot.Outcome.REFUSED
    assert told in (by_ad.message or "")
    days = (date(2026, 11, 13), date(2026, 11, 19))
    with pytest.raises(metrics.ImpossibleQuestion, match=told):
        copilot.explain_change(place.warehouse, "impressions", date_range=days, now=place.now)
    monkeypatch.undo()
    assert place.ask("spend by ad last week").outcome is copilot.Outcome.ANSWERED


_RENAMED = """
    INSERT INTO meta_ads.entity_changes
        (account_id, entity_type, entity_id, field, old_value, new_value, seen_at)
    SELECT account_id, 'campaign', 'c1', 'name', n::text, (n + 1)::text,
           '2026-11-20 12:00 UTC'::timestamptz - n * interval '1 hour'
    FROM meta_ads.meta_ad_accounts, generate_series(1, 20000) AS n
"""
_LOGGED = """
    INSERT INTO meta_ads.meta_activities
        (activity_id, account_id, event_time, event_type, object_id, object_type, data_as_of)
    SELECT n, 'act_1', '2026-11-20 12:10 UTC'::timestamptz - n * interval '20 minutes',
           'update_campaign_name', 'c1', 'CAMPAIGN', now()
    FROM generate_series(1, 20000) AS n
"""
_ALL_EDITS = """
    SELECT happened_at, source, entity_type, entity_id, entity_name, what, old_value,
           new_value, who
    FROM meta_ads.entity_timeline AS happened
    JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
    WHERE meta_ads.day_in_zone(happened_at, account.timezone_name) BETWEEN %s AND %s
    ORDER BY happened_at DESC, entity_id, what LIMIT %s
"""


def test_edits_of_some_days_are_found_however_many_there_were(database_url: str) -> None:
    # In the first zone the 19th begins at 10:00 UTC of the 18th.
    zones = ["Pacific/Kiritimati", "America/Los_Angeles"]
    with Warehouse(database_url) as warehouse, warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts"
            " (account_id, timezone_name, last_listed_at, data_as_of, first_seen_at)"
            " SELECT 'act_' || n, zone, now(), now(), now()"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS named (zone, n)",
            (zones,),
        )
        for text in (_RENAMED, _LOGGED):
            connection.execute(text)
        connection.execute("ANALYZE")
    with (
        Warehouse(database_url) as warehouse,
        warehouse.of_tenant(DEFAULT_TENANT).snapshot() as seen,
        seen.connection() as connection,
    ):
        for days, most, count in ((THIS, 50, 50), ((THIS[1], THIS[1]), 200, 72 + 24 + 24)):
            bounds = [[begin_of(day, zone(one)) for one in zones]
                      for day in (days[0], days[1] + timedelta(days=1))]  # fmt: skip
            asked = dict(zip(("since", "until"), bounds, strict=True))
            before = rows_read(connection, "entity_changes", "meta_activities")
            rows = connection.execute(
                _EDITS, asked | {"accounts": ["act_1", "act_2"], "most": most}
            ).fetchall()
            read = rows_read(connection, "entity_changes", "meta_activities") - before
            assert read <= 6 * most
            assert rows == connection.execute(_ALL_EDITS, (*days, most)).fetchall()
            assert len(rows) == count
