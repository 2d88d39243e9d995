"""Is the data right? Checks over the whole warehouse: findings in, nothing changed."""

from __future__ import annotations

from .catalogue import CHECKS, find
from .check import Check, Limits, read_query
from .finding import Finding, Severity
from .token import TOKEN_CHECK, missing_scopes, token_finding, token_unknown

__all__ = [
    "CHECKS",
    "TOKEN_CHECK",
    "Check",
    "Finding",
    "Limits",
    "Severity",
    "find",
    "missing_scopes",
    "read_query",
    "token_finding",
    "token_unknown",
]
