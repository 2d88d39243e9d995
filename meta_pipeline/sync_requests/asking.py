"""Asking: a wish is checked, then it is a row that a sensor claims."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime

from meta_pipeline.model.part import DEFAULT_PARTS, Part
from meta_pipeline.sync.request import SyncRequest
from meta_pipeline.warehouse import Connection, SyncRequestRow, Warehouse
from meta_pipeline.warehouse.stores.sync_requests import RequestSource

ENOUGH_SECONDS = 60
"""What was read within the last minute is not read again because somebody asked for it."""
ANEW_SECONDS = 1
"""Of what Meta tells, and of ids read with their account: what is older may be from before it."""
MOST_OBJECTS = 5_000
"""Ids in one request, and in all open ones of an account; who names more means the account."""
MOST_OPEN = 100
"""Requests of an account that a tenant may have open; one sync serves many, so few are needed."""
# A sentence or two; it stands in tables that people read.
_LONGEST = 500


class RequestRefused(ValueError):
    """The wish cannot be one; the message says what to change. `field` is where it is wrong."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class TooManyOpen(RequestRefused):
    """So many requests of the account are open that no other is taken until some are done."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants synced of one ad account.

    `parts` None: what the settings bring. With `objects` these ids are read and nothing else.
    Days are in the account's zone, both inclusive. `force` reads again what is fresh.
    """

    account_id: str
    parts: frozenset[Part] | None = None
    objects: Mapping[Part, Sequence[str]] = field(default_factory=dict)
    since: date | None = None
    until: date | None = None
    force: bool = False

    @property
    def id_count(self) -> int:
        """How many ids it names."""
        return sum(map(len, self.objects.values()))

    def request(self) -> SyncRequest:
        """The sync it stands for; RequestRefused where there can be none."""
        if self.objects and (self.parts or self.since or self.until):
            raise RequestRefused(
                "name objects, or parts and days: objects are read by id and have no days",
                field="objects",
            )
        if self.id_count > MOST_OBJECTS:
            raise RequestRefused(
                f"more than {MOST_OBJECTS} objects are named: ask for their parts instead",
                field="objects",
            )
        try:
            return SyncRequest(
                self.account_id,
                parts=DEFAULT_PARTS if self.parts is None else self.parts,
                since=self.since,
                until=self.until,
                force=self.force,
                objects={
                    part: tuple(dict.fromkeys(ids)) for part, ids in sorted(self.objects.items())
                },
            )
        except ValueError as error:
            raise RequestRefused(str(error), field=_field_of(str(error))) from None


def ask(
    warehouse: Warehouse,
    wish: Wish,
    *,
    source: RequestSource,
    requested_by: str,
    now: datetime,
    reason: str = "",
    connection: Connection | None = None,
) -> SyncRequestRow:
    """Write the wish down and give its row. No call is made; a sensor starts the sync.

    Ten who ask for the same have ten rows and one sync. Raises RequestRefused for what cannot be
    synced: an account that is not known here, days that contradict; TooManyOpen. What Meta's
    webhooks ask for is never too much: more ids than are taken become their parts.
    """
    # Made now, so that a wish which cannot be synced is refused to whoever has it.
    wish.request()
    if warehouse.accounts.get(wish.account_id, connection) is None:
        raise RequestRefused(
            f"there is no ad account {wish.account_id} here: GET /v1/accounts and "
            "meta-pipeline accounts list show those there are",
            field="account_id",
        )
    with nullcontext(connection) if connection else warehouse.connection() as used:
        held = warehouse.sync_requests.held(wish.account_id, MOST_OPEN, used)
        row = _row(_fitting(wish, source, *held), source, requested_by, reason, now)
        warehouse.sync_requests.add([row], used)
    return row


def _row(
    wish: Wish, source: RequestSource, requested_by: str, reason: str, now: datetime
) -> SyncRequestRow:
    objects = wish.request().objects
    enough = ANEW_SECONDS if source == "webhook" else ENOUGH_SECONDS
    return SyncRequestRow(
        request_id=uuid.uuid4().hex,
        account_id=wish.account_id,
        source=source,
        requested_by=_short(requested_by),
        reason=_short(reason),
        parts=None if wish.parts is None else sorted(map(str, wish.parts)),
        objects={str(part): list(ids) for part, ids in objects.items()} or None,
        since=wish.since,
        until=wish.until,
        max_age_seconds=None if wish.force else enough,
        force=wish.force,
        requested_at=now,
    )


def _fitting(wish: Wish, source: RequestSource, held: int, held_ids: int) -> Wish:
    """The wish beside what is open of its account; RequestRefused where there is no room for it."""
    is_too_long = bool(wish.objects) and held_ids + wish.id_count > MOST_OBJECTS
    # A refusal would lose what Meta told: it waits for one request of an account at a time.
    if source == "webhook":
        return Wish(wish.account_id, parts=frozenset(wish.objects)) if is_too_long else wish
    if held >= MOST_OPEN:
        raise TooManyOpen(
            f"{MOST_OPEN} requests of {wish.account_id} wait or run, and more are not taken: take "
            "back those that are not needed, or ask again when some are done",
            field="account_id",
        )
    if is_too_long:
        raise RequestRefused(
            f"open requests of {wish.account_id} name {held_ids} objects, and with these it would "
            f"be more than {MOST_OBJECTS}: ask for their parts instead, or again when those are "
            "read",
            field="objects",
        )
    return wish


def cancel(
    warehouse: Warehouse,
    row: SyncRequestRow,
    *,
    by: str,
    now: datetime,
    connection: Connection | None = None,
) -> bool:
    """Take back a wish that waits; False where its sync has begun or is done.

    The row says by whom, but for what Meta's webhooks asked for: that is shown to every tenant that
    shares the account. Who it was stands in the audit of the tenant, which whoever calls this
    writes.
    """
    if row.state != "pending":
        return False
    done = warehouse.sync_requests.finish(
        [row.request_id],
        now,
        state="cancelled",
        outcome=None,
        message="Taken back." if row.source == "webhook" else f"Taken back by {_short(by)}.",
        connection=connection,
    )
    return bool(done)


def _short(text: str) -> str:
    return text.replace("\x00", "")[:_LONGEST]


def _field_of(message: str) -> str:
    # By its words: a SyncRequest is made by programs, and knows no fields of a form.
    if "ad account id" in message:
        return "account_id"
    if "since" in message:
        return "since"
    return "objects" if "id" in message else "parts"
