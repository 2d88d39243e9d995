"""What the installed SDK knows of insights, as `custom_reports/insights.json` keeps it.

`python -m meta_pipeline_tests.custom_reports.sdk` writes the file anew after an update of the SDK.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from facebook_business.adobjects.adsinsights import AdsInsights
from facebook_business.apiconfig import ads_api_config

import meta_pipeline.custom_reports

FILE = Path(meta_pipeline.custom_reports.__path__[0]) / "insights.json"


def of_sdk() -> dict[str, Any]:
    """Version, types of fields, and the values of the three enums."""
    return {
        "version": ads_api_config["API_VERSION"],
        "fields": dict(AdsInsights._field_types),
        "breakdowns": _values(AdsInsights.Breakdowns),
        "action_breakdowns": _values(AdsInsights.ActionBreakdowns),
        "attribution_windows": _values(AdsInsights.ActionAttributionWindows),
    }


def _values(enum: type) -> list[str]:
    return sorted(value for name, value in vars(enum).items() if not name.startswith("_"))


if __name__ == "__main__":
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    FILE.write_bytes(orjson.dumps(of_sdk(), option=options))
