"""How advice is stored: what was given, what is open, what became of it. Nothing is removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from meta_pipeline.warehouse.newest import newest, newest_values

if TYPE_CHECKING:
    from meta_pipeline.advice import Advice, Review


class AdviceSettled(Exception):
    """The advice is not open any more; the message says what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceRow:
    """One row of `advice` with what became of it; `advice.Advice` says what its words mean."""

    advice_id: str
    """Hash of account, key and day."""
    account_id: str
    advice_key: str
    """The same for the same advice on another day."""
    kind: str
    severity: str
    """low, medium or high."""
    entity_type: str
    entity_id: str
    entity_name: str | None
    """Its name on the day it was given."""
    entity_ids: list[str]
    what: str
    why: str
    numbers: dict[str, Any]
    """What it rests on; amounts in major units of the account's currency."""
    method: str
    doubt: str
    confidence: float | None
    """0 to 1; None where the matter is a fact or was not weighed."""
    expected_effect: str
    as_of: date
    """The account's day on which it was given."""
    review_on: date
    ads_manager_url: str
    supersedes: str | None
    """Id of the less urgent one whose place it took."""
    made_at: datetime
    outcome: str | None = None
    """dismissed, followed, expired or superseded; None while it is open."""
    outcome_at: datetime | None = None
    outcome_by: str | None = None
    """A person's name, or "the rules"."""
    outcome_reason: str | None = None
    verdict: str | None = None
    """better, worse, same or unknown; None until its review date is over."""
    review: str | None = None
    """The verdict in a sentence."""
    reviewed_at: datetime | None = None


_OUTCOMES = (
    *("outcome", "outcome_at", "outcome_by", "outcome_reason"),
    *("verdict", "review", "reviewed_at"),
)
_COLUMNS = tuple(one.name for one in fields(AdviceRow) if one.name not in _OUTCOMES)
_SELECT = f"""
    SELECT {", ".join(f"a.{name}" for name in _COLUMNS if name != "confidence")},
           a.confidence::float8 AS confidence,
           a.outcome, o.at AS outcome_at, o.by AS outcome_by, o.reason AS outcome_reason,
           r.verdict, r.sentence AS review, r.reviewed_at
    FROM {{}} AS a
    LEFT JOIN meta_ads.advice_reviews AS r ON r.advice_id = a.advice_id
    LEFT JOIN meta_ads.advice_outcomes AS o ON (o.advice_id, o.outcome) = (a.advice_id, a.outcome)
"""
_ALL = _SELECT.format("meta_ads.advice")
# The newest day first, as a number that rises: so one comparison of rows says what comes later.
_URGENCY = (
    "array_position(ARRAY['high', 'medium', 'low'], {0}.severity)",
    "DATE '2000-01-01' - {0}.as_of",
    "{0}.advice_id",
)
_OF_KINDS = "(%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s))"
_OPEN = f"""
    outcome IS NULL
    AND (%(accounts)s::text[] IS NULL OR account_id = ANY (%(accounts)s))
    AND {_OF_KINDS}
"""


def _newest(where: str) -> str:
    """SQL of the newest advice of which this is so, by day and id, as `newest_values` asks."""
    return newest("advice", "as_of", "advice_id", where, kind="date")


# Settled or not is said in the text: a parameter would hide the index of what is open.
_GIVEN = {
    is_settled: f"""
        {_SELECT.format(f"({_newest(f'{where} AND {_OF_KINDS}')})")}
        ORDER BY a.as_of DESC, a.advice_id DESC
    """
    for is_settled, where in (
        (None, "true"),
        (True, "outcome IS NOT NULL"),
        (False, "outcome IS NULL"),
    )
}
_OF_KEY = """
    SELECT advice_id FROM meta_ads.advice
    WHERE account_id = %(account)s AND advice_key = wanted.key {}
    ORDER BY made_at DESC, advice_id DESC LIMIT 1
"""
# By index: of a key there is a row for every time it was given, for as long as the account is kept.
_NEWEST_BY_KEY = f"""
    {_ALL} WHERE a.advice_id IN (
        SELECT coalesce(
            ({_OF_KEY.format("AND meta_ads.past(made_at, %(now)s) IS NOT NULL")}),
            ({_OF_KEY.format("")})
        )
        FROM unnest(coalesce(%(keys)s::text[], ARRAY(
            SELECT advice_key FROM meta_ads.advice
            WHERE account_id = %(account)s AND outcome IS NULL
        ))) AS wanted (key)
    )
"""
# The id is made of account, key and day: given twice on one day it is the same row.
_GIVE = f"""
    INSERT INTO meta_ads.advice ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
    ON CONFLICT (advice_id) DO NOTHING
"""
# The first outcome counts: a person who dismisses it and a rule that finds it followed may meet.
_SETTLE = """
    INSERT INTO meta_ads.advice_outcomes (advice_id, outcome, account_id, at, by, reason)
    SELECT advice_id, %(outcome)s, account_id, %(at)s, %(by)s, %(reason)s
    FROM meta_ads.advice
    WHERE advice_id = %(advice_id)s AND outcome IS NULL
    ON CONFLICT DO NOTHING
"""


