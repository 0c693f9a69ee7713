"""A desk on a venue that amends stops in place, and the words of that venue."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from contractdesk.domain.commands import (
    AmendStop,
    ReduceOrder,
)
from contractdesk.domain.events import (
    AmendFailed,
    OrderAmended,
    OrderRead,
    VenueOrder,
)
from contractdesk.domain.intents import FixedStop, IntentKind
from contractdesk.domain.orders import OrderStatus, OrderType, Side
from tests.engine.bench import CONFIG, NS_PER_S, SYMBOL, Bench, D, wish

AMENDING = replace(CONFIG, amend_stop=True)
OLD, NEW, NEWER = "29000", "29500", "29600"


def amend_bench() -> tuple[Bench, str]:
    """A long of 0.02 under a confirmed stop at 29,000, on a venue that amends."""
    bench = Bench(config=AMENDING)
    return bench, bench.open("0.02", OLD)


def move(bench: Bench, price: str) -> None:
    bench.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D(price))))


def amended(bench: Bench, stop: str, price: str, size: str = "0.02", venue_ns: int = 0) -> None:
    """The venue's word, answer or stream."""
    event = OrderAmended(
        ts_ns=bench.now_ns,
        client_id=stop,
        symbol=SYMBOL,
        venue_ns=venue_ns or bench.now_ns,
        price=None,
        trigger_price=D(price),
        size=D(size),
    )
    bench.feed(event)


def failed(bench: Bench, stop: str, code: int) -> None:
    bench.feed(AmendFailed(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, code=code, message="no"))


def row(
    stop: str, price: str, size: str = "0.02", status: OrderStatus = OrderStatus.WORKING, filled: str = "0"
) -> VenueOrder:
    return VenueOrder(
        client_id=stop,
        venue_id=f"v-{stop}",
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.STOP_MARKET,
        status=status,
        size=D(size),
        filled=D(filled),
        price=None,
        trigger_price=D(price),
        reduce_only=True,
    )


def read(bench: Bench, stop: str, shown: VenueOrder | None) -> None:
    """The answer to the query, a little later."""
    bench.now_ns += NS_PER_S // 100
    bench.feed(OrderRead(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, order=shown))


def moves(bench: Bench) -> list[tuple[Decimal, Decimal]]:
    """(size, trigger) of every amend that was sent."""
    return [(command.size, command.trigger_price) for command in bench.all(AmendStop)]


def add(bench: Bench, size: str, stop: str = OLD) -> None:
    """Another entry, filled at once."""
    entry = bench.enter(size, stop).approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, size)


def reduce(bench: Bench, size: str) -> None:
    bench.ask(wish(IntentKind.EXIT, size=D(size)))
    closing = bench.last(ReduceOrder).client_id
    bench.accept(closing)
    bench.fill(closing, f"-{size}")
