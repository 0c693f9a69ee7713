"""What no stream tells, from the loopback exchange: settled funding and open interest, with their past."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from contractdesk.domain.histories import FundingHistory, OpenInterestHistory

from .rig import SYMBOL, Rig, live, open_rig

NS_PER_S = 1_000_000_000
HOUR_NS = 3600 * NS_PER_S


def interest_of(rig: Rig) -> OpenInterestHistory:
    history = OpenInterestHistory()
    for event in rig.of("OpenInterestRead"):
        history.take(event.venue_ns, event.amount)
    return history


@live
async def test_a_ready_symbol_has_four_hours_of_open_interest_and_then_what_it_becomes(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        ready = rig.events.index(await rig.seen("SymbolReady"))
        assert any(type(event).__name__ == "OpenInterestRead" for event in rig.events[:ready])
        reads = interest_of(rig).reads
        assert reads[0][0] < rig.clock.now_ns() - 4 * HOUR_NS
        steps = [later[0] - earlier[0] for earlier, later in pairwise(reads)]
        assert max(steps) <= 300 * NS_PER_S
        assert min(steps) > 0
        was = reads[-1][1]
        await rig.control("POST", "open_interest", {"symbol": "BTCUSDT", "amount": str(was * 2)})
        await rig.seen("OpenInterestRead", lambda event: event.amount == was * 2)
        await rig.control("POST", "open_interest", {"symbol": "BTCUSDT", "amount": str(was)})


@live
async def test_settlements_are_told_though_no_mark_announced_them(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        first = await rig.seen("FundingHistoryRead")
        assert first.until_ns - first.since_ns >= 9 * 24 * HOUR_NS
        mark = rig.mark()
        for rate in ("0.0007", "-0.0011"):
            await rig.control("POST", "fund", {"symbol": "BTCUSDT", "rate": rate})
            await rig.seen("FundingSettled", lambda e, rate=rate: e.rate == Decimal(rate), since=mark)
        told = await rig.seen("FundingHistoryRead", since=rig.mark())
        past = FundingHistory()
        for event in rig.events:
            if type(event).__name__ == "FundingSettled":
                past.settle(event.funding_ns, event.rate)
            elif type(event).__name__ == "FundingHistoryRead":
                past.read(event.since_ns, event.until_ns)
        assert past.whole_from(first.since_ns), "the spans that were read leave no hole"
        assert past.until_ns >= told.until_ns
        window = past.within(told.until_ns - 8 * HOUR_NS, told.until_ns)
        assert [rate for _, rate in window][-2:] == [Decimal("0.0007"), Decimal("-0.0011")]
        assert {event.symbol for event in rig.of("FundingSettled")} == {SYMBOL}


@live
async def test_open_interest_that_cannot_be_read_keeps_no_symbol_from_being_ready(exchange: str) -> None:
    async with open_rig(exchange, watch=False) as rig:
        for path in ("/fapi/v1/openInterest", "/futures/data/openInterestHist"):
            await rig.fault("answer", match={"path": path}, count=0, status=400, code=-4000, msg="no")
        await rig.venue.watch(SYMBOL, ("1m",), 30)
        assert not rig.of("OpenInterestRead")
