"""A YAML file that remembers its lines, so that every complaint can name one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from meta_pipeline.metrics.errors import DictionaryError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where libyaml is there: ten times as fast, and every question reads a dictionary."""
_MOST_NODES = 100_000
"""A hundred times those of the dictionary that comes with the package."""
Place = tuple[str | int, ...]
"""Where something is in a document: keys and list positions from the top."""


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a YAML file and the line of everything in it."""

    path: Path
    content: dict[str, Any]
    lines: dict[Place, int] = field(repr=False)

    def line(self, place: Place) -> int | None:
        """The line of `place`, or of the nearest thing above it that has one."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)

    def error(self, problem: str, place: Place = ()) -> DictionaryError:
        return DictionaryError(problem, path=self.path, line=self.line(place))


def read(path: Path) -> Document:
    """Read `path`; a syntax error, a key given twice or a list on top is a DictionaryError."""
    try:
        # With the byte order mark that some editors write, or without.
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DictionaryError("is not UTF-8 text: save it again as UTF-8", path=path) from None
    except OSError as error:
        raise DictionaryError(f"cannot be read: {error.strerror}", path=path) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Document:
    """As `read`, from text; `path` is only for messages."""
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:  # a character that no YAML has
        raise DictionaryError(f"is not YAML: {error}", path=path) from None
    try:
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        content = {} if node is None else _plain(loader, node, (), lines, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        raise DictionaryError(f"is not YAML: {error.problem}", path=path, line=line) from None
    except yaml.YAMLError as error:  # a character that no YAML has, where the C loader meets it
        raise DictionaryError(f"is not YAML: {error}", path=path) from None
    except (ValueError, RecursionError) as error:  # a date that is none, brackets without an end
        raise DictionaryError(f"cannot be read: {error}", path=path) from None
    finally:
        loader.dispose()
    if not isinstance(content, dict):
        raise DictionaryError("must be a mapping with the key metrics", path=path, line=1)
    return Document(path, content, lines)


def _plain(
    loader: yaml.SafeLoader, node: yaml.Node, place: Place, lines: dict[Place, int], path: Path
) -> Any:
    # An alias is written once and read wherever it stands: ten of ten of ten have no end.
    if len(lines) > _MOST_NODES:
        raise DictionaryError(f"holds more than {_MOST_NODES:,} values, aliases counted", path=path)
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, place, lines, path)
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(loader, child, (*place, position), lines, path)
            for position, child in enumerate(node.value)
        ]
    return loader.construct_object(node, deep=True)


def _mapping(
    loader: yaml.SafeLoader,
    node: yaml.MappingNode,
    place: Place,
    lines: dict[Place, int],
    path: Path,
) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):  # of aliases it may be as long as it likes
            raise DictionaryError("a key must be a word", path=path, line=line)
        key = str(loader.construct_object(key_node, deep=True))
        # YAML forbids it, and its parsers keep the last one without a word.
        if key in mapping:
            first = lines[(*place, key)]
            raise DictionaryError(
                f"{key!r} is given twice, first in line {first}", path=path, line=line
            )
        lines[(*place, key)] = line
        mapping[key] = _plain(loader, value_node, (*place, key), lines, path)
    return mapping


__all__ = ["Document", "Place", "parse", "read"]
