"""Numbers that move backwards: restated downwards, left out while the total stands, lost pages."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from meta_pipeline.simulator import AccountSpec, VirtualClock, World
from meta_pipeline.simulator.insights import InsightsQuery, count, rows

SPEC = AccountSpec("Rückläufig", 2, 3, 6, (2, 3, 6), zone="Europe/Berlin", currency="EUR")
DAY = date(2026, 11, 12)
FIELDS = ("ad_id", "spend", "impressions", "clicks", "actions")
HOURS = ("hourly_stats_aggregated_by_advertiser_time_zone",)


@pytest.fixture
def world() -> World:
    clock = VirtualClock(datetime(2026, 11, 20, 12, tzinfo=UTC))
    return World(seed=5, clock=clock, accounts=(SPEC,))


def asked(world: World, level: str, *breakdowns: str) -> list[dict[str, str]]:
    query = InsightsQuery(
        node_id=world.accounts()[0].id,
        level=level,
        ranges=((DAY - timedelta(days=1), DAY + timedelta(days=1)),),
        increment=1,
        fields=FIELDS if level == "ad" else FIELDS[1:],
        breakdowns=breakdowns,
    )
    found = list(rows(world, query))
    assert count(world, query) == len(found)
    return found


def impressions(found: list[dict[str, str]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for row in found:
        sums[row["date_start"]] += int(row["impressions"])
    return sums


def delivering(world: World) -> str:
    return next(r["ad_id"] for r in asked(world, "ad") if r["date_start"] == DAY.isoformat())


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5])
def test_what_is_taken_back_is_gone_at_every_level(world: World, keep: float) -> None:
    before = asked(world, "ad"), asked(world, "ad", "age", "gender"), asked(world, "ad", *HOURS)
    ad = delivering(world)
    world.take_back(ad, DAY, DAY, keep)
    after = asked(world, "ad"), asked(world, "ad", "age", "gender"), asked(world, "ad", *HOURS)
    account = impressions(asked(world, "account"))
    for old, new in zip(before, after, strict=True):
        assert impressions(new) == account
        assert impressions(new)[DAY.isoformat()] < impressions(old)[DAY.isoformat()]
        others = [row for row in old if (row["ad_id"], row["date_start"]) != (ad, str(DAY))]
        assert [row for row in new if (row["ad_id"], row["date_start"]) != (ad, str(DAY))] == others
    assert any(row["ad_id"] == ad and row["date_start"] == str(DAY) for row in after[0]) is (
        keep > 0
    )
    if keep == 0.01:
        assert len(after[1]) < len(before[1]), "cells vanish with the numbers"
    world.give_back(ad)
    assert asked(world, "ad") == before[0]


@pytest.mark.parametrize("left", range(1, 9))
def test_a_day_of_a_few_impressions_has_hours_and_cells(world: World, left: int) -> None:
    """Impressions may be left that not one whole person saw."""
    ad = delivering(world)
    (row,) = [r for r in asked(world, "ad") if (r["ad_id"], r["date_start"]) == (ad, str(DAY))]
    world.take_back(ad, DAY, DAY, (left + 0.5) / int(row["impressions"]))
    for breakdowns in ((), ("age", "gender"), HOURS):
        kept = [
            int(r["impressions"])
            for r in asked(world, "ad", *breakdowns)
            if (r["ad_id"], r["date_start"]) == (ad, str(DAY))
        ]
        assert sum(kept) == left


def test_what_is_withheld_is_in_the_total_only(world: World) -> None:
    ad, total = delivering(world), asked(world, "account")
    world.withhold(ad, DAY, DAY)
    assert asked(world, "account") == total
    for breakdowns in ((), ("age",), HOURS):
        found = asked(world, "ad", *breakdowns)
        assert not [r for r in found if r["ad_id"] == ad and r["date_start"] == str(DAY)]
    assert impressions(asked(world, "campaign"))[str(DAY)] < impressions(total)[str(DAY)]


def test_a_tired_ad_is_clicked_less_each_day_and_shown_as_before(world: World) -> None:
    ad = delivering(world)
    before = asked(world, "ad")
    world.tire(ad, DAY - timedelta(days=1), 0.5)
    after = asked(world, "ad")
    share = {}
    for old, new in zip(before, after, strict=True):
        assert (new["impressions"], new["spend"]) == (old["impressions"], old["spend"])
        if new["ad_id"] == ad and int(old.get("clicks", 0)):
            share[new["date_start"]] = int(new.get("clicks", 0)) / int(old["clicks"])
        elif new["ad_id"] != ad:
            assert new == old
    assert share == {day: pytest.approx(0.5**n, abs=0.1) for n, day in enumerate(sorted(share))}
    with pytest.raises(ValueError, match="between 0 and 1"):
        world.tire(ad, DAY, 1)


def test_a_broken_pixel_reports_nothing_at_any_level(world: World) -> None:
    account = world.accounts()[0].id

    def conversions(level: str) -> set[str]:
        return {
            row["date_start"]
            for row in asked(world, level)
            if any("offsite" in one["action_type"] for one in row.get("actions", ()))  # type: ignore[index]
        }

    assert str(DAY) in conversions("ad")
    clicks = [row["clicks"] for row in asked(world, "account")]
    world.break_pixel(account, DAY, DAY)
    for level in ("ad", "account"):
        assert str(DAY) not in conversions(level)
        assert str(DAY - timedelta(days=1)) in conversions(level)
    assert [row["clicks"] for row in asked(world, "account")] == clicks
    with pytest.raises(KeyError):
        world.break_pixel("act_1", DAY, DAY)
