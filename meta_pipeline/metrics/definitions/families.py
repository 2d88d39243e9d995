"""Families of action types: which names count the same people, and which contain others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from .definition import Family

_OPEN_ENDED = re.compile(
    r"^(offsite_conversion\.custom\.\d+|offline_conversion\.custom\.\d+"
    r"|onsite_conversion\.custom\.\d+|app_custom_event\.[A-Za-z0-9_]+)$"
)
"""Action types that Meta makes per account: custom conversions and custom app events."""


@dataclass(frozen=True)
class Families:
    """All families of a dictionary, by name."""

    by_name: Mapping[str, Family]

    @cached_property
    def of_type(self) -> dict[str, str]:
        """Action type to the name of its family."""
        return {
            action_type: name
            for name, family in self.by_name.items()
            for action_type in family.types
        }

    def knows(self, action_type: str) -> bool:
        # A misspelt type would be zero for ever; those with an id cannot be listed.
        return action_type in self.of_type or bool(_OPEN_ENDED.match(action_type))

    def covered(self, action_types: Iterable[str]) -> set[str]:
        """Everything that may be inside `action_types`: families (with what they include)."""
        names = {self.of_type.get(action_type, action_type) for action_type in action_types}
        return names | {inner for name in names for inner in self.included(name)}

    def included(self, name: str) -> set[str]:
        """Names of the families whose actions are part of family `name`, at any depth."""
        names, waiting = set[str](), [name]
        while waiting:
            family = self.by_name.get(waiting.pop())
            new = set(family.includes) - names if family else set()
            names |= new
            waiting += new
        return names

    def off_meta(self, action_types: Iterable[str]) -> bool:
        """Whether some of them happen outside Meta, so that fine breakdowns leave them out."""
        return any(
            family.off_meta
            for name in self.covered(action_types)
            if (family := self.by_name.get(name))
        ) or any(_OPEN_ENDED.match(action_type) for action_type in action_types)
