"""Minor and major units of money, as Meta counts them (FACTS section 12).

Meta's list differs from ISO 4217: HUF, COP, CRC, TWD and IDR have no minor unit here.
"""

from __future__ import annotations

from decimal import Decimal

_WITHOUT_MINOR_UNIT = frozenset(
    ("CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND")
)


def minor_per_major(currency: str | None) -> int:
    """How many minor units make one major unit of `currency`: 100, or 1 for some."""
    return 1 if currency in _WITHOUT_MINOR_UNIT else 100


def major(amount_minor: Decimal, currency: str | None) -> Decimal:
    """An amount of minor units in major ones: 500 is 5.00 USD and 500 JPY."""
    if minor_per_major(currency) == 1:
        return amount_minor
    return amount_minor.scaleb(-2)
