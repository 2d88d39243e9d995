"""`/v1/metrics`: the metric layer, with its own errors and suggestions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from meta_pipeline.discreet import DiscreetModel
from meta_pipeline.metrics import Bound, answer, dictionary_of, shortened
from meta_pipeline.warehouse.silence import QUESTION_SECONDS, over_in

from .caller import Reader
from .paging import MOST, Page, cursor_of, key_behind

metrics = APIRouter(tags=["metrics"])
Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Annotated[list[Name], Field(max_length=50)]


class Metric(DiscreetModel):
    """What a metric means."""

    key: str
    display_name: str
    unit: str
    kind: str
    description: str | None = None


class Question(DiscreetModel):
    """A question to the metric layer; days are in each account's own time zone."""

    model_config = ConfigDict(extra="forbid")

    account: Annotated[
        Name | Names | None, Field(description="Id or name, or several; all without it")
    ] = None
    metrics: Names = Field(default=["spend"], min_length=1)
    level: Annotated[Name | None, Field(description="account, campaign, adset or ad")] = None
    preset: Annotated[
        Name | None, Field(description="Range as Ads Manager names it; last_7d without one")
    ] = None
    since: date | None = None
    until: date | None = None
    by: Annotated[Names | None, Field(description="day, week, month, campaign, age, ...")] = None
    filters: Annotated[
        dict[Name, Name | Names] | None, Field(description='{"campaign_name": "*spring*"}')
    ] = None
    currency: Annotated[Name | None, Field(description="Convert amounts to it, by day")] = None
    attribution: Annotated[Name, Field(description="Attribution window")] = "default"
    zeros: Annotated[bool, Field(description="Also what did not deliver")] = True
    limit: Annotated[int, Field(ge=1, le=MOST)] = 500
    cursor: Annotated[str | None, Field(max_length=2_000)] = None

    @field_validator("*")
    @classmethod
    def _has_no_nul(cls, value: Any) -> Any:
        # In whatever depth of lists and filters it hides.
        if "\x00" in repr(value).encode().decode("unicode_escape", "ignore"):
            raise ValueError("has a NUL, which no name has")
        return value

    @model_validator(mode="after")
    def _is_one_range(self) -> Question:
        if self.preset and (self.since or self.until):
            raise ValueError("give preset, or since and until, not both")
        if bool(self.since) != bool(self.until):
            raise ValueError("give both since and until")
        return self

    @property
    def date_range(self) -> str | tuple[date, date]:
        if self.since and self.until:
            return self.since, self.until
        return self.preset or "last_7d"


class Answer(Page[dict[str, Any]]):
    """Rows, and what their numbers are: units, formulas, attribution, currency, data_as_of."""

    about: Mapping[str, Any]


@metrics.get("/metrics")
def list_metrics(caller: Reader) -> Page[Metric]:
    """List the metrics that can be asked for."""
    known = dictionary_of(caller.warehouse).metrics.values()
    return Page(
        data=[
            Metric(
                key=one.key,
                display_name=one.display_name,
                unit=str(one.unit),
                kind=str(one.kind),
                description=one.description,
            )
            for one in known
        ]
    )


@metrics.post("/metrics/query")
def ask(caller: Reader, question: Question) -> Answer:
    """Ask the metric layer; unknown values are null. An unknown name is refused with near ones."""
    # Answers are made whole in any case: a cursor is only how far they were sent.
    start = (key_behind(question.cursor, int) or (0,))[0]
    with over_in(QUESTION_SECONDS):
        answered = answer(
            caller.warehouse,
            account=question.account,
            metrics=question.metrics,
            level=question.level,
            date_range=question.date_range,
            by=question.by,
            filters=question.filters,
            currency=question.currency,
            attribution=question.attribution,
            zeros=question.zeros,
            now=caller.now,
            bound=Bound(),
        )
    first = max(0, min(start, len(answered.rows)))
    after = first + question.limit
    about = answered.about | {"completeness": shortened(answered.about["completeness"])}
    page = [{name: row[name] for name in answered.columns} for row in answered.rows[first:after]]
    return Answer(
        data=_plain(page),
        next_cursor=cursor_of(after) if after < len(answered.rows) else None,
        about=_plain(about),
    )


def _plain(value: Any) -> Any:
    """The value as JSON has it: what is neither number nor text becomes text."""
    options = orjson.OPT_NON_STR_KEYS
    return orjson.loads(orjson.dumps(value, default=_text, option=options))


def _text(value: Any) -> Any:
    if isinstance(value, Sequence | set | frozenset):
        return list(value)
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