def open_advice(
    connection: Connection[Any],
    accounts: Sequence[str] | None = None,
    *,
    kinds: Sequence[str] | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int | None = None,
) -> list[AdviceRow]:
    """Advice nobody has settled yet, of these accounts or of all, the most urgent first.

    `after` and `before` are ids of advice, settled or not: the `limit` rows that follow or precede
    it, none where there is no such advice.
    """
    # Back from a row the order is turned around, so that LIMIT takes its neighbours.
    place, sign, way = (before, "<", "DESC") if before is not None else (after, ">", "ASC")
    own, that = ([one.format(alias) for one in _URGENCY] for alias in ("a", "p"))
    order = ", ".join(f"{one} {way}" for one in own)
    cursor = connection.cursor(row_factory=class_row(AdviceRow))
    found = (
        f"(SELECT * FROM meta_ads.advice AS a WHERE {_OPEN}"
        f" AND (%(place)s::text IS NULL OR ({', '.join(own)}) {sign}"
        f" (SELECT {', '.join(that)} FROM meta_ads.advice AS p WHERE advice_id = %(place)s))"
        f" ORDER BY {order} LIMIT %(limit)s)"
    )
    rows = cursor.execute(
        f"{_SELECT.format(found)} ORDER BY {order}",
        {
            "accounts": None if accounts is None else list(accounts),
            "kinds": None if kinds is None else list(kinds),
            "place": place,
            "limit": limit,
        },
    ).fetchall()
    return rows[::-1] if before is not None else rows


def count_open_advice(connection: Connection[Any]) -> Counter[tuple[str, str]]:
    """How much advice nobody has settled yet, by account and kind; none where there are none."""
    rows = connection.execute(
        "SELECT account_id, kind, count(*) FROM meta_ads.advice WHERE outcome IS NULL"
        " GROUP BY account_id, kind"
    )
    return Counter({(account_id, kind): count for account_id, kind, count in rows})


def given_advice(
    connection: Connection[Any],
    accounts: Sequence[str] | None = None,
    *,
    kinds: Sequence[str] | None = None,
    is_settled: bool | None = None,
    after: tuple[date, str] | None = None,
    limit: int = 20,
) -> list[AdviceRow]:
    """Advice from the newest day back: all of it, what is settled, or what is open.

    `after` is the day and the id of the last row that was seen.
    """
    of_kinds = {"kinds": None if kinds is None else list(kinds)}
    cursor = connection.cursor(row_factory=class_row(AdviceRow))
    return cursor.execute(
        _GIVEN[is_settled], newest_values(limit, accounts, after) | of_kinds
    ).fetchall()


def advice_beginning(connection: Connection[Any], given: str) -> list[AdviceRow]:
    """The advice whose id begins so, two at most: one is what was meant."""
    cursor = connection.cursor(row_factory=class_row(AdviceRow))
    return cursor.execute(
        # The bounds find it by index whatever the database's collation: ids are hexadecimal.
        f"{_ALL} WHERE a.advice_id BETWEEN %(given)s AND %(given)s || 'g'"
        " AND starts_with(a.advice_id, %(given)s) ORDER BY a.advice_id LIMIT 2",
        {"given": given},
    ).fetchall()


def newest_by_key(
    connection: Connection[Any],
    account_id: str,
    now: datetime,
    keys: Iterable[str] | None = None,
) -> dict[str, AdviceRow]:
    """Of each of these keys of an account the advice that was given last; none of the future, if
    it can. Without `keys` of all that have some open.
    """
    cursor = connection.cursor(row_factory=class_row(AdviceRow))
    named = None if keys is None else list(keys)
    rows = cursor.execute(_NEWEST_BY_KEY, {"account": account_id, "now": now, "keys": named})
    return {row.advice_key: row for row in rows}


def give(
    connection: Connection[Any], advices: Iterable[tuple[Advice, str | None]], at: datetime
) -> None:
    """Write advice, each with the id of the one it takes the place of; twice a day is once."""
    for one, supersedes in advices:
        digest = sha256(f"{one.account_id}\n{one.key}\n{one.as_of}".encode()).hexdigest()
        values = asdict(one) | {
            "advice_id": digest[:32],
            "advice_key": one.key,
            "entity_name": one.entity_name or None,
            "entity_ids": Jsonb(list(one.entity_ids)),
            "numbers": Jsonb(dict(one.numbers)),
            "supersedes": supersedes,
            "made_at": at,
        }
        connection.execute(_GIVE, {name: values[name] for name in _COLUMNS})


