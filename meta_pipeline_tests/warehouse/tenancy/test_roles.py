"""Roles are made without a superuser; where that is not allowed, it says what to do and goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import errors, sql

from meta_pipeline.warehouse import TelemetryWriter, TenantsNotApart, Warehouse
from meta_pipeline.warehouse.errors import RoleRefused
from meta_pipeline.warehouse.readers import grant_reader, revoke_reader
from meta_pipeline.warehouse.tenancy import add_sql_role, drop_sql_roles, enforcement
from meta_pipeline.warehouse.tenancy.groups import group_names
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.warehouse.places import Place, new_place
from meta_pipeline_tests.warehouse.rows import insert

NOW = datetime.now(UTC)
ACCOUNTS = ("act_1", "act_2")
PASSWORD = "only for this test"


@pytest.fixture
def place(postgres: TestPostgres) -> Iterator[Place]:
    with with_a_tenant(postgres) as made:
        yield made


@pytest.fixture(scope="module")
def kept_apart(postgres: TestPostgres) -> Iterator[Place]:
    """The same, whose owner may make roles, and did."""
    with with_a_tenant(postgres) as made, Warehouse(made.url) as warehouse:
        made.run("ALTER ROLE {role} CREATEROLE")
        warehouse.keep_tenants_apart()
        yield made


@contextmanager
def with_a_tenant(postgres: TestPostgres) -> Iterator[Place]:
    """A database of a role that is no superuser, with two accounts and a tenant that has one."""
    with new_place(postgres) as made, Warehouse(made.url) as warehouse:
        warehouse.migrate()
        with warehouse.connection() as connection:
            groups = group_names(connection)
            for account_id in ACCOUNTS:
                insert(
                    connection,
                    "meta_ad_accounts",
                    account_id=account_id,
                    last_listed_at=NOW,
                    data_as_of=NOW,
                )
        warehouse.tenants.add("acme", "Acme", NOW)
        warehouse.tenants.grant("acme", ["act_1"], NOW)
        yield made
        warehouse.close()
        left = [*groups, f"{made.role}_acme", f"{made.role}_writer"]
        for role in left:
            if made.ask(f"SELECT FROM pg_roles WHERE rolname = '{role}'"):
                made.run(f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"')


@contextmanager
def with_a_login(postgres: TestPostgres) -> Iterator[Place]:
    """The same, whose owner may make roles and made one for the tenant; nobody is connected."""
    with with_a_tenant(postgres) as made, Warehouse(made.url) as warehouse:
        made.run("ALTER ROLE {role} CREATEROLE")
        warehouse.keep_tenants_apart()
        with warehouse.connection() as connection:
            add_sql_role(connection, "acme", f"{made.role}_acme", NOW, password=PASSWORD)
        warehouse.close()
        yield made


def login(place: Place, role: str, password: str) -> psycopg.Connection[Any]:
    parts = urlsplit(place.url)
    return psycopg.connect(
        host=parts.hostname, port=parts.port, dbname=place.database, user=role, password=password
    )


def seen(warehouse: Warehouse, tenant: str) -> list[str]:
    return [row.account_id for row in warehouse.of_tenant(tenant).accounts.all()]


def test_who_may_make_roles_needs_no_superuser(place: Place) -> None:
    place.run("ALTER ROLE {role} CREATEROLE")
    role = f"{place.role}_acme"
    with Warehouse(place.url) as warehouse:
        warehouse.keep_tenants_apart()
        warehouse.keep_tenants_apart()
        assert seen(warehouse, "acme") == ["act_1"]
        assert seen(warehouse, "default") == ["act_1", "act_2"]
        with warehouse.connection() as connection:
            password = add_sql_role(connection, "acme", role, NOW)
        assert password is not None
        with closing(login(place, role, password)) as one:
            rows = one.execute("SELECT account_id FROM meta_ad_accounts").fetchall()
            assert rows == [("act_1",)]
            with pytest.raises(errors.ReadOnlySqlTransaction):
                one.execute("CREATE TEMP TABLE x ()")
        with warehouse.connection() as connection:
            again = add_sql_role(connection, "acme", role, NOW, password="another password")
            assert again == "another password"
        with pytest.raises(psycopg.OperationalError):
            login(place, role, password)
        login(place, role, "another password").close()
        with warehouse.connection() as connection:
            drop_sql_roles(connection, "acme", [role])
            warehouse.tenants.remove("acme", connection)
    assert place.ask(f"SELECT FROM pg_roles WHERE rolname = '{role}'") == []


def test_who_may_not_is_told_what_makes_it_possible_and_goes_on(place: Place) -> None:
    role = f"{place.role}_acme"
    with Warehouse(place.url) as warehouse:
        with pytest.raises(RoleRefused, match="tenants enforce") as refused:
            warehouse.keep_tenants_apart()
        assert seen(warehouse, "default") == ["act_1", "act_2"]
        with pytest.raises(TenantsNotApart):
            seen(warehouse, "acme")

        place.run(*told(refused.value))
        warehouse.keep_tenants_apart()

        assert seen(warehouse, "acme") == ["act_1"]
        with warehouse.connection() as connection, pytest.raises(RoleRefused) as refused:
            add_sql_role(connection, "acme", role, NOW)
        assert f'\\password "{role}"' in str(refused.value)
        place.run(*told(refused.value), f"ALTER ROLE \"{role}\" PASSWORD 'its password'")
        with warehouse.connection() as connection:
            assert add_sql_role(connection, "acme", role, NOW, is_there=True) is None
        with closing(login(place, role, "its password")) as one:
            rows = one.execute("SELECT account_id FROM meta_ads.meta_ad_accounts").fetchall()
            assert rows == [("act_1",)]


def told(error: RoleRefused) -> list[str]:
    """The statements of an answer, as an administrator copies them."""
    return re.findall(r"(?:CREATE ROLE|GRANT) [^;]+", str(error))


GETTING_ROUND = {
    "LOGIN SUPERUSER": "superuser",
    "LOGIN BYPASSRLS": "BYPASSRLS",
    "NOLOGIN": "log in",
    "LOGIN IN ROLE {role}": "owner of the tables",
    "LOGIN IN ROLE {role}_acme_between": "owner of the tables",
    'LOGIN IN ROLE "meta_ads_api_{role}"': "role of the API",
    "LOGIN REPLICATION": "REPLICATION",
    "LOGIN CREATEROLE": "make roles",
    # None of these is under a policy for tenants: SET ROLE would leave it behind.
    'LOGIN IN ROLE "{role}_acme_reader"': "may become .*_acme_reader",
    'LOGIN IN ROLE "{role}_acme_around"': "may become .*_acme_(around|reader)",
    'LOGIN IN ROLE "{role}_acme_other"': "may become .*_acme_other",
    "LOGIN IN ROLE pg_read_all_data": "may become pg_read_all_data",
    "LOGIN IN ROLE pg_read_server_files": "may become pg_read_server_files",
    # A view without security_invoker reads as its owner.
    'LOGIN; GRANT SELECT ON meta_ads.round TO "{role}_acme"': "may read round",
    'LOGIN NOINHERIT; GRANT SELECT (name) ON meta_ads.kept_round TO "{role}_acme"': "kept_round",
    # Its row of this table says whose rows it reads.
    'LOGIN; GRANT UPDATE ON meta_ads.tenant_roles TO "{role}_acme"': r"tenant_roles \(UPDATE\)",
    'LOGIN; GRANT UPDATE (tenant) ON meta_ads.tenant_roles TO "{role}_acme"': r"\(UPDATE\)",
    'LOGIN; GRANT DELETE, TRUNCATE ON meta_ads.tenants TO "{role}_acme"': r"\(DELETE, TRUNCATE\)",
    'LOGIN; GRANT TRIGGER ON meta_ads.meta_ad_accounts TO "{role}_acme"': r"\(TRIGGER\)",
    "LOGIN IN ROLE pg_write_all_data": "UPDATE.*take the role pg_write_all_data from it",
    "LOGIN NOINHERIT IN ROLE pg_write_all_data": "take the role pg_write_all_data from it",
}


def test_a_role_that_gets_round_the_policies_is_no_tenants(kept_apart: Place) -> None:
    place, role = kept_apart, f"{kept_apart.role}_acme"
    others = [f"{place.role}_acme_{name}" for name in ("between", "reader", "around", "other")]
    place.run(
        "CREATE ROLE {role}_acme_between IN ROLE {role}",
        "CREATE ROLE {role}_acme_reader",
        "CREATE ROLE {role}_acme_around IN ROLE {role}_acme_reader",
    )
    with Warehouse(place.url) as warehouse:
        with warehouse.connection() as connection:
            for kind, name in (("VIEW", "round"), ("MATERIALIZED VIEW", "kept_round")):
                accounts = "TABLE meta_ads.meta_ad_accounts"
                connection.execute(f"CREATE {kind} meta_ads.{name} AS {accounts}")
            grant_reader(connection, others[1])
            warehouse.tenants.add("other", "Other", NOW, connection)
            add_sql_role(connection, "other", others[3], NOW)
        for made, why in GETTING_ROUND.items():
            place.run('CREATE ROLE "{role}_acme" ' + made)
            with warehouse.connection() as connection:
                with pytest.raises(RoleRefused, match=why):
                    add_sql_role(connection, "acme", role, NOW, is_there=True)
                with pytest.raises(RoleRefused, match="--existing"):
                    add_sql_role(connection, "acme", role, NOW)
            place.run('DROP OWNED BY "{role}_acme"', 'DROP ROLE "{role}_acme"')
        place.run('CREATE ROLE "{role}_acme" LOGIN')
        with warehouse.connection() as connection:
            for _ in ("first", "again"):
                assert add_sql_role(connection, "acme", role, NOW, is_there=True) is None
            found = connection.execute("SELECT role_name FROM meta_ads.tenant_roles ORDER BY 1")
            assert found.fetchall() == [(role,), (others[3],)]
            drop_sql_roles(connection, "other", [others[3]])
            drop_sql_roles(connection, "acme", [role])
            revoke_reader(connection, others[1])
            warehouse.tenants.remove("other", connection)
    place.run(
        "DROP VIEW meta_ads.round",
        "DROP MATERIALIZED VIEW meta_ads.kept_round",
        *(f'DROP ROLE IF EXISTS "{one}"' for one in [role, *others]),
    )


@pytest.mark.parametrize("holder", ["PUBLIC", '"{role}_acme"'])
def test_a_login_that_may_write_will_do_once_what_it_is_told_to_is_taken_away(
    kept_apart: Place, holder: str
) -> None:
    place, role = kept_apart, f"{kept_apart.role}_acme"
    place.run(
        'CREATE ROLE "{role}_acme" LOGIN',
        f"GRANT INSERT, TRUNCATE ON meta_ads.meta_ad_accounts TO {holder}",
        f"GRANT UPDATE (tenant) ON meta_ads.tenant_roles TO {holder}",
    )
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        with pytest.raises(RoleRefused, match="more than read") as refused:
            add_sql_role(connection, "acme", role, NOW, is_there=True)
        place.run(*re.findall(r"REVOKE [^.]+", str(refused.value)))
        add_sql_role(connection, "acme", role, NOW, is_there=True)
        drop_sql_roles(connection, "acme", [role])
    place.run(f'DROP ROLE "{role}"')


def test_policies_apply_to_a_login_that_inherits_nothing_but_them(kept_apart: Place) -> None:
    """Granted to read all tables before, and NOINHERIT: no policy of the group would be its own."""
    place, role = kept_apart, f"{kept_apart.role}_acme"
    place.run("CREATE ROLE \"{role}_acme\" LOGIN NOINHERIT PASSWORD 'its password'")
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        grant_reader(connection, role)
        # As it may have been granted by hand, or by an older version.
        _, tenants = group_names(connection)
        place.run(f'GRANT "{tenants}" TO "{role}"')
        add_sql_role(connection, "acme", role, NOW, is_there=True)
        connection.commit()
        with closing(login(place, role, "its password")) as one:
            rows = one.execute("SELECT account_id FROM meta_ads.meta_ad_accounts").fetchall()
        assert rows == [("act_1",)]
        revoke_reader(connection, role)
        drop_sql_roles(connection, "acme", [role])
    place.run(f'DROP ROLE "{role}"')


def test_a_login_that_is_gone_is_made_again(kept_apart: Place) -> None:
    """As after a restore into another server, whose dump names logins and makes none."""
    place, role = kept_apart, f"{kept_apart.role}_acme"
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        add_sql_role(connection, "acme", role, NOW)
        connection.commit()
        place.run(f'DROP ROLE "{role}"')
        password = add_sql_role(connection, "acme", role, NOW)
        connection.commit()
        assert password is not None
        with closing(login(place, role, password)) as one:
            rows = one.execute("SELECT account_id FROM meta_ad_accounts").fetchall()
        assert rows == [("act_1",)]
        # An administrator's likewise, which is ours from then on.
        connection.execute("UPDATE meta_ads.tenant_roles SET is_ours = false")
        connection.commit()
        place.run(f'DROP ROLE "{role}"')
        add_sql_role(connection, "acme", role, NOW)
        drop_sql_roles(connection, "acme", [role])
    assert place.ask(f"SELECT FROM pg_roles WHERE rolname = '{role}'") == []


def test_a_role_of_the_same_name_on_the_server_of_a_restore_is_nobody_elses_to_change(
    kept_apart: Place,
) -> None:
    place, role = kept_apart, f"{kept_apart.role}_acme"
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        add_sql_role(connection, "acme", role, NOW)
        connection.commit()
        # Whoever may drop the one may change the other.
        place.run(f'DROP ROLE "{role}"', f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'its own'")
        place.run(f'GRANT "{role}" TO {{role}} WITH ADMIN OPTION')
        with closing(login(place, role, "its own")) as theirs:
            with pytest.raises(RoleRefused, match="was not made here"):
                add_sql_role(connection, "acme", role, NOW)
            warehouse.keep_tenants_apart()
            drop_sql_roles(connection, "acme", [role])
            theirs.execute("SELECT 1")
        login(place, role, "its own").close()
        limits = place.ask(f"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{role}'")
        assert limits == [(-1,)]
    place.run(f'DROP ROLE "{role}"')


def test_a_role_that_a_restore_found_and_was_told_to_take_is_not_dropped_with_its_tenant(
    kept_apart: Place,
) -> None:
    place, role = kept_apart, f"{kept_apart.role}_acme"
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        add_sql_role(connection, "acme", role, NOW)
        connection.commit()
        place.run(f'DROP ROLE "{role}"', f'CREATE ROLE "{role}" LOGIN')
        add_sql_role(connection, "acme", role, NOW, is_there=True)
        drop_sql_roles(connection, "acme", [role])
    assert place.ask(f"SELECT FROM pg_roles WHERE rolname = '{role}'") == [()]
    place.run(f'DROP ROLE "{role}"')


def test_who_syncs_without_owning_the_tables_goes_on(kept_apart: Place) -> None:
    place = kept_apart
    writer = f"{place.role}_writer"
    place.run(
        f"CREATE ROLE \"{writer}\" LOGIN PASSWORD 'its password'",
        f'GRANT USAGE ON SCHEMA meta_ads TO "{writer}"',
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA meta_ads TO "{writer}"',
    )
    parts = urlsplit(place.url)
    netloc = f"{writer}:its%20password@{parts.netloc.rpartition('@')[2]}"
    with Warehouse(parts._replace(netloc=netloc).geturl()) as warehouse:
        assert [row.account_id for row in warehouse.accounts.all()] == list(ACCOUNTS)
        with TelemetryWriter(warehouse.url) as telemetry:
            for account_id in ACCOUNTS:
                telemetry.log({"account_id": account_id, "timestamp": NOW, "status_code": 200})
        assert telemetry.lost == 0
        with pytest.raises(TenantsNotApart, match="become the role"):
            seen(warehouse, "acme")
    assert place.ask("SELECT count(*) FROM meta_ads.meta_api_logs") == [(2,)]
    assert place.ask("SELECT sum(calls) FROM meta_ads.meta_api_hours") == [(2,)]


def test_what_is_added_later_is_covered_or_closed(kept_apart: Place) -> None:
    with Warehouse(kept_apart.url) as warehouse:
        with warehouse.connection() as connection:
            connection.execute(
                "CREATE TABLE meta_ads.later (account_id text);"
                "INSERT INTO meta_ads.later VALUES ('act_1'), ('act_2');"
                "CREATE TABLE meta_ads.whose (word text);"
                "CREATE VIEW meta_ads.loose AS SELECT * FROM meta_ads.later;"
                "CREATE VIEW meta_ads.tight WITH (security_invoker = true) AS TABLE meta_ads.later"
            )
            assert enforcement(connection).open_tables == ("later", "whose")
        for name in ("later", "whose", "loose", "tight"):
            assert read(warehouse, name) is None
        warehouse.keep_tenants_apart()
        assert read(warehouse, "later") == read(warehouse, "tight") == [("act_1",)]
        assert read(warehouse, "whose") == []
        assert read(warehouse, "loose") is None


def test_a_migration_covers_what_it_adds(kept_apart: Place) -> None:
    with Warehouse(kept_apart.url) as warehouse:
        with warehouse.connection() as connection:
            connection.execute("CREATE TABLE meta_ads.migrated (account_id text)")
            connection.execute("DROP VIEW meta_ads.sync_health")
        assert warehouse.migrate().views == ("sync_health",)
        assert read(warehouse, "migrated") == []
        assert read(warehouse, "sync_health") is not None


def read(warehouse: Warehouse, name: str) -> list[tuple[Any, ...]] | None:
    """What acme is shown of it; None where it may not look."""
    try:
        with warehouse.tenant_session("acme") as session:
            query = sql.SQL("SELECT * FROM {}").format(sql.Identifier("meta_ads", name))
            return session.connection.execute(query).fetchall()
    except errors.InsufficientPrivilege:
        return None
