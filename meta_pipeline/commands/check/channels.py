"""What `meta-pipeline check` says of the channels of alerts: which of them can tell nobody."""

from collections.abc import Iterator

from meta_pipeline.settings import Settings, SettingsError

from .finding import CheckFinding


def channel_findings(settings: Settings) -> Iterator[CheckFinding]:
    """A finding for each channel that is named and cannot be used; none of those that can."""
    from meta_pipeline.alerts.channels import (  # only who checks waits for it
        MisconfiguredChannel,
        channels_of,
    )

    try:
        channels = channels_of(settings)
    except SettingsError as error:
        yield CheckFinding("Alerts", "channel", ok=False, text=str(error))
        return
    for one in channels:
        if isinstance(one, MisconfiguredChannel):
            yield CheckFinding("Alerts", one.name, ok=False, text=one.reason)
