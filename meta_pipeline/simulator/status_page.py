"""What goes on inside, as one JSON document and as one page to look at."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meta_pipeline.simulator.journal import Entry
    from meta_pipeline.simulator.simulator import Simulator

_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;
color:#1c1e21}
h1{font-size:1.35rem}h2{font-size:1.05rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:600}
th,td{padding:.25rem .6rem;border-bottom:1px solid #e4e6eb;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.note{background:#fff3cd;padding:.4rem .7rem;border-radius:.3rem}
.bad{color:#b3261e}.bar{background:#e4e6eb;width:8rem;height:.6rem;display:inline-block}
.bar i{background:#1877f2;height:100%;display:block}code{font-size:12px;overflow-wrap:anywhere}
"""


def status(sim: Simulator) -> dict[str, Any]:
    """Clock, accounts with their meters, faults and counts of answers."""
    return {
        "now": sim.now().isoformat(),
        "seed": sim.world.seed,
        "world_version": sim.world.version,
        "requests": sim.journal.total,
        "statuses": {str(code): count for code, count in sorted(sim.journal.statuses.items())},
        "reports": len(sim.reports),
        "faults": [str(rule) for rule in sim.faults],
        "accounts": [_account(sim, account) for account in sim.world.accounts()],
    }


def _account(sim: Simulator, account: Any) -> dict[str, Any]:
    counts = {
        kind: len(sim.world.objects(kind, account.id)) for kind in ("campaigns", "adsets", "ads")
    }
    return {
        "id": account.id,
        "name": account.values.get("name"),
        "currency": account.values.get("currency"),
        "timezone_name": account.values.get("timezone_name"),
        **counts,
        **sim.limits.meters(account.id),
    }


def html(sim: Simulator) -> str:
    """The status page; refreshes itself every five seconds."""
    found = status(sim)
    answers = ", ".join(f"{code}: {count}" for code, count in found["statuses"].items()) or "none"
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta http-equiv=refresh content=5><title>Simulated Graph API</title>"
        f"<style>{_STYLE}</style><h1>Simulated Graph API</h1>"
        "<p class=note>Nothing here is real: no request reaches Meta, no figure is spend.</p>"
        f"<p>{escape(found['now'])} · seed {found['seed']} · {found['requests']} requests "
        f"({escape(answers)}) · {found['reports']} report runs</p>"
        f"<h2>Accounts</h2>{_accounts(found['accounts'])}"
        f"<h2>Faults</h2>{_faults(found['faults'])}"
        f"<h2>Last requests</h2>{_requests(list(sim.journal)[-50:][::-1])}</html>"
    )


def _accounts(accounts: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(a['name']))}<br><code>{escape(a['id'])}</code>"
        f"<td>{escape(str(a['currency']))}<td>{escape(str(a['timezone_name']))}"
        f"<td class=n>{a['campaigns']}<td class=n>{a['adsets']}<td class=n>{a['ads']}"
        + "".join(f"<td>{_bar(_worst(case))}{_regain(case)}" for case in a["use_cases"])
        + f"<td>{_bar(a['insights_throttle']['acc_id_util_pct'])}"
        for a in accounts
    )
    return (
        "<table><tr><th>Account<th>Currency<th>Time zone<th>Campaigns<th>Ad sets<th>Ads"
        f"<th>ads_insights<th>ads_management<th>Insights throttle{rows}</table>"
    )


def _worst(case: dict[str, Any]) -> float:
    return float(max(case["call_count"], case["total_cputime"], case["total_time"]))


def _regain(case: dict[str, Any]) -> str:
    minutes = case["estimated_time_to_regain_access"]
    return f" <b class=bad>blocked {minutes} min</b>" if minutes else ""


def _bar(pct: float) -> str:
    return f"<span class=bar><i style='width:{min(100, pct):.0f}%'></i></span> {pct:g} %"


def _faults(rules: list[str]) -> str:
    if not rules:
        return "<p>None set up.</p>"
    return "<ul>" + "".join(f"<li>{escape(rule)}" for rule in rules) + "</ul>"


def _requests(entries: list[Entry]) -> str:
    rows = "".join(
        f"<tr><td class=n>{e.number}<td>{e.time:%H:%M:%S}<td>{escape(e.method)}"
        f"<td class='{'bad' if e.status >= 400 else ''}'>{e.status}"
        f"<td>{'' if e.code is None else e.code}<td class=n>{e.rows}<td class=n>{e.size_bytes}"
        f"<td>{escape(e.fault or e.flag or '')}<td>"
        f"<code>{escape(e.path)} {escape(_query(e))}</code>"
        for e in entries
    )
    return (
        "<table><tr><th>#<th>Time<th>Method<th>Status<th>Code<th>Rows<th>Bytes<th>Note"
        f"<th>Request{rows}</table>"
    )


def _query(entry: Entry) -> str:
    shown = {key: value for key, value in entry.params.items() if key != "access_token"}
    return " ".join(f"{key}={value}" for key, value in shown.items())[:300]
