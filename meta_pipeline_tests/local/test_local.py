"""Ports, homes, environments and databases of a Dagster on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import httpx2
import pytest
from pydantic import AliasChoices, SecretStr

from meta_pipeline.commands.processes.demo import batches
from meta_pipeline.local.children import Child, ChildDied, Children
from meta_pipeline.local.database import DEMO_DATABASE, RealData, demo_database, named_database
from meta_pipeline.local.environment import of_settings, without_ours
from meta_pipeline.local.home import AlreadyRunning, Home
from meta_pipeline.local.ports import (
    HOST,
    PortsTaken,
    answers_at,
    free_port,
    free_port_from,
    listening,
    socket_in,
)
from meta_pipeline.local.web import note_address, noted_address, start_web
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.settings.secret_files import private_folder
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.words import ago
from meta_pipeline_tests.embedded.fixtures import empty_root, root, seed
from meta_pipeline_tests.sync_requests.rows import account
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

__all__ = ["empty_root", "root", "seed"]

HOLD = """
import signal, sys
from pathlib import Path
from meta_pipeline.local.home import Home
home = Home(Path(sys.argv[1]))
with home.taken():
    home.note(url="http://127.0.0.1:3000")
    print("held", flush=True)
    signal.pause()
"""


def test_a_used_port_gives_the_next_one() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port_from(port) > port
        with pytest.raises(PortsTaken, match="choose another with --port"):
            free_port_from(port, tries=1)


def test_a_port_that_was_chosen_is_nobody_elses_before_anything_listens() -> None:
    mine = free_port_from(free_port())
    asks = f"from meta_pipeline.local.ports import free_port_from; print(free_port_from({mine}))"
    other = subprocess.run(
        [sys.executable, "-c", asks], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(other.stdout) > mine
    assert free_port_from(mine) == mine


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_where_somebody_listens_for_localhost_nothing_is_served(address: str) -> None:
    """A browser takes localhost for either: the link that signs in would be handed to them."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Free at both: the system gives ports of one whose other still ends connections of a server.
    port = free_port_from(free_port())
    with closing(socket.socket(family)) as stranger:
        stranger.bind((address, port))
        stranger.listen()
        assert free_port_from(port) > port
        for host in ("127.0.0.1", "localhost", "::1"):
            with pytest.raises(PortsTaken, match="choose another with --port"):
                listening(host, port)
    for one in listening("127.0.0.1", port):
        one.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_what_is_served_at_localhost_is_served_at_all_it_means(host: str) -> None:
    port = free_port()
    found = listening(host, port)
    try:
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), timeout=5).close()
    finally:
        for one in found:
            one.close()


def test_a_free_port_is_taken_as_it_is() -> None:
    port = free_port()
    assert free_port_from(port) == port


def test_a_socket_is_in_a_folder_of_ones_own_and_not_too_long(tmp_path: Path) -> None:
    near = Path(tempfile.mkdtemp(prefix="mp-"))
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    missing = tmp_path / "missing"
    found = {home: socket_in(home) for home in (near, deep, missing)}
    assert found[near] == near / "private" / "code.sock"
    assert len(set(found.values())) == 3
    for path in found.values():
        assert path.parent.stat().st_mode & 0o777 == 0o700
        with closing(socket.socket(socket.AF_UNIX)) as server:
            assert not answers_at(path)
            server.bind(str(path))
            server.listen()
            assert answers_at(path)
        path.unlink()
    shutil.rmtree(near)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_folders_that_are_missing_are_made_for_their_owner_alone(tmp_path: Path, mask: int) -> None:
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    there.chmod(0o755)
    former = os.umask(mask)
    try:
        with Home(there / "data" / "home").taken():
            pass
        note_address(Settings.load(env_file=None, data_dir=str(there / "own" / "data")), "x")
    finally:
        os.umask(former)
    made = 0o755 if os.geteuid() == 0 else 0o700
    modes = {one.name: one.stat().st_mode & 0o777 for one in there.rglob("*") if one.is_dir()}
    assert modes.pop("home") == 0o700
    assert set(modes.values()) == {made}
    assert there.stat().st_mode & 0o777 == 0o755


