"""`check` names the channel of alerts that can tell nobody, without its address."""

from __future__ import annotations

import pytest

from meta_pipeline.commands.check.channels import channel_findings
from meta_pipeline.settings import Settings


@pytest.mark.parametrize("log", [False, True], ids=["alone", "beside another"])
def test_a_webhook_without_tls_is_named(log: bool) -> None:
    settings = Settings.load(
        env_file=None, alert_webhook_url="http://chat.example.com/S3CRET", alert_log=log
    )
    (found,) = channel_findings(settings)
    assert not found.ok
    assert "META_ALERT_WEBHOOK_URL begins with http://" in found.text
    assert "S3CRET" not in repr(found)


def test_channels_that_can_be_used_are_no_finding() -> None:
    for url in (None, "https://hooks.slack.com/services/S3CRET", "http://127.0.0.1:8065/hooks/x"):
        settings = Settings.load(env_file=None, alert_webhook_url=url, alert_log=True)
        assert list(channel_findings(settings)) == []
