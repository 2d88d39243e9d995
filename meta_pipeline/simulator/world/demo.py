"""Worlds ready to use: the published demo of twelve accounts, and two big ones."""

from __future__ import annotations

from datetime import date, timedelta

from meta_pipeline.simulator.world.accounts import AccountSpec
from meta_pipeline.simulator.world.clock import Clock
from meta_pipeline.simulator.world.world import World

# The same world on every machine: texts and tests name its accounts and ads.
DEMO_SEED = 7

# Sizes as published: campaigns, ad sets, ads; then how many of each are active.
DEMO_ACCOUNTS = (
    AccountSpec("2EZi", 49, 182, 798, (14, 31, 72)),
    AccountSpec("Australian Bill Cutters", 35, 127, 45, (9, 16, 20), zone="Australia/Melbourne"),
    AccountSpec("Chekku (2)", 21, 188, 49, (6, 14, 21), zone="Australia/Brisbane"),
    AccountSpec("Circl", 36, 42, 50, zone="Australia/Perth"),
    AccountSpec("Dynamic Code", 10, 17, 73, (1, 2, 4), zone="Australia/Adelaide"),
    AccountSpec("River Road Liquor", 8, 10, 34, (1, 0, 0), zone="Australia/Hobart"),
    AccountSpec("Bus Tour Rhymes", 5, 8, 23, (3, 5, 14), currency="JPY", zone="Asia/Tokyo"),
    AccountSpec("Buy't", 15, active=(3, 0, 0)),
    AccountSpec("Deckmasters", 1, 2, 2, (1, 2, 2), zone="Australia/Darwin"),
    AccountSpec("Avante", 2, active=(1, 0, 0), zone="Australia/Melbourne"),
    AccountSpec("Quoterite", 1, active=(1, 0, 0)),
    AccountSpec("Chekku (1)", zone="Australia/Brisbane"),
)


TIRED = "993000100000000481"
"""An ad of 2EZi: its click rate falls by 20 % a day from twelve days before the anchor on."""
BROKEN_PIXEL = "act_990000000000002"
"""Australian Bill Cutters: no conversion is reported from six days before the anchor, for two
weeks."""
TWINS = (
    ("993000100000000661", "992000100000000154"),
    ("993000100000000663", "992000100000000155"),
)
"""An ad and its ad set of 2EZi, and two more: the same creative for the same people."""
OF_ITS_OWN = ("992000900000000002", "995000900000000001")
"""An ad set of Deckmasters and the custom conversion it promotes."""
_A_WEEK = timedelta(days=7)


def demo_world(clock: Clock, *, seed: int = DEMO_SEED, anchor: date | None = None) -> World:
    """Twelve accounts, 183 campaigns, 576 ad sets, 1,074 ads; 243 of the 1,833 are active.

    Some things went wrong in it around the anchor, for whoever looks for them: see `TIRED`,
    `BROKEN_PIXEL` and `TWINS`. The results of one ad set are those `OF_ITS_OWN`.
    """
    world = World(seed=seed, clock=clock, accounts=DEMO_ACCOUNTS, anchor=anchor)
    world.tire(TIRED, world.anchor - timedelta(days=12), 0.2)
    world.break_pixel(BROKEN_PIXEL, world.anchor - timedelta(days=6), world.anchor + _A_WEEK)
    (ad, adset), (twin_ad, twin_adset) = TWINS
    known = {one: world.get(one) for one in (ad, adset)}
    if (first := known[ad]) is not None and (owner := known[adset]) is not None:
        world.patch(twin_ad, creative=first.values["creative"])
        world.patch(twin_adset, targeting=owner.values["targeting"])
    adset, conversion = OF_ITS_OWN
    if (promoted := world.get(conversion)) is not None:
        pixel = promoted.values["pixel"]["id"]
        world.patch(adset, promoted_object={"pixel_id": pixel, "custom_conversion_id": conversion})
    return world


def large_world(
    clock: Clock,
    *,
    entities: int = 100_000,
    delivering: int = 5_000,
    seed: int = DEMO_SEED,
    anchor: date | None = None,
) -> World:
    """One account of `entities` campaigns, ad sets and ads, `delivering` ads of them active."""
    campaigns, adsets = max(1, entities // 50), max(1, entities // 5)
    ads = entities - campaigns - adsets
    if not 0 <= delivering <= ads:
        raise ValueError(f"{entities} entities hold {ads} ads, so {delivering} cannot deliver")
    on = (
        min(campaigns, delivering // 30 + 1) if delivering else 0,
        min(adsets, delivering // 4 + 1) if delivering else 0,
        delivering,
    )
    spec = AccountSpec("Enterprise Everything", campaigns, adsets, ads, on)
    return World(seed=seed, clock=clock, accounts=(spec,), anchor=anchor)


def insights_world(
    clock: Clock,
    *,
    ads: int = 14_000,
    days: int = 90,
    seed: int = DEMO_SEED,
    anchor: date | None = None,
) -> World:
    """One account whose `ads` active ads deliver over more than `days` days.

    14,000 ads over 90 days are more than 1,000,000 ad-day rows.
    """
    spec = AccountSpec(
        "Enterprise Insights",
        max(1, ads // 100),
        max(1, ads // 10),
        ads,
        (max(1, ads // 100), max(1, ads // 10), ads),
        age_days=days * 4,
    )
    return World(seed=seed, clock=clock, accounts=(spec,), anchor=anchor)
