"""Reading a dictionary file: layout first, then what the parts say about each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .definition import SUM_COLUMNS, Family, Goals, Kind, Metric, Override
from .dictionary import Dictionary
from .document import Document, Place, read
from .errors import DictionaryError, near
from .families import Families

STANDARD = Path(__file__).with_name("dictionary.yaml")
"""The dictionary that comes with the package."""

SECTIONS = ("families", "metrics", "goals", "overrides")
_COLUMN_CONTENT = {
    "clicks": {"inline_link_clicks", "link_click"},
    "inline_link_clicks": {"link_click"},
}
Model = TypeVar("Model", bound=BaseModel)


@lru_cache(maxsize=1)
def standard_dictionary() -> Dictionary:
    """The dictionary that comes with the package, read once."""
    return _Reading([read(STANDARD)]).dictionary()


def read_dictionary(path: Path | str | None = None) -> Dictionary:
    """The standard dictionary, with the file at `path` laid over it.

    A key of the file replaces the standard one as a whole; overrides come on top. Raises
    DictionaryError with file and line: wrong layout, a key given twice, an unknown action type or
    metric, a cycle, overrides that overlap, anything that would count the same action twice.
    """
    if path is None:
        return standard_dictionary()
    return _Reading([read(STANDARD), read(Path(path))]).dictionary()


class _Reading:
    """The files of one dictionary and where in them everything was said (last word wins)."""

    def __init__(self, documents: list[Document]) -> None:
        self.documents = documents
        for document in documents:
            _check_sections(document)

    def dictionary(self) -> Dictionary:
        families = Families(self._models("families", Family))
        metrics = self._metrics(families)
        dictionary = Dictionary(metrics, families, self._goals(), tuple(self._overrides(families)))
        self._check_families(families)
        self._check_metrics(dictionary)
        self._check_goals(dictionary)
        self._check_overrides(dictionary)
        return dictionary

    def _models(self, section: str, model: type[Model]) -> dict[str, Model]:
        return {
            key: _validated(document, (section, key), model, values)
            for key, (document, values) in self._merged(section).items()
        }

    def _merged(self, section: str) -> dict[str, tuple[Document, Any]]:
        merged: dict[str, tuple[Document, Any]] = {}
        for document in self.documents:
            for key, values in (document.content.get(section) or {}).items():
                merged[key] = (document, values)
        return merged

    def _metrics(self, families: Families) -> dict[str, Metric]:
        metrics = {}
        for key, (document, values) in self._merged("metrics").items():
            place = ("metrics", key)
            if not isinstance(values, dict):
                raise document.error(f"metric {key} must be a mapping", place)
            filled = _with_family(document, place, dict(values), families)
            metrics[key] = _validated(document, place, Metric, {"key": key, **filled})
        return metrics

    def _goals(self) -> Goals:
        merged: dict[str, dict[str, str]] = {}
        document = self.documents[0]
        for key, (document, values) in self._merged("goals").items():  # noqa: B007
            merged[key] = values
        return _validated(document, ("goals",), Goals, merged)

    def _overrides(self, families: Families) -> Iterator[Override]:
        for document in self.documents:
            for position, values in enumerate(document.content.get("overrides") or []):
                place = ("overrides", position)
                if not isinstance(values, dict):
                    raise document.error("an override must be a mapping", place)
                filled = _with_family(document, place, dict(values), families)
                yield _validated(document, place, Override, filled)

    def _error(self, problem: str, place: Place) -> DictionaryError:
        """`problem` at `place` of the last file that has it."""
        for document in reversed(self.documents):
            if place[:2] in document.lines:
                return document.error(problem, place)
        return self.documents[-1].error(problem)

    def _check_families(self, families: Families) -> None:
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
            self._check_family_cycle(families, name, ())

    def _check_family_cycle(self, families: Families, name: str, above: tuple[str, ...]) -> None:
        if name in above:
            path = " -> ".join((*above, name))
            raise self._error(f"families include each other: {path}", ("families", name))
        for inner in families.by_name[name].includes:
            if inner in families.by_name:
                self._check_family_cycle(families, inner, (*above, name))

    def _check_metrics(self, dictionary: Dictionary) -> None:
        for key, metric in dictionary.metrics.items():
            place = ("metrics", key)
            if dictionary.families.knows(key):
                raise self._error(f"{key} is an action type: call the metric otherwise", place)
            self._check_one(dictionary, metric, place)
            self._check_cycle(dictionary, key, ())
        for key, metric in dictionary.metrics.items():
            self._check_double_count(dictionary, metric, None, ("metrics", key))

    def _check_one(self, dictionary: Dictionary, metric: Metric, place: Place) -> None:
        for action_type in metric.actions:
            self._check_action_type(dictionary.families, action_type, (*place, "actions"))
        for name in metric.references:
            may_be_action = name in metric.add and dictionary.families.knows(name)
            if name not in dictionary.metrics and not may_be_action:
                raise self._error(
                    f"{metric.key} uses {name!r}, which is no metric"
                    f"{_hint(name, dictionary.metrics)}",
                    place,
                )
        self._check_ratio_side(dictionary, metric, place)
        for name in metric.add:
            self._check_addend(dictionary, metric, name, place)

    def _check_ratio_side(self, dictionary: Dictionary, metric: Metric, place: Place) -> None:
        for name in (metric.numerator, metric.denominator):
            other = dictionary.metrics.get(name or "")
            if other is not None and other.kind is Kind.RATIO:
                raise self._error(
                    f"{metric.key} divides by or through the ratio {name}: name the sums behind it",
                    place,
                )

    def _check_action_type(self, families: Families, action_type: str, place: Place) -> None:
        if not families.knows(action_type):
            raise self._error(
                f"unknown action type {action_type!r}{_hint(action_type, families.of_type)}. "
                "If Meta has a new one, add it to a family",
                place,
            )

    def _check_addend(
        self, dictionary: Dictionary, metric: Metric, name: str, place: Place
    ) -> None:
        other = dictionary.metrics.get(name)
        if other is None:
            return
        if other.kind is not Kind.SUM or other.by_goal:
            raise self._error(f"{name} cannot be added: it is {other.formula}", (*place, "add"))
        if other.unit is not metric.unit:
            raise self._error(
                f"{name} is in {other.unit}, {metric.key} in {metric.unit}: they cannot be added",
                (*place, "add"),
            )

    def _check_cycle(self, dictionary: Dictionary, key: str, above: tuple[str, ...]) -> None:
        if key in above:
            path = " -> ".join((*above[above.index(key) :], key))
            raise self._error(f"metrics are made of each other: {path}", ("metrics", key))
        if metric := dictionary.metrics.get(key):
            for name in metric.references:
                self._check_cycle(dictionary, name, (*above, key))

    def _check_double_count(
        self, dictionary: Dictionary, metric: Metric, account: str | None, place: Place
    ) -> None:
        """Refuse two addends that may hold the same actions, however deep they are."""
        for content in _variant_contents(dictionary, metric, account):
            seen: dict[str, str] = {}
            for name, parts in content:
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

    def _check_goals(self, dictionary: Dictionary) -> None:
        for field, mapping in dictionary.goals.model_dump().items():
            for value, key in mapping.items():
                metric = dictionary.metrics.get(key)
                if metric is None or not metric.is_stored or metric.by_goal:
                    raise self._error(
                        f"goal {value} needs a sum that is stored, not {key!r}",
                        ("goals", field, value),
                    )

    def _check_overrides(self, dictionary: Dictionary) -> None:
        for override, place in zip(dictionary.overrides, self._override_places(), strict=True):
            self._check_override(dictionary, override, place)
        for position, override in enumerate(dictionary.overrides):
            for earlier in dictionary.overrides[:position]:
                if override.meets(earlier):
                    raise self._error(
                        f"two overrides of {override.metric} for {override.account} hold on the "
                        "same days: give them valid_from and valid_until",
                        self._override_places()[position],
                    )

    def _override_places(self) -> list[Place]:
        return [
            ("overrides", position)
            for document in self.documents
            for position in range(len(document.content.get("overrides") or []))
        ]

    def _check_override(self, dictionary: Dictionary, override: Override, place: Place) -> None:
        general = dictionary.metrics.get(override.metric)
        if general is None:
            raise self._error(
                f"there is no metric {override.metric!r}"
                f"{_hint(override.metric, dictionary.metrics)}",
                place,
            )
        try:
            special = override.applied(general)
        except ValidationError as error:
            raise self._error(_sentence(error), place) from None
        self._check_one(dictionary, special, place)
        self._check_override_cycle(dictionary, special, place)
        for metric in dictionary.metrics.values():
            self._check_double_count(dictionary, metric, override.account, place)

    def _check_override_cycle(self, dictionary: Dictionary, special: Metric, place: Place) -> None:
        replaced = Dictionary(
            {**dictionary.metrics, special.key: special}, dictionary.families, dictionary.goals
        )
        try:
            self._check_cycle(replaced, special.key, ())
        except DictionaryError as error:
            raise self._error(error.problem, place) from None


def _variant_contents(
    dictionary: Dictionary, metric: Metric, account: str | None
) -> Iterator[list[tuple[str, set[str]]]]:
    """For each way `account` counts `metric`: its addends, each with what is inside it."""
    for variant in dictionary.variants(metric.key, account):
        yield [(name, _content(dictionary, name, account, ())) for name in variant.metric.add]


def _content(
    dictionary: Dictionary, name: str, account: str | None, above: tuple[str, ...]
) -> set[str]:
    """Families and columns that may be inside `name` on any day for `account`."""
    if name not in dictionary.metrics:
        return dictionary.families.covered([name])
    found: set[str] = set()
    for variant in dictionary.variants(name, account):
        metric = variant.metric
        found |= dictionary.families.covered(metric.actions)
        if metric.column:
            found |= {metric.column} | _COLUMN_CONTENT.get(metric.column, set())
        for inner in metric.add:
            if inner not in above:
                found |= _content(dictionary, inner, account, (*above, name))
    return found


def _check_sections(document: Document) -> None:
    for key, values in document.content.items():
        if key not in SECTIONS:
            raise document.error(
                f"unknown section {key!r}{_hint(key, dict.fromkeys(SECTIONS))}", (key,)
            )
        wanted = list if key == "overrides" else dict
        if values is not None and not isinstance(values, wanted):
            kind = "a list" if wanted is list else "a mapping"
            raise document.error(f"{key} must be {kind}", (key,))


def _with_family(
    document: Document, place: Place, values: dict[str, Any], families: Families
) -> dict[str, Any]:
    """Write out the fallback order that `family` stands for."""
    name = values.get("family")
    if name is None:
        return values
    if values.get("actions"):
        raise document.error("give family or actions, not both", place)
    if name not in families.by_name:
        raise document.error(
            f"there is no family {name!r}{_hint(str(name), families.by_name)}", (*place, "family")
        )
    return values | {"actions": list(families.by_name[name].types)}


def _validated(document: Document, place: Place, model: type[Model], values: Any) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        inner = tuple(error.errors()[0]["loc"])
        raise document.error(_sentence(error), (*place, *inner)) from None


def _sentence(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


def _hint(name: str, known: Mapping[str, object]) -> str:
    close = near(name, known)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


__all__ = ["SECTIONS", "STANDARD", "SUM_COLUMNS", "read_dictionary"]
