"""Every code of FACTS §3.3, row by row, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.graph import error_rule, errors, troubleshooting
from meta_pipeline.graph.error_answer import Refusal, error_of
from meta_pipeline.graph.error_lookup import rule_for
from meta_pipeline.graph.error_policy import TABLE
from meta_pipeline.graph.errors import GraphError, Throttled, Treatment
from meta_pipeline.graph.usage import parse_usage
from meta_pipeline_tests.graph.conftest import NOW

T = Treatment
REDUCE = "Please reduce the amount of data you're asking for, then retry your request"

# Written from FACTS §3.3, not from the table: (code, subcode, message, what to do).
FACTS = [
    (200, None, "(#200) Requires ads_read permission", T.SKIP),
    (1, None, REDUCE, T.SHRINK),
    (1, None, "API Unknown", T.RETRY),
    (1, 99, "An unknown error occurred", T.RETRY),
    (1, 2853001, "An unknown error occurred", T.STOP),
    (2, None, "(#2) Service temporarily unavailable", T.RETRY),
    (2, 1504041, "", T.STOP),
    (2, 1504042, "", T.STOP),
    (2, 1504038, "", T.GO_ASYNC),
    (2, 1504043, "", T.GO_ASYNC),
    (2, 1504044, "", T.GO_ASYNC),
    (-2, 2490547, "Report Failed", T.NEW_REPORT),
    (-3, 1504045, "Report Too Large", T.SPLIT),
    (3, None, "", T.STOP),
    (4, None, "(#4) Application request limit reached", T.WAIT),
    (4, 1504022, "", T.WAIT),
    (4, 1504039, "", T.WAIT),
    (10, None, "", T.SKIP),
    (17, 2446079, "(#17) User request limit reached", T.WAIT),
    (17, None, "(#17) User request limit reached", T.WAIT),
    (17, 1885172, "", T.STOP),
    (32, None, "", T.WAIT),
    (100, None, "Invalid parameter", T.STOP),
    (100, 33, "Unsupported get request.", T.SKIP),
    (100, 1487534, "", T.SHRINK),
    (100, 1504018, "", T.GO_ASYNC),
    (100, 3191001, "", T.SKIP),
    (100, 1487561, "Invalid parameter", T.DROP_VALUE),
    (100, 2446289, "", T.DROP_FIELD),
    (100, 2446211, "", T.DROP_FIELD),
    (100, 1443048, "", T.DROP_FIELD),
    (100, None, "Cannot include reach in summary param because they weren't there", T.RETRY),
    (100, None, "(#100) Missing permissions", T.SKIP),
    (100, None, "(#100) Tried accessing nonexisting field (x) on node type (Ad)", T.DROP_FIELD),
    (100, None, "API calls from the server require an appsecret_proof argument", T.STOP),
    (100, None, "Invalid appsecret_proof provided in the API argument", T.STOP),
    (102, None, "", T.REAUTHORIZE),
    (104, None, "", T.RETRY),
    (190, None, "", T.REAUTHORIZE),
    *[(190, sub, "", T.REAUTHORIZE) for sub in (458, 459, 460, 463, 464, 467, 492)],
    (194, None, "", T.STOP),
    (2500, None, "", T.STOP),
    (2642, None, "", T.RESTART),
    (3001, None, "", T.STOP),
    (200, None, "(#200) Requires business_management permission", T.SKIP),
    (200, 1870034, "", T.SKIP),
    *[(code, None, "", T.SKIP) for code in (201, 210, 272, 294, 299)],
    (341, None, "", T.WAIT),
    (368, None, "", T.STOP),
    (452, None, "", T.REAUTHORIZE),
    (506, None, "", T.STOP),
    (613, None, "(#613) Calls to this api have exceeded the rate limit.", T.WAIT),
    *[(613, sub, "", T.WAIT) for sub in (1487742, 1487632, 1487225, 5044001, 1996)],
    (960, None, "", T.SPLIT),
    *[(100, sub, "", T.STOP) for sub in (1487056, 1487566, 1885088, 1487990, 1487694)],
    *[(sub, None, "", T.STOP) for sub in (1487056, 1487566, 1885088, 1487990, 1487694)],
    (100, 1885272, "", T.STOP),
    (100, 1885650, "", T.STOP),
    (2601, None, "There was an error running your report.", T.NEW_REPORT),
    (2601, 1487742, "There was an error running your report.", T.NEW_REPORT),
    (2635, None, "", T.STOP),
    *[(code, None, "", T.SKIP) for code in (2606, 2607, 2615, 2654)],
    (3018, None, "", T.CLAMP),
    *[(code, 2446079, "", T.WAIT) for code in (80000, 80003, 80004)],
    *[
        (code, None, "", T.WAIT)
        for code in (80000, 80001, 80002, 80003, 80004, 80005, 80006, 80008, 80009, 80014)
    ],
]


# Texts of code 100 that people reported or that follow from the form: what they name.
NAMED = [
    ("action_attribution_windows[0] must be one of the following values: 1d_view, 1d_click, ...",
     "action_attribution_windows", 0, None),
    ('Param breakdowns[1] must be one of {ad_format_asset, age} - got "dma".',
     "breakdowns", 1, "dma"),
    ("filtering[0][value][10] must be one of the following values: ACTIVE",
     "filtering", 10, None),
    ("Param effective_status[3] is not valid", "effective_status", 3, None),
    ("level must be one of the following values: ad; got 'adgroup'", "level", None, "adgroup"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "parameter", "index", "value"), NAMED)
def test_a_value_that_is_not_taken_is_named(
    text: str, parameter: str, index: int | None, value: str | None
) -> None:
    error = raised(100, None, f"(#100) {text}")
    assert isinstance(error, errors.ValueRejected)
    assert (error.parameter, error.index, error.value) == (parameter, index, value)


def test_blame_names_a_value_where_the_text_is_localised() -> None:
    refusal = Refusal.of(
        {
            "message": "(#100) Ungültiger Parameter",
            "code": 100,
            "error_data": '{"blame_field_specs":[["breakdowns[2]"]]}',
        }
    )
    error = error_of(refusal, now=NOW, http_status=400)
    assert isinstance(error, errors.ValueRejected)
    assert (error.parameter, error.index) == ("breakdowns", 2)


KEPT = "only available for the last"
NO_OLD_REACH = "(#100) Reach-related metric breakdowns are unavailable due to rate limit threshold."


@pytest.mark.parametrize(
    ("code", "subcode", "text", "kind", "months"),
    [
        (3018, None, "cannot be beyond 37 months from the current date", errors.RangeTooOld, 37),
        (3018, None, "Bitte später beginnen", errors.RangeTooOld, 37),
        (100, None, f"unique-count fields are {KEPT} 13 months", errors.UniqueCountsTooOld, 13),
        (100, None, f"frequency_value is {KEPT} 6 months", errors.UniqueCountsTooOld, 6),
        (100, None, NO_OLD_REACH, errors.UniqueCountsTooOld, 13),
    ],
)  # fmt: skip
def test_how_far_back_meta_answers_is_read_from_its_text(
    code: int, subcode: int | None, text: str, kind: type[errors.RangeTooOld], months: int
) -> None:
    error = raised(code, subcode, text)
    assert type(error) is kind
    assert error.months == months


@pytest.mark.parametrize(
    "text",
    [
        *("Missing perms", "(#100) Missing permissions", "MISSING PERMISSION"),
        *("missing permission(s)", "(#100) Insufficient permissions", "(#100) Requires ads_read"),
        "(#100) The user does not have permission to read this ad account",
    ],
)
def test_missing_permissions_in_any_words(text: str) -> None:
    assert isinstance(raised(100, None, text), errors.PermissionDenied)


def raised(code: int | None, subcode: int | None = None, message: str = "x", **more: object):  # type: ignore[no-untyped-def]
    refusal = Refusal(message=message, code=code, subcode=subcode)
    return error_of(refusal, now=NOW, http_status=400, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "subcode", "message", "treatment"), FACTS)
def test_every_documented_code(
    code: int, subcode: int | None, message: str, treatment: Treatment
) -> None:
    assert rule_for(code, subcode, message, http_status=400).treatment is treatment
    assert raised(code, subcode, message).treatment is treatment


def test_a_blocked_app_is_told_from_a_permission_by_its_text() -> None:
    assert type(raised(200, None, "API access blocked.")) is errors.AppRefused
    assert type(raised(200, None, "(#200) API access")) is errors.PermissionDenied


@pytest.mark.parametrize(("code", "subcode", "message", "treatment"), FACTS)
def test_a_code_alone_decides_when_the_text_is_localised(
    code: int, subcode: int | None, message: str, treatment: Treatment
) -> None:
    """Only where one bare code means several things may the text matter (FACTS §3.1)."""
    if subcode is not None or code not in {1, 100}:
        assert rule_for(code, subcode, "Bitte warten").treatment is treatment


@pytest.mark.parametrize(
    ("given", "treatment"),
    [
        ({"code": 987654}, T.STOP),
        ({"code": None}, T.STOP),
        ({"code": 987654, "http_status": 500}, T.RETRY),
        ({"code": 987654, "http_status": 429}, T.WAIT),
        ({"code": 987654, "http_status": 401}, T.REAUTHORIZE),
        ({"code": 987654, "is_transient": True}, T.RETRY),
        ({"code": 987654, "message": "There have been too many calls"}, T.WAIT),
        ({"code": 987654, "subcode": 2446079}, T.WAIT),
        ({"code": 987654, "subcode": 1504018}, T.GO_ASYNC),
        ({"code": 1, "subcode": 1504018}, T.GO_ASYNC),
        ({"code": -7, "subcode": 1504045}, T.SPLIT),
        ({"code": 987654, "subcode": 33}, T.STOP),
        ({"code": 100, "is_transient": True}, T.RETRY),
        ({"code": 100, "subcode": 1885272, "is_transient": True}, T.STOP),
        ({"code": 2, "subcode": 1504041, "is_transient": True, "http_status": 500}, T.STOP),
        ({"code": 2, "subcode": 7654321}, T.RETRY),
        ({"code": 190, "subcode": 7654321}, T.REAUTHORIZE),
        ({"code": 613, "subcode": 7654321}, T.WAIT),
    ],
)
def test_codes_without_a_row_have_a_treatment(
    given: dict[str, object], treatment: Treatment
) -> None:
    assert rule_for(**given).treatment is treatment  # type: ignore[arg-type]


@given(
    st.none() | st.integers(-10, 100_000),
    st.none() | st.integers(0, 9_999_999),
    st.text(),
    st.none() | st.integers(200, 599),
    st.none() | st.booleans(),
)
def test_any_error_has_a_rule_and_becomes_an_error(
    code: int | None, subcode: int | None, message: str, http: int | None, transient: bool | None
) -> None:
    refusal = Refusal(message=message, code=code, subcode=subcode, is_transient=transient)
    error = error_of(refusal, now=NOW, http_status=http)
    assert isinstance(error, GraphError)
    assert "Next: " in str(error)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "message",
                        "code",
                        "error_subcode",
                        "error_data",
                        "fbtrace_id",
                        "is_transient",
                        "error_user_msg",
                    ]
                ),
                inner,
            )
        ),
    )
)
def test_any_error_object_is_read(odd: object) -> None:
    error = error_of(Refusal.of(odd), now=NOW, http_status=400)
    assert str(error)


def test_what_is_retried_by_the_client_itself() -> None:
    assert raised(2).retried
    assert raised(104).retried
    assert raised(2, 1504043).retried
    assert not raised(2, 1504041).retried
    assert not raised(2, 1504038).retried
    assert not raised(1, 2853001).retried
    assert not raised(100, 33).retried
    assert not raised(190).retried
    assert not raised(1, None, REDUCE).retried


def test_what_a_smaller_page_may_help() -> None:
    shrinking = [raised(1, None, REDUCE), raised(1), raised(1, 99), raised(100, 1487534)]
    assert all(error.shrinks for error in shrinking)
    others = [raised(2), raised(-3, 1504045), raised(100, 1504018), raised(1, 2853001)]
    assert not any(error.shrinks for error in others)


@pytest.mark.parametrize(
    ("code", "subcode", "kind"),
    [
        (2635, None, errors.VersionExpired),
        (3, None, errors.AppRefused),
        (368, None, errors.Blocked),
        (3018, None, errors.RangeTooOld),
        (10, None, errors.PermissionDenied),
        (100, 33, errors.ObjectMissing),
        (100, 2446289, errors.CreativeUnreadable),
        (2642, None, errors.CursorLost),
    ],
)
def test_errors_have_their_own_class(
    code: int, subcode: int | None, kind: type[GraphError]
) -> None:
    assert type(raised(code, subcode)) is kind


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (
            "(#100) Tried accessing nonexisting field (wish_bid) on node type (AdCampaign)",
            "wish_bid",
        ),
        ("(#100) age_targeting is not valid for fields param. please check", "age_targeting"),
        ("(#100) labels, location are not valid for fields param. please check", "labels"),
    ],
)
def test_a_rejected_field_is_named(message: str, field: str) -> None:
    error = raised(100, None, message)
    assert isinstance(error, errors.FieldRejected)
    assert error.field_name == field


def test_an_unreadable_creative_names_its_field() -> None:
    error = raised(100, 2446211)
    assert isinstance(error, errors.CreativeUnreadable)
    assert error.field_name == "object_story_spec"


def business(use_case: str, minutes: float, tier: str = "development_access") -> str:
    return (
        f'{{"1":[{{"type":"{use_case}","call_count":100,"ads_api_access_tier":"{tier}",'
        f'"estimated_time_to_regain_access":{minutes}}}]}}'
    )


BUSINESS = "x-business-use-case-usage"
ACCOUNT = "x-ad-account-usage"
SCORE = '{"acc_id_util_pct":100,"reset_time_duration":120,"ads_api_access_tier":"%s"}'


@pytest.mark.parametrize(
    ("code", "subcode", "headers", "seconds", "hint"),
    [
        (80000, 2446079, {BUSINESS: business("ads_insights", 7)}, 420, "header"),
        (80000, 2446079, {BUSINESS: business("ads_insights", 0)}, 300, "documented"),
        (80000, 2446079, {BUSINESS: business("unheard_of", 3)}, 180, "header"),
        (80000, 2446079, {BUSINESS: "{broken"}, 300, "documented"),
        (80000, 2446079, {}, 300, "documented"),
        (80000, 2446079, {BUSINESS: business("ads_insights", 10**9)}, 86_400, "header"),
        (80004, 2446079, {ACCOUNT: SCORE % "development_access"}, 300, "documented"),
        (17, 2446079, {}, 300, "documented"),
        (17, 2446079, {ACCOUNT: SCORE % "development_access"}, 120, "header"),
        (
            17,
            2446079,
            {BUSINESS: business("ads_management", 0, "standard_access")},
            60,
            "documented",
        ),
        (17, 2446079, {BUSINESS: business("ads_management", 9)}, 540, "header"),
        (613, 1487742, {}, 300, "documented"),
        (613, 5044001, {}, 1, "documented"),
        (613, 1487632, {}, 3600, "documented"),
        (4, None, {}, 300, "documented"),
        (4, None, {ACCOUNT: SCORE % "standard_access"}, 300, "documented"),
    ],
)
def test_how_long_a_throttle_lasts(
    code: int, subcode: int | None, headers: dict[str, str], seconds: float, hint: str
) -> None:
    stop = raised(code, subcode, usage=parse_usage(headers, "act_1", NOW))
    assert isinstance(stop, Throttled)
    assert (stop.seconds, stop.hint) == (seconds, hint)
    assert stop.until == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("code", "subcode", "scope", "use_case"),
    [
        (4, None, "app", None),
        (4, 1504022, "app", "ads_insights"),
        (17, None, "user", None),
        (17, 2446079, "account", None),
        (32, None, "page", None),
        (80000, 2446079, "account", "ads_insights"),
        (80004, 2446079, "account", "ads_management"),
    ],
)
def test_what_a_throttle_blocks(
    code: int, subcode: int | None, scope: str, use_case: str | None
) -> None:
    stop = raised(code, subcode)
    assert isinstance(stop, Throttled)
    assert (stop.limit.scope, stop.limit.use_case) == (scope, use_case)


def test_no_row_is_there_twice() -> None:
    keys = [(rule.code, rule.subcode, rule.text) for rule in TABLE]
    assert len(keys) == len(set(keys))


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    def tree(kind: type[GraphError], depth: int = 0) -> list[tuple[int, str]]:
        return [(depth, kind.__name__)] + [
            line for child in kind.__subclasses__() for line in tree(child, depth + 1)
        ]

    lines = (errors.__doc__ or "").split("GraphError\n", 1)[1].split("\n\n", 1)[0].splitlines()
    drawn = [(0, "GraphError")] + [
        ((len(line) - len(line.lstrip())) // 4, line.split()[0]) for line in lines
    ]
    assert drawn == tree(GraphError)


def test_every_class_of_the_tree_says_what_to_do() -> None:
    def leaves(kind: type[GraphError]) -> list[type[GraphError]]:
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in leaves(child))]

    for kind in leaves(GraphError):
        assert kind.default_next_step.endswith(".")
        assert kind.__doc__


PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"


def test_the_troubleshooting_page_has_an_entry_for_every_code() -> None:
    headings = {line[4:] for line in PAGE.read_text().splitlines() if line.startswith("### ")}
    documented = {f"{c}" if s is None else f"{c}/{s}" for c, s, _, _ in FACTS}
    by_subcode_alone = {str(sub) for sub in (1487056, 1487566, 1885088, 1487990, 1487694)}
    ranges = {"201", "210", "272", "299", "2601/1487742"}
    by_rule = {rule.key for rule in TABLE}
    with_shared_subcode = {"80000/2446079", "80003/2446079", "80004/2446079"}
    assert documented - by_subcode_alone - ranges - with_shared_subcode <= headings
    assert by_rule <= headings


def test_the_troubleshooting_page_is_up_to_date() -> None:
    assert PAGE.read_text() == troubleshooting.page(), (
        "run: python -m meta_pipeline.graph.troubleshooting > docs/troubleshooting.md"
    )


@pytest.mark.parametrize("row", [error_rule.retry, error_rule.denied, error_rule.stop])
def test_a_row_of_the_table_takes_no_misspelt_word(
    row: Callable[..., error_rule.ErrorRule],
) -> None:
    given = {"code": 100, "subcode": None, "meaning": "No.", "next_step": "Ask.", "text": "no"}
    assert row(**given).text == "no"
    with pytest.raises(TypeError, match="txt"):
        row(**given, txt="no")
