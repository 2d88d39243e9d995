"""The doors of a whole Dagster: who is let in, what it listens on, what its processes carry."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from psycopg import sql

from meta_pipeline.local.children import Children
from meta_pipeline.local.environment import of_settings
from meta_pipeline.settings import Settings
from meta_pipeline_tests.e2e.dagsters import Stack, stack
from meta_pipeline_tests.e2e.stand import simulator
from meta_pipeline_tests.orchestration.test_canary import EVERY_TABLE
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CANARY = "CANARY7b1e"
SECRETS = {
    "alert_webhook_url": f"http://127.0.0.1:1/{CANARY}",
    "alert_email_password": f"{CANARY}-mail",
}
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
EVIL = {"Origin": "https://evil.example"}


@pytest.fixture
def running(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Stack, Path]]:
    """A Dagster as `dev` starts it, with every secret there is; and its folder."""
    monkeypatch.setenv("SECRET_OF_THE_CALLER", CANARY)
    with Children(tmp_path / "sim-logs") as children:
        graph = simulator(children, tmp_path / "simulator", latency_ms=0)
        given = {"access_token": graph.token, "graph_url": graph.url, **SECRETS}
        settings = Settings.load(env_file=None, **given)
        environment = of_settings(settings, empty_url)
        assert CANARY in environment["META_ALERT_WEBHOOK_URL"]
        folder = tmp_path / "dagster"
        folder.mkdir()
        with stack(folder, empty_url, environment) as found:
            yield found, folder


def post(url: str, query: str, headers: dict[str, str] | None = None, **variables: Any) -> Any:
    body = {"query": query, "variables": variables}
    return requests.post(f"{url}/graphql", json=body, headers=headers, timeout=PATIENCE_SECONDS)


def test_a_whole_dagster_keeps_its_doors(
    running: tuple[Stack, Path], empty_url: str, tmp_path: Path
) -> None:
    found, folder = running
    url = found.dagster.url
    foreign_requests_are_refused(url)
    the_code_server_is_on_no_port(found, folder)
    (account_id, *_) = found.discover()
    nothing_named_is_told(url)
    the_ui_works(url, tmp_path)
    assert set(found.finish([found.sync(account_id)]).values()) == {"SUCCESS"}
    password = urlsplit(empty_url).password or "no password"
    no_process_carries_a_secret(found, password)
    nobody_else_reads(folder)
    assert leaks(empty_url, folder, CANARY) == []


def foreign_requests_are_refused(url: str) -> None:
    ask = "{ version }"
    change = "mutation { reloadWorkspace { __typename } }"
    assert post(url, ask).json()["data"]["version"]
    assert post(url, ask, {"Origin": url}).status_code == 200
    assert post(url, ask, EVIL).status_code == 403
    assert post(url, ask, {"Host": "evil.example"}).status_code == 421
    got = {"query": change}
    assert requests.get(f"{url}/graphql", got, timeout=PATIENCE_SECONDS).status_code == 403
    assert (
        requests.get(f"{url}/graphql", {"query": ask}, timeout=PATIENCE_SECONDS).status_code == 200
    )
    page = requests.get(url, headers={"Accept": "text/html"}, timeout=PATIENCE_SECONDS)
    assert page.status_code == 200
    assert "Dagster" in page.text


def the_ui_works(url: str, folder: Path) -> None:
    """What the page shows, it has asked by POST and WebSocket from its own origin."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return
    options = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
        " --disable-background-networking --disable-component-update --disable-sync"
        " --virtual-time-budget=60000 --dump-dom"
    )
    done = subprocess.run(
        [browser, *options.split(), f"--user-data-dir={folder / 'browser'}", f"{url}/jobs"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert "backfill_insights" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]


def the_code_server_is_on_no_port(found: Stack, folder: Path) -> None:
    listening = {
        name: ports_of(child.process.pid) for name, child in found.dagster.processes.items()
    }
    web = listening.pop("dagster-webserver")
    assert web == {found.dagster.port}
    assert set().union(*listening.values()) == set()
    (path,) = list(folder.rglob("*.sock")) or [found.dagster._socket]
    assert stat.S_ISSOCK(path.lstat().st_mode)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))


def ports_of(group: int) -> set[int]:
    """TCP ports that the processes of a group listen on."""
    inodes = set()
    for pid in members(group):
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            target = str(descriptor.readlink()) if descriptor.is_symlink() else ""
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {
        int(line[1].rpartition(":")[2], 16)
        for line in lines
        if line[3] == "0A" and line[9] in inodes
    }


def members(group: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if pid == group or group_of(pid) == group]


def group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def nothing_named_is_told(url: str) -> None:
    for variable in ("SECRET_OF_THE_CALLER", "META_ACCESS_TOKEN", "DAGSTER_PG_URL"):
        for field in ({"ids": [{"env": variable}]}, {"ids": {"env": variable}}):
            params = {
                "selector": {
                    "repositoryName": "__repository__",
                    "repositoryLocationName": "meta_pipeline",
                    "jobName": "entities_only",
                },
                "runConfigData": {"resources": {"accounts": {"config": field}}},
            }
            answer = post(url, LAUNCH, params=params)
            assert answer.json()["data"]["launchRun"]["__typename"] == "RunConfigValidationInvalid"
            assert CANARY not in answer.text
            assert "EAASIM" not in answer.text


def no_process_carries_a_secret(found: Stack, password: str) -> None:
    for name, child in found.dagster.processes.items():
        for pid in members(child.process.pid):
            environment = Path(f"/proc/{pid}/environ").read_text(errors="replace")
            ours = [
                pair for pair in environment.split("\0") if pair.startswith(("META_", "DA", "CEL"))
            ]
            assert not [pair for pair in ours if CANARY in pair or "EAASIM" in pair], name
            assert not [pair for pair in ours if f":{password}@" in pair], name


def nobody_else_reads(folder: Path) -> None:
    home = folder / "dagster"
    for path in [home, *home.rglob("*")]:
        if path.is_symlink() or path.name in ("dagster.yaml", "workspace.yaml"):
            continue
        assert path.stat().st_mode & 0o077 == 0, path


def leaks(url: str, folder: Path, secret: str) -> list[str]:
    """Files and tables with the secret, but for the files that are there to hold it."""
    private = folder / "dagster" / "private"
    places = [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and private not in path.parents and secret.encode() in path.read_bytes()
    ]
    with psycopg.connect(url) as connection:
        for schema, table in connection.execute(EVERY_TABLE).fetchall():
            row = connection.execute(
                sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE %s").format(
                    sql.Identifier(str(schema), str(table))
                ),
                [f"%{secret}%"],
            ).fetchone()
            places += [f"{schema}.{table}"] if row and row[0] else []
    return places
