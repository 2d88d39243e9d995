"""A batch of facts: a JSON array or NDJSON, each fact checked on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from pydantic import ValidationError

from meta_pipeline.warehouse.stores.facts import FactRow

from .fact import AHEAD, Fact

# Each is checked and answered for on its own: the whole answer must stay one a program can read.
MOST_FACTS = 1_000


class NotABatch(ValueError):
    """The body is no batch of facts at all; the message says what it should be."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A fact that was not taken: its place in the batch, why, and in which field."""

    index: int
    code: str
    field: str | None
    message: str


@dataclass(frozen=True, slots=True)
class FactBatch:
    """What may be written, each key once, and what may not; superseded ones are told as well."""

    rows: Sequence[FactRow]
    rejected: Sequence[Rejected]

    @property
    def faults(self) -> list[Rejected]:
        """What was refused for what it is; a superseded fact is none."""
        return [one for one in self.rejected if one.code != "superseded"]


def read_batch(body: bytes, *, is_lines: bool, now: datetime) -> FactBatch:
    """Check every fact. Of one key the newest observation is taken, of equals the last sent.

    `is_lines`: NDJSON, one fact a line; else a JSON array. Raises NotABatch for a body that is
    neither, is empty, or has more than 1,000 facts.
    """
    given = _lines(body) if is_lines else _array(body)
    if not given:
        raise NotABatch("there is no fact in it: send a JSON array of facts, or one a line")
    if len(given) > MOST_FACTS:
        raise NotABatch(f"{len(given)} facts are more than {MOST_FACTS}: send them in parts")
    rejected: list[Rejected] = []
    taken: dict[tuple[Any, ...], tuple[int, FactRow]] = {}
    for index, one in enumerate(given):
        read = _fact(index, one, now)
        if isinstance(read, Rejected):
            rejected.append(read)
            continue
        row = read.row()
        before = taken.get(row.key)
        if before is None:
            taken[row.key] = index, row
        elif row.observed_at >= before[1].observed_at:
            taken[row.key] = index, row
            rejected.append(_superseded(before[0], index))
        else:
            rejected.append(_superseded(index, before[0]))
    rejected.sort(key=lambda one: one.index)
    return FactBatch([row for _, row in taken.values()], rejected)


def _superseded(index: int, by: int) -> Rejected:
    return Rejected(index, "superseded", None, f"fact {by} of this batch has the same key")


def _fact(index: int, given: Any, now: datetime) -> Fact | Rejected:
    if isinstance(given, _NotJson):
        return Rejected(index, "not_json", None, "the line is not JSON")
    if not isinstance(given, dict):
        return Rejected(index, "not_an_object", None, "a fact is a JSON object")
    try:
        fact = Fact.model_validate(given)
    except ValidationError as error:
        # The first problem: one sentence a fact is what its sender can act on.
        options = {"include_input": False, "include_url": False, "include_context": False}
        problem = error.errors(**options)[0]
        field = str(problem["loc"][0]) if problem["loc"] else None
        said = problem["msg"].removeprefix("Value error, ")
        return Rejected(index, problem["type"], field, f"{field}: {said}" if field else said)
    if fact.observed_at > now + AHEAD:
        message = "observed_at is in the future: nothing later could replace it"
        return Rejected(index, "in_the_future", "observed_at", message)
    return fact


class _NotJson:
    """In the place of a line that cannot be read."""


def _array(body: bytes) -> list[Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotABatch(f"the body is not JSON: {error}") from None
    if not isinstance(given, list):
        raise NotABatch(
            "the body is not a JSON array: send [{...}, ...], or one fact a line as "
            "application/x-ndjson"
        )
    return given


def _lines(body: bytes) -> list[Any]:
    # At line feeds alone: splitlines breaks at characters that text in JSON may hold.
    lines = [line for line in body.split(b"\n") if line.strip()]
    # Before any is read: a body of a million lines costs no more than counting them.
    if len(lines) > MOST_FACTS:
        raise NotABatch(f"{len(lines)} facts are more than {MOST_FACTS}: send them in parts")
    given: list[Any] = []
    for line in lines:
        try:
            given.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            given.append(_NotJson())
    return given
