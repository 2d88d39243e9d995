"""Ask: a question in plain words, how it was read, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.responses import Response

from meta_pipeline.copilot import MAX_ROWS, Answer
from meta_pipeline.copilot import ask as answered
from meta_pipeline.copilot.answer import Provenance
from meta_pipeline.copilot.text import MAX_CHARACTERS
from meta_pipeline.reports.words import heading
from meta_pipeline.web.gate import Visit
from meta_pipeline.web.reader import Reader
from meta_pipeline.web.rendering import cell

EXAMPLES = (
    "spend last week by campaign",
    "top 5 ads by ROAS with over 1000 impressions this month",
    "spend by account this week against last week",
    "which campaigns are live?",
    "how old is the data?",
)


def ask(visit: Visit) -> Response:
    """The question of the address, answered; without one, what can be asked."""
    # One more than is taken: too long a question is refused, not cut.
    question = visit.request.query_params.get("q", "")[: MAX_CHARACTERS + 1]
    answer: Answer | None = None
    if question.strip():
        answer = answered(visit.warehouse, question, now=visit.now, limit=MAX_ROWS)
    return visit.page(
        "ask.html",
        title="Ask",
        question=question,
        answer=answer,
        shown_in=partial(_shown_in, visit.reader, answer.provenance if answer else None),
        examples=EXAMPLES,
        heading=heading,
        most_characters=MAX_CHARACTERS,
    )


def _shown_in(reader: Reader, about: Provenance | None, row: Mapping[str, Any], name: str) -> str:
    """A value as its unit is written; an amount in the currency of its row, or of them all."""
    value, unit = row[name], about.units.get(name) if about else None
    if about is None or unit is None or not isinstance(value, int | float):
        return cell(value, reader)
    every = about.currency if isinstance(about.currency, str) else None
    return reader.value(value, unit, row.get("currency") or every)
