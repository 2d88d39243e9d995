"""Overrides of many single accounts: counted as each has it, and what that costs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meta_pipeline import metrics
from meta_pipeline.metrics import DictionaryError, read_dictionary
from meta_pipeline.metrics.answers import statement
from meta_pipeline.metrics.answers.dimension import grouping
from meta_pipeline.metrics.answers.period import Period
from meta_pipeline.metrics.answers.question import Account, Question
from meta_pipeline.metrics.definitions.checks import Checks
from meta_pipeline.metrics.definitions.definition import (
    DEFAULT_WINDOW,
    Metric,
    MetricKind,
    Override,
)
from meta_pipeline.metrics.definitions.dictionary import Dictionary
from meta_pipeline.metrics.definitions.document import Place
from meta_pipeline.metrics.expression import Expressions
from meta_pipeline.metrics.source import daily, rollup

from .rows import Rows, ago

ACCOUNTS = [f"act_{n}" for n in range(1, 6)]
ACTIONS = ("lead", "complete_registration", "omni_purchase", "link_click", "like")
CHANGES = [
    *(("registrations", {"actions": [one]}) for one in ACTIONS[:3]),
    ("registrations", {"actions": ["complete_registration", "omni_purchase"]}),
    ("registrations", {"actions": ["like", "lead", "omni_purchase"], "display_name": "Bookings"}),
    ("registrations", {"window": "7d_click"}),
    ("registrations", {"add": ["page_likes", "purchases"]}),
    ("registrations", {"add": ["lead", "like"]}),
    ("registrations", {"add": ["page_likes", "lead", "omni_purchase"]}),
    ("registrations", {"add": ["link_click", "purchases"]}),
    ("page_likes", {"actions": ["link_click"], "window": "7d_click"}),
    ("cpa", {"denominator": "registrations"}),
    ("cpa", {"denominator": "leads", "scale": 10}),
    ("cpl", {"numerator": "revenue"}),
    ("results", {"actions": ["lead", "like"]}),
]
NUMBERS = ("registrations", "page_likes", "results", "leads")
QUICK = settings(max_examples=60, deadline=None)


def override(account: str, metric: str, days: Sequence[int | None], **changes: Any) -> Override:
    since, until = (None if one is None else ago(one) for one in days)
    values: dict[str, Any] = {
        "account": account,
        "metric": metric,
        "note": f"{account} counts so",
        **changes,
    }
    return Override.model_validate({**values, "valid_from": since, "valid_until": until})


SPANS = st.sampled_from([(None, None), (6, None), (None, 7), (5, 3), (9, 8), (2, 2), (3, 1)])
OVERRIDES = st.lists(
    st.builds(
        lambda account, change, days: override(account, change[0], days, **change[1]),
        st.sampled_from(ACCOUNTS),
        st.sampled_from(CHANGES),
        SPANS,
    ),
    max_size=14,
)


def meet(one: Override, other: Override) -> bool:
    return (one.account, one.metric) == (other.account, other.metric) and (
        (one.valid_from or date.min) <= (other.valid_until or date.max)
        and (other.valid_from or date.min) <= (one.valid_until or date.max)
    )


def valid(overrides: Sequence[Override]) -> tuple[Override, ...]:
    kept: list[Override] = []
    for one in overrides:
        if not any(meet(one, other) for other in kept):
            kept.append(one)
    return tuple(kept)


def with_overrides(overrides: Sequence[Override]) -> Dictionary:
    known = read_dictionary()
    return Dictionary(known.metrics, known.families, known.goals, tuple(overrides))


def definitions(dictionary: Dictionary, key: str, account: str) -> list[tuple[Metric, date, date]]:
    """Every override looked at for every account and metric."""
    general = dictionary.metric(key)
    return [
        (one.applied(general), one.valid_from or date.min, one.valid_until or date.max)
        for one in dictionary.overrides
        if one.metric == key and one.account == account
    ]


def version(dictionary: Dictionary, account: str) -> str:
    """The hash of one account, made from the beginning."""
    words = {"display_name", "description", "synonyms"}
    facts = {
        "metrics": [
            metric.model_dump(mode="json", exclude=words | {"unit", "better", "family"})
            for metric in dictionary.stored()
        ],
        "goals": dictionary.goals.model_dump(),
        "overrides": [
            one.model_dump(mode="json", exclude=words | {"note"})
            for one in sorted(
                dictionary.overrides, key=lambda one: (one.metric, one.valid_from or date.min)
            )
            if one.account == account and dictionary.metric(one.metric).kind is MetricKind.SUM
        ],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def question(dictionary: Dictionary, accounts: Sequence[str], keys: Sequence[str]) -> Question:
    return Question(
        dictionary=dictionary,
        metrics=tuple(map(dictionary.metric, keys)),
        accounts=tuple(Account(one, one, "EUR", "Europe/Berlin") for one in accounts),
        periods=(Period(ago(7), ago(1)),) * len(accounts),
        level="account",
        grouping=grouping(["account"], None, None),
        attribution=DEFAULT_WINDOW,
        currency=None,
    )


def check(dictionary: Dictionary) -> None:
    places: list[Place] = [("overrides", position) for position in range(len(dictionary.overrides))]
    Checks(
        dictionary,
        lambda problem, place: DictionaryError(f"{place}: {problem}", path="ours.yaml"),
        places,
    ).run()


@QUICK
@given(OVERRIDES)
def test_each_account_has_the_definitions_and_version_of_its_own_overrides(
    overrides: list[Override],
) -> None:
    dictionary = with_overrides(valid(overrides))
    asked = question(dictionary, ACCOUNTS[:4], ["cpa", "registrations", "results"])
    for account in ACCOUNTS:
        assert dictionary.version(account) == version(dictionary, account)
        for key in ("registrations", "page_likes", "cpa", "results", "spend"):
            own = definitions(dictionary, key, account)
            found = dictionary.variants(key, account)
            assert [one.metric for one in found] == [
                *(metric for metric, _, _ in own),
                dictionary.metric(key),
            ]
            assert [one.days for one in found[:-1]] == [(since, until) for _, since, until in own]
    notes: dict[str, list[dict[str, Any]]] = {}
    for one in dictionary.overrides:
        # What `cpa` is a ratio of, and what `registrations` is.
        of_question = one.metric in {"cpa", "spend", "purchases", "registrations", "results"}
        touched = (one.valid_from or date.min) <= ago(1) and (one.valid_until or date.max) >= ago(7)
        if of_question and touched and one.account in ACCOUNTS[:4]:
            kept = one.model_dump(mode="json", exclude_none=True, exclude={"metric"})
            notes.setdefault(one.metric, []).append(kept)
    assert asked.variant_notes() == notes


@QUICK
@given(OVERRIDES)
def test_the_first_override_that_meets_one_before_it_is_refused(overrides: list[Override]) -> None:
    dictionary = with_overrides(overrides)
    expected = next(
        (n for n, one in enumerate(overrides) if any(meet(one, other) for other in overrides[:n])),
        None,
    )
    if expected is None:
        check(dictionary)
        return
    with pytest.raises(DictionaryError, match="hold on the same days") as refused:
        check(dictionary)
    assert refused.value.problem.startswith(f"('overrides', {expected})")


class OneByOne(Expressions):
    """An arm for each override of each account."""

    def _by_variant(self, key: str, write: Callable[..., str]) -> str:
        metric = self.dictionary.metric(key)
        general = write(metric, ())
        if metric.kind is MetricKind.SUM and not self.source.lists_actions:
            return general
        cases = [
            f"WHEN f.account_id = {self.bind(account)} AND f.date_start BETWEEN"
            f" {self.bind(since)}::date AND {self.bind(until)}::date THEN {write(own, ())}"
            for account in self.accounts
            for own, since, until in definitions(self.dictionary, key, account)
        ]
        return f"(CASE {' '.join(cases)} ELSE {general} END)" if cases else general


def happened(n: int) -> list[dict[str, str]]:
    """Each type on two of three days, with another number on each."""
    return [
        {"action_type": one, "value": str(n * 10 + place + 1), "7d_click": str(n + place)}
        for place, one in enumerate(ACTIONS)
        if (n + place) % 3
    ]


@pytest.fixture
def delivered(rows: Rows) -> Rows:
    for number, account in enumerate(ACCOUNTS):
        rows.tree(account, account)
        for n in range(1, 11):
            listed = happened(n + number)
            rows.insight(f"{account}a1", ago(n), account, spend=n + number, actions=listed)
        metrics.rollup(rows.connection, account)
    return rows


@pytest.mark.parametrize("source", [daily("ad"), rollup("ad")], ids=["insights", "rollup"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(overrides=OVERRIDES)
def test_rows_are_counted_as_with_an_arm_for_each_override(
    delivered: Rows, source: Any, overrides: list[Override]
) -> None:
    dictionary = with_overrides(valid(overrides))
    answers = []
    for kind in (Expressions, OneByOne):
        expressions = kind(dictionary, source, tuple(ACCOUNTS))
        texts = [expressions.summand(key) for key in NUMBERS]
        texts += [
            side(key)
            for key in ("cpa", "cpl")
            for side in (expressions.numerator, expressions.denominator)
        ]
        answers.append(
            delivered.connection.execute(
                f"SELECT f.account_id, f.date_start, {', '.join(texts)}"
                f" FROM {source.table} AS f {expressions.joins} WHERE {source.condition}"
                " ORDER BY 1, 2",
                expressions.params,
            ).fetchall()
        )
    assert answers[0] == answers[1]
    assert len(answers[0]) == 50


class Counted(Override):
    """Counts how often anything of any override is looked at."""

    def __getattribute__(self, name: str) -> Any:
        Looks.count += 1
        return super().__getattribute__(name)


class Looks:
    count = 0


def client(n: int) -> list[Counted]:
    """A client with a conversion of its own in the second half of the year, and its own ratio."""
    since = date(2026, 1, 1) + timedelta(days=n % 300)
    about: dict[str, Any] = {"account": f"act_{n}", "note": "own conversion"}
    own: dict[str, Any] = {"metric": "registrations", "actions": [f"offsite_conversion.custom.{n}"]}
    ratio: dict[str, Any] = {"metric": "cpa", "denominator": "registrations"}
    return [
        Counted.model_validate({**about, **own, "valid_from": since}),
        Counted.model_validate({**about, **ratio}),
    ]


def client_of_some(n: int) -> list[Counted]:
    """A client with two or three conversions of its own, which are added up."""
    own = [f"offsite_conversion.custom.{n * 10 + place}" for place in range(2 + n % 2)]
    about: dict[str, Any] = {"account": f"act_{n}", "note": "own conversions"}
    return [Counted.model_validate({**about, "metric": "registrations", "add": own}), client(n)[1]]


def of_clients(
    clients: int, of_one: Callable[[int], list[Counted]] = client
) -> tuple[Dictionary, list[str]]:
    dictionary = with_overrides([one for n in range(clients) for one in of_one(n)])
    return dictionary, [f"act_{n}" for n in range(clients)]


def asked_of(clients: int, of_one: Callable[[int], list[Counted]] = client) -> str:
    """All that a question does with the overrides of its accounts; the SQL of it."""
    dictionary, accounts = of_clients(clients, of_one)
    asked = question(dictionary, accounts, ["cpa", "registrations", "results"])
    assert len(set(map(dictionary.version, accounts))) == clients
    assert asked.parts_by_goal == set()
    assert len(asked.variant_notes()["cpa"]) == clients
    return statement.sums(asked, daily("ad"), None).sql


def checked(clients: int) -> None:
    dictionary, _ = of_clients(clients)
    known = dictionary.families
    custom = {f"offsite_conversion.custom.{n}" for n in range(clients)}
    assert all(map(known.knows, custom))
    check(dictionary)


@pytest.mark.parametrize("work", [asked_of, checked])
def test_four_times_the_overrides_are_four_times_the_work(work: Callable[[int], Any]) -> None:
    counts = []
    for clients in (250, 1_000):
        Looks.count = 0
        work(clients)
        counts.append(Looks.count)
    assert counts[1] < 4.1 * counts[0]


@pytest.mark.parametrize("of_one", [client, client_of_some])
def test_the_statement_is_as_long_for_a_thousand_conversions_as_for_ten(
    of_one: Callable[[int], list[Counted]],
) -> None:
    assert asked_of(1_000, of_one).count("WHEN") == asked_of(10, of_one).count("WHEN")


class Compared(str):
    """Counts how often it is compared with another."""

    times = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return super().__eq__(other)


def test_a_value_is_compared_with_those_it_may_equal_and_not_with_all() -> None:
    written = Expressions(read_dictionary(), daily("ad"))
    places = [written.bind(Compared(n)) for n in (*range(1_000), *range(1_000))]
    assert places[:1_000] == places[1_000:]
    assert len({*places}) == len(written.params) == 1_000
    assert len({written.bind(one) for one in (1, True, "1")}) == 3
    assert Compared.times <= 2_000


def test_amounts_that_are_added_up_are_exchanged_as_others_are(delivered: Rows) -> None:
    source, days = daily("ad"), (None, None)
    for changes in ({"actions": ["lead"]}, {"add": ["lead"]}):
        own = override("act_1", "revenue", days, list="actions", **changes)
        sums: list[Any] = []
        for factor in ("", "2"):
            written = Expressions(with_overrides([own]), source, ("act_1",), money_factor=factor)
            sums += (
                delivered.connection.execute(
                    f"SELECT sum({written.summand('revenue')}) FROM {source.table} AS f"
                    f" {written.joins} WHERE f.account_id = 'act_1' AND {source.condition}",
                    written.params,
                ).fetchone()
                or ()
            )
        assert sums[1] == 2 * sums[0] > 0


def leads_to(account: str, metric: str, other: str, since: str = "", until: str = "") -> Override:
    days = {"valid_from": since or None, "valid_until": until or None}
    about = {"account": account, "metric": metric, "note": "as the client counts"}
    return Override.model_validate({**about, **days, "add": ["link_click", other]})


def test_overrides_of_two_accounts_may_lead_to_each_other(delivered: Rows) -> None:
    dictionary = with_overrides(
        [
            leads_to("act_1", "page_likes", "registrations"),
            leads_to("act_2", "registrations", "page_likes"),
        ]
    )
    check(dictionary)
    source = daily("ad")
    together = Expressions(dictionary, source, tuple(ACCOUNTS))
    alone = {account: Expressions(dictionary, source, (account,)) for account in ACCOUNTS}
    for key in ("page_likes", "registrations"):
        summed = [
            dict(
                delivered.connection.execute(
                    f"SELECT f.account_id, sum({written.summand(key)}) FROM {source.table} AS f"
                    f" {written.joins} WHERE {source.condition} GROUP BY 1",
                    written.params,
                ).fetchall()
            )
            for written in (together, *alone.values())
        ]
        for account, of_alone in zip(alone, summed[1:], strict=True):
            assert summed[0][account] == of_alone[account] > 0


@pytest.mark.parametrize("days", [("", ""), ("2026-02-01", "2026-02-28")])
def test_overrides_of_an_account_that_lead_to_each_other_are_refused(days: tuple[str, str]) -> None:
    overrides = [
        leads_to("act_1", "page_likes", "registrations", until="2026-01-31"),
        leads_to("act_1", "registrations", "page_likes", *days),
    ]
    with pytest.raises(DictionaryError, match=r"made of each other for act_1: .*page_likes"):
        check(with_overrides(overrides))
