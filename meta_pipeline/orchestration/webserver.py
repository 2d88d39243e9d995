"""Dagster's webserver with the doorkeeper before it.

`python -m meta_pipeline.orchestration.webserver` takes the options of `dagster-webserver`;
`meta-pipeline dev`, `demo` and `exec dagster-webserver` start it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import dagster_webserver.app
from dagster_webserver import cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware
from uvicorn.config import HTTP_PROTOCOLS

from meta_pipeline.serving import BoundedHttp
from meta_pipeline.settings import Settings

from .doorkeeper import Doorkeeper


def hosts_of(settings: Settings) -> list[str]:
    """The names people open Dagster by, as the settings have them."""
    url = settings.dagster_ui_url
    named = [urlsplit(url).netloc] if url else []
    return [*named, *settings.dagster_host_names]


class GuardedWebserver(DagsterWebserver):  # type: ignore[type-arg]
    """Dagster's webserver, whose first middleware is the doorkeeper."""

    def build_middleware(self) -> list[Middleware]:
        return [
            Middleware(Doorkeeper, hosts=hosts_of(Settings.load())),
            *super().build_middleware(),
        ]


def main() -> None:
    """Serve until told to end."""
    # Dagster offers no other way to add middleware; its command makes the app by this name.
    vars(dagster_webserver.app)["DagsterWebserver"] = GuardedWebserver
    # Nor to say what reads requests: uvicorn's choice bounds no head.
    HTTP_PROTOCOLS["auto"] = f"{BoundedHttp.__module__}:{BoundedHttp.__name__}"
    cli.main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
