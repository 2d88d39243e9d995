"""Access: how Meta is asked about a token that is not the process's own."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from meta_pipeline.graph import (
    BatchAnswer,
    BatchOperation,
    GraphClient,
    GraphError,
    MalformedAnswer,
    ObjectMissing,
    PermissionDenied,
    Reauthorize,
    Retriable,
    RetryPolicy,
    Throttled,
    TokenInfo,
)
from meta_pipeline.printable import one_line
from meta_pipeline.settings import Settings

# A page of accounts, which have few fields each: an agency lists hundreds in a few calls.
_LISTED = 200
_NUMBER = re.compile(r"[0-9]{1,40}")
_ACCOUNT = re.compile(r"act_[0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a token is, and the ad accounts it reaches: id to name."""

    user_id: str
    name: str
    accounts: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Business:
    """The business portfolio that granted a token."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Access:
    """Clients for single tokens, made from the settings.

    `clock` (UTC), `sleep` and `timer` (seconds), which times calls, are injected.
    """

    settings: Settings
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    timer: Callable[[], float] = time.monotonic
    retry: RetryPolicy | None = None
    ends_at: float = math.inf
    """The moment, of the `timer`, after which no answer is waited for."""

    def within(self, seconds: float) -> Access:
        """The same, whose calls together are over in so many seconds, each repeated once at most.

        For whoever waits for the answer in a browser: GraphClient's own patience is a sync's.
        """
        return replace(self.ending(seconds), retry=RetryPolicy(retries=1))

    def ending(self, seconds: float) -> Access:
        """The same, whose calls together are over in so many seconds, repeated as ever."""
        return replace(self, ends_at=self.timer() + seconds)

    def knows_app(self, app_id: str | None) -> bool:
        """Whether the secret of this app is set: renewing and revoking take it."""
        return self.settings.app_secret is not None and self.settings.app_id == app_id

    def client(self, token: str, *, app_id: str | None) -> GraphClient:
        """A client for the token, signing with the app secret where it is that app's.

        Meta may quote a secret also to a token of another app: no client's texts show one.
        """
        settings = self.settings
        secrets = [
            one.get_secret_value()
            for one in (settings.app_secret, settings.app_secret_previous)
            if one is not None
        ]
        signs = settings.app_secret is not None and self._is_of(app_id)
        client = GraphClient(
            access_token=token,
            base_url=settings.graph_url,
            trusted_url=settings.trusted_graph_url,
            deadline_seconds=settings.call_deadline_seconds,
            max_answer_bytes=int(settings.max_answer_mb * 1_000_000),
            version=settings.api_version,
            app_secret=secrets[0] if signs else None,
            hidden=secrets,
            clock=self.clock,
            sleep=self.sleep,
            timer=self.timer,
            retry=self.retry,
        )
        return client.within(max(0.0, self.ends_at - self.timer()))

    def beside(self, client: GraphClient, token: str, *, app_id: str | None) -> GraphClient:
        """A client for another token over the connections of one that signs (`app_id` its own)."""
        return client.with_token(token, signs=self._is_of(app_id))

    def _is_of(self, app_id: str | None) -> bool:
        """Whether tokens of this app are signed for; META_APP_ID may be left out with one app.

        Signed with another app's secret Meta refuses the call.
        """
        return self.settings.app_id in (None, app_id)

    def as_app(self) -> GraphClient:
        """A client with the token of the app itself; id and secret have to be set."""
        settings = self.settings
        assert settings.app_id is not None and settings.app_secret is not None  # noqa: PT018
        app_token = f"{settings.app_id}|{settings.app_secret.get_secret_value()}"
        return self.client(app_token, app_id=settings.app_id)

    def inspect(self, token: str) -> TokenInfo:
        """What Meta says of the token; an invalid one is an answer too.

        Asked as the app of the settings; a token of another app is asked about with itself.
        """
        app_id = self.settings.app_id
        try:
            with self.client(token, app_id=app_id) as client:
                info = client.debug_token(app_id=app_id)
        except (Retriable, Throttled):
            raise
        except GraphError:
            if self.settings.app_secret is None:
                raise  # it was asked about with itself already
        else:
            return info
        # No app has an empty id: unsigned, whatever the settings say.
        with self.client(token, app_id="") as client:
            return client.debug_token()

    def owner(self, token: str, *, app_id: str) -> Owner:
        """Whose the token is and every ad account it reaches, all pages."""
        with self.client(token, app_id=app_id) as client:
            me = client.me()
            pages = client.pages(
                "me/adaccounts",
                {"fields": "id,name"},
                account_id=None,
                endpoint_key="ad_accounts_list",
                page_size=_LISTED,
            )
            accounts = {
                str(row["id"]): _name(row.get("name"))
                for page in pages
                for row in page.rows
                if _ACCOUNT.fullmatch(str(row.get("id")))
            }
        user_id = _id(me["id"])
        return Owner(user_id, _name(me.get("name")) or user_id, accounts)

    def reaches(
        self, client: GraphClient, account_ids: Sequence[str]
    ) -> dict[str, bool | GraphError]:
        """Whether Meta answers a client's token about each ad account itself, 50 to a call.

        A list can be empty or short and say nothing of it. An error is what leaves an account
        open; raises what concerns them all: token, throttle, network.
        """
        asked = [BatchOperation(one, {"fields": "id"}, account_id=one) for one in account_ids]
        said = {answer.operation.path: _is_reached(answer) for answer in client.batch(asked)}
        for error in said.values():
            if isinstance(error, Throttled | Reauthorize):
                raise error
        return said

    def client_business(self, token: str, *, app_id: str) -> Business | None:
        """The portfolio behind the token of a business integration; None when Meta names none."""
        with self.client(token, app_id=app_id) as client:
            given = client.me(("id", "client_business_id")).get("client_business_id")
            if given is None:
                return None
            business_id = _id(given)
            try:
                said = client.get(
                    business_id,
                    {"fields": "id,name"},
                    account_id=None,
                    endpoint_key="business",
                    required=("id",),
                )
            except (Retriable, Throttled):
                raise
            except GraphError:  # its name is not for everybody
                return Business(business_id, business_id)
        return Business(business_id, _name(said.body.get("name")) or business_id)


def _is_reached(answer: BatchAnswer) -> bool | GraphError:
    """What one answer about an account says; an odd one says nothing."""
    if isinstance(answer.error, PermissionDenied | ObjectMissing):
        return False
    if answer.error is None and answer.value().get("id") != answer.operation.path:
        return MalformedAnswer("Meta answers about another object than the ad account")
    return answer.error or True


def _id(given: object) -> str:
    """Meta's id of a person or a business; MalformedAnswer for what is none."""
    if isinstance(given, bool) or not _NUMBER.fullmatch(str(given)):
        raise MalformedAnswer("Meta names somebody without an id that is one")
    return str(given)


def _name(given: object) -> str | None:
    """A name as Postgres keeps it; None where there is none."""
    return None if given is None else one_line(str(given)) or None
