"""Meta Ads accounts kept in Postgres by Dagster."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meta_pipeline.orchestration.meta_ads import MetaAds

__all__ = ["MetaAds"]


def __getattr__(name: str) -> Any:
    # Dagster is imported by who asks for it.
    if name in __all__:
        return getattr(import_module("meta_pipeline.orchestration.meta_ads"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
