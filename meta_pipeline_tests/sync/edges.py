"""Every kind of call that the client makes, and a piece of work that makes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from meta_pipeline.custom_reports import parse
from meta_pipeline.graph import BatchOperation, GraphClient, GraphError, Throttled, TokenInfo
from meta_pipeline.model.level import LEVELS
from meta_pipeline.simulator import ABSENT, AccountSpec, App, Fault, GraphRequest, Plan
from meta_pipeline.simulator.api import errors
from meta_pipeline.sync import (
    DEFAULT_PARTS,
    PageSizes,
    Part,
    PlanPolicy,
    Status,
    SyncRun,
)
from meta_pipeline.sync.days import Restatement

from .lab import Lab, lab

SPEC = AccountSpec("Pechvogel", 8, 8, 12, (4, 5, 9), zone="Europe/Berlin", currency="EUR")
DAYS = 6
EXTRA_DAYS = 2
BREAKDOWN = ("gender",)
POLICY = PlanPolicy(
    backfill_days=DAYS,
    window_days=DAYS,
    # The account's own rows are read whenever the ads' are: both are compared with the world.
    account_rows_every=timedelta(hours=1),
    extras_every=timedelta(hours=1),
    recommendations_every=timedelta(hours=1),
    score_history_every=timedelta(hours=1),
    breakdowns=(BREAKDOWN,),
    restatement=Restatement.parse("0:1h,28:7d"),
    page_sizes=PageSizes(entities=2, extras=3, insights=9),
)
LEVELS_POLICY = replace(POLICY, levels=("ad", "adset", "campaign"))
REPORTS_POLICY = replace(
    POLICY,
    reports=parse(
        "reports:\n"
        + "".join(
            f"  - {{name: by_{level}, level: {level}, fields: [spend, impressions], cadence: 1h}}\n"
            for level in LEVELS
        )
    ),
)
APP = App()
MOST_BYTES = 2_000_000
PLACES = ("first", "middle", "last")
_RUN = "1490000000000001"
_BUSINESS = "990150647367951"
_ACCOUNT_ONLY = "account_id"
_CALLBACK = "https://app.example.org/callback"

Answers = Literal["pages", "object", "batch", "operation"]
"""What an edge answers with: which of the altered answers make sense there."""

_OF_ROWS = frozenset(
    {"same_cursor_twice", "empty_page_with_next", "null_rows", "strange_rows"}
    | {"no_rows", "lost_rows", "lost_days", "odd_actions"}
)
_ALTERATIONS: dict[Answers, frozenset[str]] = {
    "pages": _OF_ROWS | {"missing_data", "unknown_content", "headers"},
    "object": frozenset({"missing_data", "unknown_content", "headers", "endless_token"}),
    "batch": frozenset({"null_batch_entries", "headers"}),
    "operation": frozenset({"unknown_content", "headers"}),
}


def sync(found: Lab, edge: Edge) -> SyncRun:
    """One sync of what the edge belongs to; extras of the last days only."""
    since = None if Part.INSIGHTS in edge.parts else found.today() - timedelta(days=EXTRA_DAYS - 1)
    return found.sync(parts=edge.parts, since=since)


@dataclass(frozen=True)
class Edge:
    """Where calls of one kind go: `path` is how they end, `endpoint_keys` how they are logged.

    `asks` are parameters that tell them from others of the path. `prepare` makes the world ask for
    it, `beside` what Meta refuses until the fault is over, so that the calls are made; `work` is
    what is done while the fault is there, and done again once it is over.
    """

    name: str
    path: Callable[[Lab], str]
    endpoint_keys: frozenset[str]
    method: str = "GET"
    answers: Answers = "pages"
    parts: frozenset[Part] = DEFAULT_PARTS
    asks: Mapping[str, str] = field(default_factory=dict)
    policy: PlanPolicy = POLICY
    is_one_call: bool = False
    extra_calls: int = 0
    """What it costs beyond a fault's own calls that the days are read in parts then."""
    is_repeatable: bool = True
    """Whether it may be asked again when its answer is lost: what works once does not."""
    beside: Callable[[Lab], object] = lambda _: None
    prepare: Callable[[Lab], object] = lambda _: None
    work: Callable[[Lab, Any], SyncRun] = sync

    @property
    def places(self) -> tuple[str, ...]:
        """One call has one place."""
        is_one = self.is_one_call or self.answers != "pages"
        return PLACES[:1] if is_one else PLACES

    def can_meet(self, fault: Fault) -> bool:
        if self.answers == "operation" and fault.wire:
            return False  # it shares its connection with the batch
        return fault.alter is None or fault.name in _ALTERATIONS[self.answers]


