"""What Meta itself recommends, and its opportunity score (FACTS section 16).

Kept as Meta says it, beside our own advice. Nothing is ever applied, so signatures, which perish,
are not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from meta_pipeline.graph import (
    AppRefused,
    GraphClient,
    InvalidRequest,
    ObjectMissing,
    PermissionDenied,
)
from meta_pipeline.model.part import Part
from meta_pipeline.sync.days import today
from meta_pipeline.sync.plan.recommendation_plan import RecommendationPlan
from meta_pipeline.sync.plan.stored import RECOMMENDATION_EDGES
from meta_pipeline.sync.rows.convert import Unfit, decimal, json_text, moment
from meta_pipeline.sync.rows.entity_mapping import Row, Source
from meta_pipeline.sync.rows.keys import id_text
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.sync.write.slices import Note, Slice, rendered
from meta_pipeline.warehouse import Connection, CursorRow, Warehouse, schema

from .peers import Peer

_Fit = TypeVar("_Fit")

LIST, BUSINESS_LIST, HISTORY = RECOMMENDATION_EDGES
REFUSALS = (PermissionDenied, ObjectMissing, AppRefused, InvalidRequest)
"""The account, its business or the edge is not for us: nothing that another call would mend."""
MOST_ACCOUNTS = 100
"""That one call to a business may name."""

# What has a column, and signatures, which perish; all else is kept in `extra`.
_KNOWN = frozenset(
    {"type", "recommendation_name", "recommendation_stage", "recommendation_time", "level",
     "object_ids", "recommendation_content", "recommendation_signature", "opportunity_score_lift",
     "url"}
)  # fmt: skip
_COLUMNS = (
    *("recommendation_id", "account_id", "recommendation_type", "recommendation_stage", "level"),
    *("object_ids", "body", "lift_estimate", "opportunity_score_lift", "url", "recommended_at"),
    *("extra", "first_seen_at", "last_seen_at", "gone_at", "data_as_of"),
)
_SCORE_COLUMNS = ("account_id", "day", "live_score", "data_as_of")
_GONE = """
    UPDATE meta_ads.meta_recommendations SET gone_at = %s
    WHERE account_id = %s AND gone_at IS NULL AND NOT recommendation_id = ANY (%s)
