"""The levels of insights."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """What a row of insights is about; each level is a part of the one before."""

    ACCOUNT = "account"
    CAMPAIGN = "campaign"
    ADSET = "adset"
    AD = "ad"


LEVELS: tuple[str, ...] = tuple(str(level) for level in Level)
"""Their names, coarsest first."""
