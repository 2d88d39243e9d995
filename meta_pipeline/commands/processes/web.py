"""`meta-pipeline web`: the pages people open, on this machine or behind a proxy."""

import gc
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

import typer

from meta_pipeline.commands.database import opened_warehouse
from meta_pipeline.commands.terminal.console import fail, say, styled
from meta_pipeline.plain_log import show_log

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets others in.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
NewLink = Annotated[
    bool,
    typer.Option("--link", help="Only print a fresh one-time link to the one that runs there."),
]
# Eight slots, three downloads; three are left for what takes no slot because it is quick: who
# somebody is, keys, signing in, health, and what Meta delivers.
_CONNECTIONS = 14
# Beyond it requests are answered 503 at once instead of waiting in memory. Connections count that
# are kept open for the next request: of a few hundred browsers with six each.
_MOST_CONNECTIONS = 2_000
# Containers are killed ten seconds after SIGTERM: answers under way end before that.
_GRACE_SECONDS = 5
# A load balancer keeps its connections for a minute (AWS) to ten (Google Cloud). One that is closed
# at this end first, uvicorn's default of five seconds, is a 502 to whoever was about to use it.
_KEEP_ALIVE_SECONDS = 620


def web(host: Host = "127.0.0.1", port: Port = 8350, link: NewLink = False) -> None:
    """Serve the web application until Ctrl-C.

    On this machine's own address whoever opens the printed link comes in, once. Elsewhere it starts
    only with an identity provider (META_WEB_OIDC_ISSUER) or a trusted proxy's header
    (META_WEB_PROXY_HEADER).
    """
    import uvicorn

    from meta_pipeline.credentials import is_loopback
    from meta_pipeline.local.ports import PortsTaken, listening
    from meta_pipeline.local.web import (
        address_to_open,
        base_url,
        note_address,
        noted_address,
        secret_of,
    )
    from meta_pipeline.serving import BoundedHttp
    from meta_pipeline.settings import SettingsError
    from meta_pipeline.web import Site, web_application
    from meta_pipeline.web.access.sign_in import SignIn, sign_in_of

    with opened_warehouse(application_name="meta_pipeline web", max_connections=_CONNECTIONS) as (
        settings,
        warehouse,
    ):
        try:
            sign_in = sign_in_of(settings, host)
        except SettingsError as error:
            fail(str(error))
        base = base_url(settings, host, port)
        if link:
            say(styled(address_to_open(settings, noted_address(settings) or base, sign_in), "bold"))
            return
        site = Site(settings, warehouse, secret_of(settings), sign_in)
        application = web_application(site)
        # What is there by now stays: looking for garbage in it would hold up a page for a tenth of
        # a second now and then.
        gc.freeze()
        config = uvicorn.Config(
            application,
            host=host,
            port=port,
            # Who is believed to be a proxy is decided by META_WEB_PROXY_ADDRESSES alone.
            proxy_headers=False,
            http=BoundedHttp,
            # Whoever looks for a hole is not told which version to look up.
            server_header=False,
            log_level="warning",
            log_config=None,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        show_log()
        # Before the link is told or noted: where somebody else listens they would be handed it.
        if is_loopback(host) and urlsplit(base).hostname == "localhost":
            try:
                sockets = listening(host, port)
            except PortsTaken as error:
                fail(str(error))
        else:
            sockets = [config.bind_socket()]
        if sign_in is SignIn.LINK:  # others need no link, and may have no folder to write to
            note_address(settings, base)
        say(styled(address_to_open(settings, base, sign_in), "bold"), "  (Ctrl-C ends it)")
        server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):
            server.run(sockets=sockets)
        if not server.started:
            raise typer.Exit(1)
