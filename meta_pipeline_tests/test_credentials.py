"""Where the token may go, what is cleaned off it, and that nothing of it is in any text."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path
from threading import Thread
from urllib.parse import quote, urlsplit

import pytest
import requests
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import AliasChoices

from meta_pipeline.alerts.channels import DeliveryFailed, Webhook
from meta_pipeline.alerts.message import Message
from meta_pipeline.commands.processes.execute import FROM_FILES
from meta_pipeline.credentials import checked_graph_url, cleaned_token, is_loopback
from meta_pipeline.graph import redact
from meta_pipeline.redaction import guard_http_logging
from meta_pipeline.settings import Settings, SettingsError, content_of
from meta_pipeline.settings.secret_files import secret_names

TOKEN = "EAABsbCS1iHgBAKZC0testtoken7ZCq"
TOKENS = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789|_-", min_size=8, max_size=60
)
AROUND = [
    "{}", " {}\n", "{}\r\n", '"{}"', "'{}'", "Bearer {}", "bearer  {} ", '"Bearer {}"', "OAuth {}",
    "Authorization: Bearer {}", "META_ACCESS_TOKEN={}", 'export META_ACCESS_TOKEN="{}"',
    "access_token={}", "token={}", "Token: '{}'", "META_TOKEN = {}",
    "\ufeff{}", "{}\u200b", "\u200e{}\u202c", "\ufeff'Bearer \u2060{}'\n", "\xad{}",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields.values():
        name = str(field.validation_alias.choices[0])  # type: ignore[union-attr]
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("around", AROUND)
@given(token=TOKENS)
def test_what_copying_adds_is_taken_off(around: str, token: str) -> None:
    assert cleaned_token(around.format(token)) == token


@pytest.mark.parametrize("around", AROUND)
def test_a_pasted_token_is_cleaned_when_settings_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, around: str
) -> None:
    monkeypatch.setenv("META_ACCESS_TOKEN", around.format(TOKEN))
    assert Settings.load().require_token() == TOKEN
    monkeypatch.delenv("META_ACCESS_TOKEN")
    (tmp_path / "token").write_text(around.format(TOKEN), encoding="utf-8")
    monkeypatch.setenv("META_ACCESS_TOKEN_FILE", str(tmp_path / "token"))
    assert Settings.load().require_token() == TOKEN


@pytest.mark.parametrize(
    "wrong", [f"{TOKEN} {TOKEN}", f"{TOKEN}\n{TOKEN}", f'{TOKEN}"x', f"{TOKEN}é", "Bearer ", "“x”"]
)
def test_what_is_no_token_is_refused_in_a_sentence_without_it(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("META_ACCESS_TOKEN", wrong)
    with pytest.raises(SettingsError, match="META_ACCESS_TOKEN is empty or holds") as raised:
        Settings.load()
    assert TOKEN not in str(raised.value)


FILES: dict[str, tuple[bytes | None, str]] = {
    "latin-1": (b"EAAB\xe9", "is not UTF-8 text"),
    "UTF-16": (TOKEN.encode("utf-16"), "is not UTF-8 text"),
    "empty": (b" \n", "is empty"),
    "missing": (None, "cannot be read: No such file"),
}


@pytest.mark.parametrize("kind", [*FILES, "folder"])
@pytest.mark.parametrize("name", ["META_ACCESS_TOKEN", "META_APP_SECRET", "DATABASE_URL"])
def test_a_file_that_gives_no_secret_is_named_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, kind: str
) -> None:
    path, (content, said) = str(tmp_path / "secret"), FILES.get(kind, (None, "cannot be read"))
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    if kind == "folder":
        path = str(tmp_path)
    monkeypatch.setenv(f"{name}_FILE", path)
    with pytest.raises(SettingsError) as raised:
        Settings.load()
    assert f"{name}_FILE points to {path}, which {said}" in str(raised.value)


PASTED = st.one_of(
    st.sampled_from([
        TOKEN,
        "0123456789abcdef0123456789abcdef",
        "x" * 5000,
        "postgresql://meta:geheim@db.example.com:5432/ads",
        "redis://:geheim@redis:6379/0",
        "https://hooks.slack.com/services/T000/B000/geheim",
        "k1:4bJp/+8vSx3hCq==",
        "/4bJp+8vSx3hCq==",
    ]),
    # What an environment cannot hold is not pasted into one: NUL, half of a surrogate pair.
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=12),
)  # fmt: skip


@given(value=PASTED, name=st.sampled_from([*sorted(secret_names()), "DAGSTER_PG_URL", *FROM_FILES]))
def test_a_secret_that_stands_where_its_files_path_belongs_is_not_repeated(
    value: str, name: str
) -> None:
    assume(not re.fullmatch(r"(/[\w.@ -]+){2,}", value))
    with pytest.raises(SettingsError) as raised:
        content_of(f"{name}_FILE", value)
    assert str(raised.value) == (
        f"{name}_FILE is not the path of a file. The value itself goes into {name}."
    )


@pytest.mark.parametrize("field", Settings.model_fields)
def test_a_setting_has_one_name_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, field: str
) -> None:
    """Else what looks for it by that name, to refuse it or to keep it from runs, misses it."""
    monkeypatch.chdir(tmp_path)
    alias = Settings.model_fields[field].validation_alias
    assert isinstance(alias, AliasChoices)
    variable = str(alias.choices[0])
    monkeypatch.delenv(variable, raising=False)
    others = {field, field.upper(), variable.lower(), variable.title(), variable.swapcase()}
    for name in others - {variable}:
        (tmp_path / ".env").write_text(f"{name}=nonsense\n")
        monkeypatch.setenv(name, "nonsense")
        assert getattr(Settings.load(), field) == Settings.model_fields[field].default


def test_an_env_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"META_APP_ID=\xe9\n")
    with pytest.raises(SettingsError, match=r"\.env is not UTF-8 text"):
        Settings.load()


def test_an_env_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfMETA_ACCESS_TOKEN=" + TOKEN.encode())
    assert Settings.load().require_token() == TOKEN


@pytest.mark.parametrize(
    ("given_url", "origin"),
    [
        ("https://graph.facebook.com", "https://graph.facebook.com"),
        ("https://graph.facebook.com/", "https://graph.facebook.com"),
        ("https://Graph.Facebook.com/v26.0/", "https://graph.facebook.com"),
        ("https://graph.facebook.com/v26.0", "https://graph.facebook.com"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://localhost:8765/", "http://localhost:8765"),
        ("http://[::1]:8765", "http://[::1]:8765"),
    ],
)
def test_meta_and_this_machine_get_the_token(
    monkeypatch: pytest.MonkeyPatch, given_url: str, origin: str
) -> None:
    monkeypatch.setenv("META_GRAPH_URL", given_url)
    assert Settings.load().graph_url == origin


WRONG_URLS = {
    "http://graph.facebook.com": "unencrypted",
    "https://graph.facebook.com.evil.example": "neither Meta's",
    "https://evil.example": "neither Meta's",
    "http://10.0.0.7:8765": "neither Meta's",
    "http://127.0.0.1.evil.example": "neither Meta's",
    "http://127.1": "neither Meta's",
    "https://graph.facebook.com\\@evil.example": "is not a URL|user or password",
    "https://graph.facebook.com:443@evil.example": "user or password",
    "https://user:Secr3tPw@graph.facebook.com": "user or password",
    "https://graph.facebook.com/v25.0": "ends in v25.0, but META_API_VERSION is v26.0",
    "https://graph.facebook.com/act_1": "it has a path",
    "https://graph.facebook.com/v26.0/act_1": "it has a path",
    "https://graph.facebook.com?access_token=Secr3tPw": "a host alone",
    "https://graph.facebook.com#Secr3tPw": "a host alone",
    "https://[::1": "is not a URL",
    "https://graph.facebook.com:port": "is not a URL",
    "https://graph.facebook.com:99999": "is not a URL",
    "https://a..b": "is not a URL",
    "https://a b": "is not a URL",
    "ftp://graph.facebook.com": "is not a URL",
    "https://": "is not a URL",
    "graph.facebook.com": "is not a URL",
}


@pytest.mark.parametrize("url", WRONG_URLS)
@pytest.mark.parametrize("by_file", [False, True])
def test_nobody_else_gets_the_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, by_file: bool
) -> None:
    """Whoever wrote the `.env` in the working directory must not learn the environment's token."""
    if by_file:
        (tmp_path / ".env").write_text(f"META_GRAPH_URL='{url}'\n")
    else:
        monkeypatch.setenv("META_GRAPH_URL", url)
    with pytest.raises(SettingsError, match=f"META_GRAPH_URL .*({WRONG_URLS[url]})") as raised:
        Settings.load()
    assert "Secr3tPw" not in str(raised.value)


