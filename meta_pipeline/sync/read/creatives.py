"""Creatives, of which one bad one refuses the whole page (FACTS section 4.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from meta_pipeline.graph import CreativeUnreadable, Page, PagingLoop
from meta_pipeline.sync.rows.unrecognized import Reason

from .entities import EdgeReader

_FIELD = Reason.REFUSED_FIELD


class CreativeReader(EdgeReader):
    """Reads the creatives edge; a page that is refused for one creative is read by its ids.

    The bad creative then comes without the field that Meta cannot read, all others whole.
    """

    def _pages(self, params: dict[str, Any], after: str | None = None) -> Iterator[Page]:
        # Each walk knows its own cursors only: a circle with a bad creative in it would begin anew.
        seen: set[str | None] = set()
        while True:
            try:
                for page in super()._pages(params, after):
                    after = page.after
                    seen.add(after)
                    yield page
            except CreativeUnreadable as error:
                # From the last cursor on: the pages that came through are not read again.
                page = self._by_ids(params, after, error.field_name)
                yield page
                if page.after is None:
                    return
                if page.after in seen:
                    raise self._circle() from None
                after = page.after
                seen.add(after)
            else:
                return

    def _circle(self) -> PagingLoop:
        return PagingLoop(
            "the same cursor came twice, on a page with a creative that cannot be read",
            account_id=self._source.account_id,
            endpoint_key=self._spec.endpoint_key,
        )

    def _by_ids(self, params: dict[str, Any], after: str | None, bad_field: str) -> Page:
        """The page at the cursor: its ids alone, then every creative by its id."""
        # Ids are always given: it is the content that Meta cannot read.
        listed = super()._pages({**params, "fields": "id"}, after)
        (page,) = islice(listed, 1)
        ids = [str(row["id"]) for row in self._with_id(page.rows)]
        account_id = self._source.account_id
        whole = self._client.ids(ids, params, account_id=account_id)
        names = [name for name in params["fields"].split(",") if name != bad_field]
        rest = self._client.ids(
            whole.missing, {**params, "fields": ",".join(names)}, account_id=account_id
        )
        for one in whole.missing:
            is_lost = one in rest.missing
            field, reason = ("id", Reason.REFUSED_OBJECT) if is_lost else (bad_field, _FIELD)
            self._findings.note(self._spec.edge, field, one, reason, one)
        creatives = whole.found | rest.found
        return replace(page, rows=[creatives[one] for one in ids if one in creatives])
