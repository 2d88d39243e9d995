"""Redaction: no piece of a password is printed, however the URL was written."""

from __future__ import annotations

from urllib.parse import quote

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meta_pipeline.warehouse import (
    Warehouse,
    WarehouseError,
    dagster_url,
    normalized,
    redacted,
    without_secrets,
)
from meta_pipeline.warehouse.redaction import SECRETS

HEAD, TAIL = "Secr3t", "Tail9x"
ODD = st.text(
    st.sampled_from("/#?%@[]: \"'\\=&+|(){}$!*;,<>^`~äß密🎉\t") | st.characters(codec="utf-8"),
    min_size=1,
    max_size=6,
).filter(lambda text: not set(text) & {"\x00"})
PLACES = st.sampled_from(
    [
        "127.0.0.1:1/db",
        "h/db",
        "[::1]:1/db?sslmode=disable",
        "h1:1,h2:1/db?target_session_attrs=read-write",
        "%2Ftmp:1/db",
        "h",
    ]
)


@given(odd=ODD, place=PLACES)
@example(odd="/", place="127.0.0.1:1/db")
@example(odd="#", place="127.0.0.1:1/db")
@example(odd="?", place="127.0.0.1:1/db")
@example(odd="%", place="127.0.0.1:1/db")
@example(odd="@", place="127.0.0.1:1/db")
@example(odd="[", place="127.0.0.1:1/db")
@example(odd="]-%hA|RI*[?j(-(l]{(", place="127.0.0.1:1/db")
@example(odd="@x/y?sslmode=a", place="h/db?sslmode=disable")
@example(odd="?application_name=a", place="h/db")
def test_an_unquoted_password_is_understood_or_refused_and_never_shown(
    odd: str, place: str
) -> None:
    password = f"{HEAD}{odd}{TAIL}"
    url = f"postgresql://meta:{password}@{place}"
    shown = [redacted(url), redacted(url, with_options=True), repr_of(url)]
    try:
        understood = conninfo_to_dict(normalized(url)).get("password")
        assert understood in (password, *read_as_percent(password))
    except WarehouseError as error:
        shown.append(str(error))
    for text in shown:
        assert HEAD not in text
        assert TAIL not in text
        assert "\n" not in text


def read_as_percent(password: str) -> list[str | int | None]:
    """What libpq makes of a password that happens to have a percent token in it."""
    try:
        return [conninfo_to_dict(f"postgresql://u:{quote(password, safe='%')}@h/d")["password"]]
    except psycopg.ProgrammingError:
        return []


def repr_of(url: str) -> str:
    try:
        return repr(Warehouse(url))
    except WarehouseError as error:
        return repr(error)


@given(odd=ODD)
@example(odd="'&")
@example(odd="\\&")
@example(odd="\\'&\\")
def test_a_quoted_password_reaches_every_driver_as_it_is(odd: str) -> None:
    password = f"{HEAD}{odd}{TAIL}"
    for url in (
        f"postgresql://meta:{quote(password, safe='')}@127.0.0.1:1/db",
        make_conninfo(host="127.0.0.1", port=1, user="meta", password=password, dbname="db"),
    ):
        assert conninfo_to_dict(normalized(url))["password"] == password
        assert sa.make_url(dagster_url(url)).password == password
        for shown in (redacted(url), redacted(url, with_options=True)):
            assert "127.0.0.1" in shown
            assert HEAD not in shown
            assert TAIL not in shown
        for said in (password, quote(password, safe=""), url, dagster_url(url), repr(password)):
            told = without_secrets(f"it said {said} and stopped", url)
            assert HEAD not in told
            assert TAIL not in told


@given(words=st.text(max_size=40))
def test_whatever_is_given_redaction_gives_an_answer(words: str) -> None:
    assert redacted(words)
    assert redacted(f"postgresql://{words}")


@pytest.mark.parametrize(
    ("character", "code"),
    [("/", "%2F"), ("#", "%23"), ("?", "%3F"), ("%", "%25"), ("@", "%40"), ("[", "%5B")],
)
def test_the_character_is_named_with_how_it_is_written(character: str, code: str) -> None:
    with pytest.raises(WarehouseError) as raised:
        normalized(f"postgresql://meta:{HEAD}{character}{TAIL}@h/db")
    assert f"a password with {character} must be written {code}" in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://meta:{HEAD}/db",
        f"postgresql://meta:{HEAD}:{TAIL}@h:port/db",
        f"host=h password={HEAD} {TAIL}",
        f"host=h password='{HEAD} {TAIL}",
        f"password={HEAD}{TAIL} host=h port=x",
        f"meta:{HEAD}{TAIL}@h/db",
        f"{HEAD}{TAIL}",
        f"postgresql://h/db?password={HEAD}@{TAIL}&nonsense=1",
    ],
)
def test_what_is_no_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(WarehouseError) as raised:
        normalized(url)
    for text in (str(raised.value), redacted(url), redacted(url, with_options=True)):
        assert HEAD not in text
        assert TAIL not in text


@given(
    name=st.sampled_from(SECRETS),
    secret=st.text("abcXYZ019/@#%:.-_", min_size=3),
    form=st.sampled_from(
        ["{}={}", "{}='{}'", "{} = '{}'", "host=db {}={} user=x", "?a=b&{}={}&c=d"]
    ),
)
def test_any_option_of_libpq_that_is_secret_is_hidden_by_its_name(
    name: str, secret: str, form: str
) -> None:
    marked = f"OPEN{secret}SESAME"
    said = without_secrets(f"nobody knows {form.format(name, marked)}")
    assert name in said
    assert "OPEN" not in said
    assert "SESAME" not in said
