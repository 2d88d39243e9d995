"""Gates: what has to be true before numbers are weighed. Each gives why it is closed, or None."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from .advice import named
from .known import Account, Entity
from .thresholds import Thresholds

Closed = tuple[str, str] | None
"""Name of the gate that is closed and the reason as the end of a sentence."""


def settled(account: Account, thresholds: Thresholds) -> date:
    """The newest day whose numbers are taken as settled."""
    assumed = account.yesterday - timedelta(days=round(thresholds.settled_days))
    return min(account.settled_until or assumed, account.yesterday)


def settled_enough(since: date, until: date) -> Closed:
    """Whether a day is left between the first one that may be used and the last settled one."""
    if since <= until:
        return None
    return "settled", f"no day since {since} has settled yet (settled up to {until})"


def reconciled(account: Account, since: date, until: date) -> Closed:
    """Whether no day of these has ad rows that do not add up to the account's own row."""
    days = sorted(one for one in account.differing if since <= one <= until)
    if not days:
        return None
    listed = ", ".join(map(str, days[:3]))
    return "reconciled", (
        f"the ad rows of {len(days)} days do not add up to the account's own ({listed}); read them "
        f"again: meta-pipeline sync {account.account_id} --force"
    )


def one_currency(account: Account, since: date) -> Closed:
    """Whether all days from this one on are held in the account's currency of today."""
    until = account.other_currency_until
    if until is None or until < since:
        return None
    return "currency", (
        f"amounts up to {until} are stored in another currency than the account's "
        f"{account.currency}, and of two nothing is compared"
    )


def not_learning(account: Account, entities: Iterable[Entity]) -> Closed:
    """Whether neither these nor the ad sets they are in are still learning."""
    learning = account.still_learning
    names = (name for one in entities for name in (one.entity_id, one.adset_id) if name)
    places = [learning[name] for name in names if name in learning]
    if not places:
        return None
    # Of several the first in the account is named.
    return "learning", f"the {named(account.entities[min(places)])} is still learning"


def volume(results: float, needed: float, what: str) -> Closed:
    """Whether there is enough to judge by."""
    if results >= needed:
        return None
    return "volume", f"{results:,.0f} {what} are too few to judge by: {needed:,.0f} are needed"


def is_weighty(account: Account, entity: Entity, thresholds: Thresholds) -> bool:
    """Whether it has a share of the account's spend that a step on it would be felt by."""
    least = thresholds.least_spend_share * account.whole_spend_a_day
    return account.spend_a_day(entity) >= least


def unchanged(account: Account, entities: Sequence[Entity], thresholds: Thresholds) -> Closed:
    """Whether no change of these or what they are in is inside its observation window."""
    for one in account.changes_of(_owners(account, entities)):
        # Switched off and on it delivers as before: its days only begin anew (`last_change`).
        days = {
            "budget": thresholds.budget_observation_days,
            "creative": thresholds.creative_observation_days,
            "bid": thresholds.bid_observation_days,
            "status": 0.0,
        }
        until = one.day + timedelta(days=round(days[one.kind]))
        if one.day < account.today < until:
            return "observation", (
                f"a change of {one.kind} on {one.day} is still being observed, until {until}"
            )
        # Of whatever kind: no whole day shows yet what it did.
        if one.day >= account.today:
            return "observation", f"a change of {one.kind} was made today"
    return None


def same_attribution(entities: Iterable[Entity]) -> Closed:
    """Whether the conversions of all are counted in the same attribution window (FACTS 16)."""
    settings = {one.attribution for one in entities}
    if len(settings) <= 1:
        return None
    return "attribution", (
        "their conversions are counted in different attribution windows, so their CPAs say nothing "
        "of each other"
    )


def undecided(account: Account, entity: Entity) -> Closed:
    """Whether no rule before advises to pause it, or to give it more."""
    if entity.entity_id not in account.to_pause | account.to_scale:
        return None
    return "decided", "pausing it or raising its budget is advised already"


def last_change(account: Account, entities: Sequence[Entity]) -> date | None:
    """The day of the newest change of these or of what they are in.

    Another currency of the account is one: no day up to it is known.
    """
    changed = [one.day for one in account.changes_of(_owners(account, entities))]
    if account.other_currency_until is not None:
        changed.append(account.other_currency_until)
    return max(changed, default=None)


def _owners(account: Account, entities: Sequence[Entity]) -> list[str]:
    # What is changed above an entity changes it too: its campaign's budget, the account's cap.
    names = (
        name
        for one in entities
        for name in (one.entity_id, one.adset_id, one.campaign_id, account.account_id)
    )
    return list(dict.fromkeys(name for name in names if name))
