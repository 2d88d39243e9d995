"""One tenant reads and writes nothing of another's: every table, view, function and way in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, TypeAlias

import psycopg
import pytest
from psycopg import errors, sql

from meta_pipeline.warehouse.names import SCHEMA
from meta_pipeline.warehouse.schema import metadata
from meta_pipeline.warehouse.tenancy import enforcement
from meta_pipeline.warehouse.tenancy.groups import group_names
from meta_pipeline.warehouse.tenancy.rules import OPERATOR, POOLED, RULES, SETTING, SHARED, rule_of
from meta_pipeline_tests.postgres import TestPostgres

from .two import ACCOUNTS, ALPHA, BETA, Two, insert, two_tenants

Connection: TypeAlias = psycopg.Connection[Any]
Way: TypeAlias = Callable[[str], AbstractContextManager[Connection]]


@pytest.fixture(scope="module")
def two(postgres: TestPostgres) -> Iterator[Two]:
    with two_tenants(postgres) as made:
        yield made


@pytest.fixture(params=["api", "sql"])
def way(two: Two, request: pytest.FixtureRequest) -> Way:
    """How a tenant gets in: our own code's session, or a login of its own."""

    @contextmanager
    def by_login(tenant: str) -> Iterator[Connection]:
        with closing(two.login(tenant)) as connection, connection.transaction():
            yield connection

    def by_session(tenant: str) -> AbstractContextManager[Connection]:
        return two.warehouse.of_tenant(tenant).connection()

    return by_session if request.param == "api" else by_login


def texts(connection: Connection, relation: str) -> list[str] | None:
    """Every row of a table or view as text; None where nothing of it may be read."""
    name = sql.Identifier(SCHEMA, relation)
    try:
        with connection.transaction():
            rows = connection.execute(sql.SQL("SELECT one::text FROM {} AS one").format(name))
            return [text for (text,) in rows]
    except errors.InsufficientPrivilege:
        return None


def is_of(tenant: str, text: str) -> bool:
    return tenant in text or ACCOUNTS[tenant] in text


def test_every_table_shows_a_tenant_its_own_rows_and_no_others(two: Two, way: Way) -> None:
    seen = {}
    with way(BETA) as connection:
        for table in two.columns:
            seen[table] = texts(connection, table)
    for table, rows in seen.items():
        rule = rule_of(table, [name for name, *_ in two.columns[table]])
        if rule is SHARED or rows is None:
            continue
        assert not [row for row in rows if is_of(ALPHA, row)], table
        # Of what is pooled, what few accounts have is shown to nobody.
        assert bool(rows) is (rule not in {OPERATOR, POOLED}), table


def test_what_calls_cost_is_told_of_five_accounts_and_to_our_code_alone(
    two: Two, way: Way, request: pytest.FixtureRequest
) -> None:
    with two.warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.call_weights (endpoint_key, params_hash, accounts, observations, "
            "learned_at) SELECT 'pooled', n, n, 10, now() FROM generate_series(4, 5) AS n "
            "ON CONFLICT DO NOTHING"
        )
    with way(BETA) as connection:
        seen = texts(connection, "call_weights")
        assert (
            changed(
                connection, sql.SQL("DELETE FROM {}").format(sql.Identifier(SCHEMA, "call_weights"))
            )
            == 0
        )
    if "sql" in request.node.callspec.id:
        assert seen is None
    else:
        assert [row.split(",")[:2] for row in seen or ()] == [["(pooled", "5"]]


def test_every_view_shows_a_tenant_nothing_of_another(two: Two, way: Way) -> None:
    with way(BETA) as connection:
        for view in two.views:
            rows = texts(connection, view)
            assert rows is not None, view
            assert not [row for row in rows if is_of(ALPHA, row)], view


def test_the_views_have_something_to_hide(two: Two) -> None:
    with two.warehouse.connection() as connection:
        shown = {view: texts(connection, view) or [] for view in two.views}
    idle = [view for view, rows in shown.items() if not any(is_of(ALPHA, row) for row in rows)]
    # Made of exchange rates, which are everybody's. Any other one: give `two` what it reads.
    assert idle == ["currency_worth"]


def test_no_table_lets_a_tenant_change_the_rows_of_another(two: Two, way: Way) -> None:
    for table, columns in two.columns.items():
        name = sql.Identifier(SCHEMA, table)
        column = sql.Identifier(columns[0][0])
        of_alpha = sql.SQL(" WHERE one::text ~ {}").format(f"{ALPHA}|{ACCOUNTS[ALPHA]}")
        for statement in (
            sql.SQL("UPDATE {} AS one SET {} = {}").format(name, column, column) + of_alpha,
            sql.SQL("DELETE FROM {} AS one").format(name) + of_alpha,
        ):
            with way(BETA) as connection:
                assert changed(connection, statement) == 0, statement.as_string(connection)


def test_no_table_takes_a_row_of_another_tenant(two: Two, way: Way) -> None:
    for table in two.columns:
        for row in two.rows(table, ALPHA):
            words = [name for name, value in row.items() if value == f"{ALPHA} {name}"]
            new = row | dict.fromkeys(words, f"{ALPHA} new")
            with way(BETA) as connection:
                assert changed(connection, insert(table, new), new) == 0, table


