"""The limit that a refusal names, as the client finds it in the one table of error codes."""

from __future__ import annotations

from datetime import UTC, datetime

from meta_pipeline.graph import Throttled
from meta_pipeline.graph.error_answer import Refusal, error_of
from meta_pipeline.model.limit import Limit


def limit_of(code: int | None, subcode: int | None = None) -> Limit | None:
    refusal = Refusal("There have been too many calls", code, subcode)
    error = error_of(refusal, now=datetime(2026, 1, 1, tzinfo=UTC), http_status=400)
    return error.limit if isinstance(error, Throttled) else None
