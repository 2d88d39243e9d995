"""What a question asks, once it is read: everything named, nothing guessed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from meta_pipeline.metrics import DEFAULT_WINDOW
from meta_pipeline.words import digits

from .days import Days
from .names import NamedEntity, Pattern

DEFAULT_DAYS = Days("last 7 days", preset="last_7d")


class QuestionKind(StrEnum):
    """What sort of answer is wanted."""

    NUMBERS = "numbers"
    COMPARISON = "comparison"
    WHY = "why"
    ENTITIES = "entities"
    FRESHNESS = "freshness"
    SETTLING = "settling"
    RECONCILIATION = "reconciliation"
    TARGETS = "targets"
    MEANING = "meaning"
    HISTORY = "history"


class Before(StrEnum):
    """Which days a period is compared with, where they are not named themselves."""

    PERIOD = "as many days right before"
    WEEK = "the same days a week before"
    MONTH = "the same days a month before"
    YEAR = "the same days a year before"


@dataclass(frozen=True, slots=True)
class ValueFilter:
    """Which rows stay: those whose `metric` is `sign` (`>`, `>=`, `<`, `<=`, `=`) a number."""

    metric: str
    sign: str
    value: float
    currency: str | None = None

    def __str__(self) -> str:
        unit = f" {self.currency}" if self.currency else ""
        return f"{self.metric} {self.sign} {digits(self.value)}{unit}"


@dataclass(frozen=True, slots=True)
class Ranking:
    """The first `count` rows by `metric`; all of them without a count."""

    metric: str
    is_descending: bool
    count: int | None


@dataclass
class Reading:
    """A question as it was read."""

    kind: QuestionKind
    metrics: list[str] = field(default_factory=list)
    """Keys of the dictionary, in the order they are shown."""
    accounts: list[str] = field(default_factory=list)
    """Ids; empty for all."""
    level: str | None = None
    by: list[str] = field(default_factory=list)
    days: Days = DEFAULT_DAYS
    has_days: bool = False
    """Whether the days were named; if not, the answer says which it took."""
    before: Before | Days | None = None
    """What the days are compared with; None: nothing."""
    filters: dict[str, list[str]] = field(default_factory=dict)
    """As `metrics.query` takes them."""
    conditions: list[ValueFilter] = field(default_factory=list)
    """Which rows are kept, by their numbers."""
    ranking: Ranking | None = None
    attribution: str = DEFAULT_WINDOW
    currency: str | None = None
    """What amounts are converted to; None: they stay in the account's."""
    statuses: str | None = None
    """A word for them that was said, such as active."""
    entities: list[NamedEntity | Pattern] = field(default_factory=list)
    """What was named, in the order of the question; `accounts` and `filters` are made of it."""

    def sentence(self) -> str:
        """How it was read, for people; ids instead of names, which are text of others."""
        # In the order in which people say it: a reader checks the echo before the numbers.
        parts = [_SUBJECT[self.kind].format(metrics=", ".join(self.metrics))]
        if self.kind is QuestionKind.MEANING:
            return f"{parts[0]}."
        if self.kind is QuestionKind.ENTITIES and self.level:
            parts = [f"{self.statuses or 'all'} {self.level}s, by status now"]
        elif self.by and self.kind in (
            QuestionKind.NUMBERS,
            QuestionKind.COMPARISON,
            QuestionKind.WHY,
        ):
            parts.append(f"by {', '.join(self.by)}")
        parts.append(f"of {', '.join(self.accounts) or 'all accounts'}")
        parts += [f"{name} {' or '.join(values)}" for name, values in self.filters.items()]
        if self.kind not in (QuestionKind.ENTITIES, QuestionKind.FRESHNESS):
            default = "" if self.has_days else " (no days were named)"
            parts.append(f"{self.days.words}{default}")
        if self.before is not None:
            spoken = self.before.words if isinstance(self.before, Days) else self.before
            parts.append(f"against {spoken}")
        parts += [f"only where {condition}" for condition in self.conditions]
        if self.ranking is not None:
            order = "highest" if self.ranking.is_descending else "lowest"
            count = f"the {self.ranking.count} with " if self.ranking.count else ""
            parts.append(f"{count}the {order} {self.ranking.metric} first")
        if self.attribution != DEFAULT_WINDOW:
            parts.append(f"attribution {self.attribution}")
        if self.currency:
            parts.append(f"converted to {self.currency}")
        return f"{'; '.join(parts)}."


_SUBJECT = {
    QuestionKind.NUMBERS: "{metrics}",
    QuestionKind.COMPARISON: "{metrics}, compared",
    QuestionKind.WHY: "what moved {metrics}",
    QuestionKind.ENTITIES: "status",
    QuestionKind.FRESHNESS: "how fresh the data is",
    QuestionKind.SETTLING: "days that may still change",
    QuestionKind.RECONCILIATION: "whether the ads add up to the account",
    QuestionKind.TARGETS: "metrics against their targets",
    QuestionKind.MEANING: "what {metrics} means",
    QuestionKind.HISTORY: "what changed",
}
