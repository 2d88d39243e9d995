"""The ASGI application: Graph requests to the service, `/_sim` to the control plane."""

from __future__ import annotations

import asyncio

from meta_pipeline.simulator.api import errors, requests
from meta_pipeline.simulator.api.calls import GraphAnswer, document
from meta_pipeline.simulator.server import control, wire
from meta_pipeline.simulator.server.service import JSON, Served
from meta_pipeline.simulator.server.simulation import Simulation
from meta_pipeline.simulator.server.wire import Message, Receive, Send
from meta_pipeline.simulator.world.clock import VirtualClock


class Application:
    """ASGI entry point of one simulation."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._control = control.router(sim)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/_sim"):
            await self._control(scope, receive, send)
            return
        try:
            body = b"" if scope["method"] in {"GET", "HEAD"} else await wire.body_of(receive)
            outcome = self._outcome(scope, body)
        except errors.GraphError as error:
            refusal = document(error.body("A0000000000"))
            outcome = Served(GraphAnswer(error.status, refusal, {"content-type": JSON}))
        if outcome.latency_seconds:
            clock = self._sim.clock
            if isinstance(clock, VirtualClock):
                clock.advance(outcome.latency_seconds)
            else:
                await asyncio.sleep(outcome.latency_seconds)
        await wire.reply(outcome, receive, send)

    def _outcome(self, scope: Message, body: bytes) -> Served:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        # The raw path: an id may hold an escaped slash, which `path` would have unescaped.
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        # HTTP/1.0 knows no Host; the socket's own address serves as well.
        host = headers.get("host") or "{}:{}".format(*scope["server"])
        request = requests.parse(
            scope["method"], target, headers=headers, body=body, base_url=f"http://{host}"
        )
        return self._sim.service.handle(request)
