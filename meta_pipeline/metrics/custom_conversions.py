"""Names of custom conversions: Meta's action types have their ids alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import Connection

_ACTION_TYPE = re.compile(r"\b(?:offsite|onsite|offline)_conversion\.custom\.(\d+)\b")
_NAMES = """
    SELECT custom_conversion_id, min(name) FROM meta_ads.meta_custom_conversions
    WHERE custom_conversion_id = ANY (%(ids)s) AND name <> ''
      AND (%(accounts)s::text[] IS NULL OR account_id = ANY (%(accounts)s))
    GROUP BY custom_conversion_id
"""


def names_in(
    connection: Connection[Any], texts: Iterable[str], accounts: Sequence[str] | None = None
) -> dict[str, str]:
    """Action types of custom conversions in these texts, and the names of those that are stored.

    They are where META_CUSTOM_CONVERSIONS has them read; `accounts` are all where none are named.
    """
    ids = {found[0]: found[1] for text in texts for found in _ACTION_TYPE.finditer(text)}
    if not ids:
        return {}
    asked = {"ids": list(ids.values()), "accounts": accounts and list(accounts)}
    names = dict(connection.execute(_NAMES, asked).fetchall())
    return {one: names[id_] for one, id_ in sorted(ids.items()) if id_ in names}


def with_names(text: str, names: Mapping[str, str]) -> str:
    """The text with the name before each custom conversion that has one."""
    return _ACTION_TYPE.sub(
        lambda found: f"“{names[found[0]]}” ({found[0]})" if found[0] in names else found[0], text
    )
