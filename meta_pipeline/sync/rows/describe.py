"""Meta's structures in words: the goal of an objective, targeting in one line, learning stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# OUTCOME_* are the objectives of today; campaigns from before them keep the old ones.
_GOALS = {
    "OUTCOME_SALES": "purchases",
    "OUTCOME_LEADS": "leads",
    "OUTCOME_TRAFFIC": "link clicks",
    "OUTCOME_ENGAGEMENT": "engagement",
    "OUTCOME_AWARENESS": "reach",
    "OUTCOME_APP_PROMOTION": "app installs",
    "CONVERSIONS": "purchases",
    "PRODUCT_CATALOG_SALES": "purchases",
    "LEAD_GENERATION": "leads",
    "LINK_CLICKS": "link clicks",
    "APP_INSTALLS": "app installs",
    "BRAND_AWARENESS": "reach",
    "REACH": "reach",
    "LOCAL_AWARENESS": "reach",
    "MESSAGES": "conversations",
    "POST_ENGAGEMENT": "engagement",
    "PAGE_LIKES": "page likes",
    "EVENT_RESPONSES": "event responses",
    "OFFER_CLAIMS": "offer claims",
    "STORE_VISITS": "store visits",
    "VIDEO_VIEWS": "video views",
}
# Meta's own numbers; both, or none, is everybody.
_GENDERS = {1: "men", 2: "women"}
# A line of a table, not the whole list: that is in the column targeting.
_LIST_AT_MOST = 3


def goal_of(row: Mapping[str, Any]) -> str | None:
    """What a campaign's objective is after; null for an objective that is not known."""
    return _GOALS.get(str(row.get("objective")))


def learning_stage(row: Mapping[str, Any]) -> str | None:
    info = row.get("learning_stage_info")
    status = info.get("status") if isinstance(info, dict) else None
    return status if isinstance(status, str) else None


def summarise_targeting(row: Mapping[str, Any]) -> str | None:
    """Targeting in one line, such as `AU, NZ · 25-44 · women · 3 interests · feed`."""
    targeting = row.get("targeting")
    if not isinstance(targeting, dict):
        return None
    listed = [one for one in _list(targeting.get("genders")) if isinstance(one, int)]
    genders = [_GENDERS[one] for one in listed if one in _GENDERS]
    low, high = targeting.get("age_min"), targeting.get("age_max")
    # Meta's own bounds where it names one of the two alone: 65 stands for "and older".
    ages = f"{18 if low is None else low}-{65 if high is None else high}"
    parts = [
        _places(targeting),
        "" if low is None and high is None else ages,
        genders[0] if len(genders) == 1 else "",
        _audiences(targeting),
        _short([str(one) for one in _list(targeting.get("publisher_platforms"))]),
    ]
    return " · ".join(part for part in parts if part) or "everybody"


def _places(targeting: Mapping[str, Any]) -> str:
    places = targeting.get("geo_locations")
    if not isinstance(places, dict):
        return ""
    names = [str(country) for country in _list(places.get("countries"))]
    for kind in ("regions", "cities", "zips", "custom_locations"):
        names += [
            str(place.get("name") or place.get("key") or kind)
            for place in _list(places.get(kind))
            if isinstance(place, dict)
        ]
    return _short(names)


def _audiences(targeting: Mapping[str, Any]) -> str:
    counts = {
        "custom audiences": len(_list(targeting.get("custom_audiences"))),
        "excluded audiences": len(_list(targeting.get("excluded_custom_audiences"))),
        "interests": sum(
            len(_list(spec.get("interests")))
            for spec in [targeting, *_list(targeting.get("flexible_spec"))]
            if isinstance(spec, dict)
        ),
    }
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _short(names: list[str]) -> str:
    if len(names) <= _LIST_AT_MOST:
        return ", ".join(names)
    return f"{', '.join(names[:_LIST_AT_MOST])} and {len(names) - _LIST_AT_MOST} more"
