"""Run a simulator as a process of its own: `meta-pipeline simulate`, the demo, benchmarks."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import date

from meta_pipeline.simulator.api.limits import Limits, Tier
from meta_pipeline.simulator.server.latency import Latency
from meta_pipeline.simulator.server.simulation import DEFAULT_TOKEN
from meta_pipeline.simulator.server.simulator import Simulator
from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.clock import WallClock
from meta_pipeline.simulator.world.demo import DEMO_SEED, demo_world, insights_world, large_world

WORLDS: Mapping[str, Callable[..., World]] = {
    "demo": demo_world,
    "small": lambda clock, *, seed, anchor=None: World(seed=seed, clock=clock, anchor=anchor),
    "large": large_world,
    "insights": insights_world,
}


def serve(
    host: str = "127.0.0.1",
    port: int = 8765,
    *,
    seed: int = DEMO_SEED,
    world_name: str = "demo",
    token: str = DEFAULT_TOKEN,
    latency_ms: float = 0.0,
    latency_sigma: float = 0.4,
    tier: Tier = "development_access",
    calls_per_hour: int | None = None,
    anchor: date | None = None,
    stop_with_parent: bool = False,
    say: Callable[[str], object] | None = None,
) -> None:
    """Serve a world on real time until SIGINT or SIGTERM; returns when stopped.

    Says three lines once requests are accepted, the first being `ready http://host:port`;
    `GET /_sim/ready` answers from then on too. `latency_ms` is the median of a lognormal delay
    with spread `latency_sigma`. `anchor` is the day the generated past ends (default: the first
    of this month); give the same one again and a restart in another month finds the same past.
    `port` 0 picks a free one. `stop_with_parent` ends the server
    when the process that started it is gone. Raises RuntimeError for a used port, ValueError for
    an unknown `world_name`.
    """
    if world_name not in WORLDS:
        raise ValueError(f"no world {world_name!r}; there are {', '.join(WORLDS)}")
    sim = Simulator(
        WORLDS[world_name](WallClock(), seed=seed, anchor=anchor),
        token=token,
        host=host,
        port=port,
        latency=Latency(latency_ms, latency_sigma, seed=seed),
        limits=Limits(tier=tier, calls=calls_per_hour),
    )
    url = sim.bind()
    tell = say or (lambda line: print(line, flush=True))  # noqa: T201 - what it is for
    # The socket listens already: whoever reads this line may connect.
    tell(f"ready {url}")
    tell(f"  base URL  META_GRAPH_URL={url}  status page {url}/_sim/")
    tell(
        f"  world {world_name}, seed {seed}, anchor {sim.world.anchor}, "
        f"{len(sim.world.accounts())} ad accounts; token META_ACCESS_TOKEN={token}"
    )
    if stop_with_parent:
        _watch_parent(os.getppid())
    if threading.current_thread() is threading.main_thread():
        # uvicorn raises the signal again after its shutdown; a stop on request is no failure.
        signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        sim.run()
    except KeyboardInterrupt:
        pass
    finally:
        sim.stop()


def _watch_parent(parent: int) -> None:
    def watch() -> None:
        # An orphan gets another parent; no signal tells it.
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
