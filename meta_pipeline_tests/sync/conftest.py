from __future__ import annotations

from collections.abc import Iterator

import pytest

from .lab import Lab, lab


@pytest.fixture
def small(database_url: str) -> Iterator[Lab]:
    """One account of 60 entities, 20 ads of it active, with a backfill of ten days."""
    with lab(database_url) as found:
        yield found
        found.sim.check()
