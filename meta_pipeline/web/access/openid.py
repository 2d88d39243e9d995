"""OpenID Connect: the identity provider says who comes; Authlib checks its word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from httpx2 import HTTPError
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from meta_pipeline.settings import Settings

# A person waits for it in front of an empty page.
_TIMEOUT_SECONDS = 10.0


class SignInRefused(Exception):
    """The identity provider did not let the visitor in, or cannot be believed; says why."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who came: an e-mail address where the provider has verified one, else its own id."""

    subject: str
    name: str


class OpenId:
    """The provider of the settings; its keys and addresses are read from it when first needed."""

    def __init__(self, settings: Settings) -> None:
        issuer = str(settings.web_oidc_issuer)
        secret = settings.web_oidc_client_secret
        self._issuer = issuer
        self._client = OAuth().register(
            "provider",
            client_id=settings.web_oidc_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            server_metadata_url=f"{issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid email profile",
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_SECONDS,
            },
        )

    async def start(self, request: Request, redirect_uri: str) -> Response:
        """Send the visitor to the provider; state, nonce and PKCE are kept in the session."""
        try:
            answer: Response = await self._client.authorize_redirect(request, redirect_uri)
        except (AuthlibBaseError, HTTPError, ValueError, KeyError) as error:
            raise self._silent(error) from error
        return answer

    async def finish(self, request: Request) -> Claims:
        """Who came back. SignInRefused for an answer that is not the one this session waits for."""
        try:
            token = await self._client.authorize_access_token(request)
        except AuthlibBaseError as error:
            reason = error.description or error.error or type(error).__name__
            raise SignInRefused(f"You were not signed in: {reason}. Try again.") from error
        except JoseError as error:
            raise SignInRefused(
                "You were not signed in: what the identity provider sent is not signed by it, or "
                f"is not for us ({type(error).__name__}). Try again; if it stays, tell an admin."
            ) from error
        except (HTTPError, ValueError, KeyError) as error:
            raise self._silent(error) from error
        claims: dict[str, Any] = token.get("userinfo") or {}
        # Unverified, anybody could write somebody else's address there.
        email = claims.get("email") if claims.get("email_verified") is True else None
        subject = str(email or claims.get("sub") or "")
        if not subject:
            raise SignInRefused(
                "The identity provider did not say who you are (no sub). Tell an admin."
            )
        # As members are stored: addresses are typed in either case.
        return Claims(subject.casefold(), str(claims.get("name") or email or subject))

    def _silent(self, error: Exception) -> SignInRefused:
        return SignInRefused(
            f"The identity provider {self._issuer} did not answer as one "
            f"({type(error).__name__}). Try again; if it stays, META_WEB_OIDC_ISSUER is wrong."
        )
