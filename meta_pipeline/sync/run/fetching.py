"""Fetching in parallel, writing in one place.

Every task is a generator of slices and runs in a thread of its own; the caller takes the slices
one by one and writes them through the connection that holds the account's lock. The queue between
them is short: when writing is slower than Meta, fetching waits, and memory stays flat.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Self

from meta_pipeline.model.missing import Missing
from meta_pipeline.model.part import INSIGHTS, Part
from meta_pipeline.sync.write.slices import Slice

_WAITING = 2
"""Slices that may wait for the writer; each thread holds another."""
_POLL_SECONDS = 0.2
"""How soon a waiting thread notices that the fetch was stopped; nothing depends on it."""


@dataclass(frozen=True)
class Task:
    """Something to fetch: what it is called in messages, and the slices it yields."""

    part: Part
    name: str
    slices: Callable[[], Iterator[Slice]]

    def missing(self, why: str) -> Missing:
        """What is not in when the task did not come to its end: some days, or all of an edge."""
        return Missing(why, self.part, self.name, is_whole=self.part not in INSIGHTS)


@dataclass(frozen=True, slots=True)
class Done:
    """A task has come to its end; `error` says why when it was not a good one."""

    task: Task
    error: BaseException | None = None


class ParallelFetch:
    """Runs tasks, at most `parallel` at once, in the order given.

    Iterate over it for slices and ends of tasks; `look_up` is called now and then while there is
    nothing to take, and may raise. `stop()` lets running tasks end at their next slice and starts
    no further one; leaving the context stops and waits for the threads.
    """

    def __init__(
        self, tasks: Sequence[Task], parallel: int, look_up: Callable[[], None] = lambda: None
    ) -> None:
        self._open = len(tasks)
        self._look_up = look_up
        self._stopped = threading.Event()
        self._queue: Queue[tuple[Task, Slice] | Done] = Queue(maxsize=_WAITING)
        self._pool = ThreadPoolExecutor(max(1, parallel), thread_name_prefix="meta-fetch")
        for task in tasks:
            self._pool.submit(self._run, task)

    def __iter__(self) -> Iterator[tuple[Task, Slice] | Done]:
        while self._open:
            self._look_up()
            try:
                event = self._queue.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            if isinstance(event, Done):
                self._open -= 1
            yield event

    def stop(self) -> None:
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        while self._open:
            try:
                event = self._queue.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            if isinstance(event, Done):
                self._open -= 1
        self._pool.shutdown(wait=True)

    def _run(self, task: Task) -> None:
        error: BaseException | None = None
        try:
            if not self.stopped:
                with closing(task.slices()) as slices:  # type: ignore[type-var]
                    for one in slices:
                        if not self._put((task, one)):
                            break
        except BaseException as raised:  # it belongs to the caller, whatever it is
            error = raised
        # Whatever happens: who leaves the context waits for the end of each task.
        self._put(Done(task, error), always=True)

    def _put(self, event: tuple[Task, Slice] | Done, *, always: bool = False) -> bool:
        while always or not self.stopped:
            try:
                self._queue.put(event, timeout=_POLL_SECONDS)
            except Full:
                continue
            return True
        return False
