"""Notifier: tells each channel what changed since it was last told, and no more often than
people can stand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from time import monotonic

from meta_pipeline.deadline import NoAnswerInTime, answer_within
from meta_pipeline.moments import LONG_AGO, past
from meta_pipeline.warehouse import Connection

from .channels import Channel, DeliveryFailed
from .condition import Grade
from .message import Message, compose
from .store import Alert, AlertStore, ChannelState

# News that can wait is told together: one message an hour is read, sixty are not.
DIGEST = timedelta(hours=1)
URGENT = timedelta(minutes=5)
"""Least time between two messages when something urgent is among the news."""
CALM = timedelta(minutes=10)
"""How long a problem has to be over before that is told: what flaps is not back to normal."""

DEADLINE_SECONDS = 20.0
"""How long one channel may take."""
LEAST_SECONDS = 10.0
"""With less none is begun: what is given up may still arrive, and would be told again."""
ROUND_SECONDS = 50.0
"""How long a round may take over all channels, for who says nothing else."""

logger = logging.getLogger("meta_pipeline.alerts")


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one channel in one round; `error` says why nothing got through."""

    channel: str
    news: int = 0
    over: int = 0
    error: str | None = None


class Notifier:
    """Sends what is due. State is in Postgres, so any number of notifiers tell a thing once.

    A message goes out when something opened, got worse or ended since the channel's last message,
    and that one was `digest` ago; what is urgent waits no more than five minutes. An end counts
    once it has lasted ten minutes. What opened and ended in between is never told. A failed
    delivery is tried again by the next round.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Connection]],
        channels: Sequence[Channel],
        *,
        digest: timedelta = DIGEST,
        ui_url: str | None = None,
        is_simulated: bool = False,
        timer: Callable[[], float] = monotonic,
        least_seconds: float = LEAST_SECONDS,
    ) -> None:
        self._connect = connect
        self._timer = timer
        self._least_seconds = least_seconds
        self._channels = channels
        self._digest = digest
        self._ui_url = ui_url
        self._is_simulated = is_simulated

    def tell(self, now: datetime, seconds: float = ROUND_SECONDS) -> list[Told]:
        """One round over all channels; gives those that had something to tell.

        After so many seconds no channel is waited for: those to come share what is left, and none
        is begun with too little of it. Each round has an order of its own.
        """
        rounds: list[Told] = []
        ends_at = self._timer() + seconds
        # By the clock: in short rounds one that is silent must not always come before the others.
        turns = Random(now.timestamp()).sample(self._channels, len(self._channels))  # noqa: S311 - an order, not a secret
        for place, channel in enumerate(turns):
            share = partial(self._share, ends_at, len(turns) - place)
            try:
                told = self._tell(channel, now, share)
            except Exception as error:  # whatever breaks in it, the next one is told
                logger.exception("Alerts: nothing could be told by %s", channel.name)
                told = Told(channel.name, error=type(error).__name__)
            if told is not None:
                rounds.append(told)
        return rounds

    def _share(self, ends_at: float, channels: int) -> float:
        """The seconds that the first of so many channels may take; 0: too few are left."""
        left = ends_at - self._timer()
        if left < self._least_seconds:
            return 0
        return min(DEADLINE_SECONDS, max(self._least_seconds, left / channels))

    def _tell(self, channel: Channel, now: datetime, share: Callable[[], float]) -> Told | None:
        with self._connect() as connection:
            store = AlertStore(connection)
            if not store.try_lock(channel.name):
                return None
            state, current = store.channel(channel.name), store.open()
            news = [alert for alert in current if alert.grade > state.told.get(alert.alert_key, 0)]
            gone = store.named(state.told.keys() - {alert.alert_key for alert in current})
            over = [
                one
                for one in gone
                if one.resolved_at and now - (past(one.resolved_at, now) or LONG_AGO) >= CALM
            ]
            if not self._is_due(state, news, over, now):
                return None
            message = compose(
                news,
                over,
                still_open=len(current) - len(news),
                now=now,
                ui_url=self._ui_url,
                is_simulated=self._is_simulated,
            )
            told_over = {alert.alert_key for alert in over}
            waiting = [alert for alert in gone if alert.alert_key not in told_over]
            told = _told(channel, message, share())
            _note(store, told, state.once_told([*current, *waiting]), now)
            return told

    def _is_due(
        self, state: ChannelState, news: Sequence[Alert], over: Sequence[Alert], now: datetime
    ) -> bool:
        if not news and not over:
            return False
        sent_at = past(state.last_sent_at, now)
        if sent_at is None:
            return True
        is_urgent = any(alert.grade >= Grade.URGENT for alert in news)
        return now - sent_at >= (min(URGENT, self._digest) if is_urgent else self._digest)


def tell_all(channels: Sequence[Channel], message: Message) -> list[Told]:
    """Send one message by every channel now, whatever they were told before; no state is kept."""
    return [_told(channel, message) for channel in channels]


def _note(store: AlertStore, told: Told, known: dict[str, int], now: datetime) -> None:
    if told.error is not None:
        store.failed(told.channel, told.error, now)
    else:
        store.delivered(told.channel, known, now)


def _told(channel: Channel, message: Message, seconds: float = DEADLINE_SECONDS) -> Told:
    try:
        _send(channel, message, seconds)
    except Exception as error:  # what a channel meets is not known beforehand
        # The words of other errors may quote the secret address or the password.
        why = str(error) if isinstance(error, DeliveryFailed) else type(error).__name__
        logger.error("Not delivered by %s: %s", channel.name, why)
        return Told(channel.name, error=why)
    return Told(channel.name, news=message.news, over=message.over)


def _send(channel: Channel, message: Message, seconds: float) -> None:
    """Send it, or fail after so long: a server that drips keeps no other channel waiting."""
    if not seconds:
        raise DeliveryFailed("not begun, too little time was left")
    try:
        answer_within(seconds, lambda: channel.send(message), name=f"alert by {channel.name}")
    except NoAnswerInTime:
        raise DeliveryFailed(f"not delivered within {seconds:.0f} s") from None
