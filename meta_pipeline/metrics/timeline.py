"""What happened to one entity: what syncs saw change and Meta's own change log, as one timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from meta_pipeline.model.time_zone import begin_of, zone
from meta_pipeline.warehouse import Warehouse

from .answers.period import Period
from .answers.question import known_accounts
from .errors import ImpossibleQuestion, UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One row of view `entity_timeline`."""

    happened_at: datetime
    """In the account's time zone; of a change between two syncs, when the second one saw it."""
    source: str
    """`sync` (noticed between two of them) or `meta` (Meta's change log)."""
    entity_type: str | None
    entity_id: str | None
    entity_name: str | None
    what: str | None
    """The field that changed, or Meta's name of the event."""
    old_value: str | None
    new_value: str | None
    who: str | None
    """None where Meta does not tell."""
    with_application: str | None
    """The app it was done with, such as Ads Manager."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What happened to an entity, newest first."""

    account_id: str
    entity_type: str
    entity_id: str
    entity_name: str | None
    effective_status: str | None
    created_at: datetime | None
    """When it was made, by Meta; the next two are when syncs first saw it, and saw it gone."""
    first_seen_at: datetime | None
    deleted_seen_at: datetime | None
    timezone_name: str
    activities_read_at: datetime | None
    """When Meta's change log was last read; None if it never was."""
    is_simulated: bool
    is_cut: bool
    """Whether older ones were left out."""
    happenings: tuple[Happening, ...]

    def notes(self) -> list[str]:
        """What should be known besides the rows, as sentences."""
        said = []
        if not self.happenings:
            said.append("Nothing is known to have changed in this time.")
        if self.is_cut:
            said.append(f"These are the newest {len(self.happenings)}; --limit shows more.")
        if self.activities_read_at is None:
            said.append(
                "Who changed what is not known: Meta's change log was never read. Read it: "
                f"meta-pipeline sync {self.account_id} --with activities"
            )
        return [*said, "Simulated data."] if self.is_simulated else said


def timeline(
    warehouse: Warehouse,
    entity: str,
    *,
    with_below: bool = False,
    days: tuple[date, date] | None = None,
    limit: int | None = 50,
) -> Timeline:
    """What happened to a campaign, ad set, ad or account, newest first.

    `entity` is an id, or a name only one entity has; an account's own timeline has what happened
    to the account itself. `with_below` adds the entities below it. `days` are days of the
    account's time zone, both inclusive. Raises UnknownName with near names, ImpossibleQuestion for
    a name that several have.
    """
    if limit is not None and limit < 1:
        raise ImpossibleQuestion(f"A limit of {limit} rows: give 1 or more.")
    period = Period(*days) if days else None
    with warehouse.connection() as connection:
        subject = _find(connection, entity)
        where = zone(subject["timezone_name"])
        asked = {
            "account_id": subject["account_id"],
            "entities": _entities(connection, subject, with_below=with_below),
            "since": begin_of(period.since, where) if period else None,
            "until": begin_of(period.until + timedelta(days=1), where) if period else None,
        }
        rows = _newest(connection, asked, limit)
    shown = rows[:limit]
    return Timeline(
        **{**subject, "timezone_name": where.key},
        is_cut=len(rows) > len(shown),
        happenings=tuple(
            replace(one, happened_at=one.happened_at.astimezone(where)) for one in shown
        ),
    )


_LOOKED_THROUGH = 2_000
"""So many of the newest entities are compared with a name nobody has."""
_NAMES_SHOWN = 5

