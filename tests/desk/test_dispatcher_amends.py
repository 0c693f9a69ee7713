"""Amends of a stop: after its create, never late, and lost where nobody knows what became of them."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from contractdesk.domain.commands import AmendStop
from contractdesk.domain.events import AmendFailed, Event, OrderAccepted, OrderAmended
from contractdesk.domain.orders import Side
from contractdesk.errors import OutcomeLost, RateLimited, VenueRejected
from tests.desk.scripted import CLOCK
from tests.desk.test_dispatcher import BTC, STOP, Bench, on_bench

AMEND = AmendStop(
    client_id="s1",
    symbol=BTC,
    side=Side.SELL,
    size=Decimal(2),
    trigger_price=Decimal(3),
    venue_id="1",
)


def test_an_amend_goes_out_after_the_answer_to_its_create_and_never_waits_for_the_disk() -> None:
    async def run() -> list[Event]:
        bench = Bench()
        bench.barrier = asyncio.Event().wait  # type: ignore[assignment]  # a disk that never answers
        bench.venue.hold = asyncio.Event()
        bench.dispatcher.perform([STOP, AMEND], CLOCK.now_ns())
        for _ in range(10):
            await asyncio.sleep(0)
        assert bench.venue.asked == ["submit s1"]
        bench.venue.hold.set()
        await bench.settled()
        assert bench.venue.asked == ["submit s1", "amend_stop s1"]
        return bench.events

    accepted, amended = asyncio.run(run())
    assert isinstance(accepted, OrderAccepted)
    assert isinstance(amended, OrderAmended)
    assert (amended.size, amended.trigger_price) == (Decimal(2), Decimal(3))


def test_an_amend_that_got_no_answer_or_may_not_be_sent_is_lost() -> None:
    lost = on_bench(AMEND, prepare=lambda b: b.venue.fail("amend_stop", OutcomeLost("gone")))
    unsent = on_bench(AMEND, prepare=lambda b: setattr(b.lease, "valid", False))
    assert not unsent.faults
    for bench, asked in ((lost, ["amend_stop s1"]), (unsent, [])):
        (failed,) = bench.events
        assert isinstance(failed, AmendFailed)
        assert (failed.client_id, failed.code) == ("s1", 0)
        assert bench.venue.asked == asked
    assert "taken over" in unsent.events[0].message  # type: ignore[union-attr]


def test_an_amend_that_was_refused_keeps_its_code() -> None:
    for error, code in ((VenueRejected(-2021, "would trigger"), -2021), (RateLimited(429, 1.0), -429)):
        bench = on_bench(AMEND, prepare=lambda b, error=error: b.venue.fail("amend_stop", error))  # type: ignore[misc]
        (failed,) = bench.events
        assert isinstance(failed, AmendFailed)
        assert failed.code == code


def test_an_amend_whose_create_stays_unanswered_is_not_sent() -> None:
    async def run() -> Bench:
        bench = Bench()
        bench.venue.hold = asyncio.Event()
        bench.dispatcher.perform([STOP, AMEND], CLOCK.now_ns())
        amends = {task for task in bench.supervisor._tasks if task.get_name().startswith("amend")}
        await asyncio.wait(amends, timeout=5)
        bench.venue.hold.set()
        await bench.settled()
        return bench

    bench = asyncio.run(run())
    assert bench.venue.asked == ["submit s1"]
    assert [type(event) for event in bench.events] == [AmendFailed, OrderAccepted]
    assert bench.events[0].code == 0  # type: ignore[union-attr]
