"""The systemd units of deploy/, executed as systemd would: same commands, same environment.

A unit's process gets what its unit gives it and nothing else, so a variable, a credential or an
option that is missing there is missing here. A server's paths (/opt, /etc, /var/lib) become folders
of the test, the fixed port becomes a free one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meta_pipeline.local.children import Child, Children
from meta_pipeline.local.graphql import DagsterApi
from meta_pipeline.local.ports import free_port
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SYSTEMD = DEPLOY / "systemd"
CELERY = DEPLOY / "celery"
WEB_PORT, APP_PORT = "3000", "8350"
"""Of Dagster's webserver, and of the web application."""


@dataclass(frozen=True)
class Unit:
    """One service: its lines by name, those of its drop-ins after its own."""

    name: str
    lines: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, path: Path, *drop_ins: Path) -> Unit:
        lines: list[tuple[str, str]] = []
        for file in (path, *drop_ins):
            for line in file.read_text(encoding="utf-8").splitlines():
                if "=" in line and not line.startswith("#"):
                    key, _, value = line.partition("=")
                    lines.append((key.strip(), value.strip()))
        return cls(path.name.removesuffix(".service"), tuple(lines))

    def all(self, key: str) -> list[str]:
        return [value for name, value in self.lines if name == key]


@dataclass
class Machine:
    """A server's folders inside `folder`, and the units that run on it."""

    folder: Path
    children: Children
    credentials: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    web_port: int = field(default_factory=free_port)
    app_port: int = field(default_factory=free_port)
    started: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("etc/credentials", "var/dagster", "run"):
            (self.folder / name).mkdir(parents=True)
        for name, value in self.credentials.items():
            (self.folder / "etc/credentials" / name).write_text(f"{value}\n", encoding="utf-8")
        lines = (SYSTEMD / "environment.example").read_text(encoding="utf-8")
        lines += "".join(f"{name}={value}\n" for name, value in self.settings.items())
        (self.folder / "etc/environment").write_text(lines, encoding="utf-8")
        workspace = (SYSTEMD / "workspace.yaml").read_text(encoding="utf-8")
        assert "socket: /run/meta-pipeline/" in workspace
        (self.folder / "etc/workspace.yaml").write_text(
            workspace.replace("/run/meta-pipeline", str(self.folder / "run")), encoding="utf-8"
        )

    @property
    def api(self) -> DagsterApi:
        return DagsterApi(f"http://127.0.0.1:{self.web_port}", "meta_pipeline")

    def start(self, unit: Unit, instance: str = "") -> Child:
        """ExecStartPre to its end, then ExecStart as a process of ours."""
        name = unit.name.replace("@", f"-{instance}")
        environment = self._environment(unit, name, instance)
        for command in unit.all("ExecStartPre"):
            self._finish(command, environment, instance)
        (command,) = unit.all("ExecStart")
        child = self.children.start(
            name,
            self._arguments(command, environment, instance),
            env=environment,
            cwd=self.folder / "var",
        )
        self.started.append(child)
        return child

    def finish(self, unit: Unit) -> subprocess.CompletedProcess[str]:
        """A unit of Type=oneshot: to its end."""
        environment = self._environment(unit, unit.name, "")
        (command,) = unit.all("ExecStart")
        return self._finish(command, environment, "")

    def environment(self, unit: Unit) -> dict[str, str]:
        """What the unit's process sees."""
        return self._environment(unit, unit.name, "")

    def _finish(
        self, command: str, environment: dict[str, str], instance: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self._arguments(command, environment, instance),
            env=environment,
            cwd=self.folder / "var",
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS * 5,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def _environment(self, unit: Unit, name: str, instance: str) -> dict[str, str]:
        credentials = self.folder / "credentials" / name
        credentials.mkdir(parents=True, exist_ok=True)
        for line in unit.all("LoadCredential"):
            key, _, source = line.partition(":")
            shutil.copyfile(self._here(source, credentials, instance), credentials / key)
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        for path in unit.all("EnvironmentFile"):
            environment |= _pairs(Path(self._here(path, credentials, instance)))
        for line in unit.all("Environment"):
            key, _, value = line.partition("=")
            environment[key] = self._here(value, credentials, instance)
        environment["CREDENTIALS_DIRECTORY"] = str(credentials)
        return environment

    def _arguments(self, command: str, environment: dict[str, str], instance: str) -> list[str]:
        credentials = Path(environment["CREDENTIALS_DIRECTORY"])
        ports = {WEB_PORT: str(self.web_port), APP_PORT: str(self.app_port)}
        words = shlex.split(command)
        return [ports.get(word, self._here(word, credentials, instance)) for word in words]

    def _here(self, text: str, credentials: Path, instance: str) -> str:
        places = {
            "/opt/meta-pipeline/.venv/bin": str(Path(sys.executable).parent),
            "/etc/meta-pipeline": str(self.folder / "etc"),
            "/var/lib/meta-pipeline": str(self.folder / "var"),
            "/run/meta-pipeline": str(self.folder / "run"),
            "%d": str(credentials),
            "%i": instance,
            "%H": socket.gethostname(),
        }
        for there, here in places.items():
            text = text.replace(there, here)
        return text


def _pairs(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {key: value for key, _, value in pairs}
