"""In which currencies the stored amounts of a question are: an account's may have changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.errors import MixedCurrencies

from .question import Question

# The account's own rows are one a day and say it for all. Only where the currency is known to have
# changed are the rows looked at that are added up.
_HELD = """
    SELECT account_id, currency, min(date_start), max(date_start)
    FROM (
        SELECT own.account_id, own.currency, own.date_start
        FROM unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[])
            AS asked (account_id, since, until)
        JOIN meta_ads.meta_insights AS own ON own.entity_type = 'account'
            AND own.entity_id = asked.account_id AND own.date_stop = own.date_start
            AND own.date_start BETWEEN asked.since AND asked.until
        UNION ALL
        SELECT made.account_id, made.currency, made.date_start
        FROM unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[])
            AS asked (account_id, since, until)
        JOIN meta_ads.campaign_rollups AS made ON made.account_id = asked.account_id
            AND made.date_start BETWEEN asked.since AND asked.until
        WHERE EXISTS (
            SELECT FROM meta_ads.entity_changes AS changed
            WHERE changed.account_id = asked.account_id AND changed.entity_type = 'account'
                AND changed.field = 'currency'
        )
    ) AS stored
    WHERE currency IS NOT NULL
    GROUP BY account_id, currency
    ORDER BY account_id, min(date_start)
"""


def in_held_currencies(connection: Connection[Any], question: Question) -> Question:
    """The question with each account in the currency its stored amounts of these days are in.

    Raises MixedCurrencies where one account has amounts of several: they cannot be added, and a
    rate of one of them would be wrong for the other.
    """
    held: dict[str, list[tuple[str, date, date]]] = {}
    asked = {
        "accounts": list(question.account_ids),
        "since": [period.since for period in question.periods],
        "until": [period.until for period in question.periods],
    }
    for account_id, currency, since, until in connection.execute(_HELD, asked):
        held.setdefault(account_id, []).append((currency, since, until))
    for account_id, found in held.items():
        if len(found) > 1:
            days = " and ".join(f"{currency} from {a} to {b}" for currency, a, b in found)
            raise MixedCurrencies(
                [currency for currency, _, _ in found],
                f"{account_id} changed its currency: its stored amounts are in {days}. They cannot "
                "be added: ask for each range by itself.",
            )
    return replace(
        question,
        accounts=tuple(
            replace(account, currency=held[account.account_id][0][0])
            if account.account_id in held
            else account
            for account in question.accounts
        ),
    )
