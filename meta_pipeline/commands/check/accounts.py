"""The ad accounts' part of `meta-pipeline check`: each is asked, several at once, within a budget.

A thousand accounts are a thousand calls. They are spread over a few threads, and no further one
is made once the budget of calls or of time is used, once Meta refuses for a limit that all accounts
share, or once the app is near its own. An account that is known to be blocked is not asked at all:
a call during a block prolongs it. What was left out is said, with how to check it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from meta_pipeline.commands.accounts import STATUS_WORDS
from meta_pipeline.graph import GraphClient, GraphError, Throttled
from meta_pipeline.model.usage import UsageReading
from meta_pipeline.sync.days import today
from meta_pipeline.sync.run.account_node import oddities

from .finding import CheckFinding, failed

AT_ONCE = 8
"""Calls under way at a time."""
# Before one begins to wonder.
_TELL_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a check may take: calls, seconds, and how full the app's own meters may get.

    What others used of it before counts, too.
    """

    calls: int = 1000
    seconds: float = 60.0
    app_stop_pct: float = 70.0
    used_calls: int = 0
    used_seconds: float = 0.0

    def without(self, calls: int, seconds: float) -> Budget:
        """The same after so many further calls and so much longer."""
        used = self.used_seconds + seconds
        return replace(self, used_calls=self.used_calls + calls, used_seconds=used)


@dataclass
class AccountProbe:
    """Asks accounts for yesterday's numbers.

    `blocked` has the accounts Meta has said not to call now, by id, with the reason as a sentence;
    `tell` is told how far it is, now and then.
    """

    client: GraphClient
    budget: Budget
    blocked: Mapping[str, str]
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    left_out: str | None = field(default=None, init=False)
    """Why not every account was asked; None when each was."""
    asked: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)
    """Calls that were made, and how long they took in all."""

    def findings(self, accounts: Sequence[Mapping[str, Any]]) -> Iterator[CheckFinding]:
        """One finding for each account in the order given; one more for those left out."""
        # Meta counts a call during a block and prolongs it.
        waits = [one for one in accounts if one["id"] in self.blocked]
        due = [one for one in accounts if one["id"] not in self.blocked]
        finding_of = self._asked(due)
        for one in due:
            if one["id"] in finding_of:
                yield finding_of[one["id"]]
        for one in waits:
            text = f"not asked: {self.blocked[one['id']]}"
            yield CheckFinding("Account", _subject(one), ok=True, text=text)
        left = [one for one in due if one["id"] not in finding_of]
        if left:
            yield self._left(left, len(accounts))

    def _asked(self, due: Sequence[Mapping[str, Any]]) -> dict[str, CheckFinding]:
        """What was found of each account that was asked, by id."""
        finding_of: dict[str, CheckFinding] = {}
        queue = iter(due)
        began = told = self.clock()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check") as pool:
            running: dict[Future[tuple[CheckFinding, str | None]], str] = {}
            while True:
                while len(running) < AT_ONCE and self._may_go_on(began):
                    if (given := next(queue, None)) is None:
                        break
                    running[pool.submit(self._ask, given)] = given["id"]
                    self.asked += 1
                if not running:
                    self.seconds = self.clock() - began
                    return finding_of
                ended, _ = wait(running, timeout=_TELL_EVERY_SECONDS, return_when=FIRST_COMPLETED)
                for one in ended:
                    finding, stop = one.result()
                    finding_of[running.pop(one)] = finding
                    self.left_out = self.left_out or stop
                if self.clock() - told >= _TELL_EVERY_SECONDS:
                    told = self.clock()
                    self.tell(f"{len(finding_of):,} of {len(due):,} accounts asked")

    def _may_go_on(self, began: float) -> bool:
        budget = self.budget
        if self.left_out is None and budget.used_calls + self.asked >= budget.calls:
            self.left_out = f"the budget of {budget.calls:,} calls is used"
        # One account at least where there is any time: a check that asked none would have checked
        # nothing.
        left = budget.seconds - budget.used_seconds
        may_end = self.asked > 0 or left <= 0
        if self.left_out is None and may_end and self.clock() - began >= left:
            self.left_out = f"the budget of {budget.seconds:g} s is used"
        return self.left_out is None

    def _ask(self, given: Mapping[str, Any]) -> tuple[CheckFinding, str | None]:
        """What there is to say of the account, and why no further one may be asked."""
        subject = _subject(given)
        try:
            answer = self.client.get(
                f"{given['id']}/insights",
                # The cheapest call that proves what syncs need: the account and its insights.
                {"level": "account", "fields": "spend,impressions", "date_preset": "yesterday"},
                account_id=given["id"],
                endpoint_key="insights_account",
            )
        except GraphError as error:
            # An account that is throttled itself says nothing of the next one.
            is_shared = isinstance(error, Throttled) and error.limit.scope != "account"
            stop = f"Meta refuses calls for a limit all accounts share: {error.message}"
            return failed("Account", subject, error), stop if is_shared else None
        # The limits that all accounts share; an account's own says nothing of the next one.
        shared = [one.usage_pct for one in answer.usage if one.scope in ("app", "insights_app")]
        fullest = max(shared, default=0.0)
        stop = f"the app's own limit is at {fullest:.0f} %"
        is_near = fullest >= self.budget.app_stop_pct
        return _readable(subject, given, answer.body, answer.usage), stop if is_near else None

    def _left(self, left: Sequence[Mapping[str, Any]], total: int) -> CheckFinding:
        noun = "account was" if len(left) == 1 else "accounts were"
        return CheckFinding(
            "Accounts",
            f"{len(left):,} of {total:,}",
            ok=True,
            text=f"{noun} not asked: {self.left_out}. To check one: meta-pipeline check "
            f"--account {left[0]['id']}; all of them, once there is room: meta-pipeline check "
            f"--calls {total} --within {max(1, -(-total // 600))}0m",
            is_partial=True,
        )


def _subject(given: Mapping[str, Any]) -> str:
    return f"{given['id']} {given.get('name', '')}".strip()


def _readable(
    subject: str,
    given: Mapping[str, Any],
    body: Mapping[str, Any],
    usage: tuple[UsageReading, ...],
) -> CheckFinding:
    rows = body.get("data") or [{}]
    spend = f"yesterday {rows[0].get('spend', '0')} {given.get('currency', '')}"
    zone = given.get("timezone_name")
    local = f"{zone}, today {today(datetime.now(UTC), zone if isinstance(zone, str) else None)}"
    status = given.get("account_status")
    known = STATUS_WORDS.get(status) if isinstance(status, int) else None
    told = [] if status == 1 else [f"account is {known or status}"]
    told += [spend, local, *oddities(given.get("currency"), zone)]
    if tiers := sorted({one.access_tier for one in usage if one.access_tier}):
        told.append(", ".join(tiers))
    if worst := max((one.usage_pct for one in usage), default=0):
        told.append(f"{worst:.0f} % of the hour's allowance used")
    return CheckFinding("Account", subject, ok=True, text="; ".join(told))
