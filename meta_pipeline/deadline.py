"""Deadline: an answer in time, of a library that has no deadline of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class NoAnswerInTime(Exception):
    """Nothing came in time: neither a result nor an error, which may be a TimeoutError itself."""


def answer_within(seconds: float, ask: Callable[[], T], *, name: str) -> T:
    """What `ask` returns or raises; NoAnswerInTime where it does neither so soon.

    It is asked in a thread of this name. One that hangs is left alone, and does not keep the
    process from its end.
    """
    answer: Future[T] = Future()

    def listen() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=listen, name=name, daemon=True).start()
    if not wait([answer], seconds).done:
        raise NoAnswerInTime(f"{name}: no answer within {seconds:,.0f} s")
    return answer.result()
