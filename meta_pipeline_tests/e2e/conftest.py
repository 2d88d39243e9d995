"""Proofs that hold however often: `E2E_REPEAT=20` runs every slow one twenty times in a row."""

from __future__ import annotations

import os

import pytest

TIMES = "E2E_REPEAT"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat what is marked slow; each time is a test of its own, with all fixtures made anew."""
    times = int(os.environ.get(TIMES, "1"))
    if times > 1 and metafunc.definition.get_closest_marker("slow"):
        metafunc.fixturenames.append("time")
        metafunc.parametrize("time", range(1, times + 1))
