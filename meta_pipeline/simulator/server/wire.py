"""Bodies as they go over the wire: compressed, padded to any size, or a byte at a time."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from meta_pipeline.simulator.api.calls import Answer
from meta_pipeline.simulator.server.faults import Fault

_PIECE_BYTES = 1 << 20
_MEMBER_MB = 16


def compressed(answer: Answer) -> Answer:
    """The answer as gzip, which is how Meta sends it to whoever accepts it."""
    headers = {**answer.headers, "content-encoding": "gzip"}
    return replace(answer, body=gzip.compress(answer.body, mtime=0), headers=headers)


def size_of(answer: Answer, fault: Fault) -> int:
    """What the answer promises as its content-length."""
    return len(answer.body) + fault.after_bytes


def pieces(answer: Answer, fault: Fault) -> Iterator[bytes]:
    """The body, then white space up to the size of the fault: valid JSON, however large."""
    yield answer.body
    left = fault.after_bytes
    while left > 0:
        yield b" " * min(left, _PIECE_BYTES)
        left -= _PIECE_BYTES


def bomb(answer: Answer, fault: Fault) -> Answer:
    """Gzip a thousandth as large as what it unpacks to: the body, then white space."""
    member = gzip.compress(b" " * (_MEMBER_MB * 1_000_000), mtime=0)
    members = -(-fault.after_bytes // (_MEMBER_MB * 1_000_000))
    small = compressed(answer)
    return replace(small, body=small.body + member * members)


async def drops(fault: Fault) -> AsyncIterator[bytes]:
    """White space without an end, a byte each `fault.seconds`: no read time-out ever strikes."""
    while True:
        yield b" "
        await asyncio.sleep(fault.seconds)
