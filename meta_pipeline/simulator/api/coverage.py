"""How much of the Graph API is served, counted against the installed SDK."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from meta_pipeline.simulator import insights
from meta_pipeline.simulator.api import contract, routes
from meta_pipeline.simulator.api.fields import NODE_OF_KIND
from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.clock import VirtualClock
from meta_pipeline.simulator.world.days import months_before, today
from meta_pipeline.simulator.world.demo import demo_world
from meta_pipeline.simulator.world.entities import KINDS

_EXPLANATION = (
    "Read from facebook-business, API {}. A known edge that is not served is refused with code 3, "
    "an unknown one with 2500, an unknown field with 100; a known field without a value is a key "
    "that is not there."
)
_LOOKED_AT = 200  # objects of a kind; enough to meet every field the world ever fills


@dataclass(frozen=True)
class Line:
    """One node type: what of it is served, of how much the SDK knows."""

    node: str
    edges_served: int
    edges_known: int
    fields_served: int
    fields_known: int
    unserved_edges: tuple[str, ...]


def coverage() -> list[Line]:
    """One line for each node type, from the default tables and the demo world."""
    known = contract.load()
    filled = _filled_fields(known)
    lines = []
    for name, node in known.nodes.items():
        edges = {edge for method, edge in node.edges if method == "GET"}
        served = {edge for edge in edges if (name, edge) in routes.SERVED}
        lines.append(
            Line(
                name,
                edges_served=len(served),
                edges_known=len(edges),
                fields_served=len(filled.get(name, set()) & node.fields.keys()),
                fields_known=len(node.fields),
                unserved_edges=tuple(sorted(edges - served)),
            )
        )
    return lines


def _filled_fields(known: contract.Contract) -> dict[str, set[str]]:
    world = demo_world(VirtualClock(datetime(2026, 11, 15, tzinfo=UTC)))
    account = world.accounts()[0].id
    filled = {"AdAccount": _keys(world.accounts()), "User": {"id", "name"},
             "Business": {"id", "name"}}  # fmt: skip
    for kind in KINDS:
        filled[NODE_OF_KIND[kind]] = _keys(world.objects(kind, account)[:_LOOKED_AT])
    filled["AdActivity"] = _keys(world.activities(account)[:_LOOKED_AT])
    filled["AdReportRun"] = _REPORT_FIELDS
    filled["AdsInsights"] = _insights_fields(world, account, known)
    return filled


_REPORT_FIELDS = {
    "id", "account_id", "time_ref", "time_completed", "async_status", "async_percent_completion",
    "is_running", "date_start", "date_stop", "error_code", "error_subcode", "error_message",
    "error_user_title", "error_user_msg", "breakdowns", "action_breakdowns", "level",
    "time_increment", "fields", "filtering", "action_attribution_windows",
}  # fmt: skip


def _keys(entities: Iterable[Any]) -> set[str]:
    return {key for entity in entities for key in entity.values}


def _insights_fields(world: World, account: str, known: contract.Contract) -> set[str]:
    until = today(world.clock.now(), ZoneInfo(world.spec(account).zone))
    query = insights.InsightsQuery(
        node_id=account,
        level="ad",
        ranges=((months_before(until, 3), until),),
        increment="all_days",
        fields=tuple(sorted(known.nodes["AdsInsights"].fields)),
        breakdowns=(),
        action_breakdowns=(),
        windows=(),
        filtering=(),
        sort=(),
    )
    return {key for row in insights.rows(world, query, limit=_LOOKED_AT) for key in row}


def coverage_table() -> str:
    """What `meta-pipeline simulate coverage` prints."""
    lines = [f"{'node':12} {'edges':>12} {'fields':>12}"]
    lines += [
        f"{line.node:12} {f'{line.edges_served} of {line.edges_known}':>12} "
        f"{f'{line.fields_served} of {line.fields_known}':>12}"
        for line in coverage()
    ]
    return "\n".join([*lines, "", _EXPLANATION.format(contract.load().version)])
