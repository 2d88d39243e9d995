"""Small column makers, so that a table reads as a list of names and meanings."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from meta_pipeline.warehouse.names import SCHEMA

metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        # With all columns: two indexes of one table never get one name.
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    },
)


def text(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, comment=comment, **options)


def money(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    """An amount in major units of the row's `currency`; unlimited precision, never a float."""
    return sa.Column(name, sa.Numeric, comment=comment, **options)


def number(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Numeric, comment=comment, **options)


def count(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, comment=comment, **options)


def whole(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, comment=comment, **options)


def moment(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), comment=comment, **options)


def day(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Date, comment=comment, **options)


def flag(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean, comment=comment, **options)


def json(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    # None is NULL: as JSON's null a missing value would be a value.
    return sa.Column(name, JSONB(none_as_null=True), comment=comment, **options)


def account_id(**options: Any) -> sa.Column[Any]:
    return text("account_id", "Ad account, as act_<number>; the partition key too", **options)


def data_as_of(reads: str) -> sa.Column[Any]:
    """When the values of the row were first seen; rereading the same values does not move it."""
    comment = f"When Meta gave these very values; reads that found the same are in {reads}"
    return moment("data_as_of", comment, nullable=False)


def bookkeeping() -> list[sa.Column[Any]]:
    """What every entity row carries about itself; the same words in every table."""
    return [
        flag(
            "is_deleted",
            "True once Meta says DELETED or no longer lists it; the row stays",
            nullable=False,
            server_default=sa.false(),
        ),
        moment("deleted_seen_at", "When the deletion was first seen here"),
        moment("first_seen_at", "When this row was first written", server_default=sa.func.now()),
        data_as_of("sync_cursor"),
        json("extra", "Fields Meta sent that have no column of their own"),
    ]


def table(name: str, comment: str, *parts: Any, **options: Any) -> sa.Table:
    """Declare one table; its comment starts with the grain: what one row is."""
    return sa.Table(name, metadata, *parts, comment=comment, **options)


HOT_UPDATES = {"info": {"fillfactor": 90}}
"""Room on each page so that small updates stay on it (5 % changed: 100 % HOT).

The migrations set it; `info`, as SQLAlchemy 2.0 knows no storage options of a table."""
