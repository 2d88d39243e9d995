"""What Meta sends us and what it is told: a body of at most so many bytes, a line of text."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse

MOST_BYTES = 1_048_576
"""One MiB: what Meta and programs may send at once."""


class TooLarge(Exception):
    """The body is larger than what is taken."""


async def read_body(request: Request, most_bytes: int = MOST_BYTES) -> bytes:
    """The whole body; TooLarge as soon as it is known to be too large."""
    told = request.headers.get("content-length", "")
    # As it says itself: then none of it is read. Who says nothing, or less, is counted below.
    if told.isascii() and told.isdigit() and len(told) < 20 and int(told) > most_bytes:
        raise TooLarge
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > most_bytes:
            raise TooLarge
    return bytes(read)


def plain(text: str, status_code: int = 200) -> PlainTextResponse:
    """One line of plain text: Meta reads the status, whoever looks into Meta's log the words."""
    return PlainTextResponse(f"{text}\n", status_code)
