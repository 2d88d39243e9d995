"""Tables in the shape of Fivetran's Facebook Ads connector, as views on ours.

Models that were written against that connector run on them unchanged: the same names, grains and
types (guide: the columns that its dbt package reads). They are views of their own schema, read as
their reader (`security_invoker`), and hold nothing: dropping them loses nothing.
"""

from __future__ import annotations

from .making import SchemaTaken, drop, make
from .shape import VIEWS

__all__ = ["VIEWS", "SchemaTaken", "drop", "make"]
