"""Duplicates: one creative in several ad sets that aim at the same people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from meta_pipeline.advice.advice import Advice, Kind, NoAdvice, Severity, advice, money, named
from meta_pipeline.advice.gates import one_currency
from meta_pipeline.advice.known import Account, Entity
from meta_pipeline.advice.thresholds import Thresholds

_WEEK = 7
_TWO = 2


def duplicates(account: Account, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    """Ads of one creative that all spent last week, in different ad sets of equal targeting."""
    del thresholds  # nothing is weighed here: two are the same or are not
    adsets = account.adsets
    by_content: dict[tuple[str, str], list[Entity]] = {}
    for one in account.of_type("ad"):
        adset = adsets.get(one.adset_id or "")
        if one.is_active and one.creative_id and adset is not None and adset.targeting:
            by_content.setdefault((one.creative_id, adset.targeting), []).append(one)
    since = account.today - timedelta(days=_WEEK)
    for (creative, _), ads in by_content.items():
        spent = {
            one.entity_id: sum(day.spend for day in one.between(since, account.yesterday))
            for one in ads
        }
        running = [one for one in ads if spent[one.entity_id] > 0]
        owners = sorted({one.adset_id or "" for one in running})
        if len(owners) >= _TWO:
            running.sort(key=lambda one: (-spent[one.entity_id], one.entity_id))
            yield _advice(account, creative, running, [adsets[one] for one in owners], spent)


def _advice(
    account: Account,
    creative: str,
    ads: list[Entity],
    adsets: list[Entity],
    spent: dict[str, float],
) -> Advice | NoAdvice:
    if (closed := one_currency(account, account.today - timedelta(days=_WEEK))) is not None:
        return NoAdvice(
            kind=Kind.DUPLICATES,
            entity_type="ad",
            entity_id=ads[0].entity_id,
            gate=closed[0],
            sentence=f"No advice on the creative of the {named(ads[0])}: {closed[1]}.",
        )
    total = sum(spent[one.entity_id] for one in ads)
    names = ", ".join(f"“{one.name or one.entity_id}”" for one in adsets[:4])
    return advice(
        account,
        Kind.DUPLICATES,
        ads[0],
        subject=creative,
        days_to_review=14,
        severity=Severity.LOW,
        entity_ids=tuple(one.entity_id for one in ads),
        what=f"Run the creative of the {named(ads[0])} in only one of {len(adsets)} ad sets.",
        why=f"The ad sets {names} have the same targeting, so {len(ads)} ads with this creative "
        "bid for the same people and split the results that end learning; last week they spent "
        f"{money(total, account.currency)} together.",
        numbers={
            "creative_id": creative,
            "ads": len(ads),
            "adsets": [one.entity_id for one in adsets],
            "spend_7d": round(total, 2),
        },
        method="Equal creative id and equal targeting as Meta returns it, spend in the last week.",
        doubt="Meta does not show how far the audiences overlap, and a split test is a good reason "
        "for two.",
        expected_effect="One ad set learns from all of the results.",
    )
