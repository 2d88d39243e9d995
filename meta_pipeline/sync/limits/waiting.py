"""Waiting: why a sync stopped and until when, in the one sentence that everybody shows.

The log, `sync_runs.error_summary`, view `sync_health`, `meta-pipeline status` and the
materialization's metadata all say these words.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from meta_pipeline.governor import Decision
from meta_pipeline.graph import GraphError, Throttled
from meta_pipeline.words import clock, minute

# Access may be given back at any time, and nobody tells us: asking once a day is cheap enough.
_FIRST_REST, _LONGEST_REST = timedelta(hours=1), timedelta(days=1)


def rest_of(
    error: GraphError, failing_since: datetime | None, now: datetime
) -> tuple[str, datetime]:
    """The rest of an account that may not be read, as a sentence, and when it ends.

    It lasts as long as the account has been failing: an hour at first, a day at most.
    """
    failing = now - failing_since if failing_since else timedelta(0)
    until = now + min(max(failing, _FIRST_REST), _LONGEST_REST)
    return f"rests until {minute(until)}: {error}", until


def wait_of(error: Throttled, decision: Decision, now: datetime) -> tuple[str, datetime]:
    """The wait that `error` means, as a sentence, and when it ends.

    What the governor decides now says it best, for it knows the reading: `act_1 stopped until
    14:32 UTC because ads_insights is at 97 % (read 14:20) and Meta refuses calls until ...`.
    """
    if not decision.may_call and decision.until is not None:
        return decision.reason, decision.until
    if error.hint == "caller":
        return error.message, error.until
    who = error.account_id or "calls without an account"
    until = clock(error.until, now)
    return f"{who} stopped until {until} because Meta refused a call: {error.message}", error.until
