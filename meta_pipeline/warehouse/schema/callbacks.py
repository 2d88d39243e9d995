"""Meta's own calls to the app: somebody removed it, or wants their data deleted."""

from __future__ import annotations

import sqlalchemy as sa

from .columns import json, moment, table, text, whole

meta_callbacks = table(
    "meta_callbacks",
    "One row per call of Meta that somebody removed the app or wants their data deleted",
    text(
        "confirmation_code",
        "What the person is told, to look up what became of it",
        primary_key=True,
    ),
    text("kind", "deauthorize or data_deletion", nullable=False),
    text(
        "request_hash",
        "Kind and SHA-256 of the signed request: the same is taken once",
        nullable=False,
    ),
    text("app_id", "App that was removed", nullable=False),
    text("user_id", "Meta's app-scoped id of the person; null once it is carried out"),
    moment("issued_at", "When Meta signed it", nullable=False),
    moment("received_at", "When it came", nullable=False),
    whole("attempts", "How often it was tried to carry it out", nullable=False),
    moment("tried_at", "When that was last tried"),
    text("problem", "Why it is not carried out yet, redacted; null while nothing is wrong"),
    moment("done_at", "When it was carried out; null while it is not"),
    json("deleted", "What was deleted: table to number of rows; never what stood in them"),
    sa.CheckConstraint("kind IN ('deauthorize','data_deletion')", name="kind"),
    # Whoever is forgotten is not remembered here.
    sa.CheckConstraint("done_at IS NULL OR user_id IS NULL", name="done"),
    # Meta sends a request again until it is answered: it is one all the same.
    sa.Index("meta_callbacks_request_idx", "request_hash", unique=True),
    sa.Index("meta_callbacks_open_idx", "received_at", postgresql_where=sa.text("done_at IS NULL")),
)

__all__ = ["meta_callbacks"]
