"""Terms that the venue changes at run time: an order that is refused for them has them read at once."""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.events import OrderRejected

from .rig import Rig, live, open_rig, request

D = Decimal
INFO = "/fapi/v1/exchangeInfo"


async def reads(rig: Rig, since: int) -> int:
    return sum(row["path"] == INFO for row in await rig.requests(since))


@live
async def test_a_refusal_for_the_terms_is_told_after_the_new_ones_and_they_are_read_once(
    exchange: str,
) -> None:
    async with open_rig(exchange) as rig:
        price = (await rig.price() * D("0.9")).quantize(D("0.1"))
        before, mark = await rig.last_request(), rig.mark()
        await rig.control("POST", "filters", {"symbol": "BTCUSDT", "min_notional": "2000"})
        try:
            for _ in range(2):
                refused = await rig.venue.submit(request(price=price))
                assert isinstance(refused, OrderRejected)
                assert refused.code == -4164
            (listed,) = rig.of("InstrumentListed", mark)
            assert listed.instrument.min_notional == 2_000
            assert rig.venue.resolve("BTCUSDT").min_notional == 2_000
            assert await reads(rig, before) == 1, "more refusals in a row say nothing new"
        finally:
            await rig.control("POST", "filters", {"symbol": "BTCUSDT", "min_notional": "100"})


@live
async def test_a_refusal_for_anything_else_reads_no_terms(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        before = await rig.last_request()
        await rig.fault(
            "answer", status=400, code=-2019, msg="Margin is insufficient.", match={"role": "entry"}
        )
        assert isinstance(await rig.venue.submit(request()), OrderRejected)
        assert await reads(rig, before) == 0
