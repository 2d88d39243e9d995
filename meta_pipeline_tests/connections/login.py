"""A person at Meta's dialog: opens the link, follows where it leads, as a browser does."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import requests

from meta_pipeline.connections import AccountChoice, Begun, Granted, LoginAnswer, LoginFlow
from meta_pipeline.simulator import Configuration
from meta_pipeline.warehouse import ConnectionRow
from meta_pipeline_tests.connections.place import Place
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

REDIRECT = "https://ads.example.com/connect"
SESSION = "the cookie of a browser"
CONFIG = Configuration("700", scopes=("ads_read", "business_management"))


def flow_of(place: Place, session: str = SESSION, redirect: str = REDIRECT) -> LoginFlow:
    return LoginFlow(place.book, redirect_uri=redirect, session=session)


def led_back(begun: Begun) -> dict[str, str]:
    """The query with which Meta leads the person back."""
    response = requests.get(begun.url, allow_redirects=False, timeout=PATIENCE_SECONDS)
    assert response.status_code == 302, response.text
    query = parse_qs(urlsplit(response.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


def logged_in(place: Place, session: str = SESSION) -> LoginAnswer:
    flow = flow_of(place, session)
    return flow.answer(led_back(flow.begin()))


def choice_of(place: Place, answer: LoginAnswer, session: str = SESSION) -> AccountChoice:
    assert isinstance(answer, Granted), answer
    return AccountChoice(place.book, session=session, pending_id=answer.pending.pending_id)


def connected(place: Place) -> ConnectionRow:
    """A connection with all accounts of what the dialog grants."""
    return choice_of(place, logged_in(place)).choose_all()


def for_business(place: Place, configuration: Configuration = CONFIG) -> None:
    """From now on the app connects with a configuration of Login for Business."""
    place.sim.tokens.change_app(configurations=(configuration,))
    place.book = place.with_settings(login_config_id=configuration.id)
