"""`make mutate`, or `python -m meta_pipeline_tests.mutation sync.plan governor`."""

from __future__ import annotations

import ast
import sys

from rich.console import Console

from .mutants import mutants
from .named import NAMED
from .targets import TARGETS
from .trial import source_of, survives, warm_up

console = Console(highlight=False)


def main(chosen: list[str]) -> int:
    """Try the named faults and every mutant of the modules chosen; 1 when a named one survives."""
    modules = [name for name in TARGETS if not chosen or any(_names(one, name) for one in chosen)]
    if not modules:
        console.print(f"No module {', '.join(chosen)}; there are {', '.join(TARGETS)}")
        return 2
    warm_up()
    missed = [fault for fault in NAMED if fault.module in modules and _is_missed(fault.module,
              source_of(fault.module).replace(fault.old, fault.new))]  # fmt: skip
    for fault in missed:
        console.print(f"[red]no test notices[/red] {fault.name} ({fault.module})", markup=True)
    named = sum(fault.module in modules for fault in NAMED)
    console.print(f"{named - len(missed)} of {named} named faults noticed")
    for module in modules:
        _report(module)
    return 1 if missed else 0


def _report(module: str) -> None:
    tried, survivors = 0, []
    for mutant in mutants(source_of(module)):
        tried += 1
        if survives(module, mutant.tree, TARGETS[module]):
            survivors.append(mutant)
            console.print(f"  {module}:{mutant.line}: {mutant.change}", markup=False)
    console.print(f"{module}: {tried - len(survivors)} of {tried} noticed")


def _is_missed(module: str, source: str) -> bool:
    return survives(module, ast.parse(source), TARGETS[module])


def _names(chosen: str, module: str) -> bool:
    return f"{module}.".startswith(f"meta_pipeline.{chosen}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
