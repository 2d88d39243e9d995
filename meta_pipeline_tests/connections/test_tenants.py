"""A connection belongs to a tenant, and what it reaches is that tenant's."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from meta_pipeline.warehouse import ConnectionRow, TenantRefused, TenantUnknown
from meta_pipeline.warehouse.tenancy import add_sql_role, drop_sql_roles
from meta_pipeline_tests.connections.engines import engine_of
from meta_pipeline_tests.connections.place import START, Place


def accounts_of(place: Place, tenant: str) -> list[str]:
    return place.warehouse.tenants.get(tenant).account_ids


def test_what_a_tenants_connection_reaches_is_the_tenants(place: Place) -> None:
    first, second, third = sorted(place.ids)
    place.warehouse.tenants.add("acme", "Acme", START)
    token = place.issue(accounts=[first, second])
    row = place.book.add(token, tenant="acme")
    assert row.tenant == "acme"
    assert accounts_of(place, "acme") == [first, second]

    place.warehouse.tenants.grant("acme", [third], START)
    assert place.warehouse.tenants.revoke("acme", [third]) == 1
    with pytest.raises(TenantRefused, match=row.connection_id):
        place.warehouse.tenants.revoke("acme", [second])
    with pytest.raises(TenantRefused, match="Connections belong to tenant acme"):
        place.warehouse.tenants.remove("acme")
    assert accounts_of(place, "acme") == [first, second]

    place.book.remove(row)
    assert place.warehouse.tenants.revoke("acme", [second]) == 1
    place.warehouse.tenants.remove("acme")
    assert [one.tenant for one in place.warehouse.tenants.all()] == ["default"]


def test_what_it_reaches_later_is_the_tenants_too(place: Place) -> None:
    place.warehouse.tenants.add("acme", "Acme", START)
    row = place.book.add(place.issue(accounts=place.ids[:1]), tenant="acme")
    with place.warehouse.connection() as connection:
        names = dict.fromkeys(place.ids, "Shop")
        place.warehouse.connections.set_accounts(row.connection_id, names, START, connection)
    assert accounts_of(place, "acme") == sorted(place.ids)


def test_what_was_taken_from_the_default_tenant_does_not_come_back(place: Place) -> None:
    row = place.book.add(place.issue())
    place.warehouse.tenants.grant("default", place.ids, START)
    place.warehouse.tenants.revoke("default", place.ids[:1])
    place.book.check(row)
    assert accounts_of(place, "default") == sorted(place.ids[1:])


def test_a_connection_of_no_tenant_is_refused_before_meta_is_asked(place: Place) -> None:
    token, calls = place.issue(), len(place.sim.journal)
    with pytest.raises(TenantUnknown, match="tenants add"):
        place.book.add(token, tenant="nobody")
    assert len(place.sim.journal) == calls


def two_tenants(place: Place) -> tuple[ConnectionRow, str]:
    """Acme's connection and its token, with two accounts of which one is zeta's connection's too.

    A third one was granted to acme by hand, one that its connection reaches as well.
    """
    for name in ("acme", "zeta"):
        place.warehouse.tenants.add(name, name.title(), START)
    token = place.issue(accounts=place.ids, user_id="702")
    row = place.book.add(token, tenant="acme")
    place.book.add(place.issue(accounts=place.ids[1:], user_id="703"), tenant="zeta")
    assert place.warehouse.tenants.grant("acme", [place.ids[2]], START) == 0
    return row, token


def test_an_account_that_meta_took_from_a_tenant_goes_on_without_it(place: Place) -> None:
    """Its new rows come over another tenant's connection, and are that tenant's."""
    (alone, shared, by_hand), (row, token) = place.ids, two_tenants(place)
    place.sim.tokens.restrict(place.sim.token, accounts=[])
    place.warehouse.keep_tenants_apart()
    role = f"{place.query('SELECT current_database()')[0][0]}_acme"
    with place.warehouse.connection() as connection:
        password = add_sql_role(connection, "acme", role, START)
    url = psycopg.conninfo.make_conninfo(place.warehouse.url, user=role, password=password)

    def seen() -> tuple[list[str], list[str]]:
        rows = place.warehouse.of_tenant("acme").accounts.all()
        with closing(psycopg.connect(url)) as login:
            by_sql = login.execute("SELECT account_id FROM meta_ad_accounts ORDER BY 1").fetchall()
        return sorted(one.account_id for one in rows), [one for (one,) in by_sql]

    try:
        with engine_of(place) as engine:
            engine.discover()
            assert seen() == (place.ids, place.ids)
            place.sim.tokens.restrict(token, accounts=[])
            engine.discover()
        assert place.warehouse.connections.accounts(row.connection_id) == {}
        kept = [alone, by_hand]
        assert seen() == (kept, kept), "nobody else reads the one, somebody granted the other"
        assert place.warehouse.tenants.get("zeta").account_ids == [shared, by_hand]
        told = "SELECT actor, detail FROM meta_ads.web_events WHERE action = %s AND tenant = 'acme'"
        assert place.query(told, "accounts taken back") == [("sync", shared)]
        place.sim.tokens.restrict(token, accounts=[shared])
        place.book.check(row)
        assert seen() == (place.ids, place.ids), "it comes back as Meta lists it again"
    finally:
        with place.warehouse.connection() as connection:
            drop_sql_roles(connection, "acme", [role])


def test_what_a_removed_connection_gave_is_kept_until_others_reach_it(place: Place) -> None:
    (alone, _, by_hand), (row, _) = place.ids, two_tenants(place)
    place.book.remove(row)
    assert accounts_of(place, "acme") == [alone, by_hand]
    place.book.add(place.issue(accounts=[alone], user_id="704"))
    assert accounts_of(place, "acme") == [by_hand], "the house reads it on"


def test_a_dead_connections_accounts_stay_its_tenants(place: Place) -> None:
    """Nobody can say what Meta took from it."""
    row, token = two_tenants(place)
    place.sim.tokens.revoke(token)
    assert place.book.check(row).state == "revoked"
    with engine_of(place) as engine:
        engine.discover()
    assert accounts_of(place, "acme") == place.ids
    (told,) = place.warehouse.tenants.unproven()
    assert (told.tenant, told.connection_id, told.state) == ("acme", row.connection_id, "revoked")
    assert told.account_ids == place.ids[:2], "the third was granted by hand"
    with engine_of(place, has_environment=False) as engine:
        engine.discover()
    (told,) = place.warehouse.tenants.unproven()
    assert told.account_ids == place.ids[1:2], "zeta's connection reaches that one alone"
    place.book.remove(row)
    assert accounts_of(place, "acme") == [place.ids[0], place.ids[2]]
    assert place.warehouse.tenants.unproven() == []
