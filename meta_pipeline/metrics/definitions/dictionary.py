"""The metric dictionary: definitions, families, goals and overrides, checked as a whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from meta_pipeline.metrics.errors import UnknownName

from .definition import Goals, Metric, MetricKind, Override, Unit
from .families import Families


@dataclass(frozen=True, slots=True)
class Variant:
    """One definition of a metric and the days it holds; None is open-ended."""

    metric: Metric
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Dictionary:
    """Every metric by key, what its action types mean, and what single accounts do otherwise."""

    metrics: Mapping[str, Metric]
    families: Families
    goals: Goals
    overrides: tuple[Override, ...] = field(default=())

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

    def variants(self, key: str, account_id: str | None = None) -> list[Variant]:
        """How `account_id` counts `key`: overrides with their days first, then the general one."""
        general = self.metric(key)
        special = [
            Variant(override.applied(general), override.valid_from, override.valid_until)
            for override in self.overrides
            if override.metric == key and override.account == account_id
        ]
        return [*special, Variant(general)]

    def effective(self, key: str, account_id: str | None, day: date) -> Metric:
        """The definition of `key` that holds for `account_id` on `day`."""
        # The account's own come first, and the general definition, which always holds, last.
        for variant in self.variants(key, account_id):
            if (variant.since or date.min) <= day <= (variant.until or date.max):
                return variant.metric
        raise AssertionError("the general definition holds on every day")

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
        # Nearly all accounts: one hash serves them, and a change of one account's override spares
        # the rest.
        if not any(override.account == account_id for override in self.overrides):
            return self._common_version
        return self._version(account_id)

    @cached_property
    def _common_version(self) -> str:
        return self._version(None)

    def _version(self, account_id: str | None) -> str:
        facts = {
            "metrics": [
                metric.model_dump(mode="json", exclude=_WORDS_OF_METRIC) for metric in self.stored()
            ],
            "goals": self.goals.model_dump(),
            "overrides": [
                override.model_dump(mode="json", exclude=_WORDS_OF_OVERRIDE)
                # In whatever order the file has them, the rows are the same.
                for override in sorted(
                    self.overrides, key=lambda one: (one.metric, one.valid_from or date.min)
                )
                if override.account == account_id
                and self.metric(override.metric).kind is MetricKind.SUM
            ],
        }
        return _hash(facts)

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
        return _hash(facts)


# Words change no number: a better description must not have years recomputed.
_WORDS_OF_METRIC = {"display_name", "description", "unit", "better", "family", "synonyms"}
_WORDS_OF_OVERRIDE = {"note", "display_name", "description", "synonyms"}


def _hash(facts: object) -> str:
    text = json.dumps(facts, sort_keys=True)
    # Kept beside each rolled-up day: short, and 48 bits are enough for the versions of one file.
    return hashlib.sha256(text.encode()).hexdigest()[:12]
