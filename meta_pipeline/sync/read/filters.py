"""Filters of an insights query: which objects it lets through (FACTS section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meta_pipeline.model.level import LEVELS

Filter = Mapping[str, Any]


def only(level: str, ids: Sequence[str]) -> Filter:
    """The filter that lets these objects through."""
    return {"field": f"{level}.id", "operator": "IN", "value": list(ids)}


def other_than(level: str, ids: Sequence[str]) -> Filter:
    """The filter that keeps these objects out."""
    return {"field": f"{level}.id", "operator": "NOT_IN", "value": list(ids)}


def with_statuses(level: str, statuses: Sequence[str]) -> Filter:
    """The filter that lets objects of these statuses through."""
    return {"field": f"{level}.effective_status", "operator": "IN", "value": list(statuses)}


def chosen_ids(filters: Sequence[Filter]) -> dict[str, list[str]]:
    """The ids that are asked for, by their level."""
    named = [one for one in filters if one["operator"] == "IN"]
    return {str(one["field"]).removesuffix(".id"): list(one["value"]) for one in named}


def single_object(filters: Sequence[Filter]) -> tuple[str, str]:
    """Level and id of the one object that is let through; `account`, `whole` if none is named."""
    chosen = chosen_ids(filters)
    finest = max(chosen, key=LEVELS.index, default="account")
    return (finest, chosen[finest][0]) if chosen else ("account", "whole")


def instead(filters: Sequence[Filter], level: str, ids: Sequence[str]) -> tuple[Filter, ...]:
    """The same filters, with these objects in place of those of the level asked for before."""
    before = (f"{level}.id", "IN")
    kept = [one for one in filters if (one["field"], one["operator"]) != before]
    return (*kept, only(level, ids))
