"""What the answers of one simulator depend on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meta_pipeline.simulator.api.contract import Contract
from meta_pipeline.simulator.api.limits import Limits
from meta_pipeline.simulator.api.login.directory import Directory
from meta_pipeline.simulator.api.reports import Reports
from meta_pipeline.simulator.api.subscriptions import Subscriptions
from meta_pipeline.simulator.api.tokens import Tokens
from meta_pipeline.simulator.api.uneven import Uneven
from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.clock import VirtualClock

# Numbers move every fifteen minutes, not with every second (FACTS 5.5).
_FRESH_SECONDS = 900


@dataclass
class Caps:
    """How much one answer may hold before Meta would refuse it."""

    page_cells: float = 20_000
    """Rows of an edge x weight of their fields: 500, code 1 "reduce"."""
    insights_cells: float = 120_000
    """The same of insights."""
    sync_insights_rows: int = 200_000
    """Rows of one synchronous query: 100/1487534."""


@dataclass
class State:
    """Everything a request is answered from; handlers get this and nothing above it."""

    world: World
    contract: Contract
    tokens: Tokens
    directory: Directory
    limits: Limits
    reports: Reports
    caps: Caps = field(default_factory=Caps)
    uneven: Uneven = field(default_factory=Uneven)
    subscriptions: Subscriptions = field(default_factory=Subscriptions)
    strict: bool = True
    """Unknown parameters are refused, which Meta mostly ignores."""

    def now(self) -> datetime:
        return self.world.clock.now()

    def key(self) -> tuple[Any, ...]:
        """Changes when an answer may: the world's version and the time its numbers are as of."""
        moment = self.now().timestamp()
        if not isinstance(self.world.clock, VirtualClock):
            moment //= _FRESH_SECONDS
        return (
            id(self.world),
            self.world.version,
            self.directory.version,
            self.contract.drift,
            self.uneven.key,
            moment,
        )
