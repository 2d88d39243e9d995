"""Ad creatives: about three for four ads."""

from __future__ import annotations

from typing import Any

from meta_pipeline.simulator.world.accounts import account_number
from meta_pipeline.simulator.world.draws import draw
from meta_pipeline.simulator.world.entities import entity_id
from meta_pipeline.simulator.world.tree import CREATIVE, Tree

_CALLS = ("SHOP_NOW", "LEARN_MORE", "SIGN_UP", "GET_OFFER", "BOOK_NOW")


def creative_index(ad: int) -> int:
    """Every fourth ad reuses the creative of the ad before it."""
    return ad - (ad + 1) // 4


def count(ads: int) -> int:
    """How many creatives an account with so many ads has."""
    return ads - ads // 4


def creative_id(ordinal: int, ad: int) -> str:
    return entity_id(CREATIVE, ordinal, creative_index(ad))


def page_id(ordinal: int) -> str:
    return f"1127{ordinal + 1:011d}"


def values(tree: Tree, index: int) -> dict[str, Any]:
    """Every readable field of a creative; there is no created_time and no updated_time."""
    draws = draw(tree.key, b"crea", tree.ordinal, index)
    page, post = page_id(tree.ordinal), 660_000_000_000_000 + index
    link = f"https://example.com/offer/{draws[0]}"
    call = _CALLS[draws[1] % len(_CALLS)]
    shown: dict[str, Any] = {
        "id": entity_id(CREATIVE, tree.ordinal, index),
        "account_id": account_number(tree.ordinal),
        "name": f"Creative {index + 1} 2026-{draws[2] % 12 + 1:02d}",
        # A creative has no effective_status.
        "status": "WITH_ISSUES" if draws[3] < 900 else "ACTIVE",
        "actor_id": page,
        "title": f"Offer {draws[0] % 97} ends soon",
        "body": "The coffee your mornings deserve. ☕\nFree delivery this week.",
        "object_type": "VIDEO" if draws[4] < 20_000 else "SHARE",
        "effective_object_story_id": f"{page}_{post}",
        "call_to_action_type": call,
        "thumbnail_url": f"https://scontent.example.com/t/{index + 1}.jpg?oh={draws[5]:x}&oe=1",
        "instagram_permalink_url": f"https://www.instagram.com/p/sim{index + 1:x}/",
        "instagram_user_id": f"1784{tree.ordinal + 1:013d}",
        "degrees_of_freedom_spec": {"creative_features_spec": {}},
    }
    # A story is of a video or of a link, and the fields beside it follow.
    if draws[4] < 20_000:
        shown["video_id"] = str(770_000_000_000_000 + index)
        story = {"video_data": {"video_id": shown["video_id"], "message": shown["body"]}}
    else:
        shown["image_hash"] = f"{draws[6]:04x}{draws[7]:04x}{draws[8]:04x}{draws[9]:04x}" * 2
        shown["image_url"] = f"https://scontent.example.com/i/{index + 1}.jpg?oh={draws[6]:x}"
        shown["link_url"] = link
        story = {"link_data": {"link": link, "message": shown["body"], "name": shown["title"]}}
    if draws[10] < 30_000:
        shown["url_tags"] = "utm_source=meta&utm_campaign={{campaign.name}}"  # Meta fills it in
    shown["object_story_spec"] = {"page_id": page, **story}
    # Dynamic creative: several texts, of which Meta chooses.
    if draws[11] < 3_000:
        shown["asset_feed_spec"] = {
            "bodies": [{"text": f"{shown['body']} ({n})"} for n in range(5)],
            "titles": [{"text": f"{shown['title']} ({n})"} for n in range(5)],
            "call_to_action_types": [shown["call_to_action_type"]],
            "ad_formats": ["AUTOMATIC_FORMAT"],
        }
    return shown
