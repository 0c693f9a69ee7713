"""hftbacktest's run of the strategy of `replay_terms`, compiled, in its own interpreter.

    python peer_hftbacktest.py run TRADES.parquet

Its events are made of the trades in each run: that takes less than to read them from its own file.
It simulates an order book, so the trades carry one: a bid a tick below and an ask a tick above the last
price. It has no stop orders: the strategy sees the trade that reaches its stop and sends a market order,
which arrives 50 ms later. So its exits are later than those of the reference; most entries are the same.
"""

from __future__ import annotations

import sys

import numpy as np
import pyarrow.parquet as pq
from hftbacktest import (
    BUY,
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    FILLED,
    GTC,
    LOCAL_EVENT,
    MARKET,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from hftbacktest.types import event_dtype
from numba import njit
from replay_terms import (
    FAST,
    FEE,
    LATENCY_NS,
    LOTS_A_UNIT,
    MINUTE_NS,
    SLOW,
    SLOW_BARS,
    STOP_ATRS,
    TARGET_LOTS,
    TICKS_A_UNIT,
    WILDER,
    Account,
    Fill,
    Stopwatch,
    Took,
    better_of_two,
)

SEEN = EXCH_EVENT | LOCAL_EVENT  # by the exchange and by us, at the same time
TICK = 1 / TICKS_A_UNIT
MOST_EVENTS_A_TRADE = 5
MOST_FILLS = 200_000
DEPTH = 10.0
SIZE = TARGET_LOTS / LOTS_A_UNIT
END_OF_DATA = 1
TINY = 1e-9


@njit(cache=True)
def _events(ts_ns, ticks, lots, side, events):
    """Fill ``events`` with the trades and the book around them; how many there are."""
    count, last = 0, ticks[0]
    for is_bid in (True, False):
        count = _level(events, count, ts_ns[0], last, is_bid, DEPTH)
    for i in range(ts_ns.size):
        now, tick = ts_ns[i], ticks[i]
        if tick != last:
            for is_bid in (tick < last, tick > last):  # first the side that would be crossed
                count = _level(events, count, now, last, is_bid, 0.0)
                count = _level(events, count, now, tick, is_bid, DEPTH)
            last = tick
        kind = TRADE_EVENT | (BUY_EVENT if side[i] > 0 else SELL_EVENT)
        count = _event(events, count, kind, now, tick, lots[i] / LOTS_A_UNIT)
    return count


@njit(cache=True)
def _level(events, count, now, tick, is_bid, size):
    """The bid or the ask beside ``tick``."""
    kind = DEPTH_EVENT | (BUY_EVENT if is_bid else SELL_EVENT)
    return _event(events, count, kind, now, tick - 1 if is_bid else tick + 1, size)


@njit(cache=True)
def _event(events, count, kind, now, tick, size):
    event = events[count]
    event.ev, event.exch_ts, event.local_ts = SEEN | kind, now, now
    event.px, event.qty = tick / TICKS_A_UNIT, size
    return count + 1


@njit
def _strategy(hbt, book):
    """Run over all data; ``book`` gets (ns, lots, ticks) of each fill. How many fills and bars there are."""
    bars = count = sign = 0
    fast = slow = atr = before = high = low = close = stop = known = 0.0
    now = bar_end = wait_until = number = 0  # a bar's end is 0 until it has a trade
    while hbt.wait_next_feed(False, bar_end - now if bar_end else MINUTE_NS) != END_OF_DATA:
        position, now = hbt.position(0), hbt.current_timestamp
        if position != known:
            count, known = _collect(hbt, book, count), position
            stop = _stop_at(book[count - 1, 2] / TICKS_A_UNIT, position, atr)
        if bar_end and now >= bar_end:
            bars, bar_end = bars + 1, 0
            fast, slow, atr, before = _averages(bars, high, low, close, fast, slow, atr, before)
            wanted, stop, sign = _decide(bars, fast, slow, atr, close, position, stop, sign)
            if wanted:
                number, stop, wait_until = _send(hbt, number, wanted, close), 0.0, now + LATENCY_NS
        trades = hbt.last_trades(0)
        for k in range(len(trades)):
            price = trades[k].px
            if not bar_end:
                bar_end, high, low = now - now % MINUTE_NS + MINUTE_NS, price, price
            high, low, close = max(high, price), min(low, price), price
            if stop and now > wait_until and (price - stop) * position <= 0.0:
                number, stop, wait_until = _send(hbt, number, -position, price), 0.0, now + LATENCY_NS
        hbt.clear_last_trades(0)
    return _collect(hbt, book, count), bars


@njit
def _send(hbt, number, size, price):
    if size > 0.0:
        hbt.submit_buy_order(0, number + 1, price, size, GTC, MARKET, False)
    else:
        hbt.submit_sell_order(0, number + 1, price, -size, GTC, MARKET, False)
    return number + 1


@njit
def _collect(hbt, book, count):
    """Note the orders that have filled since the last time, and let the backtest forget them."""
    orders = hbt.orders(0).values()
    while orders.has_next():
        order = orders.get()
        if order.status == FILLED:
            lots = round(order.exec_qty * LOTS_A_UNIT)
            book[count, 0] = order.exch_timestamp
            book[count, 1] = lots if order.side == BUY else -lots
            book[count, 2] = order.exec_price_tick
            count += 1
    hbt.clear_inactive_orders(0)
    return count


@njit(cache=True)
def _averages(bars, high, low, close, fast, slow, atr, before):
    """Fast, slow and ATR with the bar that closed, and its close."""
    if bars == 1:
        return close, close, high - low, close
    reach = max(high - low, max(abs(high - before), abs(low - before)))
    return fast + FAST * (close - fast), slow + SLOW * (close - slow), atr + WILDER * (reach - atr), close


@njit(cache=True)
def _decide(bars, fast, slow, atr, close, position, stop, sign):
    """Size to order (0: none), the stop and the last sign after a bar."""
    found, wanted = 0 if bars < SLOW_BARS else int(fast > slow) - int(fast < slow), 0.0
    if found and bars > SLOW_BARS and found != sign:
        missing = found * SIZE - position
        wanted = missing if abs(missing) > TINY else 0.0
    elif stop:
        moved = _stop_at(close, position, atr)
        stop = max(stop, moved) if position > 0.0 else min(stop, moved)
    return wanted, stop, found if found else sign


@njit(cache=True)
def _stop_at(price, position, atr):
    """0 without a position."""
    if abs(position) < TINY:
        return 0.0
    away = STOP_ATRS * atr
    return int((price - away if position > 0.0 else price + away) * TICKS_A_UNIT + 0.5) / TICKS_A_UNIT


def backtest(data: np.ndarray) -> HashMapMarketDepthBacktest:
    asset = (
        BacktestAsset()
        .data(data)
        .linear_asset(1.0)
        .constant_order_latency(LATENCY_NS, 0)
        .no_partial_fill_exchange()
        .risk_adverse_queue_model()
        .trading_value_fee_model(FEE, FEE)
        .tick_size(TICK)
        .lot_size(1 / LOTS_A_UNIT)
        .last_trades_capacity(200_000)
    )
    return HashMapMarketDepthBacktest([asset])


def read(path: str) -> list[np.ndarray]:
    file = pq.ParquetFile(path, memory_map=True)
    table = file.read(["ts_ns", "ticks", "lots", "side"])
    return [column.to_numpy() for column in table.columns]


def events_of(columns: list[np.ndarray]) -> np.ndarray:
    """The backtest's events of the columns of trades."""
    for column in columns:
        column.flags.writeable = False  # as they may come from a file; another kind would be compiled anew
    events = np.zeros(len(columns[0]) * MOST_EVENTS_A_TRADE + 2, event_dtype)
    return events[: _events(*columns, events)]


def replay(data: np.ndarray) -> list[Fill]:
    hbt = backtest(data)
    book = np.empty((MOST_FILLS, 3), np.int64)
    count, _ = _strategy(hbt, book)
    counted = hbt.state_values(0).num_trades
    hbt.close()
    if count != counted:
        raise ValueError(f"{count} fills were noted, and {counted} happened")
    return [(ns, lots, ticks) for ns, lots, ticks in book[:count].tolist()]


def warm_up() -> None:
    """Compile everything: on some minutes of a price that goes up and down."""
    numbers = np.arange(2_000)
    ticks = 600_000 + np.rint(500 * np.sin(numbers / 100)).astype(np.int64)
    replay(events_of([numbers * 10_000_000_000, ticks, numbers % 7 + 1, (numbers % 2).astype(np.int8)]))


def timed(path: str) -> tuple[list[Fill], Took]:
    watch = Stopwatch()
    with watch.loading():
        events = events_of(read(path))
    fills = replay(events)
    return fills, watch.read()


def at_trades(fills: list[Fill], ts_ns: np.ndarray) -> list[Fill]:
    """Fills as the reference dates them: an order fills here when it arrives, there at the next trade."""
    following = np.searchsorted(ts_ns, [ns for ns, _, _ in fills]).clip(max=len(ts_ns) - 1)
    times = ts_ns[following].tolist()
    return [(ns, lots, ticks) for ns, (_, lots, ticks) in zip(times, fills, strict=True)]


if __name__ == "__main__":
    warm_up()
    done, took = better_of_two(lambda: timed(sys.argv[2]))
    times, prices, *_ = read(sys.argv[2])
    Account.of(at_trades(done, times)).report("hftbacktest", len(times), int(prices[-1]), took)
