"""The warehouse: one Postgres database, its pool of connections and its stores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property, partial
from typing import Self

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from .connect import WRITER, Connection, Patience, connect, connection_options, set_up
from .faults import explained, fault, unavailable
from .migrator import MIGRATE, MigrationResult, migrate, pending, require_current
from .redaction import redacted
from .silence import NO_TIME, HeardConnection, check
from .stores.accounts import AccountStore
from .stores.api_keys import ApiKeyStore
from .stores.callbacks import CallbackStore
from .stores.connections import ConnectionStore
from .stores.costs import CostStore
from .stores.cursors import CursorStore
from .stores.facts import FactStore
from .stores.gaps import Gaps
from .stores.invitations import InvitationStore
from .stores.ledger import Ledger
from .stores.logins import LoginStore
from .stores.pending_reports import PendingReports
from .stores.report_tables import ReportTables
from .stores.runs import RunStore
from .stores.sync_requests import SyncRequestStore
from .stores.tenants import TenantStore
from .stores.tokens import TokenStore
from .stores.unrecognized import UnrecognizedStore
from .stores.usage import UsageStore
from .stores.web import WebStore
from .stores.webhooks import WebhookStore
from .tenancy import TenantSession, begin_session, enforce
from .urls import normalized

# Whoever waits longer for a free connection is told so: something holds them all.
POOL_TIMEOUT_SECONDS = 30
# Policies take each table's strongest lock: better tried again than all readers stopped.
_ENFORCING = Patience(statement_seconds=60, lock_seconds=10)


class Warehouse:
    """Schema `meta_ads` of one Postgres database.

    Cheap to make: it connects when first used. Its stores are properties, one for each thing that
    is kept (`accounts`, `runs`, ...): they take a connection of the pool for each call, or the one
    they are given, so that a sync can write through the one that holds its lock.
    Raises WarehouseUnavailable when the server does not answer.
    """

    def __init__(
        self,
        url: str,
        *,
        application_name: str = "meta_pipeline",
        max_connections: int = 4,
        patience: Patience = WRITER,
    ) -> None:
        self._url = normalized(url)
        self.application_name = application_name
        self._max_connections = max_connections
        self._patience = patience
        self._opening = threading.Lock()
        self._pool: ConnectionPool[HeardConnection] | None = None

    def __repr__(self) -> str:
        return f"Warehouse({redacted(self.url)!r})"

    @property
    def url(self) -> str:
        """The database's URL as libpq reads it; with its password."""
        return self._url

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection of the pool: committed on success, rolled back on an exception.

        CannotTell when a lock or the time limit of `patience` ends a statement.
        """
        connection: HeardConnection | None = None
        waits = self._patience.left(POOL_TIMEOUT_SECONDS)
        try:
            with self._opened().connection(waits) as connection:
                yield connection
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled) as error:
            raise fault(error, self.url) from error
        except PoolTimeout as error:
            if self._patience.is_over:
                raise fault(psycopg.errors.QueryCanceled(NO_TIME), self.url) from None
            self._ask()  # it may say why; the pool says that it waited
            raise unavailable(self.url, error) from None
        except psycopg.OperationalError as error:
            # Whoever goes on after a statement that was given up finds the connection closed.
            if connection is None or connection.given_up is None:
                raise
            raise fault(connection.given_up, self.url) from error

    @contextmanager
    def tenant_session(
        self, tenant: str, *, read_only: bool = False, of_one_moment: bool = False
    ) -> Iterator[TenantSession]:
        """One transaction in which one tenant's rows are all there is (`tenancy.begin_session`)."""
        with (
            Warehouse.connection(self) as connection,
            begin_session(
                connection, tenant, read_only=read_only, of_one_moment=of_one_moment
            ) as session,
        ):
            yield session

    def of_tenant(self, tenant: str, *, read_only: bool = False) -> TenantWarehouse:
        """The same warehouse as one tenant sees it, over the same pool: for whom a request is."""
        return TenantWarehouse(self, tenant, read_only=read_only)

    def keep_tenants_apart(self) -> None:
        """Put every table and view under row-level security (`tenancy.enforce`), one by one.

        On a connection of its own, which locks a table for a moment and waits seconds for it.
        """
        with (
            explained(self.url),
            closing(
                connect(
                    self.url,
                    application_name=self.application_name,
                    autocommit=True,
                    patience=_ENFORCING,
                )
            ) as connection,
        ):
            enforce(connection)

    def migrate(self) -> MigrationResult:
        """Bring schema `meta_ads` to this version of the code; any number at once is safe."""
        # Who answers a question does not wait for locks of a migration; who writes may.
        return migrate(self.url, patience=None if self._patience == WRITER else self._patience)

    def require_current(self, command: str = MIGRATE, *, or_none: bool = False) -> None:
        """Refuse a schema that is not this version's, and change nothing.

        With `or_none` a database without any of our tables will do. Raises DatabaseOutdated, which
        names the `command` that brings it up to date, DatabaseNewer, or DatabaseUnfit when the user
        may not read it.
        """
        with explained(self.url), self.connection() as connection:
            require_current(self.url, connection, command, or_none=or_none)

    def pending(self) -> tuple[str, ...]:
        """What `migrate` would do now: revisions, then views (`view:<name>`). Changes nothing."""
        return pending(self.url)

    def close(self) -> None:
        """Close the pool; the next use opens it again."""
        with self._opening:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def accounts(self) -> AccountStore:
        return AccountStore(self.connection)

    @cached_property
    def runs(self) -> RunStore:
        return RunStore(self.connection)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.connection)

    @cached_property
    def gaps(self) -> Gaps:
        return Gaps(self.connection)

    @cached_property
    def pending_reports(self) -> PendingReports:
        return PendingReports(self.connection)

    @cached_property
    def report_tables(self) -> ReportTables:
        return ReportTables(self.connection)

    @cached_property
    def cursors(self) -> CursorStore:
        return CursorStore(self.connection)

    @cached_property
    def costs(self) -> CostStore:
        return CostStore(self.connection)

    @cached_property
    def usage(self) -> UsageStore:
        return UsageStore(self.connection)

    @cached_property
    def connections(self) -> ConnectionStore:
        return ConnectionStore(self.connection)

    @cached_property
    def callbacks(self) -> CallbackStore:
        return CallbackStore(self.connection)

    @cached_property
    def logins(self) -> LoginStore:
        return LoginStore(self.connection)

    @cached_property
    def sync_requests(self) -> SyncRequestStore:
        return SyncRequestStore(self.connection)

    @cached_property
    def tokens(self) -> TokenStore:
        return TokenStore(self.connection)

    @cached_property
    def web(self) -> WebStore:
        return WebStore(self.connection)

    @cached_property
    def tenants(self) -> TenantStore:
        return TenantStore(self.connection)

    @cached_property
    def invitations(self) -> InvitationStore:
        return InvitationStore(self.connection)

    @cached_property
    def webhooks(self) -> WebhookStore:
        return WebhookStore(self.connection)

    @cached_property
    def facts(self) -> FactStore:
        return FactStore(self.connection)

    @cached_property
    def api_keys(self) -> ApiKeyStore:
        return ApiKeyStore(self.connection)

    @cached_property
    def unrecognized(self) -> UnrecognizedStore:
        return UnrecognizedStore(self.connection)

    def _opened(self) -> ConnectionPool[HeardConnection]:
        # Threads of a sync come here together; each would open a pool.
        with self._opening:
            if self._pool is None:
                # The pool retries for half a minute and then says "timeout"; ask once ourselves
                # first, so that a wrong URL is told at once and in the server's words.
                self._ask()
                self._pool = ConnectionPool(
                    self.url,
                    connection_class=HeardConnection,
                    kwargs=connection_options(self.application_name),
                    min_size=0,  # most commands need one, for a moment
                    max_size=self._max_connections,
                    timeout=POOL_TIMEOUT_SECONDS,
                    configure=partial(set_up, patience=self._patience),
                    # One that the server or a firewall closed meanwhile is not handed out.
                    check=check,
                    name=self.application_name,
                    open=True,
                )
            return self._pool

    def _ask(self) -> None:
        """Raise WarehouseUnavailable in the server's words when it lets nobody in."""
        connect(self.url, application_name=self.application_name, patience=self._patience).close()


