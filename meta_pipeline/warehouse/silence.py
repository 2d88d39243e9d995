"""Connections that give up on a server which accepted them and then says nothing.

`statement_timeout` is kept by the server. One that is frozen, or a pooler that holds its clients
back, keeps none, and its machine goes on answering keepalives: libpq would wait for ever.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg_pool import ConnectionPool

from .urls import CONNECT_TIMEOUT_SECONDS

# What a server needs to end a statement whose time is over, and to say so.
_GRACE_SECONDS = 15.0
QUESTION_SECONDS = 60.0
"""What all statements of one question may take together: a server in front waits no longer."""
NO_TIME = "no time is left"
_Result = TypeVar("_Result")
_ends_at: ContextVar[float] = ContextVar("ends_at", default=inf)


@contextmanager
def over_in(seconds: float) -> Iterator[None]:
    """Inside, no server is waited for after so many seconds, however many statements there are.

    Of the context: threads that a copy of it is run in keep the end too.
    Then CannotTell, as for one statement that takes too long; of several ends the first one counts.
    """
    before = _ends_at.set(min(_ends_at.get(), monotonic() + seconds))
    try:
        yield
    finally:
        _ends_at.reset(before)


def time_left() -> float:
    """The seconds until the end of `over_in`, which may be over; inf where there is none."""
    return _ends_at.get() - monotonic()


class HeardConnection(psycopg.Connection[Any]):
    """A connection none of whose waits for the server is longer than `answer_seconds`, or goes on
    after `ends_at`.

    Then it is closed, and `QueryCanceled` is raised: what that means to whoever asked is known.
    """

    answer_seconds: float | None = CONNECT_TIMEOUT_SECONDS
    """None: any time."""
    ends_at: float | None = None
    """The moment, of the monotonic clock, after which nothing is waited for; None: there is none.
    """
    given_up: psycopg.errors.QueryCanceled | None = None
    """Why it was closed, for whoever asks of it after that."""

    def let_statements_take(self, seconds: float) -> None:
        """Wait as long as a statement may run, and a little longer; 0: any time."""
        self.answer_seconds = seconds + _GRACE_SECONDS if seconds else None

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Wait no longer than this inside."""
        before, self.answer_seconds = self.answer_seconds, seconds
        try:
            yield
        finally:
            self.answer_seconds = before

    def wait(self, gen: Generator[Any, Any, _Result], *given: Any, **options: Any) -> _Result:
        """Let the generator come to its end, as psycopg does."""
        try:
            state = next(gen)
        except StopIteration as done:  # nearly every row of a COPY is there already
            result: _Result = done.value
            return result
        return super().wait(self._heard(gen, state), *given, **options)

    def _heard(self, gen: Generator[Any, Any, _Result], state: Any) -> Generator[Any, Any, _Result]:
        began = monotonic()
        silent = inf if self.answer_seconds is None else began + self.answer_seconds
        end = min(silent, inf if self.ends_at is None else self.ends_at, _ends_at.get())
        try:
            while True:
                # Before the first wait too: many short statements may be one long question.
                if monotonic() > end:
                    self.pgconn.finish()
                    is_silent = end == silent
                    said = f"nothing for {monotonic() - began:.0f} s" if is_silent else NO_TIME
                    self.given_up = psycopg.errors.QueryCanceled(said)
                    raise self.given_up
                state = gen.send((yield state))
        except StopIteration as done:
            result: _Result = done.value
            return result


def check(connection: HeardConnection) -> None:
    """Raise psycopg.Error where a connection of a pool is not usable any more."""
    with connection.within(CONNECT_TIMEOUT_SECONDS):
        ConnectionPool.check_connection(connection)
