"""Answers: what a question found, and whether that is enough to say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from meta_pipeline.warehouse import Connection

from .question import Question

TOTAL = "all "
"""How the first cell of a row begins that sums up the others: all accounts, all endpoints."""


@dataclass(frozen=True, slots=True)
class QuestionRows:
    """The rows of one question, `columns` in the order of its SELECT."""

    question: Question
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]

    @property
    def observations(self) -> int:
        """What the answer rests on: all rows together."""
        # Every question has that column: the header of its file may not lack it.
        counts = self.column("observations")
        # Else its observations would be counted twice.
        if self.rows and str(self.rows[0][0]).startswith(TOTAL):
            return int(counts[0])
        return int(sum(counts))

    @property
    def is_enough(self) -> bool:
        return self.observations >= self.question.minimum or self.is_none

    @property
    def is_none(self) -> bool:
        """Whether nothing was found and that is the answer."""
        return not self.rows and self.question.none is not None

    @property
    def note(self) -> str:
        """What to say instead of the rows: nothing there, or not enough; empty otherwise."""
        if self.is_none:
            return str(self.question.none)
        if self.is_enough:
            return ""
        return (
            f"Not enough data: {self.observations} of at least "
            f"{self.question.minimum} observations."
        )

    def column(self, name: str) -> list[Any]:
        """One column's values, in the order of the rows."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def records(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def parts(self) -> list[dict[str, Any]]:
        """The rows without the one that sums them up."""
        return [one for one in self.records() if not _is_total(one)]

    def total(self) -> dict[str, Any] | None:
        """The row that sums the others up, where the question has one."""
        return next((one for one in self.records() if _is_total(one)), None)


def ask(connection: Connection, question: Question) -> QuestionRows:
    """Run one question in the connection's transaction."""
    cursor = connection.execute(sql.SQL(question.sql))
    columns = tuple(column.name for column in cursor.description or ())
    return QuestionRows(question, columns, cursor.fetchall())


def _is_total(record: dict[str, Any]) -> bool:
    return str(next(iter(record.values()))).startswith(TOTAL)
