"""Whatever is wrong with one channel, the next one is told, and no secret is."""

from __future__ import annotations

import base64
import gzip
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meta_pipeline.alerts import (
    AlertStore,
    Channel,
    DeliveryFailed,
    Email,
    Log,
    Notifier,
    Webhook,
    channels_of,
)
from meta_pipeline.alerts import channels as channels_module
from meta_pipeline.alerts.message import Message
from meta_pipeline.alerts.notifier import _send
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.alerts.catchers import postbox
from meta_pipeline_tests.alerts.test_channels import MESSAGE
from meta_pipeline_tests.alerts.test_notifier import failing

SECRET = "S3CRET"
NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where each connection is answered with these bytes, then closed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(5)
                    try:
                        answer(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join()


def saying(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text)

    return answer


def huge(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 500 no\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(10_000):
        connection.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")


ANSWERS: dict[str, Callable[[socket.socket], None]] = {
    "closes at once": lambda connection: None,
    "no HTTP": saying(b"hello\r\n\r\n"),
    "half an answer": saying(b"HTTP/1.1 20"),
    "500": saying(b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n"),
    "status that is none": saying(b"HTTP/1.1 abc no\r\n\r\n"),
    "a moved address": saying(b"HTTP/1.1 302 go\r\nLocation: http://127.0.0.1:1/\r\n\r\n"),
    "moved nowhere": saying(b"HTTP/1.1 302 go\r\nLocation: http://[\xff\r\n\r\n"),
    "moved, with a bomb": saying(
        b"HTTP/1.1 307 go\r\nLocation: /\r\nContent-Encoding: gzip\r\n\r\n"
        + gzip.compress(b" " * 64_000_000)
    ),
    "a header without end": saying(b"HTTP/1.1 200 ok\r\nX: " + b"y" * 200_000),
    "a huge error": huge,
}


@pytest.mark.parametrize("name", list(ANSWERS))
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_webhook_that_answers_anything(name: str, scheme: str) -> None:
    with server(ANSWERS[name]) as port, pytest.raises(DeliveryFailed) as raised:
        Webhook(f"{scheme}://127.0.0.1:{port}/services/{SECRET}").send(MESSAGE)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        f"http://[::1/{SECRET}",
        f"http://127.0.0.1:99999/{SECRET}",
        f"http://{'a' * 70}.test/{SECRET}",
        f"http://xn--{SECRET.lower()}..test/",
        f"http://nowhere.invalid/{SECRET}",
        f"http://user:{SECRET}@127.0.0.1:1/",
        f"http://127.0.0.1:1/\x00{SECRET}",
        f"http://*/{SECRET}",
        f"gopher://127.0.0.1/{SECRET}",
        SECRET,
        "",
    ],
)
def test_a_malformed_address_is_a_failure_that_keeps_its_secret(url: str) -> None:
    with pytest.raises(DeliveryFailed) as raised:
        Webhook(url).send(MESSAGE)
    assert SECRET.lower() not in str(raised.value).lower() or "xn--" in url


@pytest.mark.parametrize(
    "url", [SECRET, f"hooks.slack.com/{SECRET}", "https://", f"http://[/{SECRET}"]
)
def test_a_setting_that_is_no_address_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match="META_ALERT_WEBHOOK_URL is not a URL") as raised:
        channels_of(Settings.load(env_file=None, alert_webhook_url=url))
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "is_taken"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("127.8.8.8:81", True),
     ("hooks.slack.com", False), ("10.0.0.5", False), ("127.0.0.1.evil.example", False),
     ("localhost@evil.example", False), ("[fe80::1]", False)],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "HTTP", "https"])
def test_a_webhook_in_the_clear_is_taken_for_this_machine_only(
    scheme: str, host: str, is_taken: bool
) -> None:
    settings = Settings.load(env_file=None, alert_webhook_url=f"{scheme}://{host}/{SECRET}")
    if is_taken or scheme == "https":
        (channel,) = channels_of(settings)
        assert isinstance(channel, Webhook)
        return
    with pytest.raises(SettingsError, match="META_ALERT_WEBHOOK_URL begins with http") as raised:
        channels_of(settings)
    assert SECRET not in str(raised.value)


