"""HTTP with one shared connection pool: sends one request, keeps the token out of every text."""

from __future__ import annotations

import copy
import hashlib
import hmac
import math
import os
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError, SSLError

from meta_pipeline.credentials import checked_graph_url, cleaned_token, is_loopback
from meta_pipeline.redaction import MASK, guard_http_logging, redact
from meta_pipeline.wire import (
    Allowance,
    DirectSession,
    TooLarge,
    TooLate,
    Undecodable,
    read_body,
    within,
)

_USER_AGENT = "meta-pipeline"
# None of Meta's is shorter; a word of a name must not pass for one.
_SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came over the wire: status, header pairs with lower-cased names, decompressed body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    latency_ms: float
    size_bytes: int
    """Of the body as it came."""


class Cause(StrEnum):
    """Why there is no answer."""

    LOST = "lost"
    LATE = "late"
    LARGE = "large"
    SETTING = "setting"


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing usable came over the wire; `reason` is fit for people and free of secrets."""

    reason: str
    latency_ms: float
    kind: Cause = Cause.LOST


class BearerAuth(AuthBase):
    """The token as `Authorization` header; an auth object also keeps ~/.netrc out of it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def __repr__(self) -> str:
        return "BearerAuth([redacted])"


class Transport:
    """Sends requests to `<base_url>/<version>/<path>`; thread-safe, one pool for all threads."""

    def __init__(
        self,
        *,
        base_url: str,
        trusted_url: str | None,
        access_token: str,
        version: str,
        app_secret: str | None,
        hidden: Sequence[str],
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        deadline_seconds: float,
        max_answer_bytes: int,
        max_connections: int,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        try:
            self.base_url = checked_graph_url(base_url, trusted_url=trusted_url)
        except ValueError as error:
            raise ValueError(f"META_GRAPH_URL {error}") from None
        self.version = version.strip("/")
        self.access_token = cleaned_token(access_token)
        self.app_secret = app_secret
        self.hidden = tuple(hidden)
        self._connect_seconds = min(connect_timeout_seconds, deadline_seconds)
        self._read_seconds = read_timeout_seconds
        self.deadline_seconds = deadline_seconds
        self.ends_at = math.inf
        self._max_answer_bytes = max_answer_bytes
        self._timer = timer
        self._session = _session(
            max_connections, trust_env=not is_loopback(urlsplit(self.base_url).hostname or "")
        )
        guard_http_logging()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What `redact` must remove beyond what it recognises by itself."""
        return tuple(filter(None, (self.access_token, self.app_secret, *self.hidden)))

    def __repr__(self) -> str:
        return f"Transport({self.base_url}/{self.version})"

    def with_token(self, access_token: str, *, signs: bool = True) -> Transport:
        """The same connections under another token; without the app's secret unless it `signs`."""
        sibling = copy.copy(self)
        sibling.access_token = cleaned_token(access_token)
        if not signs:
            sibling.app_secret, sibling.hidden = (
                None,
                (*self.hidden, *filter(None, [self.app_secret])),
            )
        return sibling

    def hiding(self, *secrets: str) -> Transport:
        """The same connections and token, and no text that leaves has these either."""
        sibling = copy.copy(self)
        sibling.hidden = (*self.hidden, *secrets)
        return sibling

    def within(self, seconds: float) -> Transport:
        """The same connections and token; all its requests are over in so many seconds from now."""
        sibling = copy.copy(self)
        sibling.deadline_seconds = min(self.deadline_seconds, seconds)
        sibling.ends_at = min(self.ends_at, self._timer() + seconds)
        return sibling

    @property
    def is_over(self) -> bool:
        """Whether the time of all its requests is used: none is sent any more."""
        return self._timer() >= self.ends_at

    def close(self) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        *,
        token: str | None = None,
        is_for_token: bool = False,
    ) -> HttpAnswer | NoAnswer:
        """One request, no retry. GET parameters go in the query, POST is form-encoded.

        Never raises for what the network does: a traceback of requests would print the query. The
        answer has none of our secrets, whatever Meta repeats, unless a token `is_for_token` asked.
        """
        url = f"{self.base_url}/{self.version}/{path.strip('/')}"
        signed = dict(params)
        repeated = [*self.secrets, *filter(None, [token])]
        if self.app_secret is not None:
            proof = appsecret_proof(token or self.access_token, self.app_secret)
            signed["appsecret_proof"] = proof
            repeated.append(proof)
        where = {"data": signed} if method == "POST" else {"params": signed}
        start = self._timer()
        seconds = min(self.deadline_seconds, self.ends_at - start)
        allowance = Allowance(self._timer, seconds, self._read_seconds, self._max_answer_bytes)
        try:
            allowance.seconds()  # where none is left, nothing is asked
            with within(allowance):
                response = self._session.request(
                    method,
                    url,
                    auth=BearerAuth(cleaned_token(token or self.access_token)),
                    timeout=(self._connect_seconds, self._read_seconds),
                    allow_redirects=False,
                    stream=True,
                    **where,  # type: ignore[arg-type]
                )
                body = _whole_body(response, allowance)
        except (TooLate, TooLarge, Undecodable, HTTPError, OSError) as error:
            kind, reason = self._why(error)
            return NoAnswer(redact(reason, self.secrets), self._elapsed_ms(start), kind)
        latency_ms, size_bytes = self._elapsed_ms(start), len(body)
        headers = {name.lower(): value for name, value in response.headers.items()}
        if not is_for_token:
            # Links to next pages have token and proof in them, also deep in a row, and rows are
            # kept as they come.
            body = _without(body, repeated)
            headers = {
                name: _without(value.encode(), repeated).decode() for name, value in headers.items()
            }
        return HttpAnswer(response.status_code, headers, body, latency_ms, size_bytes)

    def _elapsed_ms(self, start: float) -> float:
        return (self._timer() - start) * 1000

    def _why(self, error: Exception) -> tuple[Cause, str]:
        host = urlsplit(self.base_url).netloc
        if isinstance(error, TooLate):
            return Cause.LATE, (f"{host} did not end its answer within {self.deadline_seconds:g} s")
        if isinstance(error, TooLarge):
            most = self._max_answer_bytes / 1_000_000
            return Cause.LARGE, f"the answer of {host} is larger than {most:g} MB"
        bundle = ca_bundle_problem() if self.base_url.startswith("https:") else None
        if bundle is not None and not isinstance(error, HTTPError | Undecodable):
            return Cause.SETTING, bundle
        for kinds, text in (
            (
                (requests.ConnectTimeout,),
                f"no connection to {host} within {self._connect_seconds:g} s",
            ),
            (
                (requests.ReadTimeout, ReadTimeoutError),
                f"no answer from {host} within {self._read_seconds:g} s",
            ),
            ((requests.exceptions.SSLError, SSLError), f"TLS with {host} failed ({_cause(error)})"),
            (
                (requests.exceptions.ProxyError,),
                f"the proxy before {host} failed ({_cause(error)})",
            ),
            (
                (requests.exceptions.ChunkedEncodingError, ProtocolError),
                f"{host} stopped in the middle of a body",
            ),
            ((Undecodable,), f"{host} sent damaged compression"),
            ((requests.ConnectionError,), f"connection to {host} failed ({_cause(error)})"),
        ):
            if isinstance(error, kinds):
                return Cause.LOST, text
        return Cause.LOST, f"request to {host} failed ({type(error).__name__})"


