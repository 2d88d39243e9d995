"""A connection belongs to a tenant, and what it reaches is that tenant's."""

from __future__ import annotations

import pytest

from meta_pipeline.warehouse import TenantRefused, TenantUnknown
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
        place.warehouse.connections.set_accounts(
            row.connection_id, names, START, connection, has_environment=True
        )
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
