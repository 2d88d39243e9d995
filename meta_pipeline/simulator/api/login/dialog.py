"""The login dialog: scopes or a configuration, who logs in, and what that person gives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import urlencode

from meta_pipeline.simulator.api.calls import GraphAnswer
from meta_pipeline.simulator.api.login.apps import App, Configuration
from meta_pipeline.simulator.api.login.directory import DialogChoice, Person
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.tokens import LONG_LIVED_SECONDS, SHORT_LIVED_SECONDS, Tokens

_ASKED = ("client_id", "redirect_uri", "state", "scope", "config_id", "response_type",
          "override_default_response_type")  # fmt: skip


def dialog(tokens: Tokens, request: GraphRequest) -> GraphAnswer:
    """The login page, or at once what a click there would lead to (`Tokens.dialog`).

    GET asks, POST is the form of the page. What is wrong with the question itself is told to the
    person on a page and never to the redirect URI.
    """
    app, redirect = tokens.apps.get(request.text("client_id") or ""), request.text("redirect_uri")
    if app is None or not redirect:
        return _refused("Invalid app ID or missing redirect_uri.")
    config_id = request.text("config_id")
    configuration = app.configuration(config_id) if config_id else None
    wrong = app.refusal_of(redirect) or _refusal_of_configuration(request, configuration)
    if wrong:
        return _refused(wrong)
    if request.method == "POST":
        answer = "grant" if request.text("answer") == "grant" else "deny"
        choice = _submitted(request)
    else:
        answer, choice = tokens.dialog, tokens.choice
    # A configuration comes in place of scopes: all of it, or none.
    asked = configuration.scopes if configuration else request.words("scope")
    if answer == "ask":
        return _page(tokens, app, request, configuration, asked)
    given: dict[str, Any] | None = None
    if answer == "grant":
        try:
            given = _grant(tokens, app, configuration, asked, choice)
        except (KeyError, ValueError) as impossible:
            return _refused(str(impossible.args[0]))
    # `state` comes back whatever is chosen: it is how a client knows its own question again.
    state = {"state": request.text("state") or ""}
    if given is None:
        refusal = {
            "error_reason": "user_denied",
            "error": "access_denied",
            "error_description": "Permissions error",
        }
        return GraphAnswer(302, b"", {"location": _with_query(redirect, {**refusal, **state})})
    code = tokens.grant_code(redirect, app_id=app.id, **given)
    return GraphAnswer(302, b"", {"location": _with_query(redirect, {"code": code, **state})})


def _refusal_of_configuration(
    request: GraphRequest, configuration: Configuration | None
) -> str | None:
    if not request.text("config_id"):
        return None
    if configuration is None:
        return "Invalid config_id: this app has no such configuration."
    override = (request.text("override_default_response_type") or "").lower()
    by_code = request.text("response_type") == "code" and override == "true"
    if configuration.kind == "SYSTEM_USER" and not by_code:
        return (
            "This configuration gives a system user's token: it needs response_type=code and "
            "override_default_response_type=true."
        )
    return None


def _grant(
    tokens: Tokens,
    app: App,
    configuration: Configuration | None,
    asked: Iterable[str],
    choice: DialogChoice,
) -> dict[str, Any] | None:
    """What `Tokens.issue` makes of the choice; None where it comes to nothing."""
    # Public profile is in every grant of classic scopes and can't be declined.
    wanted = frozenset(asked) if configuration else frozenset(asked) | {"public_profile"}
    declined = frozenset[str]()
    if choice.scopes is not None:
        declined = wanted - choice.scopes - {"public_profile"}
    if configuration and declined:
        return None
    reach, person = tokens.directory.reach(choice), tokens.directory.people()[choice.person]
    given: dict[str, Any] = {
        "scopes": wanted - declined,
        "declined": declined,
        "businesses": reach.businesses,
        "accounts": reach.accounts,
    }
    if configuration is None or configuration.kind == "USER":
        return given | {
            "user_id": tokens.scoped_id(person.id, app.id),
            "user_name": person.name,
            "expires_in_seconds": SHORT_LIVED_SECONDS,
        }
    # The token of a business integration is one portfolio's: the first of those chosen.
    theirs = [one.id for one in tokens.directory.businesses_of(person)]
    chosen = [one for one in theirs if reach.businesses is None or one in reach.businesses]
    if not chosen:
        return None
    of_business = tokens.directory.accounts_of(chosen[:1])
    seconds = LONG_LIVED_SECONDS if configuration.expires_in_60_days else None
    return given | {
        "businesses": chosen[:1],
        "accounts": of_business if reach.accounts is None else reach.accounts & of_business,
        "kind": "SYSTEM_USER",
        "user_id": _system_user_id(app, chosen[0]),
        "user_name": f"{app.name} System User",
        "client_business_id": chosen[0],
        "expires_in_seconds": seconds,
    }


def _system_user_id(app: App, business_id: str) -> str:
    """One system user for each app in each business, with the same id every time."""
    digest = hashlib.sha256(f"{app.id}:{business_id}".encode()).hexdigest()
    return f"122{int(digest[:12], 16) % 10**12:012d}"


def _submitted(request: GraphRequest) -> DialogChoice:
    """The choice of the page's form."""
    accounts = frozenset(request.words("account"))
    return DialogChoice(
        person=request.text("person") or "",
        scopes=frozenset(request.words("permission")),
        businesses=frozenset(request.words("business")),
        accounts=accounts or None,
    )


