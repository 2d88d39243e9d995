"""Advice: one thing to do, why, on which numbers, by which method, and with how much doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from .known import Account, Entity

ADS_MANAGER = "https://adsmanager.facebook.com/adsmanager/manage"
GROUPED = 3
"""More of one cause than this are one advice."""
# Ads Manager has no page of ad accounts: of one it opens the campaigns.
_EDGES = {"account": "campaigns", "campaign": "campaigns", "adset": "adsets", "ad": "ads"}
_NOUNS = {"account": "ad account", "campaign": "campaign", "adset": "ad set", "ad": "ad"}


class Kind(StrEnum):
    """What a piece of advice is about."""

    DELIVERY = "delivery"
    LEARNING_LIMITED = "learning_limited"
    PAUSE = "pause"
    SCALE = "scale"
    FATIGUE = "fatigue"
    PACING = "pacing"
    ANOMALY = "anomaly"
    BUDGET_SHIFT = "budget_shift"
    DUPLICATES = "duplicates"


class Severity(StrEnum):
    """How much it costs to wait: low can wait a week, high should be looked at today."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One advice: a step on an entity, and everything it takes to disagree with it."""

    account_id: str
    kind: Kind
    severity: Severity
    entity_type: str
    entity_id: str
    """Whom it is filed under; the account, where it is about several of one cause."""
    entity_name: str
    entity_ids: tuple[str, ...]
    """All it is about."""
    what: str
    """The step, in one sentence."""
    why: str
    """The reason, in the sentence after it."""
    numbers: Mapping[str, Any]
    """Those it rests on, in major units of the account's currency."""
    method: str
    """How they were weighed."""
    doubt: str
    """What speaks against it."""
    confidence: float | None
    """A probability; None where the matter is a fact or was not weighed."""
    expected_effect: str
    as_of: date
    """The account's day on which it was given."""
    review_on: date
    """The day from which its outcome can be seen."""
    ads_manager_url: str
    subject: str = ""
    """Tells it apart from others of its kind and entity."""

    @property
    def key(self) -> str:
        """The same for the same advice on another day, whatever its numbers are by then."""
        return ":".join(filter(None, (self.kind, self.entity_id, self.subject)))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAdvice:
    """A gate that is closed: why nothing is advised on an entity, in a sentence."""

    kind: Kind
    entity_type: str
    entity_id: str
    gate: str
    sentence: str


def advice(
    account: Account, kind: Kind, entity: Entity, *, days_to_review: float = 7, **given: Any
) -> Advice:
    """A piece of advice on an entity of an account; `given` are the fields that are its own."""
    values: dict[str, Any] = {
        "severity": Severity.MEDIUM,
        "entity_ids": (entity.entity_id,),
        "confidence": None,
        "ads_manager_url": ads_manager_url(
            account.account_id, entity.entity_type, entity.entity_id
        ),
    }
    return Advice(
        account_id=account.account_id,
        kind=kind,
        entity_type=entity.entity_type,
        entity_id=entity.entity_id,
        entity_name=entity.name,
        as_of=account.today,
        review_on=account.today + timedelta(days=round(days_to_review)),
        **(values | given),
    )


def ads_manager_url(account_id: str, entity_type: str, *entity_ids: str) -> str:
    """Where a person finds the entities in Ads Manager."""
    query = f"act={account_id.removeprefix('act_')}"
    if entity_type != "account":
        query += f"&selected_{entity_type}_ids={','.join(entity_ids)}"
    return f"{ADS_MANAGER}/{_EDGES[entity_type]}?{query}"


def named(entity: Entity) -> str:
    """An entity in a sentence: what it is, its name or else its id."""
    noun = _NOUNS[entity.entity_type]
    return f"{noun} “{entity.name}”" if entity.name else f"{noun} {entity.entity_id}"


def cost_per_result(entity: Entity) -> str:
    """What is compared, in a sentence: which results are meant is said where it is known."""
    metric = entity.result_metric
    if metric is None or metric == "results":
        return "cost per result"
    if entity.result_name:
        return f"cost per result (“{entity.result_name}”)"
    return f"cost per result ({metric.replace('_', ' ')})"


def money(amount: float, currency: str) -> str:
    """An amount in a sentence."""
    return f"{amount:,.2f} {currency}".rstrip()  # an account that was never read has no currency
