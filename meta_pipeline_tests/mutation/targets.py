"""Which tests answer for which module: quick ones, and no others are run against its mutants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import meta_pipeline

_TESTS = "meta_pipeline_tests"


def _modules(room: str) -> Iterator[str]:
    """Every module of a room."""
    folder = Path(meta_pipeline.__file__).parent / room
    yield from (f"meta_pipeline.{room}.{path.stem}" for path in sorted(folder.glob("[a-z]*.py")))


def _tests(room: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{_TESTS}/{room}/test_{name}.py" for name in names)


_GOVERNOR = _tests("governor", "decision", "meters", "cost", "days")
_FLEET = _tests("fleet", "turns", "choose", "order", "batch", "replay")

_PLANS = _tests("sync/plan", "plan", "report_plans", "recommendation_plans")

TARGETS: dict[str, tuple[str, ...]] = {
    **{
        f"meta_pipeline.sync.plan.{name}": _PLANS
        for name in ("plan", "planner", "due_days", "windows", "ranges")
    },
    "meta_pipeline.sync.days": _tests("sync/plan", "days", "plan"),
    "meta_pipeline.sync.write.evidence": _tests("sync/write", "evidence"),
    **dict.fromkeys(_modules("governor"), _GOVERNOR),
    **{
        f"meta_pipeline.fleet.{name}": _FLEET
        for name in ("batch", "candidate", "choice", "order", "policy")
    },
    "meta_pipeline.metrics.expression": (
        *_tests("metrics", "dictionary"),
        *_tests("metrics/answers", "query"),
    ),
    "meta_pipeline.warehouse.write.upserts": _tests("warehouse", "upsert"),
    "meta_pipeline.warehouse.write.copytext": _tests("warehouse", "copytext"),
}
