"""Whoever may launch a run can have no variable of its process told, in an error or a row."""

# Dagster reads the annotations of ops at run time: no `from __future__ import annotations` here.
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import dagster as dg
import psycopg
import pytest
from dagster._config import ConfigType
from dagster._core.errors import DagsterConfigMappingFunctionError
from psycopg import sql
from sqlalchemy import create_engine, text

from meta_pipeline.definitions import defs
from meta_pipeline.orchestration.configuration import (
    Accounts,
    Breakdowns,
    Freshness,
    InsightsDays,
    LaunchpadConfig,
    Period,
    choices,
    run_config,
)
from meta_pipeline.orchestration.private_environment import PrivateEnvironment
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.settings.secret_files import concealed, private_folder, secret_names
from meta_pipeline.warehouse.urls import dagster_url
from meta_pipeline_tests.orchestration.instances import in_postgres
from meta_pipeline_tests.postgres import TestPostgres

CANARY = "CANARY-1b7e-sings"
NAME = "CANARY_OF_THE_TESTS"
ENV = {"env": NAME}
EVERY_TABLE = """
    SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""
REPOSITORY = defs.get_repository_def()
JOBS = {job.name: job for job in REPOSITORY.get_all_jobs()}
Path_ = tuple[str | int, ...]


def fields(kind: ConfigType, path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    """Every place of a config that takes a value, and what sort of value Dagster takes there."""
    inner: Any = kind
    if hasattr(inner, "fields"):
        for name, field in inner.fields.items():
            yield from fields(field.config_type, (*path, name))
    elif kind.kind.name == "ARRAY":
        yield from fields(inner.inner_type, (*path, 0))
    elif kind.kind.name == "NONEABLE":
        yield from fields(inner.inner_type, path)
    else:
        yield path, kind.kind.name


def with_value(path: Path_, value: object) -> Any:
    for part in reversed(path):
        value = [value] if isinstance(part, int) else {part: value}
    return value


def all_fields() -> list[tuple[str, Path_, str]]:
    return [
        (name, path, sort)
        for name, job in JOBS.items()
        for path, sort in fields(job.run_config_schema.config_type)
    ]


@pytest.fixture
def database_url(postgres: TestPostgres, dagster_template: str) -> Iterator[str]:
    with postgres.fresh_database(dagster_template) as url:
        yield url


@pytest.fixture
def home(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """Dagster's tables beside ours, and its folder in `tmp_path`."""
    monkeypatch.setenv(NAME, CANARY)
    monkeypatch.setenv("DATABASE_URL", database_url)
    overrides = in_postgres(database_url)
    with dg.instance_for_test(overrides=overrides, temp_dir=str(tmp_path)) as instance:
        instance.add_dynamic_partitions("ad_account", ["act_1"])
        yield instance


def found(url: str, folder: Path) -> list[str]:
    """Where the canary is, in any table and any file."""
    places = [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    ]
    with psycopg.connect(url) as connection:
        for schema, table in connection.execute(EVERY_TABLE).fetchall():
            row = connection.execute(
                sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE %s").format(
                    sql.Identifier(str(schema), str(table))
                ),
                [f"%{CANARY}%"],
            ).fetchone()
            if row and row[0]:
                places.append(f"{schema}.{table}")
    return places


def test_every_field_of_every_job_is_a_plain_value() -> None:
    given = all_fields()
    assert {name for name, _, _ in given} == set(JOBS)
    assert {sort for _, _, sort in given} == {"SCALAR", "ENUM"}, "no union with {env: ...}, no Any"
    assert not [path for _, path, _ in given if path[0] in ("ops", "execution")]
    chosen = {path[1] for _, path, _ in given if path[0] == "resources"}
    assert chosen == set(choices()), "no other resource is"


