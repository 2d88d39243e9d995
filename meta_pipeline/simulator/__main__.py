"""`python -m meta_pipeline.simulator`: the simulated Graph API on its own."""

from __future__ import annotations

import argparse
import sys
from datetime import date

from meta_pipeline.simulator.api.coverage import coverage_table
from meta_pipeline.simulator.server.running import WORLDS, serve
from meta_pipeline.simulator.server.simulation import DEFAULT_TOKEN


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C, or print the coverage statement; 0, or 2 for a wrong argument."""
    options = _parser().parse_args(arguments)
    if options.command == "coverage":
        sys.stdout.write(coverage_table() + "\n")
        return 0
    try:
        serve(
            options.host,
            options.port,
            seed=options.seed,
            world_name=options.world,
            token=options.token,
            latency_ms=options.latency_ms,
            tier=options.tier,
            calls_per_hour=options.calls_per_hour,
            anchor=options.anchor,
            stop_with_parent=options.stop_with_parent,
        )
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m meta_pipeline.simulator",
        description="A Graph API with made-up ad accounts on this machine.",
    )
    add = parser.add_argument
    add("command", nargs="?", choices=("serve", "coverage"), default="serve")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8765, help="0 picks a free one (default: 8765)")
    add("--seed", type=int, default=7)
    add("--world", choices=sorted(WORLDS), default="demo")
    add("--token", default=DEFAULT_TOKEN, help="the access token to accept")
    add("--latency-ms", type=float, default=0.0, help="median delay of an answer")
    add("--tier", choices=("development_access", "standard_access"), default="development_access")
    add("--calls-per-hour", type=int, help="a small allowance, to see throttling")
    add("--anchor", type=date.fromisoformat, metavar="YYYY-MM-DD",
        help="the day the generated past ends (default: the first of this month)")  # fmt: skip
    add("--stop-with-parent", action="store_true")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
