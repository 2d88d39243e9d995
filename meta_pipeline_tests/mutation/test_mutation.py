"""The mutants are what they say, and a mutant that its tests notice is told from one they miss."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .mutants import mutants
from .named import NAMED, NamedFault
from .targets import TARGETS
from .trial import source_of, survives, warm_up

SOURCE = '''
"""Not a mutant: 1 + 1."""

LIMIT: int = 3


def least(values: list[int]) -> int:
    if not values or len(values) > LIMIT:
        raise ValueError(f"{len(values) + 1} values")
    values.sort(reverse=True)
    lowest = min(filter(None, values))
    return lowest if [value for value in values if value < 0] else 0
'''


def test_a_mutant_changes_one_thing() -> None:
    changes = [f"{mutant.line}: {mutant.change}" for mutant in mutants(SOURCE)]
    assert changes == [
        "4: 3  ->  61",
        "8: not values or len(values) > LIMIT  ->  not values and len(values) > LIMIT",
        "8: not values  ->  values",
        "8: len(values) > LIMIT  ->  len(values) >= LIMIT",
        "8: len(values) > LIMIT  ->  len(values) <= LIMIT",
        "10: values.sort(reverse=True)  ->  pass",
        "10: True  ->  False",
        "11: min(filter(None, values))  ->  max(filter(None, values))",
        "12: [value for value in values if value < 0]  ->  [value for value in values]",
        "12: value < 0  ->  value <= 0",
        "12: value < 0  ->  value >= 0",
        "12: 0  ->  1",
        "12: 0  ->  1",
    ]
    original = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in mutants(SOURCE):
        changed = ast.unparse(mutant.tree).splitlines()
        assert sum(new != old for new, old in zip(changed, original, strict=True)) == 1


@pytest.mark.parametrize("fault", NAMED, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_named_fault_is_still_one_of_its_module(fault: NamedFault) -> None:
    assert source_of(fault.module).count(fault.old) == 1
    assert fault.module in TARGETS


def test_every_module_and_test_that_is_tried_exists() -> None:
    for module, tests in TARGETS.items():
        assert source_of(module)
        assert all(Path(test).is_file() for test in tests)


@pytest.mark.slow
def test_a_mutant_is_noticed_or_survives() -> None:
    warm_up()
    module, tests = "meta_pipeline.sync.plan.ranges", TARGETS["meta_pipeline.sync.plan.ranges"]
    assert survives(module, ast.parse(source_of(module)), tests)
    broken = source_of(module).replace("_PAGES_PER_WINDOW = 4", "_PAGES_PER_WINDOW = 40")
    assert not survives(module, ast.parse(broken), tests)
