"""A small identity provider (OpenID Connect, authorization code with PKCE) in a process of its own.

`python -m meta_pipeline_tests.web.provider PORT`. Whoever comes is signed in at once, as the person
named in the environment's file PROVIDER_PERSON (JSON: claims, and what to do wrong).
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

CLIENT, SECRET = "ads", "a-secret-of-the-client"
_key = RSAKey.generate_key(2048, parameters={"kid": "one", "alg": "RS256", "use": "sig"})
_stranger = RSAKey.generate_key(2048, parameters={"kid": "one", "alg": "RS256", "use": "sig"})
_codes: dict[str, dict[str, str]] = {}


def person() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        Path(os.environ["PROVIDER_PERSON"]).read_text(encoding="utf-8")
    )
    return found


def issuer() -> str:
    return f"http://127.0.0.1:{sys.argv[1]}"


async def drip() -> AsyncIterator[bytes]:
    """A byte now and then, without end; each comes before a read gives up."""
    while True:
        yield b" "
        await asyncio.sleep(0.05)


def wrong(where: str) -> Response | None:
    """What goes wrong at an endpoint of ours: `wrong` of the person's file names it and how."""
    known = Path(os.environ["PROVIDER_PERSON"]).exists()
    how = person().get("wrong", {}).get(where) if known else None
    if how == "drip":
        return StreamingResponse(drip(), media_type="application/json")
    if how == "huge":
        return Response(b'{"a":"' + b"x" * 2_000_000 + b'"}', media_type="application/json")
    if how == "bomb":
        packed = gzip.compress(b" " * 20_000_000)
        return Response(packed, headers={"Content-Encoding": "gzip"})
    return None if how is None else Response(how, media_type="application/json")


def metadata(_: Request) -> Response:
    return wrong("metadata") or JSONResponse(
        {
            "issuer": issuer(),
            "authorization_endpoint": f"{issuer()}/authorize",
            "token_endpoint": f"{issuer()}/token",
            "jwks_uri": f"{issuer()}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
    )


def keys(_: Request) -> Response:
    return wrong("keys") or JSONResponse({"keys": [_key.as_dict(private=False)]})


def authorize(request: Request) -> Response:
    asked = dict(request.query_params)
    if asked.get("client_id") != CLIENT or asked.get("code_challenge_method") != "S256":
        return JSONResponse({"error": "invalid_request"}, 400)
    if person().get("denies"):
        answer = {"error": "access_denied", "error_description": "You said no"}
    else:
        code = secrets.token_urlsafe(16)
        _codes[code] = asked
        answer = {"code": code}
    query = urlencode(answer | {"state": asked["state"]})
    return RedirectResponse(f"{asked['redirect_uri']}?{query}", 303)


async def token(request: Request) -> Response:
    given = {name: value[0] for name, value in parse_qs((await request.body()).decode()).items()}
    asked = _codes.pop(given.get("code", ""), None)
    basic = base64.b64decode(request.headers.get("authorization", "Basic ").partition(" ")[2])
    verified = base64.urlsafe_b64encode(
        hashlib.sha256(given.get("code_verifier", "").encode()).digest()
    ).decode()
    if (
        asked is None
        or basic.decode() != f"{CLIENT}:{SECRET}"
        or verified.rstrip("=") != asked["code_challenge"]
        or given.get("redirect_uri") != asked["redirect_uri"]
    ):
        return JSONResponse({"error": "invalid_grant"}, 400)
    if answer := wrong("token"):
        return answer
    who = person()
    now = int(time.time())
    claims = {
        "iss": issuer(),
        "aud": CLIENT,
        "iat": now,
        "exp": now + 300,
        "nonce": asked["nonce"],
        **who["claims"],
    }
    signed = jwt.encode(
        {"alg": "RS256", "kid": "one"}, claims, _stranger if who.get("forges") else _key
    )
    if kind := who.get("alg"):
        signed = made_by_anybody(kind, signed)
    return JSONResponse(
        {"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": signed}
    )


def made_by_anybody(kind: str, signed: str) -> str:
    """The claims of a token in one that takes no key but the public one."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": kind, "kid": "one"}).encode()).decode()
    text = f"{header.rstrip('=')}.{signed.split('.')[1]}"
    mac = hmac.digest(_key.as_pem(private=False), text.encode(), "sha256")
    signature = base64.urlsafe_b64encode(mac).decode().rstrip("=") if kind == "HS256" else ""
    return f"{text}.{signature}"


app = Starlette(
    routes=[
        Route("/.well-known/openid-configuration", metadata),
        Route("/keys", keys),
        Route("/authorize", authorize),
        Route("/token", token, methods=["POST"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
