"""What a sync does by id when its edges and windows were read.

Deleted things are marked, and what rows mention is fetched; only where there is something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from meta_pipeline.graph import GraphError
from meta_pipeline.model.missing import Missing
from meta_pipeline.model.part import ENTITIES, Part
from meta_pipeline.moments import past
from meta_pipeline.sync.plan.edge_plan import EdgePlan, Mode
from meta_pipeline.sync.rows.entity_mapping import Source
from meta_pipeline.sync.rows.fields import ENTITY_SPECS
from meta_pipeline.sync.write.day_marks import unproven_since
from meta_pipeline.warehouse import Connection, CursorRow, CursorStore

from .dimensions import Dimensions, Write


@dataclass(frozen=True, slots=True)
class Completion:
    """Completes the entities of one sync, through the connection that writes."""

    dimensions: Dimensions
    cursors: CursorStore
    connection: Connection
    source: Source
    write: Write

    def edges(self, edges: Sequence[EdgePlan], missing: Sequence[Missing]) -> Iterator[Missing]:
        """Look up what complete listings did not show; gives what Meta did not answer about.

        Raises GraphError, and then the listing is read again by the next sync.
        """
        failed = {one.part for one in missing if one.is_whole}
        for edge in edges:
            part, name = edge.spec.part, edge.spec.edge
            if edge.mode is Mode.DELTA or not edge.spec.is_checked or part in failed:
                continue
            if edge.mode is Mode.SCAN:
                nameless = self.dimensions.complete(edge.spec, self.write)
                yield from _unanswered(nameless, f"{name} without a name", part)
            if self.dimensions.mark_vanished(edge.spec, self.write):
                # Only now is the listing done: were it interrupted before, it would be read again.
                known = self.cursors.get(self.source.account_id, name, self.connection)
                if known is not None and known.last_full_at != self.source.data_as_of:
                    self._save(known)
            else:
                yield Missing(
                    "Meta did not answer about all of them", part, f"{name} that are gone"
                )

    def named(self, objects: Mapping[Part, Sequence[str]]) -> Iterator[Missing]:
        """Read the objects of these ids and what they belong to; gives what was not answered.

        What Meta says is gone is marked as deleted. Raises GraphError.
        """
        for part, ids in objects.items():
            spec = ENTITY_SPECS[part]
            left = self.dimensions.refresh(spec, ids, self.write)
            if left:
                yield Missing(
                    str(next(iter(left.values()))), part, f"{len(left)} {spec.edge} by id"
                )
        if ENTITIES & objects.keys():
            parents = self.dimensions.fill_parents(objects, self.write)
            yield from _unanswered(parents, "objects that these belong to")

    def orphans(self, oldest: Sequence[date]) -> Iterator[Missing]:
        """Fetch what rows of insights mention, from the oldest day that was read on.

        Also those of windows that an earlier sync wrote and did not live to complete. Gives what
        Meta did not answer about, each kind of refusal once; the next sync asks for it again.
        Raises GraphError.
        """
        # What was read before `last_full_at` has mentioned nothing that was not there by then.
        known = self.cursors.get(self.source.account_id, "insights", self.connection)
        proven_at = past(known.last_full_at, self.source.data_as_of) if known else None
        unproven = unproven_since(self.connection, self.source.account_id, proven_at)
        days = [*oldest, *([unproven] if unproven else [])]
        if not days:
            return
        missing = self.dimensions.fill_orphans(self.write, min(days))
        yield from _unanswered(missing, "objects that insights mention")
        if not missing:
            self._save(known or CursorRow(self.source.account_id, "insights"))

    def _save(self, cursor: CursorRow) -> None:
        with self.connection.transaction():
            done = replace(cursor, last_full_at=self.source.data_as_of)
            self.cursors.save(self.connection, done)


def _unanswered(
    missing: Mapping[str, GraphError], what: str, part: Part | None = None
) -> Iterator[Missing]:
    """What Meta did not answer about by id, each kind of refusal once."""
    kinds: dict[tuple[type[GraphError], int | None], list[GraphError]] = {}
    for error in missing.values():
        kinds.setdefault((type(error), error.code), []).append(error)
    for alike in kinds.values():
        yield Missing(str(alike[0]), part, f"{len(alike)} {what}")
