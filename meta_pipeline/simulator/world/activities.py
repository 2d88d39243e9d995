"""The change log of an account: who did what, newest first (FACTS §12, AdActivity)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from meta_pipeline.simulator.world.entities import Entity, entity_id
from meta_pipeline.simulator.world.statuses import STATUSES
from meta_pipeline.simulator.world.tree import ADSET, CAMPAIGN, Tree

_OBJECT_TYPES = ("CAMPAIGN", "AD_SET", "AD")
_RUN_STATUS = ("update_campaign_run_status", "update_ad_set_run_status", "update_ad_run_status")
_CREATED = ("create_campaign_group", "create_ad_set", "create_ad")
RENAMED = ("update_campaign_name", "update_ad_set_name", "update_ad_friendly_name")
BUDGETED = ("update_campaign_budget", "update_ad_set_budget", "update_ad_set_budget")
_SHOWN = {"ACTIVE": "Active", "PAUSED": "Inactive", "ARCHIVED": "Archived", "DELETED": "Deleted"}


def created(level: int) -> tuple[str, dict[str, Any]]:
    """(event_type, extra_data) of a creation."""
    return _CREATED[level], {"new_value": "Active", "type": "run_status"}


def run_status(level: int, old: str, new: str) -> tuple[str, dict[str, Any]]:
    """(event_type, extra_data) of a change of status."""
    change = {"old_value": _SHOWN[old], "new_value": _SHOWN[new], "type": "run_status"}
    return _RUN_STATUS[level], change


def activity(
    *,
    account_id: str,
    zone: ZoneInfo,
    at: int,
    level: int,
    object_id: str,
    object_name: str,
    event: tuple[str, Mapping[str, Any]],
) -> Entity:
    """One AdActivity row; `event_time` is UTC, `date_time_in_timezone` is localised text."""
    event_type, extra = event
    local = datetime.fromtimestamp(at, zone)
    values = {
        "actor_id": "990122043039268",
        "actor_name": "Sim Ulator",
        "application_id": "990000000000042",
        "application_name": "Ads Manager",
        "event_type": event_type,
        "event_time": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "date_time_in_timezone": f"{local:%m/%d/%Y} at {local.hour % 12 or 12}:{local:%M %p}",
        "extra_data": json.dumps(extra, separators=(",", ":")),
        "object_id": object_id,
        "object_name": object_name,
        "object_type": _OBJECT_TYPES[level],
        "translated_event_type": event_type.replace("_", " ").capitalize(),
    }
    return Entity("activities", f"{object_id}:{at}:{event_type}", account_id, values)


def history(tree: Tree) -> list[tuple[int, int, int, tuple[str, dict[str, Any]]]]:
    """(epoch, level, index, event) of what happened to campaigns and ad sets before the world."""
    found = []
    for level in (CAMPAIGN, ADSET):
        own = tree.levels[level]
        for index in range(len(own)):
            found.append((own.created[index], level, index, created(level)))
            if own.stopped[index] and own.status[index]:
                event = run_status(level, "ACTIVE", STATUSES[own.status[index]])
                found.append((own.stopped[index], level, index, event))
    return sorted(found, key=lambda row: row[:3])


def object_id(tree: Tree, level: int, index: int) -> str:
    return entity_id(level, tree.ordinal, index)
