"""What the Graph API knows: nodes, fields, edges, parameters and enums of the installed SDK.

The tables are read from `facebook-business` when first needed and never copied: a new release of
that package is a new contract. Overlays (`retire_version`, `remove_field`, `add_field`,
`add_value`, `remove_value`) let a test live through schema drift.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.errors import GraphError

NODES: Mapping[str, str] = {
    "AdAccount": "adaccount",
    "Campaign": "campaign",
    "AdSet": "adset",
    "Ad": "ad",
    "AdCreative": "adcreative",
    "CustomConversion": "customconversion",
    "CustomAudience": "customaudience",
    "AdImage": "adimage",
    "AdReportRun": "adreportrun",
    "AdsInsights": "adsinsights",
    "AdActivity": "adactivity",
    "User": "user",
    "Business": "business",
}

BORROWED: Mapping[str, tuple[str, str]] = {
    "AdAccount": ("opportunityscorechangelog", "OpportunityScoreChangelog"),
    "Business": ("businessrecommendations", "BusinessRecommendations"),
}
"""Edges of a node that the SDK has on a class of their own."""

# Create-only parameters that the SDK mixes into its field tables; reading them is an error.
NOT_READABLE: Mapping[str, frozenset[str]] = {
    "Campaign": frozenset(
        {"adbatch", "execution_options", "iterative_split_test_configs", "upstream_events"}
    ),
    "AdSet": frozenset(
        {
            "campaign_spec",
            "daily_imps",
            "date_format",
            "execution_options",
            "line_number",
            "rb_prediction_id",
            "time_start",
            "time_stop",
            "topline_id",
            "tune_for_category",
            "upstream_events",
        }
    ),
    "Ad": frozenset(
        {
            "adset_spec",
            "audience_id",
            "date_format",
            "draft_adgroup_id",
            "execution_options",
            "filename",
            "include_demolink_hashes",
        }
    ),
    "AdCreative": frozenset({"execution_options", "image_file", "is_dco_internal"}),
    "CustomConversion": frozenset(
        {"advanced_rule", "event_source_id", "action_source_type", "custom_conversion_id"}
    ),
    "CustomAudience": frozenset(
        {
            *("allowed_domains", "associated_audience_id", "claim_objective", "content_type"),
            *("countries", "creation_params", "dataset_id", "enable_fetch_or_create"),
            *("event_source_group", "event_sources", "exclusions", "facebook_page_id"),
            *("inclusionOperator", "inclusions", "list_of_accounts", "marketing_message_channels"),
            *("origin_audience_id", "parent_audience_id", "partner_reference_key", "prefill"),
            *("product_set_id", "subscription_info", "usage_restriction", "use_for_products"),
            *("use_in_campaigns", "video_group_ids", "whats_app_business_phone_number_id"),
        }
    ),
    "AdImage": frozenset({"bytes", "copy_from", "filename"}),
    "AdsInsights": frozenset(
        # Listed by the SDK, refused or gone at Meta (FACTS section 5.2).
        {
            "wish_bid",
            "age_targeting",
            "gender_targeting",
            "labels",
            "location",
            "estimated_ad_recall_rate_lower_bound",
            "estimated_ad_recall_rate_upper_bound",
            "estimated_ad_recallers_lower_bound",
            "estimated_ad_recallers_upper_bound",
        }
    ),
}

# Accepted everywhere although no edge declares them (FACTS section 4.1).
GENERIC_PARAMS = frozenset(
    {
        "access_token",
        "appsecret_proof",
        "fields",
        "limit",
        "after",
        "before",
        "filtering",
        "summary",
        "ids",
        "pretty",
        "debug",
        "locale",
        "format",
        "method",
        "metadata",
        "sort",
        "order_by",
        "suppress_http_code",
        "include_headers",
        "batch",
        "offset",
        "appsecret_time",
        "use_account_attribution_setting",
        "default_summary",
    }
)


@dataclass(frozen=True)
class Edge:
    """One edge of a node: what it leads to and what it may be asked."""

    name: str
    target: str | None
    params: Mapping[str, str]
    enums: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Node:
    """One node type: readable fields and edges by method."""

    name: str
    fields: Mapping[str, str]
    get: Edge | None
    edges: Mapping[tuple[str, str], Edge]  # (method, edge name)
    statuses: frozenset[str]  # effective_status values; a creative has `status` only


@dataclass
class Contract:
    """The installed SDK's tables with this simulator's overlay on top."""

    nodes: Mapping[str, Node]
    version: str
    retired: set[str] = field(default_factory=set)
    upgraded: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    _removed: set[tuple[str, str]] = field(default_factory=set)
    _added: dict[tuple[str, str], Any] = field(default_factory=dict)
    _values: dict[str, set[str]] = field(default_factory=dict)
    _gone: dict[tuple[str, str], bool] = field(default_factory=dict)
    drift: int = 0  # changes with every overlay

    def versions(self) -> tuple[str, ...]:
        """Live versions, oldest first: the SDK's own, the one before and the one after it.

        All read the SDK's tables: what tells v25 from v27 (FACTS section 11) is in creating
        things, and `date_format` has been refused by every version since 2026-10-27.
        """
        own = int(self.version[1:].split(".")[0])
        near = (f"v{number}.0" for number in (own - 1, own, own + 1))
        return tuple(version for version in near if version not in self.retired)

    def answering(self, version: str) -> tuple[str, str | None]:
        """The version that answers a request for `version`, and the warning it carries."""
        return self.upgraded.get(version, version), self.warnings.get(version)

    def is_retired(self, version: str) -> bool:
        """True for a version that once was and is no more: 2635 at Meta."""
        # Of three live versions the SDK's own is in the middle.
        oldest = float(self.version[1:]) - 1
        return version in self.retired or float(version[1:]) < oldest

    def has_field(self, node: str, name: str) -> bool:
        if (node, name) in self._removed:
            return False
        return (node, name) in self._added or name in self.nodes[node].fields

    def added_value(self, node: str, name: str) -> Any:
        """What a field that only this overlay knows holds."""
        return self._added.get((node, name))

    def edge(self, node: str, method: str, name: str) -> Edge | None:
        return self.nodes[node].edges.get((method, name))

    def statuses(self, node: str) -> frozenset[str]:
        """Legal effective_status values of a node type."""
        known = self.nodes[node].statuses | frozenset(self._values.get("effective_status", ()))
        return known - self.removed_values("effective_status")

    def allowed(self, edge: Edge, param: str) -> frozenset[str] | None:
        """Legal values of an enum parameter, or of the elements of a list of them."""
        enum = edge.params.get(param, "").removeprefix("list<").removesuffix(">")
        values = edge.enums.get(enum)
        if values is None:
            return None
        return (values | frozenset(self._values.get(param, ()))) - self.removed_values(param)

    def removed_values(self, param: str) -> frozenset[str]:
        """Values of a parameter that are no longer taken."""
        return frozenset(value for name, value in self._gone if name == param)

    def refusal(self, param: str, index: str, value: str, allowed: Sequence[str]) -> GraphError:
        """Why a value is not taken; a status that is gone unnamed is told by its subcode only."""
        named = self._gone.get((param, value))
        if named is None:
            return errors.unknown_value(index, value, allowed)
        if not named:
            return errors.run_status()
        return errors.invalid_parameter(
            f"{index} must be one of the following values: {', '.join(allowed)}"
        )

    # -- drift, for tests -------------------------------------------------------------------

    def retire_version(self, version: str) -> None:
        """From now on `version` is answered with 2635."""
        self.retired.add(version)
        self.drift += 1

    def upgrade_version(self, version: str, to: str) -> None:
        """From now on `version` is answered by `to`, and a header says so (FACTS section 11)."""
        self.upgraded[version] = to
        self.warnings[version] = (
            f"The call has been auto-upgraded to {to} as {version} has been deprecated."
        )

    def warn_of_version(self, version: str, text: str) -> None:
        """From now on answers to `version` carry this `x-ad-api-version-warning`."""
        self.warnings[version] = text

    def remove_field(self, node: str, name: str) -> None:
        """From now on asking `node` for `name` is error 100."""
        self._removed.add((node, name))
        self.drift += 1

    def add_field(self, node: str, name: str, value: Any) -> None:
        """From now on `node` has a field the SDK does not know, always holding `value`."""
        self._added[(node, name)] = value
        self.drift += 1

    def add_value(self, param: str, value: str) -> None:
        """From now on the enum parameter `param` accepts one more value."""
        self._values.setdefault(param, set()).add(value)
        self.drift += 1

    def remove_value(self, param: str, value: str, *, named: bool = True) -> None:
        """From now on `param` refuses `value`: by its place, or a status by 1487561 alone."""
        self._gone[param, value] = named
        self.drift += 1


def load() -> Contract:
    """A fresh contract without overlays; the tables behind it are read once per process."""
    nodes, version = _tables()
    return Contract(nodes=nodes, version=version)


@lru_cache(maxsize=1)
def _tables() -> tuple[Mapping[str, Node], str]:
    try:
        from facebook_business.api import FacebookAdsApi  # noqa: PLC0415 - a second to import
        from facebook_business.session import FacebookSession  # noqa: PLC0415
    except ImportError as missing:
        raise RuntimeError(
            "the simulator reads Meta's field tables from the official SDK: "
            "install it with `pip install facebook-business`"
        ) from missing
    api = FacebookAdsApi(FacebookSession(access_token="unused"))  # noqa: S106
    nodes = {name: _node(name, module, api) for name, module in NODES.items()}
    return nodes, str(FacebookAdsApi.API_VERSION)


def _node(name: str, module: str, api: Any) -> Node:
    cls = getattr(importlib.import_module(f"facebook_business.adobjects.{module}"), name)
    fields = {
        key: kind for key, kind in cls._field_types.items() if key not in NOT_READABLE.get(name, ())
    }
    own: Edge | None = None
    edges: dict[tuple[str, str], Edge] = {}
    for method, edge in _requests(cls, api):
        if edge.name:
            edges[(method, edge.name)] = edge
        elif method == "GET":
            own = edge
    if name in BORROWED:
        other, other_name = BORROWED[name]
        # SDKs before 26.0.1 have no such class: with them there are no such edges, all else is.
        with suppress(ModuleNotFoundError):
            borrowed = importlib.import_module(f"facebook_business.adobjects.{other}")
            for method, edge in _requests(getattr(borrowed, other_name), api):
                edges.setdefault((method, edge.name), edge)
    statuses = getattr(cls, "EffectiveStatus", None) or getattr(cls, "Status", None)
    return Node(
        name=name,
        fields=fields,
        get=own,
        edges=edges,
        statuses=frozenset(
            value for key, value in vars(statuses or object).items() if key[:1] != "_"
        ),
    )


def _requests(cls: type, api: Any) -> list[tuple[str, Edge]]:
    # Rows such as AdsInsights have no id of their own, and no requests either.
    node = cls("1", api=api) if "fbid" in _parameters(cls) else cls(api=api)
    requests = []
    for name, function in inspect.getmembers(cls, callable):
        if name == "api_create" or name.startswith("_"):
            continue
        if "pending" in _parameters(function):
            request = getattr(node, name)(pending=True)
            requests.append((str(request._method), _edge(request)))  # noqa: SLF001
    return requests


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _edge(request: Any) -> Edge:
    checker = request._param_checker  # noqa: SLF001
    target = request._target_class  # noqa: SLF001
    return Edge(
        name=str(request._endpoint).strip("/"),  # noqa: SLF001
        target=getattr(target, "__name__", None),
        params=dict(checker._type_check_info) if checker else {},  # noqa: SLF001
        enums={
            enum: frozenset(
                value
                for value in values
                # `__module__` and friends leak into the SDK's sets.
                if isinstance(value, str) and "facebook_business" not in value
            )
            for enum, values in (checker._enum_data if checker else {}).items()  # noqa: SLF001
        },
    )
