"""The pages, in the order of the navigation."""

from __future__ import annotations

from meta_pipeline.web.gate import page

from .overview import overview

PAGES = (page("/", overview),)
