"""Why a metric changed: parts that add up to the whole, to the last digit."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline import copilot, metrics
from meta_pipeline.copilot.change import _EDITS, Sides, decompose
from meta_pipeline_tests.postgres import rows_touched

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


def test_edits_of_some_days_are_found_however_many_there_were(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts"
            " (account_id, timezone_name, last_listed_at, data_as_of, first_seen_at)"
            " VALUES ('act_1', 'Pacific/Kiritimati', now(), now(), now())"
        )
        connection.execute(
            "INSERT INTO meta_ads.entity_changes"
            " (account_id, entity_type, entity_id, field, old_value, new_value, seen_at)"
            " SELECT 'act_1', 'campaign', 'c1', 'name', n::text, (n + 1)::text,"
            " '2026-11-20 12:00 UTC'::timestamptz - n * interval '1 hour'"
            " FROM generate_series(1, 20000) AS n"
        )
        connection.execute("ANALYZE")
        # In that zone the 19th begins at 10:00 UTC of the 18th.
        asked = {"accounts": ["act_1"], "since": THIS[0], "until": THIS[1], "most": 1_000}
        hours = [row[0] for row in connection.execute(_EDITS, asked)]
        assert (min(hours), max(hours)) == (
            datetime(2026, 11, 12, 10, tzinfo=UTC),
            datetime(2026, 11, 19, 9, tzinfo=UTC),
        )
        assert len(hours) == 7 * 24
        assert rows_touched(connection, _EDITS, asked, table="entity_changes") < 15 * 24
