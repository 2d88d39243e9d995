"""Minor and major units of money, as Meta counts them (FACTS section 12).

Meta's list differs from ISO 4217: HUF, COP, CRC, TWD and IDR have no minor unit here.
"""

from __future__ import annotations

from decimal import Decimal

_WITHOUT_MINOR_UNIT = frozenset(
    ("CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND")
)
CURRENCIES = _WITHOUT_MINOR_UNIT | frozenset(
    (
        "AED ARS AUD BDT BOB BRL CAD CHF CNY CZK DKK DZD EGP EUR GBP GTQ HKD HNL ILS INR KES LKR "
        "MOP MXN MYR NGN NIO NOK NZD PEN PHP PKR PLN QAR RON SAR SEK SGD THB TRY UAH USD UYU ZAR"
    ).split()
)
"""Every currency an ad account can have, as in Meta's own list."""


def minor_per_major(currency: str | None) -> int | None:
    """How many minor units make one major unit of `currency`; None where that is not known."""
    if currency not in CURRENCIES:
        return None
    return 1 if currency in _WITHOUT_MINOR_UNIT else 100


def half_a_unit(currency: str | None) -> Decimal:
    """How far an amount in major units may be off by rounding: half a yen, half a cent."""
    return Decimal("0.5") if minor_per_major(currency) == 1 else Decimal("0.005")


def major(amount_minor: Decimal, currency: str | None) -> Decimal | None:
    """An amount of minor units in major ones: 500 is 5.00 USD and 500 JPY.

    None where the currency is not known: it could be either.
    """
    factor = minor_per_major(currency)
    if factor is None:
        return None
    return amount_minor if factor == 1 else amount_minor.scaleb(-2)


WITHOUT_MINOR_UNIT_SQL = ", ".join(f"'{name}'" for name in sorted(_WITHOUT_MINOR_UNIT))
"""The currencies without one, as a list in SQL."""