_ENTITIES = """
    SELECT account_id, 'account' AS entity_type, account_id AS entity_id, name AS entity_name,
           NULL AS effective_status, created_time AS created_at, first_seen_at,
           NULL::timestamptz AS deleted_seen_at
    FROM meta_ads.meta_ad_accounts
    UNION ALL
    SELECT account_id, 'campaign', campaign_id, name, effective_status, created_time,
           first_seen_at, deleted_seen_at
    FROM meta_ads.meta_campaigns
    UNION ALL
    SELECT account_id, 'adset', adset_id, name, effective_status, created_time,
           first_seen_at, deleted_seen_at
    FROM meta_ads.meta_adsets
    UNION ALL
    SELECT account_id, 'ad', ad_id, name, effective_status, created_time,
           first_seen_at, deleted_seen_at
    FROM meta_ads.meta_ads
"""
_FIND = f"""
    SELECT entity.*, account.timezone_name, coalesce(account.is_simulated, false) AS is_simulated,
           cursor.last_fetched_at AS activities_read_at
    FROM ({_ENTITIES}) AS entity
    LEFT JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
    LEFT JOIN meta_ads.sync_cursor AS cursor
        ON cursor.account_id = entity.account_id AND cursor.edge = 'activities'
    WHERE {{condition}}
    ORDER BY entity.entity_id LIMIT {_NAMES_SHOWN}
"""
_COUNT = f"SELECT count(*) FROM ({_ENTITIES}) AS entity WHERE {{condition}}"
_NEWEST = f"""
    SELECT entity_id, coalesce(entity_name, '') FROM ({_ENTITIES}) AS entity
    ORDER BY first_seen_at DESC NULLS LAST LIMIT {_LOOKED_THROUGH}
"""
_HAPPENINGS = """
    SELECT happened_at, source, entity_type, entity_id, entity_name, what, old_value, new_value,
           who, with_application
    FROM meta_ads.entity_timeline
    WHERE account_id = %(account_id)s
      AND (%(entities)s::text[] IS NULL OR entity_id = ANY (%(entities)s::text[]))
      AND happened_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND happened_at < coalesce(%(until)s::timestamptz, 'infinity')
    ORDER BY happened_at DESC, entity_id, what
    LIMIT %(limit)s
"""
# The newest of each table, and of each entity, by index: what is older is in no list.
_MOMENTS = """
    SELECT happened_at FROM {each} CROSS JOIN LATERAL (
        (SELECT seen_at FROM meta_ads.entity_changes
         WHERE account_id = %(account_id)s AND {of_change}
           AND seen_at >= coalesce(%(since)s::timestamptz, '-infinity')
           AND seen_at < coalesce(%(until)s::timestamptz, 'infinity')
         ORDER BY seen_at DESC LIMIT %(limit)s)
        UNION ALL
        (SELECT event_time FROM meta_ads.meta_activities
         WHERE account_id = %(account_id)s AND {of_activity}
           AND event_time >= coalesce(%(since)s::timestamptz, '-infinity')
           AND event_time < coalesce(%(until)s::timestamptz, 'infinity')
         ORDER BY event_time DESC LIMIT %(limit)s)
    ) AS newest (happened_at)
    ORDER BY happened_at DESC OFFSET %(limit)s - 1 LIMIT 1
"""
_OF_ACCOUNT = _MOMENTS.format(each="(VALUES (1)) AS whole", of_change="true", of_activity="true")
_OF_ENTITIES = _MOMENTS.format(
    each="unnest(%(entities)s::text[]) AS chosen (id)",
    of_change="entity_id = chosen.id",
    of_activity="object_id = chosen.id",
)
_BELOW = {
    "campaign": """
        SELECT adset_id FROM meta_ads.meta_adsets WHERE campaign_id = %(entity_id)s
        UNION ALL SELECT ad_id FROM meta_ads.meta_ads WHERE campaign_id = %(entity_id)s""",
    "adset": "SELECT ad_id FROM meta_ads.meta_ads WHERE adset_id = %(entity_id)s",
}


def _entities(
    connection: Connection[Any], subject: Mapping[str, Any], *, with_below: bool
) -> list[str] | None:
    """The ids of what is asked about; None where it is all of the account."""
    kind, entity = subject["entity_type"], subject["entity_id"]
    if with_below and kind == "account":
        return None
    # Meta names the account itself by its number alone.
    ids = {entity, entity.removeprefix("act_")}
    if with_below and kind in _BELOW:
        ids.update(one for (one,) in connection.execute(_BELOW[kind], subject))
    return sorted(ids)


def _newest(
    connection: Connection[Any], asked: dict[str, Any], limit: int | None
) -> list[Happening]:
    """The rows to show, and one more where there are more."""
    asked |= {"limit": limit and limit + 1}
    if limit is not None:
        query = _OF_ACCOUNT if asked["entities"] is None else _OF_ENTITIES
        oldest = connection.execute(query, asked).fetchone()
        # The view joins names to all it reads, before it knows which of them are the newest.
        asked |= {"since": oldest[0]} if oldest else {}
    cursor = connection.cursor(row_factory=class_row(Happening))
    return cursor.execute(_HAPPENINGS, asked).fetchall()


def _find(connection: Connection[Any], entity: str) -> dict[str, Any]:
    cursor = connection.cursor(row_factory=dict_row)
    # Ids first: somebody may have called a campaign by the id of another.
    for condition in ("entity_id IN (%(it)s, 'act_' || %(it)s)", "entity_name = %(it)s"):
        matching = cursor.execute(_FIND.format(condition=condition), {"it": entity}).fetchall()
        if len(matching) > 1:
            raise _several(connection, entity, condition, matching)
        if matching:
            return matching[0]
    try:
        (account,) = known_accounts(connection, entity)
    except UnknownName:
        # Ids are compared with ids, names with names; a near one is shown with both.
        rows = connection.execute(_NEWEST).fetchall()
        by = 0 if entity.removeprefix("act_").isdigit() else 1
        labels = {row[by]: f"{row[0]} ({row[1]})" for row in rows if row[by]}
        hint = "Ids and names: views entity_tree and campaign_performance."
        raise UnknownName(
            "account, campaign, ad set or ad", entity, labels, hint=hint, labels=labels
        ) from None
    return _find(connection, account.account_id)


def _several(
    connection: Connection[Any], entity: str, condition: str, rows: Sequence[Mapping[str, Any]]
) -> ImpossibleQuestion:
    ((count,),) = connection.execute(_COUNT.format(condition=condition), {"it": entity})
    shown = ", ".join(
        f"{one['entity_type']} {one['entity_id']} of {one['account_id']}" for one in rows
    )
    more = f" and {count - len(rows)} more" if count > len(rows) else ""
    return ImpossibleQuestion(f"{count} are called {entity!r}: {shown}{more}. Name one's id.")
