"""What a Parquet export costs: rows a second of its own processor time, memory, and a second run.

    python -m benchmarks parquet_export                    # one million insight rows
    python -m benchmarks.parquet_export --rows 10000000 --url postgresql://.../postgres --keep

Fills a database of its own with ad days whose numbers and actions differ from row to row, exports
all of it into a folder in a process of its own, then again with nothing changed, then with one
account's newest month changed. Rows a second are of the export's processor time, which is what a
core does; Postgres' own work is told beside it. Limits: 150,000 rows a second a core, 400 MB.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import psycopg
from rich.console import Console
from rich.table import Table

from . import _lab

ACCOUNTS, DAYS = 20, 100
ROWS_A_SECOND, MEMORY_MB = 150_000, 400
_FILL = """
    INSERT INTO meta_ads.meta_insights
        (entity_type, entity_id, date_start, date_stop, account_id, campaign_id, adset_id, ad_id,
         currency, spend, impressions, reach, frequency, clicks, unique_clicks,
         inline_link_clicks, actions, action_values, data_as_of)
    SELECT 'ad', id, day, day, 'act_' || a, (a * 1000000 + n / 20)::text,
        (a * 1000000 + n / 5)::text, id, 'EUR', (h & 8191) / 100.0, h & 65535, (h >> 3) & 32767,
        1 + ((h >> 5) & 1023) / 1000.0, (h >> 7) & 511, (h >> 8) & 255, (h >> 9) & 127,
        jsonb_build_array(
            jsonb_build_object('action_type', 'link_click', 'value', ((h >> 9) & 127)::text,
                               '7d_click', ((h >> 10) & 63)::text),
            jsonb_build_object('action_type', 'omni_purchase', 'value', ((h >> 11) & 15)::text,
                               '7d_click', ((h >> 12) & 7)::text),
            jsonb_build_object('action_type', 'lead', 'value', ((h >> 13) & 3)::text)),
        jsonb_build_array(
            jsonb_build_object('action_type', 'omni_purchase', 'value', ((h & 4095) / 10.0)::text)),
        now()
    FROM (
        SELECT a, n, day, (a * 1000000 + n)::text AS id,
            hashint8(a * 1000000000000::bigint + n * 10000::bigint + (day - '2026-01-01'))
                & 2147483647 AS h
        FROM (SELECT '2026-01-01'::date + d AS day
              FROM generate_series({first}, {last}) AS d) AS days,
            generate_series(1, {accounts}) AS a, generate_series(0, {ads} - 1) AS n
    ) AS rows
"""
# A process of its own: its memory and its processor time are the export's, and nothing else's.
_EXPORT = """
import json, resource, sys, time
from meta_pipeline.exports import export, open_place
before, started = time.process_time(), time.perf_counter()
done = export(sys.argv[1], open_place(sys.argv[2]))
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "files": len(done.written), "rows": done.rows_written,
    "cpu_s": time.process_time() - before, "wall_s": time.perf_counter() - started,
    "peak_mb": used.ru_maxrss / 1024,
}))
"""
console = Console(width=110)


def main() -> None:
    asked = _lab.asked_rows(__doc__)
    folder = Path(mkdtemp(prefix="meta-pipeline-bench-lake-"))
    try:
        with (
            _lab.server(asked.url) as url,
            _lab.filled(
                url,
                f"bench_export_{asked.rows}",
                partial(_fill, rows=asked.rows),
                keep=asked.keep,
            ) as database,
        ):
            table = Table(
                title=f"Export of {asked.rows:,} insight rows, load {os.getloadavg()[0]:.0f}"
            )
            for head in (
                "run",
                "files",
                "rows",
                "s",
                "CPU s",
                "rows/CPU s",
                "peak MB",
                "Postgres CPU s",
            ):
                table.add_column(head, justify="left" if head == "run" else "right")
            _row(table, "everything", database, folder, limits=True)
            _row(table, "nothing changed", database, folder)
            with psycopg.connect(database) as connection:
                connection.execute(
                    "UPDATE meta_ads.meta_insights SET spend = spend + 1"
                    " WHERE account_id = 'act_1' AND date_start >= '2026-04-01'"
                )
            _row(table, "one month of one account changed", database, folder)
            size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
            console.print(table)
            console.print(f"{size / asked.rows:.0f} bytes a row in Parquet")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _row(table: Table, name: str, database: str, folder: Path, *, limits: bool = False) -> None:
    before = _postgres_seconds(database)
    ran = subprocess.run(
        [sys.executable, "-c", _EXPORT, database, str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(ran.stdout)
    speed = found["rows"] / found["cpu_s"]
    fast = f" {'ok' if speed >= ROWS_A_SECOND else 'UNDER'}" if limits else ""
    flat = f" {'ok' if found['peak_mb'] <= MEMORY_MB else 'OVER'}" if limits else ""
    table.add_row(
        name,
        f"{found['files']:,}",
        f"{found['rows']:,}",
        f"{found['wall_s']:.1f}",
        f"{found['cpu_s']:.1f}",
        f"{speed:,.0f}{fast}",
        f"{found['peak_mb']:.0f}{flat}",
        f"{_postgres_seconds(database) - before:.1f}",
    )


def _postgres_seconds(database: str) -> float:
    """Processor time of the server and all it has started, also of what has ended."""
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT (regexp_split_to_array(pg_read_file('postmaster.pid'), E'\\n'))[1]::int"
        ).fetchone()
    assert row is not None
    root = row[0]
    total = _with_children_seconds(root)
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == root:
            total += sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return total


def _with_children_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _fill(database: str, *, rows: int) -> None:
    ads = rows // (ACCOUNTS * DAYS)
    with psycopg.connect(database, autocommit=True) as connection:
        for first in range(0, DAYS, 10):
            connection.execute(
                _FILL.format(first=first, last=first + 9, accounts=ACCOUNTS, ads=ads)
            )
        connection.execute("VACUUM ANALYZE meta_ads.meta_insights")


if __name__ == "__main__":
    main()
