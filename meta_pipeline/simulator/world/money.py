"""Money as Meta writes it: minor units in entities, major units in insights."""

from __future__ import annotations

# FACTS §12, currencies page. HUF, COP, CRC, TWD and IDR differ from ISO 4217 here.
OFFSET_ONE = frozenset(
    {"CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"}
)

# Rough price levels, so that a cup of coffee costs a plausible number in every demo account.
_MINOR_PER_CENT = {"JPY": 1, "HUF": 3, "TWD": 1, "KRW": 10, "IDR": 150, "VND": 250, "CLP": 9}


def offset(currency: str) -> int:
    """Minor units in one major unit: 1 or 100 (FACTS §12)."""
    return 1 if currency in OFFSET_ONE else 100


def from_cents(cents: int, currency: str) -> int:
    """An amount of comparable worth in `currency`'s minor units, from US-like cents."""
    return cents * _MINOR_PER_CENT.get(currency, 1)


def major(minor: int, currency: str) -> str:
    """Minor units as the decimal text of insights: 1234 -> "12.34" (AUD), "1234" (JPY)."""
    if currency in OFFSET_ONE:
        return str(minor)
    return f"{minor // 100}.{minor % 100:02d}"


def ratio(numerator: float, denominator: float) -> str:
    """A quotient as insights print it: at most six decimals, no trailing zeros."""
    return f"{numerator / denominator:.6f}".rstrip("0").rstrip(".")
