"""What an account has for its ads to use: custom conversions, custom audiences, images.

Accounts of a business share some of them: each has a row of its own then.
"""

from __future__ import annotations

import sqlalchemy as sa

from .columns import account_id, bookkeeping, count, flag, json, moment, number, table, text, whole

meta_custom_conversions = table(
    "meta_custom_conversions",
    "One row per ad account and custom conversion that it may use",
    account_id(primary_key=True),
    text(
        "custom_conversion_id",
        "Id of the custom conversion, as in offsite_conversion.custom.<id>",
        primary_key=True,
    ),
    text("name", "Name"),
    text("description", "What its maker wrote about it"),
    text("custom_event_type", "Standard event it stands for: PURCHASE, LEAD, OTHER, ..."),
    text("event_source_type", "Kind of source: pixel, ..."),
    text("pixel_id", "Pixel whose events it counts"),
    json("data_sources", "Sources of its events as Meta lists them"),
    text("rule", "Which events it counts, JSON as Meta writes it"),
    text("aggregation_rule", "How several events of a person are added up"),
    number("default_conversion_value", "Value of an event without one, as Meta writes it"),
    whole("retention_days", "Days for which events are remembered"),
    flag("is_archived", "Archived: it counts no more and cannot be chosen"),
    flag("is_unavailable", "Meta does not let it be used"),
    moment("created_time", "When it was created"),
    moment("first_fired_time", "When it first counted an event"),
    moment("last_fired_time", "When it last counted an event"),
    *bookkeeping(),
)

meta_custom_audiences = table(
    "meta_custom_audiences",
    "One row per ad account and custom audience or lookalike that it may use; nobody in them is "
    "stored",
    account_id(primary_key=True),
    text("audience_id", "Audience id, as targeting names it", primary_key=True),
    text("name", "Name"),
    text("description", "What its maker wrote about it"),
    text("subtype", "CUSTOM, WEBSITE, LOOKALIKE, ENGAGEMENT, ..."),
    count("size_lower_bound", "People at least, as Meta estimates; null: Meta does not say"),
    count("size_upper_bound", "People at most, as Meta estimates; null: Meta does not say"),
    json("operation_status", "Whether it can be used, code and description; 200 is well"),
    json("delivery_status", "Whether ads can be delivered to it; 300 is too small"),
    json("data_source", "Where its people come from"),
    text("customer_file_source", "Who gave a customer list"),
    json("lookalike_spec", "Of a lookalike: what it resembles, where, how closely"),
    text("pixel_id", "Pixel of a website audience"),
    text("rule", "Who gets in, JSON as Meta writes it"),
    whole("retention_days", "Days for which people stay in"),
    flag("is_value_based", "Its people have values"),
    moment("created_time", "When it was created"),
    moment("updated_time", "When what it is was last changed"),
    moment("content_updated_time", "When who is in it last changed"),
    *bookkeeping(),
)

meta_images = table(
    "meta_images",
    "One row per ad account and image of its library; the files stay with Meta",
    account_id(primary_key=True),
    text("image_id", "Id as Meta writes it: account and hash", primary_key=True),
    text("image_hash", "Hash, by which creatives name the image"),
    text("name", "File name"),
    text("status", "ACTIVE, INTERNAL, DELETED"),
    whole("width", "Width in pixels"),
    whole("height", "Height in pixels"),
    whole("original_width", "Width of the file that was uploaded"),
    whole("original_height", "Height of the file that was uploaded"),
    text("permalink_url", "Address that lasts"),
    text("url", "Signed address; expires"),
    text("url_128", "Signed address of a preview of 128 pixels; expires"),
    flag("is_in_ads", "Whether a creative of an ad uses it"),
    moment("created_time", "When it was uploaded"),
    moment("updated_time", "When it was last changed"),
    *bookkeeping(),
    sa.Index(None, "account_id", "image_hash"),
)

__all__ = ["meta_custom_audiences", "meta_custom_conversions", "meta_images"]
