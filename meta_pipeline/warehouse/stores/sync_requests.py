"""Sync requests: the one inbox of wishes, from people, programs and Meta's webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from meta_pipeline.warehouse.connect import Connection, Store
from meta_pipeline.warehouse.newest import newest, newest_values

RequestSource: TypeAlias = Literal["cli", "web", "api", "webhook"]
RequestState: TypeAlias = Literal["pending", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequestRow:
    """One row of `sync_requests`; the columns' comments say what each field means."""

    request_id: str
    account_id: str
    source: RequestSource
    requested_by: str
    reason: str
    parts: list[str] | None = None
    objects: dict[str, list[str]] | None = None
    since: date | None = None
    until: date | None = None
    max_age_seconds: int | None = None
    force: bool = False
    requested_at: datetime
    not_before: datetime | None = None
    state: RequestState = "pending"
    attempts: int = 0
    claim_id: str | None = None
    claimed_at: datetime | None = None
    dagster_run_id: str | None = None
    progress: dict[str, Any] | None = None
    outcome: str | None = None
    message: str | None = None
    sync_run_ids: list[str] | None = None
    finished_at: datetime | None = None
    counted_objects: dict[str, int] | None = None
    """No column: how many ids are named, by part, in a row that was read without `objects`."""

    @property
    def object_counts(self) -> dict[str, int]:
        """How many ids it names, by part; empty for whole parts."""
        if self.objects is None:
            return self.counted_objects or {}
        return {part: len(ids) for part, ids in self.objects.items()}

    @property
    def is_named(self) -> bool:
        """Whether it names objects, which are read by id."""
        return bool(self.object_counts)

    @property
    def is_open(self) -> bool:
        """Whether it waits for its sync, or for the end of it."""
        return self.state in ("pending", "running")

    def is_moving(self, now: datetime) -> bool:
        """Whether its sync runs, or nothing is waited for before it starts."""
        waits = self.not_before is not None and self.not_before > now
        return self.state == "running" or (self.state == "pending" and not waits)


OPEN_OF_ACCOUNT = 500
"""Rows of an account that wait, and that run, which one look takes; the others follow."""
MOST_OPEN = 2_000
"""Rows that one look takes of all accounts."""
_COLUMNS = tuple(one.name for one in fields(SyncRequestRow) if one.name != "counted_objects")
_JSON = ("parts", "objects", "progress", "sync_run_ids")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM meta_ads.sync_requests"
# A row can name thousands of ids, which lists and ticks have no use for.
_BRIEF = f"""
    {", ".join(name for name in _COLUMNS if name != "objects")},
    (
        SELECT jsonb_object_agg(part, jsonb_array_length(ids))
        FROM jsonb_each(objects) AS named (part, ids)
    ) AS counted_objects
"""
_LIST = f"SELECT {_BRIEF} FROM meta_ads.sync_requests"
_IN_STATE = "%(states)s::text[] IS NULL OR state = ANY (%(states)s)"
_NEWEST = newest("sync_requests", "requested_at", "request_id", _IN_STATE)
_RECENT = f"""
    SELECT {_BRIEF} FROM ({_NEWEST}) AS request ORDER BY requested_at DESC, request_id DESC
"""
# The oldest of each account before the second oldest of any, so that nobody's many keep others
# waiting; of those who are told to wait, first who waits the shortest.
_OPEN = f"""
    SELECT {_BRIEF}
    FROM (
        SELECT {", ".join(_COLUMNS)}, row_number() OVER (
            PARTITION BY account_id, state ORDER BY requested_at, request_id
        ) AS place
        FROM meta_ads.sync_requests
        WHERE state IN ('pending', 'running') AND state = ANY (%(states)s)
    ) AS open
    WHERE place <= %(of_account)s
    ORDER BY place, state DESC, not_before NULLS FIRST, requested_at, request_id
    LIMIT %(most)s
"""
_STANDING = """
    SELECT
        count(*) FILTER (WHERE state = 'running'),
        count(*) FILTER (WHERE state = 'pending'),
        (array_agg(message ORDER BY requested_at, request_id)
            FILTER (WHERE state = 'pending' AND message IS NOT NULL))[1]
    FROM meta_ads.sync_requests WHERE state IN ('pending', 'running')
"""
# Of two that ask at once both would count one too few.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('meta_ads:sync_requests:' || %s, 0))"
# Another tenant's requests of a shared account are no reason to refuse this one's.
_HELD = """
    SELECT count(*), coalesce(sum(ids), 0)::int
    FROM (
        SELECT (SELECT sum(jsonb_array_length(value)) FROM jsonb_each(objects)) AS ids
        FROM meta_ads.sync_requests
        WHERE account_id = %(account)s AND state IN ('pending', 'running')
            AND tenant = coalesce(nullif(current_setting('meta_ads.tenant', true), ''), 'default')
        LIMIT %(most)s
    ) AS open
"""
_ADD = f"""
    INSERT INTO meta_ads.sync_requests ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
"""
# Of two sensors that claim at once the second waits for the row, sees it running, and takes none.
_CLAIM = """
    UPDATE meta_ads.sync_requests
    SET state = 'running', claim_id = %(claim_id)s, claimed_at = %(at)s, not_before = NULL,
        attempts = attempts + 1, progress = NULL, message = NULL, dagster_run_id = %(run)s
    WHERE request_id = ANY (%(ids)s) AND state = 'pending'
    RETURNING request_id
"""
# Told again at every tick with the same words, it writes nothing.
_WAIT = """
    UPDATE meta_ads.sync_requests AS request
    SET state = 'pending', message = told.message, not_before = told.until,
        claim_id = NULL, dagster_run_id = NULL, progress = NULL
    FROM unnest(%(ids)s::text[], %(messages)s::text[], %(untils)s::timestamptz[])
        AS told (request_id, message, until)
    WHERE request.request_id = told.request_id AND state IN ('pending', 'running')
        AND (state, request.message, not_before)
            IS DISTINCT FROM ('pending', told.message, told.until)
"""
# What somebody cancelled meanwhile stays cancelled.
_FINISH = """
    UPDATE meta_ads.sync_requests
    SET state = %(state)s, outcome = %(outcome)s, message = %(message)s,
        sync_run_ids = %(runs)s, finished_at = %(at)s, progress = NULL
    WHERE request_id = ANY (%(ids)s) AND state IN ('pending', 'running')
"""


