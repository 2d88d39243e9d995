"""What an answer can be grouped by, and filtered by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meta_pipeline.metrics.errors import ImpossibleQuestion, UnknownName
from meta_pipeline.model.level import LEVELS

TIMES = ("hour", "day", "week", "month")
BREAKDOWNS = (
    "age",
    "country",
    "device_platform",
    "gender",
    "impression_device",
    "platform_position",
    "product_id",
    "publisher_platform",
    "region",
)
NO_CONVERSIONS_BY = ("hour", "region", "dma")
"""Breakdowns in which Meta leaves off-Meta actions out since 2021-04-27 (FACTS 5.3)."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A property of an entity: where it is, and which entity it belongs to."""

    level: str
    expression: str
    grouped: bool = True


ATTRIBUTES = {
    "objective": Attribute("campaign", "c.objective"),
    "goal": Attribute("campaign", "c.goal"),
    "campaign_status": Attribute("campaign", "c.effective_status"),
    # Filtered by only: two campaigns of one name would become one row.
    "campaign_name": Attribute("campaign", "c.name", grouped=False),
    "optimization_goal": Attribute("adset", "s.optimization_goal"),
    "adset_status": Attribute("adset", "s.effective_status"),
    "adset_name": Attribute("adset", "s.name", grouped=False),
    "ad_status": Attribute("ad", "a.effective_status"),
    "ad_name": Attribute("ad", "a.name", grouped=False),
    "creative": Attribute("ad", "a.creative_id"),
}
DIMENSIONS = (
    *TIMES,
    *LEVELS,
    *(name for name, attribute in ATTRIBUTES.items() if attribute.grouped),
    *BREAKDOWNS,
)
FILTERS = ("campaign", "adset", "ad", *ATTRIBUTES, *BREAKDOWNS)
_TIME_SQL = {
    "hour": "f.hour",
    "day": "f.date_start",
    # Postgres' weeks begin on Monday, as ISO 8601 has them.
    "week": "date_trunc('week', f.date_start)::date",
    "month": "date_trunc('month', f.date_start)::date",
}
ENTITY_JOINS = {
    "campaign": "LEFT JOIN meta_ads.meta_campaigns AS c ON c.campaign_id = f.campaign_id",
    "adset": "LEFT JOIN meta_ads.meta_adsets AS s ON s.adset_id = f.adset_id",
    "ad": "LEFT JOIN meta_ads.meta_ads AS a ON a.ad_id = f.ad_id",
}
FilterValue = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Grouping:
    """The dimensions and filters of a question, checked: every name is known."""

    by: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...]]

    @property
    def times(self) -> tuple[str, ...]:
        return tuple(name for name in self.by if name in TIMES)

    @property
    def entities(self) -> tuple[str, ...]:
        return tuple(name for name in self.by if name in LEVELS)

    @property
    def breakdowns(self) -> tuple[str, ...]:
        """Breakdowns the rows must have, from dimensions and filters, sorted."""
        return tuple(sorted({n for n in (*self.by, *self.filters) if n in BREAKDOWNS}))

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(name for name in self.by if name in ATTRIBUTES)

    @property
    def levels(self) -> list[str]:
        """Entity levels the rows must tell apart."""
        named = [name for name in (*self.by, *self.filters) if name in LEVELS]
        return named + [ATTRIBUTES[n].level for n in (*self.by, *self.filters) if n in ATTRIBUTES]

    def expression(self, name: str) -> str:
        """The SQL of one dimension over rows `f`."""
        if name in TIMES:
            return _TIME_SQL[name]
        if name in LEVELS:
            return f"f.{name}_id"
        if name in ATTRIBUTES:
            return ATTRIBUTES[name].expression
        return f"f.cell_values ->> '{name}'"

    def column(self, name: str) -> str:
        """What the dimension is called in the answer."""
        return f"{name}_id" if name in LEVELS else name

    @property
    def joins(self) -> str:
        """Joins to the entity tables that attributes among dimensions and filters need."""
        wanted = {ATTRIBUTES[n].level for n in (*self.by, *self.filters) if n in ATTRIBUTES}
        return "\n".join(ENTITY_JOINS[level] for level in LEVELS if level in wanted)

    def conditions(self, params: dict[str, Any], keyed: str = "") -> list[str]:
        """The filters as SQL; their values are put into `params`.

        In rows of the level `keyed` its ids are those of `f.entity_id`, by which they are found.
        """
        clauses = []
        for position, (name, values) in enumerate(self.filters.items()):
            key = f"filter_{position}"
            if name.endswith("_name"):
                params[key] = [name_pattern(value) for value in values]
                clauses.append(f"{self.expression(name)} ILIKE ANY (%({key})s::text[])")
            else:
                params[key] = list(values)
                column = "f.entity_id" if name == keyed else self.expression(name)
                clauses.append(f"{column} = ANY (%({key})s::text[])")
        return clauses

    def within(self, level: str, keyed: str = "") -> list[str]:
        """What is in the campaigns and ad sets of the filters, by the ids that its table has of it.

        Beside `conditions`, and where nothing of `level` is wanted but what its table has.
        """
        column = "f.entity_id" if level == keyed else f"f.{level}_id"
        return [
            f"{column} IN (SELECT {level}_id FROM meta_ads.meta_{level}s"
            f" WHERE {name}_id = ANY (%(filter_{position})s::text[]))"
            for position, name in enumerate(self.filters)
            if name in LEVELS[: LEVELS.index(level)]
        ]


def grouping(
    by: Sequence[str] | None, level: str | None, filters: Mapping[str, FilterValue] | None
) -> Grouping:
    """Check names; without `by`, one row per entity of `level` (the account: one row in all)."""
    if level is not None and level not in LEVELS:
        raise UnknownName("level", level, LEVELS)
    one_each = [] if level in (None, "account") else [str(level)]
    names = tuple(dict.fromkeys(one_each if by is None else by))
    for name in names:
        if name not in DIMENSIONS:
            raise UnknownName("dimension", name, DIMENSIONS)
    kept: dict[str, tuple[str, ...]] = {}
    for name, given in (filters or {}).items():
        if name not in FILTERS:
            raise UnknownName("filter", name, FILTERS)
        kept[name] = (given,) if isinstance(given, str) else tuple(str(value) for value in given)
        # No "no filter": whoever ticks nothing would be shown everything.
        if not kept[name]:
            raise ImpossibleQuestion(f"Filter {name} is an empty list: nothing would be left.")
    result = Grouping(names, kept)
    _refuse_impossible(result, level)
    return result


def _refuse_impossible(grouping: Grouping, level: str | None) -> None:
    # A week is in two months.
    if len(grouping.times) > 1 and set(grouping.times) != {"hour", "day"}:
        raise ImpossibleQuestion(
            f"{' and '.join(grouping.times)} cannot be grouped by together: name one of them."
        )
    if "hour" in grouping.times and grouping.breakdowns:
        raise ImpossibleQuestion(
            f"Hours are not split by {', '.join(grouping.breakdowns)}: Meta gives one or the other."
        )
    for name in grouping.entities:
        if level is not None and LEVELS.index(name) > LEVELS.index(level):
            raise ImpossibleQuestion(
                f"level={level} cannot be grouped by {name}, which is finer: ask with level={name}."
            )


def name_pattern(value: str) -> str:
    """A name with `*` for anything, as a pattern of SQL."""
    # The backslash first: it is what the others are escaped with.
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")
