"""Judge: every rule on what was known of an account. Whether it was right: `reviews`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .advice import Advice, Kind, NoAdvice, Severity
from .known import Account
from .rules import RULES, Rule
from .thresholds import Thresholds

_ORDER = {Severity.HIGH: 0, Severity.MEDIUM: 1, Severity.LOW: 2}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is advised, the most urgent first, and the gates that were closed."""

    advices: tuple[Advice, ...]
    closed: tuple[NoAdvice, ...]


def judge(
    account: Account, thresholds: Thresholds | None = None, rules: Sequence[Rule] = RULES
) -> Judgement:
    """Ask the rules; where several have one key, such as by two rules, the first counts.

    What one rule advises to pause or to scale those after it know: they do not contradict it.
    """
    numbers = thresholds or Thresholds()
    said: list[Advice | NoAdvice] = []
    for rule in rules:
        # In full before the next one: what it advises is part of what that one knows.
        given = list(rule(account, numbers))
        to_pause, to_scale = _about(given, Kind.PAUSE), _about(given, Kind.SCALE)
        # Only where there is any: a new account has counted nothing yet of what rules look up.
        if to_pause or to_scale:
            account = replace(
                account,
                to_pause=account.to_pause | to_pause,
                to_scale=account.to_scale | to_scale,
            )
        said += given
    # From the last to the first, so that of one key the first stays.
    advices = {one.key: one for one in reversed(said) if isinstance(one, Advice)}
    # By key within a severity: the same advice is in the same place at every look.
    ordered = sorted(advices.values(), key=lambda one: (_ORDER[one.severity], one.key))
    return Judgement(tuple(ordered), tuple(one for one in said if isinstance(one, NoAdvice)))


def _about(said: Sequence[Advice | NoAdvice], kind: Kind) -> set[str]:
    return {one.entity_id for one in said if isinstance(one, Advice) and one.kind is kind}