class SyncRequestStore(Store):
    """`sync_requests`."""

    def add(self, rows: Iterable[SyncRequestRow], connection: Connection | None = None) -> None:
        with self._using(connection) as used:
            used.cursor().executemany(
                _ADD,
                [
                    {name: Jsonb(one) if name in _JSON and one is not None else one
                     for name, one in asdict(row).items()}
                    for row in rows
                ],
            )  # fmt: skip

    def get(self, request_id: str, connection: Connection | None = None) -> SyncRequestRow | None:
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(SyncRequestRow))
            return cursor.execute(f"{_SELECT} WHERE request_id = %s", (request_id,)).fetchone()

    def beginning(self, given: str) -> list[SyncRequestRow]:
        """The requests whose id begins so, two at most: one is what was meant."""
        with self._using() as used:
            cursor = used.cursor(row_factory=class_row(SyncRequestRow))
            return cursor.execute(
                f"{_SELECT} WHERE starts_with(request_id, %s) ORDER BY request_id LIMIT 2", (given,)
            ).fetchall()

    def open(self, states: Sequence[RequestState] = ("pending", "running")) -> list[SyncRequestRow]:
        """Those that wait or are being served, in the order they were made, without `objects`.

        Of each account the oldest OPEN_OF_ACCOUNT in each state, MOST_OPEN in all.
        """
        values = {"states": list(states), "of_account": OPEN_OF_ACCOUNT, "most": MOST_OPEN}
        with self._using() as used:
            cursor = used.cursor(row_factory=class_row(SyncRequestRow))
            rows = cursor.execute(_OPEN, values).fetchall()
        return sorted(rows, key=lambda row: (row.requested_at, row.request_id))

    def standing(self) -> tuple[int, int, str | None]:
        """How many are being served and how many wait, and why the oldest of these does."""
        with self._using() as used:
            running, pending, why = used.execute(_STANDING).fetchone() or (0, 0, None)
        return running, pending, why

    def open_claims(self) -> list[str]:
        """The claims that are being served."""
        with self._using() as used:
            return [
                row[0]
                for row in used.execute(
                    "SELECT DISTINCT claim_id FROM meta_ads.sync_requests "
                    "WHERE state = 'running' AND claim_id IS NOT NULL"
                )
            ]

    def waiting_accounts(self, source: RequestSource) -> set[str]:
        """The accounts for which a request of this source waits."""
        with self._using() as used:
            return {
                row[0]
                for row in used.execute(
                    "SELECT DISTINCT account_id FROM meta_ads.sync_requests "
                    "WHERE state = 'pending' AND source = %s",
                    (source,),
                )
            }

    def held(self, account_id: str, most: int, connection: Connection) -> tuple[int, int]:
        """How many of the tenant are open for an account, and how many ids these name together.

        At most so many are counted. Until the transaction ends nobody else asks for the account.
        """
        connection.execute(_LOCK, (account_id,))
        found = connection.execute(_HELD, {"account": account_id, "most": most}).fetchone()
        return found or (0, 0)

    def claimed(self, claim_id: str) -> list[SyncRequestRow]:
        """Those that a claim serves, in the order they were made, without `objects`."""
        with self._using() as used:
            cursor = used.cursor(row_factory=class_row(SyncRequestRow))
            return cursor.execute(
                f"{_LIST} WHERE claim_id = %s ORDER BY requested_at, request_id", (claim_id,)
            ).fetchall()

    def whole(self, ids: Sequence[str]) -> list[SyncRequestRow]:
        """These requests with their `objects`, in the order they were made."""
        with self._using() as used:
            cursor = used.cursor(row_factory=class_row(SyncRequestRow))
            return cursor.execute(
                f"{_SELECT} WHERE request_id = ANY (%s) ORDER BY requested_at, request_id",
                (list(ids),),
            ).fetchall()

    def recent(
        self,
        limit: int,
        *,
        accounts: Sequence[str] | None = None,
        states: Sequence[str] | None = None,
        before: tuple[datetime, str] | None = None,
        connection: Connection | None = None,
    ) -> list[SyncRequestRow]:
        """The newest, newest first, without `objects`.

        `before` is (requested_at, request_id) of the last one seen.
        """
        in_state = {"states": None if states is None else list(states)}
        values = newest_values(limit, accounts, before) | in_state
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(SyncRequestRow))
            return cursor.execute(_RECENT, values).fetchall()

    def claim(
        self,
        ids: Sequence[str],
        claim_id: str,
        at: datetime,
        connection: Connection | None = None,
        *,
        dagster_run_id: str | None = None,
    ) -> list[str]:
        """Take those that are still pending; gives their ids. Two at once share them out."""
        values = {"ids": list(ids), "claim_id": claim_id, "at": at, "run": dagster_run_id}
        with self._using(connection) as used:
            return [row[0] for row in used.execute(_CLAIM, values)]

    def wait(self, told: Mapping[str, tuple[str, datetime | None]]) -> None:
        """Let requests wait, each with its reason and until when; what was served waits again."""
        ids, said = list(told), list(told.values())
        messages, untils = [why for why, _ in said], [until for _, until in said]
        with self._using() as used:
            used.execute(_WAIT, {"ids": ids, "messages": messages, "untils": untils})

    def serve(self, claim_id: str, dagster_run_id: str) -> None:
        """Note the Dagster run that serves a claim."""
        with self._using() as used:
            used.execute(
                "UPDATE meta_ads.sync_requests SET dagster_run_id = %s "
                "WHERE claim_id = %s AND state = 'running' AND dagster_run_id IS NULL",
                (dagster_run_id, claim_id),
            )

    def note_progress(self, claim_id: str, account_id: str, progress: Mapping[str, Any]) -> None:
        """Say how far the sync of an account is to all who wait for it."""
        with self._using() as used:
            used.execute(
                "UPDATE meta_ads.sync_requests SET progress = %s "
                "WHERE claim_id = %s AND account_id = %s AND state = 'running'",
                (Jsonb(dict(progress)), claim_id, account_id),
            )

    def finish(
        self,
        ids: Sequence[str],
        at: datetime,
        *,
        state: RequestState,
        outcome: str | None,
        message: str | None,
        sync_run_ids: Sequence[str] = (),
        connection: Connection | None = None,
    ) -> int:
        """Settle those that are open; gives how many were."""
        values = {
            "ids": list(ids),
            "at": at,
            "state": state,
            "outcome": outcome,
            "message": message,
            "runs": Jsonb(list(sync_run_ids)),
        }
        with self._using(connection) as used:
            return used.execute(_FINISH, values).rowcount