def _without(text: bytes, secrets: Sequence[str]) -> bytes:
    """The text without these secrets, plain or percent-encoded."""
    forms = {form for one in secrets for form in (one, quote(one, safe=""))}
    # The longest first: an app's token has its secret in it.
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= _SHORTEST_SECRET:
            text = text.replace(form.encode(), MASK.encode())
    return text


def _whole_body(response: requests.Response, allowance: Allowance) -> bytes:
    """The body; its connection is kept for the next call, or closed when the body is given up."""
    try:
        body = read_body(response, allowance)
    except BaseException:
        response.close()
        raise
    response.raw.release_conn()
    return body


def ca_bundle_problem() -> str | None:
    """What is wrong with the file that names the certificates to trust; None if nothing is."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        path = os.environ.get(name)
        if not path:
            continue
        if Path(path).is_dir() and name != "SSL_CERT_FILE":
            return None
        try:
            ssl.create_default_context(cafile=path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it holds no certificates in PEM form"
            why = "it holds no certificates in PEM form" if "SSL" in type(error).__name__ else why
            return f"{name} names {path}, which cannot be used ({why}): correct it or unset it"
        return None
    return None


def appsecret_proof(access_token: str, app_secret: str) -> str:
    """Hex HMAC-SHA256 of the token under the app secret (FACTS §9)."""
    return hmac.new(app_secret.encode(), access_token.encode(), hashlib.sha256).hexdigest()


def _session(max_connections: int, *, trust_env: bool) -> requests.Session:
    session = DirectSession(pool_connections=2, pool_maxsize=max_connections, pool_block=True)
    # A proxy from the environment must not see traffic that never leaves this machine.
    session.trust_env = trust_env
    # What other programs trust here; REQUESTS_CA_BUNDLE, which requests reads, goes before it.
    session.verify = os.environ.get("SSL_CERT_FILE") or True
    # Meta sets cookies on POST; a jar shared by threads is neither needed nor safe.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update(
        {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
    )
    return session


def _cause(error: BaseException) -> str:
    """The innermost reason, short: the outer texts of requests and urllib3 print the URL."""
    inner: object = error
    while isinstance(inner, BaseException):
        deeper = getattr(inner, "reason", None) or next(iter(inner.args), None)
        if not isinstance(deeper, BaseException):
            break
        inner = deeper
    text = str(inner)
    return text if len(text) <= 160 and "url:" not in text else type(inner).__name__
