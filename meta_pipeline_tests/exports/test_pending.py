"""An export that was killed is gone on with: what it put is adopted where it still holds true."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from meta_pipeline.embedded import EmbeddedPostgres
from meta_pipeline.exports import Manifest, export, open_place
from meta_pipeline.exports.pending import BATCH_FILES
from meta_pipeline.exports.places import Folder
from meta_pipeline_tests.embedded.fixtures import temporary_root

from .lake import FIRST, Killed, ask, asked, change, files, killed_after, slow, strays

_PARTS = 8
"""Of what `fill` puts in: a file each for two accounts' names, campaigns and two months."""


_TABLES = ["meta_insights"]


def kill(url: str, place: Path, after: int) -> list[Path]:
    """Export until so many files were put; those that lie there then."""
    with pytest.raises(Killed):
        export(url, open_place(str(place)), on_file=killed_after(after), clock=slow())
    return list(place.rglob("*.parquet"))


def assert_whole(
    url: str, place: Path, tables: Iterable[str] = (*_TABLES, "meta_campaigns", "meta_ad_accounts")
) -> None:
    """The lake holds what Postgres holds, and nothing lies there that nobody needs."""
    for table in tables:
        value = "spend" if table == "meta_insights" else "name"
        query = f"SELECT account_id, {value} FROM {{}} ORDER BY 1, 2"
        assert ask(query.format("rows"), files(place, table)) == asked(
            url, query.format(f"meta_ads.{table}")
        )
    assert not strays(place)


@pytest.mark.parametrize("after", range(1, _PARTS + 1))
def test_the_first_export_is_gone_on_with(url: str, place: Path, after: int) -> None:
    put = kill(url, place, after)
    done = export(url, open_place(str(place)))
    assert (len(done.adopted), len(done.written)) == (after, _PARTS - after)
    assert {place / one.path for _, one in done.adopted} == set(put)
    assert all(path.exists() for path in put)
    assert_whole(url, place)
    current = {one.current_at for table in done.manifest.tables.values() for one in table.files}
    assert current == {done.read_at}
    assert not export(url, open_place(str(place))).written


def entries(place: Path) -> list[set[str]]:
    """Files that were put, list by list."""
    lists = sorted(place.glob("pending-*.json"))
    return [Manifest.from_json(path.read_bytes(), path.name).paths for path in lists]


def test_exports_that_are_all_killed_come_to_an_end(url: str, place: Path) -> None:
    assert len(kill(url, place, 3)) == 3
    assert len(kill(url, place, 3)) == 6
    lists = entries(place)
    assert [len(paths) for paths in lists] == [3, 1, 1, 1]
    assert len(set[str]().union(*lists)) == 6
    done = export(url, open_place(str(place)), on_file=killed_after(3), clock=slow())
    assert (len(done.adopted), len(done.written)) == (6, 2)
    assert_whole(url, place)


def test_what_was_put_is_written_down_a_batch_at_a_time(url: str, place: Path) -> None:
    change(
        url,
        "INSERT INTO meta_ads.meta_campaigns (campaign_id, account_id, name, data_as_of)"
        " SELECT 'c' || n, 'act_1' || n, 'of ' || n, now() FROM generate_series(1, 150) AS n",
    )
    still = killed_after(BATCH_FILES + 50)
    with pytest.raises(Killed):
        export(url, open_place(str(place)), on_file=still, clock=lambda: 0.0)
    assert [len(paths) for paths in entries(place)] == [BATCH_FILES]
    begun = json.loads((place / "pending.json").read_text())
    assert len(begun) == 150 + _PARTS - BATCH_FILES
    assert sum((place / path).exists() for path in begun) == 50
    done = export(url, open_place(str(place)))
    assert (len(done.adopted), len(done.written)) == (BATCH_FILES, 50 + _PARTS)
    assert_whole(url, place)


_OF_A_MONTH = "meta_ads.meta_insights WHERE date_start < '2026-05-01'"
_MOVED = f"""
    WITH gone AS (DELETE FROM {_OF_A_MONTH} RETURNING *)
    INSERT INTO meta_ads.meta_insights SELECT * FROM gone
"""


@pytest.mark.parametrize(
    ("statement", "adopted", "written"),
    [
        (f"UPDATE {_OF_A_MONTH.replace('WHERE', 'SET spend = 1 WHERE')}", 6, 2),
        (f"DELETE FROM {_OF_A_MONTH}", 6, 0),
        (_MOVED, 6, 2),
        ("ALTER TABLE meta_ads.meta_insights ADD COLUMN more text", 4, 4),
        ("VACUUM FREEZE meta_ads.meta_insights", 8, 0),
    ],
    ids=["changed", "removed", "written again", "another column", "only frozen"],
)
def test_only_a_part_that_did_not_change_in_between_is_adopted(
    url: str, place: Path, statement: str, adopted: int, written: int
) -> None:
    kill(url, place, _PARTS)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
    done = export(url, open_place(str(place)))
    assert (len(done.adopted), len(done.written)) == (adopted, written)
    assert_whole(url, place)


