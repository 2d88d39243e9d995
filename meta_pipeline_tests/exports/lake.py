"""What the tests of the export share: rows of two accounts and two months, and DuckDB to read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from meta_pipeline.exports import ExportedFile, Manifest, export, open_place
from meta_pipeline.exports.pending import BATCH_SECONDS
from meta_pipeline_tests.warehouse.rows import MORNING, insert

FIRST, SECOND = "act_1", "act_2"
APRIL, MAY = date(2026, 4, 30), date(2026, 5, 1)
SECRET = "NOBODYREADSTHIS"
"""What opens the buckets of the tests."""
_PAGE = (Path(__file__).parents[2] / "docs" / "lake.md").read_text(encoding="utf-8")


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


class Killed(BaseException):
    """What ends a process in the middle."""


def killed_after(files: int) -> Callable[[str, ExportedFile], None]:
    """An `on_file` that ends the export when so many were put."""
    told = count(1)

    def on_file(table: str, file: ExportedFile) -> None:
        if next(told) == files:
            raise Killed

    return on_file


def slow() -> Callable[[], float]:
    """A clock by which each file takes so long that it is written down alone."""
    return count(0.0, BATCH_SECONDS).__next__


def strays(place: Path) -> set[str]:
    """Paths of files that no list knows, and of lists that are no more needed."""
    there = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    known = manifest(place)
    replaced = {one.path for one in known.superseded}
    lists = {"manifest.json", *(f"{name}/files.txt" for name in known.tables)}
    return there ^ (known.paths | replaced | lists)


def fill_place(url: str, address: str) -> None:
    """Export twice, so that files which are not listed lie beside those that are."""
    fill(url)
    actions = json.dumps([{"action_type": "omni_purchase", "value": "3", "7d_click": "2"}])
    with psycopg.connect(url) as connection:
        for account_id in (FIRST, SECOND):
            for number, day in enumerate((APRIL, MAY)):
                add_day(
                    connection, account_id, day, ad_id=f"{account_id}-{number}", actions=actions
                )
            add_day(connection, account_id, MAY, ad_id=account_id, entity_type="account")
    export(url, open_place(address))
    change(url, "UPDATE meta_ads.meta_insights SET spend = 7.01 WHERE ad_id LIKE '%-1'")
    export(url, open_place(address))


def blocks(heading: str, language: str) -> list[str]:
    """The code of a section of docs/lake.md."""
    section = _PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


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
