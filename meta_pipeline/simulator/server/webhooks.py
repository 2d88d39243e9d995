"""Deliveries of webhooks: signed, late, doubled, disordered, many at once, again for 36 hours."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests

from meta_pipeline.simulator.api.subscriptions import OBJECT, Subscriptions
from meta_pipeline.simulator.api.tokens import Tokens
from meta_pipeline.simulator.world import World

MOST_CHANGES = 1_000
"""Changes of one POST."""
AGAIN_AFTER = tuple(
    timedelta(minutes=minutes) for minutes in (0, 1, 5, 30, 120, 480, 960, 1_440, 2_160)
)
"""Since the first attempt; after the last one, 36 hours later, a delivery is dropped."""
# Meta asks for a quick 200 and names no time (FACTS section 10): this one is ours.
_TIMEOUT_SECONDS = 10.0
_KINDS = {"campaigns": "campaign", "adsets": "adset", "ads": "ad"}


@dataclass(frozen=True)
class Change:
    """One change of one ad account; `at` is when it happened, now where it is not said."""

    account_id: str
    field: str
    value: Any
    at: datetime | None = None


@dataclass
class WebhookPost:
    """One POST and what became of it: the status of each attempt, None where nobody answered."""

    body: bytes
    first_at: datetime
    statuses: list[int | None] = field(default_factory=list)

    @property
    def is_taken(self) -> bool:
        """Whether an attempt was answered 200."""
        return bool(self.statuses) and self.statuses[-1] == 200

    @property
    def is_dropped(self) -> bool:
        """Whether it was given up."""
        return not self.is_taken and len(self.statuses) >= len(AGAIN_AFTER)

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be tried (again) now."""
        if self.is_taken or self.is_dropped:
            return False
        return now >= self.first_at + AGAIN_AFTER[len(self.statuses)]


class Webhooks:
    """Tells the app of one simulation what changed; `deliveries` is everything it ever sent."""

    def __init__(
        self,
        world: World,
        tokens: Tokens,
        subscriptions: Subscriptions,
        clock: Callable[[], datetime],
    ) -> None:
        self._world, self._tokens, self._subscriptions = world, tokens, subscriptions
        self._clock = clock
        self.deliveries: list[WebhookPost] = []

    def status_of(self, object_id: str) -> Change:
        """What Meta tells when the effective status of an object changed; no new value."""
        entity = self._world.get(object_id)
        if entity is None or entity.kind not in _KINDS:
            raise LookupError(f"there is no campaign, ad set or ad {object_id}")
        value = {
            "object_id": object_id,
            "object_type": _KINDS[entity.kind],
            "changed_fields": ["effective_status"],
        }
        return Change(entity.account_id, "field_changed", value)

    def deliver(
        self,
        changes: Iterable[Change],
        *,
        url: str | None = None,
        secret: str | None = None,
        per_post: int = MOST_CHANGES,
        copies: int = 1,
        disorder: int | None = None,
        late_seconds: float = 0.0,
        is_forged: bool = False,
    ) -> list[WebhookPost]:
        """POST the changes, signed; what is not answered 200 is tried again by `retry`.

        `url` and `secret` take the place of the app's. Each change is told in `copies` posts;
        `disorder` is the seed of their order; `late_seconds` how long ago they happened;
        `is_forged` signs with another secret. Without `url`, only what the app subscribed to of
        accounts that are connected to it is told.
        """
        app = self._tokens.app
        to = url
        told = list(changes)
        if to is None:
            subscribed = self._subscriptions.of_app.get(app.id)
            if subscribed is None:
                raise ValueError("the app has no subscription: give `url`, or subscribe it")
            to = subscribed.callback_url
            told = [
                one
                for one in told
                if self._subscriptions.is_told(
                    app.id,
                    one.account_id,
                    "effective_status" if one.field == "field_changed" else one.field,
                )
            ]
        # Meta may tell a change twice, and out of order (FACTS section 10).
        told *= copies
        if disorder is not None:
            random.Random(disorder).shuffle(told)  # noqa: S311 - an order, not a secret
        now = self._clock()
        happened = now - timedelta(seconds=late_seconds)
        made = [WebhookPost(body, now) for body in _bodies(told, happened, per_post)]
        self.deliveries += made
        key = secret or app.secret
        for one in made:
            self._attempt(one, to, f"not {key}" if is_forged else key)
        return made

    def retry(self, *, url: str | None = None, secret: str | None = None) -> list[WebhookPost]:
        """Try again what is due by the clock; gives what was tried."""
        app = self._tokens.app
        subscribed = self._subscriptions.of_app.get(app.id)
        to = url or (subscribed.callback_url if subscribed else None)
        if to is None:
            raise ValueError("the app has no subscription: give `url`, or subscribe it")
        due = [one for one in self.deliveries if one.is_due(self._clock())]
        for one in due:
            self._attempt(one, to, secret or app.secret)
        return due

    def _attempt(self, one: WebhookPost, to: str, secret: str) -> None:
        signature = hmac.new(secret.encode(), one.body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": f"sha256={signature}",
        }
        try:
            answer = requests.post(
                to, data=one.body, headers=headers, timeout=_TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException:
            one.statuses.append(None)
        else:
            one.statuses.append(answer.status_code)


def _bodies(changes: Sequence[Change], happened: datetime, per_post: int) -> Iterator[bytes]:
    """Envelopes of so many changes; those of one account and moment next to each other share one
    entry. Slashes and what is beyond ASCII are escaped, as Meta sends them.
    """
    for start in range(0, len(changes), per_post):
        entries: list[dict[str, Any]] = []
        for one in changes[start : start + per_post]:
            number = one.account_id.removeprefix("act_")
            time = int((one.at or happened).timestamp())
            if not entries or (entries[-1]["id"], entries[-1]["time"]) != (number, time):
                entries.append({"id": number, "time": time, "changes": []})
            entries[-1]["changes"].append({"field": one.field, "value": one.value})
        text = json.dumps({"object": OBJECT, "entry": entries}, separators=(",", ":"))
        yield text.replace("/", "\\/").encode()