"""


@dataclass(slots=True)
class _Told:
    """What was told of one account; `is_whole` False where a part of it could not be read."""

    timezone_name: str | None
    rows: list[Row] = field(default_factory=list)
    score: Decimal | None = None
    is_whole: bool = True


class RecommendationReader:
    """Reads what Meta recommends: through the business where it owns the account, else by itself.

    Both are cheap, and both may be refused: a business that refuses, or says nothing of the
    account, is noted, and the account is asked. What the account refuses is raised.
    """

    def __init__(
        self,
        client: GraphClient,
        source: Source,
        warehouse: Warehouse,
        findings: Findings,
        *,
        plan: RecommendationPlan,
        peers: Callable[[str], Sequence[Peer]],
    ) -> None:
        self._client, self._source = client, source
        self._warehouse, self._findings = warehouse, findings
        self._plan, self._peers = plan, peers

    def slices(self) -> Iterator[Slice]:
        """The recommendations of the account and its peers, then the scores of their day."""
        own, after = self._source.account_id, list[Note]()
        told: dict[str, _Told] = {}
        if self._plan.business_id is not None:
            told = self._of_business(self._plan.business_id)
            if own not in told:
                after.append(lambda connection: self._save(connection, own, BUSINESS_LIST))
        if own not in told:
            told[own] = self._of_account()
        now = self._source.data_as_of
        # Two syncs may bring the same accounts at once: both then write in the same order.
        told = dict(sorted(told.items()))
        rows = sorted((row for one in told.values() for row in one.rows), key=lambda row: row[0])
        yield self._slice(
            schema.meta_recommendations,
            _COLUMNS,
            rows,
            message="recommendations",
            read=len(told[own].rows),
            after=after,
        )
        scores: list[Row] = [
            (account_id, today(now, one.timezone_name), one.score, now)
            for account_id, one in told.items()
            if one.score is not None
        ]
        done: list[Note] = [self._noted(account_id, one) for account_id, one in told.items()]
        yield self._slice(
            schema.opportunity_scores,
            _SCORE_COLUMNS,
            scores,
            message="opportunity score",
            read=0,
            after=done,
        )

    def _of_business(self, business_id: str) -> dict[str, _Told]:
        """What the business tells, by account; nothing where it is not for us."""
        own = self._source
        zones = {own.account_id: own.timezone_name}
        zones |= {peer.account_id: peer.timezone_name for peer in self._peers(business_id)}
        told: dict[str, _Told] = {}
        try:
            for page in self._client.pages(
                f"{business_id}/recommendations",
                {
                    "fields": "recommendation_content",
                    "ad_account_ids": ",".join(one.removeprefix("act_") for one in zones),
                },
                account_id=own.account_id,
                endpoint_key="business_recommendations",
                page_size=MOST_ACCOUNTS,
                min_page_size=MOST_ACCOUNTS,
            ):
                for given in page.rows:
                    account_id = f"act_{id_text(given.get('ad_account_id'))}"
                    if account_id in zones:
                        one = told.setdefault(account_id, _Told(zones[account_id]))
                        one.score = fitting(decimal, given, "opportunity_score", self._findings)
                        self._add(one, account_id, given)
        except REFUSALS as error:
            self._findings.note(
                BUSINESS_LIST, "business", business_id, Reason.REFUSED_OBJECT, str(error)[:200]
            )
            return {}
        return told

    def _of_account(self) -> _Told:
        """What the account's own edge tells, and the score of its node."""
        account_id = self._source.account_id
        told = _Told(self._source.timezone_name)
        for page in self._client.pages(
            f"{account_id}/recommendations",
            {"fields": "recommendation_content"},
            account_id=account_id,
            endpoint_key="recommendations",
            page_size=MOST_ACCOUNTS,
            min_page_size=MOST_ACCOUNTS,
        ):
            for given in page.rows:
                self._add(told, account_id, given)
        try:
            node = self._client.get(
                account_id,
                {"fields": "opportunity_score"},
                account_id=account_id,
                endpoint_key="opportunity_score",
            )
        except REFUSALS as error:
            self._findings.note(LIST, "opportunity_score", str(error), Reason.REFUSED_FIELD)
        else:
            told.score = fitting(decimal, node.body, "opportunity_score", self._findings)
        return told

    def _add(self, told: _Told, account_id: str, given: Mapping[str, Any]) -> None:
        listed = given.get("recommendations")
        if listed is None:
            return
        if not isinstance(listed, list):
            self._findings.note(LIST, "recommendations", listed, Reason.WRONG_TYPE, account_id)
            told.is_whole = False
            return
        for one in listed:
            row = self._row(account_id, one) if isinstance(one, dict) else None
            if row is None:
                self._findings.note(LIST, "type", one, Reason.MISSING_KEY, account_id)
                told.is_whole = False
            else:
                told.rows.append(row)

    def _row(self, account_id: str, given: Mapping[str, Any]) -> Row | None:
        """One recommendation; None for one that does not say what it is."""
        # A business writes the name small, an account in capitals (FACTS section 16).
        name = given.get("type") or given.get("recommendation_name")
        if not isinstance(name, str):
            return None
        stage, level, url = (given.get(key) for key in ("recommendation_stage", "level", "url"))
        listed = given.get("object_ids")
        objects = sorted(
            text for one in (listed if isinstance(listed, list) else ()) if (text := id_text(one))
        )
        content = given.get("recommendation_content")
        content = content if isinstance(content, dict) else {}
        with_lift = given if "opportunity_score_lift" in given else content
        # Meta gives none an id: it is the same while type, stage and objects are.
        known = json_text([account_id, name.upper(), stage, objects]).encode()
        extra = {key: value for key, value in given.items() if key not in _KNOWN}
        now = self._source.data_as_of
        return (
            hashlib.blake2b(known, digest_size=16).hexdigest(),
            account_id,
            name.upper(),
            _text(stage),
            _text(level),
            objects,
            _text(content.get("body")),
            _text(content.get("lift_estimate")),
            fitting(decimal, with_lift, "opportunity_score_lift", self._findings),
            _text(url),
            fitting(moment, given, "recommendation_time", self._findings),
            extra or None,
            now,
            now,
            None,
            now,
        )

    def _noted(self, account_id: str, told: _Told) -> Note:
        """Note that the account was asked, and what it does not recommend any more.

        What could not be read may be one of those that are not there: then none is gone. It would
        read no better if it were asked again at once.
        """
        ids = [row[0] for row in told.rows]

        def note(connection: Connection) -> None:
            if told.is_whole:
                connection.execute(_GONE, (self._source.data_as_of, account_id, ids))
            self._save(connection, account_id, LIST)

        return note

    def _save(self, connection: Connection, account_id: str, edge: str) -> None:
        save_cursor(self._warehouse, connection, account_id, edge, self._source.data_as_of)

    def _slice(
        self,
        table: Any,
        columns: Sequence[str],
        rows: Sequence[Row],
        *,
        message: str,
        read: int,
        after: list[Note],
    ) -> Slice:
        return Slice(
            part=Part.RECOMMENDATIONS,
            table=table,
            columns=columns,
            rows=rendered(table, columns, rows, self._findings),
            read=read,
            message=message,
            after=after,
        )


def save_cursor(
    warehouse: Warehouse, connection: Connection, account_id: str, edge: str, now: datetime
) -> None:
    """Note when an edge was read last."""
    known = warehouse.cursors.get(account_id, edge, connection) or CursorRow(account_id, edge)
    warehouse.cursors.save(connection, replace(known, last_fetched_at=now))


def fitting(
    convert: Callable[[Any, None], _Fit | None],
    given: Mapping[str, Any],
    name: str,
    findings: Findings,
) -> _Fit | None:
    """The value as its column takes it; None where there is none, or none that fits: noted."""
    value = given.get(name)
    try:
        return None if value is None else convert(value, None)
    except Unfit:
        findings.note(LIST, name, value, Reason.WRONG_TYPE)
        return None


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json_text(value)
