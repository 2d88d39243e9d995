"""How an account's opportunity score has changed from day to day (FACTS section 16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from meta_pipeline.graph import GraphClient, Page
from meta_pipeline.model.part import Part
from meta_pipeline.sync.rows.convert import decimal
from meta_pipeline.sync.rows.entity_mapping import Row, Source
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.sync.write.slices import Slice, noting_last, rendered
from meta_pipeline.warehouse import Warehouse, schema

from .recommendations import HISTORY, fitting, save_cursor

# Whatever this edge tells fits one page: a smaller one would be asked for in vain.
_PAGE_SIZE = 46
_COLUMNS = ("account_id", "day", "score", "changelog", "data_as_of")


def history_slices(
    client: GraphClient,
    source: Source,
    warehouse: Warehouse,
    findings: Findings,
    *,
    since: date,
    until: date,
) -> Iterator[Slice]:
    """The score of each day from one to another, with what moved it; one slice a page."""

    def slice_of(page: Page) -> Slice:
        rows = [row for one in page.rows if (row := _day(one, source, findings)) is not None]
        return Slice(
            part=Part.RECOMMENDATIONS,
            table=schema.opportunity_scores,
            columns=_COLUMNS,
            rows=rendered(schema.opportunity_scores, _COLUMNS, rows, findings),
            read=0,
            message=f"opportunity score, page {page.number}",
        )

    account_id, now = source.account_id, source.data_as_of
    pages = client.pages(
        f"{account_id}/opportunity_score_history",
        {"from_date": since.isoformat(), "to_date": until.isoformat(), "get_reason": True},
        account_id=account_id,
        endpoint_key=HISTORY,
        page_size=_PAGE_SIZE,
        min_page_size=_PAGE_SIZE,
    )
    return noting_last(
        map(slice_of, pages),
        lambda connection: save_cursor(warehouse, connection, account_id, HISTORY, now),
    )


def _day(given: Mapping[str, Any], source: Source, findings: Findings) -> Row | None:
    try:
        day = date.fromisoformat(str(given.get("date")))
    except ValueError:
        findings.note(HISTORY, "date", given, Reason.MISSING_KEY)
        return None
    score = fitting(decimal, given, "opportunity_score", findings)
    # Empty on most days.
    changes = given.get("changelog") or None
    return source.account_id, day, score, changes, source.data_as_of
