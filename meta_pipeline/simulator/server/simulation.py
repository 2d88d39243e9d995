"""One simulated Graph API without its socket: state, faults, journal and time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from meta_pipeline.simulator.api import contract as contracts
from meta_pipeline.simulator.api.contract import Contract
from meta_pipeline.simulator.api.limits import Limits, active_ads_of
from meta_pipeline.simulator.api.login.apps import App
from meta_pipeline.simulator.api.login.directory import Directory
from meta_pipeline.simulator.api.reports import Reports
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.state import Caps, State
from meta_pipeline.simulator.api.tokens import Tokens
from meta_pipeline.simulator.api.uneven import Uneven
from meta_pipeline.simulator.server.callbacks import CallbackAnswer, call_back
from meta_pipeline.simulator.server.faults import Fault, FaultRule, Faults
from meta_pipeline.simulator.server.journal import Journal
from meta_pipeline.simulator.server.latency import Latency
from meta_pipeline.simulator.server.page_cache import MOST_BYTES, PageCache
from meta_pipeline.simulator.server.service import Service
from meta_pipeline.simulator.server.webhooks import Webhooks
from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.clock import Clock, VirtualClock

DEFAULT_TOKEN = "EAASIMULATED0TOKEN"  # noqa: S105 - opens nothing but this simulator


class Simulation:
    """What a test reads, breaks and resets; `Simulator` is the same with a socket.

    `strict` refuses unknown parameters, which Meta mostly ignores, so that a client's slip does
    not go unnoticed. `pages` is how many answers are cached (0: none), in at most `page_bytes`
    bytes.
    """

    def __init__(
        self,
        world: World,
        *,
        token: str = DEFAULT_TOKEN,
        latency: Latency | None = None,
        limits: Limits | None = None,
        caps: Caps | None = None,
        uneven: Uneven | None = None,
        app: App | None = None,
        strict: bool = True,
        pages: int = 128,
        page_bytes: int = MOST_BYTES,
    ) -> None:
        self.token = token
        self.strict = strict
        self.journal = Journal()
        self.faults = Faults()
        self._app, self._pages, self._page_bytes = app, pages, page_bytes
        self._expected: set[str] = set()
        self._assemble(world, limits=limits, latency=latency, caps=caps, uneven=uneven)

    def _assemble(
        self,
        world: World,
        *,
        limits: Limits | None,
        latency: Latency | None,
        caps: Caps | None,
        uneven: Uneven | None,
    ) -> None:
        self.world = world
        self.clock: Clock = world.clock
        self.caps = caps or Caps()
        self.uneven = uneven or Uneven()
        self.contract: Contract = contracts.load()
        self.limits = limits or Limits()
        self.directory = Directory(world)
        self.tokens = Tokens(self.clock, self.directory, app=self._app)
        self.limits.bind(self.clock, active_ads_of(world), self.tokens.app.id)
        self.tokens.issue(self.token)
        self.reports = Reports(self.clock)
        self.state = State(
            world,
            self.contract,
            self.tokens,
            self.directory,
            self.limits,
            self.reports,
            self.caps,
            self.uneven,
            strict=self.strict,
        )
        self.webhooks = Webhooks(world, self.tokens, self.state.subscriptions, self.clock.now)
        self.service = Service(
            self.state,
            faults=self.faults,
            journal=self.journal,
            latency=latency or Latency(),
            pages=PageCache(self._pages, self._page_bytes),
            edited=self,
        )

    @property
    def latency(self) -> Latency:
        """How long answers take; may be replaced while the simulator runs."""
        return self.service.latency

    @latency.setter
    def latency(self, latency: Latency) -> None:
        self.service.latency = latency

    # -- time -----------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.clock.now()

    def sleep(self, seconds: float) -> None:
        """Give this to the client under test: its waiting moves the virtual clock."""
        if not isinstance(self.clock, VirtualClock):
            raise TypeError("only a VirtualClock can be slept on; this world runs on real time")
        self.clock.advance(seconds)

    # -- things that go wrong -------------------------------------------------------------------

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
        params: Mapping[str, str] | None = None,
    ) -> FaultRule:
        """Make requests whose path ends in `path` and that have these `params` go wrong.

        `on_call=N` strikes the N-th of them (with `times`, that many from there), `times=N` the
        first N, `times=None` all, `until` all until it returns True. `method` "*" is any.
        """
        return self.faults.add(
            FaultRule(
                method.upper(),
                path,
                with_,
                on_call=on_call,
                times=times,
                until=until,
                account_id=account_id,
                params=params or {},
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
        world = world or self.world
        self._assemble(world, limits=limits, latency=latency, caps=caps, uneven=uneven)

    def deauthorize(self, user_id: str, **how: Any) -> CallbackAnswer:
        """Somebody removes the app, and it is told; `how` is as in `call_back`."""
        return call_back(self.tokens, "deauthorize", user_id, **how)

    def request_deletion(self, user_id: str, **how: Any) -> CallbackAnswer:
        """Somebody who removed the app wants their data deleted; `how` is as in `call_back`."""
        return call_back(self.tokens, "data_deletion", user_id, **how)

    def issue(self, *, scopes: Iterable[str], **values: Any) -> str:
        """A further token with these scopes; see `Tokens.issue`."""
        return self.tokens.issue(scopes=scopes, **values).value
