"""The composition root: all that is in `defs`, with its resources and its executor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from . import defs
from .dagster_internals import loaded
from .executor import in_process
from .place import here
from .resources import default_resources, private


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions; `resources` replaces some of the default ones by name, as tests do.

    In somebody else's code location executor and IO manager are theirs, and our resources are
    called by the place's names.
    """
    place = here()
    given = {
        place.named(name): private(resource)
        for name, resource in {**default_resources(), **(resources or {})}.items()
        if place.is_own or name != "io_manager"
    }
    return loaded(defs, given, in_process if place.is_own else None)
