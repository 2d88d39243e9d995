"""How a day's delivery splits by age, gender, place, placement or product (FACTS §5.3).

Breakdowns that go together share one list of joint cells. A cell is a stretch of the day's
line of impressions, so cells add up exactly to the day, and `age` to `age` x `gender`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, product
from typing import Any

from meta_pipeline.simulator.insights import numbers as n
from meta_pipeline.simulator.world.draws import draw

# Reach and frequency are 0 by the hour (FACTS section 5.3).
HOURLY = frozenset(
    {
        "hourly_stats_aggregated_by_advertiser_time_zone",
        "hourly_stats_aggregated_by_audience_time_zone",
    }
)
# Conversions off Meta are not told apart by these (since 2021-04-27).
WITHOUT_CONVERSIONS = HOURLY | {"region", "dma", "comscore_market"}
# Without an opt-in these silently give no rows (since 2026-08-06).
OPT_IN = frozenset(
    {"impression_device", "hourly_stats_aggregated_by_audience_time_zone", "frequency_value"}
)

# A joint cell: what it is labelled by each breakdown of its family, and how much of a day it gets.
Labels = dict[str, Any]
Family = list[tuple[Labels, int]]

_AGES = (("13-17", 1), ("18-24", 14), ("25-34", 30), ("35-44", 25), ("45-54", 16), ("55-64", 9),
         ("65+", 5))  # fmt: skip
# In percent; Meta has a third value for people whose gender it does not know.
_GENDERS = (("female", 52), ("male", 45), ("unknown", 3))
_PEOPLE: Family = [
    ({"age": age, "gender": gender}, a * g) for (age, a), (gender, g) in product(_AGES, _GENDERS)
]
_PLACES: dict[str, dict[str, tuple[tuple[str, int], ...]]] = {
    "Australia": {
        "AU": (("New South Wales", 31), ("Victoria", 26), ("Queensland", 20),
               ("Western Australia", 10), ("South Australia", 6), ("Tasmania", 2),
               ("Australian Capital Territory", 2), ("Northern Territory", 1)),
        "NZ": (("Auckland", 1), ("Canterbury", 1)),
    },
    "Asia": {"JP": (("Tokyo", 45), ("Osaka", 30), ("Hokkaido", 10), ("Fukuoka", 15))},
    "Europe": {"HU": (("Budapest", 60), ("Pest County", 40)), "AT": (("Vienna", 10),)},
    "America": {"US": (("California", 40), ("Texas", 30), ("New York", 20)),
                "CA": (("Ontario", 10),)},
}  # fmt: skip
_POSITIONS = (("facebook", "feed", 30), ("facebook", "facebook_reels", 10),
              ("facebook", "facebook_stories", 6), ("facebook", "marketplace", 4),
              ("instagram", "feed", 18), ("instagram", "instagram_stories", 14),
              ("instagram", "instagram_reels", 13), ("audience_network", "an_classic", 3),
              ("messenger", "messenger_inbox", 1), ("threads", "threads_feed", 1))  # fmt: skip
_DEVICES = (("mobile_app", "iphone", 48), ("mobile_app", "android_smartphone", 32),
            ("mobile_app", "ipad", 5), ("mobile_web", "android_smartphone", 5),
            ("desktop", "desktop", 10))  # fmt: skip
_PLACEMENTS: Family = [
    (
        {
            "publisher_platform": platform,
            "platform_position": position,
            "device_platform": device_platform,
            "impression_device": device,
        },
        p * d,
    )
    for (platform, position, p), (device_platform, device, d) in product(_POSITIONS, _DEVICES)
]
# Products are named by id and title in one text.
_PRODUCTS: Family = [
    ({"product_id": f"{4_376_557_935_744_037 + i}, {name}"}, 4 - i)
    for i, name in enumerate(("House blend", "Decaf", "Grinder", "Gift card, small"))
]
_FREQUENCIES: Family = [
    ({"frequency_value": value}, 2 ** (8 - i))
    for i, value in enumerate(("1", "2", "3", "4", "5", "6-10", "11-20", "21+"))
]
_ASSETS = ("ad_format_asset", "body_asset", "call_to_action_asset", "description_asset",
           "image_asset", "link_url_asset", "title_asset", "video_asset")  # fmt: skip


def _asset(kind: str, i: int) -> Labels:
    # Asset breakdowns come as objects, not as text (FACTS §5.2).
    asset: Labels = {"id": f"99{_ASSETS.index(kind)}000000000{i}"}
    if kind == "image_asset":
        return asset | {"hash": f"{i:032x}", "url": f"https://scontent.example.com/{i}.jpg"}
    if kind == "video_asset":
        return asset | {"video_id": f"7700000000000{i}", "thumbnail_url": "https://example.com/t"}
    return asset | {"text": ("Offer ends soon", "Free delivery", "Made in Melbourne")[i]}


# Each kind of asset goes alone: a family of one breakdown.
_ASSET_FAMILIES: tuple[Family, ...] = tuple(
    [({kind: _asset(kind, i)}, 3 - i) for i in range(3)] for kind in _ASSETS
)

MODELLED = HOURLY | {
    "age", "gender", "country", "region", "comscore_market", "publisher_platform",
    "platform_position", "device_platform", "impression_device", "product_id", "frequency_value",
    *_ASSETS,
}  # fmt: skip
"""Breakdowns this world has rows for; Meta knows some seventy more."""


@dataclass(frozen=True)
class Split:
    """Joint cells of one family of breakdowns, and the row each belongs to."""

    weights: tuple[int, ...]
    row_of: tuple[int, ...]
    rows: tuple[Labels, ...]


class UnknownSplitError(ValueError):
    """These breakdowns have no joint cells: not a valid combination."""


@lru_cache(maxsize=256)
def split(breakdowns: tuple[str, ...], continent: str) -> Split:
    """The cells and rows of a combination; `continent` picks the places (head of the zone)."""
    places: Family = [
        ({"country": country, "region": region, "comscore_market": f"{region} market"}, weight)
        for country, regions in _PLACES.get(continent, _PLACES["America"]).items()
        for region, weight in regions
    ]
    asked = frozenset(breakdowns)
    families = (_PEOPLE, _PLACEMENTS, _PRODUCTS, _FREQUENCIES, *_ASSET_FAMILIES, places)
    joint = next((family for family in families if asked <= family[0][0].keys()), None)
    if joint is None:
        raise UnknownSplitError(", ".join(sorted(breakdowns)))
    # Cells that differ only in what was not asked for are one row.
    rows: dict[tuple[str, ...], int] = {}
    labels: list[Labels] = []
    row_of = []
    for cell, _ in joint:
        group = tuple(str(cell[name]) for name in breakdowns)
        if group not in rows:
            rows[group] = len(labels)
            labels.append({name: cell[name] for name in breakdowns})
        row_of.append(rows[group])
    return Split(tuple(weight for _, weight in joint), tuple(row_of), tuple(labels))


@lru_cache(maxsize=16_384)
def bounds(key: bytes, account: int, ad: int, cells: tuple[int, ...]) -> tuple[int, ...]:
    """Where an ad's cells end on the line of impressions, per 65,536: every ad its own taste."""
    # One draw serves any number of cells: 32 numbers, over and over.
    d = draw(key, b"tast", account, ad)
    weights = [w * (40_000 + d[i % 32]) for i, w in enumerate(cells)]
    whole = sum(weights)
    return tuple(65_536 * w // whole for w in accumulate(weights))


def cut(
    totals: n.Delivered, converted: n.Converted, ends: tuple[int, ...], salt: int
) -> Iterator[tuple[int, n.Cell]]:
    """(joint cell, its share) for every cell that got an impression; shares add up exactly."""
    impressions = totals[n.IMPRESSIONS]
    edges = [impressions * end >> 16 for end in ends]
    shares = _share_conversions(converted, edges, salt) if any(converted) else {}
    done, low = 0, n.NOTHING
    for cell, edge in enumerate(edges):
        # No impression, no row: also at Meta.
        if edge == done:
            continue
        high = n.before(totals, edge)
        part = tuple([b - a for a, b in zip(low, high, strict=True)])
        yield cell, n.Cell(part, tuple(shares[cell]) if cell in shares else n.NO_CONVERSIONS)
        done, low = edge, high


def _share_conversions(converted: n.Converted, edges: list[int], salt: int) -> dict[int, list[int]]:
    """Conversions by cell: the j-th of a kind always lands on the same impression.

    So a cell's conversions only grow as more of them arrive.
    """
    shares: dict[int, list[int]] = {}
    for event in range(len(n.EVENTS)):
        at = event * 4
        # Two primes apart, so that clicks and views of an event do not land together.
        _land(shares, edges, at, converted[at : at + 3], salt + event * 7_919)
        _land(shares, edges, at + 3, (converted[at + 3],), salt + event * 7_919 + 104_729)
    for event, to in n.REVENUE.items():
        for window in range(4):
            count = converted[event * 4 + window]
            if count:
                price = converted[to + window] // count
                for row in shares.values():
                    row[to + window] = row[event * 4 + window] * price
    return shares


def _land(
    shares: dict[int, list[int]], edges: list[int], at: int, counts: tuple[int, ...], salt: int
) -> None:
    """Give each of `counts[-1]` conversions to the cell of its impression, by window."""
    impressions = edges[-1]
    for j in range(counts[-1]):
        # 40,503 is prime to 65,536: the multiples visit the whole line before they repeat.
        impression = ((j * 40_503 + salt) & 65_535) * impressions >> 16
        row = shares.setdefault(bisect_right(edges, impression), [0] * len(n.NO_CONVERSIONS))
        for window, count in enumerate(counts):
            if j < count:
                row[at + window] += 1
