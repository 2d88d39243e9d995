"""Planted worlds: made-up accounts whose truth is known: what do the rules find?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from meta_pipeline.advice.known import Account, Day, Entity, EntityType

FIRST = date(2026, 1, 5)
"""A Monday."""
_CPM = 10.0
_WEEKDAYS = np.array([1.1, 1.05, 1.0, 1.0, 0.95, 0.85, 1.05])
"""How much more or less people buy by day of the week, on average 1."""


def entity(
    rng: np.random.Generator,
    entity_id: str,
    spend: ArrayLike,
    *,
    entity_type: EntityType = "ad",
    rate: ArrayLike = 0.05,
    ctr: ArrayLike = 0.015,
    frequency: float = 1.2,
    is_seasonal: bool = True,
    **given: Any,
) -> Entity:
    """Days of `spend`; `rate` conversions per unit of spend and `ctr` by day or for all.

    Conversions, clicks and impressions are Poisson. `frequency` is impressions a person and day.
    """
    spent = np.asarray(spend, dtype=float)
    shape = spent.shape
    season = _WEEKDAYS[np.arange(len(spent)) % 7] if is_seasonal else np.ones(shape)
    impressions = rng.poisson(spent / _CPM * 1000)
    clicks = rng.poisson(impressions * np.broadcast_to(np.asarray(ctr, dtype=float), shape))
    made = rng.poisson(spent * np.broadcast_to(np.asarray(rate, dtype=float), shape) * season)
    days = tuple(
        Day(
            FIRST + timedelta(days=at),
            float(spent[at]),
            int(impressions[at]),
            int(clicks[at]),
            float(made[at]),
            max(int(impressions[at] / frequency), 1),
        )
        for at in range(len(spent))
        if spent[at] > 0
    )
    owners = {"campaign_id": "c", "adset_id": "s"} if entity_type == "ad" else {"campaign_id": "c"}
    return Entity(
        entity_type=entity_type, entity_id=entity_id, name=entity_id, days=days, **(owners | given)
    )


def account(entities: Sequence[Entity], days: int, **given: Any) -> Account:
    """An account of these entities, known after `days` days, all of them settled."""
    last = FIRST + timedelta(days=days - 1)
    values: dict[str, Any] = {
        "account_id": "act_1",
        "name": "Planted",
        "currency": "EUR",
        "today": last + timedelta(days=1),
        "settled_until": last,
        "entities": tuple(entities),
    }
    return Account(**(values | given))


def steady_spend(rng: np.random.Generator, days: int, amount: float = 100.0) -> Any:
    """Spend around an amount, a tenth up or down by day."""
    return amount * np.exp(rng.normal(0, 0.1, days))
