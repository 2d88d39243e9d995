"""OpenID Connect: the identity provider says who comes; Authlib checks its word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from httpx2 import HTTPError
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from meta_pipeline.credentials import is_loopback
from meta_pipeline.model.subject import OWN_ID, as_subject
from meta_pipeline.printable import one_line
from meta_pipeline.redaction import redact
from meta_pipeline.settings import Settings
from meta_pipeline.words import shortened

# A person waits for it in front of an empty page.
_TIMEOUT_SECONDS = 10.0
# Of all that a step of a sign-in asks the provider; each read may take the seconds above.
_STEP_SECONDS = 30.0
# Keys and metadata of the largest providers are a tenth of it.
_MOST_BYTES = 1_048_576
_ALGORITHMS = "id_token_signing_alg_values_supported"
# With a key that only the provider has: "none" proves nothing, and what has a shared key for HMAC
# could have made the token itself.
_SIGN = frozenset(
    "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519 Ed448".split()
)
# What Authlib, joserfc and JSON of any shape can raise beside errors of their own.
_NO_ANSWER = (HTTPError, TimeoutError, ValueError, LookupError, TypeError, AttributeError,
              RuntimeError)  # fmt: skip
_LONGEST_REASON = 200
# It is kept in a cookie beside the subject: of more than 4 kB a browser keeps nothing.
_LONGEST_NAME = 100


class SignInRefused(Exception):
    """The identity provider did not let the visitor in, or cannot be believed; says why."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who came: an e-mail address where the provider has verified one, else `sub:` and its id.

    The name is for people's eyes, of at most 100 characters.
    """

    subject: str
    name: str


class _Bounded(httpx2.AsyncByteStream):
    """A body of at most `_MOST_BYTES`."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._body:
            size += len(piece)
            if size > _MOST_BYTES:
                raise httpx2.ReadError("the answer is larger than a MiB")
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()


async def _bound(answer: httpx2.Response) -> None:
    """Before any of the body is read: nobody's megabyte unpacks to gigabytes here."""
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise httpx2.DecodingError("the answer is compressed, which was not asked for")
    assert isinstance(answer.stream, httpx2.AsyncByteStream)
    answer.stream = _Bounded(answer.stream)


async def _encrypted(request: httpx2.Request) -> None:
    """Before anything is sent: an endpoint that the provider names is no less than its issuer."""
    if request.url.scheme != "https" and not is_loopback(request.url.host):
        raise SignInRefused(
            "You were not signed in: the identity provider names an address without encryption "
            f"({request.url.scheme}://{request.url.host}), and our secret would be read on the "
            "way. Tell an admin."
        )


def _address(claims: Mapping[str, Any]) -> str | None:
    """The address as members are stored, where the provider has verified one."""
    email = claims.get("email")
    # Unverified, anybody could write somebody else's there.
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return None
    address = as_subject(email)
    return address if "@" in address and not address.startswith(OWN_ID) else None


def _own_id(claims: Mapping[str, Any]) -> str:
    """Whom the provider knows by its own id alone, under a name that no address is.

    Some let people choose that id: as it is, it could be the address of another member.
    """
    own = claims.get("sub")
    # With a blank at its end it would be stored as another's.
    if not isinstance(own, str) or not own or own != own.strip():
        raise SignInRefused(
            "The identity provider did not say who you are (no sub). Tell an admin."
        )
    return f"{OWN_ID}{own}"


class OpenId:
    """The provider of the settings; its keys and addresses are read from it when first needed."""

    def __init__(self, settings: Settings, *, step_seconds: float = _STEP_SECONDS) -> None:
        self._step_seconds = step_seconds
        issuer = str(settings.web_oidc_issuer)
        secret = settings.web_oidc_client_secret
        self._issuer = issuer
        self._secrets = [secret.get_secret_value()] if secret else []
        self._client = OAuth().register(
            "provider",
            client_id=settings.web_oidc_client_id,
            client_secret=self._secrets[0] if secret else None,
            server_metadata_url=f"{issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid email profile",
                # PKCE: a code that somebody catches on its way back is of no use to them.
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_SECONDS,
                "headers": {"Accept-Encoding": "identity"},
                "event_hooks": {"request": [_encrypted], "response": [_bound]},
            },
        )

    async def start(self, request: Request, redirect_uri: str) -> Response:
        """Send the visitor to the provider; state, nonce and PKCE are kept in the session."""
        try:
            async with asyncio.timeout(self._step_seconds):
                answer: Response = await self._client.authorize_redirect(request, redirect_uri)
        except (AuthlibBaseError, *_NO_ANSWER) as error:
            raise self._silent(error) from error
        return answer

    async def finish(self, request: Request) -> Claims:
        """Who came back. SignInRefused for an answer that is not the one this session waits for."""
        try:
            async with asyncio.timeout(self._step_seconds):
                options = await self._what_is_believed()
                token = await self._client.authorize_access_token(request, claims_options=options)
        except AuthlibBaseError as error:
            # Whoever made the link to here may have written it; a provider may quote what it got.
            reason = str(error.description or error.error or type(error).__name__)
            reason = one_line(redact(reason, self._secrets))
            reason = shortened(reason, _LONGEST_REASON)
            raise SignInRefused(f"You were not signed in: {reason}. Try again.") from error
        except JoseError as error:
            raise SignInRefused(
                "You were not signed in: what the identity provider sent is not signed by it, or "
                f"is not for us ({type(error).__name__}). Try again; if it stays, tell an admin."
            ) from error
        except _NO_ANSWER as error:
            raise self._silent(error) from error
        # Without a token of its own, `userinfo` is what somebody wrote into the answer.
        claims: dict[str, Any] = token["userinfo"] if token.get("id_token") else {}
        subject = _address(claims) or _own_id(claims)
        return Claims(subject, shortened(str(claims.get("name") or subject), _LONGEST_NAME))

    async def _what_is_believed(self) -> Mapping[str, Any]:
        """Whose word, and for whom, a token has to be; it is signed, whatever else is offered.

        Left to itself Authlib takes a token of another client that names us as its `azp`, and an
        unsigned one where the provider says that it makes such.
        """
        metadata = await self._client.load_server_metadata()
        offered = metadata.get(_ALGORITHMS) or ()
        # Without any of them Authlib takes RS256, as OpenID Connect has it.
        metadata[_ALGORITHMS] = [one for one in offered if one in _SIGN]
        return {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": self._client.client_id},
        }

    def _silent(self, error: Exception) -> SignInRefused:
        return SignInRefused(
            f"The identity provider {self._issuer} did not answer as one "
            f"({type(error).__name__}). Try again; if it stays, META_WEB_OIDC_ISSUER is wrong."
        )
