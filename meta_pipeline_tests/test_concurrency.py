"""FairLimiter: nobody's questions are all that is answered, and who waits is not forgotten."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from meta_pipeline.commands.processes.web import _CONNECTIONS
from meta_pipeline.concurrency import MOST, FairLimiter, TooManyAtOnce
from meta_pipeline.web.download_limit import MOST as MOST_DOWNLOADS
from meta_pipeline_tests.waiting import PATIENCE_SECONDS


async def taken(limiter: FairLimiter, held: AsyncExitStack, *tenants: str) -> list[bool]:
    """Whether each of them found a slot, which it keeps."""
    found = []
    for tenant in tenants:
        try:
            await held.enter_async_context(limiter.slot(tenant))
        except TooManyAtOnce:
            found.append(False)
        else:
            found.append(True)
    return found


def test_whoever_is_alone_has_half_and_who_comes_finds_one() -> None:
    async def run() -> None:
        limiter = FairLimiter(most=8, patience_seconds=0)
        async with AsyncExitStack() as held:
            assert await taken(limiter, held, *["acme"] * 6) == [True] * 4 + [False] * 2
            assert await taken(limiter, held, *["beta"] * 3) == [True] * 2 + [False]
            assert await taken(limiter, held, "gamma", "delta", "epsilon") == [True, True, False]
        async with AsyncExitStack() as held:
            assert await taken(limiter, held, *["epsilon"] * 5) == [True] * 4 + [False]

    asyncio.run(run())


def test_who_waits_has_the_next_one_and_who_holds_fewest_comes_first() -> None:
    limiter, served = FairLimiter(most=3, patience_seconds=PATIENCE_SECONDS), []

    async def ask(tenant: str) -> None:
        async with limiter.slot(tenant):
            served.append(tenant)

    async def run() -> None:
        async with AsyncExitStack() as of_acme:
            async with AsyncExitStack() as of_beta:
                assert await taken(limiter, of_acme, "acme", "acme") == [True, True]
                assert await taken(limiter, of_beta, "beta") == [True]
                waiting = [asyncio.create_task(ask(one)) for one in ("acme", "gamma")]
                gone = asyncio.create_task(ask("gone"))
                await asyncio.sleep(0)
                gone.cancel()
                await asyncio.wait([gone])
                assert served == []
            await asyncio.wait(waiting[1:])
            assert not waiting[0].done()
        await asyncio.wait(waiting)
        async with AsyncExitStack() as held:
            assert await taken(limiter, held, "beta", "gamma", "delta") == [True, True, True]

    asyncio.run(run())
    assert served == ["gamma", "acme"]


def test_a_question_that_fails_gives_its_slot_back() -> None:
    async def run() -> None:
        limiter = FairLimiter(most=2, patience_seconds=0)
        for _ in range(3):
            with pytest.raises(ValueError, match="wrong"):
                async with limiter.slot("acme"):
                    raise ValueError("wrong")

    asyncio.run(run())


def test_slots_and_downloads_leave_connections_for_what_takes_none() -> None:
    assert MOST + MOST_DOWNLOADS + 3 == _CONNECTIONS
