"""One metric: what it is called, what it counts, in which unit, and how it may be combined."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from meta_pipeline.discreet import DiscreetModel


class MetricKind(StrEnum):
    """How a metric may be combined over rows."""

    SUM = "sum"
    RATIO = "ratio"
    NON_ADDITIVE = "non_additive"


class Unit(StrEnum):
    """What a value is in; amounts are major units of the answer's currency."""

    CURRENCY = "currency"
    COUNT = "count"
    PEOPLE = "people"
    PERCENT = "percent"
    RATIO = "ratio"


class Better(StrEnum):
    """Which direction a target is met in."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class ActionList(StrEnum):
    """Column of an insights row that lists actions by type."""

    ACTIONS = "actions"
    ACTION_VALUES = "action_values"
    THRUPLAYS = "video_thruplay_watched_actions"


DEFAULT_WINDOW = "default"
WINDOWS = (DEFAULT_WINDOW, "1d_click", "7d_click", "28d_click", "1d_view", "1d_ev")
"""Attribution windows that still carry data; `default` is the ad set's own setting."""
RETIRED_WINDOWS = ("7d_view", "28d_view")
"""Meta answers them with no data and no error since 2026-01-12 (FACTS 5.4)."""

SUM_COLUMNS = ("spend", "impressions", "clicks", "inline_link_clicks")
NON_ADDITIVE_COLUMNS = ("reach", "frequency", "unique_clicks")

_SOURCES = ("column", "actions", "add", "by_goal")


Synonym = Annotated[str, Field(pattern=r"^[^\W_].*[^\W_]$", max_length=80)]
"""What people call a metric in a question; several metrics may share one, and then it is asked."""


