"""Simulated rows and Meta's never share a database: nobody could tell spend from play money."""

from __future__ import annotations

from meta_pipeline.settings import SettingsError
from meta_pipeline.warehouse import Warehouse

_OTHERS = "SELECT count(*) FROM meta_ads.meta_ad_accounts WHERE is_simulated <> %s"


class MixedData(SettingsError):
    """The database holds accounts of the other kind."""


def refuse_mixture(warehouse: Warehouse, *, is_simulated: bool) -> None:
    """Raise MixedData when the database holds accounts from Meta and we do not, or vice versa."""
    with warehouse.connection() as connection:
        row = connection.execute(_OTHERS, (is_simulated,)).fetchone()
    others = int(row[0]) if row else 0
    if not others:
        return
    if is_simulated:
        raise MixedData(
            f"META_GRAPH_URL points to a simulator, but the database holds {others} ad accounts "
            "of Meta's. Unset META_GRAPH_URL, or point DATABASE_URL to another database."
        )
    raise MixedData(
        f"The database holds {others} simulated ad accounts, and META_GRAPH_URL is Meta's. Point "
        "DATABASE_URL to another database, or empty this one: DROP SCHEMA meta_ads CASCADE."
    )
