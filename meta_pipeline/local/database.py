"""Where the demo puts its data, and where it must not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meta_pipeline.embedded import EmbeddedPostgres, default_root, told_to_nobody
from meta_pipeline.local.signals import termination_as_interrupt
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.connect import READER

DEMO_DATABASE = "meta_pipeline_demo"
_REAL_ACCOUNTS = "SELECT count(*) FROM meta_ads.meta_ad_accounts WHERE NOT is_simulated"
_HAS_ACCOUNTS = "SELECT to_regclass('meta_ads.meta_ad_accounts') IS NOT NULL"


class RealData(Exception):
    """The database holds data of Meta's, which simulated data must not be mixed with."""


def data_root(settings: Settings) -> Path:
    """Where the embedded server and Dagster's files are."""
    return settings.data_dir or default_root()


@contextmanager
def demo_database(settings: Settings) -> Iterator[str]:
    """The URL of the demo's Postgres: a database of its own in the embedded server.

    DATABASE_URL is not looked at: nobody wants made-up accounts in a database in use.
    """
    server = EmbeddedPostgres(data_root(settings), database=DEMO_DATABASE)
    with termination_as_interrupt(), server.running() as url:
        yield told_to_nobody(url)


@contextmanager
def named_database(settings: Settings) -> Iterator[str]:
    """The URL of DATABASE_URL for the demo, told by name; RealData if it holds data of Meta's."""
    url = settings.require_database_url()
    with Warehouse(url, patience=READER) as warehouse:
        refuse_real_data(warehouse)
    yield url


def refuse_real_data(warehouse: Warehouse) -> None:
    """Raise RealData when the database has an account that is not simulated."""
    with warehouse.connection() as connection:
        has_accounts = connection.execute(_HAS_ACCOUNTS).fetchone()
        if not has_accounts or not has_accounts[0]:
            return
        real = connection.execute(_REAL_ACCOUNTS).fetchone()
    if real and real[0]:
        raise RealData(
            f"The database of DATABASE_URL holds {real[0]} ad accounts of Meta's. The demo fills "
            "it with simulated data, so it stays away. Leave --use-database-url out to let the "
            "demo use a database of its own, or name an empty one in DATABASE_URL."
        )
