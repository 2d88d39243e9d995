"""deploy/docker, executed without Docker: the same commands in an environment built the same way.

`build` is the Dockerfile's build stage in a scratch folder: the files the build may see, then its
own `uv sync` lines. `Containers` starts the services of a compose file from it: their commands,
environment, secrets and mounted files, names of services being this machine.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from meta_pipeline.local.children import Child, Children
from meta_pipeline.local.graphql import DagsterApi
from meta_pipeline.local.ports import free_port
from meta_pipeline_tests.e2e.units import DEPLOY, ROOT
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

DOCKER = DEPLOY / "docker"
DOCKERFILE = DOCKER / "Dockerfile"
COMPOSE = DOCKER / "compose.yaml"
VENV = "/opt/meta-pipeline/.venv"
PORTS = ("3000", "8765")
LEFT_OUT = "--no-install-package facebook-business"
"""The build argument of this name, as the Dockerfile has it."""


def instructions(dockerfile: Path = DOCKERFILE) -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined, comments left out."""
    lines = [
        line for line in dockerfile.read_text(encoding="utf-8").splitlines() if line[:1] != "#"
    ]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(name, value.strip()) for name, _, value in pairs]


def compose(*files: Path) -> dict[str, Any]:
    """The services, secrets and volumes of compose files, later ones over earlier ones."""
    merged: dict[str, Any] = {}
    for file in files or (COMPOSE,):
        merged = _over(merged, yaml.safe_load(file.read_text(encoding="utf-8")))
    return merged


def build(folder: Path, left_out: str = LEFT_OUT, *, install: bool = True) -> Path:
    """Do what the build stage does, in `folder`; returns the environment's `bin`.

    `left_out` is the build argument LEFT_OUT. Without `install` the files alone are made ready.
    """
    environment = dict(os.environ)  # how this machine reaches a package index is its own affair
    environment.pop("VIRTUAL_ENV", None)
    environment["LEFT_OUT"] = left_out
    uv = Path(sys.executable).with_name("uv")
    for name, value in instructions():
        if name == "FROM" and "AS" not in value.split():
            break  # the final stage only copies what this one made
        if name == "ENV":
            pairs = (pair.partition("=") for pair in shlex.split(value))
            environment |= {key: text.replace(VENV, str(folder / "venv")) for key, _, text in pairs}
        elif name == "COPY" and not value.startswith("--from"):
            *sources, target = value.split()
            _copy(sources, folder / target)
        elif name == "RUN":
            command = re.sub(r"--mount=\S+\s*", "", value)
            if command.startswith("uv sync"):
                if not install:
                    continue
                command = f"{uv} {command.removeprefix('uv ')} --python {sys.executable}"
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    return folder / "venv" / "bin"


@dataclass
class Containers:
    """The services of compose files on this machine, out of `binaries`."""

    folder: Path
    children: Children
    binaries: Path
    secrets: Mapping[str, str]
    settings: Mapping[str, str]
    services: dict[str, Any] = field(default_factory=lambda: dict(compose()["services"]))
    simulator_binaries: Path | None = None
    ports: dict[str, int] = field(default_factory=lambda: {port: free_port() for port in PORTS})

    def __post_init__(self) -> None:
        for name in ("secrets", "etc", "var/dagster", "run"):
            (self.folder / name).mkdir(parents=True)
        for name, value in self.secrets.items():
            (self.folder / "secrets" / name).write_text(value, encoding="utf-8")
        workspace = (DOCKER / "workspace.yaml").read_text(encoding="utf-8")
        assert "socket: /run/meta-pipeline/" in workspace
        (self.folder / "etc/workspace.yaml").write_text(self._here(workspace), encoding="utf-8")

    @property
    def api(self) -> DagsterApi:
        return DagsterApi(f"http://127.0.0.1:{self.ports['3000']}", "meta_pipeline")

    def start(self, service: str) -> Child:
        """The service's command as a process of ours."""
        arguments = self._arguments(self.services[service]["command"])
        if service == "simulator" and self.simulator_binaries:  # it has an image of its own
            arguments[0] = str(self.simulator_binaries / Path(arguments[0]).name)
        return self.children.start(
            service, arguments, env=self._environment(service), cwd=self.folder / "var"
        )

    def finish(self, service: str) -> subprocess.CompletedProcess[str]:
        """The service's command, to its end."""
        return self._run(service, self.services[service]["command"])

    def check(self, service: str) -> subprocess.CompletedProcess[str]:
        """The service's own health check, once."""
        kind, *command = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        return self._run(service, command)

    def _run(self, service: str, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._arguments(command),
            env=self._environment(service),
            cwd=self.folder / "var",
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def _arguments(self, command: list[str]) -> list[str]:
        program, *words = (self._here(word) for word in command)
        return [str(self.binaries / program), *words]

    def _environment(self, service: str) -> dict[str, str]:
        path = f"{self.binaries}:{os.environ['PATH']}"
        image = {name: self._here(text) for name, text in _image_environment() if name != "PATH"}
        settings = {name: self._here(text) for name, text in self.settings.items()}
        given = {
            name: self._here(_substituted(str(value), self.settings))
            for name, value in self.services[service].get("environment", {}).items()
        }
        allowed = set(self.services[service].get("secrets", []))
        named = {Path(value).name for name, value in given.items() if name.endswith("_FILE")}
        assert named <= allowed, f"{service} reads secrets it is not given: {named - allowed}"
        return {
            "PATH": path,
            "LANG": "C.UTF-8",
            **image,
            **(settings if "env_file" in self.services[service] else {}),
            **given,
        }

    def _here(self, text: str) -> str:
        places = {
            "/run/secrets": str(self.folder / "secrets"),
            "/etc/meta-pipeline": str(self.folder / "etc"),
            "/var/lib/meta-pipeline": str(self.folder / "var"),
            "/run/meta-pipeline": str(self.folder / "run"),
            "0.0.0.0": "127.0.0.1",
        }
        for there, here in places.items():
            text = text.replace(there, here)
        for port, free in self.ports.items():
            text = re.sub(rf"\b{port}\b", str(free), text)
        return text


def command_of_image() -> list[str]:
    (command,) = (value for name, value in instructions() if name == "CMD")
    return list(json.loads(command))


def _image_environment() -> list[tuple[str, str]]:
    final = [value for name, value in instructions() if name == "ENV"][-1]
    pairs = (pair.partition("=") for pair in shlex.split(final))
    return [(name, text) for name, _, text in pairs]


def _copy(sources: list[str], target: Path) -> None:
    """COPY, of what .dockerignore lets through."""
    allowed = {
        line[1:]
        for line in (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    for name in sources:
        assert name in allowed, f"{name} is kept out by Dockerfile.dockerignore"
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def _substituted(text: str, settings: Mapping[str, str]) -> str:
    """`${NAME:-default}` as compose reads it."""
    return re.sub(
        r"\$\{(\w+)(?::-([^}]*))?\}", lambda found: settings.get(found[1], found[2] or ""), text
    )


def _over(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *(one for one in above if one not in below)]
    return above
