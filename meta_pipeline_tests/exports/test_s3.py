"""An export into S3, over real sockets: a server that speaks it, on this machine."""

from __future__ import annotations

import io
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meta_pipeline.exports import (
    ExportedFile,
    LibrariesMissing,
    Manifest,
    PlaceUnreachable,
    export,
    open_place,
)

from .lake import SECRET, Killed, asked, change, fill, slow


def test_what_is_in_the_bucket_adds_up_and_follows(postgres_url: str, bucket: str) -> None:
    fill(postgres_url)
    place = open_place(f"s3://{bucket}/lake/")
    first = export(postgres_url, place)
    assert first.rows_written == 8
    change(postgres_url, "UPDATE meta_ads.meta_insights SET spend = 20 WHERE account_id = 'act_1'")
    change(postgres_url, "DELETE FROM meta_ads.meta_campaigns")
    second = export(postgres_url, place)
    assert (len(second.written), len(second.removed)) == (2, 2)
    third = export(postgres_url, place, keep=timedelta(0))
    assert not third.written
    listed = (place.read("meta_insights/files.txt") or b"").decode().split()
    assert listed == [
        f"s3://{bucket}/lake/{one.path}" for one in third.manifest.files_of("meta_insights")
    ]
    text = place.read("manifest.json")
    assert text is not None
    assert Manifest.from_json(text, "there").paths == third.manifest.paths
    assert place.read("pending.json") is None
    assert place.read(second.removed[0]) is None, "it was kept no longer"
    assert _sum(place.address, listed) == asked(
        postgres_url, "SELECT sum(spend), count(*) FROM meta_ads.meta_insights"
    )


def test_a_bucket_is_gone_on_with_without_what_somebody_removed(
    postgres_url: str, bucket: str
) -> None:
    fill(postgres_url)
    place = open_place(f"s3://{bucket}/lake")
    put: list[str] = []

    def killed(table: str, file: ExportedFile) -> None:
        put.append(file.path)
        if len(put) == 5:
            raise Killed

    with pytest.raises(Killed):
        export(postgres_url, place, on_file=killed, clock=slow())
    place.remove(put[0])
    done = export(postgres_url, place)
    assert [one.path for _, one in done.adopted] == put[1:]
    assert len(done.written) == 8 - 4
    assert place.read("pending.json") is place.read("pending-0001.json") is None
    listed = (place.read("meta_insights/files.txt") or b"").decode().split()
    assert _sum(place.address, listed) == asked(
        postgres_url, "SELECT sum(spend), count(*) FROM meta_ads.meta_insights"
    )


def _sum(address: str, listed: list[str]) -> list[Any]:
    """What DuckDB adds up, of the files as another program gets them."""
    place = open_place(address)
    rows = pa.concat_tables(
        pq.read_table(io.BytesIO(place.read(url.removeprefix(f"{address.rstrip('/')}/")) or b""))
        for url in listed
    )
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        return connection.sql("SELECT sum(spend), count(*) FROM rows").fetchall()


def test_a_bucket_that_is_not_there_is_named_without_a_secret(
    postgres_url: str, bucket: str
) -> None:
    fill(postgres_url)
    with pytest.raises(PlaceUnreachable, match=r"s3://nobodys-bucket/lake cannot be used") as said:
        export(postgres_url, open_place("s3://nobodys-bucket/lake"))
    assert SECRET not in str(said.value)


def test_an_address_nobody_knows_is_named(postgres_url: str) -> None:
    with pytest.raises(PlaceUnreachable, match=r"nowhere://lake cannot be used"):
        open_place("nowhere://lake")


@pytest.mark.parametrize(
    "address",
    [
        "ftp://user:PASSWORD@127.0.0.1:1/lake",
        "s3://KEY:PASSWORD@bucket/lake",
        "s3://KEY:PASS/WORD@bucket/lake?PASSWORD",
        "simplecache::s3://KEY:PASSWORD@bucket/lake",
        "abfs://container@account.dfs.core.windows.net/lake?sv=1&sig=PASSWORD",
        "https://files.example/lake?token=PASSWORD",
        "memory://lake?PASSWORD",
        "file:///srv/lake?PASSWORD",
    ],
)
def test_an_address_that_holds_a_secret_is_refused_and_not_printed(address: str) -> None:
    with pytest.raises(PlaceUnreachable, match="in the environment") as said:
        open_place(address)
    assert "WORD" not in str(said.value)


@pytest.mark.parametrize(
    "said",
    [
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=S3CRETS3CRET==;x=1",
        "GET https://a.blob.core.windows.net/lake/m.json?sv=1&sig=S3CRET%2BS3CRET&se=2",
        "https://bucket.s3.amazonaws.com/m?X-Amz-Credential=k&X-Amz-Signature=S3CRET",
        "aws_secret_access_key=S3CRET was refused",
        "http://user:S3CRET@minio:9000 did not answer",
    ],
)
def test_what_a_store_says_is_told_without_its_secrets(said: str) -> None:
    place = open_place("memory://lake")

    def fails(*_: object) -> bytes:
        raise OSError(said)

    place._files = SimpleNamespace(info=fails)  # type: ignore[attr-defined]
    with pytest.raises(PlaceUnreachable) as raised:
        place.read("manifest.json")
    assert "S3CRET" not in str(raised.value)


def test_the_library_of_a_place_is_asked_for(postgres_url: str) -> None:
    with pytest.raises(LibrariesMissing, match=r"gs://bucket/lake needs a library .*gcsfs"):
        open_place("gs://bucket/lake")
