"""Waiting: why a sync stopped and until when, in the one sentence that everybody shows.

The log, `sync_runs.error_summary`, view `sync_health`, `meta-pipeline status` and the
materialization's metadata all say these words.
"""

from __future__ import annotations

from datetime import datetime

from meta_pipeline.governor import Decision, clock_text
from meta_pipeline.graph import Throttled


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
    until = clock_text(error.until, now)
    return f"{who} stopped until {until} because Meta refused a call: {error.message}", error.until
