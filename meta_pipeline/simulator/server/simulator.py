"""A simulated Graph API on a socket of its own."""

from __future__ import annotations

from typing import Self

from meta_pipeline.simulator.api.limits import Limits
from meta_pipeline.simulator.api.login.apps import App
from meta_pipeline.simulator.api.state import Caps
from meta_pipeline.simulator.api.uneven import Uneven
from meta_pipeline.simulator.server.app import Application
from meta_pipeline.simulator.server.door import Door
from meta_pipeline.simulator.server.latency import Latency
from meta_pipeline.simulator.server.listener import Listener
from meta_pipeline.simulator.server.page_cache import MOST_BYTES
from meta_pipeline.simulator.server.simulation import DEFAULT_TOKEN, Simulation
from meta_pipeline.simulator.world import World


class Simulator(Simulation):
    """A Graph API on `url` that knows `token`; use it as a context manager.

    `host` and `port` (0: a free one) are where it listens; the rest is as in `Simulation`.
    """

    def __init__(
        self,
        world: World,
        *,
        token: str = DEFAULT_TOKEN,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: Latency | None = None,
        limits: Limits | None = None,
        caps: Caps | None = None,
        uneven: Uneven | None = None,
        app: App | None = None,
        strict: bool = True,
        pages: int = 128,
        page_bytes: int = MOST_BYTES,
    ) -> None:
        super().__init__(
            world,
            token=token,
            latency=latency,
            limits=limits,
            caps=caps,
            uneven=uneven,
            app=app,
            strict=strict,
            pages=pages,
            page_bytes=page_bytes,
        )
        self._host, self._port = host, port
        self._listener: Listener | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def bind(self) -> str:
        """Take the port without serving yet; returns the URL."""
        guarded = Door(Application(self), host=self._host)
        self._listener = Listener(guarded, host=self._host, port=self._port)
        return self.url

    def start(self) -> Self:
        """Listen on the port from a thread; returns when requests are answered."""
        self._bound().start()
        return self

    def run(self) -> None:
        """Listen and serve in this thread until interrupted."""
        self._bound().run()

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    @property
    def address(self) -> str:
        """`host:port` of the listening socket."""
        if self._listener is None:
            raise RuntimeError("the simulator is not running: use `with Simulator(world) as sim:`")
        return self._listener.address

    @property
    def url(self) -> str:
        """What takes the place of https://graph.facebook.com."""
        return f"http://{self.address}"

    def _bound(self) -> Listener:
        if self._listener is None:
            self.bind()
        assert self._listener is not None
        return self._listener
