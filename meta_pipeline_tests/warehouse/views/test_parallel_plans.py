"""Our functions in parallel plans: on this server, and on one that refuses what they do there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from shutil import rmtree

import psycopg
import pytest
from psycopg.types.json import Jsonb

from meta_pipeline.embedded import EmbeddedPostgres, binaries
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.postgres import scratch_folder

_CATCHES_ERRORS = 170_000
"""The version from which a parallel worker may catch an error."""
_CATCHING = """
    SELECT proname::text FROM pg_proc
    WHERE pronamespace = 'meta_ads'::regnamespace AND proparallel <> 'u'
        AND prosrc ~* '\\mEXCEPTION\\s+WHEN\\M'
"""


@pytest.fixture(scope="module")
def older_url() -> Iterator[str]:
    """The tables on the oldest server of this machine that knows no such thing."""
    found = [
        binaries.Binaries(folder, version, package)
        for folder, package in chain(binaries._in_wheels(), binaries._on_machine())
        if (version := binaries._version_of(folder))
    ]
    oldest = min(found, key=lambda one: one.major)
    if oldest.major * 10_000 >= _CATCHES_ERRORS:
        pytest.skip("no Postgres before 17 on this machine")
    folder = scratch_folder() / f"meta-pipeline-older-{secrets.token_hex(8)}"
    server = EmbeddedPostgres(folder, durable=False, database="tests", find=lambda: oldest)
    try:
        with server.running() as url:
            Warehouse(url).migrate()
            yield url
    finally:
        server.reset()
        rmtree(folder, ignore_errors=True)


def check(url: str) -> None:
    with closing(psycopg.connect(url)) as connection:
        version = connection.info.server_version
        forced = "debug_parallel_query" if version >= 160_000 else "force_parallel_mode"
        connection.execute(f"SET {forced} = on")
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts"
            " (account_id, timezone_name, last_listed_at, data_as_of, first_seen_at)"
            " VALUES ('act_1', 'Asia/Tokyo', now(), now(), now()),"
            " ('act_2', 'Meta/Verse', now(), now(), now()), ('act_3', NULL, now(), now(), now())"
        )
        days = connection.execute(
            "SELECT account_id, meta_ads.day_in_zone('2026-11-01 20:00Z', timezone_name)::text"
            " FROM meta_ads.meta_ad_accounts ORDER BY 1"
        ).fetchall()
        assert days == [
            ("act_1", "2026-11-02"),
            ("act_2", "2026-11-01"),
            ("act_3", "2026-11-01"),
        ]
        for header, found in (('{"call_count": 12}', 12), ('{"call_count"', None)):
            usage = connection.execute(
                "SELECT (meta_ads.usage_of(%s, 'ads_insights')).app_pct"
                " FROM meta_ads.meta_ad_accounts LIMIT 1",
                (Jsonb({"x-app-usage": header}),),
            ).fetchone()
            assert usage == (found,)
        connection.execute("SELECT * FROM meta_ads.account_overview").fetchall()
        if version < _CATCHES_ERRORS:
            assert connection.execute(_CATCHING).fetchall() == []


def test_functions_answer_in_a_parallel_plan(database_url: str) -> None:
    check(database_url)


def test_functions_answer_in_a_parallel_plan_of_an_older_server(older_url: str) -> None:
    check(older_url)
