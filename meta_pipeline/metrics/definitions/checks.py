"""What the parts of a dictionary say about each other: names, cycles, double counts."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

from pydantic import ValidationError

from meta_pipeline.metrics.errors import DictionaryError, near

from .definition import Metric, MetricKind, Override
from .dictionary import Dictionary
from .document import Place

_COLUMN_CONTENT = {
    "clicks": {"inline_link_clicks", "link_click"},
    "inline_link_clicks": {"link_click"},
}
"""What is inside a column, so that adding it to the action type counts twice."""


class Checks:
    """The checks of one dictionary; `error` makes a DictionaryError that names the line."""

    def __init__(
        self,
        dictionary: Dictionary,
        error: Callable[[str, Place], DictionaryError],
        override_places: Sequence[Place],
    ) -> None:
        self._dictionary = dictionary
        self._error = error
        self._places = override_places

    def run(self) -> None:
        """Raise the first thing that is wrong."""
        # What metrics rest on first: a wrong family would be reported as a dozen wrong metrics.
        self._check_families()
        self._check_metrics()
        self._check_goals()
        self._check_overrides()

    def _check_families(self) -> None:
        families = self._dictionary.families
        owner: dict[str, str] = {}
        for name, family in families.by_name.items():
            for position, action_type in enumerate(family.types):
                if action_type in owner:
                    raise self._error(
                        f"action type {action_type} is already in family {owner[action_type]}",
                        ("families", name, "types", position),
                    )
                owner[action_type] = name
            for other in family.includes:
                if other not in families.by_name:
                    raise self._error(
                        f"family {name} includes {other}, which is no family",
                        ("families", name, "includes"),
                    )
            self._check_family_cycle(name, (), set())

    def _check_family_cycle(self, name: str, above: tuple[str, ...], clear: set[str]) -> None:
        """`clear` are those below which there is none: each is walked once."""
        if name in clear:
            return
        if name in above:
            path = " -> ".join((*above, name))
            raise self._error(f"families include each other: {path}", ("families", name))
        families = self._dictionary.families.by_name
        for inner in families[name].includes:
            if inner in families:
                self._check_family_cycle(inner, (*above, name), clear)
        clear.add(name)

    def _check_metrics(self) -> None:
        dictionary = self._dictionary
        for key, metric in dictionary.metrics.items():
            place = ("metrics", key)
            if dictionary.families.knows(key):
                raise self._error(f"{key} is an action type: call the metric otherwise", place)
            self._check_one(dictionary, metric, place)
            self._check_cycle(dictionary, key, None, (), set())
        for key, metric in dictionary.metrics.items():
            self._check_double_count(dictionary, metric, None, ("metrics", key))

    def _check_one(self, dictionary: Dictionary, metric: Metric, place: Place) -> None:
        for action_type in metric.actions:
            if not dictionary.families.knows(action_type):
                raise self._error(
                    f"unknown action type {action_type!r}"
                    f"{hint(action_type, dictionary.families.of_type)}. "
                    "If Meta has a new one, add it to a family",
                    (*place, "actions"),
                )
        for name in metric.references:
            may_be_action = name in metric.add and dictionary.families.knows(name)
            if name not in dictionary.metrics and not may_be_action:
                raise self._error(
                    f"{metric.key} uses {name!r}, which is no metric"
                    f"{hint(name, dictionary.metrics)}",
                    place,
                )
        self._check_ratio_side(dictionary, metric, place)
        for name in metric.add:
            self._check_addend(dictionary, metric, name, place)

    def _check_ratio_side(self, dictionary: Dictionary, metric: Metric, place: Place) -> None:
        for name in (metric.numerator, metric.denominator):
            other = dictionary.metrics.get(name or "")
            if other is not None and other.kind is MetricKind.RATIO:
                raise self._error(
                    f"{metric.key} divides by or through the ratio {name}: name the sums behind it",
                    place,
                )

    def _check_addend(
        self, dictionary: Dictionary, metric: Metric, name: str, place: Place
    ) -> None:
        other = dictionary.metrics.get(name)
        if other is None:
            return
        if other.kind is not MetricKind.SUM or other.by_goal:
            raise self._error(f"{name} cannot be added: it is {other.formula}", (*place, "add"))
        if other.unit is not metric.unit:
            raise self._error(
                f"{name} is in {other.unit}, {metric.key} in {metric.unit}: they cannot be added",
                (*place, "add"),
            )

    def _check_cycle(
        self,
        dictionary: Dictionary,
        key: str,
        account: str | None,
        above: tuple[str, ...],
        clear: set[str],
    ) -> None:
        """`clear` are those below which there is none: each is walked once."""
        if key in clear or key not in dictionary.metrics:
            return
        if key in above:
            path = " -> ".join((*above[above.index(key) :], key))
            of_account = f" for {account}" if account else ""
            raise self._error(
                f"metrics are made of each other{of_account}: {path}", ("metrics", key)
            )
        for variant in dictionary.variants(key, account):
            for name in variant.metric.references:
                self._check_cycle(dictionary, name, account, (*above, key), clear)
        clear.add(key)

    def _check_double_count(
        self, dictionary: Dictionary, metric: Metric, account: str | None, place: Place
    ) -> None:
        """Refuse two addends that may hold the same actions, however deep they are."""
        for variant in dictionary.variants(metric.key, account):
            seen: dict[str, str] = {}
            for name in variant.metric.add:
                parts = _content(dictionary, name, account)
                twice = sorted(part for part in parts if part in seen)
                if twice:
                    raise self._error(
                        f"{metric.key} would count twice: {seen[twice[0]]} and {name} both hold "
                        f"{twice[0]} actions{f' for {account}' if account else ''}. One family is "
                        "counted by its first action type present, never by adding them: use "
                        "actions (a fallback order)",
                        place,
                    )
                seen |= dict.fromkeys(parts, name)

    def _check_goals(self) -> None:
        dictionary = self._dictionary
        for field, mapping in dictionary.goals.model_dump().items():
            for value, key in mapping.items():
                metric = dictionary.metrics.get(key)
                if metric is None or not metric.is_stored or metric.by_goal:
                    raise self._error(
                        f"goal {value} needs a sum that is stored, not {key!r}",
                        ("goals", field, value),
                    )

    def _check_overrides(self) -> None:
        dictionary = self._dictionary
        first: dict[str, Place] = {}
        for override, place in zip(dictionary.overrides, self._places, strict=True):
            self._check_override(dictionary, override, place)
            first.setdefault(override.account, place)
        # Of an account all together, and all metrics: another one may add what is overridden.
        for account, place in first.items():
            clear: set[str] = set()
            for metric in dictionary.metrics.values():
                with self._at(place):
                    self._check_cycle(dictionary, metric.key, account, (), clear)
                self._check_double_count(dictionary, metric, account, place)
        self._check_days()

    def _check_days(self) -> None:
        """Refuse two overrides of a metric that are valid for an account on the same day."""
        # In order of time, so that only the one before and the one after can meet another.
        taken: dict[tuple[str, str], list[tuple[date, date]]] = defaultdict(list)
        for override, place in zip(self._dictionary.overrides, self._places, strict=True):
            days, others = override.days, taken[override.account, override.metric]
            at = bisect(others, days)
            for since, until in others[max(at - 1, 0) : at + 1]:
                if since <= days[1] and days[0] <= until:
                    raise self._error(
                        f"two overrides of {override.metric} for {override.account} hold on the "
                        "same days: give them valid_from and valid_until",
                        place,
                    )
            others.insert(at, days)

    def _check_override(self, dictionary: Dictionary, override: Override, place: Place) -> None:
        general = dictionary.metrics.get(override.metric)
        if general is None:
            known = hint(override.metric, dictionary.metrics)
            raise self._error(f"there is no metric {override.metric!r}{known}", place)
        try:
            special = override.applied(general)
        except ValidationError as error:
            raise self._error(sentence(error), place) from None
        self._check_one(dictionary, special, place)
        replaced = Dictionary(
            {**dictionary.metrics, special.key: special}, dictionary.families, dictionary.goals
        )
        with self._at(place):
            self._check_cycle(replaced, special.key, None, (), set())

    @contextmanager
    def _at(self, place: Place) -> Iterator[None]:
        """An override is at fault for what metrics are without it."""
        try:
            yield
        except DictionaryError as error:
            raise self._error(error.problem, place) from None


def _content(dictionary: Dictionary, name: str, account: str | None) -> set[str]:
    """Families and columns that may be inside `name` on any day for `account`."""
    content: set[str] = set()
    waiting, seen = [name], set[str]()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if one not in dictionary.metrics:
            content |= dictionary.families.covered([one])
            continue
        for variant in dictionary.variants(one, account):
            metric = variant.metric
            content |= dictionary.families.covered(metric.actions)
            if metric.column:
                content |= {metric.column} | _COLUMN_CONTENT.get(metric.column, set())
            waiting += metric.add
    return content


def sentence(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


def hint(name: str, known: Mapping[str, object]) -> str:
    close = near(name, known)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
