"""Delivery stopped, or Meta names a problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from meta_pipeline.advice.advice import (
    GROUPED,
    Advice,
    Kind,
    NoAdvice,
    Severity,
    ads_manager_url,
    advice,
    money,
    named,
)
from meta_pipeline.advice.known import Account, Entity
from meta_pipeline.advice.thresholds import Thresholds

_ACCOUNT_STATES = {
    2: "disabled",
    3: "unsettled: a payment failed",
    7: "under risk review",
    8: "pending settlement",
    9: "in its grace period: a payment is due",
    100: "about to be closed",
}
"""States in which an account does not deliver, or soon will not (FACTS 12)."""
_REFUSED = ("DISAPPROVED", "WITH_ISSUES", "PENDING_BILLING_INFO")
_STATES = {
    "DISAPPROVED": "Meta's review refused it (DISAPPROVED)",
    "WITH_ISSUES": "it has issues that Meta does not name (WITH_ISSUES)",
    "PENDING_BILLING_INFO": "it waits for billing information (PENDING_BILLING_INFO)",
}
_BILLING = "PENDING_BILLING_INFO"
_CERTAIN = "What Meta reports is certain; whether Meta is right is not, so an appeal may also help."
_WEEK = 7
# A day may be a gap: an ad set that spent on one of three still delivers.
_LATELY = 3
_FORGOTTEN = 28
"""Days of silence after which nobody waits for delivery any more."""


def delivery(account: Account, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    """The account's own state, then entities that Meta refused, then those that fell silent."""
    if account.account_status in _ACCOUNT_STATES:
        yield _account_is_off(account, _ACCOUNT_STATES[account.account_status])
        return
    refused: set[str] = set()
    causes: dict[tuple[str, str], list[Entity]] = {}
    for one in account.of_type("campaign", "adset", "ad"):
        if one.effective_status in _REFUSED or (one.issues and one.is_active):
            # What it is in may have fallen silent by it: that is one cause, told once.
            refused.update(filter(None, (one.entity_id, one.adset_id, one.campaign_id)))
            cause = "+".join(sorted({issue.code for issue in one.issues} - {""}))
            causes.setdefault((one.entity_type, cause or one.effective_status), []).append(one)
    for (_, cause), alike in causes.items():
        # Billing is the account's: ads that wait for it are one thing to do, however few.
        if len(alike) > GROUPED or (cause == _BILLING and len(alike) > 1):
            yield _refused_alike(account, alike, cause)
        else:
            yield from (_refused(account, one) for one in alike)
    for one in account.of_type("adset"):
        if one.is_active and one.entity_id not in refused:
            yield from _silent(account, one, round(thresholds.stopped_days))


def _account_is_off(account: Account, state: str) -> Advice:
    entity = Entity(entity_type="account", entity_id=account.account_id, name=account.name)
    return advice(
        account,
        Kind.DELIVERY,
        entity,
        days_to_review=1,
        severity=Severity.HIGH,
        what=f"Sort out the {named(entity)} on Meta's billing and account quality pages.",
        why=f"Meta says it is {state}, so nothing in it delivers, or soon nothing will.",
        numbers={"account_status": account.account_status},
        method="Meta's account_status, as last read.",
        doubt="The state is certain; only Meta knows the reason.",
        expected_effect="Delivery starts again.",
    )


def _said(entity: Entity) -> str:
    return "; ".join(one.sentence.rstrip(".") for one in entity.issues) or _STATES.get(
        entity.effective_status, f"its effective status is {entity.effective_status}"
    )


def _severity(account: Account, entities: Sequence[Entity]) -> Severity:
    """What its ad set delivers without is worth a look, and can wait a day."""
    since = account.today - timedelta(days=_LATELY)
    for one in entities:
        owner = account.adsets.get(one.adset_id or "")
        if one.entity_type != "ad" or owner is None:
            return Severity.HIGH
        if not any(day.spend for day in owner.between(since, account.yesterday)):
            return Severity.HIGH
    return Severity.MEDIUM


def _refused_alike(account: Account, entities: Sequence[Entity], cause: str) -> Advice:
    first, kind = entities[0], entities[0].entity_type
    names = ", ".join(named(one) for one in entities[:GROUPED])
    more = f" and {len(entities) - GROUPED} more" if len(entities) > GROUPED else ""
    fix = (
        "Complete the billing information for"
        if cause == _BILLING
        else "Fix what Meta objects to in"
    )
    noun = {"campaign": "campaigns", "adset": "ad sets", "ad": "ads"}[kind]
    ids = tuple(one.entity_id for one in entities)
    return advice(
        account,
        Kind.DELIVERY,
        Entity(entity_type="account", entity_id=account.account_id, name=account.name),
        subject=f"{kind}:{cause}",
        days_to_review=2,
        severity=_severity(account, entities),
        entity_ids=ids,
        what=f"{fix} {len(entities)} {noun}: {names}{more}.",
        why=f"Meta says of each: {_said(first)}.",
        numbers={"cause": cause, noun.replace(" ", ""): len(entities)},
        method="effective_status and issues_info, as last read.",
        doubt=_CERTAIN,
        expected_effect="They deliver again.",
        ads_manager_url=ads_manager_url(account.account_id, kind, *ids),
    )


def _refused(account: Account, entity: Entity) -> Advice:
    return advice(
        account,
        Kind.DELIVERY,
        entity,
        days_to_review=2,
        severity=_severity(account, [entity]),
        what=f"Complete the billing information for the {named(entity)}."
        if entity.effective_status == _BILLING
        else f"Open the {named(entity)} in Ads Manager and fix what Meta objects to.",
        why=f"Meta says: {_said(entity)}.",
        numbers={
            "effective_status": entity.effective_status,
            "error_codes": [one.code for one in entity.issues],
        },
        method="effective_status and issues_info, as last read.",
        doubt=_CERTAIN,
        expected_effect="It delivers again.",
    )


def _silent(account: Account, entity: Entity, least_days: int) -> Iterator[Advice]:
    last = max((one.day for one in entity.days if one.spend > 0), default=None)
    if last is None or not least_days <= (days := (account.yesterday - last).days) <= _FORGOTTEN:
        return
    before = entity.between(last - timedelta(days=_WEEK - 1), last)
    if len(before) < _WEEK or not all(one.spend > 0 for one in before):
        return  # it never ran steadily, so silence says little
    usual = sum(one.spend for one in before) / len(before)
    yield advice(
        account,
        Kind.DELIVERY,
        entity,
        days_to_review=2,
        severity=Severity.HIGH,
        what=f"Find out why the {named(entity)} stopped: check its budget, bid cap, audience, "
        "schedule and the pages it leads to.",
        why=f"It is active and used to spend {money(usual, account.currency)} a day, but has spent "
        f"nothing for {days} whole days.",
        numbers={"days_silent": days, "usual_spend_a_day": round(usual, 2)},
        method=f"Every one of the {_WEEK} days before had spend, the last {days} had none.",
        doubt="Days that were not read yet look the same: see how fresh the account's data is.",
        expected_effect=f"About {money(usual, account.currency)} a day is spent again.",
    )
