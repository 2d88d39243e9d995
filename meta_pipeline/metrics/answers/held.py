"""In which currencies the stored amounts of a question are: an account's may have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.errors import ChangedCurrency, HeldRange, MixedCurrencies
from meta_pipeline.metrics.once import once_each

from .question import Question, as_arrays, rows_of_each

# Currencies by account, with the first and last day of each. The account's own rows are one a day
# and say it for all. Only where the currency is known to have changed are the rows looked at that
# are added up.
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

    Where no amount is asked for it stays as it is, and nothing is read. Raises ChangedCurrency
    where an account has amounts of several: they cannot be added, and a rate of one of them would
    be wrong for the other. Raises MixedCurrencies where accounts have amounts of several, and rows
    add those up.
    """
    if not question.needs_money:
        return question
    known = once_each(
        connection,
        "held",
        question.asked,
        lambda some: rows_of_each(some, connection.execute(_HELD, as_arrays(some))),
    )
    held = {asked[0]: currencies for asked, currencies in known.items() if currencies}
    mixed = {account_id: several for account_id, several in held.items() if len(several) > 1}
    if mixed:
        currencies = {currency for several in mixed.values() for currency, _, _ in several}
        whys = {one: _why(one, mixed[one]) for one in mixed}
        raise ChangedCurrency(currencies, whys, mixed)
    question = replace(
        question,
        accounts=tuple(
            # Not what the account is in today: an amount stays in the currency it was spent in.
            replace(account, currency=held[account.account_id][0][0])
            if account.account_id in held
            else account
            for account in question.accounts
        ),
    )
    if question.mixed_currencies and not question.grouping.entities:
        raise MixedCurrencies(question.mixed_currencies)
    return question


def changed_between(
    now: Mapping[str, str | None], before: Mapping[str, str | None]
) -> dict[str, str]:
    """Why amounts of accounts are not compared, by id: they were in another currency before.

    `now` and `before` are what the amounts of each account are in, by its id.
    """
    return {
        one: f"{one} changed its currency: its amounts of these days are in {held}, those of the "
        f"days before in {before[one]}. They are not compared."
        for one, held in now.items()
        if one in before and held != before[one]
    }


def _why(account_id: str, currencies: Sequence[HeldRange]) -> str:
    days = " and ".join(f"{currency} from {a} to {b}" for currency, a, b in currencies)
    return (
        f"{account_id} changed its currency: its stored amounts are in {days}. They cannot be "
        "added: ask for each range by itself."
    )
