"""`/v1/ask`: a question in plain words, answered by the metric layer or refused in the answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meta_pipeline.copilot import MAX_ROWS, Answer, BadCursor
from meta_pipeline.copilot import ask as answered
from meta_pipeline.copilot.text import MAX_CHARACTERS
from meta_pipeline.discreet import DiscreetModel

from .caller import Reader
from .problems import Problem

questions = APIRouter(tags=["ask"])
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class Asked(DiscreetModel):
    """A question, such as "spend last week by campaign for 2EZi"."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS, pattern=r"^[^\x00]*$")]
    accounts: Annotated[
        list[Name] | None, Field(max_length=50, description="Ids or names; all without it")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = MAX_ROWS
    cursor: Annotated[str | None, Field(max_length=200, pattern=r"^[ -~]*$")] = None


@questions.post("/ask")
def ask_in_words(caller: Reader, asked: Asked) -> Answer:
    """Answer a question in plain words; `reading` says how it was read.

    `outcome` is `answered`, `asked_back` (several readings: `choices`) or `refused`.
    """
    try:
        return answered(
            caller.site.warehouse.of_tenant(caller.key.tenant, read_only=True),
            asked.question,
            account=asked.accounts,
            now=caller.now,
            cursor=asked.cursor,
            limit=asked.limit,
        )
    except BadCursor as error:
        raise Problem("bad_cursor", str(error)) from None