class Metric(DiscreetModel):
    """One definition, as written in the dictionary. `actions` is the fallback order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    display_name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    unit: Unit
    kind: MetricKind
    better: Better = Better.NEITHER
    column: str | None = None
    family: str | None = None
    actions: tuple[str, ...] = ()
    list: ActionList = ActionList.ACTIONS
    window: str = DEFAULT_WINDOW
    add: tuple[str, ...] = ()
    by_goal: bool = False
    numerator: str | None = None
    denominator: str | None = None
    scale: int = Field(1, gt=0)
    synonyms: tuple[Synonym, ...] = ()

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind is MetricKind.SUM:
            self._check_sum()
        elif self.kind is MetricKind.RATIO:
            for side in ("numerator", "denominator"):
                if not getattr(self, side):
                    raise ValueError(f"ratio {self.key} has no {side}")
            self._refuse(*_SOURCES, "family")
        else:
            if self.column not in NON_ADDITIVE_COLUMNS:
                raise ValueError(f"column must be one of {', '.join(NON_ADDITIVE_COLUMNS)}")
            self._refuse("actions", "family", "add", "by_goal", "numerator", "denominator")
        if self.window not in WINDOWS:
            raise ValueError(f"window {self.window!r} is none of {', '.join(WINDOWS)}")
        return self

    def _check_sum(self) -> None:
        sources = [name for name in _SOURCES if getattr(self, name)]
        # A family is written out as its actions (`reader`): alone it is a family of nothing.
        given = tuple(sources) or (("family",) if self.family else ())
        if len(given) != 1:
            raise ValueError(
                "a sum needs exactly one of column, family, actions, add or by_goal; "
                f"{self.key} has {' and '.join(given) or 'none'}"
            )
        if self.column and self.column not in SUM_COLUMNS:
            reason = (
                " (people cannot be added: use kind non_additive)"
                if self.column in NON_ADDITIVE_COLUMNS
                else ""
            )
            raise ValueError(f"column {self.column!r} is none of {', '.join(SUM_COLUMNS)}{reason}")
        self._refuse("numerator", "denominator")

    def _refuse(self, *names: str) -> None:
        wrong = [name for name in names if getattr(self, name)]
        if wrong:
            raise ValueError(f"{wrong[0]} does not belong to kind {self.kind}")

    @property
    def references(self) -> tuple[str, ...]:
        """Names of the metrics (or, in `add`, action types) this one is made of."""
        return tuple(name for name in (*self.add, self.numerator, self.denominator) if name)

    @property
    def is_stored(self) -> bool:
        """Whether the rollup tables carry it: every sum, as the account counts it."""
        return self.kind is MetricKind.SUM

    @property
    def formula(self) -> str:
        """What is computed, in one line."""
        if self.kind is MetricKind.RATIO:
            scale = f" * {self.scale}" if self.scale != 1 else ""
            return f"sum({self.numerator}) / sum({self.denominator}){scale}"
        if self.kind is MetricKind.NON_ADDITIVE:
            return f"{self.column} of the very row; never added up"
        return f"sum({self._summand})"

    @property
    def _summand(self) -> str:
        if self.column:
            return self.column
        if self.add:
            return " + ".join(self.add)
        if self.by_goal:
            return "the metric or action type of the ad set's goal"
        first = self.actions[0] if len(self.actions) == 1 else f"first of {', '.join(self.actions)}"
        window = "" if self.window == DEFAULT_WINDOW else f", {self.window}"
        return f"{self.list}[{first}]{window}"


class Override(DiscreetModel):
    """Another definition of one metric for one account, for the days it is valid (inclusive)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(pattern=r"^act_\d+$")
    metric: str
    note: str = Field(min_length=3)
    valid_from: date | None = None
    valid_until: date | None = None
    display_name: str | None = None
    description: str | None = None
    actions: tuple[str, ...] | None = None
    family: str | None = None
    list: ActionList | None = None
    window: str | None = None
    add: tuple[str, ...] | None = None
    numerator: str | None = None
    denominator: str | None = None
    scale: int | None = Field(None, gt=0)
    synonyms: tuple[Synonym, ...] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.valid_from and self.valid_until and self.valid_from > self.valid_until:
            raise ValueError(f"valid_from {self.valid_from} is after {self.valid_until}")
        if not self.changes:
            raise ValueError("the override changes nothing: give actions, add, denominator, ...")
        return self

    @property
    def changes(self) -> dict[str, Any]:
        """The fields of the metric that are different here."""
        about = {"account", "metric", "note", "valid_from", "valid_until"}
        return self.model_dump(exclude=about, exclude_none=True)

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day it is valid; those of the calendar where it is open-ended."""
        return self.valid_from or date.min, self.valid_until or date.max

    def applied(self, metric: Metric) -> Metric:
        """`metric` as this account counts it; a new source replaces the old one."""
        values = metric.model_dump() | self.changes
        # A sum has one source: the general one must not stay beside the account's own.
        if any(name in self.changes for name in ("actions", "family", "add")):
            chosen = {name: values[name] for name in self.changes}
            values |= {"column": None, "family": None, "actions": (), "add": (), "by_goal": False}
            values |= chosen
        return Metric.model_validate(values)


class Family(DiscreetModel):
    """One thing under several action types; `types` is the fallback order, best first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    types: tuple[str, ...] = Field(min_length=1)
    includes: tuple[str, ...] = ()
    off_meta: bool = False


class Goals(DiscreetModel):
    """What `results` counts: conversion event, else optimisation goal, else objective.

    The first that an ad set has decides (view `adset_goals`); not listed here it counts nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: dict[str, str] = Field(default_factory=dict)
    optimization_goal: dict[str, str] = Field(default_factory=dict)
    objective: dict[str, str] = Field(default_factory=dict)

    def metrics(self) -> set[str]:
        return {*self.event.values(), *self.optimization_goal.values(), *self.objective.values()}


__all__ = [
    "DEFAULT_WINDOW",
    "NON_ADDITIVE_COLUMNS",
    "RETIRED_WINDOWS",
    "SUM_COLUMNS",
    "WINDOWS",
    "ActionList",
    "Better",
    "Family",
    "Goals",
    "Metric",
    "MetricKind",
    "Override",
    "Synonym",
    "Unit",
]
