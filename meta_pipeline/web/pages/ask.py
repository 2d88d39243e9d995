"""Ask: a question in plain words, how it was read, and its answer."""

from __future__ import annotations

from starlette.responses import Response

from meta_pipeline.copilot import MAX_ROWS, Answer
from meta_pipeline.copilot import ask as answered
from meta_pipeline.copilot.text import MAX_CHARACTERS
from meta_pipeline.reports.words import heading
from meta_pipeline.web.gate import Visit

EXAMPLES = (
    "spend last week by campaign",
    "top 5 ads by ROAS with over 1000 impressions this month",
    "spend by account this week against last week",
    "which campaigns are live?",
    "how old is the data?",
)


def ask(visit: Visit) -> Response:
    """The question of the address, answered; without one, what can be asked."""
    question = visit.request.query_params.get("q", "").replace("\x00", "")[: MAX_CHARACTERS + 1]
    answer: Answer | None = None
    if question.strip():
        answer = answered(visit.warehouse, question, now=visit.now, limit=MAX_ROWS)
    return visit.page(
        "ask.html",
        title="Ask",
        question=question,
        answer=answer,
        examples=EXAMPLES,
        heading=heading,
        most_characters=MAX_CHARACTERS,
    )
