"""What goes on inside, as one JSON document and as one page to look at."""

from __future__ import annotations

from html import escape
from typing import Any

from meta_pipeline.simulator.server.faults import FaultRule
from meta_pipeline.simulator.server.journal import Entry
from meta_pipeline.simulator.server.simulation import Simulation
from meta_pipeline.simulator.world.entities import Entity

_STYLE = """
:root{color-scheme:light dark;--line:#e4e6eb;--soft:#65676b;--bar:#1877f2;--warm:#b26a00;
--bad:#b3261e;--note:#fff3cd;--ink:#1c1e21;--page:#fff}
@media(prefers-color-scheme:dark){:root{--line:#3a3b3c;--soft:#a8abaf;--bar:#4599ff;--warm:#f0b354;
--bad:#ff8a80;--note:#4a3f16;--ink:#e4e6eb;--page:#18191a}}
body{font:14px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:80rem;padding:0 1rem;
color:var(--ink);background:var(--page)}
h1{font-size:1.35rem;margin:0 0 .75rem}h2{font-size:1.05rem;margin:1.75rem 0 .5rem}
p{margin:.5rem 0}.soft{color:var(--soft)}
.note{background:var(--note);padding:.4rem .7rem;border-radius:.3rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);text-align:left;
vertical-align:baseline;white-space:nowrap}
th{font-weight:600;color:var(--soft)}.n{text-align:right;font-variant-numeric:tabular-nums}
th.n,td.n{padding-right:1rem}td.long{white-space:normal;overflow-wrap:anywhere;min-width:12rem}
code{font-size:12px}.bad{color:var(--bad);font-weight:600}.warm{color:var(--warm)}
.bar{background:var(--line);width:5rem;height:.55rem;display:inline-block;border-radius:.3rem;
overflow:hidden;margin-right:.4rem}.bar i{background:var(--bar);height:100%;display:block}
.bar.warm i{background:var(--warm)}.bar.bad i{background:var(--bad)}
@media(max-width:48rem){.o{display:none}.bar{width:2.5rem}table{font-size:13px}
code{font-size:11px}td.long{min-width:9rem}}
"""
# account_status by number, as far as it keeps an account from delivering (FACTS §12).
_STATUSES = {2: "disabled", 3: "unsettled", 7: "in review", 8: "settlement pending", 9: "in grace",
             100: "closing", 101: "closed"}  # fmt: skip
_WARM_PCT, _FULL_PCT = 75, 100


def status(sim: Simulation) -> dict[str, Any]:
    """Clock, accounts with their meters, faults and counts of answers."""
    return {
        "now": sim.now().isoformat(),
        "seed": sim.world.seed,
        "world_version": sim.world.version,
        "requests": sim.journal.total,
        "statuses": {str(code): count for code, count in sorted(sim.journal.statuses.items())},
        "reports": len(sim.reports),
        "report_plans": [plan.outcome for plan in sim.reports.unused_plans()],
        "faults": [str(rule) for rule in sim.faults],
        "accounts": [
            {
                "id": account.id,
                "name": account.values.get("name"),
                "status": _standing(sim, account),
                "currency": account.values.get("currency"),
                "timezone_name": account.values.get("timezone_name"),
                **{
                    kind: len(sim.world.objects(kind, account.id))
                    for kind in ("campaigns", "adsets", "ads")
                },
                **sim.limits.meters(account.id),
            }
            for account in sim.world.accounts()
        ],
    }


def _standing(sim: Simulation, account: Entity) -> str | None:
    """What keeps an account from being read or delivering, in a word or two."""
    if not sim.world.spec(account.id).permitted:
        return "no permission"
    code: Any = account.values.get("account_status")
    return None if code == 1 else _STATUSES.get(code, f"account_status {code}")


