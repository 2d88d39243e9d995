"""Names of resources: those of our own Dagster, with the place's prefix in somebody else's."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .place import here

CONTEXT = "context"
F = TypeVar("F", bound=Callable[..., Any])


def asking(function: F) -> F:
    """Let Dagster hand over our resources, whatever they are called in this place.

    Dagster finds a resource by the name of the parameter. In somebody else's code location
    `warehouse` may be theirs, so Dagster is shown the parameter under the place's name for it.
    """
    if not here().prefix:
        return function
    signature = inspect.signature(function)
    shown = {name: here().named(name) for name in signature.parameters if name != CONTEXT}
    ours = {name: own for own, name in shown.items()}

    @functools.wraps(function)
    def asked(*given: Any, **named: Any) -> Any:
        return function(*given, **{ours.get(name, name): value for name, value in named.items()})

    parameters = [
        one.replace(name=shown.get(name, name)) for name, one in signature.parameters.items()
    ]
    # Without what it returns: of a function that is no generator itself, Dagster wants a tuple.
    vars(asked)["__signature__"] = inspect.Signature(parameters)
    asked.__annotations__ = {
        shown.get(name, name): kind
        for name, kind in function.__annotations__.items()
        if name != "return"
    }
    return cast("F", asked)