def test_the_environment_may_name_one_more_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("META_TRUSTED_GRAPH_URL", "http://simulator:8765")
    for allowed in ("http://simulator:8765", "http://simulator:8765/"):
        monkeypatch.setenv("META_GRAPH_URL", allowed)
        assert Settings.load().graph_url == "http://simulator:8765"
    for other in ("http://simulator:8766", "https://simulator:8765", "http://simulator.x:8765"):
        monkeypatch.setenv("META_GRAPH_URL", other)
        with pytest.raises(SettingsError, match="neither Meta's"):
            Settings.load()


@pytest.mark.parametrize(
    "spelled",
    ["meta_trusted_graph_url", "Meta_Trusted_Graph_Url", "trusted_graph_url", "TRUSTED_GRAPH_URL"],
)
def test_a_file_in_the_working_directory_may_not_in_another_spelling(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spelled: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"META_GRAPH_URL=http://evil.example\n{spelled}=http://evil.example\n"
    (tmp_path / ".env").write_text(text)
    with pytest.raises(SettingsError, match=r"evil\.example, which is neither Meta's"):
        Settings.load()


def test_an_env_file_that_a_password_manager_serves_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / ".env"
    os.mkfifo(pipe)
    writing = Thread(target=pipe.write_text, args=("META_APP_ID=12\n",), daemon=True)
    writing.start()
    assert Settings.load(pipe).app_id == "12"
    writing.join(10)


@pytest.mark.parametrize("exported", [False, True])
def test_a_file_in_the_working_directory_may_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, exported: bool
) -> None:
    text = "META_GRAPH_URL=http://evil.example\nMETA_TRUSTED_GRAPH_URL=http://evil.example\n"
    (tmp_path / ".env").write_text(text)
    if exported:  # as dagster does before it loads our code
        monkeypatch.setenv("META_TRUSTED_GRAPH_URL", "http://evil.example")
    with pytest.raises(SettingsError, match=r"META_TRUSTED_GRAPH_URL stands in .*\.env"):
        Settings.load()


