"""A recorded market: the clock's one mapping, what a capture must be, and a real one in full."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.errors import ConfigError
from contractdesk.exchange import captures
from contractdesk.exchange.core import Exchange
from contractdesk.exchange.listings import default_listings
from contractdesk.exchange.market import Depth, MarkTick, Print
from contractdesk.exchange.markets import recorded_exchange
from contractdesk.exchange.model import (
    AccountChanged,
    AccountReason,
    Event,
    ExecutionKind,
    FundingHappened,
    LedgerKind,
    MarkMoved,
    NewOrder,
    Order,
    OrderChanged,
    OrderStatus,
    OrderType,
    Reason,
    Refused,
    Side,
    TradeMade,
)
from contractdesk.exchange.recording import FUNDING_INTERVAL_NS, MarketClock
from tests.exchange.quiet import BTC, NS_PER_S, START_NS

D = Decimal
SECOND_US = 1_000_000
T0_US = 1_680_652_700 * SECOND_US
T0_NS = T0_US * 1_000


# -- captures made up here --------------------------------------------------------------------


def snapshot(last_id: int = 100) -> dict[str, Any]:
    return {"lastUpdateId": last_id, "bids": [["28000.00", "5.000"]], "asks": [["28000.10", "4.000"]]}


def depth(first: int, last: int, previous: int, bids: Any = (), asks: Any = ()) -> dict[str, Any]:
    data = {"e": "depthUpdate", "U": first, "u": last, "pu": previous, "b": list(bids), "a": list(asks)}
    return {"stream": "btcusdt@depth@0ms", "data": data}


def trade(price: str, quantity: str, *, sold: bool, kind: str = "MARKET") -> dict[str, Any]:
    data = {"e": "trade", "p": price, "q": quantity, "m": sold, "X": kind}
    return {"stream": "btcusdt@trade", "data": data}


def mark(price: str, funding_s: int) -> dict[str, Any]:
    data = {"e": "markPriceUpdate", "p": price, "i": price, "r": "0.00010000", "T": funding_s * 1000}
    return {"stream": "btcusdt@markPrice@1s", "data": data}


def write(path: Path, lines: Sequence[tuple[float, dict[str, Any]]], *, unit: int = SECOND_US) -> Path:
    """A capture whose lines stand at these seconds after T0."""
    with gzip.open(path, "wt") as file:
        for second, message in lines:
            text = json.dumps(message, separators=(",", ":"))
            file.write(f"{round((T0_US / SECOND_US + second) * unit)} {text}\n")
    return path


FUNDING_S = T0_US // SECOND_US + 20
OPENING = [(0, snapshot()), (0.5, depth(99, 101, 98)), (1, mark("28000", FUNDING_S))]
ACTIVITY: list[tuple[float, dict[str, Any]]] = [
    (2, trade("28000.10", "0.010", sold=False)),
    (12, depth(102, 105, 101, [["28000.00", "6.000"]], [["28000.10", "0.000"], ["28000.50", "1.000"]])),
    (13, trade("28000.00", "5.500", sold=True)),
    (14, mark("28001", FUNDING_S)),
    (21, mark("28002", FUNDING_S + 8 * 3600)),
]


def made_up(tmp_path: Path, **options: Any) -> Exchange:
    path = write(tmp_path / "one.gz", [*OPENING, *ACTIVITY])
    exchange = recorded_exchange(str(path), START_NS, history_s=10, **options)
    exchange.open_account("ann", {"USDT": D(10_000)}, START_NS)
    return exchange


def buy(price: str | None, quantity: str) -> NewOrder:
    return NewOrder(
        account="ann",
        symbol=BTC,
        side=Side.BUY,
        type=OrderType.MARKET if price is None else OrderType.LIMIT,
        quantity=D(quantity),
        price=None if price is None else D(price),
    )


@given(st.integers(0, 10**15), st.integers(1, 10_000), st.integers(0, 10**12))
def test_the_clock_maps_both_ways(offset_ns: int, hundredths: int, pause_ns: int) -> None:
    clock = MarketClock(T0_NS, START_NS, D(hundredths) / 100)
    wall_ns = clock.wall(T0_NS + offset_ns)
    assert abs(clock.recorded(wall_ns) - T0_NS - offset_ns) <= max(1, hundredths // 100 + 1)
    clock.delay(pause_ns)
    assert clock.wall(T0_NS + offset_ns) == wall_ns + pause_ns


def test_the_opening_lies_behind_the_history(tmp_path: Path) -> None:
    exchange = made_up(tmp_path)
    assert exchange.book(BTC).bids == ((280_000, 5_000),)
    (old,) = exchange.agg_trades(BTC)
    assert old.ts_ns == START_NS - 8 * NS_PER_S  # second 2, the market opens at second 10
    assert exchange.mark(BTC).next_funding_ns == START_NS + 10 * NS_PER_S


def test_users_trade_with_what_was_recorded(tmp_path: Path) -> None:
    exchange = made_up(tmp_path)
    exchange.handle(buy("28000", "0.800"), START_NS)  # behind 5.000
    exchange.handle(buy(None, "0.100"), START_NS)
    assert exchange.book(BTC).asks == ((280_001, 3_900),)
    events = exchange.advance(START_NS + 4 * NS_PER_S)
    (order,) = exchange.open_orders("ann")
    assert (order.status, order.executed) == (OrderStatus.PARTIALLY_FILLED, D("0.500"))
    prints = [event.trade.quantity for event in events if isinstance(event, TradeMade)]
    assert prints == [D("5.000"), D("0.500")]


@pytest.mark.parametrize("speed", [1, 4])
def test_all_times_given_out_are_wall_times(tmp_path: Path, speed: int) -> None:
    exchange = made_up(tmp_path, speed=speed)
    exchange.handle(buy(None, "0.100"), START_NS)
    events = exchange.advance(START_NS + 60 * NS_PER_S)
    (settled,) = [event.funding for event in events if isinstance(event, FundingHappened)]
    assert settled.ts_ns == START_NS + 10 * NS_PER_S // speed
    assert settled.mark_price == D(28001)
    payment = exchange.ledger("ann")[-1]
    assert (payment.kind, payment.amount) == (LedgerKind.FUNDING_FEE, D("-0.280010"))
    following = settled.ts_ns + FUNDING_INTERVAL_NS // speed
    assert exchange.mark(BTC).next_funding_ns == following


def test_after_its_end_the_market_stands_still_and_can_be_traded(tmp_path: Path) -> None:
    exchange = made_up(tmp_path)
    exchange.advance(START_NS + 30 * NS_PER_S)
    book = exchange.book(BTC)
    events = exchange.advance(START_NS + 40 * NS_PER_S)
    assert [type(event) for event in events] == [MarkMoved] * 10
    order = exchange.handle(buy(None, "0.100"), exchange.now_ns).response
    assert isinstance(order, Order)
    assert order.average_price == D("28000.5")
    assert exchange.book(BTC).bids == book.bids


def test_a_recorded_market_goes_on_where_a_suspended_host_left_it(tmp_path: Path) -> None:
    exchange = made_up(tmp_path, longest_catch_up_ns=60 * NS_PER_S)
    exchange.advance(START_NS + NS_PER_S)
    wake_ns = START_NS + 3600 * NS_PER_S
    exchange.advance(wake_ns)
    assert exchange.book(BTC).asks[0][0] == 280_005  # what came next, only now
    assert exchange.last_price(BTC) == D("28000.1")
    exchange.advance(wake_ns + NS_PER_S)
    assert exchange.last_price(BTC) == D("28000.0")


def test_a_recorded_market_cannot_be_led(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=Reason.MARKET_NOT_STEERABLE.value):
        made_up(tmp_path).levers.walk_to(BTC, D(30000), 1)


def test_several_files_are_one_recording(tmp_path: Path) -> None:
    write(tmp_path / "a.gz", OPENING, unit=10**9)
    later = [(12, depth(102, 103, 101, [["27999.90", "1.000"]])), (13, snapshot(103))]
    write(tmp_path / "b.gz", later)
    listing = default_listings()[0]
    found = list(captures.frames(captures.find(str(tmp_path)), listing))
    assert [frame.recorded_ns - T0_NS for frame in found] == [0, NS_PER_S // 2, NS_PER_S, 12 * NS_PER_S]
    assert [type(frame.message) for frame in found] == [Depth, Depth, MarkTick, Depth]
    assert captures.find(str(tmp_path / "*.gz")) == captures.find(str(tmp_path))


def test_trades_off_the_book_are_left_out(tmp_path: Path) -> None:
    odd = [(2, trade("0", "0", sold=True)), (3, trade("28000.10", "1.000", sold=True, kind="INSURANCE_FUND"))]
    path = write(tmp_path / "a.gz", [*OPENING, *odd])
    kinds = [type(frame.message) for frame in captures.frames([path], default_listings()[0])]
    assert Print not in kinds


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "no stream message"),
        ([(0, depth(99, 101, 98))], "empty"),
        ([(0, snapshot()), (1, depth(99, 101, 98))], "no book or no mark"),
        ([*OPENING, (2, depth(107, 108, 106))], "gap"),
        ([(0, depth(n, n, n - 1)) for n in range(1_001)], "no depth snapshot"),
        ([*OPENING, (2, trade("28000.05", "1.000", sold=True))], "not a multiple"),
        ([*OPENING, (2, {"stream": "btcusdt@trade", "data": {"e": "trade"}})], "unreadable"),
    ],
)
def test_a_recording_that_cannot_be_trusted_is_refused(tmp_path: Path, lines: Any, complaint: str) -> None:
    path = write(tmp_path / "bad.gz", lines)
    with pytest.raises(ConfigError, match=complaint):
        recorded_exchange(str(path), START_NS, history_s=10)


def test_a_recording_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recording"):
        recorded_exchange(str(tmp_path / "none.gz"), START_NS)
    with gzip.open(tmp_path / "doge.gz", "wt") as file:
        file.write('1680652700000000 {"stream":"dogeusdt@trade","data":{}}\n')
    with pytest.raises(ConfigError, match="DOGEUSDT"):
        recorded_exchange(str(tmp_path / "doge.gz"), START_NS)
    with pytest.raises(ConfigError, match="speed"):
        made_up(tmp_path, speed=0)


# -- the real one -----------------------------------------------------------------------------


def real(recordings: Path, speed: int = 1) -> Exchange:
    pattern = recordings / "ws" / "binance_raw" / "binance_usdm_btcusdt_202304*.gz"
    exchange = recorded_exchange(str(pattern), START_NS, speed=speed, history_s=60)
    exchange.open_account("ann", {"USDT": D(10_000)}, START_NS)
    return exchange


@pytest.mark.recording
def test_the_real_recording_without_users_gives_the_recorded_book(recordings: Path) -> None:
    exchange = real(recordings)
    while not exchange._markets[BTC].ended:  # type: ignore[attr-defined]
        exchange.advance(exchange.now_ns + NS_PER_S // 10)
        book = exchange.book(BTC, 1)
        assert book.bids[0][0] < book.asks[0][0]
    paths = sorted((recordings / "ws" / "binance_raw").glob("binance_usdm_btcusdt_202304*.gz"))
    assert {side: dict(levels) for side, levels in independent_book(paths).items()} == {
        "b": dict(exchange.book(BTC).bids),
        "a": dict(exchange.book(BTC).asks),
    }


def independent_book(paths: Sequence[Path]) -> dict[str, dict[int, int]]:
    """The last book of a capture, by other means than the exchange's."""
    sides: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
    for path in paths:
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            if "@depth" not in line[:60] and '"lastUpdateId"' not in line[:60]:
                continue
            message = json.loads(line.split(" ", 1)[1])
            data = message.get("data", {"b": message.get("bids"), "a": message.get("asks")})
            for side, levels in sides.items():
                levels.update((D(price), D(quantity)) for price, quantity in data[side])
    return {
        side: {int(price * 10): int(quantity * 1000) for price, quantity in levels.items() if quantity}
        for side, levels in sides.items()
    }


