"""What is asked of a Dagster on this machine goes to it, and to nobody else."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from meta_pipeline.local.graphql import DagsterApi


class Dagster(BaseHTTPRequestHandler):
    """Answers every question with a run that went well."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        runs = {"results": [{"runId": "r", "status": "SUCCESS"}]}
        body = json.dumps({"data": {"runsOrError": runs}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


def test_a_proxy_of_the_network_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with ThreadingHTTPServer(("127.0.0.1", 0), Dagster) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            api = DagsterApi(f"http://127.0.0.1:{server.server_address[1]}", "here")
            assert api.statuses(["r"]) == {"r": "SUCCESS"}
        finally:
            server.shutdown()
            thread.join()