HEAD, TAIL = "Secr3t", "Tail9x"
ODD_TEXT = st.text(
    st.sampled_from("/#?%@[]: \"'\\=&+|(){}$!*;,<>^`~äß密🎉\t") | st.characters(codec="utf-8"),
    max_size=6,
)
# What ends a value that nobody quoted, wherever it stands.
UNQUOTED = ODD_TEXT.filter(lambda text: not re.search(r"[\s\"'<>&\\]", text))
SPELLED = {
    "a query": "https://x/y?{name}={quoted}&z=1",
    "a form in a query": "next=https%3A%2F%2Fx%3F{name}%3D{quoted}%26z",
    "libpq's words": "host=h {name}='{escaped}' port=1",
    "JSON": "answered {json} and ended",
    "JSON in JSON": "answered {twice} and ended",
    "JSON in JSON in JSON": "answered {thrice} and ended",
    "a dict": "called with {dict}",
}


@example(odd='"', name="META_ACCESS_TOKEN", spelled=SPELLED["JSON in JSON"])
@example(odd="", name="sig", spelled=SPELLED["a form in a query"])
@given(
    odd=ODD_TEXT,
    name=st.sampled_from(
        [
            *sorted(secret_names() - {"DATABASE_URL"}),
            *(
                "access_token",
                "appsecret_proof",
                "client_secret",
                "token",
                "password",
                "PGPASSWORD",
            ),
            *("sslpassword", "oauth_client_secret", "scram_client_key", "aws_secret_access_key"),
            *("aws_session_token", "AccountKey", "sig", "code_verifier", "verify_token"),
        ]
    ),
    spelled=st.sampled_from(list(SPELLED.values())),
)
def test_a_secret_is_hidden_by_its_name_however_it_is_written(
    odd: str, name: str, spelled: str
) -> None:
    value = f"{HEAD}{odd}{TAIL}"
    as_json = json.dumps({"a": 1, name: value, "z": "kept"})
    text = spelled.format(
        name=name,
        quoted=quote(value, safe=""),
        escaped=value.replace("\\", "\\\\").replace("'", "\\'"),
        json=as_json,
        twice=json.dumps({"body": as_json}),
        thrice=json.dumps({"body": json.dumps({"body": as_json})}),
        dict={"a": 1, name: value, "z": "kept"},
    )
    told = redact(text)
    assert HEAD not in told
    assert TAIL not in told
    assert told.startswith(text[:8])


