"""Each channel delivers what it should, and its secret appears in no error."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from meta_pipeline.advice.advice import ads_manager_url
from meta_pipeline.alerts import (
    Alert,
    ConditionKind,
    DeliveryFailed,
    Email,
    Log,
    Webhook,
    channels_of,
    compose,
)
from meta_pipeline.alerts.channels import _slack, _teams
from meta_pipeline.alerts.message import Message, Paragraph
from meta_pipeline.printable import one_line
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline_tests.alerts.catchers import hook, postbox

MESSAGE = Message(
    "meta_pipeline: 1 new problem",
    (
        Paragraph(
            "🔴 Sync failing: <!channel> Óbuda & Söhne (act_1)",
            ("Since then", "What to do: x"),
            "http://dagster.test/runs/1",
        ),
    ),
    1,
    0,
)

ALERT = Alert(
    alert_key="account:act_1",
    source="accounts",
    kind=ConditionKind.FAILING,
    account_id="act_1",
    subject="Shop",
    grade=2,
    cause="no",
    what_to_do="Look.",
    link="/assets/meta/insights",
    opened_at=datetime(2026, 11, 20, tzinfo=UTC),
    resolved_at=None,
)


def settings(**values: object) -> Settings:
    return Settings.load(env_file=None, **values)


def test_slack_text_cannot_be_abused_by_an_account_name() -> None:
    with hook() as caught:
        Webhook(caught.url).send(MESSAGE)
    (text,) = caught.texts
    assert "&lt;!channel&gt; Óbuda &amp; Söhne" in text
    assert "<http://dagster.test/runs/1|Open in Dagster>" in text


def test_teams_gets_an_adaptive_card() -> None:
    card = _teams(MESSAGE)["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard"
    texts = [block["text"] for block in card["body"]]
    assert texts[0] == MESSAGE.subject
    assert "[Open in Dagster](http://dagster.test/runs/1)" in texts


def test_nothing_of_a_name_is_markup_in_a_card() -> None:
    hostile = "[pay](http://evil.example) **now** <at>all</at>"
    message = Message("1 new problem", (Paragraph(hostile, (hostile,), None),), 1, 0)
    texts = [one["text"] for one in _teams(message)["attachments"][0]["content"]["body"]]
    for text in texts[1:]:
        assert text.startswith("\\[pay\\](http\u2060://evil.example) \\*\\*now\\*\\* \\<at\\>")


@pytest.mark.parametrize(
    "odd", ["1)[pay](http://evil.example", "1|x> <!channel> <http://evil", "1 \n\ud83d"]
)
def test_an_id_cannot_end_the_link_it_stands_in(odd: str) -> None:
    """Advice links to what it is about by id, and an id is whatever Meta sent."""
    address = ads_manager_url("act_1", "ad", odd)
    message = Message("x", (Paragraph("t", (), address, "Open"),), 1, 0)
    *_, block = _teams(message)["attachments"][0]["content"]["body"]
    *_, line = str(_slack(message)["text"]).splitlines()
    for text, end in ((block["text"].removeprefix("[Open]("), ")"), (line[1:], "|Open>")):
        assert text.endswith(end)
        assert not set("()<>| \n") & set(text.removesuffix(end))
        assert unquote(text.removesuffix(end), errors="surrogatepass").startswith(address[:60])


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refused_webhook_is_a_failure_that_keeps_its_secret(status: int) -> None:
    with hook() as caught:
        caught.status = status
        with pytest.raises(DeliveryFailed) as raised:
            Webhook(caught.url).send(MESSAGE)
    assert str(raised.value) == f"127.0.0.1 answered HTTP {status}"
    assert "S3CRET" not in repr(Webhook(caught.url))


@pytest.mark.parametrize(
    "body",
    [
        b"Webhook message delivery failed: Microsoft Teams endpoint returned HTTP error 429 with x",
        b"x" * 100 + b" endpoint returned HTTP error 413 " + b"y" * 1_000_000,
    ],
)
def test_a_message_that_teams_refused_is_not_delivered(body: bytes) -> None:
    with hook() as caught:
        caught.body = body
        with pytest.raises(DeliveryFailed, match="answered HTTP 200, and that Teams refused it"):
            Webhook(caught.url).send(MESSAGE)


@pytest.mark.parametrize("body", [b"", b"ok", b"1", b"\xff" * 2_000_000])
def test_whatever_else_a_webhook_says_is_no_matter(body: bytes) -> None:
    with hook() as caught:
        caught.body = body
        Webhook(caught.url).send(MESSAGE)
    assert len(caught.posted) == 1


@pytest.mark.parametrize(
    "odd", ["a\nb", "a\r\nBcc: x@evil.test\r\n\r\nb", "\x1b[2Ja", "a\u202eb", "\ud83d", "a\x00b"]
)
def test_no_line_of_a_message_is_two_and_none_a_header(
    odd: str, caplog: pytest.LogCaptureFixture
) -> None:
    message = Message(odd, (Paragraph(odd, (odd, odd), f"http://d.test/{odd}"),), 1, 0)
    with postbox() as caught:
        Email("127.0.0.1", caught.port, "etl@test", ("a@test",), security="none").send(message)
    (mail,) = caught.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == one_line(odd)
    assert mail.get_content().rstrip().count("\n") == 3
    with caplog.at_level(logging.WARNING, logger="meta_pipeline.alerts"):
        Log().send(message)
    (record,) = caplog.records
    assert record.getMessage().count("\n") == 4


@pytest.mark.parametrize("letter", ["x", "*", "店", "👩", "\x00", "\ud83d"])
def test_teams_takes_a_message_however_long_the_names_are(letter: str) -> None:
    """It takes 28 KB, and what it refused once it would refuse in every round."""
    alerts = [
        replace(ALERT, alert_key=f"account:act_{n}", subject=letter * 9_999, cause=letter * n)
        for n in range(1, 40)
    ]
    message = compose(alerts, [], still_open=0, now=ALERT.opened_at, ui_url="http://d.test")
    assert len(json.dumps(_teams(message))) < 28_000
    long = Message("x", (Paragraph(letter * 99_999, (), None),) * 3, 3, 0)
    assert len(json.dumps(_teams(long))) < 28_000


def test_nobody_listening_is_a_failure_that_keeps_its_secret() -> None:
    with hook() as caught:
        pass
    with pytest.raises(DeliveryFailed) as raised:
        Webhook(caught.url).send(MESSAGE)
    assert "did not answer (ConnectionError)" in str(raised.value)
    assert "S3CRET" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_mail_says_it_all_and_logs_in() -> None:
    with postbox() as caught:
        Email(
            "127.0.0.1", caught.port, "etl@test", ("a@test", "b@test"), "me", "S3CRET", "none"
        ).send(MESSAGE)
    (mail,) = caught.mails
    assert caught.recipients == ["a@test", "b@test"]
    assert mail["Subject"] == MESSAGE.subject
    assert mail["Auto-Submitted"] == "auto-generated"
    body = mail.get_content()
    assert "<!channel> Óbuda & Söhne" in body
    assert "http://dagster.test/runs/1" in body
    assert base64.b64decode(caught.logins[0]) == b"\0me\0S3CRET"


def test_a_refused_mail_is_a_failure_that_quotes_nothing() -> None:
    with postbox() as caught:
        caught.refuse = ("@",)
        email = Email("127.0.0.1", caught.port, "etl@test", ("a@test",), security="none")
        with pytest.raises(DeliveryFailed) as raised:
            email.send(MESSAGE)
    assert "SMTPRecipientsRefused" in str(raised.value)
    assert "S3CRET" not in str(raised.value)
    assert caught.mails == []


def test_one_who_is_refused_keeps_the_mail_from_nobody_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with postbox() as caught:
        caught.refuse = ("gone@",)
        Email("127.0.0.1", caught.port, "etl@test", ("a@test", "gone@test"), security="none").send(
            MESSAGE
        )
    assert len(caught.mails) == 1
    assert "refused gone@test" in caplog.text
    assert "S3CRET" not in caplog.text


@pytest.mark.parametrize("goodbye", ["250 ok", "421 too busy", "500 what", "", "x"])
def test_a_mail_that_was_taken_is_delivered_whatever_the_server_says_then(goodbye: str) -> None:
    """Else it would be sent again in every round."""
    with postbox() as caught:
        caught.goodbye = goodbye
        Email("127.0.0.1", caught.port, "etl@test", ("a@test",), security="none").send(MESSAGE)
    assert len(caught.mails) == 1


def test_a_server_without_tls_gets_no_password() -> None:
    with postbox() as caught:
        email = Email("127.0.0.1", caught.port, "etl@test", ("a@test",), "me", "S3CRET")
        with pytest.raises(DeliveryFailed, match="SMTPNotSupportedError"):
            email.send(MESSAGE)
    assert caught.logins == []


def test_the_log_has_the_whole_message(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="meta_pipeline.alerts"):
        Log().send(MESSAGE)
    assert "1 new problem" in caplog.text
    assert "What to do: x" in caplog.text


def test_alerts_are_off_until_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("META_ALERT_WEBHOOK_URL", "META_ALERT_EMAIL_TO", "META_ALERT_LOG"):
        monkeypatch.delenv(name, raising=False)
    assert channels_of(settings()) == []


def test_all_channels_from_the_settings() -> None:
    found = channels_of(
        settings(
            alert_webhook_url="https://hooks.slack.com/services/T/B/S3CRET",
            alert_email_to="a@test, b@test",
            alert_email_server="mail.test",
            alert_email_password="S3CRET",
            alert_log=True,
        )
    )
    assert [channel.name for channel in found] == ["webhook", "email", "log"]
    email = found[1]
    assert isinstance(email, Email)
    assert (email.server, email.port, email.sender) == ("mail.test", 587, "a@test")
    assert email.recipients == ("a@test", "b@test")
    assert "S3CRET" not in repr(found)


@pytest.mark.parametrize(
    ("server", "said"), [("", "META_ALERT_EMAIL_SERVER is not"), ("mail:smtp", "smtp.example.com")]
)
def test_half_a_mail_configuration_is_named(server: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        channels_of(settings(alert_email_to="a@test", alert_email_server=server))
