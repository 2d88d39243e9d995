"""What benchmarks share leaves nothing behind, however they end."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from benchmarks._lab import database


def test_a_benchmark_that_fails_leaves_no_server_and_no_folder() -> None:
    folder = Path(tempfile.gettempdir()) / f"meta-pipeline-bench-{os.getpid()}"

    def fail() -> None:
        with database():
            assert folder.is_dir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not folder.exists()