# A mail server speaks first.
GREETINGS: dict[str, Callable[[socket.socket], None]] = {
    "closes at once": lambda connection: None,
    "no SMTP": lambda connection: connection.sendall(b"hello\r\n\r\n"),
    "a line without end": lambda connection: connection.sendall(b"220 " + b"y" * 200_000),
}


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@pytest.mark.parametrize("name", list(GREETINGS))
def test_a_mail_server_that_answers_anything(name: str, security: str) -> None:
    with server(GREETINGS[name]) as port, pytest.raises(DeliveryFailed) as raised:
        mail(port, user="me", password=SECRET, security=security).send(MESSAGE)
    assert SECRET not in str(raised.value)


def mail(port: int, **changes: Any) -> Email:
    given = {"sender": "etl@test", "recipients": ("a@test",), "security": "none", **changes}
    return Email("127.0.0.1", port, **given)


def endless(*lines: bytes) -> Callable[[socket.socket], None]:
    """The first line, and then the last one again and again, until the other side has enough."""

    def talk(connection: socket.socket) -> None:
        for line in lines[:-1]:
            connection.sendall(line)
            connection.recv(65_536)
        while True:
            connection.sendall(lines[-1] * 1_000)

    return talk


TALKERS: dict[str, tuple[Callable[[socket.socket], None], Callable[[int], Channel]]] = {
    "greeting": (endless(b"220-x\r\n"), mail),
    "hello": (endless(b"220 x\r\n", b"250-x\r\n"), mail),
    "encryption": (
        endless(b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220-x\r\n"),
        lambda port: mail(port, security="starttls"),
    ),
    "sender": (endless(b"220 x\r\n", b"250 x\r\n", b"250-x\r\n"), mail),
    "webhook": (
        endless(b"HTTP/1.1 100 Continue\r\n\r\n"),
        lambda port: Webhook(f"http://127.0.0.1:{port}/services/{SECRET}"),
    ),
}


@pytest.mark.parametrize("where", list(TALKERS))
def test_a_server_that_talks_without_end_is_heard_out_by_nobody(where: str) -> None:
    """Each read of a line comes in time: neither smtplib nor http.client would ever stop."""
    talk, channel = TALKERS[where]
    with server(talk) as port, pytest.raises(DeliveryFailed) as raised:
        channel(port).send(MESSAGE)
    assert "TooLarge" in str(raised.value)


@pytest.mark.parametrize("changes", [{"sender": "a\nb"}, {"recipients": ("ä@test", "\r\n")}])
def test_an_address_that_is_none_is_a_failure(changes: dict[str, Any]) -> None:
    with postbox() as caught, pytest.raises(DeliveryFailed):
        mail(caught.port, **changes).send(MESSAGE)


@pytest.mark.parametrize("password", ["pässwörd", "пароль", "密码", "a b\tc"])
def test_a_password_of_any_letters_logs_in(password: str) -> None:
    with postbox() as caught:
        mail(caught.port, user="ünsere", password=password).send(MESSAGE)
    assert base64.b64decode(caught.logins[0]).decode() == f"\0ünsere\0{password}"
    assert len(caught.mails) == 1


def test_half_a_letter_in_a_name_is_sent_all_the_same() -> None:
    broken = Message("meta_pipeline: \ud83d", MESSAGE.paragraphs, 1, 0)
    with postbox() as caught:
        with pytest.raises(DeliveryFailed):
            mail(caught.port, sender="\ud83d@test").send(broken)
        mail(caught.port).send(Message("x", broken.paragraphs, 1, 0))
    assert len(caught.mails) == 1


class Breaks:
    """A channel with a fault that nobody foresaw."""

    name = "breaks"

    def send(self, message: Message) -> None:
        raise ZeroDivisionError(SECRET)


BROKEN: list[Channel] = [
    Webhook(f"http://[::1/{SECRET}"),
    Email("127.0.0.1", 1, "a", ("b",), "ü", "пароль", "none"),
    Email("127.0.0.1", 99999, "a", ("b",), security="none"),
    Breaks(),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: type(one).__name__)
def test_the_next_channel_is_told(
    warehouse: Warehouse, broken: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    with warehouse.connection() as connection:
        AlertStore(connection).replace("accounts", [failing()], NOW)
    told = Notifier(warehouse.connection, [broken, Log()]).tell(NOW)
    assert {(one.channel, bool(one.error)) for one in told} == {(broken.name, True), ("log", False)}
    assert SECRET not in caplog.text
    with warehouse.connection() as connection:
        assert AlertStore(connection).channel(broken.name).failing_since == NOW


def test_half_a_configuration_does_not_silence_the_rest() -> None:
    found = channels_of(Settings.load(env_file=None, alert_email_to="a@test", alert_log=True))
    assert [one.name for one in found] == ["log", "email"]
    with pytest.raises(DeliveryFailed, match="META_ALERT_EMAIL_SERVER is not"):
        found[1].send(MESSAGE)


def test_a_server_that_never_ends_keeps_nobody_waiting() -> None:
    over = threading.Event()

    class Drips:
        name = "drips"

        def send(self, message: Message) -> None:
            over.wait()

    with pytest.raises(DeliveryFailed, match="not delivered within"):
        _send(Drips(), MESSAGE, seconds=0.05)
    over.set()
    assert channels_module.TIMEOUT_SECONDS < 60


class Taking:
    """A channel that takes so long, by the clock of a test; one that is silent takes nothing."""

    def __init__(self, name: str, seconds: float, clock: list[float], is_silent: bool) -> None:
        self.name, self.seconds, self.clock, self.is_silent = name, seconds, clock, is_silent
        self.sent = 0

    def send(self, message: Message) -> None:
        self.clock[0] += self.seconds
        if self.is_silent:
            raise DeliveryFailed("no answer")
        self.sent += 1


def three_taking(clock: list[float], seconds: float, silent: str = "") -> list[Taking]:
    return [Taking(one, seconds, clock, one == silent) for one in ("webhook", "email", "log")]


def test_a_round_is_over_in_time_and_says_who_was_not_told(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        AlertStore(connection).replace("accounts", [failing()], NOW)
    clock = [0.0]
    channels = three_taking(clock, 30)
    notifier = Notifier(warehouse.connection, channels, timer=lambda: clock[0])
    errors = Counter(one.error for one in notifier.tell(NOW, 50))
    assert errors == {None: 2, "not begun, too little time was left": 1}
    assert sum(one.sent for one in channels) == 2
    (told,) = notifier.tell(NOW, 50)
    assert told.error is None
    assert [one.sent for one in channels] == [1, 1, 1]


def test_a_channel_is_begun_only_with_the_time_that_a_slow_one_needs(warehouse: Warehouse) -> None:
    """Given up it would still arrive from its thread, and go again with each round."""
    with warehouse.connection() as connection:
        AlertStore(connection).replace("accounts", [failing()], NOW)
    clock = [0.0]
    channels = three_taking(clock, 5)
    notifier = Notifier(warehouse.connection, channels, timer=lambda: clock[0])
    for told in (1, 2, 3):
        errors = [one.error for one in notifier.tell(NOW, 12) if one.error]
        assert errors == ["not begun, too little time was left"] * (3 - told)
        assert sum(one.sent for one in channels) == told
    assert notifier.tell(NOW, 12) == []


@pytest.mark.parametrize("silent", ["webhook", "email", "log"])
def test_one_that_is_silent_does_not_keep_short_rounds_from_the_others(
    warehouse: Warehouse, silent: str
) -> None:
    with warehouse.connection() as connection:
        AlertStore(connection).replace("accounts", [failing()], NOW)
    clock = [0.0]
    channels = three_taking(clock, 10, silent)
    notifier = Notifier(warehouse.connection, channels, timer=lambda: clock[0])
    for minute in range(10):
        notifier.tell(NOW + timedelta(minutes=minute), 12)
    assert {one.name: one.sent for one in channels} == {
        one.name: int(one.name != silent) for one in channels
    }


def test_a_silent_channel_has_its_share_of_the_round(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        AlertStore(connection).replace("accounts", [failing()], NOW)
    over = threading.Event()

    class Silent:
        name = "silent"

        def send(self, message: Message) -> None:
            over.wait()

    # All but a moment was over when it was its turn.
    times = iter([0.0, 49.9, 49.9])
    notifier = Notifier(
        warehouse.connection,
        [Silent(), Log()],
        timer=lambda: next(times),
        least_seconds=0.01,
    )
    told = notifier.tell(NOW, 50)
    over.set()
    assert {one.channel: one.error for one in told} == {
        "silent": "not delivered within 0 s",
        "log": None,
    }
