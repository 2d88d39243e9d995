"""How many rows a page is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from meta_pipeline.model.part import Part


@dataclass(frozen=True, slots=True)
class PageSizes:
    """Rows of one page at most; below that a page adapts to what Meta gives.

    Meta names no maximum (FACTS section 4.2). Larger pages are fewer calls, and refused more
    often; a page is also what is held in memory and committed at once.
    """

    entities: int = 500
    creatives: int = 100
    insights: int = 1500

    def of(self, part: Part) -> int:
        """The size for an edge of entities."""
        return self.creatives if part is Part.CREATIVES else self.entities
