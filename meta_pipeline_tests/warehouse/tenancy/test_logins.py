"""A tenant's login can hold up nobody else: by locks, by connections or by the disk."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext, suppress
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import errors
from pydantic import SecretStr

from meta_pipeline.commands.check.database import database_findings
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import AccountBusy, DatabaseUnfit, Warehouse, account_lock
from meta_pipeline.warehouse.errors import RoleRefused, RoleShutOut
from meta_pipeline.warehouse.readers import grant_reader
from meta_pipeline.warehouse.tenancy import add_sql_role, dangers, drop_sql_roles, harden
from meta_pipeline.warehouse.tenancy.logins import MOST_CONNECTIONS
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.warehouse.places import Place

from .test_roles import NOW, PASSWORD, login, with_a_login

KEY = ("meta_ads:sync:act_1",)
HELD = "SELECT pg_advisory_lock(hashtextextended('meta_ads:sync:act_1', 0))"
WAYS = """
    SELECT format('SELECT pg_catalog.%I(%s)', proname, rtrim(repeat('1,', pronargs), ','))
    FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
        AND proname ~ 'advisory' AND proname ~ 'lock' AND proname !~ 'unlock'
"""


@pytest.fixture
def place(postgres: TestPostgres) -> Iterator[Place]:
    """A database whose owner may make roles and is no superuser; acme has a login of SQL."""
    with with_a_login(postgres) as made:
        yield made


def of_tenant(place: Place) -> closing[psycopg.Connection[tuple[object, ...]]]:
    return closing(login(place, f"{place.role}_acme", PASSWORD))


def harden_it(place: Place) -> list[str]:
    with Warehouse(place.admin_url) as warehouse, warehouse.connection() as connection:
        return harden(connection)


def told(place: Place) -> list[str]:
    """What is said of this database. Others are on the server, of other tests too."""
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        return [one for one in dangers(connection) if "other databases" not in one]


def limit(place: Place) -> object:
    asked = f"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{place.role}_acme'"
    return place.ask(asked)[0][0]


def writer(place: Place, *grants: str) -> str:
    """The URL of another user, whom the owner has granted these."""
    name = f"{place.role}_writer"
    place.run(
        f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'x'", *(f'{one} TO "{name}"' for one in grants)
    )
    return f"postgresql://{name}:x@{urlsplit(place.url).netloc.rpartition('@')[2]}/{place.database}"


WRITES = (
    "GRANT USAGE ON SCHEMA meta_ads",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA meta_ads",
)


def test_ten_connections_are_all_that_a_login_gets(place: Place) -> None:
    with ExitStack() as opened:
        for _ in range(MOST_CONNECTIONS):
            opened.enter_context(of_tenant(place))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            of_tenant(place)
        with account_lock(place.url, "act_1", holder="a sync"):
            pass


def test_another_limit_stays_and_none_is_mended(place: Place) -> None:
    role = f"{place.role}_acme"
    with Warehouse(place.url) as warehouse:
        place.run(f'ALTER ROLE "{role}" CONNECTION LIMIT 30')
        warehouse.keep_tenants_apart()
        with warehouse.connection() as connection:
            add_sql_role(connection, "acme", role, NOW)
        assert limit(place) == 30

        # As one that an older version made.
        place.run(f'ALTER ROLE "{role}" CONNECTION LIMIT -1')
        assert told(place)[0].startswith(f"Any number of connections may be opened by {role},")
        warehouse.keep_tenants_apart()
        assert limit(place) == MOST_CONNECTIONS
        assert len(told(place)) == 1


def test_a_login_of_somebody_elses_is_left_alone_and_named(place: Place) -> None:
    role = f"{place.role}_writer"
    place.run(f'CREATE ROLE "{role}" LOGIN')
    with Warehouse(place.url) as warehouse:
        with warehouse.connection() as connection:
            add_sql_role(connection, "acme", role, NOW, is_there=True)
        warehouse.keep_tenants_apart()
    assert place.ask(f"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{role}'") == [(-1,)]
    (statement,) = re.findall(r"ALTER ROLE .*;", told(place)[0])
    place.run(statement)
    assert len(told(place)) == 1


def test_a_migration_by_one_who_may_not_change_roles_goes_on(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.run(
        'ALTER ROLE "{role}_acme" CONNECTION LIMIT -1',
        "ALTER ROLE {role} NOCREATEROLE",
        "DROP VIEW meta_ads.sync_health",
    )
    with caplog.at_level(logging.WARNING), Warehouse(place.url) as warehouse:
        assert warehouse.migrate().views == ("sync_health",)
    assert caplog.records == []
    assert limit(place) == -1
    assert "CONNECTION LIMIT 10" in told(place)[0]


def test_a_sync_that_a_login_holds_up_says_whose_it_is(place: Place) -> None:
    with of_tenant(place) as tenant:
        tenant.execute("SET application_name = 'meta_pipeline sync'")
        tenant.execute(HELD)
        with (
            pytest.raises(AccountBusy, match=rf"pipeline sync as role {place.role}_acme\.") as busy,
            account_lock(place.url, "act_1", holder="a sync"),
        ):
            pass
    assert busy.value.role == f"{place.role}_acme"
    assert told(place)[0].startswith("Syncs and migrations, other tenants' too, may be held up")


def test_a_login_that_is_dropped_leaves_no_session_and_no_lock(place: Place) -> None:
    with of_tenant(place) as tenant:
        tenant.execute(HELD)
        with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
            drop_sql_roles(connection, "acme", [f"{place.role}_acme"])
        with account_lock(place.url, "act_1", holder="a sync"):
            pass
        with pytest.raises(psycopg.OperationalError):
            tenant.execute("SELECT 1")


def test_a_client_that_connects_again_at_once_gets_no_lock_that_outlives_its_login(
    place: Place,
) -> None:
    """As a pool does: what is ended is opened anew, for as long as the login is let in."""
    at_work = threading.Barrier(MOST_CONNECTIONS)

    def work(*, then: Callable[[], object]) -> None:
        with suppress(psycopg.OperationalError), of_tenant(place) as connection:
            connection.execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", KEY)
            then()
            next(connection.notifies(), None)  # until it is ended

    def pooled() -> None:
        work(then=at_work.wait)
        while is_let_in():
            work(then=lambda: None)

    def is_let_in() -> bool:
        query = f"SELECT FROM pg_roles WHERE rolcanlogin AND rolname = '{place.role}_acme'"
        return bool(place.ask(query))

    with ThreadPoolExecutor(MOST_CONNECTIONS) as pool:
        for _ in range(MOST_CONNECTIONS - 1):
            pool.submit(pooled)
        at_work.wait()
        try:
            with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
                assert drop_sql_roles(connection, "acme", [f"{place.role}_acme"]) == {}
            with account_lock(place.url, "act_1", holder="a sync"):
                pass
        finally:
            place.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = '{database}' AND pid <> pg_backend_pid()"
            )


@pytest.mark.parametrize("before", ["LOGIN", "NOLOGIN"])
def test_a_login_that_cannot_be_dropped_for_what_it_owns_stays_shut_out(
    place: Place, before: str
) -> None:
    role = f"{place.role}_acme"
    with of_tenant(place) as tenant:
        tenant.execute("SET default_transaction_read_only = off")
        tenant.commit()
        tenant.execute("SELECT lo_create(0)")
        tenant.commit()
    place.run(f'ALTER ROLE "{role}" {before}')
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        with pytest.raises(RoleShutOut, match=r"owner of large object \d+\. It is let in no more"):
            drop_sql_roles(connection, "acme", [role])
        with pytest.raises(RoleShutOut) as refused:
            drop_sql_roles(connection, "acme", [role])
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            of_tenant(place)
        (statement,) = re.findall(r"DROP OWNED BY [^;]+", str(refused.value))
        place.run(statement)
        assert drop_sql_roles(connection, "acme", [role]) == {}
    assert not place.ask(f"SELECT FROM pg_roles WHERE rolname = '{role}'")


def test_of_several_logins_all_are_dropped_or_none(place: Place) -> None:
    other, role = f"{place.role}_writer", f"{place.role}_acme"
    place.run("CREATE SCHEMA theirs", f'ALTER SCHEMA theirs OWNER TO "{role}"')
    with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
        add_sql_role(connection, "acme", other, NOW)
        connection.commit()
        with pytest.raises(RoleShutOut, match="owner of schema theirs") as refused:
            drop_sql_roles(connection, "acme", [other, role])
    assert refused.value.shut_out == [other, role]
    query = "SELECT rolcanlogin FROM pg_roles JOIN meta_ads.tenant_roles ON rolname = role_name"
    assert place.ask(query) == [(False,), (False,)]


def test_the_login_of_another_tenant_is_not_dropped(place: Place) -> None:
    with (
        Warehouse(place.url) as warehouse,
        warehouse.connection() as connection,
        pytest.raises(RoleRefused, match=r"is that of tenant acme, not of default\. Nothing was"),
    ):
        drop_sql_roles(connection, "default", [f"{place.role}_acme"])
    with of_tenant(place) as tenant:
        tenant.execute("SELECT FROM meta_ad_accounts")


def test_closed_locks_are_no_logins_and_still_those_of_all_who_work_here(place: Place) -> None:
    other = writer(place, *WRITES)
    api, writes = f"meta_ads_api_{place.role}", f"{place.role}_writer"
    assert harden_it(place) == [api, place.role, writes]
    assert told(place) == []
    with of_tenant(place) as tenant:
        ways = [str(way) for (way,) in place.ask(WAYS)]
        assert len(ways) == 16
        for way in ways:
            with pytest.raises(errors.InsufficientPrivilege):
                tenant.execute(way.encode())
            tenant.rollback()
        assert tenant.execute("SELECT account_id FROM meta_ad_accounts").fetchall() == [("act_1",)]
    for url in (place.url, other, place.admin_url):
        with account_lock(url, "act_1", holder="a sync"):
            pass
    with Warehouse(place.url) as warehouse:
        assert warehouse.migrate().changed is False
        with warehouse.tenant_session("acme") as session:
            session.connection.execute("SELECT pg_advisory_xact_lock(1)")


WRITING = (
    "CREATE TEMPORARY TABLE x ()",
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_put({kept}, 0, 'x')",
    "SELECT lo_truncate(lo_open({kept}, 131072), 1000000)",
    "SELECT lowrite(lo_open({kept}, 131072), 'x')",
    "SELECT pg_logical_emit_message(false, 'x', 'x')",
    "SELECT pg_notify('x', 'x')",
    "CREATE TABLE public.x ()",
    "SET temp_file_limit = -1",
)


def test_once_hardened_nothing_that_a_login_sets_lets_it_fill_the_disk(place: Place) -> None:
    place.run("GRANT CREATE ON SCHEMA public TO PUBLIC")  # as an older server was upgraded
    with of_tenant(place) as tenant:
        tenant.execute("SET default_transaction_read_only = off")
        tenant.commit()
        (kept,) = tenant.execute("SELECT lo_create(0)").fetchall()
        tenant.commit()
    assert len(told(place)) == 1
    harden_it(place)
    assert told(place) == []
    with of_tenant(place) as tenant:
        tenant.execute("SET default_transaction_read_only = off")
        tenant.commit()
        assert tenant.execute("SHOW temp_file_limit").fetchall() == [("1GB",)]
        for way in WRITING:
            with pytest.raises(errors.InsufficientPrivilege):
                tenant.execute(way.format(kept=kept[0]).encode())
            tenant.rollback()
    with closing(psycopg.connect(place.url)) as owner:
        owner.execute("CREATE TEMPORARY TABLE x ()")
        owner.execute("SELECT pg_notify('x', 'x')")


def test_another_limit_of_files_stays(place: Place) -> None:
    place.run("ALTER ROLE \"{role}_acme\" SET temp_file_limit = '5GB'")
    harden_it(place)
    with of_tenant(place) as tenant:
        assert tenant.execute("SHOW temp_file_limit").fetchall() == [("5GB",)]


@pytest.mark.parametrize("value", ["temp_file_limit=1", "x temp_file_limit=1"])
def test_no_setting_of_its_own_passes_for_a_limit_of_files(place: Place, value: str) -> None:
    with of_tenant(place) as tenant:
        tenant.execute("SET default_transaction_read_only = off")
        tenant.commit()
        tenant.execute(f"ALTER ROLE CURRENT_USER SET application_name = '{value}'".encode())
        tenant.commit()
    harden_it(place)
    with of_tenant(place) as tenant:
        assert tenant.execute("SHOW application_name").fetchall() == [(value,)]
        assert tenant.execute("SHOW temp_file_limit").fetchall() == [("1GB",)]


def test_who_may_set_it_limits_the_files_of_a_login_at_once(place: Place) -> None:
    with Warehouse(place.admin_url) as warehouse:
        warehouse.keep_tenants_apart()
    with of_tenant(place) as tenant:
        assert tenant.execute("SHOW temp_file_limit").fetchall() == [("1GB",)]


def test_check_names_a_login_that_keeps_notifications_from_being_read(place: Place) -> None:
    role = f"{place.role}_acme"
    settings = Settings(database_url=SecretStr(place.url))

    def found() -> list[str]:
        findings = database_findings(nullcontext(place.url), settings, most_queued=0)
        return [one.text for one in findings if not one.ok]

    assert role not in " ".join(found())
    with ExitStack() as held:
        # Others have been in a transaction for longer, and are the operator's.
        for _ in range(6):
            held.enter_context(closing(psycopg.connect(place.url))).execute("SELECT 1")
        tenant = held.enter_context(of_tenant(place))
        owner = held.enter_context(closing(psycopg.connect(place.url)))
        tenant.execute("LISTEN anything")
        tenant.commit()
        tenant.execute("SELECT 1")
        for number in range(3):  # more than a page of the queue
            owner.execute("SELECT pg_notify('other', %s)", (f"{number:07900}",))
        owner.commit()
        (text,) = found()
    assert re.search(rf"most likely one of .*{role} \(process \d+\)", text)
    assert role not in " ".join(found())


def test_who_comes_after_they_were_closed_is_told_and_let_in(place: Place) -> None:
    harden_it(place)
    other = writer(place, *WRITES)
    for lacks in ("may not take the locks", "may not make temporary tables"):
        with (
            pytest.raises(DatabaseUnfit, match=lacks) as refused,
            account_lock(other, "act_1", holder="a sync"),
        ):
            pass
        (statement,) = re.findall(r"GRANT .*?(?=\. Nothing)", str(refused.value))
        place.run(statement)
    with account_lock(other, "act_1", holder="a sync"):
        pass
    assert f"{place.role}_writer" in harden_it(place)


def test_a_reader_that_exports_and_who_inherits_from_it_go_on(place: Place) -> None:
    name = f"{place.role}_writer"
    url = writer(place)
    place.run(f'CREATE ROLE "{name}_one" LOGIN PASSWORD \'x\' IN ROLE "{name}"')
    try:
        with Warehouse(place.url) as warehouse, warehouse.connection() as connection:
            grant_reader(connection, name)
        assert harden_it(place) == [f"meta_ads_api_{place.role}", place.role, name]
        for one in (url, url.replace(f"{name}:", f"{name}_one:")):
            with closing(psycopg.connect(one)) as reader:
                reader.execute("SELECT pg_try_advisory_xact_lock(1)")
    finally:
        # Who has it through another has none of its own, and is dropped as easily as before.
        place.run(f'DROP ROLE "{name}_one"')


def test_who_may_not_close_them_is_told_the_statements(place: Place) -> None:
    with (
        Warehouse(place.url) as warehouse,
        warehouse.connection() as connection,
        pytest.raises(RoleRefused, match="Only a superuser") as refused,
    ):
        harden(connection)
    assert len(told(place)) == 1
    place.run(*re.findall(r"(?:GRANT|REVOKE|ALTER ROLE) [^;]+", str(refused.value)))
    assert told(place) == []
    with account_lock(place.url, "act_1", holder="a sync"):
        pass