@pytest.mark.recording
def test_a_maker_is_partly_filled_and_pays_funding_on_the_real_recording(recordings: Path) -> None:
    exchange = real(recordings)
    exchange.handle(buy(None, "0.100"), START_NS)
    events: list[Event] = []
    for step in range(4_800):
        if step % 50 == 0:
            make(exchange)
        events += exchange.advance(START_NS + step * NS_PER_S // 10)
        book = exchange.book(BTC, 1)
        assert book.bids[0][0] < book.asks[0][0]
    makers = [fill for fill in exchange.fills("ann") if fill.maker]
    partial = [
        event.order
        for event in events
        if isinstance(event, OrderChanged)
        and event.kind is ExecutionKind.TRADE
        and event.order.status is OrderStatus.PARTIALLY_FILLED
    ]
    assert makers
    assert partial
    paid = [
        event.change
        for event in events
        if isinstance(event, AccountChanged) and event.reason is AccountReason.FUNDING_FEE
    ]
    assert len(paid) == 1
    assert paid[0] < 0
    (settled,) = exchange.funding_rates(BTC)
    assert settled.rate == D("0.00002754")  # in force at 2023-04-04 23:59:59.986
    opening_ns = 1_680_652_760_441_533_000  # a minute after the first trade
    assert settled.ts_ns == START_NS + 1_680_652_800_000_000_000 - opening_ns
    assert exchange.account("ann").balances[0].wallet == sum(row.amount for row in exchange.ledger("ann"))
    size = sum(fill.side.sign * fill.quantity for fill in exchange.fills("ann"))
    assert exchange.account("ann").positions[0].size == size


def make(exchange: Exchange) -> None:
    """Keep one maker order of 0.4 at the best price: buy, then sell what was bought."""
    if exchange.open_orders("ann"):
        return
    book = exchange.book(BTC, 1)
    if exchange.account("ann").positions[0].size < D("0.4"):
        exchange.handle(buy(str(D(book.bids[0][0]) / 10), "0.400"), exchange.now_ns)
    else:
        sell = replace(buy(str(D(book.asks[0][0]) / 10), "0.400"), side=Side.SELL, reduce_only=True)
        exchange.handle(sell, exchange.now_ns)


@pytest.mark.recording
def test_the_recording_at_a_hundred_times_its_speed_is_the_same_market(recordings: Path) -> None:
    exchange = real(recordings, speed=100)
    trades = exchange.advance(START_NS + 5 * NS_PER_S)
    assert sum(isinstance(event, TradeMade) for event in trades) > 10_000
    assert exchange.last_price(BTC) == D("28140.1")
