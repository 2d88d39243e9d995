"""The official SDK against the simulator, and nothing of ours between them.

One line points it here: `session.GRAPH = sim.url`.
"""

from __future__ import annotations

from typing import Any

import pytest

from meta_pipeline.simulator import App, Fault, Limits, Plan, Simulator
from meta_pipeline.simulator.pytest_plugin import new_world

pytest.importorskip("facebook_business")

from facebook_business.adobjects.ad import Ad
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adcreative import AdCreative
from facebook_business.adobjects.adimage import AdImage
from facebook_business.adobjects.adreportrun import AdReportRun
from facebook_business.adobjects.adset import AdSet
from facebook_business.adobjects.adsinsights import AdsInsights
from facebook_business.adobjects.campaign import Campaign
from facebook_business.adobjects.customaudience import CustomAudience
from facebook_business.adobjects.customconversion import CustomConversion
from facebook_business.adobjects.user import User
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession
from requests.exceptions import ChunkedEncodingError, ConnectionError, ReadTimeout  # noqa: A004

DAYS = {"since": "2026-11-02", "until": "2026-11-04"}


@pytest.fixture
def api(sim: Simulator) -> FacebookAdsApi:
    return api_for(sim)


def api_for(sim: Simulator, *, timeout: float | None = None, **session: Any) -> FacebookAdsApi:
    made = FacebookSession(access_token=sim.token, timeout=timeout, **session)
    made.GRAPH = sim.url
    return FacebookAdsApi(made)


@pytest.fixture
def ads_account(api: FacebookAdsApi, account: str) -> AdAccount:
    return AdAccount(account, api=api)


def ids(objects: Any) -> list[str]:
    return [entity["id"] for entity in objects]


def shown(sim: Simulator, kind: str, account: str) -> list[str]:
    hidden = {"ARCHIVED", "DELETED"}
    return [
        e.id for e in sim.world.objects(kind, account) if e.values["effective_status"] not in hidden
    ]


def test_me_and_my_accounts(sim: Simulator, api: FacebookAdsApi) -> None:
    accounts = User("me", api=api).get_ad_accounts(fields=["name", "currency"])
    assert ids(accounts) == [entity.id for entity in sim.world.accounts()]


def test_an_account_is_read(sim: Simulator, ads_account: AdAccount) -> None:
    found = ads_account.api_get(fields=[AdAccount.Field.name, AdAccount.Field.timezone_name])
    assert found["name"] == sim.world.accounts()[0].values["name"]


def test_paging_reads_every_ad_once(sim: Simulator, ads_account: AdAccount, account: str) -> None:
    ads = ads_account.get_ads(fields=["name"], params={"limit": 7})
    assert ids(ads) == shown(sim, "ads", account)


