"""The change log of an account: who did what, newest first (FACTS §12, AdActivity)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from meta_pipeline.simulator.world.entities import Entity
from meta_pipeline.simulator.world.statuses import STATUSES
from meta_pipeline.simulator.world.tree import ADSET, CAMPAIGN, Tree

Event = tuple[str, dict[str, Any]]
"""(event_type, extra_data) of a change."""
Logged = tuple[int, int, int, Event]
"""(epoch second, level, index, event)."""

_OBJECT_TYPES = ("CAMPAIGN", "AD_SET", "AD")
_RUN_STATUS = ("update_campaign_run_status", "update_ad_set_run_status", "update_ad_run_status")
_CREATED = ("create_campaign_group", "create_ad_set", "create_ad")
# Meta's names of events are not regular: an ad's name is "friendly", its budget the ad set's.
RENAMED = ("update_campaign_name", "update_ad_set_name", "update_ad_friendly_name")
BUDGETED = ("update_campaign_budget", "update_ad_set_budget", "update_ad_set_budget")
_SHOWN = {"ACTIVE": "Active", "PAUSED": "Inactive", "ARCHIVED": "Archived", "DELETED": "Deleted"}


def created(level: int) -> Event:
    """Something was created, switched on."""
    return _CREATED[level], {"new_value": "Active", "type": "run_status"}


def run_status(level: int, old: str, new: str) -> Event:
    """Something was switched on or off, archived or deleted."""
    change = {"old_value": _SHOWN[old], "new_value": _SHOWN[new], "type": "run_status"}
    return _RUN_STATUS[level], change


def activity(about: Entity, *, zone: ZoneInfo, at: int, level: int, event: Event) -> Entity:
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
        # Meta nests JSON as text here, without a space in it.
        "extra_data": json.dumps(extra, separators=(",", ":")),
        "object_id": about.id,
        "object_name": str(about.values.get("name", "")),
        "object_type": _OBJECT_TYPES[level],
        "translated_event_type": event_type.replace("_", " ").capitalize(),
    }
    return Entity("activities", f"{about.id}:{at}:{event_type}", about.account_id, values)


def history(tree: Tree) -> list[Logged]:
    """What happened to campaigns and ad sets before the world began; ads would be too many."""
    events: list[Logged] = []
    for level in (CAMPAIGN, ADSET):
        own = tree.levels[level]
        for index in range(len(own)):
            events.append((own.created[index], level, index, created(level)))
            if own.stopped[index] and own.status[index]:
                event = run_status(level, "ACTIVE", STATUSES[own.status[index]])
                events.append((own.stopped[index], level, index, event))
    return sorted(events, key=lambda row: row[:3])