def _page(
    tokens: Tokens,
    app: App,
    request: GraphRequest,
    configuration: Configuration | None,
    asked: Iterable[str],
) -> GraphAnswer:
    """One form for each person who could log in."""
    kept = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name in _ASKED
        if (value := request.text(name)) is not None
    )
    people = tokens.directory.people().values()
    forms = "".join(
        _form(tokens, person, kept, asked, fixed=configuration is not None) for person in people
    )
    return _html(
        200,
        f"<h1>{escape(app.name)} asks for access</h1>"
        f"<p>Simulated: nothing leaves this machine. Scopes: {escape(', '.join(asked))}</p>{forms}",
    )


def _form(tokens: Tokens, person: Person, kept: str, asked: Iterable[str], *, fixed: bool) -> str:
    first = person.id == next(iter(tokens.directory.people()))
    ids = ("continue", "cancel") if first else (f"continue-{person.id}", f"cancel-{person.id}")
    # A configuration's permissions are shown and can't be taken out one by one.
    permissions = "".join(_box("permission", one, one, hidden=fixed) for one in asked)
    businesses = "".join(
        _box("business", one.id, f"{one.name} ({len(one.accounts)} ad accounts)")
        for one in tokens.directory.businesses_of(person)
    )
    name = escape(person.name)
    return (
        f'<form method="post"><h2>{name}</h2>{kept}'
        f'<input type="hidden" name="person" value="{escape(person.id)}">'
        f"<p>{permissions}</p><p>{businesses}</p>"
        f'<button id="{ids[0]}" name="answer" value="grant">Continue as {name}</button> '
        f'<button id="{ids[1]}" name="answer" value="deny">Cancel</button></form>'
    )


def _box(name: str, value: str, label: str, *, hidden: bool = False) -> str:
    if hidden:
        return f'<input type="hidden" name="{name}[]" value="{escape(value)}">'
    box = f'<input type="checkbox" name="{name}[]" value="{escape(value)}" checked>'
    return f"<label>{box} {escape(label)}</label> "


def _with_query(url: str, params: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"


def _refused(message: str) -> GraphAnswer:
    return _html(400, f"<p>{escape(message)}</p>")


def _html(status: int, body: str) -> GraphAnswer:
    page = f"<!doctype html><meta charset=utf-8><title>Simulated login</title>{body}"
    return GraphAnswer(status, page.encode(), {"content-type": "text/html; charset=utf-8"})
