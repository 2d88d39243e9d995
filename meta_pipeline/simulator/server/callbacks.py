"""Meta's own calls to an app: somebody removed it, or wants their data deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import requests

from meta_pipeline.simulator.api.login import signed_requests
from meta_pipeline.simulator.api.login.signed_requests import Forgery
from meta_pipeline.simulator.api.tokens import Tokens

CallbackKind = Literal["deauthorize", "data_deletion"]
# Ours, as for webhooks: Meta names none.
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class CallbackAnswer:
    """What the app answered; `status` None: nobody did, and `error` says why."""

    status: int | None
    body: str = ""
    error: str | None = None


def call_back(
    tokens: Tokens,
    kind: CallbackKind,
    user_id: str,
    *,
    url: str | None = None,
    app_id: str | None = None,
    forged: Forgery | None = None,
    age_seconds: float = 0.0,
) -> CallbackAnswer:
    """End the user's tokens and POST `signed_request` to the app's callback, over a socket.

    `url` takes the place of the one the app has. A `forged` call comes from somebody else: no
    token ends. `age_seconds` is how long ago it says it was issued. KeyError for an app there is
    not, ValueError where neither gives a URL.
    """
    app = tokens.apps[app_id] if app_id else tokens.app
    to = url or (app.deauthorize_url if kind == "deauthorize" else app.deletion_url)
    if not to:
        raise ValueError(f"app {app.id} has no {kind} callback: give `url`, or set it on the app")
    issued_at = int(tokens.clock.now().timestamp() - age_seconds)
    signed = signed_requests.make(app.secret, user_id, issued_at, forged=forged)
    if forged is None:
        tokens.revoke_all(user_id, app.id)
    try:
        answer = requests.post(
            to, data={"signed_request": signed}, timeout=_TIMEOUT_SECONDS, allow_redirects=False
        )
    except requests.RequestException as error:
        return CallbackAnswer(None, error=f"{type(error).__name__}: {error}")
    return CallbackAnswer(answer.status_code, answer.text)
