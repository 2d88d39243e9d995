"""kill -9 while deliveries pour in: what was acknowledged is there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from meta_pipeline.warehouse import Warehouse
from meta_pipeline.webhooks import unpack
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.webhooks.deliveries import SECRET, changed, signature

_SERVE = """
import sys, uvicorn
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import sign_in_of
settings = Settings.load(env_file=None)
site = Site(settings, Warehouse(sys.argv[1]), Secret("x" * 32), sign_in_of(settings, "127.0.0.1"))
uvicorn.run(web_application(site), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning",
            log_config=None, proxy_headers=False, lifespan="off")
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def delivery(number: int) -> bytes:
    entry = {"id": "9", "time": number, "changes": [changed(str(n)) for n in range(20)]}
    return json.dumps({"object": "ad_account", "entry": [entry]}).encode()


@pytest.mark.slow
@pytest.mark.parametrize("after_acknowledged", [1, 40, 150])
def test_nothing_acknowledged_is_lost(
    keeper: Warehouse, tmp_path: Path, after_acknowledged: int
) -> None:
    with keeper.connection() as connection:
        connection.execute("DELETE FROM meta_ads.webhook_changes")
        connection.execute("DELETE FROM meta_ads.webhook_deliveries")
    port = free_port()
    address = f"http://127.0.0.1:{port}/webhooks/meta"
    environment = {**os.environ, "META_APP_SECRET": SECRET}
    command = [sys.executable, "-c", _SERVE, keeper.url, str(port)]
    acknowledged: list[int] = []
    numbers, lock = iter(range(1, 100_000)), threading.Lock()
    stopped = threading.Event()

    def pour() -> None:
        with httpx2.Client(timeout=PATIENCE_SECONDS) as client:
            while not stopped.is_set():
                with lock:
                    number = next(numbers)
                body = delivery(number)
                try:
                    answer = client.post(address, content=body, headers=signature(body))
                except httpx2.HTTPError:
                    if acknowledged:
                        return
                    time.sleep(0.2)  # it is not listening yet
                    continue
                if answer.status_code == 200:
                    acknowledged.append(number)

    with subprocess.Popen(command, env=environment, cwd=tmp_path) as server:
        threads = [threading.Thread(target=pour, daemon=True) for _ in range(4)]
        try:
            for thread in threads:
                thread.start()
            deadline = time.monotonic() + 120
            while len(acknowledged) < after_acknowledged and time.monotonic() < deadline:
                time.sleep(0.005)
            server.send_signal(signal.SIGKILL)
        finally:
            server.kill()
            stopped.set()
            for thread in threads:
                thread.join(30)
    assert len(acknowledged) >= after_acknowledged
    unpack(keeper, most=100_000)
    with keeper.connection() as connection:
        kept = dict(
            connection.execute(
                "SELECT extract(epoch FROM occurred_at)::bigint, count(*) "
                "FROM meta_ads.webhook_changes GROUP BY 1"
            ).fetchall()
        )
    assert all(kept.get(number) == 20 for number in acknowledged)
    assert set(kept.values()) <= {20}, "a delivery is kept whole or not at all"
