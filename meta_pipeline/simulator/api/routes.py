"""Which node and edge a path names, and whether the simulator serves it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.calls import Target
from meta_pipeline.simulator.api.fields import NODE_OF_KIND
from meta_pipeline.simulator.api.login.directory import Business
from meta_pipeline.simulator.api.login.token import Token
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.state import State
from meta_pipeline.simulator.world.entities import Entity

# (node type, edge) -> kind of object behind it.
OBJECT_EDGES = {
    ("AdAccount", "campaigns"): "campaigns",
    ("AdAccount", "adsets"): "adsets",
    ("AdAccount", "ads"): "ads",
    ("AdAccount", "adcreatives"): "adcreatives",
    ("AdAccount", "customconversions"): "customconversions",
    ("AdAccount", "customaudiences"): "customaudiences",
    ("AdAccount", "adimages"): "adimages",
    ("Campaign", "adsets"): "adsets",
    ("Campaign", "ads"): "ads",
    ("AdSet", "ads"): "ads",
    ("AdSet", "adcreatives"): "adcreatives",
    ("Ad", "adcreatives"): "adcreatives",
}
ACCOUNT_EDGES = {
    ("User", "adaccounts"),
    ("Business", "owned_ad_accounts"),
    ("Business", "client_ad_accounts"),
}
OTHER_EDGES = {
    ("AdAccount", "activities"),
    ("AdSet", "activities"),
    ("AdAccount", "recommendations"),
    ("AdAccount", "opportunity_score_history"),
    ("Business", "recommendations"),
    ("User", "permissions"),
    ("User", "businesses"),
    ("AdAccount", "insights"),
    ("Campaign", "insights"),
    ("AdSet", "insights"),
    ("Ad", "insights"),
    ("AdReportRun", "insights"),
}
SERVED = {
    **OBJECT_EDGES,
    **dict.fromkeys(ACCOUNT_EDGES, "adaccounts"),
    **dict.fromkeys(OTHER_EDGES, "rows"),
}
SERVED_DELETES = {("User", "permissions"), ("User", "access_tokens")}
SERVED_POSTS = {
    *((node, "insights") for node in ("AdAccount", "Campaign", "AdSet", "Ad")),
    ("Business", "system_user_access_tokens"),
}
_SERVED_BY_METHOD: Mapping[str, Collection[tuple[str, str]]] = {
    "GET": SERVED,
    "POST": SERVED_POSTS,
    "DELETE": SERVED_DELETES,
}
WRITABLE_NODES = frozenset({"Campaign", "AdSet", "Ad"})


class Routes:
    """Resolves paths against the world, the report runs and the contract."""

    def __init__(self, state: State) -> None:
        self.world, self.contract, self.reports = state.world, state.contract, state.reports
        self.tokens, self.directory = state.tokens, state.directory

    def check_version(self, version: str | None) -> None:
        """2635 for a retired version, 2500 for one that never was; none means the newest."""
        if version is None or version in self.contract.versions():
            return
        if self.contract.is_retired(version):
            raise errors.retired_version()
        raise errors.unknown_version(version)

    def resolve(self, request: GraphRequest, token: Token) -> Target:
        """The target that a path names, if the token may see it: node, node/edge.

        Only what is deleted from an edge has a third component.
        """
        if not request.path:
            raise errors.GraphError(
                "Unsupported get request.",
                code=100,
                type="GraphMethodException",
                flag="unknown_route",
            )
        node_id, edge, item, *more = (*request.path, None, None)[: max(3, len(request.path))]
        one_of_edge = (request.method, edge) == ("DELETE", "permissions")
        if more or (item is not None and not one_of_edge):
            raise errors.unknown_path("/".join(request.path[1:]))
        target = self.node(str(node_id), token, edge, request.method)
        self._check_method(target, request.method)
        return target if item is None else replace(target, subject=item)

    def account_of(self, request: GraphRequest) -> Target:
        """What is known before the path is resolved: the account it begins with, if any."""
        first = request.path[0] if request.path else ""
        known = self.world.ordinal(first) is not None
        return Target("AdAccount", first, account_id=first if known else None)

    def node(
        self, node_id: str, token: Token, edge: str | None = None, method: str = "GET"
    ) -> Target:
        """A user, report run, business or object of the world, if the token may see it."""
        if node_id in {"me", token.user_id} and token.user_id:
            self._check_business_scope(token, edge == "businesses")
            return Target("User", token.user_id, edge)
        # An app may give back what any of its users granted.
        of_app = method == "DELETE" and token.kind == "APP"
        if of_app and self.tokens.is_user(node_id, token.app_id):
            return Target("User", node_id, edge)
        report = self.reports.get(node_id)
        if report is not None:
            return Target("AdReportRun", node_id, edge, report, report.account_id)
        business = self._business(node_id, token)
        if business is not None:
            # What Meta recommends is read with ads_read (FACTS §16).
            is_read_with_ads = edge == "recommendations"
            self._check_business_scope(token, edge is not None and not is_read_with_ads)
            if is_read_with_ads:
                self._check_ads_scope(token)
            return Target("Business", node_id, edge, business)
        if ":" in node_id:  # an image: Meta gives none by its id
            raise errors.unknown_alias(node_id)
        entity = self.world.get(node_id)
        if entity is None:
            raise errors.unsupported_object(node_id, method)
        self._check_permission(entity, token, edge)
        return Target(NODE_OF_KIND[entity.kind], node_id, edge, entity, entity.account_id)

    def _business(self, node_id: str, token: Token) -> Business | None:
        # Only a business has a bare number that no object has.
        if not node_id.isdigit() or self.world.locate(node_id) is not None:
            return None
        if token.businesses is not None and node_id not in token.businesses:
            return None
        return self.directory.businesses().get(node_id)

    def _check_business_scope(self, token: Token, is_edge: bool) -> None:
        if is_edge and token.kind != "APP" and "business_management" not in token.scopes:
            raise errors.missing_scope("business_management")

    def _check_permission(self, entity: Entity, token: Token, edge: str | None) -> None:
        account_id = entity.account_id
        is_account = entity.kind == "adaccounts"
        hidden = token.accounts is not None and account_id not in token.accounts
        if hidden and not is_account:
            raise errors.unsupported_object(entity.id)
        # An account without permission may be looked at, what it holds may not.
        held = not is_account or edge is not None
        withheld = account_id in token.withheld or not self.world.spec(account_id).permitted
        if hidden or (held and withheld):
            raise errors.no_account_permission(account_id)
        self._check_ads_scope(token)

    def _check_ads_scope(self, token: Token) -> None:
        if not token.scopes & {"ads_read", "ads_management"} and token.kind != "APP":
            raise errors.missing_scope("ads_read")

    def _check_method(self, target: Target, method: str) -> None:
        """2500 for an edge that Meta does not have, code 3 for what is not served here."""
        if target.edge is None:
            if method != "GET" and target.node_type not in WRITABLE_NODES:
                raise errors.no_capability()
        elif (target.node_type, target.edge) not in _SERVED_BY_METHOD.get(method, ()):
            if self.contract.edge(target.node_type, method, target.edge) is None:
                raise errors.unknown_path(target.edge)
            raise errors.no_capability()