def html(sim: Simulation) -> str:
    """The status page; refreshes itself every five seconds."""
    shown = status(sim)
    answers = ", ".join(f"{count} of {code}" for code, count in shown["statuses"].items())
    headline = (
        f"{sim.now():%Y-%m-%d %H:%M:%S} UTC",
        f"seed {sim.world.seed}",
        f"{shown['requests']:,} requests" + (f" ({answers})" if answers else ""),
        f"{shown['reports']} report runs",
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        "<meta http-equiv=refresh content=5><link rel=icon href='data:,'>"
        "<title>Simulated Graph API</title>"
        f"<style>{_STYLE}</style><h1>Simulated Graph API</h1>"
        "<p class=note>Nothing here is real: no request reaches Meta, no figure is spend.</p>"
        f"<p>{escape(' · '.join(headline))}</p>"
        f"<h2>Accounts</h2>{_accounts(shown['accounts'])}"
        f"<h2>Faults</h2>{_faults(list(sim.faults), shown['report_plans'])}"
        f"<h2>Last requests</h2>{_requests(list(sim.journal)[-50:][::-1])}"
        "<p class=soft>The same as JSON: <a href=/_sim/status>/_sim/status</a>, "
        "<a href=/_sim/journal>/_sim/journal</a>, <a href=/_sim/faults>/_sim/faults</a>.</p></html>"
    )


def _accounts(accounts: list[dict[str, Any]]) -> str:
    rows = ""
    for account in accounts:
        status = account["status"]
        alarm = f" <span class=bad>{escape(status)}</span>" if status else ""
        rows += (
            f"<tr><td>{escape(str(account['name']))}{alarm}<br>"
            f"<code class=soft>{escape(account['id'])}</code>"
            f"<td class=o>{escape(str(account['currency']))}"
            f"<td class=o>{escape(str(account['timezone_name']))}"
            f"<td class='n o'>{account['campaigns']}<td class='n o'>{account['adsets']}"
            f"<td class='n o'>{account['ads']}"
        )
        for case in account["use_cases"]:
            # One percentage for a reader: the meter that would refuse first.
            worst = max(case["call_count"], case["total_cputime"], case["total_time"])
            minutes = case["estimated_time_to_regain_access"]
            wait = f"<br><span class=bad>blocked {minutes} min</span>" if minutes else ""
            rows += f"<td>{_bar(worst)}{wait}"
        rows += f"<td class=o>{_bar(account['insights_throttle']['acc_id_util_pct'])}"
    return (
        "<div class=wide><table><tr><th>Account<th class=o>Currency<th class=o>Time zone"
        "<th class='n o'>Campaigns<th class='n o'>Ad sets<th class='n o'>Ads"
        f"<th>ads_insights<th>ads_management<th class=o>Insights throttle{rows}</table></div>"
    )


def _bar(pct: float) -> str:
    level = "bad" if pct >= _FULL_PCT else "warm" if pct >= _WARM_PCT else ""
    width = min(100, pct)
    return f"<span class='bar {level}'><i style='width:{width:.0f}%'></i></span>{pct:g}&nbsp;%"


def _faults(rules: list[FaultRule], plans: list[str]) -> str:
    planned = f"<p>Next report runs: {escape(', '.join(plans))}.</p>" if plans else ""
    if not rules:
        return f"<p class=soft>None set up.</p>{planned}"
    rows = "".join(
        f"<tr><td>{escape(rule.fault.name)}<td>{escape(f'{rule.method} {rule.path}')}"
        f"<td>{escape(rule.place)}<td class=o>{escape(rule.account_id or 'every account')}"
        f"<td class=n>{rule.seen}<td class=n>{rule.fired}"
        for rule in rules
    )
    return (
        "<div class=wide><table><tr><th>Fault<th>Requests<th>When<th class=o>Account"
        f"<th class=n>Seen<th class=n>Fired{rows}</table></div>{planned}"
    )


def _requests(entries: list[Entry]) -> str:
    if not entries:
        return "<p class=soft>None yet.</p>"
    rows = "".join(
        f"<tr><td class='n o'>{e.number}<td>{e.time:%H:%M:%S}<td>{escape(e.method)}"
        f"<td{' class=bad' if e.status >= 400 else ''}>{e.status}{' ' + e.error if e.error else ''}"
        f"<td class='n o'>{e.rows}<td class='n o'>{e.size_bytes:,}"
        f"<td class='warm o'>{escape(e.fault or e.flag or '')}"
        f"<td class=long><code>{escape(e.path)} "
        f"<span class=soft>{escape(e.query[:300])}</span></code>"
        for e in entries
    )
    return (
        "<div class=wide><table><tr><th class='n o'>#<th>Time<th>Method<th>Status"
        "<th class='n o'>Rows<th class='n o'>Bytes<th class=o>Note"
        f"<th>Request{rows}</table></div>"
    )
