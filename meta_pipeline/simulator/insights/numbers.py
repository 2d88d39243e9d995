"""What an ad delivers on a day: a pure function of (seed, ad, day, as of).

Everything counts from one ordered line of impressions. The clicks, cents and reactions that
come before impression `i` are a floor of a fixed proportion, so any cut of a day (an hour, an
age group, half a day before a pause) gets its share, parts add up exactly and
link clicks <= clicks <= people <= impressions holds in every cell.

Conversions belong to the day of the impression and keep arriving for 28 days (FACTS §5.5);
whether one has arrived depends only on the time that has passed since that day.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import exp, expm1
from typing import NamedTuple

from meta_pipeline.simulator.world.days import QUARTERS
from meta_pipeline.simulator.world.draws import draw
from meta_pipeline.simulator.world.money import from_cents

# Numbers do not change any more 28 days after they were reported (FACTS section 5.5).
RESTATED_DAYS = 28
# Shares are whole numbers of 65,536ths: the same on every machine, which floats are not.
_ONE = 65_536
# Wraps any number into a share, as `_ONE` is a power of two.
_MASK = _ONE - 1
_ONE_DAY, _SEVEN_DAYS = 40_960, 58_982  # shares of conversions within that time of the click

# Delivered counts of a cell, in this order. PEOPLE is the additive base of reach.
(IMPRESSIONS, PEOPLE, SPEND, CLICKS, LINKS, OUTBOUND, LANDINGS, REACTIONS, COMMENTS, LIKES,
 VIDEOS, QUARTER_WATCHED, HALF_WATCHED, MOST_WATCHED, ALL_WATCHED) = range(15)  # fmt: skip
Delivered = tuple[int, ...]
NOTHING: Delivered = (0,) * 15

# Conversions that can really happen; every action type of Meta's is a sum of these.
EVENTS = ("view_content", "add_to_cart", "initiate_checkout", "purchase_web", "purchase_offline",
          "registration_web", "registration_app", "lead_web", "lead_form")  # fmt: skip
(VIEW_CONTENT, ADD_TO_CART, CHECKOUT, PURCHASE_WEB, PURCHASE_OFFLINE, REGISTRATION_WEB,
 REGISTRATION_APP, LEAD_WEB, LEAD_FORM) = range(9)  # fmt: skip
WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view")
# One integer for each event and window, then the revenue in minor units of both purchases.
CONVERTED = len(EVENTS) * 4
REVENUE = {PURCHASE_WEB: CONVERTED, PURCHASE_OFFLINE: CONVERTED + 4}
Converted = tuple[int, ...]
NO_CONVERSIONS: Converted = (0,) * (CONVERTED + 8)


class Cell(NamedTuple):
    """Delivery and conversions of one cell; conversions are left out when nobody asked."""

    delivered: Delivered
    converted: Converted


@dataclass(frozen=True, slots=True)
class Traits:
    """What stays the same about an ad from day to day. Rates are per 65,536."""

    impressions: int
    cost_per_mille_minor: int
    people: int
    clicks: int
    links: int
    outbound: int
    landings: int
    reactions: int
    comments: int
    likes: int
    videos: int
    events: tuple[tuple[int, int, int], ...]  # (event, click rate per link click, view rate)
    price_minor: int
    rest_every: int  # days between two without delivery; 0 never rests
    rest_phase: int
    curve: int


# (event, rate per link click, rate of views): each step of the way to a purchase is rarer.
_SALES = ((VIEW_CONTENT, 30_000, 1_500), (ADD_TO_CART, 9_000, 400), (CHECKOUT, 5_000, 200),
          (PURCHASE_WEB, 3_000, 160), (PURCHASE_OFFLINE, 500, 0))  # fmt: skip
_LEADS = ((REGISTRATION_WEB, 4_500, 150), (REGISTRATION_APP, 900, 60), (LEAD_WEB, 3_500, 100),
          (LEAD_FORM, 2_800, 0))  # fmt: skip
_EVENTS_OF = {
    "OUTCOME_SALES": _SALES,
    "CONVERSIONS": _SALES,
    "OUTCOME_LEADS": _LEADS,
    "OUTCOME_TRAFFIC": ((VIEW_CONTENT, 12_000, 300),),
}
# Half of all ads never rest.
_REST_EVERY = (0, 0, 0, 0, 7, 11, 17, 29)


@lru_cache(maxsize=32_768)
def traits(key: bytes, account: int, ad: int, objective: str, currency: str) -> Traits:
    """The character of an ad, drawn once from the seed."""
    d = draw(key, b"trai", account, ad)
    return Traits(
        # From 60 to 11,000 a day, most of them small.
        impressions=int(60 * exp(d[0] * 5.2 / _ONE)),
        cost_per_mille_minor=from_cents(400 + d[1] * 2_600 // _ONE, currency),
        people=40_000 + d[2] // 3,
        clicks=400 + d[3] * 2_600 // _ONE,
        links=30_000 + d[4] // 3,
        outbound=45_000 + d[5] // 4,
        landings=40_000 + d[6] // 4,
        reactions=100 + d[7] // 100,
        comments=10 + d[8] // 1_500,
        likes=d[10] // 3_000,
        videos=(2_000 + d[9] // 6) if d[9] & 1 else 0,
        events=_EVENTS_OF.get(objective, ()),
        price_minor=from_cents(1_900 + d[11] * 18_000 // _ONE, currency),
        rest_every=_REST_EVERY[d[12] % len(_REST_EVERY)],
        rest_phase=d[13],
        curve=d[14] % len(_CURVES),
    )


def rests(ad_traits: Traits, day: int) -> bool:
    """True on the days an ad that was switched on delivered nothing at all."""
    return bool(ad_traits.rest_every) and (day + ad_traits.rest_phase) % ad_traits.rest_every == 0


def resting_days(ad_traits: Traits, first: int, last: int) -> int:
    """How many of the days first..last `rests` says."""
    every = ad_traits.rest_every
    if not every or last < first:
        return 0
    return (last + ad_traits.rest_phase) // every - (first + ad_traits.rest_phase - 1) // every


@dataclass(frozen=True, slots=True)
class AdDay:
    """The whole of an ad's day, from which every part of it is cut."""

    totals: Delivered
    draws: tuple[int, ...]
    ad_traits: Traits

    def until(self, quarter: int) -> int:
        """Impressions before a quarter hour of the local day (0..96)."""
        return self.totals[IMPRESSIONS] * _CURVES[self.ad_traits.curve][quarter] // _ONE


