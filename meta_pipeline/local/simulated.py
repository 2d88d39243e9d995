"""The demo's Graph API as a process of its own.

What it is told comes from the environment, as the token must not be on a command line.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from meta_pipeline.folders import make_folders
from meta_pipeline.local.children import Child, Children
from meta_pipeline.local.database import data_root
from meta_pipeline.local.environment import without_ours
from meta_pipeline.local.home import Home
from meta_pipeline.local.ports import HOST, answers, free_port
from meta_pipeline.settings import Settings

START_TIMEOUT_SECONDS = 60.0
_PORT, _TOKEN, _ANCHOR, _LATENCY = "SIM_PORT", "SIM_TOKEN", "SIM_ANCHOR", "SIM_LATENCY_MS"
_APP_SECRET, _TOKENS = "SIM_APP_SECRET", "SIM_CONNECTION_TOKENS"
APP_ID = "900000000000001"
_DAY_SECONDS = 86_400
_OWNERS = (("8101", "Nordwind Agency", 60), ("8102", "Studio Lumen", 12))
"""User id and name of each system user of the demo, and the days its token has left."""


class SimulatorNotReady(Exception):
    """The simulator did not come up, or is not installed."""


@dataclass(frozen=True)
class SimulatedToken:
    """A token of a system user that the simulator knows, and whose it is."""

    user_id: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class SimulatedGraph:
    """A simulator process: its URL, its app, and the tokens it knows."""

    url: str
    token: str = field(repr=False)
    child: Child
    port: int
    app_secret: str = field(repr=False)
    connections: tuple[SimulatedToken, ...]
    app_id: str = APP_ID

    def wait(self) -> None:
        """Return when it answers; SimulatorNotReady when it does not come up."""
        if not self.child.wait_for(lambda: answers(self.port), START_TIMEOUT_SECONDS):
            raise SimulatorNotReady(f"The simulator did not start; its log is {self.child.log}.")


@contextmanager
def demo_settings(settings: Settings, url: str, with_graph: bool) -> Iterator[Settings]:
    """The settings as the demo has them: its database, and with a graph its simulator too.

    A running demo's simulator is used; else one is started for as long as the context lasts. It
    serves the same accounts: the day their past ends is kept in the demo's folder, as is a web
    secret, since each database knows for itself which links were used and who signed out.
    """
    home = Home(data_root(settings) / "demo")
    ours: dict[str, Any] = {
        "data_dir": home.path,
        "web_secret": None,
        "database_url": SecretStr(url),
        "dagster_database_url": None,
        "app_id": None,
        "app_secret": None,
    }
    with ExitStack() as stack:
        if with_graph:
            graph_url, token = home.simulator() or _started(home, stack)
            ours |= {"graph_url": graph_url, "access_token": SecretStr(token), **_its_app(home)}
        yield settings.model_copy(update=ours)


def _its_app(home: Home) -> dict[str, Any]:
    """App and keys of a demo that runs; without them stored connections are not used."""
    secrets = home.secrets()
    if secrets is None:
        return {"token_keys": None}
    keys, app_secret = map(SecretStr, secrets)
    return {"app_id": APP_ID, "app_secret": app_secret, "token_keys": keys}


def require_simulator() -> None:
    """Raise SimulatorNotReady where this installation cannot simulate anything."""
    if find_spec("meta_pipeline.simulator") is None:
        raise SimulatorNotReady(
            "The simulator is not in this image, so `simulate`, `demo` and --demo do not work "
            "here: use the image meta-pipeline-simulator, or pip install meta-pipeline elsewhere."
        )
    if find_spec("facebook_business") is None:
        raise SimulatorNotReady(
            "The simulator reads Meta's fields from Meta's SDK: pip install facebook-business."
        )


def _started(home: Home, stack: ExitStack) -> tuple[str, str]:
    require_simulator()
    make_folders(home.path)
    children = stack.enter_context(Children(home.path / "on-demand"))
    graph = start_simulator(children, without_ours(), folder=home.path, latency_ms=0)
    graph.wait()
    return graph.url, graph.token


def start_simulator(
    children: Children, env: Mapping[str, str], *, folder: Path, latency_ms: float
) -> SimulatedGraph:
    """Start the demo world on a free port; `wait` for it before it is asked.

    The world's past ends on the day of the first demo in `folder`, so that every later one finds
    the same campaigns and the same numbers, and more of them as days go by.
    """
    # They begin as Meta's do: what hides those in logs and errors hides these.
    port, token = free_port(), f"EAASIM{secrets.token_hex(16)}"
    app_secret, tokens = secrets.token_hex(16), [f"EAASIM{secrets.token_hex(16)}" for _ in _OWNERS]
    child = children.start(
        "simulator",
        [sys.executable, "-m", __name__],
        env={
            **env,
            _PORT: str(port),
            _TOKEN: token,
            _ANCHOR: _anchor(folder).isoformat(),
            _LATENCY: str(latency_ms),
            _APP_SECRET: app_secret,
            _TOKENS: ",".join(tokens),
        },
        cwd=folder,
    )
    connections = tuple(
        SimulatedToken(user_id, one) for (user_id, _, _), one in zip(_OWNERS, tokens, strict=True)
    )
    return SimulatedGraph(f"http://{HOST}:{port}", token, child, port, app_secret, connections)


def _anchor(folder: Path) -> date:
    path = folder / "world.json"
    if path.exists():
        return date.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["anchor"])
    anchor = datetime.now(UTC).date()
    path.write_text(json.dumps({"anchor": anchor.isoformat()}), encoding="utf-8")
    return anchor


def main() -> None:
    """Serve the demo world until told to end."""
    from meta_pipeline.simulator import (
        App,
        Latency,
        Limits,
        Simulator,
        WallClock,
        demo_world,
    )

    world = demo_world(WallClock(), anchor=date.fromisoformat(os.environ[_ANCHOR]))
    simulator = Simulator(
        world,
        token=os.environ[_TOKEN],
        app=App(id=APP_ID, secret=os.environ[_APP_SECRET]),
        host=HOST,
        port=int(os.environ[_PORT]),
        latency=Latency(median_ms=float(os.environ[_LATENCY])),
        limits=Limits(tier="standard_access"),
    )
    ids = [account.id for account in world.accounts()]
    # Each reaches more than half, so that some accounts have two ways in.
    most = len(ids) * 7 // 12
    tokens = os.environ[_TOKENS].split(",")
    for (user_id, name, days), value, accounts in zip(
        _OWNERS, tokens, (ids[:most], ids[-most:]), strict=True
    ):
        simulator.tokens.issue(
            value,
            scopes=["ads_read"],
            expires_in_seconds=days * _DAY_SECONDS,
            accounts=accounts,
            kind="SYSTEM_USER",
            user_id=user_id,
            user_name=name,
        )
    simulator.run()


if __name__ == "__main__":
    main()
