"""`meta-pipeline advice`: what to do in an ad account, why, and how sure that is."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from meta_pipeline.commands.database import opened_warehouse
from meta_pipeline.commands.selection import stored
from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    fail,
    say,
    styled,
    table,
    write_json,
)
from meta_pipeline.commands.terminal.options import Accounts, AsJson, Limit
from meta_pipeline.commands.terminal.person import user_name
from meta_pipeline.printable import one_line
from meta_pipeline.words import times

if TYPE_CHECKING:
    from meta_pipeline.advisor import AdviceRow

app = typer.Typer(add_completion=False, name="advice", no_args_is_help=True)
_STYLES = {"high": "red", "medium": "yellow", "low": "cyan"}
# Enough to be the only one that begins so; commands take any beginning.
_ID_SHOWN = 8


@app.callback()
def about() -> None:
    """What to pause, scale or fix in an ad account, and how sure that is.

    Made from the tables alone; nothing is ever changed at Meta.
    """


@app.command()
def judge(account: Accounts = None, as_json: AsJson = False) -> None:
    """Ask the rules of ad accounts, or of all, and keep what they advise.

    Says which gates were closed, too: where nothing is advised because the numbers do not allow it.
    """
    from meta_pipeline.advisor import judge_account

    with opened_warehouse(writes=True) as (settings, warehouse):
        done = [
            judge_account(warehouse, one.account_id, settings.advice_thresholds)
            for one in stored(warehouse, account)
        ]
    if as_json:
        write_json([asdict(one) for one in done])
        return
    for one in done:
        say(
            f"{one.account_id}: {one.given} new, {one.kept} said before, {one.settled} settled, "
            f"{len(one.closed)} gates closed."
        )
        for sentence in dict.fromkeys(gate.sentence for gate in one.closed):
            say(f"  {one_line(sentence)}")
    say("See it: meta-pipeline advice list")


@app.command("list")
def list_advice(account: Accounts = None, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List the open advice, the most urgent first: what, why, numbers, doubt."""
    from meta_pipeline.advisor import count_recommended, open_advice

    with opened_warehouse() as (_, warehouse):
        ids = [one.account_id for one in stored(warehouse, account)] if account else None
        with warehouse.connection() as connection:
            advices = open_advice(connection, ids, limit=limit)
            theirs = count_recommended(connection, ids)
    if as_json:
        write_json([asdict(one) for one in advices])
        return
    if advices:
        for one in advices:
            _say(one)
    else:
        say("No advice is open. Ask the rules: meta-pipeline advice judge")
    if theirs:
        say(f"Meta itself recommends {times(theirs, 'thing')}: meta-pipeline advice meta")


