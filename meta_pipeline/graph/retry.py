"""When to ask again, after how long, and when to give up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter
from tenacity.wait import wait_base

from meta_pipeline.graph.errors import (
    DeadlineExceeded,
    GraphError,
    ObjectMissing,
    Throttled,
)

# A call that took all its time costs Meta's allowance as well: after three the next would, too.
_DEADLINE_REPEATS = 2
logger = logging.getLogger(__name__)

# A wait that is longer is told.
_LONG_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a failed attempt is repeated.

    RetryPolicy()                       # again after about 1, 2 and 4 s, then the error is raised
    RetryPolicy(retries=0)              # never again, but for a report that is not yet everywhere
    RetryPolicy(max_wait_seconds=60)    # sit out throttles of up to a minute here
    """

    retries: int = 3
    first_seconds: float = 1.0
    # Caps one pause.
    max_seconds: float = 30.0
    # Added at random, so that parallel edges do not come back together.
    jitter_seconds: float = 0.5
    # A throttle with a longer wait is raised: no worker is held for minutes.
    max_wait_seconds: float = 5.0
    # For a report created a moment ago and not yet everywhere (100/33), once a second.
    missing_retries: int = 5

    def repeats(
        self, error: GraphError, *, can_shrink: bool, has_shrunk: bool, just_created: bool
    ) -> int:
        """How often the request that failed with `error` is repeated by the client itself.

        With room to shrink one repetition is enough: the smaller page is the better second try.
        What has shrunk is such a try already, and is repeated only when it cannot shrink further.
        """
        if isinstance(error, Throttled):
            is_short = error.hint != "caller" and error.seconds <= self.max_wait_seconds
            return self.retries if is_short else 0
        if isinstance(error, ObjectMissing) and just_created:
            return self.missing_retries
        if not error.retried:
            return 0
        if isinstance(error, DeadlineExceeded):
            # Each costs the call's whole time, and a worker waits for it.
            return min(self.retries, _DEADLINE_REPEATS)
        if error.shrinks and can_shrink:
            return 0 if has_shrunk else min(self.retries, 1)
        return self.retries

    def retrying(
        self, repeats: Callable[[GraphError], int], sleep: Callable[[float], None]
    ) -> Retrying:
        """A tenacity loop; `repeats(error)` says how often that error may be repeated."""
        backoff: wait_base = wait_exponential_jitter(
            initial=self.first_seconds, max=self.max_seconds, jitter=self.jitter_seconds
        )

        def wait(state: RetryCallState) -> float:
            error = _error_of(state)
            if isinstance(error, Throttled):
                return error.seconds
            return 1.0 if isinstance(error, ObjectMissing) else backoff(state)

        def stop(state: RetryCallState) -> bool:
            error = _error_of(state)
            return not isinstance(error, GraphError) or state.attempt_number > repeats(error)

        def tell(state: RetryCallState) -> None:
            seconds = state.next_action.sleep if state.next_action else 0.0
            if seconds > _LONG_WAIT_SECONDS:
                facts = {"wait_seconds": round(seconds, 1)}
                error = _error_of(state)
                logger.info(
                    "asking again in %.0f s after: %s", seconds, error, extra={"facts": facts}
                )

        return Retrying(
            sleep=sleep,
            before_sleep=tell,
            wait=wait,
            stop=stop,
            retry=retry_if_exception(lambda error: isinstance(error, GraphError)),
            reraise=True,
        )


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
