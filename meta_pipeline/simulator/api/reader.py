"""Answers to reads: nodes, edges, insights, and the same nested in `fields`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meta_pipeline.simulator.api import errors, fields, filters, paging
from meta_pipeline.simulator.api.calls import Call, Target
from meta_pipeline.simulator.api.contract import GENERIC_PARAMS, Contract
from meta_pipeline.simulator.api.insights_reader import Caps, InsightsReader, wants_summary
from meta_pipeline.simulator.api.paging import Positions
from meta_pipeline.simulator.api.reports import ReportRun, Reports
from meta_pipeline.simulator.api.requests import FieldSpec, GraphRequest
from meta_pipeline.simulator.api.routes import ACCOUNT_EDGES, OBJECT_EDGES, SERVED
from meta_pipeline.simulator.api.uneven import Uneven
from meta_pipeline.simulator.world.entities import Entity
from meta_pipeline.simulator.world.statuses import HIDDEN_BY_DEFAULT
from meta_pipeline.simulator.world.world import World

_ID_ONLY = (FieldSpec("id"),)
_ACTIVITY_FIELDS = tuple(
    FieldSpec(name)
    for name in ("event_type", "event_time", "extra_data", "object_id", "object_name",
                 "object_type", "translated_event_type", "actor_id", "actor_name")
)  # fmt: skip


class Reader:
    """Reads the world on behalf of one request."""

    def __init__(
        self,
        world: World,
        contract: Contract,
        reports: Reports,
        caps: Caps,
        uneven: Uneven,
        *,
        strict: bool,
    ) -> None:
        self.world, self.contract, self.reports, self.caps = world, contract, reports, caps
        self.uneven, self.strict = uneven, strict
        self.insights = InsightsReader(world, contract, reports, caps, uneven)
        self.positions = Positions(lambda object_id: world.get(object_id) is not None, uneven)
        self._selected: dict[tuple[Any, ...], Sequence[Entity]] = {}

    def read(self, call: Call) -> dict[str, Any]:
        """The document of a GET on the call's target."""
        target = call.target
        self._check_params(call.request, target)
        if target.edge is None:
            return self._node(call)
        return self._edge(call)

    # -- parameters -----------------------------------------------------------------------------

    def _check_params(self, request: GraphRequest, target: Target) -> None:
        if "date_format" in request.params:
            raise errors.invalid_parameter("date_format is not supported", blame="date_format")
        edge = (
            self.contract.edge(target.node_type, "GET", target.edge)
            if target.edge
            else self.contract.nodes[target.node_type].get
        )
        for name in request.params:
            if name in GENERIC_PARAMS or edge is None:
                continue
            if name not in edge.params:
                if self.strict and target.node_type != "AdReportRun":
                    raise errors.unknown_parameter(name, request.display_path)
            elif not target.is_insights:
                self._check_enum(request, target, name)

    def _check_enum(self, request: GraphRequest, target: Target, name: str) -> None:
        edge = self.contract.edge(target.node_type, "GET", target.edge or "")
        kind = OBJECT_EDGES.get((target.node_type, target.edge or ""))
        allowed = self.contract.allowed(edge, name) if edge else None
        if name == "effective_status" and kind:
            allowed = self.contract.statuses(fields.NODE_OF_KIND[kind])
        if allowed is None:
            return
        for index, value in enumerate(request.words(name)):
            if value not in allowed:
                place = f"{name}[{index}]"
                raise self.contract.refusal(name, place, value, sorted(allowed))

    # -- nodes ----------------------------------------------------------------------------------

    def _node(self, call: Call) -> dict[str, Any]:
        target, specs = call.target, call.request.fields()
        call.rows, call.weight = 1, fields.weight(specs)
        if target.node_type == "User":
            subject = _plain("users", target.node_id, {"name": "Simulated User"})
            specs = specs or (FieldSpec("id"), FieldSpec("name"))
        elif target.node_type == "Business":
            subject = _plain("businesses", target.node_id, target.subject)
            specs = specs or (FieldSpec("id"), FieldSpec("name"))
        elif isinstance(target.subject, ReportRun):
            return self._report(target.subject, specs)
        else:
            subject = target.subject
        specs = specs or _ID_ONLY
        fields.check(specs, target.node_type, self.contract, SERVED)
        return self._projector(call, specs, target.node_type).show(subject)

    def _report(self, run: ReportRun, specs: Sequence[FieldSpec]) -> dict[str, Any]:
        status = self.reports.status(run)
        fields.check(specs, "AdReportRun", self.contract, {})
        if not specs:
            default = {
                "id",
                "account_id",
                "time_ref",
                "time_completed",
                "async_status",
                "async_percent_completion",
                "date_start",
                "date_stop",
            }
            return {
                key: value
                for key, value in status.items()
                if key in default or key.startswith("error_")
            }
        wanted = {spec.name for spec in specs} | {"id"}
        # Since v25 a failed run names its error without being asked.
        return {
            key: value for key, value in status.items() if key in wanted or key.startswith("error_")
        }

    # -- edges ----------------------------------------------------------------------------------

    def _edge(self, call: Call) -> dict[str, Any]:
        key = (call.target.node_type, call.target.edge or "")
        if key in OBJECT_EDGES:
            return self._objects(call, OBJECT_EDGES[key])
        if key in ACCOUNT_EDGES:
            return self._accounts(call)
        if key[1] == "insights":
            return self.insights.read(call)
        return self._permissions(call) if key[1] == "permissions" else self._activities(call)

    def _objects(self, call: Call, kind: str) -> dict[str, Any]:
        node = fields.NODE_OF_KIND[kind]
        selection = filters.select(
            call.request, kind, lambda name: self.contract.has_field(node, name), self.world.get
        )
        call.flag = call.flag or selection.ignored
        if call.target.node_type in {"AdSet", "Ad"} and kind == "adcreatives":
            objects: Sequence[Entity] = list(self.world.objects(kind, call.target.node_id))
        else:
            objects = self._select(kind, call.target.node_id, selection)
        return self._page(call, objects, node, selection.keep)

    def _select(self, kind: str, parent_id: str, selection: filters.Selection) -> Sequence[Entity]:
        statuses = selection.statuses
        if statuses is not None and not statuses & HIDDEN_BY_DEFAULT:
            statuses = statuses | self._patched_statuses(statuses)
        key = (self.world.version, kind, parent_id, statuses, selection.updated_after)
        found = self._selected.get(key)
        if found is None or self.world.processing_seconds:
            if len(self._selected) > 64:
                self._selected.clear()
            found = self.world.objects(
                kind, parent_id, statuses=statuses, updated_after=selection.updated_after
            )
            self._selected[key] = found
        return found

    def _patched_statuses(self, statuses: frozenset[str]) -> frozenset[str]:
        """Values nobody knows, put there by a patch: shown by default as Meta would."""
        if len(statuses) < 4:
            return frozenset()
        patched = (values.get("effective_status") for values in self.world.overlay.fields.values())
        return frozenset(str(value) for value in patched if value) - HIDDEN_BY_DEFAULT

    def _accounts(self, call: Call) -> dict[str, Any]:
        accounts = [a for a in self.world.accounts() if self._lists(call, a)]
        return self._page(call, accounts, "AdAccount", None)

    def _lists(self, call: Call, account: Entity) -> bool:
        if call.target.node_type == "Business":
            owner = account.values.get("business") or {}
            if owner.get("id") != call.target.node_id:
                return False
        return call.token.accounts is None or account.id in call.token.accounts

    def _page(
        self, call: Call, objects: Sequence[Entity], node: str, keep: filters.Keep | None
    ) -> dict[str, Any]:
        specs = call.request.fields() or _ID_ONLY
        fields.check(specs, node, self.contract, SERVED)
        call.weight = fields.weight(specs)
        limit = min(paging.limit_of(call.request), len(objects))
        if limit * call.weight > self.caps.page_cells:
            raise errors.reduce_data()
        listing = paging.Listing(
            call.request.display_path,
            self.uneven.ordered(objects),
            keep,
            self.positions,
            self.uneven,
        )
        page = listing.page(call.request)
        projector = self._projector(call, specs, node)
        data = [projector.show(entity) for entity in page.rows]
        call.rows += len(data)
        body = page.body(call.request, data)
        if wants_summary(call.request):
            body["summary"] = {"total_count": listing.total()}
        return body

    def _activities(self, call: Call) -> dict[str, Any]:
        request = call.request
        since, until = request.text("since"), request.text("until")
        rows = self.world.activities(call.target.account_id or "")
        oid = call.target.node_id if call.target.node_type == "AdSet" else request.text("oid")
        keep = _activity_test(since, until, oid)
        shown = [row for row in rows if keep(row)] if since or until or oid else rows
        specs = request.fields() or _ACTIVITY_FIELDS
        fields.check(specs, "AdActivity", self.contract, {})
        page = paging.page_of_rows(
            request, lambda at, limit: self._activity_rows(shown, at, limit), self.uneven
        )
        projector = self._projector(call, specs, "AdActivity")
        call.rows += len(page.rows)
        return page.body(request, [projector.show(row) for row in page.rows])

    def _activity_rows(self, shown: Sequence[Entity], at: int, limit: int) -> Sequence[Entity]:
        if self.uneven.shuffled:
            return self.uneven.window(lambda: shown, at, limit)
        return shown[at : at + limit]

    def _permissions(self, call: Call) -> dict[str, Any]:
        granted = [
            {"permission": scope, "status": "granted"} for scope in sorted(call.token.scopes)
        ]
        return {"data": granted}

    # -- nested ---------------------------------------------------------------------------------

    def _projector(self, call: Call, specs: Sequence[FieldSpec], node: str) -> fields.Projector:
        def expand(entity: Entity, node_type: str, spec: FieldSpec) -> Any:
            return self._expand(call, entity, node_type, spec)

        return fields.Projector(
            specs,
            node,
            contract=self.contract,
            get=self.world.get,
            expand=expand,
            edges=SERVED,
            unreadable=self.world.bad_creatives,
        )

    def _expand(self, call: Call, entity: Entity, node_type: str, spec: FieldSpec) -> Any:
        params = spec.params()
        if spec.sub:
            params["fields"] = text_of(spec.sub)
        request = call.request.at((entity.id, spec.name), params)
        account_id = entity.account_id or None
        target = Target(node_type, entity.id, spec.name, entity, account_id)
        inner = Call(request, call.token, target, call.now)
        body = self.read(inner)
        call.rows += inner.rows
        return body if body["data"] else None


def text_of(specs: Sequence[FieldSpec]) -> str:
    """A `fields` list written back as text."""
    return ",".join(
        spec.name
        + "".join(f".{key}({value})" for key, value in spec.args)
        + (f"{{{text_of(spec.sub)}}}" if spec.sub else "")
        for spec in specs
    )


def _plain(kind: str, object_id: str, values: Mapping[str, Any]) -> Entity:
    return Entity(kind, object_id, "", {"id": object_id, **values})


def _activity_test(since: str | None, until: str | None, oid: str | None) -> filters.Keep:
    low = _moment(since, "since") if since else float("-inf")
    high = _moment(until, "until") if until else float("inf")

    def keep(entity: Entity) -> bool:
        at = filters.epoch(str(entity.values["event_time"]))
        return low <= at <= high and (oid is None or entity.values.get("object_id") == oid)

    return keep


def _moment(text: str, name: str) -> float:
    try:
        return float(text) if text.isdigit() else filters.moment(text)
    except ValueError:
        raise errors.invalid_parameter(f"Param {name} must be a time", blame=name) from None