@app.command("meta")
def of_meta(account: Accounts = None, limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show what Meta itself recommends, and its opportunity score: its view, not ours.

    Kept for the accounts of META_RECOMMENDATIONS; none of it is weighed or mixed with our advice.
    """
    from meta_pipeline.advisor import recommended, scores_now

    with opened_warehouse() as (_, warehouse):
        ids = [one.account_id for one in stored(warehouse, account)] if account else None
        with warehouse.connection() as connection:
            found, scores = recommended(connection, ids, limit), scores_now(connection, ids)
    if as_json:
        write_json(
            {
                "scores": [asdict(one) for one in scores],
                "recommendations": [asdict(one) for one in found],
            }
        )
        return
    if not found and not scores:
        say("Nothing of Meta's is stored: META_RECOMMENDATIONS=all keeps what it recommends.")
    for score in scores:
        say(f"{score.account_id} {score.sentence}")
    for one in found:
        points = one.opportunity_score_lift
        worth = f", {points:g} points" if points is not None else ""
        about = times(len(one.object_ids), "object") if one.object_ids else "the account"
        say(
            f"{one.account_id} {one_line(one.name)}{worth}, about {about}, "
            f"since {one.first_seen_at:%Y-%m-%d}"
        )
        for text in (one.body, one.lift_estimate, one.url):
            if text:
                say(f"  {one_line(text)}")


@app.command()
def dismiss(
    advice: Annotated[str, typer.Argument(help="Id of the advice, or its beginning.")],
    reason: Annotated[str, typer.Option("--reason", help="Why not, for those who look later.")],
) -> None:
    """Dismiss a piece of advice: it stays quiet for four weeks unless it becomes more urgent."""
    from meta_pipeline.advisor import AdviceSettled, advice_beginning
    from meta_pipeline.advisor import dismiss as dismissed

    # It is read by whoever looks at the track record, perhaps a year later.
    if not reason.strip():
        raise typer.BadParameter("say why: --reason 'the sale ends on Sunday'")
    with opened_warehouse(writes=True) as (_, warehouse), warehouse.connection() as connection:
        rows = advice_beginning(connection, advice)
        # Never the first of several: dismissing cannot be undone.
        if len(rows) != 1:
            wrong = "more than one advice begins with" if rows else "there is no advice"
            raise typer.BadParameter(f"{wrong} {advice!r}; meta-pipeline advice list shows them")
        try:
            dismissed(connection, rows[0], by=user_name(), reason=reason, at=datetime.now(UTC))
        except AdviceSettled as error:
            fail(str(error))
    say(f"Advice {rows[0].advice_id[:_ID_SHOWN]} was dismissed.")


@app.command()
def outcomes(account: Accounts = None, limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show what became of the newest advice: open, dismissed, followed, expired, superseded."""
    from meta_pipeline.advisor import given_advice, track_record

    with opened_warehouse() as (_, warehouse):
        ids = [one.account_id for one in stored(warehouse, account)] if account else None
        with warehouse.connection() as connection:
            advices = given_advice(connection, ids, limit=limit)
            record = track_record(connection, ids, limit=limit)
    if as_json:
        write_json([asdict(one) for one in advices])
        return
    say(record.sentence)
    for one in advices:
        why = f": {one_line(one.outcome_reason)}" if one.outcome_reason else ""
        say(f"{one.advice_id[:_ID_SHOWN]} {one.as_of} {one.kind} {one.outcome or 'open'}{why}")
        say(f"  {one_line(one.what)}")
        if one.verdict is not None:
            say(f"  {one.verdict}: {one_line(one.review or '')}")


@app.command()
def backtest(
    account: Accounts = None,
    days: Annotated[
        int, typer.Option("--days", min=7, max=365, help="Days to go back, each one asked.")
    ] = 90,
    as_json: AsJson = False,
) -> None:
    """Ask the rules on each past day, on what was known then, and say how right they were.

    A hit is advice whose claim the days after bear out, a false alarm is advice they contradict.
    Regret is what doing nothing lost in results, had it been followed until its review date.
    Writes nothing.
    """
    from meta_pipeline.advice.backtest import BacktestStats
    from meta_pipeline.advisor import backtest_account

    total: dict[str, BacktestStats] = {}
    with opened_warehouse() as (settings, warehouse):
        accounts = stored(warehouse, account)
        for one in accounts:
            done = backtest_account(warehouse, one.account_id, days, settings.advice_thresholds)
            for kind, stats in done.stats_by_kind.items():
                # Rates are made of the sums: a rate over accounts is not the mean of their rates.
                total[kind] = total[kind] + stats if kind in total else stats
    stats_by_kind = [total[kind] for kind in sorted(total)]
    if as_json:
        write_json(
            [
                asdict(one) | {"hit_rate_pct": one.hit_rate_pct, "regret_pct": one.regret_pct}
                for one in stats_by_kind
            ]
        )
        return
    say(f"{times(len(accounts), 'account')}, each of the last {days} days on what was known then.")
    if not stats_by_kind:
        say("The rules would have said nothing.")
        return
    numbers = ["given", "hits", "false alarms", "unclear", "hit rate", "regret"]
    shown = table("kind", *numbers, right=numbers)
    for stats in stats_by_kind:
        add_row(
            shown,
            stats.kind.value,
            *(str(each) for each in (stats.given, stats.hits, stats.false_alarms, stats.unclear)),
            "" if stats.hit_rate_pct is None else f"{stats.hit_rate_pct:.0f} %",
            ""
            if stats.regret_pct is None
            else f"{stats.regret_results:+,.0f} results ({stats.regret_pct:+.1f} %)",
        )
    console.print(shown)
    say("Unclear: too little happened after, or Meta's own word. Regret: lost by doing nothing.")


def _say(one: "AdviceRow") -> None:
    say(
        f"{one.advice_id[:_ID_SHOWN]} {one.account_id} ",
        styled(one.severity, _STYLES.get(one.severity, "")),
        f" {one.kind}, given {one.as_of}",
    )
    say(f"  {one_line(one.what)}")
    say(f"  {one_line(one.why)}")
    numbers = ", ".join(f"{name} {value}" for name, value in one.numbers.items())
    say(f"  numbers  {one_line(numbers)}")
    say(f"  method   {one_line(one.method)}")
    say(f"  doubt    {one_line(one.doubt)}")
    say(f"  effect   {one_line(one.expected_effect)} Look again on {one.review_on}.")
    say(f"  {one.ads_manager_url}")