def _told(found: Lab, ask: Callable[[], object]) -> SyncRun:
    """A question that is no sync, told as if it were one."""
    now = found.clock.now()
    record = SyncRun("", found.account_id, "", started_at=now)
    try:
        ask()
        record.status = Status.SUCCESS
    except Throttled as error:
        record.status, record.error_summary = Status.THROTTLED, str(error)
        record.not_before = now + timedelta(seconds=error.seconds or 60)
    except GraphError as error:
        record.status, record.error_summary = Status.FAIL, str(error)
    return record


def _ask_about_token(found: Lab) -> None:
    info = found.engine.token()
    if isinstance(info, TokenInfo) and info.error is not None:  # known now, and no failed call
        raise info.error


def _take_one_away(found: Lab) -> None:
    """An ad that no listing shows any more, and that has to be asked for by id."""
    assert found.sync().status is Status.SUCCESS
    found.advance(hours=7)
    ads = found.world.objects("ads", found.account_id)
    living = [one.id for one in ads if one.values["effective_status"] in ("ACTIVE", "PAUSED")]
    found.doomed = min(living)
    found.world.vanish(found.doomed)


def _rename_all(found: Lab) -> None:
    """Something to tell for the change log."""
    for edge in ("campaigns", "adsets", "ads"):
        for one in found.world.objects(edge, found.account_id):
            found.world.rename(one.id, f"{edge} renamed")
    found.advance(minutes=1)


def _with_business(found: Lab) -> None:
    """The account is stored, so that it is known whose it is."""
    assert found.sync(parts=frozenset({Part.CAMPAIGNS})).status is Status.SUCCESS
    found.advance(hours=2)


def _without_business(found: Lab) -> None:
    """The account is nobody's: only its own edge tells what Meta recommends."""
    found.world.patch(found.account_id, business=ABSENT)
    _with_business(found)


def go_async(found: Lab) -> None:
    """Insights come as reports."""
    found.sim.fail(
        "GET",
        f"{found.account_id}/insights",
        times=None,
        with_=Fault.graph_error(100, 1504018, status=400),
    )


def _one_empty_report(found: Lab) -> None:
    """A report that completes without a row: whether there was any delivery is asked for."""
    found.sim.reports.plan_next(Plan.complete_but_empty())
    found.sim.fail(
        "GET",
        f"{found.account_id}/insights",
        until=lambda request: request.text("fields") == _ACCOUNT_ONLY,
        with_=Fault.graph_error(100, 1504018, status=400),
    )


def _ad_by_ad(found: Lab) -> None:
    """Yesterday's rows of an ad set are too much but for named ads: who delivered is asked for."""
    yesterday = found.today() - timedelta(days=1)
    day, ads = str(yesterday), found.world.objects("ads", found.account_id)
    parents = {one.id: (one.values["campaign_id"], one.values["adset_id"]) for one in ads}
    delivering = [parents[ad] for ad, _ in found.expected_insights(yesterday, yesterday)]
    ((campaign, adset), _) = Counter(delivering).most_common(1)[0]
    holding = {"campaign.id": campaign, "adset.id": adset}

    def is_answered(request: GraphRequest) -> bool:
        asked = request.params["time_range"]
        filters = request.params.get("filtering", ())
        chosen = {one["field"]: one["value"] for one in filters if one["operator"] == "IN"}
        return (
            request.text("level") != "ad"
            or not asked["since"] <= day <= asked["until"]
            or request.text("fields") == "ad_id"
            or "ad.id" in chosen
            or any(holding[name] not in chosen[name] for name in holding.keys() & chosen.keys())
        )

    for method in ("GET", "POST"):
        found.sim.fail(
            method,
            f"{found.account_id}/insights",
            until=is_answered,
            with_=Fault.error_of(errors.too_much_insights_data()),
        )


def _ad_by_ad_untold(found: Lab) -> None:
    """And which ads delivered is not told either: all of the ad set are asked for."""
    found.sim.fail(
        "GET",
        f"{found.account_id}/insights",
        times=None,
        params={"fields": "ad_id"},
        with_=Fault.error_of(errors.too_much_insights_data()),
    )
    _ad_by_ad(found)