class TenantWarehouse(Warehouse):
    """The warehouse as one tenant sees it: every store and every connection is in its session.

    Cheap to make, one for each request. It lends its parent's connections, never a URL to open
    others with: those would see everything.
    """

    def __init__(self, whole: Warehouse, tenant: str, *, read_only: bool) -> None:
        self._whole = whole
        self._read_only = read_only
        self.tenant = tenant
        self.application_name = whole.application_name

    def __repr__(self) -> str:
        return f"{self._whole!r}.of_tenant({self.tenant!r})"

    @property
    def url(self) -> str:
        raise TypeError("A tenant's warehouse has no URL: a connection of its own would see all.")

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in a session of this tenant (`Warehouse.tenant_session`)."""
        with self._whole.tenant_session(self.tenant, read_only=self._read_only) as session:
            yield session.connection

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The same tables as they are now, for as long as the context lasts; nothing is written."""
        with self._whole.tenant_session(self.tenant, read_only=True, of_one_moment=True) as session:
            yield Snapshot(self, session.connection)

    @contextmanager
    def transaction(self) -> Iterator[TenantTransaction]:
        """The same tables in one transaction: committed at the end, rolled back on an exception."""
        with self.connection() as connection:
            yield TenantTransaction(self, connection)

    def close(self) -> None:
        """Nothing: the pool is the whole warehouse's."""


class TenantTransaction(TenantWarehouse):
    """A tenant's warehouse within one transaction, in which each `connection()` is the same one.

    Whoever has it holds one connection of the pool and asks for no second: many who each wait for
    another's would all wait until the pool gives up.
    """

    def __init__(self, of: TenantWarehouse, connection: Connection) -> None:
        self._connection = connection
        self.tenant = of.tenant
        self.application_name = of.application_name

    def __repr__(self) -> str:
        return f"{type(self).__name__}(tenant={self.tenant!r})"

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """The connection of the transaction, which stays open."""
        yield self._connection

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Itself where it is one; of a transaction that may write there is no one moment."""
        if not isinstance(self, Snapshot):
            raise TypeError("A transaction that may write is no snapshot: open one before it.")
        yield self


class Snapshot(TenantTransaction):
    """A tenant's warehouse at one moment: all that is asked through it agrees.

    Nothing is written through it.
    """
