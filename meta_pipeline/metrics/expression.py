"""A metric as SQL: the number one row adds to it, counted as the account counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from operator import attrgetter
from typing import Any

from .definitions.definition import DEFAULT_WINDOW, ActionList, Metric, MetricKind, Unit
from .definitions.dictionary import WORDS_OF_METRIC, Dictionary, Variant
from .source import ROLLUP_COLUMNS, Rows, Source

_IS_NUMBER = r"'^-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,2})?$'"
"""Longer ones are no counts of Meta's, and 1e999999 would end the statement."""
VALUE_KEY = "value"
_ALIKE = attrgetter(*sorted(Metric.model_fields.keys() - WORDS_OF_METRIC - {"actions", "add"}))
"""What makes the SQL of two definitions of a metric another, but for the action types in it."""
GOAL_JOIN = "LEFT JOIN meta_ads.adset_goals AS goal ON goal.adset_id = f.adset_id"


@dataclass
class Expressions:
    """Writes the SQL of metrics over one source, and remembers which joins it needs.

    Rows are read under the alias `f`. `attribution` replaces the window of every metric that has
    no window of its own. Values (action types, accounts, days) become parameters: `params`.
    """

    dictionary: Dictionary
    source: Source
    accounts: tuple[str, ...] = ()
    attribution: str = DEFAULT_WINDOW
    money_factor: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    maps: dict[tuple[ActionList, str], str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    places: dict[tuple[type, Any], str] = field(default_factory=dict)
    needs_goal: bool = False

    def summand(self, key: str) -> str:
        """What one row adds to the sum `key`; null only for results nothing here counts."""
        return self._by_variant(key, self._sum)

    def numerator(self, key: str) -> str:
        """What one row adds above the line of the ratio `key`, its scale included."""
        return self._by_variant(key, self._scaled_numerator)

    def denominator(self, key: str) -> str:
        return self._by_variant(key, lambda metric, _: self.summand(metric.denominator or ""))

    @property
    def joins(self) -> str:
        """The joins the expressions so far need: action lists by type, overrides, goals."""
        laterals = [_lateral(*wanted, alias) for wanted, alias in self.maps.items()]
        laterals += [
            f"CROSS JOIN LATERAL (SELECT {place}::jsonb -> f.account_id AS of_account) AS {alias}"
            for place, alias in self.own.items()
        ]
        return "\n".join([*laterals, *([GOAL_JOIN] if self.needs_goal else [])])

    def bind(self, value: Any) -> str:
        """A placeholder for `value`; equal values share one."""
        # By type too: True equals 1, and a date equals no text but a datetime may equal a date.
        name = self.places.setdefault((type(value), value), f"e{len(self.params)}")
        self.params[name] = value
        return f"%({name})s"

    def _by_variant(self, key: str, write: Callable[[Metric, Sequence[str]], str]) -> str:
        """One expression, or a CASE over the accounts and days that count otherwise.

        `write` is given SQL of the action types where they are not those of the metric.
        """
        metric = self.dictionary.metric(key)
        general = write(metric, ())
        if metric.kind is MetricKind.SUM and not self.source.lists_actions:
            return general  # counted as the account counts it when the row was rolled up
        cases, asked = [], self.accounts
        for alike in self._alike(key):
            # What the arm is made of is written for its accounts: those of others may lead back.
            self.accounts = tuple(alike)
            cases.append(self._case(alike, write))
        self.accounts = asked
        return f"(CASE {' '.join(cases)} ELSE {general} END)" if cases else general

    def _alike(self, key: str) -> list[dict[str, Variant]]:
        """The overrides of `key` by account, those together that one arm of a CASE can be for."""
        arms: dict[tuple[Any, ...], dict[str, Variant]] = {}
        for account in self.accounts:
            # The last one is the general definition, which is the ELSE.
            for position, variant in enumerate(self.dictionary.variants(key, account)[:-1]):
                is_always = variant.days == (date.min, date.max)
                # Metrics that it adds up are written into the arm; its action types are looked up.
                add = variant.metric.add
                added = [name for name in sorted(add) if name in self.dictionary.metrics]
                arm = (position, is_always, bool(add), *added, _ALIKE(variant.metric))
                arms.setdefault(arm, {})[account] = variant
        # An account's own are tried in their order.
        return [arms[arm] for arm in sorted(arms, key=lambda arm: int(arm[0]))]

    def _case(
        self, alike: Mapping[str, Variant], write: Callable[[Metric, Sequence[str]], str]
    ) -> str:
        (account, one), *others = alike.items()
        if not others:
            return f"WHEN {self._holds(account, one)} THEN {write(one.metric, ())}"
        # Thousands of arms would be tried for each row: it looks its own days and types up.
        own = {
            account: [*map(str, variant.days), *self._types(variant.metric)]
            for account, variant in alike.items()
        }
        place = self.bind(json.dumps(own))
        of_account = f"{self.own.setdefault(place, f'own_{len(self.own)}')}.of_account"
        holds = f"{of_account} IS NOT NULL"
        if one.days != (date.min, date.max):
            holds = (
                f"f.date_start BETWEEN ({of_account} ->> 0)::date AND ({of_account} ->> 1)::date"
            )
        # What an account has not so many of is null, as a type that a row does not have.
        types = [f"({of_account} ->> {n})" for n in range(2, max(map(len, own.values())))]
        return f"WHEN {holds} THEN {write(one.metric, types)}"

    def _holds(self, account: str, variant: Variant) -> str:
        since, until = variant.days
        parts = [f"f.account_id = {self.bind(account)}"]
        if since > date.min:
            parts.append(f"f.date_start >= {self.bind(since)}")
        if until < date.max:
            parts.append(f"f.date_start <= {self.bind(until)}")
        return " AND ".join(parts)

    def _scaled_numerator(self, metric: Metric, _: Sequence[str]) -> str:
        number = self.summand(metric.numerator or "")
        if self.dictionary.is_by_goal(metric.denominator):
            # The part that has results: what they are unknown of has no cost of one.
            if self.source.rows is Rows.ROLLUP and metric.numerator == "spend":
                spend = self.dictionary.metric("spend")
                number = self._money(spend, "(f.spend - f.spend_without_results)")
            else:
                results = self.summand(metric.denominator or "")
                number = f"(CASE WHEN {results} IS NULL THEN 0 ELSE {number} END)"
        return number if metric.scale == 1 else f"{number} * {metric.scale}"

    def _sum(self, metric: Metric, types: Sequence[str]) -> str:
        if metric.kind is MetricKind.NON_ADDITIVE:
            return f"f.{metric.column}"
        if not self.source.lists_actions:
            return self._stored(metric)
        if metric.add:
            return self._added(metric, types)
        if metric.by_goal:
            # The join costs a look-up for each row, so it is there only where a goal decides.
            self.needs_goal = True
            cases = " ".join(
                f"WHEN {self.bind(key)} THEN {self.summand(key)}"
                for key in sorted(self.dictionary.goals.metrics())
            )
            own = f"{self._by_type(ActionList.ACTIONS, self.attribution)} ->> goal.result_metric"
            return (
                f"(CASE goal.result_metric {cases} ELSE "
                # A goal that names an action type (they have a dot) is counted by that type; one
                # that names neither is unknown, not zero.
                "CASE WHEN position('.' IN goal.result_metric) > 0 "
                f"THEN coalesce(({own})::numeric, 0) END END)"
            )
        if metric.column:
            return self._money(metric, f"coalesce(f.{metric.column}, 0)")
        return self._first_present(metric, types)

    def _added(self, metric: Metric, types: Sequence[str]) -> str:
        parts = [self.summand(name) for name in metric.add if name in self.dictionary.metrics]
        parts += [self._first_present(metric, [one]) for one in types or self._bound(metric)]
        return f"({' + '.join(parts)})"

    def _types(self, metric: Metric) -> list[str]:
        """The action types in a definition; other names that it adds up are those of metrics."""
        return [*metric.actions, *(n for n in metric.add if n not in self.dictionary.metrics)]

    def _bound(self, metric: Metric) -> list[str]:
        return [f"{self.bind(name)}::text" for name in self._types(metric)]

    def _stored(self, metric: Metric) -> str:
        if metric.key in ROLLUP_COLUMNS:
            return self._money(metric, f"f.{metric.key}")
        value = f"coalesce((f.other_metrics ->> {self.bind(metric.key)}::text)::numeric, 0)"
        return self._money(metric, value)

    def _first_present(self, metric: Metric, types: Sequence[str]) -> str:
        """The number of the first action type the row has; a present type without it is zero."""
        window = self.attribution if metric.window == DEFAULT_WINDOW else metric.window
        by_type = self._by_type(metric.list, window)
        values = (f"({by_type} ->> {name})::numeric" for name in types or self._bound(metric))
        return self._money(metric, f"coalesce({', '.join(values)}, 0)")

    def _by_type(self, listed: ActionList, window: str) -> str:
        """The row's numbers by action type, as one object."""
        # One join for all metrics of a list: it is parsed once a row.
        alias = self.maps.setdefault((listed, window), f"counted_{len(self.maps)}")
        return f"{alias}.by_type"

    def _money(self, metric: Metric, expression: str) -> str:
        if metric.unit is Unit.CURRENCY and self.money_factor:
            return f"({expression} * {self.money_factor})"
        return expression


def _lateral(column: ActionList, window: str, alias: str) -> str:
    """The row's list as one object, type to number; a type listed twice is added up.

    Something else than a list counts as an empty one, and text that is no number as zero: what
    Meta sends by mistake must not take the whole answer down.
    """
    key = VALUE_KEY if window == DEFAULT_WINDOW else window
    listed = f"CASE jsonb_typeof(f.{column}) WHEN 'array' THEN f.{column} ELSE '[]' END"
    number = f"item ->> '{key}'"
    return f"""LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(action_type, total) AS by_type
    FROM (
        SELECT item ->> 'action_type' AS action_type,
               sum(CASE WHEN {number} ~ {_IS_NUMBER} THEN ({number})::numeric ELSE 0 END) AS total
        FROM jsonb_array_elements({listed}) AS item
        WHERE item ->> 'action_type' IS NOT NULL
        GROUP BY 1
    ) AS listed
) AS {alias} ON true"""


def stored_json(expressions: Expressions, metrics: Iterable[Metric]) -> str:
    """The metrics without a column of their own, as one JSON object; what is zero is left out."""
    pairs = [
        f"{expressions.bind(metric.key)}::text, nullif({expressions.summand(metric.key)}, 0)"
        for metric in metrics
    ]
    return f"jsonb_strip_nulls(jsonb_build_object({', '.join(pairs)}))" if pairs else "'{}'::jsonb"
