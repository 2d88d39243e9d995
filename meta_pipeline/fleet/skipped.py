"""Who is not picked, and why; put into words only when somebody reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from meta_pipeline.model.account_state import AccountState
from meta_pipeline.words import clock, duration

from .candidate import Candidate, Hold
from .rules import RotationRules


class Out(StrEnum):
    """Why an account has no turn at all at the moment."""

    EXCLUDED = "excluded"
    RUNNING = "running"
    REQUESTED = "requested"
    NO_ACCESS = "no access"


@dataclass(frozen=True, slots=True)
class Unreached:
    """No connection that reaches the account lets us in; `reason` is a sentence."""

    reason: str


WAITING = "waiting"
UNREACHED = "no connection"
_OUT = {
    Out.EXCLUDED: "the include and exclude lists leave it out",
    Out.RUNNING: "it is being synced now",
    Out.REQUESTED: "a run of it waits or has just started",
    Out.NO_ACCESS: "no connection reaches the account any more; share it again or choose it",
}
Why = Out | Unreached | Candidate


def out_of(state: AccountState, rules: RotationRules) -> Out | Unreached | None:
    """Why the account has no turn, however late it is; None where it has one."""
    if not rules.names(state.account_id):
        return Out.EXCLUDED
    if state.is_running:
        return Out.RUNNING
    if state.is_requested:
        return Out.REQUESTED
    if not state.is_accessible:
        return Out.NO_ACCESS
    return None if state.unreached is None else Unreached(state.unreached)


class Skipped(Mapping[str, str]):
    """Account id to `<kind>: <sentence>`.

    A fleet of thousands is looked at twice a minute and its sentences are hardly ever read, so
    they are not made before.
    """

    def __init__(self, whys: Mapping[str, Why], now: datetime, fresh: timedelta) -> None:
        self._whys = whys
        self._now = now
        self._fresh = fresh

    def __getitem__(self, account_id: str) -> str:
        why = self._whys[account_id]
        if isinstance(why, Out):
            return f"{why}: {_OUT[why]}"
        told = why.reason if isinstance(why, Unreached) else self._sentence(why)
        return f"{self._kind(why)}: {told}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._whys)

    def __len__(self) -> int:
        return len(self._whys)

    def __repr__(self) -> str:
        return repr(dict(self))

    @property
    def kinds(self) -> Counter[str]:
        """How many accounts are skipped for each kind of reason."""
        return Counter(self._kind(why) for why in self._whys.values())

    def _kind(self, why: Why) -> str:
        if isinstance(why, Out):
            return str(why)
        if isinstance(why, Unreached):
            return UNREACHED
        return WAITING if why.due_at <= self._now else str(why.hold)

    def _sentence(self, each: Candidate) -> str:
        moment = clock(each.due_at, self._now)
        if each.due_at <= self._now:
            return f"its turn came at {moment}, others are more urgent"
        if each.hold is Hold.THROTTLED:
            return f"Meta's limits allow no call before {moment}"
        if each.hold is Hold.RETRY:
            failures = max(each.state.failures, 1)
            times = "1 time" if failures == 1 else f"{failures} times in a row"
            return f"{times}, tried again at {moment}"
        if each.hold is Hold.FRESH:
            return f"synced within {duration(self._fresh)}, until {moment}"
        return f"its turn comes at {moment}, in {duration(each.due_at - self._now)}"
