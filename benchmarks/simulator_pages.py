"""How many pages a second the simulator serves from one core.

Starts it as a process of its own and asks with a bare keep-alive socket, so that the client costs
next to nothing. Pages per CPU second say what a core does that is its own:

    python -m benchmarks.simulator_pages
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

ACCOUNT = "act_990000000000001"
TIMED_SECONDS = 3.0


@dataclass(frozen=True)
class Case:
    name: str
    path: str


CASES = (
    Case("25 ads, prepared", f"{ACCOUNT}/ads?fields=id,name,status,updated_time&limit=25"),
    Case("500 ads, prepared", f"{ACCOUNT}/ads?fields=id,name,status,updated_time&limit=500"),
    Case(
        "500 ad-days of insights, prepared",
        f"{ACCOUNT}/insights?level=ad&time_increment=1&date_preset=last_7d&limit=500"
        "&fields=ad_id,impressions,clicks,spend,actions",
    ),
    Case("25 ads, another question each time", f"{ACCOUNT}/ads?fields=id,name&limit=25&{{}}"),
)


def main() -> None:
    command = [sys.executable, "-m", "meta_pipeline.simulator", "--port", "0", "--token", "T",
               "--tier", "standard_access", "--stop-with-parent"]  # fmt: skip
    # Meta's own allowance would end a benchmark after some minutes; this one is out of reach.
    command += ["--calls-per-hour", "100000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        _pin(process.pid)
        try:
            for case in CASES:
                busy = _cpu_seconds(process.pid)
                found = measure(url, case.path)
                busy = _cpu_seconds(process.pid) - busy
                print(
                    f"{case.name:42} {found.pages / found.seconds:8.0f} pages/s "
                    f"{found.bytes / found.seconds / 1e6:8.1f} MB/s"
                    + (f" {found.pages / busy:8.0f} pages per CPU second" if busy else "")
                )
        finally:
            process.terminate()


def _pin(pid: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {max(os.sched_getaffinity(pid))})


def _cpu_seconds(pid: int) -> float:
    """What a process has used of a core; 0 where /proc does not say it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    pages: int
    bytes: int
    seconds: float


def measure(url: str, path: str) -> Measured:
    host, port = urlsplit(url).netloc.split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ask(connection, path, 0)
        started, count, size = time.perf_counter(), 0, 0
        while (passed := time.perf_counter() - started) < TIMED_SECONDS:
            size += ask(connection, path, count)
            count += 1
    return Measured(count, size, passed)


def ask(connection: socket.socket, path: str, number: int) -> int:
    condition = f'[{{"field":"ad.id","operator":"NOT_EQUAL","value":"{number}"}}]'
    target = path.format(f"filtering={quote(condition)}") if "{}" in path else path
    connection.sendall(
        f"GET /v26.0/{target}&access_token=T HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    )
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(262_144)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{head[:60]!r} {body[:200]!r}")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    left = length - len(body)
    while left > 0:
        left -= len(connection.recv(1_048_576))
    return len(head) + 4 + length


if __name__ == "__main__":
    main()
