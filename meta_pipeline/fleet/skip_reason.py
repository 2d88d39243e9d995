"""Why a tick requested nothing, as a person reads it: `12 accounts, all fresh; next is ...`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Protocol

from meta_pipeline.warehouse import AccountRow
from meta_pipeline.words import clock, duration, times

from .tick import Tick

_WORDS = {
    "fresh": "fresh",
    "running": "being synced",
    "requested": "asked for already",
    "waiting": "waiting their turn",
    "throttled": "throttled by Meta's limits",
    "failing": "failing, tried again later",
    "excluded": "left out by the settings",
    "no access": "lost to the token",
    "no connection": "without a connection that lets us in",
}
_SAME = {"not due": "fresh"}
# Dagster shows the sentence in one line of its list of ticks.
_NAMED_STOPS = 3


class Accounts(Protocol):
    """Where the names are: `AccountStore`."""

    def get(self, account_id: str) -> AccountRow | None: ...


def skip_reason(tick: Tick, runs: int, now: datetime, accounts: Accounts) -> str:
    """The sentence for a tick that requests no run; `runs` of syncs are queued or under way."""
    parts = [_fleet(tick, runs)]
    parts += [each.reason for each in tick.stopped[:_NAMED_STOPS]]
    if (more := len(tick.stopped) - _NAMED_STOPS) > 0:
        parts.append(f"{more} more were stopped")
    next_at, account_id = tick.choice.next_at, tick.choice.next_account
    if next_at is not None and account_id is not None and next_at > now:
        account = accounts.get(account_id)
        name = f"{account.name} ({account_id})" if account and account.name else account_id
        parts.append(f"next is {name} in {duration(next_at - now)}, at {clock(next_at, now)}")
    return "; ".join(parts)


def _fleet(tick: Tick, runs: int) -> str:
    kinds: Counter[str] = Counter()
    for kind, count in tick.choice.skipped.kinds.items():
        kinds[_SAME.get(kind, kind)] += count
    accounts = times(tick.accounts, "account")
    if kinds["waiting"]:
        busy = f"{times(runs, 'run')} of syncs under way"
        return f"{accounts}: {_listed(kinds)}; {busy}, as many as META_MAX_SYNCS allows"
    if set(+kinds) == {"fresh"}:
        return f"{accounts}, all fresh" if tick.accounts > 1 else f"{accounts}, fresh"
    return f"{accounts}: {_listed(kinds)}"


def _listed(kinds: Counter[str]) -> str:
    return ", ".join(f"{count:,} {_WORDS.get(kind, kind)}" for kind, count in kinds.most_common())
