"""Why insights refuse a query; the server turns each into Meta's error.

InsightsError
├── StartTooOldError        3018, more than 37 months back
├── InvalidBreakdownsError  2/1504041: permanent although code 2
├── BeyondRetentionError    100, only in worlds with hard_retention
├── InvalidParameterError   100
├── WrongLevelError         1/99
└── UnknownNodeError        100/33
"""

from __future__ import annotations


class InsightsError(Exception):
    """Base: `code` and `subcode` are Meta's (FACTS §3.3)."""

    code = 100
    subcode: int | None = None


class StartTooOldError(InsightsError):
    """The range starts more than 37 months before today."""

    code = 3018


class InvalidBreakdownsError(InsightsError):
    """A combination of breakdowns that does not exist, or no longer."""

    code, subcode = 2, 1504041


class BeyondRetentionError(InsightsError):
    """A breakdown is asked for further back than it is kept."""


class InvalidParameterError(InsightsError):
    """A parameter Meta would refuse."""


class WrongLevelError(InsightsError):
    """A level above the node."""

    code, subcode = 1, 99


class UnknownNodeError(InsightsError):
    """No such object."""

    subcode = 33
