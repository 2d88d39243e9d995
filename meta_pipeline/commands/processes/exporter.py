"""`meta-pipeline exporter`: metrics for Prometheus from our own tables."""

from typing import Annotated

import typer

from meta_pipeline.commands.database import opened_warehouse
from meta_pipeline.commands.terminal.console import say
from meta_pipeline.plain_log import show_log

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets others in.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]


def exporter(host: Host = "127.0.0.1", port: Port = 9108) -> None:
    """Serve metrics for Prometheus at /metrics until Ctrl-C.

    Reads our tables only: what Dagster does or does not do shows in the age of the data.
    """
    import uvicorn

    from meta_pipeline.credentials import is_loopback
    from meta_pipeline.reports.exporter import THIS_MACHINE, exporter_app
    from meta_pipeline.serving import BoundedHttp

    # One connection: scrapes wait for each other, never for the database's room.
    with opened_warehouse(application_name="meta_pipeline exporter", max_connections=1) as (
        settings,
        warehouse,
    ):
        say(f"http://{host}:{port}/metrics  (Ctrl-C ends it)")
        show_log()
        uvicorn.run(
            exporter_app(
                warehouse, settings.leaves_out, hosts=THIS_MACHINE if is_loopback(host) else ("*",)
            ),
            host=host,
            port=port,
            http=BoundedHttp,
            # Whoever looks for a hole is not told which version to look up.
            server_header=False,
            log_level="warning",
            log_config=None,  # its lines go where ours go, in the form of META_LOG_FORMAT
        )
