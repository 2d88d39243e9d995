"""The tests' own Postgres: a database for each test, from a template built once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from meta_pipeline.embedded import EmbeddedPostgres, default_root
from meta_pipeline_tests import postgres
from meta_pipeline_tests.embedded.fixtures import ask, temporary_root
from meta_pipeline_tests.waiting import wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.TestPostgres]:
    """One of its own, so that building templates here does not meet the session's."""
    with temporary_root() as root, EmbeddedPostgres(root, durable=False).running() as url:
        yield postgres.TestPostgres(url)


def make_table(url: str) -> None:
    ask(url, "CREATE TABLE things AS SELECT 1 AS id")


def test_each_test_has_the_tables_and_none_of_the_others_rows(
    server: postgres.TestPostgres,
) -> None:
    server.ensure_template(make_table, "tables")
    with server.fresh_database("tables") as one, server.fresh_database("tables") as other:
        ask(one, "INSERT INTO things VALUES (2)")
        assert ask(one, "SELECT count(*) FROM things") == 2
        assert ask(other, "SELECT count(*) FROM things") == 1
    for url in (one, other):
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            ask(url, "SELECT 1")


def test_a_database_is_dropped_even_while_the_test_is_still_connected(
    server: postgres.TestPostgres,
) -> None:
    server.ensure_template(make_table, "tables")
    with server.fresh_database("tables") as url:
        left_open = psycopg.connect(url)
    with pytest.raises(psycopg.OperationalError):
        left_open.execute("SELECT 1")
    left_open.close()


def test_the_template_is_built_once_and_never_seen_half_built(
    server: postgres.TestPostgres,
) -> None:
    built: list[str] = []

    def fails_first(url: str) -> None:
        built.append(url)
        make_table(url)
        if len(built) == 1:
            raise RuntimeError("killed in the middle")

    with pytest.raises(RuntimeError):
        server.ensure_template(fails_first, "careful")
    server.ensure_template(fails_first, "careful")
    server.ensure_template(fails_first, "careful")
    assert len(built) == 2


def test_a_builder_that_leaves_a_connection_open_does_not_block_the_tests(
    server: postgres.TestPostgres,
) -> None:
    left_open: list[psycopg.Connection] = []
    server.ensure_template(lambda url: left_open.append(psycopg.connect(url)), "leaky")
    with server.fresh_database("leaky") as url:
        assert ask(url, "SELECT 1") == 1
    left_open[0].close()


def test_it_is_not_durable_and_not_the_users(server: postgres.TestPostgres) -> None:
    assert ask(server.url, "SHOW fsync") == "off"
    data = str(ask(server.url, "SHOW data_directory"))
    assert not data.startswith(str(default_root()))
    assert not str(postgres._folder_of("x")).startswith(str(default_root()))


def test_a_killed_sessions_server_is_removed_and_a_used_one_is_not() -> None:
    # Of this process alone: another that runs this test at the same time looks for leftovers too.
    abandoned = postgres._folder_of(f"abandoned-by-{os.getpid()}")
    EmbeddedPostgres(abandoned, durable=False, database="tests").start(keep=True)
    used = postgres._folder_of(f"used-by-{os.getpid()}")
    with EmbeddedPostgres(used, durable=False, database="tests").running() as url:
        postgres._remove_leftovers()
        assert not abandoned.exists()
        assert ask(url, "SELECT 1") == 1
    postgres._remove(used)
    wait_until(lambda: not used.exists(), "the server is removed, by us or by another who looked")


def test_names_are_quoted(server: postgres.TestPostgres) -> None:
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier('odd "name"')))
    with server.fresh_database('odd "name"') as url:
        assert ask(url, "SELECT 1") == 1
