"""The front door: one web application for people, programs and Meta."""

from __future__ import annotations

from .application import web_application
from .site import Site

__all__ = ["Site", "web_application"]
