"""Field selection: what is asked for and there, in the order asked, and never a null."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.contract import Contract
from meta_pipeline.simulator.api.requests import FieldSpec

NODE_OF_KIND = {
    "adaccounts": "AdAccount",
    "campaigns": "Campaign",
    "adsets": "AdSet",
    "ads": "Ad",
    "adcreatives": "AdCreative",
    "customconversions": "CustomConversion",
    "customaudiences": "CustomAudience",
    "adimages": "AdImage",
    "activities": "AdActivity",
}
# Fields that name another object; its id lies under the key given here.
_LINKS = {"campaign": "campaign_id", "adset": "adset_id"}
_LINK_TYPES = {"campaign": "Campaign", "adset": "AdSet", "creative": "AdCreative"}
# What makes a page heavy: Meta refuses large pages of these long before it refuses ids.
_HEAVY = {
    "targeting": 15.0, "object_story_spec": 10.0, "asset_feed_spec": 15.0, "issues_info": 3.0,
    "recommendations": 5.0, "creative": 2.0, "promoted_object": 2.0, "tracking_specs": 3.0,
    "conversion_specs": 3.0, "degrees_of_freedom_spec": 5.0, "capabilities": 10.0,
}  # fmt: skip

Expand = Callable[[Any, str, FieldSpec], Any]
Lookup = Callable[[str], Any]


def check(
    specs: Sequence[FieldSpec],
    node: str,
    contract: Contract,
    edges: Mapping[Any, Any],
    link_types: Mapping[str, str] = _LINK_TYPES,
) -> None:
    """Refuse what the node type does not have; walks into links, not into plain objects."""
    for spec in specs:
        if (node, spec.name) in edges:
            continue
        if contract.edge(node, "GET", spec.name) and not contract.has_field(node, spec.name):
            raise errors.no_capability()
        if not contract.has_field(node, spec.name):
            raise errors.unknown_field(spec.name, node)
        if spec.sub and spec.name in link_types:
            check(spec.sub, link_types[spec.name], contract, edges, link_types)


def weight(specs: Sequence[FieldSpec]) -> float:
    """How heavy one row of these fields is; ids weigh next to nothing."""
    total = 0.2
    for spec in specs:
        total += 0.1 if spec.name == "id" else _HEAVY.get(spec.name, 1.0)
        if spec.sub:
            total += weight(spec.sub)
    return total


class Projector:
    """Shows entities with the fields of one request."""

    def __init__(
        self,
        specs: Sequence[FieldSpec],
        node: str,
        *,
        contract: Contract,
        get: Lookup,
        expand: Expand,
        edges: Mapping[Any, Any],
        unreadable: Container[str] = (),
    ) -> None:
        self.specs = specs
        self.node = node
        self._contract, self._get, self._expand, self._edges = contract, get, expand, edges
        self._unreadable = unreadable
        self._names = [spec.name for spec in specs]
        # Nearly every request: each field is a value of the entity as it stands.
        self._all_plain = not any(
            spec.sub
            or spec.args
            or spec.name in _LINKS
            or (node, spec.name) in edges
            or contract.added_value(node, spec.name) is not None
            for spec in specs
        )
        self._reads_story = any(spec.name == "object_story_spec" for spec in specs)

    def show(self, entity: Any) -> dict[str, Any]:
        values = entity.values
        if self._reads_story and entity.id in self._unreadable:
            raise errors.bad_creative()
        if self._all_plain:
            shown = {name: values[name] for name in self._names if name in values}
        else:
            shown = {}
            for spec in self.specs:
                added = self._contract.added_value(self.node, spec.name)
                if (self.node, spec.name) in self._edges:
                    value = self._expand(entity, self.node, spec)
                elif added is not None:
                    value = added
                elif spec.name in _LINKS or spec.name == "creative":
                    value = self._linked(entity, spec)
                else:
                    value = entity.values.get(spec.name)
                    value = _inside(value, spec.sub) if spec.sub else value
                if value is not None:
                    shown[spec.name] = value
        # An entry of the change log is the only thing without an id.
        if self.node != "AdActivity":
            shown.setdefault("id", values.get("id", entity.id))
        return shown

    def _linked(self, entity: Any, spec: FieldSpec) -> Any:
        own = entity.values.get(spec.name)
        object_id = own.get("id") if isinstance(own, Mapping) else None
        object_id = object_id or entity.values.get(_LINKS.get(spec.name, ""))
        if object_id is None:
            return None
        if not spec.sub:
            return {"id": object_id}
        linked = self._get(str(object_id))
        # What vanished is still referred to by id.
        if linked is None:
            return {"id": object_id}
        inner = Projector(
            spec.sub,
            _LINK_TYPES[spec.name],
            contract=self._contract,
            get=self._get,
            expand=self._expand,
            edges=self._edges,
            unreadable=self._unreadable,
        )
        return inner.show(linked)


def _inside(value: Any, sub: Sequence[FieldSpec]) -> Any:
    """Sub-fields of a plain object, or of each object of a list."""
    if isinstance(value, list):
        return [_inside(item, sub) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {
        spec.name: _inside(value[spec.name], spec.sub) if spec.sub else value[spec.name]
        for spec in sub
        if spec.name in value
    }
