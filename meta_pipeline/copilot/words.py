"""The words of questions besides metrics and names: data, one table for each thing they say."""

from __future__ import annotations

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "account": ("accounts", "account", "ad accounts", "ad account"),
    "campaign": ("campaigns", "campaign"),
    "adset": ("ad sets", "ad set", "adsets", "adset", "ad groups", "ad group"),
    "ad": ("ads", "ad", "adverts", "advert"),
    "hour": ("hours", "hour"),
    "day": ("days", "day", "dates", "date"),
    "week": ("weeks", "week"),
    "month": ("months", "month"),
    "objective": ("objectives", "objective"),
    "goal": ("campaign goal", "goals", "goal"),
    "optimization_goal": ("optimization goal", "optimisation goal", "optimization goals"),
    "creative": ("creatives", "creative"),
    "age": ("age groups", "age group", "ages", "age"),
    "gender": ("genders", "gender", "sex"),
    "country": ("countries", "country"),
    "region": ("regions", "region"),
    "publisher_platform": ("publisher platforms", "publisher platform", "platforms", "platform"),
    "platform_position": ("placements", "placement", "platform position", "positions", "position"),
    "impression_device": ("impression devices", "impression device", "devices", "device"),
    "device_platform": ("device platforms", "device platform"),
    "product_id": ("products", "product"),
    "attribution_window": ("attribution windows", "attribution window", "attribution"),
}
LEVEL_OF = {
    word: level for level in ("account", "campaign", "adset", "ad") for word in DIMENSIONS[level]
}
PLURALS = {word for word in LEVEL_OF if word.endswith("s")}
ADVERBS = {
    "hourly": "hour",
    "daily": "day",
    "day by day": "day",
    "day over day": "day",
    "each day": "day",
    "every day": "day",
    "weekly": "week",
    "week by week": "week",
    "monthly": "month",
    "month by month": "month",
    "hour by hour": "hour",
    "trend": "day",
}
STATUSES: dict[str, tuple[str, ...]] = {
    # With issues it still delivers; Ads Manager counts it among the active ones.
    "active": ("ACTIVE", "WITH_ISSUES"),
    # An ad below a paused campaign is as silent as a paused ad.
    "paused": ("PAUSED", "CAMPAIGN_PAUSED", "ADSET_PAUSED"),
    "inactive": ("PAUSED", "CAMPAIGN_PAUSED", "ADSET_PAUSED", "ARCHIVED", "DELETED"),
    "archived": ("ARCHIVED",),
    "deleted": ("DELETED",),
    "with issues": ("WITH_ISSUES",),
    "disapproved": ("DISAPPROVED",),
    "in review": ("PENDING_REVIEW", "IN_PROCESS"),
}
STATUS_WORDS = {
    **dict.fromkeys(("active", "live", "running", "turned on", "switched on", "enabled"), "active"),
    **dict.fromkeys(("paused", "stopped", "turned off", "switched off", "on hold"), "paused"),
    **dict.fromkeys(("inactive", "not active", "not running", "not live"), "inactive"),
    **dict.fromkeys(("archived",), "archived"),
    **dict.fromkeys(("deleted", "removed"), "deleted"),
    **dict.fromkeys(("with issues", "with errors", "having issues", "broken"), "with issues"),
    **dict.fromkeys(("disapproved", "rejected"), "disapproved"),
    **dict.fromkeys(("in review", "pending review", "being reviewed"), "in review"),
}
HIGHEST = "top highest most biggest largest greatest".split()
LOWEST = "bottom lowest least fewest smallest".split()
# Which end they are depends on the metric: the best cost is the lowest.
BEST, WORST = ("best", "cheapest"), ("worst", "most expensive", "dearest")
MORE = ("more than", "greater than", "higher than", "over", "above", "exceeding")
AT_LEAST = ("at least", "no less than", "minimum of")
LESS = ("less than", "fewer than", "lower than", "under", "below")
AT_MOST = ("at most", "no more than", "up to", "maximum of")
# "$" is the US dollar unless the words name another: many currencies share the sign.
CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP", "euro": "EUR", "euros": "EUR", "eur": "EUR",
              "dollar": "USD", "dollars": "USD", "usd": "USD", "pounds": "GBP", "gbp": "GBP",
              "chf": "CHF", "francs": "CHF", "sek": "SEK", "nok": "NOK", "dkk": "DKK",
              "pln": "PLN", "czk": "CZK", "huf": "HUF", "jpy": "JPY", "yen": "JPY", "aud": "AUD",
              "cad": "CAD", "inr": "INR", "brl": "BRL", "mxn": "MXN", "twd": "TWD"}  # fmt: skip
RISE = "rise rose risen increase increased grow grew grown climb climbed up higher more".split()
FALL = (
    "fall fell fallen drop dropped decrease decreased decline declined down lower sink sank less"
).split()
CHANGE = "change changed move moved differ develop developed".split()
FILLER = frozenset(
    """
    a an the this that these those it its they their them i we us our my me you your
    is are was were be been being am do does did done have has had having can could would
    what which who whose whom where when how much many often and or of for in on at to into from
    by per each every with within during over across as than about between out
    show give tell list get got find see want know need display print let please
    number numbers amount amounts figure figures value values total totals overall altogether
    all whole any there here so far now just currently still also too only
    make made makes win won come came comes bring brought brings go goes went going
    run ran happen happened deliver delivered delivers
    people person account spend-wise respectively compare compared compares comparison split
    report overview performance perform performed performing metric metrics
    using use used sorted sort order ordered ranked rank break broken group grouped
    hello hi hey thanks thank ok okay
    """.split()
)
"""Words that say nothing a number could hang on. A negation is never one of them."""
