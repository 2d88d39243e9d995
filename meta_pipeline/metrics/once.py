"""What several questions of one snapshot ask alike: asked of Postgres once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from psycopg import Connection

from meta_pipeline.warehouse import Snapshot

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

# By connection, weakly: what was kept ends with the snapshot, also where nobody says so.
_KEPT: WeakKeyDictionary[Connection[Any], dict[str, dict[Any, Any]]] = WeakKeyDictionary()


@contextmanager
def asked_once(snapshot: Snapshot) -> Iterator[None]:
    """Within the context, what was asked of `snapshot` once is not asked again.

    Its tables do not change, so a second answer would be the same.
    """
    with snapshot.connection() as connection:
        _KEPT[connection] = {}
        try:
            yield
        finally:
            del _KEPT[connection]


def once(connection: Connection[Any], what: str, read: Callable[[], Value]) -> Value:
    """The answer of `read`, or the one that `what` had in this snapshot already."""
    return once_each(connection, what, [None], lambda _: {None: read()})[None]


def once_each(
    connection: Connection[Any],
    what: str,
    keys: Sequence[Key],
    read: Callable[[list[Key]], Mapping[Key, Value]],
) -> dict[Key, Value]:
    """The answers of `read` by key, for those `keys` alone that had none in this snapshot yet.

    `read` is given distinct keys and gives a value for each.
    """
    kept = _KEPT.get(connection, {}).setdefault(what, {})
    lacking = [key for key in dict.fromkeys(keys) if key not in kept]
    if lacking:
        kept.update(read(lacking))
    return {key: kept[key] for key in keys}
