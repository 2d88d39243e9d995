"""Prices ("cost per lead") and conditions ("over 100 EUR", "without results")."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from meta_pipeline.metrics import Dictionary
from meta_pipeline.words import digits

from .errors import CannotRead
from .phrases import CURRENCY, METRIC, any_of, marks_of
from .reading import Reading, ValueFilter
from .text import Text
from .vocabulary import Term
from .words import AT_LEAST, AT_MOST, CURRENCIES, LESS, MORE, PLURALS

Meaning = Callable[[Term | str], str]


# English figures: a comma groups, a dot divides. "1.000" is one.
_AMOUNT = r"\d[\d,]*(?:\.\d+)?"


_SIGNS = {
    **dict.fromkeys(MORE, ">"),
    **dict.fromkeys(AT_LEAST, ">="),
    **dict.fromkeys(LESS, "<"),
    **dict.fromkeys(AT_MOST, "<="),
    "exactly": "=",
}


_SIGN = any_of(_SIGNS)


def mark_prices(text: Text) -> None:
    """Mark "cost per lead" and "what does a lead cost": the ratio the dictionary has for it."""
    price = r"(?P<price><metric \d+>|price|prices)"
    article = r"(?:an? |one |each |every )?"

    def of(match: re.Match[str]) -> str | None:
        if not _is_price(text, match.groupdict().get("price")):
            return None
        return text.mark("price", text.meaning(match["metric"]))

    text.replace(rf"{price} (?:per|of|for) {article}(?P<metric>{METRIC})", of)
    text.replace(rf"(?:do|does|did) {article}(?P<metric>{METRIC}) (?P<price><metric \d+>)", of)

    def one(match: re.Match[str]) -> str | None:
        first = re.search(METRIC, text.line[: match.start()])
        if first is None or not _is_price(text, match["price"]):
            return None
        return text.mark("price", text.meaning(first[0]))

    text.replace(r"(?:do|does|did) (?:one|each) (?P<price><metric \d+>)", one)


def _is_price(text: Text, mark: str | None) -> bool:
    if mark is None or not mark.startswith("<"):
        return mark is not None
    return str(text.meaning(mark).words) in ("cost", "costs", "price")


@dataclass(frozen=True, slots=True)
class _Limit:
    """A condition before its metric is known."""

    term: Term | None
    sign: str
    value: float
    unit: str | None = None


def mark_conditions(text: Text) -> None:
    """Mark "over 100 EUR", "without results", "between 5 and 10 leads"."""
    unit = rf"(?: ?(?P<unit>{CURRENCY}|%|percent))?"
    # A group's name may stand once in a pattern, and both ends of "5 EUR to 10 EUR" may have a
    # unit.
    low_unit = unit.replace("unit", "unit_low")
    metric = rf"(?: (?:of |in )?(?P<after>{METRIC}))?"
    before = (
        rf"(?:(?:with |where |whose |having )?(?P<before>{METRIC}) (?:is |was |of |are |were )?)?"
    )
    currency = r"(?:(?P<sign_before>[€$£]) ?)?"

    def limit(match: re.Match[str]) -> str | None:
        if match["before"] is not None and match["after"] is not None:
            # "spend of campaigns over 10 leads": the number counts what follows it.
            return f"{match['before']} {text.mark('limit', _limit(text, match, match['after']))}"
        return text.mark("limit", _limit(text, match, match["after"] or match["before"]))

    text.replace(
        rf"{before}between {currency}(?P<low>{_AMOUNT}){low_unit} "
        rf"and (?:[€$£] ?)?(?P<high>{_AMOUNT}){unit}{metric}",
        lambda match: _between(text, match),
    )
    text.replace(
        rf"(?:with |having |have |had |has )?{before}(?P<sign>{_SIGN}) "
        rf"{currency}(?P<value>{_AMOUNT}){unit}{metric}",
        limit,
    )
    # "Without results" has no number in it, so that the comparison above does not see it.
    nothing = (
        r"(?:without (?:any |a |an )?|(?:with|had|have|has|got|brought|made) (?:no|zero|0) "
        r"|(?:did not|didn't|do not|don't|does not|doesn't) (?:get|have|bring|make|win) "
        r"(?:any |a |an )?|(?:get|got|getting|bring|brought) no )"
    )
    text.replace(
        rf"(?:that |which )?{nothing}(?P<metric>{METRIC})",
        lambda match: text.mark("limit", _Limit(text.meaning(match["metric"]), "=", 0)),
    )
    has = r"(?:that|which) (?:have|had|got|brought|made)|with (?:any|some)"
    text.replace(
        rf"(?:{has}) (?P<metric>{METRIC})",
        lambda match: text.mark("limit", _Limit(text.meaning(match["metric"]), ">", 0)),
    )
    text.replace(
        # After nouns only: elsewhere "with" joins two metrics that are both to be shown.
        rf"(?P<level>{any_of(PLURALS)}) with (?P<metric>{METRIC})",
        lambda match: (
            f"{match['level']} {text.mark('limit', _Limit(text.meaning(match['metric']), '>', 0))}"
        ),
    )


def _limit(text: Text, match: re.Match[str], mark: str | None) -> _Limit:
    groups = match.groupdict()
    unit = groups.get("unit") or groups.get("sign_before")
    term = text.meaning(mark) if mark else None
    return _Limit(term, _SIGNS[match["sign"]], _value(match["value"]), unit)


def _between(text: Text, match: re.Match[str]) -> str:
    mark = match["after"] or match["before"]
    term = text.meaning(mark) if mark else None
    unit = match["unit"] or match["unit_low"] or match["sign_before"]
    low, high = _value(match["low"]), _value(match["high"])
    if low > high:
        raise CannotRead(f"Nothing is between {digits(low)} and {digits(high)}.", words=[match[0]])
    kept = match["before"] if match["after"] and match["before"] else ""
    marks = (
        text.mark("limit", _Limit(term, sign, value, unit))
        for sign, value in ((">=", low), ("<=", high))
    )
    return f"{kept} {' '.join(marks)}"


def _value(written: str) -> float:
    return float(written.replace(",", ""))


def settle_conditions(
    text: Text, reading: Reading, meaning: Meaning, dictionary: Dictionary
) -> None:
    """Prices become metrics; each condition gets the metric it is about."""
    for term in marks_of(text, "price"):
        key = _price_of(meaning(term), dictionary)
        if key not in reading.metrics:
            reading.metrics.append(key)
        # Read once: what is settled is not found again, and not left over either.
        text.line = text.line.replace("<price ", "<priced ")
    if marks_of(text, "idle"):
        # Idle is neither seen nor paid for: an ad may have impressions that cost nothing.
        reading.conditions += [ValueFilter("spend", "=", 0), ValueFilter("impressions", "=", 0)]
    for limit in marks_of(text, "limit"):
        currency = CURRENCIES.get(limit.unit or "")
        key = meaning(limit.term) if limit.term else _about(limit, reading, dictionary)
        unit = dictionary.metric(key).unit
        if currency and unit != "currency":
            raise CannotRead(
                f"{key} is no amount of money: it cannot be compared with {currency}.",
                words=[currency],
            )
        if limit.unit in ("%", "percent") and unit != "percent":
            raise CannotRead(f"{key} is not in percent.", words=["percent"])
        reading.conditions.append(ValueFilter(key, limit.sign, limit.value, currency))
    reading.metrics += [
        one.metric for one in reading.conditions if one.metric not in reading.metrics
    ]
    reading.metrics = list(dict.fromkeys(reading.metrics))


def _about(limit: _Limit, reading: Reading, dictionary: Dictionary) -> str:
    """The metric that a number without one is about: the only one named that has its unit."""
    money = CURRENCIES.get(limit.unit or "") is not None
    fits = [
        key for key in reading.metrics if not money or dictionary.metric(key).unit == "currency"
    ]
    if len(fits) == 1:
        return fits[0]
    offered = fits or (["spend", "revenue", "cost_per_result"] if money else [])
    raise CannotRead(
        f"It is not said which metric is to be {limit.sign} {digits(limit.value)}.",
        words=[digits(limit.value)],
        choices=[
            (dictionary.metric(key).display_name, key.replace("_", " "))
            for key in offered
            if key in dictionary.metrics
        ],
    )


def _price_of(counted: str, dictionary: Dictionary) -> str:
    """The metric that divides spend by `counted`."""
    candidates = [
        metric.key
        for metric in dictionary.metrics.values()
        if metric.numerator == "spend" and metric.denominator == counted and metric.scale == 1
    ]
    # Two would be two ways of counting, and which is meant cannot be told from the words.
    if len(candidates) != 1:
        raise CannotRead(
            f"The dictionary has no metric of spend per {counted}: a file of your own can add it.",
            words=[counted.replace("_", " ")],
            near=[key for key in dictionary.metrics if key.startswith("cost_per")][:5],
        )
    return candidates[0]