def test_no_table_gives_a_tenants_row_to_another(two: Two, way: Way) -> None:
    for table, columns in two.columns.items():
        rule = rule_of(table, [name for name, *_ in columns])
        # What says whose a row is; of connection_accounts, say, it is not the account.
        deciding = [name for name, *_ in columns if rule and rule.api.startswith(f"{name} = ")]
        for name in deciding:
            other = two.rows(table, ALPHA)[0][name]
            statement = sql.SQL("UPDATE {} SET {} = {}").format(
                sql.Identifier(SCHEMA, table), sql.Identifier(name), other
            )
            with way(BETA) as connection:
                assert changed(connection, statement) == 0, table


def test_what_a_tenants_api_may_write_it_writes(two: Two) -> None:
    """So that the refusals above are those of the rows, and not of everything."""
    writable = [
        table for table in two.columns if table in RULES and "INSERT" in RULES[table].api_writes
    ]
    assert len(writable) > 3
    for table in writable:
        row = two.rows(table, BETA)[0]
        with (
            two.warehouse.of_tenant(BETA).connection() as connection,
            connection.transaction(force_rollback=True),
        ):
            if "DELETE" in RULES[table].api_writes:
                own = sql.SQL("DELETE FROM {}").format(sql.Identifier(SCHEMA, table))
                assert connection.execute(own).rowcount == 1, table
            else:
                words = [name for name, value in row.items() if value == f"{BETA} {name}"]
                row |= dict.fromkeys(words, f"{BETA} new")
            assert connection.execute(insert(table, row), row).rowcount == 1, table


def test_nobody_but_the_owner_is_let_past_the_policies(two: Two) -> None:
    with two.warehouse.connection() as connection:
        assert enforcement(connection).open_tables == ()
        bypassing = connection.execute(
            "SELECT proname FROM pg_proc "
            "WHERE pronamespace = 'meta_ads'::regnamespace AND prosecdef "
            "UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'meta_ads'::regnamespace "
            "AND (relkind = 'm' OR relkind = 'v' "
            "AND NOT 'security_invoker=true' = ANY (coalesce(reloptions, '{}')))"
        ).fetchall()
    assert bypassing == []


def test_functions_do_for_a_tenant_what_its_own_rights_allow(two: Two, way: Way) -> None:
    with way(BETA) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("SELECT meta_ads.add_api_totals(array(SELECT generate_series(1, 9)))")


def test_a_login_sees_no_other_schema_and_becomes_nobody_else(two: Two) -> None:
    with closing(two.login(BETA)) as connection:
        elsewhere = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') "
            "AND has_table_privilege(oid, 'SELECT') "
            "AND has_schema_privilege(relnamespace, 'USAGE') "
            "AND relnamespace <> ALL ('{pg_catalog,information_schema,meta_ads}'::regnamespace[])"
        ).fetchall()
        assert elsewhere == []
        with two.warehouse.connection() as owner:
            api, group = group_names(owner)
        for role in (api, two.roles[ALPHA]):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(group)))
        assert texts(connection, "meta_insights") == []


def test_the_setting_of_the_api_moves_no_login(two: Two) -> None:
    with closing(two.login(BETA)) as connection:
        before = texts(connection, "meta_insights")
        connection.execute(f"SET {SETTING} = '{ALPHA}'")
        assert texts(connection, "meta_insights") == before


def test_the_owner_pays_nothing_for_policies_it_is_not_under(two: Two) -> None:
    """Plans are the same: with tenants, without them, and as views were before they knew any."""
    with two.warehouse.connection() as connection, connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL meta_ads.now = '2026-03-18 12:00+00'")
        with_tenants = plans(connection, two.views)
        for table in two.columns:
            name = sql.Identifier(SCHEMA, table)
            connection.execute(sql.SQL("ALTER TABLE {} DISABLE ROW LEVEL SECURITY").format(name))
        assert plans(connection, two.views) == with_tenants
        for view in two.views:
            name = sql.Identifier(SCHEMA, view)
            connection.execute(sql.SQL("ALTER VIEW {} RESET (security_invoker)").format(name))
        assert plans(connection, two.views) == with_tenants


def plans(connection: Connection, views: Sequence[str]) -> dict[str, list[str]]:
    """How each view is read in whole, and of one account where it says which a row is of."""
    found = {}
    for view in views:
        for narrowed in ("", " WHERE account_id = 'act_1001'"):
            # Costs are of pg_database, too, which grows while other tests make theirs.
            query = f"EXPLAIN (COSTS OFF) SELECT * FROM meta_ads.{view}{narrowed}"
            with suppress(errors.UndefinedColumn), connection.transaction():
                found[query] = [line for (line,) in connection.execute(sql.SQL(query))]
    return found


def test_every_table_of_the_schema_says_whose_its_rows_are() -> None:
    """A new table without account_id and tenant: name it in tenancy/rules.py."""
    unsaid = [
        table.name
        for table in metadata.sorted_tables
        if rule_of(table.name, [column.name for column in table.columns]) is None
    ]
    assert unsaid == []


def changed(connection: Connection, statement: sql.Composed, values: Any = None) -> int:
    """How many rows a statement changed, and undone again; none where it was refused."""
    try:
        with connection.transaction(force_rollback=True):
            return connection.execute(statement, values).rowcount
    except (errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState):
        return 0
