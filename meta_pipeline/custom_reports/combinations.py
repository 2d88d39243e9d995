"""Which breakdowns go together, and with which breakdowns of actions (FACTS section 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

HOURLY: Final = frozenset(
    (
        "hourly_stats_aggregated_by_advertiser_time_zone",
        "hourly_stats_aggregated_by_audience_time_zone",
    )
)
OPT_IN: Final = frozenset(
    ("impression_device", "hourly_stats_aggregated_by_audience_time_zone", "frequency_value")
)
"""Empty without a word until the ad account has opted in (FACTS section 5.4)."""
PARTS_OF_A_WHOLE: Final = frozenset(
    ("age", "country", "device_platform", "gender", "platform_position", "publisher_platform",
     "region")
)  # fmt: skip
"""Breakdowns whose cells add up to the whole and that need no opt-in (FACTS sections 5.3, 5.4)."""
WITHOUT_CONVERSIONS: Final = frozenset(("region", "comscore_market")) | HOURLY
"""What happens off Meta is not told apart by these."""

_TOGETHER: Final = (
    ("age", "gender"),
    ("publisher_platform", "impression_device"),
    ("publisher_platform", "platform_position"),
    ("publisher_platform", "platform_position", "impression_device"),
    ("publisher_platform", "device_platform"),
    ("publisher_platform", "platform_position", "device_platform"),
    ("app_id", "skan_conversion_id"),
)
"""Sets of more than one that Meta's table of breakdowns has; each breakdown but one goes alone."""
# Meta has no row of it by itself in that table.
_NOT_ALONE: Final = {"impression_device": "publisher_platform"}
_JOIN_ACTIONS: Final = frozenset(
    ("age", "gender", "country", "region", "publisher_platform", "platform_position",
     "impression_device", "device_platform", "product_id", "comscore_market")
) | HOURLY  # fmt: skip
# These go with whatever describes people or places; the device of an action with placements only.
_OF_ANY: Final = frozenset(("action_type", "action_target_id", "action_destination"))
_OF_PLACEMENTS: Final = frozenset(
    ("publisher_platform", "platform_position", "impression_device", "device_platform")
)


def refuse_unlisted(breakdowns: Sequence[str], action_breakdowns: Sequence[str]) -> None:
    """Raise ValueError where Meta is not known to take these together; it says what to change."""
    _refuse_breakdowns(breakdowns)
    wanted = frozenset(breakdowns)
    for name in action_breakdowns:
        if not wanted or name == "action_type":
            continue
        if name in _OF_ANY and wanted <= _JOIN_ACTIONS:
            continue
        if name == "action_device" and wanted <= _OF_PLACEMENTS:
            continue
        raise ValueError(
            f"action_breakdowns {name} does not go with breakdowns {', '.join(breakdowns)}: take "
            "one of the two out, or make two reports of it"
        )


def _refuse_breakdowns(breakdowns: Sequence[str]) -> None:
    wanted = frozenset(breakdowns)
    if len(wanted) == 1:
        (only,) = wanted
        if only in _NOT_ALONE:
            raise ValueError(f"{only} cannot stand alone: add {_NOT_ALONE[only]} to breakdowns")
        return
    if not wanted or wanted in map(frozenset, _TOGETHER):
        return
    near = sorted(
        (one for one in _TOGETHER if len(wanted & {*one}) > 1),
        key=lambda one: (-len(wanted & {*one}), len(one)),
    )
    offer = f"Meta takes {' or '.join(' + '.join(one) for one in near[:3])}" if near else ""
    raise ValueError(
        f"breakdowns {', '.join(breakdowns)} are not known to go together"
        f"{f': {offer}' if offer else ''}. Make a report of each, or say "
        "`unlisted_combination: true` if Meta's own table of breakdowns has them by now"
    )
