"""Complete dimensions: whatever insights mention is in the tables, and deleted things are marked.

Listings leave things out: an ad that was deleted long ago still has rows of insights, and a deleted
campaign just stops being listed. Both are read by id, fifty to a call. What Meta will not give even
by id keeps a row that says so, because an insight row without its ad is worth little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from psycopg import sql

from meta_pipeline.chunks import chunks
from meta_pipeline.graph import (
    FieldRejected,
    GraphClient,
    GraphError,
    ObjectMissing,
    ObjectsById,
    Skippable,
)
from meta_pipeline.model.part import Part
from meta_pipeline.sync.plan.edge_plan import IDS_PER_PAGE, SINGLY_UP_TO
from meta_pipeline.sync.read.entities import history_of
from meta_pipeline.sync.read.filters import only
from meta_pipeline.sync.read.refusals import STATUSES
from meta_pipeline.sync.rows.entity_mapping import EntityMapper, Source
from meta_pipeline.sync.rows.fields import ADS, ADSETS, CAMPAIGNS, ENTITY_SPECS, EntitySpec
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.sync.write.seen import SeenIds
from meta_pipeline.sync.write.slices import Slice, rendered
from meta_pipeline.warehouse import Connection, mark_deleted, orphans

# So many operations are one batch, and so many ids one call (FACTS section 4.6).
_IDS_PER_CALL = 50
_OWNER = "account_id"
_ROUNDS = 3
"""An ad may bring a missing ad set, and that a missing campaign."""
_NAMELESS = sql.SQL(
    """
    SELECT {id} FROM {table}
    WHERE account_id = %s AND NOT is_deleted AND name IS NULL AND {id} > %s
    ORDER BY {id} LIMIT %s
    """
)
_PARENTLESS = sql.SQL(
    """
    SELECT DISTINCT child.{id} FROM {child} AS child
    WHERE child.account_id = %s AND child.{key} = ANY (%s) AND child.{id} IS NOT NULL
        AND NOT EXISTS (SELECT FROM {parent} AS parent WHERE parent.{id} = child.{id})
    ORDER BY child.{id}
    """
)
_SPEC_OF = {spec.entity_type: spec for spec in ENTITY_SPECS.values()}

Write = Callable[[Slice], Any]


class Dimensions:
    """Completes one account's entity tables after its edges and insights were read."""

    def __init__(
        self, client: GraphClient, connection: Connection, source: Source, findings: Findings
    ) -> None:
        self._client = client
        self._connection = connection
        self._source = source
        self._findings = findings

    def mark_vanished(self, spec: EntitySpec, write: Write) -> bool:
        """Read by id what a complete listing did not show, and mark what Meta itself calls gone.

        Any other refusal says nothing of the object. Returns whether Meta answered about each.
        """
        answered, after = True, ""
        while True:
            ids = SeenIds(spec.edge).vanished(
                self._connection,
                spec.table,
                spec.id_column,
                self._source.account_id,
                after=after,
                at_most=_IDS_PER_CALL,
            )
            if not ids:
                return answered
            after = ids[-1]
            missing: dict[str, GraphError] = {}
            if spec.is_by_hash:
                # No error says that an image is gone, and an empty answer proves nothing: one that
                # the listing has shown is asked for beside them.
                asked = [*ids, *SeenIds(spec.edge).one(self._connection)]
                unlisted = self._unlisted(spec, asked, write)
                is_believed = len(unlisted) < len(asked)
                gone = [one for one in ids if is_believed and one in unlisted]
                answered &= is_believed
            else:
                missing = self._read(spec, ids, write)
                gone = [one for one, why in missing.items() if isinstance(why, ObjectMissing)]
            self._mark(spec, gone)
            answered &= all(isinstance(why, ObjectMissing) for why in missing.values())

    def fill_orphans(self, write: Write, since: date) -> dict[str, GraphError]:
        """Fetch by id every entity that rows from `since` on mention and no table has.

        Returns those that Meta did not answer about, and why.
        """
        failed: dict[str, GraphError] = {}
        for _ in range(_ROUNDS):
            missing = orphans(self._connection, self._source.account_id, since=since)
            new = [one for one in missing if one.entity_id not in failed]
            for entity_type, spec in _SPEC_OF.items():
                ids = [one.entity_id for one in new if one.entity_type == entity_type]
                for some in chunks(ids, _IDS_PER_CALL):
                    failed |= self._fill(spec, some, write)
            if not new:
                break
        return failed

    def complete(self, spec: EntitySpec, write: Write) -> dict[str, GraphError]:
        """Read by id what a scan found and no full reading has shown: it has no name yet.

        Returns those that Meta did not answer about, and why; what is gone is marked elsewhere.
        """
        missing: dict[str, GraphError] = {}
        query = _NAMELESS.format(
            id=sql.Identifier(spec.id_column),
            table=sql.Identifier(str(spec.table.schema), spec.table.name),
        )
        after = ""
        while True:
            values = (self._source.account_id, after, _IDS_PER_CALL)
            ids = [row[0] for row in self._connection.execute(query, values)]
            if not ids:
                break
            after = ids[-1]
            missing |= self._read(spec, ids, write)
        return {one: why for one, why in missing.items() if not isinstance(why, ObjectMissing)}

    def refresh(self, spec: EntitySpec, ids: Sequence[str], write: Write) -> dict[str, GraphError]:
        """Read these objects and mark what is gone; returns those Meta did not answer about.

        Many are asked for as pages of their edge, filtered by id; what no page shows, and few at
        all, one by one. Creatives have no such filter.
        """
        asked = list(dict.fromkeys(ids))
        if len(asked) > SINGLY_UP_TO and spec.prefix:
            asked = self._unlisted(spec, asked, write)
        left: dict[str, GraphError] = {}
        for some in chunks(asked, _IDS_PER_CALL):
            left |= self._read(spec, some, write, is_named=True)
        gone = [one for one, error in left.items() if isinstance(error, ObjectMissing)]
        self._mark(spec, gone)
        return {one: error for one, error in left.items() if one not in gone}

    def _unlisted(self, spec: EntitySpec, ids: Sequence[str], write: Write) -> list[str]:
        """Write what the edge shows of these ids; gives the ids it does not show."""
        shown: set[str] = set()
        for chunk in chunks(ids, IDS_PER_PAGE):
            # Of an edge that knows its objects by hash an id ends in it.
            these: dict[str, Any] = (
                {"hashes": [one.rpartition(":")[2] for one in chunk]}
                if spec.is_by_hash
                else {"filtering": [only(spec.prefix, chunk)], STATUSES: list(spec.statuses)}
            )
            pages = self._client.pages(
                f"{self._source.account_id}/{spec.edge}",
                {"fields": ",".join(one.name for one in spec.fields), **these},
                account_id=self._source.account_id,
                endpoint_key=spec.endpoint_key,
                page_size=IDS_PER_PAGE,
            )
            for page in pages:
                rows = [row for row in page.rows if str(row.get("id")) in chunk]
                self._write(spec, rows, write, is_named=True)
                shown.update(str(row["id"]) for row in rows)
        return [one for one in ids if one not in shown]

    def fill_parents(
        self, objects: Mapping[Part, Sequence[str]], write: Write
    ) -> dict[str, GraphError]:
        """Fetch by id the ad sets and campaigns that these objects belong to and no table has.

        Returns those that Meta did not answer about, and why.
        """
        missing: dict[str, GraphError] = {}
        known = {part: list(ids) for part, ids in objects.items()}
        for child, parent in ((ADS, ADSETS), (ADS, CAMPAIGNS), (ADSETS, CAMPAIGNS)):
            query = _PARENTLESS.format(
                key=sql.Identifier(child.id_column),
                id=sql.Identifier(parent.id_column),
                child=sql.Identifier(str(child.table.schema), child.table.name),
                parent=sql.Identifier(str(parent.table.schema), parent.table.name),
            )
            values = (self._source.account_id, known.get(child.part, []))
            ids = [row[0] for row in self._connection.execute(query, values)]
            for some in chunks(ids, _IDS_PER_CALL):
                missing |= self._fill(parent, some, write)
            known.setdefault(parent.part, []).extend(ids)  # an ad set has a parent as well
        return missing

    def _fill(self, spec: EntitySpec, ids: Sequence[str], write: Write) -> dict[str, GraphError]:
        """Write what Meta gives, keep a row for what it refuses, return what it left open."""
        missing = self._read(spec, ids, write)
        refused = [one for one, error in missing.items() if isinstance(error, Skippable)]
        for one in refused:
            self._findings.note(spec.edge, "id", one, Reason.REFUSED_OBJECT, one)
        if refused:
            # Without a row insights would mention it for ever, and each sync would ask again.
            gone = [{"id": one, "effective_status": "DELETED"} for one in refused]
            self._write(spec, gone, write)
        return {one: error for one, error in missing.items() if one not in refused}

    def _read(
        self, spec: EntitySpec, ids: Sequence[str], write: Write, *, is_named: bool = False
    ) -> dict[str, GraphError]:
        """Write what Meta gives of these ids; return those it does not give, and why.

        A field that some of them do not have, or not any more, is left out of their rows alone.
        What somebody named is missing here too where it is of another ad account.
        """
        names, asked = [one.name for one in spec.fields], list(ids)
        also = [_OWNER] if is_named else []
        missing: dict[str, GraphError] = {}
        while asked:
            try:
                answer = self._client.ids(
                    asked, {"fields": ",".join(names + also)}, account_id=self._source.account_id
                )
            except FieldRejected as error:
                if error.field_name not in names[1:]:
                    raise
                answer = ObjectsById(missing=dict.fromkeys(asked, error))
            if is_named:
                answer = self._own(answer)
            some = names if len(names) < len(spec.fields) else None
            self._write(spec, list(answer.found.values()), write, some, is_named=is_named)
            refused = {
                one: (error.field_name, error.message)
                for one, error in answer.missing.items()
                if isinstance(error, FieldRejected) and error.field_name in names[1:]
            }
            missing |= {one: why for one, why in answer.missing.items() if one not in refused}
            # One field once, in whatever words each object refuses it.
            for name, message in dict(refused.values()).items():
                self._findings.note(spec.edge, name, message, Reason.REFUSED_FIELD)
                names.remove(name)
            asked = list(refused)
        return missing

    def _own(self, answer: ObjectsById) -> ObjectsById:
        """The answer without what belongs to other ad accounts.

        Whoever may name ids may name anybody's, and the token may read them all: written for this
        account they would be taken from the one, and the tenant, whose they are.
        """
        number = self._source.account_id.removeprefix("act_")
        own, missing = dict[str, dict[str, Any]](), dict(answer.missing)
        for one, given in answer.found.items():
            if str(given.get(_OWNER)) == number:
                own[one] = given
            else:
                missing[one] = ObjectMissing(f"{one} is nothing of {self._source.account_id}")
        return ObjectsById(own, missing)

    def _write(
        self,
        spec: EntitySpec,
        given: Sequence[dict[str, Any]],
        write: Write,
        names: Sequence[str] | None = None,
        *,
        is_named: bool = False,
    ) -> None:
        mapper = EntityMapper(spec, self._findings, names)
        rows = [mapper.row(one, self._source) for one in given]
        write(
            Slice(
                part=spec.part,
                table=spec.table,
                columns=mapper.columns,
                rows=rendered(spec.table, mapper.columns, rows, self._findings),
                read=len(rows) if is_named else 0,  # what completes others counts nowhere
                message=f"{spec.edge} by id",
                history=history_of(spec, mapper.columns, self._source),
            )
        )

    def _mark(self, spec: EntitySpec, ids: Sequence[str]) -> None:
        if not ids:
            return
        with self._connection.transaction():
            mark_deleted(
                self._connection,
                spec.table,
                self._source.account_id,
                ids,
                seen_at=self._source.data_as_of,
                history=history_of(spec, [], self._source),
            )
