"""What Dagster's official chart makes of deploy/helm: who reaches what, which probes, which images.

The labels are those of the chart's templates; where `helm` and the chart are at hand, both are
tried.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config_schema

from meta_pipeline.warehouse.urls import CONNECT_TIMEOUT_SECONDS, KEEPALIVE
from meta_pipeline_tests.e2e.units import DEPLOY

HELM = DEPLOY / "helm"
RELEASE = "meta-pipeline"
# helm/dagster of dagster-io/dagster: templates/deployment-daemon.yaml, _deployment-webserver.tpl,
# charts/dagster-user-deployments/templates/deployment-user.yaml; pods of runs: dagster_k8s/job.py.
PODS = {
    "code": {
        "app.kubernetes.io/name": "dagster-user-deployments",
        "app.kubernetes.io/instance": RELEASE,
        "component": "user-deployments",
        "deployment": "meta-pipeline",
    },
    "webserver": {
        "app.kubernetes.io/name": "dagster",
        "app.kubernetes.io/instance": RELEASE,
        "component": "dagster-webserver",
    },
    "daemon": {
        "app.kubernetes.io/name": "dagster",
        "app.kubernetes.io/instance": RELEASE,
        "component": "dagster-daemon",
        "deployment": "daemon",
    },
    "run": {
        "app.kubernetes.io/name": "dagster",
        "app.kubernetes.io/instance": "dagster",
        "app.kubernetes.io/component": "run_worker",
    },
    "web": {"app.kubernetes.io/name": "meta-pipeline", "app.kubernetes.io/component": "web"},
    "proxy": {"app.kubernetes.io/name": "oauth2-proxy", "app.kubernetes.io/instance": "login"},
    "somebody": {"app": "somebody"},
    "another release": {
        "app.kubernetes.io/instance": "other",
        "component": "dagster-webserver",
    },
}


def policy(of: str) -> dict[str, Any]:
    text = (HELM / "network-policy.yaml").read_text(encoding="utf-8")
    (found,) = (
        one["spec"]
        for one in yaml.safe_load_all(text)
        if one["metadata"]["name"] == f"meta-pipeline-{of}"
    )
    return dict(found)


def values() -> dict[str, Any]:
    return dict(yaml.safe_load((HELM / "values.yaml").read_text(encoding="utf-8")))


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert selector.keys() == {"matchLabels"}
    wanted: dict[str, str] = selector["matchLabels"]
    return wanted.items() <= labels.items()


def admitted(of: str) -> set[str]:
    """Which pods reach this one by its policy."""
    (rule,) = policy(of)["ingress"]
    peers = [peer["podSelector"] for peer in rule["from"]]
    assert all(peer.keys() == {"podSelector"} for peer in rule["from"]), "of the same namespace"
    return {name for name, labels in PODS.items() if any(selects(one, labels) for one in peers)}


@pytest.mark.parametrize("of", ["code", "webserver"])
def test_a_policy_is_of_one_pod_and_its_port(of: str) -> None:
    spec = policy(of)
    assert spec["policyTypes"] == ["Ingress"], "what it asks for itself is its own affair"
    assert {name for name, labels in PODS.items() if selects(spec["podSelector"], labels)} == {of}
    (deployment,) = values()["dagster-user-deployments"]["deployments"]
    ports = {
        "code": deployment["port"],
        "webserver": values()["dagsterWebserver"]["service"]["port"],
    }
    assert spec["ingress"][0]["ports"] == [{"protocol": "TCP", "port": ports[of]}]


def test_the_proxy_that_signs_people_in_alone_reaches_the_webserver() -> None:
    assert admitted("webserver") == {"proxy"}


def test_webserver_and_daemon_alone_reach_the_code_location() -> None:
    assert admitted("code") == {"webserver", "daemon"}
    (deployment,) = values()["dagster-user-deployments"]["deployments"]
    assert PODS["code"]["deployment"] == deployment["name"]


def test_dagsters_connections_notice_a_server_that_is_gone() -> None:
    waits = KEEPALIVE | {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    assert values()["postgresql"]["postgresqlParams"] == {
        "options": "-csearch_path=dagster",
        **{name: str(value) for name, value in waits.items()},
    }


def test_the_webservers_probe_asks_the_port_it_listens_on() -> None:
    webserver = values()["dagsterWebserver"]
    assert webserver["readinessProbe"]["httpGet"] == {
        "path": "/server_info",
        "port": webserver["service"]["port"],
    }


def test_a_runs_memory_is_said_where_the_chart_takes_it_from() -> None:
    """What the code location is given goes over what the launcher would be told."""
    (deployment,) = values()["dagster-user-deployments"]["deployments"]
    assert deployment["includeConfigInLaunchedRuns"]["enabled"] is True
    assert deployment["resources"]["limits"]["memory"] == "1Gi"
    assert "resources" not in values()["runLauncher"]["config"]["k8sRunLauncher"]


@pytest.fixture(scope="module")
def rendered() -> list[dict[str, Any]]:
    chart = os.environ.get("DAGSTER_CHART")
    if chart is None or shutil.which("helm") is None:
        pytest.skip(
            "NOT RENDERED: with helm, `helm pull dagster/dagster --untar` and "
            "DAGSTER_CHART=./dagster the values are tried in the chart itself"
        )
    done = subprocess.run(
        ["helm", "template", RELEASE, chart, "-n", "ads", "-f", str(HELM / "values.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def deployments(rendered: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    names = {"user-deployments": "code", "dagster-webserver": "webserver"}
    for one in rendered:
        if one["kind"] == "Deployment":
            component = one["metadata"]["labels"]["component"]
            yield names.get(component, component.removeprefix("dagster-")), one["spec"]["template"]


def test_the_chart_has_the_labels_that_the_policy_goes_by(rendered: list[dict[str, Any]]) -> None:
    made = {name: pod["metadata"]["labels"] for name, pod in deployments(rendered)}
    assert made == {name: PODS[name] for name in ("code", "webserver", "daemon")}


def test_every_pod_of_the_chart_is_what_the_values_say(rendered: list[dict[str, Any]]) -> None:
    pods = {name: pod["spec"] for name, pod in deployments(rendered)}
    for name, pod in pods.items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        for container in (*pod["initContainers"], *pod["containers"]):
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            assert re.search(r":\d+\.\d+", container["image"]), container["image"]
            assert not re.search(r"busybox:1\.2|postgres:1[0-7]", container["image"])
    (code,), (web,) = pods["code"]["containers"], pods["webserver"]["containers"]
    assert code["args"][:3] == ["dagster", "api", "grpc"]
    assert "4000" in code["args"]
    assert code["startupProbe"]["exec"]["command"][-1] == "4000"
    assert web["command"][-1].startswith("dagster-webserver "), "by the name of the doorkeeper"
    assert web["readinessProbe"]["httpGet"]["port"] == web["ports"][0]["containerPort"]
    assert {"name": "META_DAGSTER_UI_URL", "value": "https://dagster.example.com"} in web["env"]
    assert "META_ACCESS_TOKEN" not in str(pods["webserver"]) + str(pods["daemon"])


def test_the_charts_instance_is_one_dagster_takes(rendered: list[dict[str, Any]]) -> None:
    (instance,) = (
        yaml.safe_load(one["data"]["dagster.yaml"])
        for one in rendered
        if one["kind"] == "ConfigMap" and "dagster.yaml" in one["data"]
    )
    assert instance.keys() <= dagster_instance_config_schema().keys()
    assert instance["run_coordinator"]["class"] == "GuardedRunQueue"
    assert instance["secrets"]["custom"]["class"] == "PrivateEnvironment"
    database = instance["run_storage"]["config"]["postgres_db"]
    assert database["params"] == values()["postgresql"]["postgresqlParams"]