# Delivery by weekday, Sunday first, per hundred.
_WEEK = (96, 100, 102, 104, 108, 92, 84)


def ad_day(key: bytes, account: int, ad: int, day: int, ad_traits: Traits) -> AdDay:
    """An ad's full day (date ordinal) as if it ran from midnight to midnight."""
    d = draw(key, b"day ", account, ad, day)
    # One factor for the whole day, so that ratios of a day stay plausible.
    mood = 40_000 + d[0] * 3 // 4
    n = max(1, ad_traits.impressions * _WEEK[day % 7] * mood // (100 * _ONE))
    # Each count comes out of the one before it: it can never be the larger.
    people = max(1, n * ad_traits.people // _ONE)
    clicks = min(people, (n * ad_traits.clicks * (30_000 + d[1]) // _ONE + d[2]) // _ONE)
    links = (clicks * ad_traits.links + d[3]) // _ONE
    outbound = (links * ad_traits.outbound + d[4]) // _ONE
    videos = (n * ad_traits.videos + d[9]) // _ONE
    totals = (
        n,
        people,
        n * ad_traits.cost_per_mille_minor * (52_000 + d[5] // 3) // (1_000 * _ONE),
        clicks,
        links,
        outbound,
        (outbound * ad_traits.landings + d[6]) // _ONE,
        (n * ad_traits.reactions + d[7]) // _ONE,
        (n * ad_traits.comments + d[8]) // _ONE,
        (n * ad_traits.likes + d[10]) // _ONE,
        videos,
        videos * 5 // 8,
        videos * 3 // 8,
        videos * 2 // 8,
        videos // 8,
    )
    return AdDay(totals, d, ad_traits)


def less_clicked(totals: Delivered, share: float) -> Delivered:
    """The day with a share of its clicks, and of what comes of them."""
    fewer = [int(totals[at] * share) for at in range(CLICKS, LANDINGS + 1)]
    return (*totals[:CLICKS], *fewer, *totals[LANDINGS + 1 :])


def before(totals: Delivered, i: int) -> Delivered:
    """What the first `i` impressions of `totals` brought; additive in differences."""
    n = totals[0]
    if i >= n:
        return totals
    people = i * totals[1] // n
    clicks = people * totals[3] // totals[1] if totals[1] else 0
    links = clicks * totals[4] // totals[3] if totals[3] else 0
    outbound = links * totals[5] // totals[4] if totals[4] else 0
    return (
        i,
        people,
        i * totals[2] // n,
        clicks,
        links,
        outbound,
        outbound * totals[6] // totals[5] if totals[5] else 0,
        i * totals[7] // n,
        i * totals[8] // n,
        i * totals[9] // n,
        *_watched_before(totals, i * totals[10] // n),
    )


def _watched_before(totals: Delivered, videos: int) -> tuple[int, int, int, int, int]:
    # Everybody who watched half also watched a quarter, in any part of the day.
    if not videos:
        return 0, 0, 0, 0, 0
    counts = [videos]
    for stage in range(VIDEOS, ALL_WATCHED):
        whole = totals[stage]
        counts.append(counts[-1] * totals[stage + 1] // whole if whole else 0)
    return counts[0], counts[1], counts[2], counts[3], counts[4]


def added(left: Cell, right: Cell) -> Cell:
    """Two cells as one."""
    converted = left.converted
    # Most cells have no conversions at all: that one tuple is recognised, not added up.
    if converted is NO_CONVERSIONS:
        converted = right.converted
    elif right.converted is not NO_CONVERSIONS:
        converted = tuple(map(int.__add__, converted, right.converted))
    return Cell(tuple(map(int.__add__, left.delivered, right.delivered)), converted)


def between(totals: Delivered, first: int, last: int) -> Delivered:
    """What impressions first..last-1 of `totals` brought."""
    if first == 0:
        return before(totals, last)
    # Differences of floors add up exactly, wherever the day is cut.
    low = before(totals, first)
    return tuple([b - a for a, b in zip(low, before(totals, last), strict=True)])


def conversions(whole: AdDay, impressions: int, age: int) -> Converted:
    """Conversions so far of `impressions` of a day, `age` quarters after the day's end.

    Counts only ever grow with `age` and stop after 28 days.
    """
    arrived = _ARRIVED[min(max(age, 0), len(_ARRIVED) - 1)]
    n, links, d = whole.totals[0], whole.totals[LINKS], whole.draws
    counts = [0] * len(NO_CONVERSIONS)
    for event, click_rate, view_rate in whole.ad_traits.events:
        # Drawn remainders instead of plain floors: else a single conversion of a day would
        # always be the one that comes last. The same remainder for all keeps windows nested.
        spread = d[29] + event * 9_973 & _MASK
        due = d[30] + event * 7_919 & _MASK
        clicked = _so_far((links * click_rate + d[11 + event]) // _ONE, impressions, n, due)
        viewed = _so_far((links * view_rate + d[20 + event]) // _ONE, impressions, n, due)
        at = event * 4
        counts[at] = ((clicked * _ONE_DAY + spread) // _ONE * arrived + due) // _ONE
        counts[at + 1] = ((clicked * _SEVEN_DAYS + spread) // _ONE * arrived + due) // _ONE
        counts[at + 2] = (clicked * arrived + due) // _ONE
        counts[at + 3] = (viewed * arrived + due) // _ONE
        if event in REVENUE:
            price, to = whole.ad_traits.price_minor, REVENUE[event]
            for window in range(4):
                counts[to + window] = counts[at + window] * price
    return tuple(counts)


def _so_far(ever: int, impressions: int, n: int, due: int) -> int:
    return (ever * impressions + (due * n >> 16)) // n


def reach(people: int, audience: int) -> int:
    """People reached: grows with `people` but less and less, as audiences overlap.

    For parts of one whole: largest part <= whole <= sum of parts.
    """
    if not people:
        return 0
    # The tiny margin keeps a whole number whole when the exponential is off by one bit.
    return min(people, -int(audience * expm1(-people / audience) + 1e-9) + 1)


def audience(key: bytes, account: int) -> int:
    """How many people an account can reach at all; it makes reach non-additive."""
    return 60_000 + draw(key, b"audi", account, 0)[0] * 12


def _curve(peak: float) -> tuple[int, ...]:
    """Cumulated share of a day's delivery before each quarter hour, per 65,536."""
    # A floor all day long, a hump at the peak and a smaller one at lunch.
    weights = [
        0.25 + exp(-(((q / 4 - peak) / 4.5) ** 2)) + 0.4 * exp(-(((q / 4 - 12.5) / 2) ** 2))
        for q in range(QUARTERS)
    ]
    whole = sum(weights)
    return tuple(round(_ONE * w / whole) for w in accumulate(weights, initial=0.0))


_CURVES = tuple(_curve(peak) for peak in (19.5, 20.5, 9.0, 14.0))


# Share of a day's conversions known, by quarters since the day's end, per 65,536: half of them at
# once, the rest ever more slowly until the last restatement.
_LAST = RESTATED_DAYS * QUARTERS
_ARRIVED = tuple(round(_ONE * (1 - 0.5 * (1 - q / _LAST) ** 6)) for q in range(_LAST + 1))
