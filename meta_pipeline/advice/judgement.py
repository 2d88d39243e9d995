"""Judge: every rule on what was known of an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .advice import Advice, NoAdvice, Severity
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
    """Ask the rules; of several advices with one key, such as by two rules, the first counts."""
    numbers = thresholds or Thresholds()
    said = [one for rule in rules for one in rule(account, numbers)]
    advices: dict[str, Advice] = {}
    for one in said:
        if isinstance(one, Advice):
            advices.setdefault(one.key, one)
    ordered = sorted(advices.values(), key=lambda one: (_ORDER[one.severity], one.key))
    return Judgement(tuple(ordered), tuple(one for one in said if isinstance(one, NoAdvice)))
