"""One simulated Graph API: the world, its meters and faults, and the server in front of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from meta_pipeline.simulator.api import contract as contracts
from meta_pipeline.simulator.api.insights_reader import Caps
from meta_pipeline.simulator.api.limits import Limits
from meta_pipeline.simulator.api.reader import Reader
from meta_pipeline.simulator.api.reports import Reports
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.routes import Routes
from meta_pipeline.simulator.api.tokens import App as MetaApp
from meta_pipeline.simulator.api.tokens import Tokens
from meta_pipeline.simulator.api.uneven import Uneven
from meta_pipeline.simulator.server.app import App
from meta_pipeline.simulator.server.faults import Fault, Faults, Rule
from meta_pipeline.simulator.server.journal import Journal
from meta_pipeline.simulator.server.latency import Latency
from meta_pipeline.simulator.server.listener import Server
from meta_pipeline.simulator.server.page_cache import MOST_BYTES
from meta_pipeline.simulator.server.service import Service
from meta_pipeline.simulator.world.clock import Clock, VirtualClock
from meta_pipeline.simulator.world.world import World

DEFAULT_TOKEN = "EAASIMULATED0TOKEN"  # noqa: S105 - opens nothing but this simulator


class Simulator:
    """A Graph API on `url` that knows `token`; use it as a context manager.

    `strict` refuses unknown parameters, which Meta mostly ignores, so that a client's slip does
    not go unnoticed. `pages` is how many prepared answers are kept (0: none), in at most
    `page_bytes` bytes.
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
        app: MetaApp | None = None,
        strict: bool = True,
        pages: int = 128,
        page_bytes: int = MOST_BYTES,
    ) -> None:
        self.token = token
        self.strict = strict
        self.journal = Journal()
        self.faults = Faults()
        self._app, self._pages, self._page_bytes = app, pages, page_bytes
        self._host, self._port = host, port
        self._latency, self._limits, self._caps, self._uneven = latency, limits, caps, uneven
        self._server: Server | None = None
        self._expected: set[str] = set()
        self._assemble(world)

    def _assemble(self, world: World) -> None:
        self.world = world
        self.clock: Clock = world.clock
        self.latency = self._latency or Latency()
        self.caps = self._caps or Caps()
        self.uneven = self._uneven or Uneven()
        self.contract = contracts.load()
        self.limits = self._limits or Limits()
        self.limits.bind(self.clock, self._active_ads)
        self.tokens = Tokens(self.clock, app=self._app)
        self.tokens.issue(self.token)
        self.reports = Reports(self.clock)
        self.routes = Routes(world, self.contract, self.reports)
        self.reader = Reader(
            world, self.contract, self.reports, self.caps, self.uneven, strict=self.strict
        )
        self.service = Service(self, pages=self._pages, page_bytes=self._page_bytes)
        self._active: dict[str, tuple[int, int]] = {}

    # -- life -----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Listen on the port (0: a free one) from a thread."""
        self._server = self._new_server()
        self._server.start()
        return self

    def run(self) -> None:
        """Listen and serve in this thread until interrupted."""
        if self._server is None:
            self._server = self._new_server()
        self._server.run()

    def bind(self) -> str:
        """Take the port without serving yet; returns the URL."""
        self._server = self._new_server()
        return self.url

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _new_server(self) -> Server:
        return Server(App(self), host=self._host, port=self._port)

    @property
    def address(self) -> str:
        """`host:port` of the listening socket."""
        if self._server is None:
            raise RuntimeError("the simulator is not running: use `with Simulator(world) as sim:`")
        return self._server.address

    @property
    def url(self) -> str:
        """What takes the place of https://graph.facebook.com."""
        return f"http://{self.address}"

    # -- time -----------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.clock.now()

    def sleep(self, seconds: float) -> None:
        """Give this to the client under test: its waiting moves the virtual clock."""
        if not isinstance(self.clock, VirtualClock):
            raise TypeError("only a VirtualClock can be slept on; this world runs on real time")
        self.clock.advance(seconds)

    def state_key(self, fresh_seconds: float) -> tuple[Any, ...]:
        """Changes when an answer may: the world's version and the time its numbers are as of."""
        moment = self.clock.now().timestamp()
        if not isinstance(self.clock, VirtualClock):
            moment //= fresh_seconds
        return (id(self.world), self.world.version, self.contract.drift, self.uneven.key, moment)

    # -- things that go wrong ---------------------------------------------------------------------

    def fail(
        self,
        method: str,
        path: str,
        *,
        with_: Fault,
        on_call: int | None = None,
        times: int | None = 1,
        until: Callable[[GraphRequest], bool] | None = None,
        account_id: str | None = None,
    ) -> Rule:
        """Make requests whose path ends in `path` go wrong.

        `on_call=N` strikes the N-th of them (with `times`, that many from there), `times=N` the
        first N, `times=None` all, `until` all until it returns True. `method` "*" is any.
        """
        return self.faults.add(
            Rule(
                method.upper(),
                path,
                with_,
                on_call=on_call,
                times=times,
                until=until,
                account_id=account_id,
            )
        )

    def expect(self, *flags: str) -> None:
        """These kinds of unexpected request are part of the test (`journal.unexpected`)."""
        self._expected.update(flags)

    def check(self) -> None:
        """Fail if a fault never happened or a request came that nobody should send."""
        self.faults.assert_all_fired()
        strays = [
            entry
            for entry in self.journal.unexpected()
            if not any(str(entry.flag).startswith(flag) for flag in self._expected)
        ]
        if strays:
            listed = "\n  ".join(f"{e.method} {e.path}: {e.flag}" for e in strays)
            raise AssertionError(
                f"requests that nobody should send:\n  {listed}\n"
                "(call sim.expect('<flag>') when a test sends them on purpose)"
            )

    def reset(
        self,
        world: World | None = None,
        *,
        limits: Limits | None = None,
        latency: Latency | None = None,
        caps: Caps | None = None,
        uneven: Uneven | None = None,
    ) -> None:
        """A fresh state behind the same socket: no faults, no journal, no usage, new contract."""
        self.faults.clear()
        self.journal.clear()
        self._expected.clear()
        self._limits, self._latency, self._caps, self._uneven = limits, latency, caps, uneven
        self._assemble(world or self.world)

    def _active_ads(self, account_id: str) -> int:
        version = self.world.version
        known = self._active.get(account_id)
        if known is None or known[0] != version:
            ads = self.world.objects("ads", account_id, statuses=("ACTIVE", "WITH_ISSUES"))
            known = self._active[account_id] = (version, len(ads))
        return known[1]

    def issue(self, *, scopes: Iterable[str], **values: Any) -> str:
        """A further token with these scopes; see `Tokens.issue`."""
        return self.tokens.issue(scopes=scopes, **values).value
