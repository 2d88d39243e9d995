"""`make bench`: every benchmark, or the ones named: `python -m benchmarks sync_calls`."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from rich.console import Console

console = Console()


def names() -> list[str]:
    return sorted(
        path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")
    )


def in_its_own_process(name: str) -> int:
    """Its exit code. So none has the memory, the imports or the log of those before it."""
    return subprocess.run([sys.executable, "-m", "benchmarks", name], check=False).returncode


def main(chosen: list[str], start: Callable[[str], int] = in_its_own_process) -> int:
    """Run the benchmarks, all of them; 1 when one failed, 2 for a name that does not exist."""
    unknown = sorted(set(chosen) - set(names()))
    if unknown:
        console.print(f"No benchmark {', '.join(unknown)}; there are {', '.join(names())}")
        return 2
    if len(chosen) == 1:
        return _run(chosen[0])
    failed = [name for name in chosen or names() if start(name)]  # an hour of others is to come
    if failed:
        console.print(f"[bold red]Failed: {', '.join(failed)}")
    return 1 if failed else 0


def _run(name: str) -> int:
    console.rule(f"[bold]{name}")
    sys.argv = [name]  # options go to one benchmark: python -m benchmarks.report_queries --help
    try:
        run: Callable[[], object] = import_module(f"benchmarks.{name}").main
        run()
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
