"""A Graph API that runs on this machine: faithful, deterministic, breakable.

    from meta_pipeline.simulator import Simulator, World, VirtualClock

    with Simulator(World(seed=7, clock=VirtualClock(start))) as sim:
        client = MyClient(base_url=sim.url, token=sim.token, sleep=sim.sleep)

Four packages, each of which knows only those behind it: `server`, `api`, `insights`, `world`.
What it does and how sure that is: FIDELITY.md beside this file; how to use it: docs/simulator.md.
"""

from meta_pipeline.simulator.api.coverage import coverage_table
from meta_pipeline.simulator.api.errors import GraphError
from meta_pipeline.simulator.api.limits import Limits
from meta_pipeline.simulator.api.login.apps import App, Configuration
from meta_pipeline.simulator.api.reports import Plan
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.state import Caps
from meta_pipeline.simulator.api.uneven import Uneven
from meta_pipeline.simulator.server.callbacks import CallbackAnswer
from meta_pipeline.simulator.server.faults import Fault
from meta_pipeline.simulator.server.instructions import FAULTS
from meta_pipeline.simulator.server.journal import Entry
from meta_pipeline.simulator.server.latency import Latency
from meta_pipeline.simulator.server.running import WORLDS, serve
from meta_pipeline.simulator.server.simulation import DEFAULT_TOKEN
from meta_pipeline.simulator.server.simulator import Simulator
from meta_pipeline.simulator.world import ABSENT, EditRefusedError, World
from meta_pipeline.simulator.world.accounts import AccountSpec
from meta_pipeline.simulator.world.clock import Clock, VirtualClock, WallClock
from meta_pipeline.simulator.world.demo import demo_world, large_world

__all__ = [
    "ABSENT",
    "DEFAULT_TOKEN",
    "FAULTS",
    "WORLDS",
    "AccountSpec",
    "App",
    "CallbackAnswer",
    "Caps",
    "Clock",
    "Configuration",
    "EditRefusedError",
    "Entry",
    "Fault",
    "GraphError",
    "GraphRequest",
    "Latency",
    "Limits",
    "Plan",
    "Simulator",
    "Uneven",
    "VirtualClock",
    "WallClock",
    "World",
    "coverage_table",
    "demo_world",
    "large_world",
    "serve",
]
