"""A tenant's login is warned of until no other database of the server lets it in."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import rmtree
from urllib.parse import urlsplit

import psycopg
import pytest

from meta_pipeline.embedded import EmbeddedPostgres
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.tenancy import add_sql_role, dangers, harden
from meta_pipeline_tests.postgres import TestPostgres, scratch_folder
from meta_pipeline_tests.warehouse.places import Place

from .test_roles import NOW, with_a_tenant

PASSWORD = "only for this test"


@pytest.fixture(scope="module")
def server() -> Iterator[TestPostgres]:
    """One on which no other tests make databases, and whose pg_hba.conf may be changed."""
    folder = scratch_folder() / f"meta-pipeline-lone-{secrets.token_hex(8)}"
    made = EmbeddedPostgres(folder, durable=False, database="postgres")
    try:
        with made.running() as url:
            yield TestPostgres(url)
    finally:
        made.reset()
        rmtree(folder, ignore_errors=True)


@pytest.fixture
def place(server: TestPostgres) -> Iterator[Place]:
    """A hardened database whose owner is no superuser; acme has a login of SQL."""
    with with_a_tenant(server) as made, Warehouse(made.url) as warehouse:
        made.run("ALTER ROLE {role} CREATEROLE")
        warehouse.keep_tenants_apart()
        with warehouse.connection() as connection:
            add_sql_role(connection, "acme", f"{made.role}_acme", NOW, password=PASSWORD)
        harden_it(made)
        yield made
        made.run("GRANT CONNECT ON DATABASE postgres, template1 TO PUBLIC")


@pytest.fixture
def hba(place: Place) -> Iterator[Path]:
    ((path,),) = place.ask("SHOW hba_file")
    found = Path(str(path))
    before = found.read_text(encoding="utf-8")
    yield found
    found.write_text(before, encoding="utf-8")
    load(place)


def harden_it(place: Place) -> None:
    with Warehouse(place.admin_url) as warehouse, warehouse.connection() as connection:
        harden(connection)


def load(place: Place) -> None:
    """Have pg_hba.conf read again, and wait until whoever comes is let in by it."""
    ((before,),) = place.ask("SELECT pg_conf_load_time()")
    place.run("SELECT pg_reload_conf()")
    while place.ask("SELECT pg_conf_load_time()") == [(before,)]:
        pass


def told(url: str) -> list[str]:
    with Warehouse(url) as warehouse, warehouse.connection() as connection:
        return dangers(connection)


def of_tenant(place: Place, database: str) -> closing[psycopg.Connection[tuple[object, ...]]]:
    parts = urlsplit(place.url)
    user = f"{place.role}_acme"
    return closing(
        psycopg.connect(
            host=parts.hostname, port=parts.port, dbname=database, user=user, password=PASSWORD
        )
    )


def test_a_login_that_fills_the_disk_from_another_database_is_named_until_it_is_kept_out(
    place: Place,
) -> None:
    with of_tenant(place, "postgres") as tenant:
        tenant.execute("SET default_transaction_read_only = off")
        tenant.commit()
        tenant.execute("CREATE TEMPORARY TABLE x AS SELECT repeat('x', 10000)")
    for url in (place.url, place.admin_url):
        (warning,) = told(url)
        assert f'by "{place.role}_acme". ' in warning
        assert ("cannot see" in warning) == (url == place.url)
        (statement,) = re.findall(r"REVOKE CONNECT [^;]+", warning)
        assert 'DATABASE "postgres", "template1" FROM' in statement

    place.run(statement)

    assert told(place.url) == []
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        of_tenant(place, "postgres")
    with of_tenant(place, place.database) as tenant:
        tenant.execute("SELECT FROM meta_ad_accounts")


def test_the_lines_of_pg_hba_that_it_says_keep_logins_out_and_end_the_warning(
    place: Place, hba: Path
) -> None:
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        add_sql_role(connection, "acme", f"{place.role}_writer", NOW, password=PASSWORD)
    harden_it(place)
    (warning,) = told(place.url)
    lines = re.findall(r"host .*? all (?:scram-sha-256|reject)", warning)
    assert len(lines) == 2
    hba.write_text("\n".join([*lines, hba.read_text(encoding="utf-8")]), encoding="utf-8")
    load(place)
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        of_tenant(place, "postgres")
    with of_tenant(place, place.database) as tenant:
        tenant.execute("SELECT FROM meta_ad_accounts")
    assert told(place.admin_url) == []

    # Whoever cannot see the file goes on being told, and how to see it.
    (again,) = told(place.url)
    place.run(*re.findall(r"GRANT EXECUTE ON FUNCTION pg_hba_file_rules\(\) TO [^;]+", again))
    assert told(place.url) == []


# Each instead of what is there; the administrator's own line is the last.
CLOSED = (
    "host all {login} all reject\nhost all all all scram-sha-256",
    "host postgres,template1 all all reject\nhost all all all scram-sha-256",
    "host all +{group} all reject\nhost all all all scram-sha-256",
    "host {database} {login} all scram-sha-256",
    "host sameuser,samerole other all scram-sha-256",
    "local all all scram-sha-256",
    "hostssl all {login} all reject\nhost all {login} all reject\nhost all all all scram-sha-256",
)
OPEN = (
    "host all all all scram-sha-256",
    "host all all 127.0.0.1/32 scram-sha-256\nhost all {login} all reject",
    "host postgres +{group} all scram-sha-256\nhost all {login} all reject",
    "host all {login} 10.0.0.0/8 reject\nhost all all all scram-sha-256",
    "hostssl all {login} all reject\nhost all all all scram-sha-256",
    "host /^post /acme$ all scram-sha-256\nhost all {login} all reject",
    "host {database} {login} all reject\nhost all all all scram-sha-256",
    "local all {login} reject\nhost all all all scram-sha-256",
)


def test_nothing_is_said_of_a_database_only_where_nobody_is_let_in(place: Place, hba: Path) -> None:
    named = {
        "login": f"{place.role}_acme",
        "group": f"meta_ads_tenant_{place.database}",
        "database": place.database,
    }
    owner = f"host all {urlsplit(place.admin_url).username} all scram-sha-256"
    for lines in (*CLOSED, *OPEN):
        hba.write_text("\n".join([owner, lines.format(**named), ""]), encoding="utf-8")
        load(place)
        assert bool(told(place.admin_url)) == (lines in OPEN), lines
        if lines in OPEN:
            with of_tenant(place, "postgres"):
                pass
        else:
            with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf"):
                of_tenant(place, "postgres")
