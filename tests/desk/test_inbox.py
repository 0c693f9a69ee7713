"""What concerns money is never dropped or delayed; the market is merged, and cut off whole if it must be."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contractdesk.desk.inbox import Inbox
from contractdesk.domain.events import (
    BookChanged,
    BookInvalidated,
    BookSnapshotRead,
    Event,
    MarkPriced,
    SymbolNotReady,
    TimePassed,
    TradePrinted,
)
from contractdesk.domain.market import pack_levels, unpack_levels
from contractdesk.domain.orders import Side

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


def change(first: int, last: int, *levels: tuple[int, int], symbol: str = BTC, ts_ns: int = 0) -> BookChanged:
    packed = pack_levels(levels)
    return BookChanged(
        ts_ns=ts_ns, symbol=symbol, first_id=first, last_id=last, bids=packed, asks=b"", venue_ns=0
    )


def trade(n: int, symbol: str = BTC) -> TradePrinted:
    return TradePrinted(
        ts_ns=n,
        symbol=symbol,
        trade_id=n,
        price=Decimal(1),
        size=Decimal(1),
        taker=Side.BUY,
        venue_ns=n,
    )


def mark(n: int, symbol: str = BTC) -> MarkPriced:
    return MarkPriced(
        ts_ns=n,
        symbol=symbol,
        mark=Decimal(n),
        index=Decimal(n),
        funding_rate=Decimal(0),
        next_funding_ns=0,
        venue_ns=n,
    )


def drained(inbox: Inbox) -> list[Event]:
    async def take() -> list[Event]:
        return [(await inbox.get())[0] for _ in range(len(inbox))]

    return asyncio.run(take())


def test_two_changes_of_one_book_become_one_whose_later_levels_follow() -> None:
    inbox = Inbox(print)
    inbox.put(change(1, 2, (100, 5), ts_ns=1))
    inbox.put(change(3, 4, (100, 0), (101, 7), ts_ns=2))
    (merged,) = drained(inbox)
    assert isinstance(merged, BookChanged)
    assert (merged.first_id, merged.last_id, merged.ts_ns) == (1, 4, 2)
    assert unpack_levels(merged.bids) == [(100, 5), (100, 0), (101, 7)]
    assert inbox.merged == 1


def test_a_change_never_crosses_a_snapshot_or_an_invalidation() -> None:
    inbox = Inbox(print)
    snapshot = BookSnapshotRead(ts_ns=0, symbol=BTC, update_id=2, bids=b"", asks=b"")
    gap = BookInvalidated(ts_ns=0, symbol=BTC, reason="gap")
    events = [change(1, 2), snapshot, change(3, 4), gap, change(9, 9)]
    for event in events:
        inbox.put(event)
    assert drained(inbox) == events


def test_the_other_symbol_keeps_its_own_changes() -> None:
    inbox = Inbox(print)
    for symbol in (BTC, ETH, BTC, ETH):
        inbox.put(change(1, 1, symbol=symbol))
    assert [event.symbol for event in drained(inbox)] == [BTC, ETH]  # type: ignore[union-attr]


def test_a_consumed_change_is_not_merged_into() -> None:
    inbox = Inbox(print)
    inbox.put(change(1, 1))
    first = drained(inbox)
    inbox.put(change(2, 2))
    assert [*first, *drained(inbox)] == [change(1, 1), change(2, 2)]


def test_of_marks_the_latest_is_kept() -> None:
    inbox = Inbox(print)
    for price in (1, 2, 3):
        inbox.put(mark(price))
        inbox.put(change(price, price))
    only, _ = drained(inbox)
    assert isinstance(only, MarkPriced)
    assert only.mark == 3


def test_a_mark_never_crosses_a_trade_of_its_symbol() -> None:
    """Bars of trades are closed by the marks' time: one before its trades would close them too early."""
    inbox = Inbox(print)
    events = [mark(1), trade(1), mark(2), mark(3), trade(4, ETH), mark(5), trade(6)]
    for event in events:
        inbox.put(event)
    assert drained(inbox) == [mark(1), trade(1), mark(5), trade(4, ETH), trade(6)]
    assert inbox.merged == 2


def test_orders_and_the_person_overtake_the_market() -> None:
    inbox = Inbox(print)
    inbox.put(trade(1))
    inbox.put(TimePassed(ts_ns=2))
    assert [type(event) for event in drained(inbox)] == [TimePassed, TradePrinted]


def test_an_overflow_cuts_the_symbol_off_whole_and_says_so() -> None:
    told: list[str] = []
    inbox = Inbox(told.append, capacity=4)
    inbox.put(trade(1, ETH))
    for n in range(1, 10):
        inbox.put(trade(n))
    kinds = [type(event).__name__ for event in drained(inbox)]
    assert kinds == ["TradePrinted", BookInvalidated.__name__, SymbolNotReady.__name__]
    assert told == [BTC]
    assert inbox.dropped == 9


@given(st.lists(st.sampled_from(["change", "mark", "trade"]), max_size=60))
def test_a_mark_is_told_where_it_came_among_the_trades(kinds: list[str]) -> None:
    inbox = Inbox(print)
    for n, kind in enumerate(kinds, start=1):
        inbox.put({"change": change(n, n), "mark": mark(n), "trade": trade(n)}[kind])
    told = [event.venue_ns for event in drained(inbox) if isinstance(event, MarkPriced | TradePrinted)]
    assert told == sorted(told)
    assert told[-1:] == [n for n, kind in enumerate(kinds, start=1) if kind != "change"][-1:]


@given(st.lists(st.sampled_from(["change", "mark", "trade", "time"]), max_size=60), st.integers(1, 20))
def test_nothing_urgent_is_ever_lost_and_no_trade_is_ever_thinned(kinds: list[str], capacity: int) -> None:
    inbox = Inbox(lambda _: None, capacity=capacity)
    for n, kind in enumerate(kinds):
        match kind:
            case "change":
                inbox.put(change(n, n))
            case "trade":
                inbox.put(trade(n))
            case "time":
                inbox.put(TimePassed(ts_ns=n))
            case _:
                inbox.put(BookInvalidated(ts_ns=n, symbol=ETH, reason=""))
    events = drained(inbox)
    assert sum(isinstance(event, TimePassed) for event in events) == kinds.count("time")
    trades = [event.trade_id for event in events if isinstance(event, TradePrinted)]
    cut = any(isinstance(event, SymbolNotReady) and event.symbol == BTC for event in events)
    assert cut or trades == [n for n, kind in enumerate(kinds) if kind == "trade"]
