"""The dashboards of deploy/grafana, and their queries as Grafana sends them."""

from __future__ import annotations

import json
import re
from pathlib import Path

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
DASHBOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}


def filled(query: str, since: str, until: str, account: str = "", campaigns: str = "NULL") -> str:
    """A query as Grafana sends it: macros and variables replaced."""
    query = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN '{since}' AND '{until}'", query)
    query = query.replace("$__timeFrom()", f"'{since}'").replace("$__timeTo()", f"'{until}'")
    query = query.replace("$account", account).replace("$campaign", campaigns)
    assert "$" not in query, query
    return query
