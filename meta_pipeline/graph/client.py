"""The client of Meta's Graph API: one object, shared by threads, one connection pool."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlsplit

from meta_pipeline.credentials import META_HOST
from meta_pipeline.graph.answer import expect_keys
from meta_pipeline.graph.batch import BatchAnswer, BatchOperation, run_batch
from meta_pipeline.graph.call import Attempt, Call
from meta_pipeline.graph.caller import Caller, GraphResponse, Request, ignore, utc_now
from meta_pipeline.graph.errors import GraphError
from meta_pipeline.graph.failover import Failover
from meta_pipeline.graph.objects import ObjectsById, ask_account, objects_by_id
from meta_pipeline.graph.pages import Page, PageSize, PageWalk, page_request
from meta_pipeline.graph.query_shape import Params
from meta_pipeline.graph.reports import (
    ReportRun,
    ReportStatus,
    create_report,
    report_pages,
    report_status,
    report_statuses,
)
from meta_pipeline.graph.retry import RetryPolicy
from meta_pipeline.graph.tokens import (
    AccessToken,
    TokenInfo,
    debug_token,
    exchange_code,
    exchange_token,
    revoke_token,
    token_key,
)
from meta_pipeline.graph.transport import Transport
from meta_pipeline.graph.versions import DEFAULT
from meta_pipeline.graph.webhooks import (
    AppSubscription,
    app_subscription,
    subscribe_account,
    subscribe_app,
    subscribed_apps,
)
from meta_pipeline.model.usage import APP


class GraphClient:
    """Asks the Graph API; raises the errors of `meta_pipeline.graph.errors`, named by what to do.

        client = GraphClient(access_token=token, on_attempt=log.append)
        for page in client.pages("act_1/ads", {"fields": ["id", "name"]}, account_id="act_1",
                                 endpoint_key="ads_list", page_size=500):
            store(page.rows)

    The token goes to Meta's host, to this machine or to `trusted_url`, and nowhere else. No text
    that comes out shows it, the app's secret or anything in `hidden`, even if Meta quotes them.
    `on_attempt` gets every HTTP attempt, failed ones too, in the thread that made it. `gate` is
    asked before every attempt; it may block briefly, or raise (`Throttled`) to stop: then no call
    is made. `clock` (UTC) and `sleep` (seconds) are the only time this client knows, beside
    `timer` (seconds), which times calls. A call ends after `deadline_seconds`, connection and body
    together, and its answer after `max_answer_bytes`, on the wire and unpacked. Thread-safe; close
    it, or use it in a `with`.
    """

    def __init__(
        self,
        *,
        access_token: str,
        base_url: str = f"https://{META_HOST}",
        trusted_url: str | None = None,
        version: str = DEFAULT,
        app_secret: str | None = None,
        hidden: Sequence[str] = (),
        on_attempt: Callable[[Attempt], None] = ignore,
        gate: Callable[[Call], None] = ignore,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        connect_timeout_seconds: float = 10,
        read_timeout_seconds: float = 120,
        deadline_seconds: float = 180,
        max_answer_bytes: int = 64_000_000,
        timer: Callable[[], float] = time.perf_counter,
        max_connections: int = 8,
        retry: RetryPolicy | None = None,
    ) -> None:
        transport = Transport(
            base_url=base_url,
            trusted_url=trusted_url,
            access_token=access_token,
            version=version,
            app_secret=app_secret,
            hidden=hidden,
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_answer_bytes=max_answer_bytes,
            timer=timer,
            max_connections=max_connections,
        )
        self._caller = Caller(
            transport=transport,
            sleep=sleep,
            clock=clock,
            on_attempt=on_attempt,
            gate=gate,
            retry=retry or RetryPolicy(),
        )

    def __repr__(self) -> str:
        return f"GraphClient({self.base_url}/{self.version})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection pool, also that of every `with_options` sibling."""
        self._caller.transport.close()

    @property
    def base_url(self) -> str:
        """Scheme and host, no trailing slash."""
        return self._caller.transport.base_url

    @property
    def version(self) -> str:
        return self._caller.transport.version

    @property
    def is_meta(self) -> bool:
        """True when this talks to Meta; data from anywhere else is simulated and must say so."""
        return urlsplit(self.base_url).hostname == META_HOST

    @property
    def token_key(self) -> str:
        """What tells this token from others in a table and gives nothing of it away."""
        return token_key(self._caller.transport.access_token)

    def with_options(
        self,
        *,
        on_attempt: Callable[[Attempt], None] | None = None,
        gate: Callable[[Call], None] | None = None,
        retry: RetryPolicy | None = None,
        successor: Callable[[GraphError], GraphClient | None] | None = None,
    ) -> GraphClient:
        """A sibling with its own log, gate and retry policy that shares the connection pool.

        `successor` gives the client to go on with, log and gate of its own, when Meta refuses the
        token, what it asks for, or its app: the refused request is made again over it, and all
        later ones. It is asked in the thread that met the refusal first; None: the error is raised.
        """
        sibling = object.__new__(type(self))
        caller = replace(
            self._caller,
            on_attempt=on_attempt or self._caller.on_attempt,
            gate=gate or self._caller.gate,
            retry=retry or self._caller.retry,
        )
        if successor is not None:

            def following(error: GraphError) -> Caller | None:
                client = successor(error)
                return None if client is None else client._caller  # noqa: SLF001

            caller = replace(caller, failover=Failover(caller, following))
        sibling._caller = caller
        return sibling

    def within(self, seconds: float) -> GraphClient:
        """A sibling that shares the connection pool, and is answered in so many seconds from now
        or not at all: DeadlineExceeded.
        """
        sibling = object.__new__(type(self))
        transport = self._caller.transport.within(seconds)
        sibling._caller = replace(self._caller, transport=transport)
        return sibling

    def with_token(self, access_token: str, *, signs: bool = True, app: str = APP) -> GraphClient:
        """A sibling under another token that shares the connection pool.

        `app` is the key of its app's meters. Without `signs` its calls carry no proof: the token
        is of an app whose secret this is not.
        """
        sibling = object.__new__(type(self))
        # The failover is that of the other token: this one has its own, or none.
        transport = self._caller.transport.with_token(access_token, signs=signs)
        sibling._caller = replace(self._caller, transport=transport, app=app, failover=None)
        return sibling

    def get(
        self,
        path: str,
        params: Params,
        *,
        account_id: str | None,
        endpoint_key: str,
        required: tuple[str, ...] = (),
    ) -> GraphResponse:
        """One object. An answer without the members in `required` is malformed and retried."""
        return self._caller.send(
            Request("GET", path, params, account_id, endpoint_key, expect=expect_keys(*required))
        )

    def pages(
        self,
        path: str,
        params: Params,
        *,
        account_id: str | None,
        endpoint_key: str,
        page_size: int,
        min_page_size: int = 1,
        start_page_size: int | None = None,
        on_page_size: Callable[[int], None] = ignore,
        after: str | None = None,
    ) -> Iterator[Page]:
        """Every page of an edge, one at a time; at most one page is held here.

        Starts with `start_page_size` (remembered from last time), else `page_size`. When Meta
        refuses the amount of data the page halves, down to `min_page_size`, and goes on from the
        same cursor; it grows back after good pages. `on_page_size` hears every new size. `after`
        goes on where an earlier walk in this process stopped. Raises TooMuchData when even the
        smallest page is refused, CursorLost when the walk has to start again.
        """
        size = PageSize(page_size, min_page_size, start_page_size or 0, on_page_size)
        request = page_request(path, params, account_id=account_id, endpoint_key=endpoint_key)
        return iter(PageWalk(self._caller, request, size, after))

    def me(self, fields: tuple[str, ...] = ("id", "name")) -> dict[str, Any]:
        """The user (or system user) that the token belongs to."""
        response = self.get(
            "me", {"fields": fields}, account_id=None, endpoint_key="me", required=("id",)
        )
        return response.body

    def create_report(self, path: str, params: Params, *, account_id: str | None) -> ReportRun:
        """Start an async report of `path` (`act_1/insights`) with insights parameters."""
        return create_report(self._caller, path, params, account_id=account_id)

    def report_status(self, report: ReportRun) -> ReportStatus:
        """How far a report is; what to do when it failed is the status's `error`."""
        return report_status(self._caller, report)

    def report_statuses(self, reports: Sequence[ReportRun]) -> list[ReportStatus]:
        """How far several reports are, 50 to an HTTP call, in the order given."""
        return report_statuses(self._caller, reports)

    def report_pages(
        self,
        report: ReportRun,
        *,
        page_size: int,
        min_page_size: int = 1,
        start_page_size: int | None = None,
        on_page_size: Callable[[int], None] = ignore,
        after: str | None = None,
    ) -> Iterator[Page]:
        """The rows of a completed report, page by page as `pages` does."""
        size = PageSize(page_size, min_page_size, start_page_size or 0, on_page_size)
        return report_pages(self._caller, report, size=size, after=after)

    def ids(self, ids: Iterable[str], params: Params, *, account_id: str | None) -> ObjectsById:
        """Objects by id, 50 to a call; a bad id is in `missing` and never costs the others."""
        return objects_by_id(self._caller, ids, params, account_id=account_id)

    def refusal_of(self, account_id: str) -> GraphError | None:
        """What Meta refuses the account itself with; None: what it holds can be read. One call."""
        try:
            ask_account(self._caller, account_id)
        except GraphError as error:
            return error
        return None

    def batch(
        self, operations: Sequence[BatchOperation], *, account_id: str | None = None
    ) -> list[BatchAnswer]:
        """Each operation's own answer or error, in the order given; 50 to an HTTP call."""
        return run_batch(self._caller, operations, account_id=account_id)

    def debug_token(self, token: str | None = None, *, app_id: str | None = None) -> TokenInfo:
        """Validity, scopes and expiry of a token (default: this client's own)."""
        return debug_token(self._caller, token, app_id=app_id)

    def exchange_token(
        self, *, app_id: str, token: str | None = None, of_system_user: bool = False
    ) -> AccessToken:
        """A long-lived token for a living one; takes the app secret."""
        return exchange_token(
            self._caller, app_id=app_id, token=token, of_system_user=of_system_user
        )

    def exchange_code(self, code: str, *, app_id: str, redirect_uri: str) -> AccessToken:
        """The token that a login dialog's code stands for; takes the app secret."""
        return exchange_code(self._caller, app_id=app_id, code=code, redirect_uri=redirect_uri)

    def subscribe_app(
        self, app_id: str, *, callback_url: str, fields: Sequence[str], verify_token: str
    ) -> None:
        """Let Meta deliver changes of ad accounts to `callback_url`; takes the app secret."""
        subscribe_app(
            self._caller,
            app_id,
            callback_url=callback_url,
            fields=fields,
            verify_token=verify_token,
        )

    def app_subscription(self, app_id: str) -> AppSubscription | None:
        """What the app subscribed to of ad accounts; takes the app secret."""
        return app_subscription(self._caller, app_id)

    def subscribe_account(self, account_id: str) -> None:
        """Let Meta tell the token's app of this account; takes ads_management."""
        subscribe_account(self._caller, account_id)

    def subscribed_apps(self, account_id: str) -> list[str]:
        """Ids of the apps that are told of this account."""
        return subscribed_apps(self._caller, account_id)

    def revoke_token(self, token: str, *, app_id: str) -> None:
        """End another token at Meta; takes the app secret."""
        revoke_token(self._caller, app_id=app_id, token=token)
