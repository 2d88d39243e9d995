"""What an account has for its ads to use: custom conversions, custom audiences, images.

Every account has three custom conversions and five audiences; its images are those of its creatives
of links. Shapes: FIDELITY.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from meta_pipeline.simulator.world import creatives
from meta_pipeline.simulator.world.accounts import account_number
from meta_pipeline.simulator.world.draws import draw
from meta_pipeline.simulator.world.entities import entity_id
from meta_pipeline.simulator.world.tree import AUDIENCE, CONVERSION, CREATIVE, Tree

# Name, standard event, part of the address, value of an event without one.
_CONVERSIONS = (
    ("Checkout finished", "PURCHASE", "/checkout/thank-you", 4200),
    ("Newsletter signed up", "LEAD", "/newsletter/welcome", 0),
    ("Size guide read", "OTHER", "/size-guide", 0),
)
# Name, subtype, about how many people; -1 where Meta does not say.
_AUDIENCES = (
    ("Past customers", "CUSTOM", 38_400),
    ("Visited in the last 30 days", "WEBSITE", 126_000),
    ("Looked like past customers 1 %", "LOOKALIKE", 214_000),
    ("Watched a video", "ENGAGEMENT", 9_300),
    ("Uploaded yesterday", "CUSTOM", -1),
)
CONVERSIONS, AUDIENCES = len(_CONVERSIONS), len(_AUDIENCES)
_READY = {"code": 200, "description": "This audience is ready for use."}
# As Meta writes a size that it does not tell (FIDELITY.md).
_UNKNOWN_SIZE = -1


def conversion(tree: Tree, index: int, anchored: int) -> dict[str, Any]:
    """Every readable field of a custom conversion; the last one was archived."""
    name, event, path, value = _CONVERSIONS[index]
    draws = draw(tree.key, b"cuco", tree.ordinal, index)
    created = datetime.fromtimestamp(anchored, UTC) - timedelta(days=90 + draws[0] % 600)
    pixel, is_archived = _pixel(tree, index), index == CONVERSIONS - 1
    shown: dict[str, Any] = {
        "id": entity_id(CONVERSION, tree.ordinal, index),
        "account_id": account_number(tree.ordinal),
        "name": name,
        "custom_event_type": event,
        "event_source_type": "pixel",
        "pixel": {"id": pixel},
        "data_sources": [{"id": pixel, "source_type": "PIXEL", "name": "Website"}],
        "rule": '{"and":[{"event":{"eq":"PageView"}},{"or":[{"URL":{"i_contains":"'
        + path
        + '"}}]}]}',
        "default_conversion_value": value,
        "retention_days": 0,
        "is_archived": is_archived,
        "is_unavailable": False,
        "creation_time": _text(created),
        "first_fired_time": _text(created + timedelta(hours=7)),
        "last_fired_time": _text(datetime.fromtimestamp(anchored, UTC) - timedelta(hours=3)),
    }
    if is_archived:
        shown["description"] = "Of the shop before the last one"
    return shown


def audience(tree: Tree, index: int, anchored: int) -> dict[str, Any]:
    """Every readable field of a custom audience."""
    name, subtype, people = _AUDIENCES[index]
    draws = draw(tree.key, b"cuau", tree.ordinal, index)
    # In epoch seconds, where other objects have a text (FIDELITY.md).
    created = anchored - 86_400 * (60 + draws[0] % 500)
    low = people if people == _UNKNOWN_SIZE else people - people // 20 + draws[1] % 100
    high = people if people == _UNKNOWN_SIZE else low + people // 8
    shown: dict[str, Any] = {
        "id": entity_id(AUDIENCE, tree.ordinal, index),
        "account_id": account_number(tree.ordinal),
        "name": name,
        "subtype": subtype,
        "approximate_count_lower_bound": low,
        "approximate_count_upper_bound": high,
        "operation_status": {"code": 200, "description": "Normal"},
        "delivery_status": _READY
        if people >= 1_000
        else {"code": 300, "description": "This audience is too small for delivery."},
        "retention_days": 0,
        "is_value_based": False,
        "is_snapshot": False,
        "time_created": created,
        "time_updated": created + 3_600,
        "time_content_updated": anchored - 7_200,
    }
    if subtype == "CUSTOM":
        shown["customer_file_source"] = "USER_PROVIDED_ONLY"
        shown["data_source"] = {"type": "FILE_IMPORTED", "sub_type": "MULTI_HASHES"}
    if subtype == "WEBSITE":
        shown["pixel_id"], shown["retention_days"] = _pixel(tree, 0), 30
        shown["data_source"] = {"type": "EVENT_BASED", "sub_type": "WEB_PIXEL_HITS"}
        shown["rule"] = (
            '{"inclusions":{"operator":"or","rules":[{"event_sources":[{"type":"pixel","id":"'
            f'{_pixel(tree, 0)}"}}],"retention_seconds":2592000,"filter":{{"operator":"and",'
            '"filters":[{"field":"url","operator":"i_contains","value":""}]}}]}}'
        )
    if subtype == "LOOKALIKE":
        origin = {"id": entity_id(AUDIENCE, tree.ordinal, 0), "name": _AUDIENCES[0][0]}
        shown["lookalike_spec"] = {
            "country": "AU",
            "ratio": 0.01,
            "type": "custom_ratio",
            "origin": [{**origin, "type": "custom_audience"}],
        }
    return shown


def targeted(ordinal: int, number: int) -> dict[str, str]:
    """An audience as the targeting of an ad set names it, chosen by a number."""
    index = number % AUDIENCES
    return {"id": entity_id(AUDIENCE, ordinal, index), "name": _AUDIENCES[index][0]}


def image(tree: Tree, index: int, anchored: int) -> dict[str, Any] | None:
    """Every readable field of the image of a creative; None where it shows none."""
    hash_ = creatives.values(tree, index).get("image_hash")
    if hash_ is None:
        return None
    draws = draw(tree.key, b"imag", tree.ordinal, index)
    created = datetime.fromtimestamp(anchored, UTC) - timedelta(days=30 + draws[0] % 700)
    height = (1080, 1350, 1920, 566)[draws[1] % 4]
    number, base = account_number(tree.ordinal), "https://scontent.example.com"
    return {
        "id": f"{number}:{hash_}",
        "account_id": number,
        "hash": hash_,
        "name": f"offer-{index + 1}.jpg",
        "status": "ACTIVE",
        "width": 1080,
        "height": height,
        "original_width": 2160,
        "original_height": height * 2,
        "permalink_url": f"https://www.facebook.com/ads/image/?d=sim{index + 1:x}",
        "url": f"{base}/i/{index + 1}.jpg?oh={draws[2]:x}",
        "url_128": f"{base}/i/{index + 1}_128.jpg?oh={draws[2]:x}",
        "creatives": [entity_id(CREATIVE, tree.ordinal, index)],
        "is_associated_creatives_in_adgroups": True,
        "created_time": _text(created),
        "updated_time": _text(created),
    }


def _pixel(tree: Tree, index: int) -> str:
    return f"9{tree.ordinal + 1:04d}55{index % 3:08d}"


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000")
