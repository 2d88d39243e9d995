"""How the commands that serve HTTP read requests: nobody fills the memory before they are known."""

from __future__ import annotations

from typing import Final

HTTP_PARSER: Final = "h11"
"""What `http` of uvicorn is: a head, or a trailer, beyond 64 KiB is answered 400 and the connection
closed. uvicorn's own choice, httptools, keeps an address or a header for as long as it goes on."""
