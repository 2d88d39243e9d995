"""Request forms that apps made since 2026-11-04 may not use any more (FACTS section 4.6)."""

from __future__ import annotations

from collections.abc import Iterable

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.requests import FieldSpec, GraphRequest

_PARAMS = {
    "ids": "multi-ID requests",
    "date_format": "date formatting parameters",
    "callback": "JSONP",
}
_ASYNC_BATCH = "async_batch_requests"


def refuse(request: GraphRequest) -> None:
    """Raise what a new app gets for a retired form; the wording and code 3 are a guess."""
    form = next((words for name, words in _PARAMS.items() if name in request.params), None)
    # Several forms at once: the most conspicuous is named.
    if request.method_override:
        form = "HTTP method override"
    elif request.edge == _ASYNC_BATCH:
        form = "asynchronous batch requests"
    elif form is None and _has_alias(request.fields()):
        form = "field aliases"
    if form is not None:
        raise errors.retired_form(form)


def _has_alias(fields: Iterable[FieldSpec]) -> bool:
    return any(any(name == "as" for name, _ in one.args) or _has_alias(one.sub) for one in fields)
