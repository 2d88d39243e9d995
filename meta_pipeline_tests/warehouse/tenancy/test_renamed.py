"""A renamed or copied database keeps tenants apart, though groups are named for databases."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors, sql

from meta_pipeline.embedded.binaries import find_binaries
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.errors import RoleRefused, TenantsNotApart
from meta_pipeline.warehouse.readers import grant_reader, revoke_reader
from meta_pipeline.warehouse.tenancy import add_sql_role, dangers, drop_sql_roles, harden
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.warehouse.places import Place

from .test_roles import NOW, PASSWORD, login, with_a_login

ACCOUNTS = "SELECT account_id FROM meta_ads.meta_ad_accounts ORDER BY 1"
LEFT = """
    SELECT DISTINCT rolname::text FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND starts_with(rolname, 'meta_ads_') AND NOT rolname LIKE '%\\_' || current_database()
"""


@pytest.fixture
def place(postgres: TestPostgres) -> Iterator[Place]:
    """A database whose owner is no superuser; acme, which has act_1, has a login of SQL."""
    with with_a_login(postgres) as made:
        yield made


@contextmanager
def renamed(postgres: TestPostgres, place: Place) -> Iterator[Place]:
    """The same database under another name, until the end."""
    there = named(place, f"r_{secrets.token_hex(4)}")
    rename(postgres, place, there)
    try:
        yield there
    finally:
        without_groups(there)
        rename(postgres, there, place)


@contextmanager
def copied(postgres: TestPostgres, place: Place, *, template: str | None = None) -> Iterator[Place]:
    """A copy of the database, or of another one, beside it, with all its rights."""
    there = named(place, f"c_{secrets.token_hex(4)}")
    alone(postgres, place)
    made = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
    postgres.execute(
        made.format(*map(sql.Identifier, (there.database, template or place.database, place.role)))
    )
    try:
        yield there
    finally:
        without_groups(there)
        postgres.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(there.database))
        )


def named(place: Place, database: str) -> Place:
    urls = (f"{url.rpartition('/')[0]}/{database}" for url in (place.url, place.admin_url))
    return replace(place, **dict(zip(("url", "admin_url"), urls, strict=True)), database=database)


def rename(postgres: TestPostgres, place: Place, to: Place) -> None:
    alone(postgres, place)
    names = map(sql.Identifier, (place.database, to.database))
    postgres.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))


def alone(postgres: TestPostgres, place: Place) -> None:
    """End who is connected: Postgres neither renames nor copies what is in use."""
    postgres.execute(
        sql.SQL(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = {}"
        ).format(sql.Literal(place.database))
    )


def without_groups(place: Place) -> None:
    for kind in ("api", "tenant"):
        group = f"meta_ads_{kind}_{place.database}"
        if place.ask(f"SELECT FROM pg_roles WHERE rolname = '{group}'"):
            place.run(f'DROP OWNED BY "{group}"', f'DROP ROLE "{group}"')


def read(place: Place, role: str | None = None) -> list[Any] | None:
    """What the login is shown there; None where it may not look."""
    with closing(login(place, role or f"{place.role}_acme", PASSWORD)) as one:
        try:
            return [account for (account,) in one.execute(ACCOUNTS).fetchall()]
        except errors.InsufficientPrivilege:
            return None


def keep_apart(place: Place) -> None:
    with Warehouse(place.url) as warehouse:
        warehouse.keep_tenants_apart()


def told(place: Place) -> list[str]:
    """Who is said to be kept apart by nothing; other dangers are no matter here."""
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        return [one for one in dangers(connection) if "no policy" in one]


def test_a_login_sees_its_tenants_rows_after_the_database_is_renamed_and_renamed_back(
    postgres: TestPostgres, place: Place
) -> None:
    with renamed(postgres, place) as there:
        assert read(there) == ["act_1"]
        keep_apart(there)
        assert read(there) == ["act_1"]
        assert there.ask(LEFT) == []
        rename(postgres, there, place)
        keep_apart(place)
        assert read(place) == ["act_1"]
        assert place.ask(LEFT) == []
        rename(postgres, place, there)


def test_a_login_sees_its_tenants_rows_in_a_copy_of_the_database(
    postgres: TestPostgres, place: Place
) -> None:
    with copied(postgres, place) as there:
        keep_apart(there)
        assert read(there) == read(place) == ["act_1"]
        assert there.ask(LEFT) == []


def test_a_login_sees_its_tenants_rows_where_a_dump_was_restored_with_its_privileges(
    postgres: TestPostgres, place: Place, tmp_path: Path
) -> None:
    dump = tmp_path / "meta.dump"
    with copied(postgres, place, template="template0") as there:
        for program, url, *words in (
            ("pg_dump", place.admin_url, "--format=custom", "--schema=meta_ads", f"--file={dump}"),
            ("pg_restore", there.url, "--exit-on-error", "--no-owner", str(dump)),
        ):
            tool = str(find_binaries().tool(program))
            subprocess.run([tool, *words, f"--dbname={url}"], check=True)
        assert read(there) == ["act_1"]
        keep_apart(there)
        assert read(there) == read(place) == ["act_1"]
        assert there.ask(LEFT) == []
        assert told(there) == []


def test_what_an_older_version_left_open_is_closed(postgres: TestPostgres, place: Place) -> None:
    """It kept tenants apart under the new name, and left the group of the old one its rights."""
    with renamed(postgres, place) as there:
        keep_apart(there)
        old, new = (f"meta_ads_tenant_{one.database}" for one in (place, there))
        there.run(
            f'GRANT USAGE ON SCHEMA meta_ads TO "{old}"',
            f'GRANT SELECT ON ALL TABLES IN SCHEMA meta_ads TO "{old}"',
            f'REVOKE "{new}" FROM "{place.role}_acme" GRANTED BY {{role}}',
        )
        assert read(there) == ["act_1", "act_2"]
        keep_apart(there)
        assert read(there) == ["act_1"]
        assert there.ask(LEFT) == []


def test_a_login_with_rights_of_its_own_is_under_the_policies_of_a_copy(
    postgres: TestPostgres, place: Place
) -> None:
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        grant_reader(connection, f"{place.role}_acme")
    with copied(postgres, place) as there:
        keep_apart(there)
        assert read(there) == ["act_1"]


def test_who_may_give_no_login_the_new_group_is_told_and_leaves_all_under_the_old(
    postgres: TestPostgres, place: Place
) -> None:
    with renamed(postgres, place) as there:
        api, tenants = (f"meta_ads_{kind}_{there.database}" for kind in ("api", "tenant"))
        there.run(
            "ALTER ROLE {role} NOCREATEROLE",
            f'CREATE ROLE "{api}"',
            f'CREATE ROLE "{tenants}"',
            f'GRANT "{api}" TO {{role}}',
        )
        with pytest.raises(RoleRefused, match="Until then nothing is changed") as refused:
            keep_apart(there)
        assert read(there) == ["act_1"]
        there.run(*re.findall(r"GRANT [^;]+", str(refused.value)))
        keep_apart(there)
        assert read(there) == ["act_1"]
        assert there.ask(LEFT) == []


def test_a_login_of_a_renamed_database_is_still_that_ones_to_change_and_to_drop(
    postgres: TestPostgres, place: Place
) -> None:
    role = f"{place.role}_acme"
    with renamed(postgres, place) as there, Warehouse(there.url) as warehouse:
        with warehouse.connection() as connection:
            with pytest.raises(TenantsNotApart, match="run meta-pipeline tenants enforce first"):
                add_sql_role(connection, "acme", role, NOW)
            with pytest.raises(TenantsNotApart, match="run meta-pipeline tenants enforce first"):
                drop_sql_roles(connection, "acme", [role])
        warehouse.keep_tenants_apart()
        with warehouse.connection() as connection:
            assert add_sql_role(connection, "acme", role, NOW, password=PASSWORD) == PASSWORD
            drop_sql_roles(connection, "acme", [role])
        assert not there.ask(f"SELECT FROM pg_roles WHERE rolname = '{role}'")
        warehouse.close()


def test_a_login_that_is_dropped_in_a_copy_goes_on_in_the_original(
    postgres: TestPostgres, place: Place
) -> None:
    role = f"{place.role}_acme"
    with copied(postgres, place) as there, Warehouse(there.url) as warehouse:
        warehouse.keep_tenants_apart()
        with warehouse.connection() as connection:
            with pytest.raises(RoleRefused, match="was not made here"):
                add_sql_role(connection, "acme", role, NOW)
            drop_sql_roles(connection, "acme", [role])
        assert read(there) is None
        assert read(place) == ["act_1"]
        assert told(there) == []
        warehouse.close()


def test_whoever_is_left_under_no_policy_is_named(postgres: TestPostgres, place: Place) -> None:
    with renamed(postgres, place) as there:
        (before,) = told(there)
        assert f"{place.role}_acme, whom no policy is for: run meta-pipeline tenants" in before
        keep_apart(there)
        assert told(there) == []
        # By somebody who may pass it on: the owner's REVOKE does not end that.
        old, writer = f"meta_ads_tenant_{place.database}", f"{place.role}_writer"
        there.run(
            f'CREATE ROLE "{writer}"',
            f'GRANT USAGE ON SCHEMA meta_ads TO "{writer}"',
            f'GRANT SELECT ON meta_ads.meta_ad_accounts TO "{writer}" WITH GRANT OPTION',
            f'SET ROLE "{writer}"; GRANT SELECT ON meta_ads.meta_ad_accounts TO "{old}"',
        )
        keep_apart(there)
        (after,) = told(there)
        assert f"to {old}, whom no policy is for" in after
        assert read(there) == ["act_1"]
        there.run(f'REVOKE ALL ON meta_ads.meta_ad_accounts FROM "{writer}" CASCADE')
        assert told(there) == []


def test_closed_locks_are_no_old_groups(postgres: TestPostgres, place: Place) -> None:
    """An earlier version took it for one of those who work here, and granted it all that."""
    old = f"meta_ads_tenant_{place.database}"
    with renamed(postgres, place) as there, Warehouse(there.admin_url) as warehouse:
        warehouse.keep_tenants_apart()
        there.run(
            f'GRANT USAGE ON SCHEMA meta_ads TO "{old}"',
            f'GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO "{old}"',
            f'GRANT TEMPORARY ON DATABASE {{database}} TO "{old}"',
        )
        with warehouse.connection() as connection:
            assert old not in harden(connection)
            assert not [one for one in dangers(connection) if "held up by locks" in one]
        warehouse.close()


def test_a_reader_that_was_taken_is_not_let_go_with_rights_of_its_own(place: Place) -> None:
    role = f"{place.role}_writer"
    place.run(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{PASSWORD}'")
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        grant_reader(connection, role)
        add_sql_role(connection, "acme", role, NOW, is_there=True)
        connection.commit()
        with pytest.raises(RoleRefused, match=f"grant-reader {role} --revoke .* Nothing was"):
            drop_sql_roles(connection, "acme", [f"{place.role}_acme", role])
        connection.commit()
        assert read(place, role) == read(place) == ["act_1"]
        revoke_reader(connection, role)
        drop_sql_roles(connection, "acme", [role])
        connection.commit()
        assert read(place, role) is None