@dataclass(frozen=True, slots=True)
class Asked:
    """When the rules of an account were asked last, and why some were not weighed, in sentences."""

    at: datetime
    closed: tuple[str, ...]


def last_asked(connection: Connection[Any], account_id: str) -> Asked | None:
    """The last time the rules of an account were asked; None where they never were."""
    row = connection.execute(
        "SELECT judged_at, closed FROM meta_ads.advice_judgements WHERE account_id = %s",
        (account_id,),
    ).fetchone()
    if row is None:
        return None
    return Asked(row[0], tuple(dict.fromkeys(str(one["sentence"]) for one in row[1])))


def settle(
    connection: Connection[Any], advice_id: str, outcome: str, *, at: datetime, by: str, reason: str
) -> bool:
    """Write what became of a piece of advice; False when something already had."""
    values = {"advice_id": advice_id, "outcome": outcome, "at": at, "by": by, "reason": reason}
    return connection.execute(_SETTLE, values).rowcount == 1


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """What became of the newest advice; `better` are of those that were followed."""

    advices: int
    followed: int
    better: int
    worse: int
    waiting: int

    @property
    def sentence(self) -> str:
        """It in a sentence, as people are told."""
        if not self.advices:
            return "No advice was given yet."
        pieces = "piece" if self.advices == 1 else f"{self.advices} pieces"
        said = f"Your last {pieces} of advice: {self.followed} followed"
        if self.followed:
            said += f", {self.better} of them better, {self.worse} worse"
        return said + (f"; {self.waiting} cannot be measured yet." if self.waiting else ".")


def track_record(
    connection: Connection[Any], accounts: Sequence[str] | None = None, *, limit: int = 20
) -> TrackRecord:
    """What became of the newest `limit` of all advice, but for what a more urgent one replaced."""
    row = connection.execute(_RECORD, newest_values(limit, accounts)).fetchone()
    return TrackRecord(*(row or (0, 0, 0, 0, 0)))


_RECORD = f"""
    SELECT count(*), count(*) FILTER (WHERE outcome = 'followed'),
           count(*) FILTER (WHERE outcome = 'followed' AND verdict = 'better'),
           count(*) FILTER (WHERE outcome = 'followed' AND verdict = 'worse'),
           count(*) FILTER (WHERE outcome = 'followed' AND verdict IS NULL)
    FROM (
        {_newest("outcome IS DISTINCT FROM 'superseded'")}
    ) AS a
    LEFT JOIN meta_ads.advice_reviews AS r ON r.advice_id = a.advice_id
"""


def unreviewed(connection: Connection[Any], account_id: str) -> list[AdviceRow]:
    """Advice whose outcome was not measured yet, but for what a more urgent one replaced."""
    cursor = connection.cursor(row_factory=class_row(AdviceRow))
    return cursor.execute(
        f"{_ALL} WHERE a.account_id = %s AND r.advice_id IS NULL"
        " AND a.outcome IS DISTINCT FROM 'superseded' ORDER BY a.made_at, a.advice_id",
        (account_id,),
    ).fetchall()


def unmeasured(connection: Connection[Any], accounts: Sequence[str], before: date) -> int:
    """How much advice of these accounts had its review date before a day and no measurement."""
    row = connection.execute(
        """
        SELECT count(*) FROM meta_ads.advice AS a
        WHERE account_id = ANY (%s) AND review_on < %s
          AND outcome IS DISTINCT FROM 'superseded'
          AND NOT EXISTS (SELECT FROM meta_ads.advice_reviews WHERE advice_id = a.advice_id)
        """,
        (list(accounts), before),
    ).fetchone()
    return int(row[0]) if row else 0


def reviewed(connection: Connection[Any], row: AdviceRow, review: Review, at: datetime) -> None:
    """Write what was measured of a piece of advice; a second time changes nothing."""
    connection.execute(
        "INSERT INTO meta_ads.advice_reviews"
        " (advice_id, account_id, verdict, sentence, numbers, reviewed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (advice_id) DO NOTHING",
        (row.advice_id, row.account_id, review.verdict, review.sentence,
         Jsonb(dict(review.numbers)), at),
    )  # fmt: skip


def dismiss(
    connection: Connection[Any], row: AdviceRow, *, by: str, reason: str, at: datetime
) -> None:
    """A person says no, and why. Raises AdviceSettled for one that is not open."""
    if not settle(connection, row.advice_id, "dismissed", at=at, by=by, reason=reason):
        (now,) = advice_beginning(connection, row.advice_id)[:1] or (row,)
        raise AdviceSettled(
            f"Advice {row.advice_id[:8]} is {now.outcome or 'gone'}: only one that is open can be "
            "dismissed."
        )
