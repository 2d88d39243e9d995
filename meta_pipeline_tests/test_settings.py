from __future__ import annotations

from pathlib import Path

import pytest

from meta_pipeline.settings import META_GRAPH_URL, Settings, SettingsError


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields.values():
        name = str(field.validation_alias.choices[0])  # type: ignore[union-attr]
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_metas_own_host_and_the_living_version() -> None:
    settings = Settings.load()
    assert settings.graph_url == META_GRAPH_URL
    assert settings.api_version == "v26.0"
    assert not settings.is_simulated


def test_a_missing_token_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load().require_token()
    message = str(raised.value)
    assert "META_ACCESS_TOKEN is not set" in message
    assert "META_ACCESS_TOKEN_FILE" in message
    assert str(tmp_path / ".env") in message


def test_the_environment_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("META_BACKFILL_DAYS=10\nMETA_ACCESS_TOKEN=from-file\n")
    monkeypatch.setenv("META_BACKFILL_DAYS", "20")
    settings = Settings.load()
    assert settings.backfill_days == 20
    assert settings.require_token() == "from-file"


@pytest.mark.parametrize("quote", ["", "'", '"'])
@pytest.mark.parametrize("form", ["${NAME}", "$NAME", "${NAME:-x}", "${OTHER:-${NAME}}"])
def test_no_variable_is_put_into_what_env_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str, quote: str
) -> None:
    monkeypatch.setenv("META_ACCESS_TOKEN", "canary-token")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-another")
    for name in ("META_ACCESS_TOKEN", "AWS_SECRET_ACCESS_KEY", "WRITTEN_ABOVE"):
        planted = form.replace("NAME", name)
        values = {
            "DATABASE_URL": f"postgresql://u:{planted}@evil.example/{planted}",
            "META_ALERT_WEBHOOK_URL": f"https://evil.example/{planted}",
            "META_ALERT_EMAIL_SERVER": f"{planted}.evil.example:25",
        }
        lines = [f"{variable}={quote}{value}{quote}\n" for variable, value in values.items()]
        (tmp_path / ".env").write_text("WRITTEN_ABOVE=canary-above\n" + "".join(lines))
        settings = Settings.load()
        assert settings.require_token() == "canary-token"
        assert settings.require_database_url() == values["DATABASE_URL"]
        assert settings.alert_webhook_url is not None
        assert settings.alert_webhook_url.get_secret_value() == values["META_ALERT_WEBHOOK_URL"]
        assert settings.alert_email_server == values["META_ALERT_EMAIL_SERVER"]


def test_a_secret_may_come_as_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("T0PSECRET\n")
    monkeypatch.setenv("META_ACCESS_TOKEN_FILE", str(secret))
    assert Settings.load().require_token() == "T0PSECRET"


def test_a_value_in_a_file_may_begin_with_a_byte_order_mark(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text("act_1,act_2\r\n", encoding="utf-8-sig")
    monkeypatch.setenv("META_INCLUDE_ACCOUNTS_FILE", str(accounts))
    assert Settings.load().included == {"act_1", "act_2"}


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_ACCESS_TOKEN_FILE", "/nowhere/token")
    with pytest.raises(SettingsError, match="META_ACCESS_TOKEN_FILE points to /nowhere/token"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("META_BACKFILL_DAYS", "many"),
        ("META_BACKFILL_DAYS", "0"),
        ("META_API_VERSION", "26"),
        ("META_GRAPH_URL", "graph.facebook.com"),
        ("META_RESTATEMENT", "daily"),
        ("META_INSIGHTS_LEVELS", "ads"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        Settings.load()


def test_an_empty_setting_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_BACKFILL_DAYS", "")
    monkeypatch.setenv("DATABASE_URL", "")
    settings = Settings.load()
    assert settings.backfill_days == 90
    assert settings.database_url is None


def test_secrets_show_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_ACCESS_TOKEN", "T0PSECRET")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:PASSW0RD@db/x")
    monkeypatch.setenv("META_RESTATEMENT", "T0PSECRET")
    with pytest.raises(SettingsError) as raised:
        Settings.load()
    assert "T0PSECRET" not in str(raised.value)
    monkeypatch.delenv("META_RESTATEMENT")
    shown = repr(Settings.load()) + str(Settings.load().model_dump())
    assert "T0PSECRET" not in shown
    assert "PASSW0RD" not in shown


def test_extras_are_off_until_somebody_wants_them() -> None:
    settings = Settings.load()
    assert not settings.creative_accounts
    assert not settings.activity_accounts
    assert not settings.hourly_accounts
    assert not settings.breakdown_accounts
    assert "act_1" not in settings.breakdown_accounts, "all, but of no table"


def test_thresholds_of_advice_are_the_shipped_ones_but_for_those_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shipped = Settings.load().advice_thresholds
    monkeypatch.setenv("META_ADVICE_THRESHOLDS", " e_value=40, quiet_days=14 ")
    chosen = Settings.load().advice_thresholds
    assert (chosen.e_value, chosen.quiet_days) == (40, 14)
    assert chosen.pair_conversions == shipped.pair_conversions
    for wrong in ("T0PSECRET", "nothing=1", "e_value=many", "target_probability=1"):
        monkeypatch.setenv("META_ADVICE_THRESHOLDS", wrong)
        with pytest.raises(SettingsError, match="META_ADVICE_THRESHOLDS is no list") as raised:
            Settings.load()
        assert "T0PSECRET" not in str(raised.value)


def test_extras_are_for_all_accounts_or_for_those_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_CREATIVES", "all")
    monkeypatch.setenv("META_HOURLY", " act_1, act_2 ")
    monkeypatch.setenv("META_BREAKDOWNS", "age,gender; country;")
    settings = Settings.load()
    assert "act_9" in settings.creative_accounts
    assert "act_2" in settings.hourly_accounts
    assert "act_9" not in settings.hourly_accounts
    assert settings.breakdowns == (("age", "gender"), ("country",))
    assert "act_9" in settings.breakdown_accounts


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("META_HOURLY", "1234", "is neither all nor a list of ad accounts"),
        ("META_CREATIVES", "all,act_1", "write all, or act_1,act_2, or nothing"),
        ("META_BREAKDOWN_ACCOUNTS", "everybody", "is neither all nor a list"),
        ("META_BREAKDOWNS", "age gender", "write age,gender for one table"),
        ("META_BREAKDOWNS", "age,,gender", "write age,gender for one table"),
        ("META_BREAKDOWNS", "age,age", "names a breakdown twice"),
        ("META_BREAKDOWNS", "hourly_stats_aggregated_by_advertiser_time_zone", "META_HOURLY keeps"),
    ],
)
def test_a_wrong_extra_is_named_with_what_it_may_be(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name} .*{said}"):
        Settings.load()


@pytest.mark.parametrize("name", ["7d_view", "28d_view"])
def test_an_attribution_window_that_meta_retired_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("META_ATTRIBUTION_WINDOWS", f"1d_click, {name}")
    with pytest.raises(SettingsError, match=f"META_ATTRIBUTION_WINDOWS names {name}.*2026-01-12"):
        Settings.load()


@pytest.mark.parametrize("name", ["web_url", "web_oidc_issuer", "dagster_ui_url"])
@pytest.mark.parametrize(
    "login",
    ["user:OPENSESAME@", ":OPENSESAME@", "OPENSESAME@", "u:OPENSESAME\u2100@", "OPENSESAME@["],
)
def test_an_address_that_is_shown_has_no_login(name: str, login: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(env_file=None, **{name: f"https://{login}ads.example.com/x"})
    assert "OPENSESAME" not in str(refused.value)
