"""Names of campaigns, ad sets and ads: ordinary ones, and the ones that break pipelines."""

from __future__ import annotations

# Each of these breaks some pipeline: emoji sequences, SQL, quotes, control characters, length,
# writing direction, templates.
NASTY = (
    "🔥 Summer sale 🛍️ 50% off 👨‍👩‍👧‍👦",
    "Robert'); DROP TABLE meta_ads;--",
    'He said "100% off" \\ and left',
    "tab\tand\nnewline",
    "L" + "o" * 396 + "ng",
    "عرض الصيف | حملة",
    "\u202eright to left override",
    "null",
    "  spaces around  ",
    "コーヒー定期便 ☕",
    "<script>alert('x')</script>",
    "emoji \U0001f1e6\U0001f1fa and combining e\u0301",
    "comma, semicolon; pipe | and {json: true}",
    "%s %d {0} ${HOME}",
)

_THEMES = ("Prospecting", "Retargeting", "Lookalike 1%", "Brand", "Always on", "Launch", "Winter",
           "Spring", "Black Friday", "EOFY", "Evergreen", "Testing")  # fmt: skip
_AUDIENCES = ("Broad", "Cart abandoners", "Past customers", "18-34", "35-54", "Parents", "Tradies",
              "Home owners", "Metro", "Regional", "Video viewers", "Email list")  # fmt: skip
_FORMATS = ("UGC video", "Carousel", "Static", "Testimonial", "Offer", "Founder story", "Demo",
            "Before/after", "Collection", "Reel")  # fmt: skip

_NASTY_SHARE = 4_000  # of 65,536: about one name in sixteen


def campaign_name(draws: tuple[int, ...], serial: int) -> str:
    return (
        _nasty(draws) or f"{_pick(_THEMES, draws[29])} | {_pick(_AUDIENCES, draws[30])} #{serial}"
    )


def adset_name(draws: tuple[int, ...], serial: int) -> str:
    return _nasty(draws) or f"{_pick(_AUDIENCES, draws[29])} - {_pick(_THEMES, draws[30])} {serial}"


def ad_name(draws: tuple[int, ...], serial: int) -> str:
    return _nasty(draws) or f"{_pick(_FORMATS, draws[29])} v{draws[30] % 5 + 1} ({serial})"


def _nasty(draws: tuple[int, ...]) -> str | None:
    return NASTY[draws[31] % len(NASTY)] if draws[28] < _NASTY_SHARE else None


def _pick(words: tuple[str, ...], number: int) -> str:
    return words[number % len(words)]