def _remove(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _remove_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


@pytest.mark.parametrize("harm", [_remove, _cut, _remove_folder])
def test_a_file_that_is_not_there_as_it_was_put_is_written_again(
    url: str, place: Path, harm: Callable[[Path], None]
) -> None:
    (first, *_) = kill(url, place, 3)
    harm(first)
    done = export(url, open_place(str(place)))
    assert (len(done.adopted), len(done.written)) == (2, _PARTS - 2)
    assert_whole(url, place)


def _of_another_tenant(read: dict[str, Any]) -> None:
    read["rows_of"] = "tenant acme"


def _of_a_newer_version(read: dict[str, Any]) -> None:
    read["version"] += 1


def _of_an_account_that_is_none(read: dict[str, Any]) -> None:
    for table in read["tables"].values():
        table["files"][0]["account_id"] = {}


def _rewritten(text: bytes, change_it: Callable[[dict[str, Any]], None]) -> bytes:
    read = json.loads(text)
    change_it(read)
    return json.dumps(read).encode()


@pytest.mark.parametrize(
    "harm",
    [
        lambda text: text[: len(text) // 2],
        lambda text: b"",
        lambda text: b'["somebody\'s"]',
        lambda text: b"[" * 100_000,
        lambda text: _rewritten(text, _of_a_newer_version),
        lambda text: _rewritten(text, _of_an_account_that_is_none),
    ],
    ids=["cut", "empty", "foreign", "deep", "newer", "odd"],
)
def test_a_list_that_cannot_be_read_is_passed_over_and_named(
    url: str,
    place: Path,
    harm: Callable[[bytes], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    kill(url, place, 3)
    lost = place / "pending-0002.json"
    lost.write_bytes(harm(lost.read_bytes()))
    done = export(url, open_place(str(place)))
    assert (len(done.adopted), len(done.written)) == (2, _PARTS - 2)
    assert [f"{lost} is no list" in record.getMessage() for record in caplog.records] == [True]
    assert not list(place.glob("pending*"))
    # Nobody may say any more whose the file is that this list named.
    assert len(strays(place)) == 1


def test_files_of_other_rows_are_removed(url: str, place: Path) -> None:
    kill(url, place, 3)
    for path in place.glob("pending-*.json"):
        path.write_bytes(_rewritten(path.read_bytes(), _of_another_tenant))
    done = export(url, open_place(str(place)))
    assert (len(done.adopted), len(done.written)) == (0, _PARTS)
    assert_whole(url, place)


def test_an_export_of_less_leaves_the_rest_for_the_next(url: str, place: Path) -> None:
    kill(url, place, _PARTS)
    some = export(url, open_place(str(place)), tables=["meta_insights"], accounts=[FIRST])
    assert (len(some.adopted), len(some.written)) == (2, 0)
    assert set(some.manifest.tables) == {"meta_insights"}
    rest = export(url, open_place(str(place)))
    assert (len(rest.adopted), len(rest.written)) == (_PARTS - 2, 0)
    assert_whole(url, place)


def test_lists_that_outlive_their_manifest_remove_nothing(url: str, place: Path) -> None:
    kill(url, place, 3)
    lists = {path: path.read_bytes() for path in place.glob("pending*")}
    export(url, open_place(str(place)))
    for keep in (timedelta(days=1), timedelta(0)):
        change(url, "UPDATE meta_ads.meta_insights SET spend = spend + 1")
        for path, text in lists.items():
            path.write_bytes(text)
        export(url, open_place(str(place)), keep=keep)
        assert_whole(url, place)


class Mortal(Folder):
    """A folder whose export is killed before it changes anything there for the nth time."""

    def __init__(self, root: Path, changes: int) -> None:
        super().__init__(root)
        self._changes = iter(range(changes))

    def put(self, source: Path, path: str) -> None:
        self._count()
        super().put(source, path)

    def remove(self, path: str) -> None:
        self._count()
        super().remove(path)

    def _count(self) -> None:
        if next(self._changes, None) is None:
            raise Killed


def _has_ended(url: str, place: Path, changes: int) -> bool:
    try:
        export(url, Mortal(place, changes), tables=_TABLES, keep=timedelta(0), clock=slow())
    except Killed:
        return False
    return True


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_wherever_an_export_is_killed_nothing_is_lost_and_nothing_stays(
    url: str, place: Path, step: int
) -> None:
    """After one that was killed and of whose files half are old; then comes one that is not."""
    ends = Counter[bool]()
    for changes in range(0, 36, step):
        lake = place / str(changes)
        for at in (12, changes):
            ends[_has_ended(url, lake, at)] += 1
            change(
                url,
                f"UPDATE meta_ads.meta_insights SET spend = spend + 1 WHERE account_id = '{FIRST}'",
            )
        export(url, open_place(str(lake)), tables=_TABLES, keep=timedelta(0))
        assert_whole(url, lake, _TABLES)
    assert set(ends) == {True, False}


def test_a_server_that_does_not_tell_of_itself_is_exported_too(url: str, place: Path) -> None:
    change(url, "ALTER FUNCTION pg_catalog.pg_control_system() RENAME TO not_here")
    kill(url, place, 3)
    assert len(export(url, open_place(str(place))).adopted) == 3
    change(url, "UPDATE meta_ads.meta_campaigns SET name = 'new'")
    assert len(export(url, open_place(str(place))).written) == 2
    assert_whole(url, place)


_TWO_TABLES = """
    CREATE SCHEMA meta_ads;
    CREATE TABLE meta_ads.meta_ad_accounts (is_simulated boolean);
    CREATE TABLE meta_ads.meta_insights (date_start date, spend numeric)
"""


@pytest.mark.slow
def test_rows_in_the_same_places_of_another_server_are_others(place: Path) -> None:
    """Transactions of a new server have the numbers that those of the last one had."""
    seen = []
    for spend in (12, 56):
        with temporary_root() as root, EmbeddedPostgres(root, durable=False).running() as url:
            for statement in _TWO_TABLES.split(";"):
                change(url, statement)
            change(url, f"INSERT INTO meta_ads.meta_insights VALUES ('2026-05-01', {spend})")
            export(url, open_place(str(place)))
            assert ask("SELECT spend FROM rows", files(place, "meta_insights")) == [(spend,)]
            seen.append(asked(url, "SELECT ctid, xmin FROM meta_ads.meta_insights"))
    assert seen[0] == seen[1], "nothing else tells them apart"
