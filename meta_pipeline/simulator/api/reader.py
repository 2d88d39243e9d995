"""Answers to reads: nodes, edges, insights, and the same nested in `fields`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from meta_pipeline.simulator.api import errors, fields, filters, paging
from meta_pipeline.simulator.api.calls import Call, Target
from meta_pipeline.simulator.api.contract import GENERIC_PARAMS, Edge
from meta_pipeline.simulator.api.insights_reader import InsightsReader, wants_summary
from meta_pipeline.simulator.api.login.directory import Business
from meta_pipeline.simulator.api.paging import Positions
from meta_pipeline.simulator.api.recommendations import RecommendationReader
from meta_pipeline.simulator.api.reports import ReportRun
from meta_pipeline.simulator.api.requests import FieldSpec, GraphRequest
from meta_pipeline.simulator.api.routes import ACCOUNT_EDGES, OBJECT_EDGES, SERVED
from meta_pipeline.simulator.api.state import State
from meta_pipeline.simulator.world.entities import Entity
from meta_pipeline.simulator.world.statuses import HIDDEN_BY_DEFAULT

_ID_ONLY = (FieldSpec("id"),)
_NAMED = (FieldSpec("id"), FieldSpec("name"))
_ACTIVITY_FIELDS = tuple(
    FieldSpec(name)
    for name in ("event_type", "event_time", "extra_data", "object_id", "object_name",
                 "object_type", "translated_event_type", "actor_id", "actor_name")
)  # fmt: skip


_REPORT_FIELDS = frozenset(
    {"id", "account_id", "time_ref", "time_completed", "async_status", "async_percent_completion",
     "date_start", "date_stop"}
)  # fmt: skip
_SELECTIONS = 64
"""How many selections of an edge are remembered: its pages then cost no filtering."""


class GraphReader:
    """Reads the state on behalf of one request."""

    def __init__(self, state: State) -> None:
        self.state, self.world, self.contract = state, state.world, state.contract
        self.insights, self.recommendations = InsightsReader(state), RecommendationReader(state)
        self.positions = Positions(
            lambda object_id: (
                state.world.get(object_id) is not None or object_id in state.directory.businesses()
            ),
            state.uneven,
        )
        self._selected: dict[tuple[Any, ...], Sequence[Entity]] = {}
        self._edges: Mapping[str, Callable[[Call], dict[str, Any]]] = {
            "insights": self.insights.read,
            "permissions": self._permissions,
            "businesses": self._businesses,
            "activities": self._activities,
            "opportunity_score_history": self.recommendations.history,
            "recommendations": lambda call: (
                self.recommendations.of_business(call)
                if call.target.node_type == "Business"
                else self.recommendations.of_account(call)
            ),
        }

    def read(self, call: Call) -> dict[str, Any]:
        """The document of a GET on the call's target."""
        target = call.target
        self._check_params(call.request, target)
        if target.edge is None:
            return self._node(call)
        key = (target.node_type, target.edge)
        if key in OBJECT_EDGES:
            return self._objects(call, OBJECT_EDGES[key])
        if key in ACCOUNT_EDGES:
            accounts, seen = self.world.accounts(), call.token.accounts
            business = call.target.subject
            if isinstance(business, Business):
                owned = call.target.edge == "owned_ad_accounts"
                of_business = business.owned if owned else business.clients
                accounts = [account for account in accounts if account.id in of_business]
            shown = [account for account in accounts if seen is None or account.id in seen]
            return self._page(call, shown, "AdAccount", None)
        return self._edges[target.edge](call)

    # -- parameters -----------------------------------------------------------------------------

    def _check_params(self, request: GraphRequest, target: Target) -> None:
        if "date_format" in request.params:
            raise errors.invalid_parameter("date_format is not supported", blame="date_format")
        if target.edge:
            edge = self.contract.edge(target.node_type, "GET", target.edge)
        else:
            edge = self.contract.nodes[target.node_type].get
        if edge is None:
            return
        for name in request.params:
            if name in GENERIC_PARAMS:
                continue
            if name not in edge.params:
                # A run answers with whatever it was created with; nobody lists its parameters.
                if self.state.strict and target.node_type != "AdReportRun":
                    raise errors.unknown_parameter(name, request.display_path)
            elif target.edge and not target.is_insights:
                self._check_enum(request, target, edge, name)

    def _check_enum(self, request: GraphRequest, target: Target, edge: Edge, name: str) -> None:
        kind = OBJECT_EDGES.get((target.node_type, target.edge or ""))
        if name == "effective_status" and kind:
            allowed: frozenset[str] | None = self.contract.statuses(fields.NODE_OF_KIND[kind])
        else:
            allowed = self.contract.allowed(edge, name)
        for index, value in enumerate(() if allowed is None else request.words(name)):
            if allowed is not None and value not in allowed:
                place = f"{name}[{index}]"
                raise self.contract.refusal(name, place, value, sorted(allowed))

    # -- nodes ----------------------------------------------------------------------------------

    def _node(self, call: Call) -> dict[str, Any]:
        target, specs = call.target, call.request.fields()
        call.rows, call.weight = 1, fields.weight(specs)
        if isinstance(target.subject, ReportRun):
            fields.check(specs, "AdReportRun", self.contract, {})
            asked = {spec.name for spec in specs} | {"id"} if specs else _REPORT_FIELDS
            # Since v25 a failed run names its error without being asked.
            return {
                key: value
                for key, value in self.state.reports.status(target.subject).items()
                if key in asked or key.startswith("error_")
            }
        if target.node_type in {"User", "Business"}:
            subject = self._plain(call)
            specs = specs or _NAMED
        else:
            subject = target.subject
        specs = specs or _ID_ONLY
        fields.check(specs, target.node_type, self.contract, SERVED)
        return self._projector(call, specs, target.node_type).show(subject)

    def _plain(self, call: Call) -> Entity:
        """A user or business: what is no object of the world."""
        target, token = call.target, call.token
        if isinstance(target.subject, Business):
            values = {"id": target.node_id, "name": target.subject.name}
        else:
            values = {"id": target.node_id, "name": token.user_name}
            if token.client_business_id:
                values["client_business_id"] = token.client_business_id
        return Entity("plain", target.node_id, "", values)

    # -- edges ----------------------------------------------------------------------------------

    def _objects(self, call: Call, kind: str) -> dict[str, Any]:
        node, parent_id = fields.NODE_OF_KIND[kind], call.target.node_id
        selection = filters.select(
            call.request, kind, lambda name: self.contract.has_field(node, name), self.world.get
        )
        call.flag = call.flag or selection.ignored
        if kind == "customaudiences" and call.target.account_id in self.world.without_terms:
            raise errors.audience_terms()
        hashes = frozenset(call.request.words("hashes"))
        if call.target.node_type in {"AdSet", "Ad"} and kind == "adcreatives":
            objects: Sequence[Entity] = list(self.world.objects(kind, parent_id))
        else:
            objects = self._select(kind, parent_id, selection)
        if kind == "adimages" and hashes:
            objects = [one for one in objects if one.values.get("hash") in hashes]
        return self._page(call, objects, node, selection.keep)

    def _select(self, kind: str, parent_id: str, selection: filters.Selection) -> Sequence[Entity]:
        """The edge's objects with the selection's statuses; its pages share the work."""
        statuses, overlay = selection.statuses, self.world.overlay
        if statuses is not None and not statuses & HIDDEN_BY_DEFAULT and len(statuses) >= 4:
            # The default: values that nobody knows, put there by a patch, are shown as at Meta.
            patched = (values.get("effective_status") for values in overlay.fields.values())
            unknown = frozenset(str(value) for value in patched if value)
            statuses = statuses | (unknown - HIDDEN_BY_DEFAULT)
        key = (self.world.version, kind, parent_id, statuses, selection.updated_after)
        objects = self._selected.get(key)
        # IN_PROCESS ends with time alone, without another version of the world.
        if objects is None or self.world.processing_seconds:
            if len(self._selected) > _SELECTIONS:
                self._selected.clear()
            objects = self.world.objects(
                kind, parent_id, statuses=statuses, updated_after=selection.updated_after
            )
            self._selected[key] = objects
        return objects

    def _businesses(self, call: Call) -> dict[str, Any]:
        known, seen = self.state.directory.businesses(), call.token.businesses
        shown = [
            Entity("plain", one.id, "", {"id": one.id, "name": one.name})
            for one in sorted(known.values(), key=lambda one: one.id)
            if seen is None or one.id in seen
        ]
        return self._page(call, shown, "Business", None)

    def _permissions(self, call: Call) -> dict[str, Any]:
        statuses = dict.fromkeys(call.token.declined, "declined")
        statuses |= dict.fromkeys(call.token.scopes, "granted")
        rows = sorted(statuses.items())
        return {"data": [{"permission": scope, "status": status} for scope, status in rows]}

    def _page(
        self, call: Call, objects: Sequence[Entity], node: str, keep: filters.Keep | None
    ) -> dict[str, Any]:
        request, uneven = call.request, self.state.uneven
        specs = request.fields() or (_NAMED if node == "Business" else _ID_ONLY)
        fields.check(specs, node, self.contract, SERVED)
        call.weight = fields.weight(specs)
        if min(paging.limit_of(request), len(objects)) * call.weight > self.state.caps.page_cells:
            raise errors.reduce_data()
        listing = paging.Listing(
            request.display_path, uneven.ordered(objects), keep, self.positions, uneven
        )
        page = listing.page(request)
        projector = self._projector(call, specs, node)
        data = [projector.show(entity) for entity in page.rows]
        call.rows += len(data)
        body = page.body(request, data)
        if wants_summary(request):
            body["summary"] = {"total_count": listing.total()}
        return body

    def _activities(self, call: Call) -> dict[str, Any]:
        request, uneven = call.request, self.state.uneven
        rows = self.world.activities(call.target.account_id or "")
        about = call.target.node_id if call.target.node_type == "AdSet" else request.text("oid")
        since, until = _moment(request, "since"), _moment(request, "until")
        if about or since is not None or until is not None:
            low = float("-inf") if since is None else since
            high = float("inf") if until is None else until
            rows = [
                row
                for row in rows
                if not about or row.values["object_id"] == about
                if low <= filters.epoch(row.values["event_time"]) <= high
            ]
        specs = request.fields() or _ACTIVITY_FIELDS
        fields.check(specs, "AdActivity", self.contract, {})

        def fetch(at: int, limit: int) -> Sequence[Entity]:
            if uneven.shuffled:
                return uneven.window(lambda: rows, at, limit)
            return rows[at : at + limit]

        page = paging.page_of_rows(request, fetch, uneven)
        projector = self._projector(call, specs, "AdActivity")
        call.rows += len(page.rows)
        return page.body(request, [projector.show(row) for row in page.rows])

    # -- nested ---------------------------------------------------------------------------------

    def _projector(self, call: Call, specs: Sequence[FieldSpec], node: str) -> fields.Projector:
        def expand(entity: Entity, node_type: str, spec: FieldSpec) -> Any:
            """An edge named in `fields`, read as a call of its own on behalf of this one."""
            params = spec.params()
            if spec.sub:
                params["fields"] = text_of(spec.sub)
            request = call.request.at((entity.id, spec.name), params)
            target = Target(node_type, entity.id, spec.name, entity, entity.account_id or None)
            inner = Call(request, call.token, target, call.now)
            body = self.read(inner)
            call.rows += inner.rows
            return body if body["data"] else None

        return fields.Projector(
            specs,
            node,
            contract=self.contract,
            get=self.world.get,
            expand=expand,
            edges=SERVED,
            unreadable=self.world.bad_creatives,
        )


def text_of(specs: Sequence[FieldSpec]) -> str:
    """A `fields` list written back as text."""
    return ",".join(
        spec.name
        + "".join(f".{key}({value})" for key, value in spec.args)
        + (f"{{{text_of(spec.sub)}}}" if spec.sub else "")
        for spec in specs
    )


def _moment(request: GraphRequest, name: str) -> float | None:
    text = request.text(name)
    if not text:
        return None
    try:
        return float(text) if text.isdigit() else filters.moment(text)
    except ValueError:
        raise errors.invalid_parameter(f"Param {name} must be a time", blame=name) from None
