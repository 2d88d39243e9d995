"""Folders of an export: whose links are followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meta_pipeline.exports.errors import PlaceUnreachable
from meta_pipeline.exports.places import open_place

NOBODY = 65_534
PATHS = ("manifest.json", "meta_ads/files.txt", "meta_ads/act_1/2026-01.parquet")


def links(path: str) -> list[str]:
    """The file itself and each folder above it."""
    return [path, *(str(one) for one in Path(path).parents if one.name)]


@pytest.mark.parametrize(("path", "link"), [(path, one) for path in PATHS for one in links(path)])
def test_a_link_of_somebody_else_leads_nowhere(tmp_path: Path, path: str, link: str) -> None:
    if os.geteuid():
        pytest.skip("only root can make a link that is another user's")
    lake, theirs, source = tmp_path / "lake", tmp_path / "theirs", tmp_path / "source"
    place = open_place(str(lake))
    (lake / link).parent.mkdir(parents=True, exist_ok=True)
    inside = theirs / Path(path).relative_to(Path(link).parent)
    inside.parent.mkdir(parents=True)
    inside.write_text("theirs")
    (lake / link).symlink_to(theirs / Path(link).name)
    source.write_text("ours")
    # One's own is followed: a table may lie on a larger disk.
    assert place.read(path) == b"theirs"
    os.lchown(lake / link, NOBODY, NOBODY)
    with pytest.raises(PlaceUnreachable, match="a link that another user made"):
        place.read(path)
    with pytest.raises(PlaceUnreachable, match="a link that another user made"):
        place.put(source, path)
    with pytest.raises(PlaceUnreachable, match="a link that another user made"):
        place.remove(path)
    assert inside.read_text() == "theirs"
