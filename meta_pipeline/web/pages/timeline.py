"""Timeline: what happened to one campaign, ad set, ad or account."""

from __future__ import annotations

from starlette.responses import Response

from meta_pipeline import metrics
from meta_pipeline.model.time_zone import zone
from meta_pipeline.web.gate import NotFound, Visit

_SHOWN = 200


def timeline(visit: Visit) -> Response:
    """What syncs saw change, and Meta's own change log, newest first."""
    entity_id = visit.request.path_params["entity_id"]
    try:
        history = metrics.timeline(visit.warehouse, entity_id, with_below=True, limit=_SHOWN)
    except metrics.UnknownName as error:
        raise NotFound(str(error)) from None
    return visit.page(
        "timeline.html",
        title=f"Changes in {history.entity_name or history.entity_id}",
        timeline=history,
        zone=zone(history.timezone_name),
        shown=_SHOWN,
    )
