"""The metric dictionary: definitions, families, goals and overrides, checked as a whole."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from meta_pipeline.metrics.errors import UnknownName

from .definition import Goals, Metric, MetricKind, Override, Unit
from .families import Families


@dataclass(frozen=True, slots=True)
class Variant:
    """One definition of a metric, and the first and the last day it holds."""

    metric: Metric
    days: tuple[date, date] = (date.min, date.max)


@dataclass(frozen=True)
class Dictionary:
    """Every metric by key, what its action types mean, and what single accounts do otherwise."""

    metrics: Mapping[str, Metric]
    families: Families
    goals: Goals
    overrides: tuple[Override, ...] = field(default=())
    # By metric and account, and by account: a question asks for those of each of its accounts, for
    # every metric of it.
    _variants: dict[tuple[str, str], list[Variant]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _versions: dict[str | None, str] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def metric(self, key: str) -> Metric:
        """The general definition; UnknownName offers near ones."""
        try:
            return self.metrics[key]
        except KeyError:
            raise UnknownName(
                "metric",
                key,
                self.metrics,
                hint="All of them: meta-pipeline metrics list.",
            ) from None

    @cached_property
    def overrides_by_account(self) -> Mapping[str, Mapping[str, Sequence[Override]]]:
        """The overrides of each account that has any, by metric, in the order of the file."""
        found: dict[str, dict[str, list[Override]]] = {}
        for override in self.overrides:
            of_account = found.setdefault(override.account, defaultdict(list))
            of_account[override.metric].append(override)
        return {account_id: dict(of_account) for account_id, of_account in found.items()}

    def variants(self, key: str, account_id: str | None = None) -> Sequence[Variant]:
        """How `account_id` counts `key`: overrides with their days first, then the general one."""
        own = self.overrides_by_account.get(account_id or "", {}).get(key, ())
        if not own:
            return [Variant(self.metric(key))]
        place = (key, own[0].account)
        if place not in self._variants:
            general = self.metric(key)
            special = [Variant(one.applied(general), one.days) for one in own]
            self._variants[place] = [*special, Variant(general)]
        return self._variants[place]

    def action_types(self, metric: Metric) -> set[str]:
        """Every action type `metric` may read, through sums, ratios and goals."""
        types = set(metric.actions)
        references = {*metric.references, *(self.goals.metrics() if metric.by_goal else ())}
        for name in references:
            if name in self.metrics:
                types |= self.action_types(self.metrics[name])
            else:
                types.add(name)
        return types

    def is_additive(self, metric: Metric) -> bool:
        """Whether it can be computed by adding rows up (itself, or both sides of its ratio)."""
        if metric.kind is MetricKind.RATIO:
            return all(self.is_additive(self.metric(name)) for name in metric.references)
        return metric.kind is MetricKind.SUM

    def has_money(self, metric: Metric) -> bool:
        """Whether it is an amount, or made of one: amounts of two currencies are not added up."""
        if metric.kind is MetricKind.RATIO:
            return any(self.has_money(self.metric(name)) for name in metric.references)
        return metric.unit is Unit.CURRENCY

    def is_by_goal(self, key: str | None) -> bool:
        """Whether `key` is a metric that counts what each ad set is optimised for."""
        metric = self.metrics.get(key or "")
        return metric is not None and metric.by_goal

    def stored(self) -> list[Metric]:
        """The metrics the rollup tables carry, by key."""
        return [metric for _, metric in sorted(self.metrics.items()) if metric.is_stored]

    def version(self, account_id: str | None = None) -> str:
        """Short hash of everything that decides the account's rollup rows."""
        own = self.overrides_by_account.get(account_id or "", {})
        # Nearly all accounts: one hash serves them, and a change of one account's override spares
        # the rest.
        whose = account_id if own else None
        if whose not in self._versions:
            facts = [
                override.model_dump(mode="json", exclude=_WORDS_OF_OVERRIDE)
                # In whatever order the file has them, the rows are the same.
                for key in sorted(own)
                if self.metric(key).kind is MetricKind.SUM
                for override in sorted(own[key], key=lambda one: one.days[0])
            ]
            special = json.dumps(facts, sort_keys=True)
            self._versions[whose] = _hash(f'{self._common_facts[:-1]}, "overrides": {special}}}')
        return self._versions[whose]

    @cached_property
    def _common_facts(self) -> str:
        """What decides the rollup rows of every account, as one JSON object: made once for all."""
        facts = {
            "metrics": [
                metric.model_dump(mode="json", exclude=WORDS_OF_METRIC) for metric in self.stored()
            ],
            "goals": self.goals.model_dump(),
        }
        return json.dumps(facts, sort_keys=True)

    @cached_property
    def fingerprint(self) -> str:
        """Short hash of every word of the dictionary."""
        facts = {
            "metrics": [metric.model_dump(mode="json") for metric in self.metrics.values()],
            "families": {
                name: family.model_dump() for name, family in self.families.by_name.items()
            },
            "goals": self.goals.model_dump(),
            "overrides": [override.model_dump(mode="json") for override in self.overrides],
        }
        return _hash(json.dumps(facts, sort_keys=True))


# Words change no number: a better description must not have years recomputed.
WORDS_OF_METRIC = {"display_name", "description", "unit", "better", "family", "synonyms"}
_WORDS_OF_OVERRIDE = {"note", "display_name", "description", "synonyms"}


def _hash(text: str) -> str:
    # Kept beside each rolled-up day: short, and 48 bits are enough for the versions of one file.
    return hashlib.sha256(text.encode()).hexdigest()[:12]
