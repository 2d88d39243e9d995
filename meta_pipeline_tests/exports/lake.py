"""What the tests of the export share: rows of two accounts and two months, and DuckDB to read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from meta_pipeline.exports import Manifest
from meta_pipeline_tests.warehouse.rows import MORNING, insert

FIRST, SECOND = "act_1", "act_2"
APRIL, MAY = date(2026, 4, 30), date(2026, 5, 1)


def add_day(connection: psycopg.Connection[Any], account_id: str, day: date, **values: Any) -> None:
    """One ad's row of a day."""
    ad_id = values.pop("ad_id", f"{account_id}-ad")
    row = {
        "entity_type": "ad",
        "entity_id": ad_id,
        "ad_id": ad_id,
        "date_start": day,
        "date_stop": day,
        "account_id": account_id,
        "currency": "EUR",
        "spend": Decimal("12.34"),
        "impressions": 100,
        "data_as_of": MORNING,
    }
    insert(connection, "meta_insights", **(row | values))


def fill(url: str) -> None:
    """Two accounts with a campaign, and numbers of two months."""
    with psycopg.connect(url) as connection:
        for account_id in (FIRST, SECOND):
            insert(
                connection,
                "meta_ad_accounts",
                account_id=account_id,
                name=f"Account {account_id}",
                last_listed_at=MORNING,
                data_as_of=MORNING,
            )
            insert(
                connection,
                "meta_campaigns",
                campaign_id=f"{account_id}-c",
                account_id=account_id,
                name="Frühling, 50 % \n“neu”",
                data_as_of=MORNING,
            )
            for day in (APRIL, MAY):
                add_day(connection, account_id, day)


def change(url: str, statement: str) -> None:
    """Change what is stored."""
    with psycopg.connect(url) as connection:
        connection.execute(statement)


def manifest(place: Path) -> Manifest:
    """What the manifest in a folder says."""
    return Manifest.from_json((place / "manifest.json").read_bytes(), str(place))


def files(place: Path, table: str) -> list[str]:
    """The files of a table by the manifest, as whole paths."""
    return [str(place / one.path) for one in manifest(place).files_of(table)]


def ask(query: str, paths: Iterable[str]) -> list[Any]:
    """Rows of a query of DuckDB's in which `rows` are those of the files."""
    listed = list(paths)
    with duckdb.connect() as connection:
        connection.read_parquet(listed).create_view("rows")
        return connection.execute(query).fetchall()


def asked(url: str, query: str) -> list[Any]:
    """Rows of a query of Postgres's."""
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()
