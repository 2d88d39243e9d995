"""`/v1`: the API for programs, described by its OpenAPI document."""

from __future__ import annotations

from .api import api

__all__ = ["api"]
