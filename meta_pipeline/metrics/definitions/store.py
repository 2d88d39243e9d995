"""The dictionary in Postgres: written from the reviewed file, read back for every answer."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from meta_pipeline.metrics.once import once
from meta_pipeline.warehouse import Warehouse

from .definition import Family, Goals, Metric, Override
from .dictionary import Dictionary
from .families import Families
from .reader import read_dictionary

STANDARD_NAME = "standard"
# A key of the table, and keys are not null.
_ALWAYS = date(1, 1, 1)
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('meta_ads:metric_dictionary', 0))"
_TABLES = ("metric_definitions", "metric_overrides", "metric_families", "metric_goals")


def load_dictionary(warehouse: Warehouse, path: Path | str | None = None) -> Dictionary:
    """Replace the dictionary in the warehouse by the standard one with the file `path` over it.

    All or nothing; DictionaryError (file and line) when the file is wrong, and then nothing
    changes. Rollups made with other definitions are noticed by their version and recomputed by the
    next `rollup`.
    """
    dictionary = read_dictionary(path)
    with warehouse.connection() as connection:
        write(connection, dictionary, STANDARD_NAME if path is None else Path(path).name)
    return dictionary


def dictionary_of(warehouse: Warehouse) -> Dictionary:
    """The dictionary answers are made with; see `current`."""
    with warehouse.connection() as connection:
        return current(connection)


def current(connection: Connection[Any]) -> Dictionary:
    """The dictionary of the warehouse; the standard one is written where none, or an old one, is.

    A dictionary loaded from a file stays until it is loaded again.
    """
    return once(connection, "dictionary", lambda: _current(connection))


def _current(connection: Connection[Any]) -> Dictionary:
    stored = connection.execute(
        "SELECT dictionary_version, loaded_from FROM meta_ads.metric_definitions LIMIT 1"
    ).fetchone()
    # A file of somebody's own is never replaced by ours.
    if stored is not None and stored[1] != STANDARD_NAME:
        return read(connection)
    standard = read_dictionary()
    if stored is None or stored[0] != standard.fingerprint:
        # A session that only asks uses the standard dictionary and does not write it.
        may_write = connection.execute(
            "SELECT NOT current_setting('transaction_read_only')::boolean"
        ).fetchone()
        if may_write and may_write[0]:
            write(connection, standard, STANDARD_NAME)
    return standard


def write(connection: Connection[Any], dictionary: Dictionary, loaded_from: str) -> None:
    """Replace the four tables of the dictionary, in the caller's transaction or one of its own."""
    with connection.transaction():
        connection.execute(_LOCK)
        now = connection.execute("SELECT clock_timestamp()").fetchone()
        assert now is not None
        for table in _TABLES:
            # Whole, in one transaction: readers see the old dictionary or the new one, never a
            # mixture.
            connection.execute(f"DELETE FROM meta_ads.{table}")
        _write_metrics(connection, dictionary, loaded_from, now[0])
        _write_overrides(connection, dictionary, now[0])
        _write_families(connection, dictionary)
        _insert(
            connection,
            "metric_goals",
            [
                {"source": source, "value": value, "metric_key": key}
                for source, mapping in dictionary.goals.model_dump().items()
                for value, key in mapping.items()
            ],
        )


def read(connection: Connection[Any]) -> Dictionary:
    """The dictionary as it was written; no check is made again."""
    metrics = {
        key: Metric.model_validate(definition)
        for key, definition in connection.execute(
            "SELECT metric_key, definition FROM meta_ads.metric_definitions ORDER BY metric_key"
        )
    }
    overrides = tuple(
        Override.model_validate(definition)
        for (definition,) in connection.execute(
            "SELECT definition FROM meta_ads.metric_overrides"
            " ORDER BY account_id, metric_key, valid_from"
        )
    )
    mappings: dict[str, dict[str, str]] = defaultdict(dict)
    for source, value, key in connection.execute(
        "SELECT source, value, metric_key FROM meta_ads.metric_goals ORDER BY source, value"
    ):
        mappings[source][value] = key
    return Dictionary(metrics, _families(connection), Goals.model_validate(mappings), overrides)


def _write_metrics(
    connection: Connection[Any], dictionary: Dictionary, loaded_from: str, now: datetime
) -> None:
    version = dictionary.fingerprint
    _insert(
        connection,
        "metric_definitions",
        [
            {
                "metric_key": metric.key,
                "display_name": metric.display_name,
                "description": metric.description,
                "unit": str(metric.unit),
                "kind": str(metric.kind),
                "better": str(metric.better),
                "formula": metric.formula,
                "source_column": metric.column,
                "action_types": list(metric.actions) or None,
                "action_list": str(metric.list) if metric.actions else None,
                "attribution_window": metric.window,
                "numerator": metric.numerator,
                "denominator": metric.denominator,
                "scale": metric.scale,
                "definition": Jsonb(metric.model_dump(mode="json")),
                "dictionary_version": version,
                "loaded_from": loaded_from,
                "loaded_at": now,
            }
            for metric in dictionary.metrics.values()
        ],
    )


def _write_overrides(connection: Connection[Any], dictionary: Dictionary, now: datetime) -> None:
    _insert(
        connection,
        "metric_overrides",
        [
            {
                "account_id": override.account,
                "metric_key": override.metric,
                "valid_from": override.valid_from or _ALWAYS,
                "valid_until": override.valid_until,
                "note": override.note,
                "definition": Jsonb(override.model_dump(mode="json", exclude_none=True)),
                "loaded_at": now,
            }
            for override in dictionary.overrides
        ],
    )


def _write_families(connection: Connection[Any], dictionary: Dictionary) -> None:
    _insert(
        connection,
        "metric_families",
        [
            {
                "action_type": action_type,
                "family": name,
                "fallback_order": position,
                "includes": list(family.includes),
                "off_meta": family.off_meta,
            }
            for name, family in dictionary.families.by_name.items()
            for position, action_type in enumerate(family.types, start=1)
        ],
    )


def _insert(connection: Connection[Any], table: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    names = list(rows[0])
    places = ", ".join(f"%({name})s" for name in names)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO meta_ads.{table} ({', '.join(names)}) VALUES ({places})", rows
        )


def _families(connection: Connection[Any]) -> Families:
    types: dict[str, list[str]] = defaultdict(list)
    about: dict[str, tuple[list[str], bool]] = {}
    for name, action_type, includes, off_meta in connection.execute(
        "SELECT family, action_type, includes, off_meta FROM meta_ads.metric_families"
        " ORDER BY family, fallback_order"
    ):
        types[name].append(action_type)
        about[name] = (includes, off_meta)
    return Families(
        {
            name: Family(types=tuple(types[name]), includes=tuple(includes), off_meta=off_meta)
            for name, (includes, off_meta) in about.items()
        }
    )