@given(odd=UNQUOTED, name=st.sampled_from(sorted(secret_names() - {"DATABASE_URL"})))
def test_a_secret_is_hidden_in_a_line_of_an_environment(odd: str, name: str) -> None:
    assert redact(f"A=1 {name}={HEAD}{odd}{TAIL} B=2") == f"A=1 {name}=[redacted] B=2"


@given(
    odd=UNQUOTED,
    scheme=st.sampled_from(["postgresql", "postgresql+psycopg2", "redis", "amqp", "https", "smtp"]),
    user=st.sampled_from(["", "meta", "a.b-c"]),
    place=st.sampled_from(["h", "h:1/db", "[::1]:1/db", "h1:1,h2:1/db?sslmode=disable", "/db"]),
    is_quoted=st.booleans(),
)
def test_a_password_in_an_address_is_hidden_also_where_it_was_never_quoted(
    odd: str, scheme: str, user: str, place: str, is_quoted: bool
) -> None:
    password = f"{HEAD}{odd}{TAIL}"
    password = quote(password, safe="") if is_quoted else password
    told = redact(f"no answer of {scheme}://{user}:{password}@{place} in time")
    assert HEAD not in told
    assert TAIL not in told
    assert told.startswith(f"no answer of {scheme}://{user}:[redacted]")


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8350/enter?next=/x",
        "http://localhost:8080/x?email=a@b.example",
        "h1:5432,h2:5432 and a@b.example",
        "the token of connection conn_1 (Agency) has 3 days left; token_key 0123456789abcdef",
        "password authentication failed for user meta",
        "sync_runs.error_summary, state=running&code=4",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redact(text) == text


@given(path=st.text("abcdefXYZ0123456789/_-", min_size=8, max_size=60))
def test_the_path_of_an_incoming_webhook_is_hidden(path: str) -> None:
    assume(path.strip("/"))
    for host in ("hooks.slack.com", "acme.webhook.office.com", "discord.com/api/webhooks"):
        assert redact(f"POST https://{host}/{path} failed").endswith(f"{host}/[redacted] failed")


HOSTS = st.one_of(
    st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True),
    st.sampled_from(["graph.facebook.com", "127.0.0.1", "localhost", "[::1]"]),
    st.builds("graph.facebook.com{}".format, st.text("abc.@:/\\?#%", max_size=8)),
    st.builds("localhost{}".format, st.text("abc.@:/\\?#%", max_size=8)),
)  # fmt: skip


@given(scheme=st.sampled_from(["http", "https", "HTTPS", "ftp", ""]), host=HOSTS)
def test_no_spelling_leads_anywhere_else(scheme: str, host: str) -> None:
    """What is let through is read by `requests` as Meta's host, encrypted, or as this machine."""
    try:
        origin = checked_graph_url(f"{scheme}://{host}")
    except ValueError:
        return
    prepared = requests.Request("GET", f"{origin}/v26.0/me").prepare()
    where = urlsplit(str(prepared.url))
    is_meta = where.hostname == "graph.facebook.com" and where.scheme == "https"
    assert is_meta or is_loopback(str(where.hostname))


ODD = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#\\"), min_size=12
)


@given(secret=ODD)
def test_a_webhooks_path_is_in_no_log_and_no_error(secret: str) -> None:
    """Slack's and Teams' addresses are their own passwords; DEBUG lines print the path."""
    secret += TAIL  # no word of ours
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with pytest.raises(DeliveryFailed) as raised:
            Webhook(f"http://127.0.0.1:1/services/{secret}").send(Message("s", (), 0, 0))
        guard_http_logging()
        log = logging.getLogger("urllib3.connectionpool")
        log.debug(
            '%s://%s:%s "%s %s %s" %s %s',
            "http",
            "h",
            1,
            "POST",
            f"/s/{secret}",
            "HTTP/1.1",
            200,
            2,
        )
        log.warning(
            "Retrying (%r) after connection broken by '%r': %s",
            1,
            OSError(f"/s/{secret}"),
            f"/s/{secret}",
        )
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert lines
    for text in (*lines, str(raised.value), repr(raised.value)):
        assert secret not in text


@given(token=TOKENS, path=st.sampled_from(["next", "previous"]))
def test_a_next_url_is_never_shown_with_its_token(token: str, path: str) -> None:
    token += TAIL  # no word of ours
    url = f"https:\\/\\/graph.facebook.com\\/v26.0\\/x?access_token={token}&after=MQZDZD"
    text = f'{{"{path}":"{url}"}}'
    assert token not in redact(text).replace("access_token", "")
