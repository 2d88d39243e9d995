"""Which objects a change names: these are read, and only these (FACTS section 10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meta_pipeline.model.part import Part

_PARTS = {
    "campaign": Part.CAMPAIGNS,
    "adset": Part.ADSETS,
    "ad_set": Part.ADSETS,
    "ad": Part.ADS,
    "creative": Part.CREATIVES,
}
"""By what Meta calls the level, in lower case; both spellings of the ad set occur."""
_LEVEL_AND_ID = {
    "with_issues_ad_objects": ("level", "id"),
    "in_process_ad_objects": ("level", "id"),
    "field_changed": ("object_type", "object_id"),
    "subscriptions": ("object_type", "object_id"),
}
"""By field: where the value says what the object is, and which."""
_OF_ONE_LEVEL = {"creative_fatigue": (Part.ADS, "adgroup_id")}
"""Meta still calls an ad an ad group there."""
_OF_ANY_LEVEL = {"ad_recommendations": "ad_object_ids"}
"""Ids whose level is not told: our tables know most of them."""


def named_objects(field: str, value: Any) -> Iterator[tuple[Part | None, str]]:
    """The objects a change names: part and id; the part is None where Meta does not tell it."""
    if not isinstance(value, Mapping):
        return
    if field in _LEVEL_AND_ID:
        level, key = _LEVEL_AND_ID[field]
        part = _PARTS.get(str(value.get(level)).lower())
        object_id = _id(value.get(key))
        if part is not None and object_id is not None:
            yield part, object_id
    elif field in _OF_ONE_LEVEL:
        part, key = _OF_ONE_LEVEL[field]
        if (object_id := _id(value.get(key))) is not None:
            yield part, object_id
    elif field in _OF_ANY_LEVEL:
        given = value.get(_OF_ANY_LEVEL[field])
        for one in given if isinstance(given, list) else ():
            if (object_id := _id(one)) is not None:
                yield None, object_id


def _id(value: Any) -> str | None:
    """An id as text; Meta sends both numbers and text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return text if text.isascii() and text.isdigit() else None
