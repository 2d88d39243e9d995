"""docs/governor.md says what the code does."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from meta_pipeline.governor import Thresholds

PAGE = Path(__file__).parents[2] / "docs" / "governor.md"


def test_every_threshold_is_explained_with_its_value() -> None:
    rows = re.findall(r"^\| `(\w+)`[^|]*\| ([\d,.]+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    told = {name: float(value.replace(",", "")) for name, value, _ in rows}
    assert told == asdict(Thresholds())
    assert all(len(reason) > 30 for _, _, reason in rows)
