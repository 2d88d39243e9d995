"""A fleet of small accounts on a port: `python -m benchmarks._fleet_world PORT TOKEN COUNT MS`."""

from __future__ import annotations

import sys

from meta_pipeline.simulator import AccountSpec, Latency, Limits, Simulator, WallClock, World


def main(port: str, token: str, count: str, latency_ms: str) -> None:
    shops = tuple(
        AccountSpec(f"Shop {number}", 3, 6, 12, (2, 3, 5)) for number in range(1, int(count) + 1)
    )
    Simulator(
        World(seed=7, clock=WallClock(), accounts=shops),
        token=token,
        port=int(port),
        latency=Latency(median_ms=float(latency_ms)),
        limits=Limits(tier="standard_access"),
    ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
