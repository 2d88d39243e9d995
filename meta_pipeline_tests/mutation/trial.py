"""One mutant on trial: its tests run against it in a child of this process."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from hypothesis import Phase, settings

_SECONDS = 30
"""A mutant with a test that takes longer goes round in circles: that is noticed too."""
_PROFILE = "mutants"
_OPTIONS = ("-x", "-p", "no:cacheprovider", "-m", "not slow", "--tb=no", f"--timeout={_SECONDS}",
            f"--hypothesis-profile={_PROFILE}")  # fmt: skip
_FOUNDATIONS = ("graph", "model", "printable", "settings", "simulator", "warehouse")
"""Rooms that import none of those that are tried: they are kept, which saves most of a trial."""


def source_of(module: str) -> str:
    """The source of a module, as it is on disk."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text()


def warm_up() -> None:
    """Import what every trial needs, once."""
    for room in _FOUNDATIONS:
        importlib.import_module(f"meta_pipeline.{room}")
    importlib.import_module("meta_pipeline_tests.conftest")
    # That an example fails is all that a trial asks: the smallest one is of no use, and what was
    # learned about a mutant says nothing about the next one.
    settings.register_profile(
        _PROFILE,
        settings(),
        max_examples=20,
        phases=[Phase.explicit, Phase.generate],
        database=None,
    )


def survives(module: str, tree: ast.Module, tests: Sequence[str]) -> bool:
    """Whether all these tests pass although the module is another."""
    child = os.fork()
    if child == 0:
        os._exit(_try(module, compile(tree, f"<mutant of {module}>", "exec"), tests))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == pytest.ExitCode.OK


def _try(module: str, code: CodeType, tests: Sequence[str]) -> int:
    signal.alarm(_SECONDS)  # while modules are imported; pytest-timeout sets it anew for each test
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    _forget(module)
    sys.meta_path.insert(0, _Finder(module, code))
    try:
        return pytest.main([*_OPTIONS, *tests])
    except BaseException:  # a mutant may raise anything, also on import
        return pytest.ExitCode.INTERNAL_ERROR


def _forget(module: str) -> None:
    """Have everything imported again that may know the module."""
    kept = [f"meta_pipeline.{room}" for room in _FOUNDATIONS if f".{room}." not in f"{module}."]
    for name in list(sys.modules):
        is_ours = name.partition(".")[0] in ("meta_pipeline", "meta_pipeline_tests")
        if is_ours and not _is_in(name, kept):
            del sys.modules[name]


def _is_in(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


class _Finder(MetaPathFinder, Loader):
    """Gives the mutant in place of the module."""

    def __init__(self, module: str, code: CodeType) -> None:
        self._module = module
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == self._module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)
