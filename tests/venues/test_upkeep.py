"""What must not die unseen: the work of an open venue, and the supervision of a socket."""

from __future__ import annotations

import asyncio
import logging

import pytest

from contractdesk.clock import SystemClock
from contractdesk.venues import upkeep
from contractdesk.venues.backoff import Backoff
from contractdesk.venues.streams import Stream
from contractdesk.venues.upkeep import go_on


def test_work_that_faults_begins_again_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upkeep, "AGAIN_S", 0.0)
    told: list[str] = []

    async def run() -> None:
        done, runs = asyncio.Event(), iter(range(3))

        async def work() -> None:
            if next(runs) < 2:
                raise KeyError("NEWUSDT")
            done.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(go_on("the clock", work, told.append))
        await asyncio.wait_for(done.wait(), 5)
        task.cancel()

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert told == ["fault in the clock: KeyError('NEWUSDT')"] * 2
    assert "the clock" in caplog.text


def test_a_socket_is_supervised_whatever_its_address_raises() -> None:
    reasons: list[str] = []

    async def run() -> None:
        asked, twice = iter(range(100)), asyncio.Event()

        async def address() -> str:
            if next(asked):
                twice.set()
                await asyncio.Event().wait()
            raise LookupError("no such thing")

        stream = Stream(
            "test", address, lambda _: None, lambda: None, reasons.append,
            clock=SystemClock(), backoff=Backoff(base_s=0.0, cap_s=0.0, random=lambda: 0.0), proxy=False,
        )  # fmt: skip
        stream.start()
        await asyncio.wait_for(twice.wait(), 5)
        await stream.stop()

    asyncio.run(run())
    assert reasons == ["LookupError: no such thing"]
