"""A page of docs/ followed to the letter: its files written, its commands run, in its order."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .environments import ROOT, UV, Environment

DBT = ("dbt-core==1.10.*", "dbt-postgres==1.9.*")
"""What the pages name as tried. Since 1.12 dbt-core fetches a parser past the package index."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"(?:#|--) (\S+\.(?:ya?ml|py|sql))\n")
_OURS = re.compile(r"'?\bmeta-pipeline(\[[\w,]+\])?'?(?=\s|$)")


def section(page: str, heading: str) -> str:
    """What stands below a heading of the second level in docs/`page`."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    _, found, below = text.partition(f"\n## {heading}\n")
    assert found, f"{page} has no section {heading}"
    return below.partition("\n## ")[0]


@dataclass
class Reader:
    """Somebody who follows a page in an environment where nothing else is.

    Blocks of `sh` are run by bash, one shell for all that its variables and folders matter; blocks
    whose first line is a comment with a path are written there. `wheel` is what `pip install
    meta-pipeline` installs, `constraints` a file of versions that pip keeps to. `said` replaces
    what the page has a reader put in: the values of its `export NAME=...` and `read -rs NAME`.
    """

    environment: Environment
    wheel: Path
    said: Mapping[str, str] = field(default_factory=dict)
    constraints: Path | None = None
    env: dict[str, str] = field(default_factory=dict)
    printed: str = ""

    def __post_init__(self) -> None:
        self.env = {**self.environment.bare, **self.env, "PWD": str(self.environment.folder)}

    def follow(self, text: str, *, timeout_seconds: float = 900) -> str:
        """Do what the text says; what its commands printed. AssertionError where one fails."""
        before = len(self.printed)
        for language, block in _BLOCK.findall(text):
            if (place := _PLACE.match(block)) is not None:
                path = Path(self.env["PWD"]) / place[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block, encoding="utf-8")
            elif language == "sh":
                self._run(block, timeout_seconds)
        return self.printed[before:]

    def _run(self, block: str, timeout_seconds: float) -> None:
        kept = self.environment.folder / ".environment"
        script = "\n".join(map(self._here, block.splitlines()))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{script}\nenv -0 > {kept}"],
            env=self.env,
            cwd=self.env["PWD"],
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        assert done.returncode == 0, block + done.stdout[-6000:] + done.stderr[-6000:]
        self.printed += done.stdout
        pairs = (one.partition("=") for one in kept.read_text(encoding="utf-8").split("\0"))
        self.env = {name: value for name, _, value in pairs if name}

    def _here(self, line: str) -> str:
        """The line with this source as the package, and with what the reader puts in."""
        exported = re.match(r"(?:export|read -rs) (\w+)\b", line)
        if exported and exported[1] in self.said:
            return f"export {exported[1]}='{self.said[exported[1]]}'"
        if not line.startswith("pip install "):
            return line
        ours = rf"'meta-pipeline\1 @ {self.wheel.as_uri()}'"
        packages = _OURS.sub(ours, line.removeprefix("pip install "))
        python = self.environment.path / "bin/python"
        kept_to = f"--constraint {self.constraints}" if self.constraints else ""
        return f"{UV} pip install --quiet --python {python} {kept_to} {packages}"
