"""How our servers read HTTP: who is not known fills no memory, and holds no connection."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# A request is with the application: how long that may take is not for us to say.
_ANSWERING = (h11.SEND_RESPONSE, h11.SEND_BODY)


class BoundedHttp(H11Protocol):
    """What `http` of uvicorn is: a head of at most 64 KiB, and whole within 20 seconds.

    A larger one, or such a trailer, is answered 400 and the connection closed: uvicorn's own
    choice, httptools, keeps an address or a header for as long as it goes on. A connection that
    brings no whole head in time is closed without a word, as is one that goes on sending what was
    answered unread. uvicorn itself minds the time only between an answer and the next byte, and
    counts a connection that says nothing like any other, until everybody is answered 503.
    """

    head_seconds: ClassVar[float] = 20.0

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._mind_the_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._mind_the_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._mind_the_head()

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
            close = self.timeout_keep_alive_handler
            self._head_timer = self.loop.call_later(self.head_seconds, close)
        elif not is_due and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
