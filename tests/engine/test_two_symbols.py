"""What happens in one symbol and concerns the whole desk: entries rest in the others."""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.domain.commands import CancelOrder, SubmitOrder
from contractdesk.domain.events import (
    BookSnapshotRead,
    FlattenAsked,
    InstrumentListed,
    MarkPriced,
    OrderAccepted,
    OrderFilled,
    SymbolReady,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.market import pack_levels
from contractdesk.domain.views import TradingState
from tests.engine.bench import INSTRUMENT, MARK, SYMBOL, Bench, D, enter

OTHER = replace(INSTRUMENT, symbol="ETH/USDT:USDT", venue_symbol="ETHUSDT")


def resting_elsewhere(bench: Bench) -> str:
    """An entry that rests in another symbol; its client id."""
    tick = INSTRUMENT.to_ticks(MARK)
    bids, asks = pack_levels([(tick - 1, 10**9)]), pack_levels([(tick + 1, 10**9)])
    known = {"ts_ns": bench.now_ns, "symbol": OTHER.symbol}
    bench.feed(InstrumentListed(ts_ns=bench.now_ns, instrument=OTHER))
    bench.feed(BookSnapshotRead(**known, update_id=1, bids=bids, asks=asks))
    bench.feed(
        MarkPriced(
            **known, mark=MARK, index=MARK, funding_rate=ZERO, next_funding_ns=0, venue_ns=bench.now_ns
        )
    )
    bench.histories(OTHER.symbol)
    bench.feed(SymbolReady(**known))
    bench.alive()
    bench.ask(replace(enter(), symbol=OTHER.symbol, limit=D(29_900)))
    entry = bench.last(SubmitOrder).approved.request
    assert entry.symbol == OTHER.symbol
    bench.feed(OrderAccepted(**known, client_id=entry.client_id, venue_id="1"))
    return entry.client_id


def test_flattening_one_symbol_takes_the_entries_of_all_back() -> None:
    bench = Bench()
    entry = resting_elsewhere(bench)
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester", symbol=SYMBOL))
    assert bench.engine.view.state is TradingState.REDUCING
    assert [c.client_id for c in bench.now(CancelOrder)] == [entry]


def test_a_position_closed_elsewhere_takes_the_entries_of_all_back() -> None:
    bench = Bench()
    bench.open()
    entry = resting_elsewhere(bench)
    fill = bench.make_fill("web", "-0.02")
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    assert bench.engine.view.state is TradingState.REDUCING
    assert entry in [c.client_id for c in bench.now(CancelOrder)]
