"""Graph-shaped objects of the world, and the ids they go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from meta_pipeline.simulator.world.accounts import ACCOUNT_PREFIX

KINDS = (
    *("campaigns", "adsets", "ads", "adcreatives"),
    *("customconversions", "customaudiences", "adimages"),
)
_ID_PREFIX = "99"  # reserved: an id of Meta's begins with 6, 12 or 23
# Numeric strings of 13 to 18 digits and more (FACTS section 0): too long for a double.
_ID_DIGITS = 18


@dataclass(frozen=True)
class Entity:
    """One object as the Graph API shows it.

    `values` holds every readable field the world knows, in Meta's JSON types; a value that
    is not there is a key that is not there (FACTS §0). `account_id` is `act_<n>`.
    """

    kind: str
    id: str
    account_id: str
    values: Mapping[str, Any]


def entity_id(level: int, ordinal: int, index: int) -> str:
    """Eighteen digits: prefix, level, account, serial. Newer things have higher ids."""
    return f"{_ID_PREFIX}{level + 1}{ordinal + 1:04d}{index + 1:011d}"


def parse_id(object_id: str) -> tuple[int, int, int] | None:
    """(level, account ordinal, index) of an id made here; None for any other text."""
    if len(object_id) != _ID_DIGITS or not object_id.startswith(_ID_PREFIX):
        return None
    # isdigit() takes digits of other scripts as well.
    if not (object_id.isascii() and object_id.isdigit()):
        return None
    level = int(object_id[2]) - 1
    ordinal, index = int(object_id[3:7]) - 1, int(object_id[7:]) - 1
    if not 0 <= level < len(KINDS) or ordinal < 0 or index < 0:
        return None
    return level, ordinal, index


def parse_account(account_id: str) -> int | None:
    """The account's ordinal from `act_<n>`; None when this is no account id of ours."""
    number = account_id.removeprefix("act_")
    if number == account_id or not (number.isascii() and number.isdigit()) or len(number) != 15:
        return None
    if not number.startswith(ACCOUNT_PREFIX):
        return None
    ordinal = int(number[2:]) - 1
    return ordinal if ordinal >= 0 else None


def graph_time(epoch: int, zone: ZoneInfo) -> str:
    """`2023-03-21T22:41:46-0700`: the account's own offset at that date (FACTS §0)."""
    return datetime.fromtimestamp(epoch, zone).strftime("%Y-%m-%dT%H:%M:%S%z")