def test_the_cursor_makes_one_request_a_page_and_no_more(
    sim: Simulator, ads_account: AdAccount, account: str
) -> None:
    count = len(ids(ads_account.get_ads(params={"limit": 5})))
    assert sim.journal.count(path="/ads") == -(-count // 5)


def test_the_cursor_knows_the_total(sim: Simulator, ads_account: AdAccount, account: str) -> None:
    cursor = ads_account.get_ads(params={"limit": 1})
    assert cursor.total() == len(shown(sim, "ads", account))


def test_summary_of_insights_is_one_deduplicated_row(ads_account: AdAccount) -> None:
    params = {"level": "ad", "time_range": DAYS, "default_summary": True, "limit": 500}
    cursor = ads_account.get_insights(fields=["impressions", "reach"], params=params)
    rows = list(cursor)
    total = cursor._summary  # the public accessor is made for printing
    assert int(total["impressions"]) == sum(int(row["impressions"]) for row in rows)
    assert int(total["reach"]) < sum(int(row["reach"]) for row in rows)


@pytest.mark.parametrize("edge", ["get_campaigns", "get_ad_sets", "get_ads"])
def test_statuses_select(ads_account: AdAccount, edge: str) -> None:
    found = getattr(ads_account, edge)(
        fields=["effective_status"], params={"effective_status": ["ARCHIVED"], "limit": 100}
    )
    assert {entity["effective_status"] for entity in found} <= {"ARCHIVED"}


def test_filtering_is_sent_as_json(sim: Simulator, ads_account: AdAccount, account: str) -> None:
    wanted = shown(sim, "campaigns", account)[0]
    params = {"filtering": [{"field": "campaign.id", "operator": "EQUAL", "value": wanted}]}
    assert ids(ads_account.get_campaigns(params=params)) == [wanted]


@pytest.mark.filterwarnings("ignore:ads does not allow field")
def test_fields_expand_into_objects(ads_account: AdAccount) -> None:
    ad = ads_account.get_ads(fields=["creative{id,name}", "adset{name}"])[0]
    assert isinstance(ad["creative"], AdCreative)
    assert isinstance(ad["adset"], AdSet)
    assert ad["adset"]["name"]


def test_nested_edges_arrive(api: FacebookAdsApi, sim: Simulator, account: str) -> None:
    campaign = Campaign(shown(sim, "campaigns", account)[0], api=api)
    found = campaign.api_get(fields=["name", "objective"])
    assert found["objective"]
    assert ids(campaign.get_ad_sets()) == ids(campaign.get_ad_sets(params={"limit": 1}))


def test_children_of_an_ad_set(api: FacebookAdsApi, sim: Simulator, account: str) -> None:
    ad = Ad(shown(sim, "ads", account)[0], api=api).api_get(fields=["adset_id"])
    siblings = AdSet(ad["adset_id"], api=api).get_ads(fields=["adset_id"])
    assert ad["id"] in ids(siblings)


def test_creatives(ads_account: AdAccount) -> None:
    first = ads_account.get_ad_creatives(fields=["name", "status"])[0]
    assert isinstance(first, AdCreative)


def test_what_is_behind_custom_conversions(
    api: FacebookAdsApi, ads_account: AdAccount, sim: Simulator, account: str
) -> None:
    names = ["name", "custom_event_type", "rule", "pixel", "is_archived", "last_fired_time"]
    found = list(ads_account.get_custom_conversions(fields=names, params={"limit": 2}))
    assert ids(found) == [one.id for one in sim.world.objects("customconversions", account)]
    assert all(isinstance(one, CustomConversion) for one in found)
    again = CustomConversion(found[0]["id"], api=api).api_get(fields=names)
    assert again["name"] == found[0]["name"]


def test_custom_audiences_and_terms_that_were_not_accepted(
    api: FacebookAdsApi, ads_account: AdAccount, sim: Simulator, account: str
) -> None:
    names = ["name", "subtype", "approximate_count_lower_bound", "operation_status", "rule"]
    found = list(ads_account.get_custom_audiences(fields=names, params={"limit": 2}))
    assert ids(found) == [one.id for one in sim.world.objects("customaudiences", account)]
    assert min(one["approximate_count_lower_bound"] for one in found) == -1
    assert CustomAudience(found[0]["id"], api=api).api_get(fields=["name"])["name"]
    sim.world.without_terms.add(account)
    with pytest.raises(FacebookRequestError) as refused:
        ads_account.get_custom_audiences()
    assert (refused.value.api_error_code(), refused.value.api_error_subcode()) == (200, 1870034)


def test_images_go_by_their_hash(
    api: FacebookAdsApi, ads_account: AdAccount, sim: Simulator, account: str
) -> None:
    found = list(ads_account.get_ad_images(fields=["hash", "name", "width"], params={"limit": 7}))
    assert ids(found) == [one.id for one in sim.world.objects("adimages", account)]
    first = found[0]
    assert first["id"] == f"{account.removeprefix('act_')}:{first['hash']}"
    named = ads_account.get_ad_images(fields=["name"], params={"hashes": [first["hash"]]})
    assert [one["name"] for one in named] == [first["name"]]
    with pytest.raises(FacebookRequestError) as refused:
        AdImage(first["id"], api=api).api_get(fields=["name"])
    assert refused.value.api_error_code() == 803


def test_activities(ads_account: AdAccount) -> None:
    rows = list(ads_account.get_activities(fields=["event_type", "event_time"]))
    assert all(row["event_time"].endswith("+0000") for row in rows)


def test_insights_rows_are_text(ads_account: AdAccount) -> None:
    rows = ads_account.get_insights(
        fields=["impressions", "spend", "actions"],
        params={"level": "campaign", "time_range": DAYS, "time_increment": 1},
    )
    row = rows[0]
    assert isinstance(row, AdsInsights)
    assert isinstance(row["impressions"], str)
    assert row["date_start"] == row["date_stop"]


def test_insights_of_one_ad_and_of_its_campaign(
    api: FacebookAdsApi, sim: Simulator, ads_account: AdAccount
) -> None:
    rows = ads_account.get_insights(
        fields=["ad_id", "campaign_id", "spend"], params={"level": "ad", "time_range": DAYS}
    )
    row = rows[0]
    own = Ad(row["ad_id"], api=api).get_insights(fields=["spend"], params={"time_range": DAYS})
    assert own[0]["spend"] == row["spend"]
    campaign = Campaign(row["campaign_id"], api=api)
    total = campaign.get_insights(fields=["spend"], params={"time_range": DAYS})
    assert float(total[0]["spend"]) >= float(row["spend"])


def test_insights_breakdowns_name_themselves(ads_account: AdAccount) -> None:
    rows = ads_account.get_insights(
        fields=["impressions"], params={"breakdowns": ["age", "gender"], "time_range": DAYS}
    )
    assert {"age", "gender"} <= set(rows[0].export_all_data())


def test_insights_pages_join(sim: Simulator, ads_account: AdAccount) -> None:
    params = {"level": "ad", "time_range": DAYS, "time_increment": 1}
    small = [
        r["ad_id"] + r["date_start"]
        for r in ads_account.get_insights(fields=["ad_id"], params={**params, "limit": 4})
    ]
    large = [
        r["ad_id"] + r["date_start"]
        for r in ads_account.get_insights(fields=["ad_id"], params={**params, "limit": 500})
    ]
    assert small == large
    assert len(small) > 8


def finished(sim: Simulator, run: Any) -> AdReportRun:
    sim.sleep(600)
    found: AdReportRun = run.api_get()
    return found


def test_an_async_report_from_start_to_rows(sim: Simulator, ads_account: AdAccount) -> None:
    params = {"level": "ad", "time_range": DAYS, "time_increment": 1}
    run = ads_account.get_insights(fields=["ad_id", "spend"], params=params, is_async=True)
    started = run.api_get()
    assert started["async_status"] == "Job Not Started"
    done = finished(sim, run)
    assert (done["async_status"], done["async_percent_completion"]) == ("Job Completed", 100)
    rows = [row["spend"] for row in done.get_insights(params={"limit": 3})]
    direct = ads_account.get_insights(fields=["ad_id", "spend"], params=params)
    assert rows == [row["spend"] for row in direct]


def test_a_failed_report_names_its_error(sim: Simulator, ads_account: AdAccount) -> None:
    sim.reports.plan_next(Plan.fail(at_pct=100))
    run = finished(sim, ads_account.get_insights(is_async=True))
    assert run["async_status"] == "Job Failed"
    assert (run["error_code"], run["async_percent_completion"]) == (-2, 100)


def test_batch_runs_callbacks_in_order(api: FacebookAdsApi, sim: Simulator, account: str) -> None:
    found: list[Any] = []
    failed: list[Any] = []
    batch = api.new_batch()
    for object_id in (account, "12345"):
        AdAccount(object_id, api=api).api_get(
            fields=["name"], batch=batch,
            success=lambda r: found.append(r.json()), failure=lambda r: failed.append(r.error()),
        )  # fmt: skip
    assert batch.execute() is None
    assert found[0]["name"] == sim.world.accounts()[0].values["name"]
    assert failed[0].api_error_subcode() == 33


def test_null_batch_entries_are_retried_by_the_sdk(
    api: FacebookAdsApi, sim: Simulator, account: str
) -> None:
    sim.fail("POST", "/", with_=Fault.null_batch_entries([1]))
    found: list[Any] = []
    batch = api.new_batch()
    for kind in ("campaigns", "adsets", "ads"):
        entity = sim.world.objects(kind, account)[0]
        Campaign(entity.id, api=api).api_get(batch=batch, success=lambda r: found.append(r.json()))
    again = batch.execute()
    assert len(found) == 2
    assert len(again) == 1
    assert again.execute() is None
    assert len(found) == 3


def test_inner_usage_headers_are_in_a_batch(
    api: FacebookAdsApi, sim: Simulator, account: str
) -> None:
    sim.limits.use(account, "ads_management", 50)
    found: list[Any] = []
    batch = api.new_batch()
    Campaign(sim.world.objects("campaigns", account)[0].id, api=api).api_get(
        batch=batch, success=found.append
    )
    batch.execute()
    names = {header["name"] for header in found[0].headers()}
    assert "X-Business-Use-Case-Usage" in names


def test_an_error_keeps_its_parts(ads_account: AdAccount, sim: Simulator) -> None:
    sim.fail(
        "GET",
        "/ads",
        with_=Fault.graph_error(
            17,
            2446079,
            message="User request limit reached",
            transient=False,
            user_title="Ad Account Has Too Many API Calls",
        ),
    )
    with pytest.raises(FacebookRequestError) as caught:
        ads_account.get_ads()
    error = caught.value
    assert (error.http_status(), error.api_error_code(), error.api_error_subcode()) == (
        400,
        17,
        2446079,
    )
    assert error.api_transient_error() is False
    assert error.body()["error"]["error_user_title"] == "Ad Account Has Too Many API Calls"


def test_blamed_fields_are_read(api: FacebookAdsApi, sim: Simulator, account: str) -> None:
    sim.expect("unknown_value")
    with pytest.raises(FacebookRequestError) as caught:
        api.call("GET", (account, "insights"), params={"level": "planet"})
    assert caught.value.get_message() == "Call was not successful"
    assert caught.value.api_blame_field_specs() == [["level"]]


def test_a_throttled_call_has_its_headers(sim: Simulator, account: str) -> None:
    sim.reset(new_world(), limits=Limits(calls=2))
    ads_account = AdAccount(account, api=api_for(sim))
    for _ in range(2):
        ads_account.get_ads()
    with pytest.raises(FacebookRequestError) as caught:
        ads_account.get_ads()
    assert caught.value.api_error_code() == 80004
    assert "x-business-use-case-usage" in caught.value.http_headers()


def test_appsecret_proof_is_checked(sim: Simulator, account: str) -> None:
    sim._app = App(require_proof=True)
    sim.reset(new_world())
    try:
        good = api_for(sim, app_secret=sim.tokens.app.secret)
        assert AdAccount(account, api=good).api_get()["id"] == account
        with pytest.raises(FacebookRequestError) as caught:
            AdAccount(account, api=api_for(sim)).api_get()
        assert "appsecret_proof" in caught.value.api_error_message()
    finally:
        sim._app = None


def test_a_service_unavailable_page_is_a_failure(ads_account: AdAccount, sim: Simulator) -> None:
    sim.fail("GET", "/ads", with_=Fault.html_200())
    with pytest.raises(FacebookRequestError):
        ads_account.get_ads()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.drop_connection(), ConnectionError),
        (Fault.truncate(), ChunkedEncodingError),
        (Fault.reset_connection(), (ChunkedEncodingError, ConnectionError)),
    ],
)
def test_broken_connections(
    ads_account: AdAccount, sim: Simulator, fault: Fault, error: type[Exception]
) -> None:
    sim.fail("GET", "/ads", with_=fault)
    with pytest.raises(error):
        ads_account.get_ads()
    assert ids(ads_account.get_ads())


def test_a_stalled_answer_runs_into_the_read_timeout(sim: Simulator, account: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.stall(30))
    with pytest.raises(ReadTimeout):
        AdAccount(account, api=api_for(sim, timeout=0.2)).get_ads()


def test_a_rename_and_a_deletion(api: FacebookAdsApi, sim: Simulator, account: str) -> None:
    campaign = Campaign(shown(sim, "campaigns", account)[0], api=api)
    campaign.api_update(params={"name": "By the SDK"})
    assert campaign.api_get(fields=["name"])["name"] == "By the SDK"
    campaign.api_delete()
    assert campaign.get_id() not in ids(AdAccount(account, api=api).get_campaigns())


def test_a_retired_version_is_refused(sim: Simulator, account: str) -> None:
    sim.contract.retire_version(FacebookAdsApi.API_VERSION)
    with pytest.raises(FacebookRequestError) as caught:
        AdAccount(account, api=api_for(sim)).api_get()
    assert caught.value.api_error_code() == 2635
