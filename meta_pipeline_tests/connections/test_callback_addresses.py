"""The addresses that Meta calls, as the web application answers them, over sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests

from meta_pipeline.connections import carry_out
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import sign_in_of
from meta_pipeline_tests.connections.place import Place
from meta_pipeline_tests.connections.test_callbacks import of_person
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served


@pytest.fixture
def address(place: Place) -> Iterator[str]:
    settings = place.book.access.settings
    secret = Secret("for tests alone, thirty-two characters")
    site = Site(settings, place.warehouse, secret, sign_in_of(settings, "127.0.0.1"))
    with served.running(web_application(site)) as url:
        place.sim.tokens.change_app(
            deauthorize_url=f"{url}/meta/deauthorize", deletion_url=f"{url}/meta/data-deletion"
        )
        yield url


def page(url: str) -> requests.Response:
    return requests.get(url, timeout=PATIENCE_SECONDS)


def test_who_removes_the_app_and_who_wants_to_be_forgotten(place: Place, address: str) -> None:
    ann, ben = of_person(place, "Ann", place.ids[:1]), of_person(place, "Ben", place.ids[1:])
    assert place.sim.deauthorize(ann.user_id).status == 200
    assert place.row(ann.connection_id).state == "revoked"
    assert place.sim.request_deletion(ben.user_id, forged="signature").status == 403
    assert place.row(ben.connection_id) == ben
    answer = place.sim.request_deletion(ben.user_id)
    assert answer.status == 200
    said = json.loads(answer.body)
    assert said["url"] == f"{address}/meta/deletions/{said['confirmation_code']}"
    assert "will be carried out" in page(said["url"]).text
    carry_out(place.book)
    done = page(said["url"])
    assert (done.status_code, "was deleted on" in done.text) == (200, True)
    for wrong in ("0" * 32, "x", "%00", "..%2f"):
        assert page(f"{address}/meta/deletions/{wrong}").status_code == 404


def test_what_is_no_callback_is_refused(place: Place, address: str) -> None:
    for path in ("/meta/deauthorize", "/meta/data-deletion"):
        for body, status in ((b"", 403), (b"signed_request=a.b", 403), (b"x" * 20_000, 413)):
            answer = requests.post(address + path, data=body, timeout=PATIENCE_SECONDS)
            assert answer.status_code == status
        assert page(address + path).status_code in (404, 405)
    assert place.query("SELECT count(*) FROM meta_ads.meta_callbacks") == [(0,)]
