"""Recorded answers of the real API, which live beside the repository and are no part of it.

Tests of them are skipped where the samples are absent, and the run ends by saying so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "graph-api" / "payloads"
ABSENT = f"recorded answers of Meta are not on this machine ({FOLDER})"

needs_samples = pytest.mark.skipif(not FOLDER.is_dir(), reason=ABSENT)


def sample(name: str) -> Any:
    """The JSON document of one recording."""
    return json.loads((FOLDER / name).read_text())
