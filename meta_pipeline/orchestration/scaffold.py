"""The options of a component as commented lines of YAML: what `dg scaffold defs` writes."""

# No orchestrator is asked for here: a model of pydantic is all that it reads.
from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_WIDTH = 100


def commented_options(model: type[BaseModel], *, besides: Collection[str] = ()) -> str:
    """Every option of `model` with what it means and an example, each line after a `#`.

    Taking the `#` away from an option's line puts it to work; sentences have a space after theirs.
    `besides` names options that are written already.
    """
    lines: list[str] = []
    for name, field in model.model_fields.items():
        if name not in besides:
            lines += ["", *(f"  {line}" for line in _option(name, field))]
    return "\n".join([*lines, ""])


def _option(name: str, field: FieldInfo) -> Iterator[str]:
    yield from _sentences(field)
    below = field.annotation
    if not (isinstance(below, type) and issubclass(below, BaseModel)):
        yield f"#{_line(name, _example(field))}"
        return
    yield f"#{name}:"
    for inner, one in below.model_fields.items():
        yield from (f"#  {line}" for line in _sentences(one))
        yield f"#  {_line(inner, _example(one))}"


def _sentences(field: FieldInfo) -> list[str]:
    said = (field.description or "").rstrip(".")
    return [f"# {line}" for line in textwrap.wrap(f"{said}.", _WIDTH)]


def _example(field: FieldInfo) -> Any:
    return field.examples[0] if field.examples else field.default


def _line(name: str, value: Any) -> str:
    """`name: value` on one line, as YAML writes it."""
    # In flow style, whose braces are taken off again: block style would break a list into lines.
    text: str = yaml.safe_dump({name: value}, default_flow_style=True, width=10_000)
    return text.strip().removeprefix("{").removesuffix("}")
