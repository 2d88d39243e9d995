"""HTTP with one shared connection pool: sends one request, keeps the token out of every text."""

from __future__ import annotations

import copy
import hashlib
import hmac
import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from meta_pipeline.graph.redaction import guard_http_logging, redact

META_HOST = "graph.facebook.com"
_USER_AGENT = "meta-pipeline"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came over the wire: status, header pairs with lower-cased names, decompressed body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    latency_ms: float


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing usable came over the wire; `reason` is fit for people and free of secrets."""

    reason: str
    latency_ms: float


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
        access_token: str,
        version: str,
        app_secret: str | None,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        max_connections: int,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.base_url = normalise_base_url(base_url)
        self.version = version.strip("/")
        self.access_token = checked_token(access_token)
        self.app_secret = app_secret
        self._timeouts = (connect_timeout_seconds, read_timeout_seconds)
        self._timer = timer
        self._session = _session(max_connections, trust_env=not _is_local(self.base_url))
        guard_http_logging()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What `redact` must remove beyond what it recognises by itself."""
        return tuple(filter(None, (self.access_token, self.app_secret)))

    def __repr__(self) -> str:
        return f"Transport({self.base_url}/{self.version})"

    def with_token(self, access_token: str) -> Transport:
        """The same connections under another token."""
        sibling = copy.copy(self)
        sibling.access_token = checked_token(access_token)
        return sibling

    def close(self) -> None:
        self._session.close()

    def send(
        self, method: str, path: str, params: Mapping[str, str], *, token: str | None = None
    ) -> HttpAnswer | NoAnswer:
        """One request, no retry. GET parameters go in the query, POST is form-encoded.

        Never raises for what the network does: a traceback of requests would print the query.
        """
        url = f"{self.base_url}/{self.version}/{path.strip('/')}"
        signed = {**params, **self._proof(token)}
        where = {"data": signed} if method == "POST" else {"params": signed}
        start = self._timer()
        try:
            response = self._session.request(
                method,
                url,
                auth=BearerAuth(checked_token(token or self.access_token)),
                timeout=self._timeouts,
                allow_redirects=False,
                **where,  # type: ignore[arg-type]
            )
        except requests.RequestException as error:
            return NoAnswer(self._reason(error), self._elapsed_ms(start))
        return HttpAnswer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=response.content,
            latency_ms=self._elapsed_ms(start),
        )

    def _elapsed_ms(self, start: float) -> float:
        return (self._timer() - start) * 1000

    def _proof(self, token: str | None) -> dict[str, str]:
        if self.app_secret is None:
            return {}
        return {"appsecret_proof": appsecret_proof(token or self.access_token, self.app_secret)}

    def _reason(self, error: requests.RequestException) -> str:
        host = urlsplit(self.base_url).netloc
        connect, read = self._timeouts
        for kind, text in (
            (requests.ConnectTimeout, f"no connection to {host} within {connect:g} s"),
            (requests.ReadTimeout, f"no answer from {host} within {read:g} s"),
            (requests.exceptions.SSLError, f"TLS with {host} failed ({_cause(error)})"),
            (requests.exceptions.ProxyError, f"the proxy before {host} failed ({_cause(error)})"),
            (requests.exceptions.ChunkedEncodingError, f"{host} stopped in the middle of a body"),
            (requests.exceptions.ContentDecodingError, f"{host} sent damaged compression"),
            (requests.ConnectionError, f"connection to {host} failed ({_cause(error)})"),
        ):
            if isinstance(error, kind):
                return redact(text, self.secrets)
        return f"request to {host} failed ({type(error).__name__})"


def appsecret_proof(access_token: str, app_secret: str) -> str:
    """Hex HMAC-SHA256 of the token under the app secret (FACTS §9)."""
    return hmac.new(app_secret.encode(), access_token.encode(), hashlib.sha256).hexdigest()


def normalise_base_url(base_url: str) -> str:
    """`base_url` with a scheme and without a trailing slash; ValueError says what is wrong."""
    text = base_url.strip()
    url = urlsplit(text if "://" in text else f"https://{text}")
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise ValueError(
            f"META_GRAPH_URL must look like https://{META_HOST}, got {redact(base_url)!r}"
        )
    return f"{url.scheme}://{url.netloc}{url.path}".rstrip("/")


def checked_token(token: str) -> str:
    """The token without surrounding white space; ValueError (without the token) if it has none."""
    clean = token.strip()
    if not clean or not clean.isascii() or not clean.isprintable() or " " in clean:
        raise ValueError(
            "META_ACCESS_TOKEN is empty or holds a space, a line break or a quote from copying; "
            "paste the token alone"
        )
    return clean


def _session(max_connections: int, *, trust_env: bool) -> requests.Session:
    session = requests.Session()
    # A proxy from the environment must not see traffic that never leaves this machine.
    session.trust_env = trust_env
    # Meta sets cookies on POST; a jar shared by threads is neither needed nor safe.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update(
        {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
    )
    # Retries belong to the policy: urllib3's own would be calls that nobody counts.
    adapter = HTTPAdapter(
        pool_connections=2, pool_maxsize=max_connections, pool_block=True, max_retries=0
    )
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _is_local(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
