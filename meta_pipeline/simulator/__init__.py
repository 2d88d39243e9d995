"""A Graph API that runs on this machine: faithful, deterministic, breakable.

    from meta_pipeline.simulator import Simulator, World, VirtualClock

    with Simulator(World(seed=7, clock=VirtualClock(start))) as sim:
        client = MyClient(base_url=sim.url, token=sim.token, sleep=sim.sleep)

What it does and how sure that is: FIDELITY.md beside this file; how to use it: docs/simulator.md.
"""

from meta_pipeline.simulator.accounts import AccountSpec
from meta_pipeline.simulator.clock import Clock, VirtualClock, WallClock
from meta_pipeline.simulator.demo import demo_world, large_world
from meta_pipeline.simulator.errors import GraphError
from meta_pipeline.simulator.faults import Fault
from meta_pipeline.simulator.insights_reader import Caps
from meta_pipeline.simulator.latency import Latency
from meta_pipeline.simulator.limits import Limits
from meta_pipeline.simulator.reports import Plan
from meta_pipeline.simulator.running import serve
from meta_pipeline.simulator.simulator import DEFAULT_TOKEN, Simulator
from meta_pipeline.simulator.tokens import App
from meta_pipeline.simulator.uneven import Uneven
from meta_pipeline.simulator.world import World

__all__ = [
    "DEFAULT_TOKEN",
    "AccountSpec",
    "App",
    "Caps",
    "Clock",
    "Fault",
    "GraphError",
    "Latency",
    "Limits",
    "Plan",
    "Simulator",
    "Uneven",
    "VirtualClock",
    "WallClock",
    "World",
    "demo_world",
    "large_world",
    "serve",
]