def _asking(ask: Callable[[Lab, GraphClient], object]) -> Callable[[Lab, Any], SyncRun]:
    """A call of its own that belongs to no sync: of a command, of a connection, of the care."""
    return lambda found, _: _told(found, lambda: ask(found, found.engine.graph()))


def _batch(found: Lab, client: GraphClient) -> None:
    for answer in client.batch([BatchOperation(found.account_id), BatchOperation("me")]):
        answer.value()


def _report_statuses(found: Lab, client: GraphClient) -> None:
    params = {"level": "account", "fields": "spend"}
    path = f"{found.account_id}/insights"
    report = client.create_report(path, params, account_id=found.account_id)
    (status,) = client.report_statuses([report])
    if status.error is not None:
        raise status.error


def _of_account(ending: str = "") -> Callable[[Lab], str]:
    return lambda found: f"{found.account_id}{ending}"


EDGES = (
    Edge("account", _of_account(), frozenset({"ad_account"}), answers="object"),
    Edge("campaigns", lambda _: "/campaigns", frozenset({"campaigns_list"})),
    Edge("adsets", lambda _: "/adsets", frozenset({"adsets_list"})),
    Edge("ads", lambda _: "/ads", frozenset({"ads_list"})),
    Edge("insights", _of_account("/insights"), frozenset({"insights_ad", "insights_account"})),
    Edge("levels", _of_account("/insights"), frozenset({"insights_adset", "insights_campaign"}),
         asks={"level": "adset"}, policy=LEVELS_POLICY,
         extra_calls=14),  # a day is read ad set by ad set in reports, then all days in reports
    Edge("report create", _of_account("/insights"), frozenset({"report_create"}), "POST", "object",
         beside=go_async),
    Edge("report status", lambda _: f"/{_RUN}", frozenset({"report_status"}), answers="object",
         beside=go_async),
    Edge("report rows", lambda _: f"/{_RUN}/insights", frozenset({"report_rows"}),
         beside=go_async),
    Edge("empty report", _of_account("/insights"), frozenset({"insights_account_ids"}),
         asks={"fields": _ACCOUNT_ONLY}, is_one_call=True, extra_calls=60,
         beside=_one_empty_report),
    Edge("who delivered", _of_account("/insights"),
         frozenset({"insights_campaign_ids", "insights_adset_ids", "insights_ad_ids"}),
         asks={"fields": "adset_id"}, is_one_call=True, extra_calls=60, beside=_ad_by_ad),
    Edge("ads of an ad set", lambda _: "/ads", frozenset({"ads_ids"}), asks={"fields": "id"},
         is_one_call=True, extra_calls=60, beside=_ad_by_ad_untold),
    Edge("by id", lambda _: "/", frozenset({"objects_by_id", "account_probe"}), "POST", "batch",
         prepare=_take_one_away),
    Edge("one by id", lambda found: f"/{found.doomed}",
         frozenset({"objects_by_id", "account_probe"}),
         answers="operation", prepare=_take_one_away),
    Edge("creatives", lambda _: "/adcreatives", frozenset({"creatives_list"}),
         parts=frozenset({Part.CREATIVES})),
    Edge("custom conversions", lambda _: "/customconversions",
         frozenset({"custom_conversions_list"}), is_one_call=True,
         parts=frozenset({Part.CUSTOM_CONVERSIONS})),
    Edge("custom audiences", lambda _: "/customaudiences", frozenset({"custom_audiences_list"}),
         is_one_call=True, parts=frozenset({Part.CUSTOM_AUDIENCES})),
    Edge("images", lambda _: "/adimages", frozenset({"images_list"}),
         parts=frozenset({Part.IMAGES})),
    Edge("activities", lambda _: "/activities", frozenset({"activities_list"}), is_one_call=True,
         parts=frozenset({Part.ACTIVITIES}), prepare=_rename_all),
    Edge("recommendations", _of_account("/recommendations"),
         frozenset({"recommendations", "opportunity_score"}), is_one_call=True,
         parts=frozenset({Part.RECOMMENDATIONS}), prepare=_without_business),
    Edge("business", lambda _: f"{_BUSINESS}/recommendations",
         frozenset({"business_recommendations"}), is_one_call=True,
         parts=frozenset({Part.RECOMMENDATIONS}), prepare=_with_business),
    Edge("score history", _of_account("/opportunity_score_history"),
         frozenset({"opportunity_score_history"}), is_one_call=True,
         parts=frozenset({Part.RECOMMENDATIONS}), prepare=_with_business),
    Edge("hourly", _of_account("/insights"), frozenset({"insights_ad_hourly"}),
         parts=frozenset({Part.HOURLY})),
    Edge("breakdown", _of_account("/insights"), frozenset({"insights_ad_breakdown"}),
         parts=frozenset({Part.BREAKDOWNS})),
    Edge("custom reports", _of_account("/insights"),
         frozenset({f"insights_{level}_custom" for level in LEVELS}),
         parts=frozenset({Part.REPORTS}), policy=REPORTS_POLICY),
    Edge("accounts", lambda _: "/adaccounts", frozenset({"ad_accounts_list"}), is_one_call=True,
         work=lambda found, _: _told(found, found.engine.discover)),
    Edge("token", lambda _: "/debug_token", frozenset({"debug_token"}), answers="object",
         work=lambda found, _: _told(found, lambda: _ask_about_token(found))),
    Edge("me", lambda _: "/me", frozenset({"me"}), answers="object", parts=frozenset(),
         work=_asking(lambda _, client: client.me())),
    Edge("portfolio", lambda _: f"/{_BUSINESS}", frozenset({"business"}), answers="object",
         parts=frozenset(),
         work=_asking(lambda _, client: client.get(
             _BUSINESS, {"fields": "id,name"}, account_id=None, endpoint_key="business",
             required=("id",)))),
    Edge("code", lambda _: "/oauth/access_token", frozenset({"code_exchange"}), answers="object",
         parts=frozenset(), is_repeatable=False,
         work=_asking(lambda found, client: client.exchange_code(
             found.sim.tokens.grant_code(_CALLBACK), app_id=APP.id, redirect_uri=_CALLBACK))),
    Edge("exchange", lambda _: "/oauth/access_token", frozenset({"token_exchange"}),
         answers="object", parts=frozenset(),
         work=_asking(lambda _, client: client.exchange_token(app_id=APP.id))),
    Edge("revoke", lambda _: "/oauth/revoke", frozenset({"token_revoke"}), answers="object",
         parts=frozenset(), is_repeatable=False,
         work=_asking(lambda found, client: client.revoke_token(
             found.sim.issue(scopes=["ads_read"]), app_id=APP.id))),
    Edge("connect account", lambda _: "/subscribed_apps", frozenset({"subscribed_apps"}), "POST",
         "object", parts=frozenset(),
         work=_asking(lambda found, client: client.subscribe_account(found.account_id))),
    Edge("connected apps", lambda _: "/subscribed_apps", frozenset({"subscribed_apps"}),
         is_one_call=True, parts=frozenset(),
         work=_asking(lambda found, client: client.subscribed_apps(found.account_id))),
    Edge("subscription", lambda _: "/subscriptions", frozenset({"app_subscriptions"}),
         is_one_call=True, parts=frozenset(),
         work=_asking(lambda _, client: client.app_subscription(APP.id))),
    Edge("batch", lambda _: "/", frozenset({"batch"}), "POST", "batch", parts=frozenset(),
         work=_asking(_batch)),
    Edge("report statuses", lambda _: "/", frozenset({"report_status", "report_create"}), "POST",
         "batch", parts=frozenset(), work=_asking(_report_statuses)),
)  # fmt: skip


@contextmanager
def laboratory(database_url: str, edge: Edge, patience_seconds: float = 30) -> Iterator[Lab]:
    """A lab in which the edge's work comes next, with nothing in the journal yet."""
    with lab(
        database_url,
        SPEC,
        policy=edge.policy,
        parallel=1,
        app_secret=APP.secret,
        read_timeout_seconds=patience_seconds,
        deadline_seconds=patience_seconds * 2,
        max_answer_bytes=MOST_BYTES,
    ) as found:
        edge.prepare(found)
        found.sim.journal.clear()
        edge.beside(found)
        yield found


def on_edge(found: Lab, edge: Edge) -> int:
    """Calls of the edge so far."""
    path = edge.path(found)
    return sum(
        1
        for entry in found.sim.journal
        if entry.method == edge.method
        and all(str(entry.params.get(name)) == value for name, value in edge.asks.items())
        and (entry.path.count("/") == 1 if path == "/" else entry.path.endswith(path))
    )
