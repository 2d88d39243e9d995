"""How our servers read HTTP: who is not known fills no memory, and holds no connection."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

# A request is with the application: how long that may take is not for us to say.
_ANSWERING = (h11.SEND_RESPONSE, h11.SEND_BODY)


class BoundedHttp(H11Protocol):
    """What `http` of uvicorn is: a head of at most 64 KiB, whole within 20 seconds, a body in 60.

    A larger one, or such a trailer, is answered 400 and the connection closed: uvicorn's own
    choice, httptools, keeps an address or a header for as long as it goes on. A connection that
    brings no whole head in time is closed without a word, as is one that goes on sending what was
    answered unread, one that brings no whole body (ours are of 1 MiB at most), and one that takes
    nothing of its answer for five minutes, or not all of it in half an hour. uvicorn itself minds
    the time only between an answer and the next byte, and counts a connection that says nothing
    like any other, until everybody is answered 503.
    """

    head_seconds: ClassVar[float] = 20.0
    body_seconds: ClassVar[float] = 60.0
    unread_seconds: ClassVar[float] = 300.0
    answer_seconds: ClassVar[float] = 1800.0

    _head_timer: asyncio.TimerHandle | None = None
    _body_timer: asyncio.TimerHandle | None = None
    _body_of: RequestResponseCycle | None = None
    _answer_timer: asyncio.TimerHandle | None = None
    _answer_of: RequestResponseCycle | None = None
    _answer_due = 0.0
    _unread_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._mind_the_head()
        self._mind_the_answer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._mind_the_head()
        self._mind_the_body()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # The next request may have come before the answer to this one, all but its body.
        self._mind_the_body()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._mind_the_head()
        self._mind_the_body()
        if self._answer_timer:
            self._answer_timer.cancel()

    def _mind_the_head(self) -> None:
        """Have the timer run while a head is due; more bytes of it give no more time."""
        # Between an answer and the next byte uvicorn's own timer runs. A WebSocket stays a request
        # that is with the application, and its connection is no longer ours.
        is_due = not (
            self.transport.is_closing()
            or self.conn.our_state in _ANSWERING
            or self.timeout_keep_alive_task
        )
        if is_due and self._head_timer is None:
            # A close would wait until the peer has taken what is left of the answer before.
            self._head_timer = self.loop.call_later(self.head_seconds, self.transport.abort)
        elif not is_due and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _mind_the_body(self) -> None:
        """Have a timer run from a request's head until its body is whole, answered or not."""
        is_due = (
            self.conn.their_state is h11.SEND_BODY
            and not self.transport.is_closing()
            # Of a WebSocket only the head is read here.
            and self.transport.get_protocol() is self
        )
        due = self.cycle if is_due else None
        if due is self._body_of:
            return
        if self._body_timer is not None:
            self._body_timer.cancel()
        self._body_of, self._body_timer = due, None
        if is_due:
            self._body_timer = self.loop.call_later(self.body_seconds, self.transport.abort)

    def _mind_the_answer(self) -> None:
        """Look now and then whether the peer takes what waits for it, and whether it is late."""
        if self.transport.get_protocol() is not self:
            return
        unread_bytes, now = self.transport.get_write_buffer_size(), self.loop.time()
        is_stuck = unread_bytes and unread_bytes == self._unread_bytes
        # Who has taken all there is waits for us.
        is_new = not unread_bytes or self._answer_of is not self.cycle
        if is_stuck or (not is_new and now >= self._answer_due):
            self.transport.abort()
            return
        if is_new:
            self._answer_of, self._answer_due = self.cycle, now + self.answer_seconds
        self._unread_bytes = unread_bytes
        self._answer_timer = self.loop.call_later(self.unread_seconds, self._mind_the_answer)
