"""May we call now? Readings, a plan and a budget in; one decision with its reason out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from meta_pipeline.model.usage import ADS_INSIGHTS, ADS_MANAGEMENT, UsageReading
from meta_pipeline.words import clock

from .budget import BudgetState
from .effective_reading import EffectiveReading
from .meters import Meters
from .pace import Pace, pace_of, slowest
from .thresholds import Thresholds


class Action(StrEnum):
    """What to do, from the best to the worst."""

    GO = "go"
    SLOWER = "slower"
    SKIP_NON_CRITICAL = "skip_non_critical"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a plan, or the next slice of one, is going to ask of Meta."""

    # Meta's names for the calls to come.
    use_cases: frozenset[str] = frozenset({ADS_MANAGEMENT, ADS_INSIGHTS})
    calls: float = 1
    # In calls of weight 1.
    weighted_cost: float = 1.0
    # A plan that is not can wait as a whole.
    critical: bool = True
    # The parts that can wait.
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be done now, and why."""

    action: Action
    # So many calls may be in flight,
    parallel: int
    # their starts so far apart.
    pause_seconds: float = 0.0
    # The parts to leave out.
    skip: tuple[str, ...] = ()
    # When to ask again after a stop.
    until: datetime | None = None
    # A sentence for people.
    reason: str = ""
    # The reading that decided.
    reading: UsageReading | None = None

    @property
    def may_call(self) -> bool:
        return self.action is not Action.STOP


def decide(
    *,
    account_id: str | None,
    meters: Meters,
    now: datetime,
    needs: Needs | None = None,
    thresholds: Thresholds | None = None,
    budget: BudgetState | None = None,
    max_parallel: int = 4,
) -> Decision:
    """Decide about calls to `account_id` (None: calls that belong to no account) at `now`.

    The worst wins: a stop (block, usage, budget), then leaving out what can wait, then going
    slower. Only meters that the needed use cases move are heeded; a block of any of an account's
    own use cases closes the whole account. `thresholds` default to those of the meters.
    """
    limits = thresholds or meters.thresholds
    asked = _Asked(account_id, now, needs or Needs(), limits, max_parallel, meters.app)
    known = [
        each for each in meters.current(account_id, now, asked.thresholds) if _matters(each, asked)
    ]
    return _stop(asked, known) or _over_budget(asked, budget) or _go_on(asked, known)


def stops(
    asked: Mapping[str, Iterable[str]],
    apps: Mapping[str, str],
    readings: Sequence[UsageReading],
    now: datetime,
    thresholds: Thresholds,
) -> dict[str, tuple[datetime, str, Meters]]:
    """Accounts that may not be called now for what is `asked`: until when, why, by which meters.

    `apps` is the app that each is read as: its limits hold for it, and those of no other app.
    """
    meters_of = {app: Meters(thresholds, app=app) for app in set(apps.values())}
    for each in meters_of.values():
        each.observe(readings)
    stopped = {}
    for account_id, use_cases in asked.items():
        needs, meters = Needs(frozenset(use_cases)), meters_of[apps[account_id]]
        decision = decide(account_id=account_id, meters=meters, now=now, needs=needs)
        if not decision.may_call and decision.until is not None:
            stopped[account_id] = decision.until, decision.reason, meters
    return stopped


@dataclass(frozen=True, slots=True)
class _Asked:
    account_id: str | None
    now: datetime
    needs: Needs
    thresholds: Thresholds
    max_parallel: int
    app: str

    @property
    def who(self) -> str:
        return self.account_id or "calls without an account"


def _matters(known: EffectiveReading, asked: _Asked) -> bool:
    use_cases = asked.needs.use_cases
    if known.reading.blocks:
        use_cases = use_cases | {ADS_MANAGEMENT}
        # A closed account is left alone altogether; the app's insights limit closes insights.
        if not known.reading.meter.is_of_app:
            use_cases = use_cases | {ADS_INSIGHTS}
    return any(
        known.reading.meter.counts(asked.account_id, use_case, asked.app) for use_case in use_cases
    )


def _stop(asked: _Asked, known: Sequence[EffectiveReading]) -> Decision | None:
    stopping = [(each.resumes_at, each) for each in known if each.resumes_at is not None]
    if not stopping:
        return None
    until, worst = max(stopping, key=lambda pair: pair[0])
    reading = worst.reading
    why = f"because {reading.meter.words} is at {_usage_text(worst, asked.now)}"
    if reading.blocks and reading.regain_at is not None:
        why += f" and Meta refuses calls until {clock(reading.regain_at, asked.now)}"
    return _stopped(asked, until, why, reading)


def _stopped(
    asked: _Asked, until: datetime, why: str, reading: UsageReading | None = None
) -> Decision:
    reason = f"{asked.who} stopped until {clock(until, asked.now)} {why}"
    return Decision(Action.STOP, 0, until=until, reason=reason, reading=reading)


def _over_budget(asked: _Asked, budget: BudgetState | None) -> Decision | None:
    cost = asked.needs.weighted_cost
    short = budget.refusal(cost) if budget else None
    if short is None:
        return None
    why = (
        f"because the plan costs {cost:,.0f} and {short.name} has {short.left:,.0f} "
        f"of its {short.limit:,.0f} a day left"
    )
    return _stopped(asked, short.resets_at.astimezone(UTC), why)


def _go_on(asked: _Asked, known: Sequence[EffectiveReading]) -> Decision:
    over = [(each.eases_at, each) for each in known if each.eases_at is not None]
    paces = (pace_of(each, asked.thresholds, asked.max_parallel) for each in known)
    pace = slowest(paces, asked.max_parallel)
    if not over:
        return _at_pace(asked, known, pace)
    eases_at, tight = max(over, key=lambda pair: pair[0])
    usage = f"{tight.reading.meter.words} is at {_usage_text(tight, asked.now)}"
    if not asked.needs.critical:
        why = f"because it can wait and {usage}"
        return _stopped(asked, eases_at, why, tight.reading)
    if not asked.needs.optional:
        return _at_pace(asked, known, pace)
    return Decision(
        Action.SKIP_NON_CRITICAL,
        pace.parallel,
        pace.interval_seconds,
        skip=asked.needs.optional,
        reason=f"{asked.who} leaves out {', '.join(asked.needs.optional)} because {usage}",
        reading=tight.reading,
    )


def _at_pace(asked: _Asked, known: Sequence[EffectiveReading], pace: Pace) -> Decision:
    if not known:
        return Decision(
            Action.GO, asked.max_parallel, reason=f"{asked.who} goes: no usage is known"
        )
    worst = max(
        known, key=lambda each: each.effective_pct / asked.thresholds.stop_pct(each.reading.meter)
    )
    usage = f"{worst.reading.meter.words} is at {_usage_text(worst, asked.now)}"
    slowed = pace.parallel < asked.max_parallel or pace.interval_seconds > 0
    at_once = "one call at a time" if pace.parallel == 1 else f"{pace.parallel} calls at once"
    apart = f", {pace.interval_seconds:.1f} s apart" if pace.interval_seconds >= 0.05 else ""
    how = f"goes slower, {at_once}{apart}, because" if slowed else "goes:"
    return Decision(
        Action.SLOWER if slowed else Action.GO,
        pace.parallel,
        pace.interval_seconds,
        reason=f"{asked.who} {how} {usage}",
        reading=worst.reading,
    )


def _usage_text(known: EffectiveReading, now: datetime) -> str:
    """`97 % (read 14:20)`; says so where it must have fallen or risen since."""
    reading = known.reading
    since = abs(known.effective_pct - reading.usage_pct) >= 1
    about = f", about {known.effective_pct:.0f} % now" if since else ""
    read_at = clock(reading.read_at, now).removesuffix(" UTC")
    return f"{reading.usage_pct:.0f} % (read {read_at}{about})"
