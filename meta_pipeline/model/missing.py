"""What a sync did not get, and why: what makes it `partial`, and what the next one reads again.

`sync.run.account_sync` gathers them, from the tasks that failed, the days that are not proven and
the values that were refused; `sync.run.ending` makes the status of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from .part import Part


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a sync did not get, and why; as text it is a sentence for people."""

    why: str
    part: Part | None = None
    """The part it belongs to, where it belongs to one."""
    edge: str | None = None
    """The edge that was read, or the dataset with its days; None for all of the part."""
    is_whole: bool = False
    """Whether the part as a whole is not in: its edge was not read to the end, or not at all."""

    def __str__(self) -> str:
        name = self.edge or self.part
        return f"{name}: {self.why}" if name else self.why
