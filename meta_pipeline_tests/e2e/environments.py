"""Environments of their own: a wheel of this source, installed where nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
INSTALL_SECONDS = 900
OF_INDEXES = ("PIP_", "UV_", "SSL_", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""How this machine reaches a package index is its own affair."""


def wheel(folder: Path) -> Path:
    """Build this source into a wheel."""
    _uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


def python(version: str) -> Path | None:
    """A Python of this version on the machine, also one of pyenv's; None where there is none."""
    found = _uv("python", "find", "--no-project", "--system", version, must=False)
    if found.returncode == 0:
        return Path(found.stdout.strip())
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return next(root.glob(f"versions/{version}.*/bin/python"), None)


@dataclass(frozen=True)
class Environment:
    """A virtual environment in `path`; commands run in `folder` with nothing of ours set."""

    path: Path
    folder: Path

    @classmethod
    def made(cls, path: Path, folder: Path, interpreter: Path | str) -> Environment:
        _uv("venv", "--quiet", "--no-project", "--python", str(interpreter), str(path))
        return cls(path, folder)

    def install(self, *packages: str | Path) -> None:
        """Install packages, and options of `uv pip install`."""
        _uv(
            *("pip", "install", "--quiet", "--python", str(self.path / "bin/python")),
            *map(str, packages),
        )

    def run(
        self,
        *command: str,
        env: Mapping[str, str] | None = None,
        timeout_seconds: float = 900,
        must: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that is installed here; AssertionError with its output when it fails."""
        done = subprocess.run(
            [str(self.path / "bin" / command[0]), *command[1:]],
            env={**self.bare, **(env or {})},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        assert not must or done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        return done

    @property
    def bare(self) -> dict[str, str]:
        """No setting of ours, no Dagster, no Python of elsewhere: a login of somebody new."""
        return {
            **_for_indexes(),
            "PATH": f"{self.path / 'bin'}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(self.path),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "COLUMNS": "120",
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }

    def version(self, package: str) -> str:
        """Of an installed package."""
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        return self.run("python", "-c", code).stdout.strip()


def _for_indexes() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(OF_INDEXES)}


def _uv(*words: str, must: bool = True) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    words_of_uv: Sequence[str] = [str(UV), *words]
    done = subprocess.run(
        words_of_uv,
        env={**_for_indexes(), **kept},
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    assert not must or done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done
