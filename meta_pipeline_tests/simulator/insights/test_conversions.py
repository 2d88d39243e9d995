"""Custom conversions and events of ad sets, and actions that are missing below the account."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from meta_pipeline.simulator import AccountSpec, VirtualClock, World
from meta_pipeline.simulator.insights import InsightsQuery, rows

SHOP = AccountSpec("Shop", 2, 4, 12, (2, 4, 12), currency="EUR", zone="Europe/Berlin")
DAYS = (date(2026, 11, 1), date(2026, 11, 10))


def make() -> World:
    clock = VirtualClock(datetime(2026, 11, 20, tzinfo=UTC))
    return World(seed=3, clock=clock, accounts=(SHOP,))


def counted(world: World, level: str, name: str, key: str = "value") -> dict[str, int]:
    """By day, what all rows of a level have of one action type."""
    query = InsightsQuery(
        node_id=world.accounts()[0].id, level=level, ranges=(DAYS,), increment=1,
        fields=("actions", f"{level}_id"), windows=("7d_click",),
    )  # fmt: skip
    found: dict[str, int] = {}
    for row in rows(world, query):
        for entry in row.get("actions", ()):
            if entry["action_type"] == name:
                found[row["date_start"]] = found.get(row["date_start"], 0) + int(entry.get(key, 0))
    return found


def promote(world: World, **promoted: Any) -> list[str]:
    """Every second ad set promotes something of its own."""
    chosen = [one.id for one in world.objects("adsets", world.accounts()[0].id)][::2]
    for adset in chosen:
        world.patch(adset, promoted_object=promoted)
    return chosen


def test_a_custom_conversion_counts_alike_at_every_level() -> None:
    for promoted, name in (
        ({"custom_conversion_id": "777"}, "offsite_conversion.custom.777"),
        ({"custom_event_str": "Trial"}, "offsite_conversion.fb_pixel_custom.Trial"),
    ):
        world = make()
        assert counted(world, "ad", name) == {}
        promote(world, pixel_id="1", custom_event_type="OTHER", **promoted)
        for key in ("value", "7d_click"):
            by_level = [counted(world, level, name, key) for level in ("account", "adset", "ad")]
            assert by_level[0] == by_level[1] == by_level[2]
            assert sum(by_level[0].values()) > 0


def test_only_ads_of_that_ad_set_count_it() -> None:
    world = make()
    chosen = set(promote(world, custom_conversion_id="777"))
    query = InsightsQuery(
        node_id=world.accounts()[0].id, level="adset", ranges=(DAYS,), increment="all_days",
        fields=("actions", "adset_id"),
    )  # fmt: skip
    with_it = {
        row["adset_id"]
        for row in rows(world, query)
        if any("custom.777" in one["action_type"] for one in row.get("actions", ()))
    }
    assert with_it <= chosen
    assert with_it


def test_lost_conversions_stay_in_the_accounts_row_alone() -> None:
    world = make()
    account = world.accounts()[0].id
    whole = counted(world, "account", "purchase")
    day = max(whole, key=lambda one: whole[one])
    assert counted(world, "ad", "purchase") == whole
    world.lose_conversions(account, day, day)
    assert counted(world, "account", "purchase") == whole
    assert counted(world, "ad", "purchase") == {k: v for k, v in whole.items() if k != day}
    assert counted(world, "ad", "link_click").keys() >= {day}
    world.find_conversions(account)
    assert counted(world, "ad", "purchase") == whole