def test_a_home_is_used_by_one_at_a_time(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(AlreadyRunning, match=r"already runs at http://127.0.0.1:3000"),
            Home(tmp_path).taken(wait_seconds=0),
        ):
            pass
        # Nor does whoever is turned away take its note along, by which other commands find it.
        with (
            pytest.raises(AlreadyRunning, match=r"already runs at http://127.0.0.1:3000"),
            Home(tmp_path).taken(wait_seconds=0),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with Home(tmp_path).taken(wait_seconds=0):
        pass


def test_a_home_is_not_free_before_the_guardian_has_done_its_work(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.taken() as lock, Children(home.logs, keep_open=[lock]) as children:
        guardian = children._guardian
        assert guardian is not None
        held = Path(f"/proc/{guardian.pid}/fd/{lock}").readlink()
        assert held == tmp_path / "lock"


def test_whoever_takes_the_port_first_is_not_handed_the_link(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.load(env_file=None, database_url=database_url, data_dir=str(tmp_path))
    with closing(socket.socket()) as stranger, Children(tmp_path / "logs") as children:
        start = children.start

        def late(name: str, arguments: Sequence[str], **options: Any) -> Child:
            stranger.bind((HOST, int(arguments[-1])))
            stranger.listen()
            return start(name, arguments, **options)

        monkeypatch.setattr(children, "start", late)
        environment = of_settings(settings, database_url)
        with pytest.raises(ChildDied, match="cannot be used"):
            start_web(children, environment, folder=tmp_path, tell=print)


def test_the_web_application_says_where_it_is_once_it_listens(
    tmp_path: Path, database_url: str
) -> None:
    settings = Settings.load(env_file=None, database_url=database_url, data_dir=str(tmp_path))
    with Children(tmp_path / "logs") as children:
        environment = of_settings(settings, database_url)
        address = start_web(children, environment, folder=tmp_path, tell=print)
        assert address is not None
        assert httpx2.get(f"{noted_address(settings)}/", timeout=PATIENCE_SECONDS).status_code < 500
        assert address.startswith(f"{noted_address(settings)}/enter?key=")


def test_the_web_application_of_dev_prices_reports_of_a_file_named_from_here(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Warehouse(database_url) as warehouse:
        account(warehouse, "act_1")
    (tmp_path / "dev").mkdir()
    (tmp_path / "reports.yaml").write_text("reports:\n  - preset: ad_performance\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("META_REPORTS_FILE", "reports.yaml")
    settings = Settings.load(env_file=None, database_url=database_url, data_dir="data")
    with Children(tmp_path / "logs") as children:
        environment = of_settings(settings, database_url)
        folder = tmp_path / "dev"
        address = start_web(children, environment, folder=folder, tell=print)
        assert address is not None
        with httpx2.Client(follow_redirects=True, timeout=PATIENCE_SECONDS) as browser:
            browser.get(address)
            days = {"since": "2026-01-01", "until": "2026-01-31"}
            page = browser.get(
                f"{noted_address(settings)}/sync/price", params={"account": "act_1", **days}
            )
    assert page.status_code == 200, page.text
    assert "Ask for it" in page.text


def test_homes_that_cannot_be_written_share_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folders = {private_folder(Path(f"/proc/{name}")) for name in ("production", "staging")}
    folders.add(private_folder())
    assert len(folders) == 3
    for folder in folders:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.is_relative_to(tmp_path)


def test_nothing_of_the_callers_settings_leaks_into_a_demo() -> None:
    given = {
        "PATH": "/bin",
        "META_ACCESS_TOKEN": "real",
        "META_APP_SECRET_FILE": "/run/secret",
        "DATABASE_URL": "postgresql://real",
        "DAGSTER_HOME": "/opt/dagster",
    }
    assert without_ours(given) == {"PATH": "/bin"}


def test_every_setting_reaches_the_processes_of_dev(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("META_ACCESS_TOKEN=EAAfromfile\nMETA_BACKFILL_DAYS=11\n")
    said = of_settings(Settings.load(), "postgresql://u:p@h/db")
    for name in [name for name in os.environ if name.startswith("META_")]:
        monkeypatch.delenv(name)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    again = Settings.load(env_file=None)
    assert again.require_token() == "EAAfromfile"
    assert again.backfill_days == 11
    assert again.require_database_url() == "postgresql://u:p@h/db"


def test_a_path_is_the_same_in_every_process_of_dev(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dev").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    paths = {
        name: str(field.validation_alias.choices[0])
        for name, field in Settings.model_fields.items()
        if Path in get_args(field.annotation) and isinstance(field.validation_alias, AliasChoices)
    }
    assert {"data_dir", "reports_file", "report_file"} <= set(paths)
    for written, meant in {"own/it": "own/it", "./it": "it", "~/it": "home/it"}.items():
        for variable in paths.values():
            monkeypatch.setenv(variable, written)
        said = of_settings(Settings.load(env_file=None), "postgresql://u:p@h/db")
        with monkeypatch.context() as child:
            child.chdir(tmp_path / "dev")
            for name, value in said.items():
                child.setenv(name, value)
            again = Settings.load(env_file=None)
        assert {getattr(again, name) for name in paths} == {tmp_path / meant}


def test_the_home_of_nobody_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_REPORTS_FILE", "~nobody-of-that-name/reports.yaml")
    with pytest.raises(SettingsError, match="META_REPORTS_FILE begins with ~ for a home"):
        Settings.load(env_file=None)


def test_a_secret_is_read_from_a_file_in_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text("EAAofthehome\n")
    monkeypatch.setenv("META_ACCESS_TOKEN_FILE", "~/token")
    monkeypatch.delenv("META_ACCESS_TOKEN", raising=False)
    assert Settings.load(env_file=None).require_token() == "EAAofthehome"
    monkeypatch.setenv("META_ACCESS_TOKEN_FILE", "~nobody-of-that-name/token")
    with pytest.raises(SettingsError, match="is not the path of a file"):
        Settings.load(env_file=None)


SAMPLES = {
    "access_token": "EAAsample",
    "app_secret": "0123456789abcdef",
    "app_id": "1234567890",
    "graph_url": "http://127.0.0.1:9",
    "database_url": "postgresql://u:p%40@h/db",
    "api_version": "v25.0",
    "restatement": "0:2h",
    "insights_levels_text": "ad,adset",
    "insights_columns_text": "results,quality_ranking",
    "advice_thresholds_text": "e_value=40",
    "advice_digest": "fri",
    "breakdowns_text": "age,gender;country",
    "attribution_windows": "7d_click",
    "breakdown_accounts_text": "act_1",
    "hourly_accounts_text": "act_1,act_2",
    "creative_accounts_text": "all",
    "activity_accounts_text": "act_3",
    "recommendation_accounts_text": "act_3",
    "custom_conversion_accounts_text": "act_3",
    "custom_audience_accounts_text": "act_1,act_3",
    "image_accounts_text": "all",
    "include_accounts": "act_1",
    "exclude_accounts": "act_2",
    "rotation_policy": "priority",
    "rotation_tiers": "high:1h,medium:2h,low:3h,empty:4h",
    "rotation_currency": "EUR",
    "insights_every": "2h",
    "entities_every": "3h",
    "rotation_fresh": "10m",
    "cost_weights": "entity=2",
    "alert_email_security": "tls",
    "log_format": "json",
    "login_config_id": "1234567890",
    "web_url": "https://ads.example.com",
    "web_secret": "of web_secret, long enough to sign with",
    "mcp_token": "of mcp_token, long enough to be nobody's guess",
    "web_oidc_issuer": "https://id.example.com",
    "web_proxy_header": "X-Visitor",
    "web_proxy_addresses": "10.0.0.5,fd00::/64",
    "web_proxy_secret": "of web_proxy_secret, long enough to be nobody's guess",
}
"""Values of settings that only take some."""


def sample(name: str) -> object:
    """A value that is not the default."""
    field = Settings.model_fields[name]
    if name in SAMPLES:
        return SAMPLES[name]
    kinds = {field.annotation, *get_args(field.annotation)} - {type(None)}
    if bool in kinds:
        return not field.default
    if kinds & {int, float}:
        return int(field.default or 0) + 1
    if Path in kinds:
        return Path("/somewhere/else")
    if kinds & {str, SecretStr}:
        return f"of {name} ü#=: 1"
    raise AssertionError(f"{name} is of a kind that no sample is known of: {kinds}")


def test_every_setting_there_is_reaches_the_processes_of_dev(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also one that is made tomorrow, and also those that are secret, which alerts need."""
    for name in [name for name in os.environ if name.startswith("META_")]:
        monkeypatch.delenv(name)
    given = {name: sample(name) for name in Settings.model_fields}
    given |= {"dagster_hosts": "dagster.lan"}
    settings = Settings.load(env_file=None, **given)
    for name in Settings.model_fields:
        assert getattr(settings, name) != Settings.model_fields[name].default, name
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    for name, value in of_settings(settings, url).items():
        monkeypatch.setenv(name, value)
    again = Settings.load(env_file=None)
    different = [
        name for name in Settings.model_fields if getattr(again, name) != getattr(settings, name)
    ]
    assert different == []


def test_the_demo_stays_away_from_real_data(database_url: str) -> None:
    at = datetime.now(UTC)
    settings = Settings.load(env_file=None, database_url=database_url)
    with Warehouse(database_url) as warehouse:
        warehouse.accounts.upsert_listed([{"account_id": "act_1", "is_simulated": True}], at)
        with named_database(settings) as url:
            assert url == database_url
        warehouse.accounts.upsert_listed([{"account_id": "act_2", "is_simulated": False}], at)
    with pytest.raises(RealData, match="holds 1 ad accounts of Meta's"), named_database(settings):
        pass


def test_the_demo_does_not_look_at_the_database_of_the_settings(root: Path) -> None:
    nowhere = "postgresql://user:password@127.0.0.1:1/production"
    settings = Settings.load(env_file=None, database_url=nowhere, data_dir=root)
    with demo_database(settings) as url:
        assert urlsplit(url).path == f"/{DEMO_DATABASE}"


@pytest.mark.parametrize(
    ("keys", "count", "expected"),
    [
        (["a", "b", "c"], 2, [["a", "b"], ["c"]]),
        (["a"], 2, [["a"]]),
        ([], 2, []),
        (["a", "b", "c", "d"], 2, [["a", "b"], ["c", "d"]]),
    ],
)
def test_batches(keys: list[str], count: int, expected: list[list[str]]) -> None:
    assert batches(keys, count) == expected


def test_staleness_in_words() -> None:
    spans = [None, timedelta(), timedelta(minutes=15), timedelta(hours=3), timedelta(days=2)]
    said = [ago(span if span is None else span.total_seconds()) for span in spans]
    assert said == ["never", "just now", "15m ago", "3h ago", "2d ago"]
