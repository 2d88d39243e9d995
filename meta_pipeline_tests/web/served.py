"""An ASGI application on a real socket of this machine, in a thread of the test."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from meta_pipeline.serving import BoundedHttp
from meta_pipeline.simulator.server.listener import PromptServer


@contextmanager
def running(application: Any, **options: Any) -> Iterator[str]:
    """Serve until the context ends, with `options` of uvicorn; yields the URL."""
    # asyncio sets TCP_NODELAY on sockets that say they are TCP, as uvicorn's own do; without it an
    # answer waits for an acknowledgement, 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        **{"http": BoundedHttp, **options},
        proxy_headers=False,
        log_level="warning",
        log_config=None,
        lifespan="off",
    )
    server = PromptServer(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    listening.listen()  # who connects before the server is up waits in the queue
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.end()
        thread.join(30)
        listening.close()
