"""Token health: 14, 7 and 1 days before an access token or its data access ends (FACTS §9)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from meta_pipeline.words import minute, times

from .check import Check
from .finding import Finding, Severity

WANTED_SCOPE = "ads_read"
_ENOUGH = {WANTED_SCOPE, "ads_management"}
"""Either lets insights and structure be read: Meta asks for ads_management or ads_read (#200)."""
# Renewing takes a person who is there: two weeks outlast a holiday.
_STAGES = (timedelta(days=1), timedelta(days=7), timedelta(days=14))
_RENEW = (
    "Make a new token and put it in META_ACCESS_TOKEN: docs/tokens.md shows how, and how to renew "
    "one before it ends."
)

TOKEN_CHECK = Check(
    name="token_health",
    table="meta_ad_accounts",
    title="problems of the access token",
    description="The access token is valid, may read ads, and does not end within 14 days.",
    what_to_do=_RENEW,
)
"""Asked of Meta, not of the warehouse: see `token_finding`."""


class TokenFacts(Protocol):
    """What has to be known of a token; `graph.TokenInfo` and `warehouse.TokenRow` have it."""

    @property
    def is_valid(self) -> bool: ...
    @property
    def scopes(self) -> Sequence[str]: ...
    @property
    def type(self) -> str | None: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def data_access_expires_at(self) -> datetime | None: ...
    @property
    def error(self) -> object: ...


def token_finding(token: TokenFacts, now: datetime) -> Finding:
    """Judge what Meta says of the token; `numbers["stage_days"]` is the worst stage reached.

    Stages are 14, 7, 1 and 0 days before the end: each is worth a word of its own.
    """
    problems = list(_problems(token, now))
    severe = any(row["severity"] == "error" for row in problems)
    stage = min((row["stage_days"] for row in problems), default=None)
    ends = [end for end in (token.expires_at, token.data_access_expires_at) if end]
    until = f"until {min(ends):%Y-%m-%d}" if ends else "without an end"
    name = f"The {token.type} token" if token.type else "The token"
    return Finding(
        check=TOKEN_CHECK.name,
        count=len(problems),
        severity=Severity.ERROR if severe else Severity.WARN,
        headline=" ".join(row["problem"] for row in problems) or f"{name} is valid {until}.",
        what_to_do=" ".join(dict.fromkeys(row["what_to_do"] for row in problems)) or _RENEW,
        rows=problems,
        numbers={} if stage is None else {"stage_days": stage},
    )


def missing_scopes(scopes: Collection[str]) -> list[str]:
    """What a token with these scopes would have to be allowed besides."""
    return [] if _ENOUGH & set(scopes) else [WANTED_SCOPE]


def token_unknown(reason: str) -> Finding:
    """Meta could not be asked: no verdict on the token, which is worth a warning."""
    return Finding(
        check=TOKEN_CHECK.name,
        count=1,
        severity=Severity.WARN,
        headline=f"The token could not be looked at: {reason}",
        what_to_do="Set META_APP_ID and META_APP_SECRET, so that Meta answers about the token; "
        "`meta-pipeline check` shows the same.",
    )


def _problems(token: TokenFacts, now: datetime) -> Iterator[dict[str, Any]]:
    if not token.is_valid:
        reason = f": {token.error}" if token.error else ""
        yield _row(f"Meta calls the token invalid{reason}.", 0, _RENEW)
        return
    for scope in missing_scopes(token.scopes):
        fix = f"Make a token with the scope {scope} and put it in META_ACCESS_TOKEN."
        yield _row(f"The token lacks the scope {scope}.", 0, fix)
    yield from _end("The token", token.expires_at, now, _RENEW)
    consent = "Whoever gave the token has to log in to the app again and agree; that renews it."
    yield from _end("Access to data", token.data_access_expires_at, now, consent)


def _end(what: str, at: datetime | None, now: datetime, fix: str) -> Iterator[dict[str, Any]]:
    if at is None:
        return
    left = at - now
    when = minute(at)
    if left <= timedelta(0):
        yield _row(f"{what} ended on {when}.", 0, fix)
        return
    reached = next((stage.days for stage in _STAGES if left <= stage), None)
    if reached is not None:
        span = times(left.days, "day") if left.days else times(left.seconds // 3600, "hour")
        yield _row(f"{what} ends on {when}, in {span}.", reached, fix)


def _row(problem: str, stage_days: int, fix: str) -> dict[str, Any]:
    return {
        "problem": problem,
        # On its last day somebody has to act now; before that there is time.
        "severity": "error" if stage_days <= 1 else "warn",
        "stage_days": stage_days,
        "what_to_do": fix,
    }