def test_a_variable_named_in_any_field_is_told_nowhere(
    home: dg.DagsterInstance, database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, path, _ in all_fields():
        tags = {"dagster/partition": "act_1"}
        with pytest.raises(dg.DagsterInvalidConfigError) as refused:
            JOBS[name].execute_in_process(
                run_config=with_value(path, ENV), instance=home, tags=tags, raise_on_error=False
            )
        assert CANARY not in str(refused.value), (name, path)
    output = capfd.readouterr()
    assert CANARY not in output.out + output.err
    assert found(database_url, tmp_path) == []


class Careless(dg.Config):
    """What a config of Dagster's looks like without care."""

    name: str


def test_the_search_finds_what_a_careless_config_tells(
    home: dg.DagsterInstance, database_url: str, tmp_path: Path
) -> None:
    @dg.op
    def tell(config: Careless) -> None:
        raise ValueError(f"{config.name!r} is not an account")

    @dg.job
    def careless() -> None:
        tell()

    config = {"ops": {"tell": {"config": {"name": ENV}}}}
    careless.execute_in_process(run_config=config, instance=home, raise_on_error=False)
    assert "dagster.event_logs" in found(database_url, tmp_path)


@pytest.mark.parametrize("model", [Accounts, Breakdowns, InsightsDays, Freshness, Period])
def test_an_error_does_not_say_what_was_typed(model: type[LaunchpadConfig]) -> None:
    for name, field in model.model_fields.items():
        for typed in (CANARY, [CANARY], {"a": CANARY}, [[CANARY]]):
            with pytest.raises(ValueError, match="validation error") as refused:
                model(**{name: typed})
            assert CANARY not in str(refused.value), (name, typed)
        assert field.description


def test_a_run_that_is_refused_says_which_field_and_not_what(
    home: dg.DagsterInstance, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_ACCESS_TOKEN", "EAAtests")
    for config, said in (
        (run_config(accounts={"ids": [CANARY]}), "ids: one is not an ad account id"),
        (run_config(days={"since": CANARY}), "since: is not a day"),
    ):
        with pytest.raises(DagsterConfigMappingFunctionError) as refused:
            JOBS["backfill_insights"].execute_in_process(
                run_config=config, instance=home, partition_key="act_1", raise_on_error=False
            )
        assert said in str(refused.value.__cause__)
        assert CANARY not in f"{refused.value}{refused.value.__cause__}"
    assert found(database_url, tmp_path) == [], "there was no run"


SECRETS = {name: f"{CANARY}:\\{name}" for name in secret_names()}


def test_every_secret_is_a_file_and_is_read_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"META_ACCESS_TOKEN", "META_APP_SECRET", "DATABASE_URL"} < set(SECRETS)
    assert {"META_ALERT_WEBHOOK_URL", "META_ALERT_EMAIL_PASSWORD"} < set(SECRETS)
    kept = concealed({"PATH": "/bin", **SECRETS}, private_folder(tmp_path))
    assert CANARY not in str(kept)
    assert kept["PATH"] == "/bin"
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(f"{name}_FILE", kept[f"{name}_FILE"])
    settings = Settings.load(env_file=None)
    assert settings.require_token() == SECRETS["META_ACCESS_TOKEN"]
    assert settings.require_database_url() == SECRETS["DATABASE_URL"]
    assert settings.alert_webhook_url is not None
    assert settings.alert_webhook_url.get_secret_value() == SECRETS["META_ALERT_WEBHOOK_URL"]
    files = list((tmp_path / "private").iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700
    assert concealed(kept, private_folder(tmp_path)) == kept


def test_a_secret_that_was_taken_out_is_in_no_file_after_the_next_start(tmp_path: Path) -> None:
    folder = private_folder(tmp_path)
    concealed(SECRETS, folder)
    fewer = {name: SECRETS[name] for name in ("DATABASE_URL", "META_ACCESS_TOKEN")}
    concealed(fewer, folder)
    assert (folder / "meta_token_keys").exists(), "another process may have been given them"
    kept = concealed(fewer, folder, is_ours=True)
    assert {path.name for path in folder.iterdir()} == {"database_url", "meta_access_token"}
    assert concealed(kept, folder, is_ours=True) == kept
    assert Path(kept["DATABASE_URL_FILE"]).read_text() == SECRETS["DATABASE_URL"]


def test_what_else_the_url_says_is_kept(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://u:p%40:w@/db?host=a:1&host=b:2&options=-csearch_path%3Dx&password="
    kept = concealed({"DAGSTER_PG_URL": url}, private_folder(tmp_path))["DAGSTER_PG_URL"]
    assert kept.startswith("postgresql+psycopg2://u@/db?host=a%3A1&host=b%3A2&options=-csearch")
    assert (tmp_path / "private/pgpass").read_text() == "*:*:*:*:p@\\:w\n"
    assert concealed({"DAGSTER_PG_URL": kept}, private_folder(tmp_path))["DAGSTER_PG_URL"] == kept
    none = "postgresql+psycopg2://u@h/db"
    assert concealed({"DAGSTER_PG_URL": none}, tmp_path) == {"DAGSTER_PG_URL": none}


@pytest.mark.parametrize("password", ["plain", "a:b\\c", "ü %@/#", "'; --"])
def test_dagster_reads_the_password_from_a_passfile(
    password: str, empty_url: str, tmp_path: Path
) -> None:
    role = "of_the_canary"
    with psycopg.connect(empty_url) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), password)
        )
    parts = urlsplit(empty_url)
    netloc = f"{role}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"
    url = dagster_url(parts._replace(netloc=netloc).geturl())
    kept = concealed({"DAGSTER_PG_URL": url}, private_folder(tmp_path))["DAGSTER_PG_URL"]
    assert quote(password, safe="") not in kept
    engine = create_engine(kept)
    try:
        with engine.connect() as opened:
            assert opened.execute(text("SELECT current_user")).scalar() == role
    finally:
        engine.dispose()


def test_a_dagster_started_otherwise_takes_its_secrets_out_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"DAGSTER_HOME": str(tmp_path), **SECRETS})
    os.environ.update(PrivateEnvironment().get_secrets_for_environment("meta_pipeline"))
    assert CANARY not in str(os.environ)
    assert os.environ["META_ACCESS_TOKEN_FILE"].startswith(str(tmp_path))


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "private").symlink_to("/tmp")
    with pytest.raises(SettingsError, match="not this user's folder"):
        private_folder(tmp_path)
