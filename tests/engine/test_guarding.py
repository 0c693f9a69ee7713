"""The margin guard in the engine: entries first, then positions one by one, each time with a fresh look."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.domain.commands import CancelOrder, PlaceStop, ReadAccount, ReduceOrder, SubmitOrder
from contractdesk.domain.events import (
    AccountRead,
    BookSnapshotRead,
    InstrumentListed,
    IntentAsked,
    MarkPriced,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    ReadFailed,
    SymbolReady,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.market import pack_levels
from contractdesk.domain.orders import OrderRole
from contractdesk.engine.engine import Engine
from tests.engine.bench import CONFIG, INSTRUMENT, MARK, NS_PER_S, SYMBOL, Bench, D, enter

WIDE = replace(CONFIG, risk=replace(CONFIG.risk, size_cap=D(10)))
NAMES = ("ETH/USDT:USDT", "SOL/USDT:USDT", "XRP/USDT:USDT")


class Book(Bench):
    """A desk with positions in several symbols, all at 30,000; what is left of them follows the fills."""

    def __init__(self, sizes: dict[str, str]) -> None:
        super().__init__(config=WIDE)
        self.held: dict[str, Decimal] = {}
        for symbol, size in sizes.items():
            self.open_in(symbol, size)
        self.now_ns += 10 * NS_PER_S

    def open_in(self, symbol: str, size: str) -> None:
        if symbol != SYMBOL:
            self.list_symbol(symbol)
        self.alive()
        self.ask(replace(enter(size), symbol=symbol))
        entry = self.last(SubmitOrder).approved.request.client_id
        self.tell(OrderAccepted, symbol, entry, venue_id=f"v-{entry}")
        self.fill_in(symbol, entry, size)
        stop = self.last(PlaceStop)
        self.tell(OrderAccepted, symbol, stop.client_id, venue_id=f"v-{stop.client_id}")

    def list_symbol(self, symbol: str) -> None:
        known = {"ts_ns": self.now_ns, "symbol": symbol}
        tick = INSTRUMENT.to_ticks(MARK)
        bids, asks = pack_levels([(tick - 1, 10**9)]), pack_levels([(tick + 1, 10**9)])
        self.feed(InstrumentListed(ts_ns=self.now_ns, instrument=replace(INSTRUMENT, symbol=symbol)))
        self.feed(BookSnapshotRead(**known, update_id=1, bids=bids, asks=asks))
        prices = {"mark": MARK, "index": MARK, "funding_rate": ZERO}
        self.feed(MarkPriced(**known, **prices, next_funding_ns=0, venue_ns=self.now_ns))
        self.histories(symbol)
        self.feed(SymbolReady(**known))
        self.engine._desk.symbols[symbol].leverage = D(10)

    def tell(self, kind: type, symbol: str, client_id: str, **more: object) -> None:
        self.feed(kind(ts_ns=self.now_ns, symbol=symbol, client_id=client_id, **more))

    def fill_in(self, symbol: str, client_id: str, signed_size: str) -> None:
        made = self.make_fill(client_id, signed_size, symbol=symbol)
        self.tell(OrderFilled, symbol, client_id, fill=made)
        self.held[symbol] = self.held.get(symbol, ZERO) + D(signed_size)

    def look(self, initial: str, equity: str = "10000") -> list[object]:
        """The account as it is read now; what the engine does about it."""
        self.advance(3)
        start = len(self.sent)
        request = self.last(ReadAccount)
        seen = self.account(initial_margin=D(initial), wallet_balance=D(equity))
        self.feed(AccountRead(ts_ns=self.now_ns, request_id=request.request_id, account=seen))
        return [c for c in self.sent[start:] if isinstance(c, CancelOrder | ReduceOrder)]

    def acts(self, initial: str) -> list[str]:
        """The symbols whose positions are closed."""
        return [c.symbol for c in self.look(initial) if isinstance(c, ReduceOrder)]

    def closed(self, symbol: str) -> None:
        """The venue fills the order that closes ``symbol``."""
        order = next(c for c in reversed(self.all(ReduceOrder)) if c.symbol == symbol)
        self.fill_in(symbol, order.client_id, f"-{order.size}")


def three() -> Book:
    return Book({SYMBOL: "0.03", NAMES[0]: "0.01", NAMES[1]: "0.02"})


def test_at_the_limit_nothing_happens_and_above_the_smallest_is_closed() -> None:
    made = three()
    assert made.acts("8500") == []
    assert made.engine.view.unwinding == ""
    assert made.acts("8500.01") == [NAMES[0]]
    assert made.engine.view.unwinding == f"closing {NAMES[0]}"
    assert "margin_guard" in made.codes


def test_it_waits_for_the_fill_and_looks_anew_before_the_next() -> None:
    made = three()
    assert made.acts("9000") == [NAMES[0]]
    assert made.acts("9000") == []  # not filled yet: however often it is read
    before = len(made.all(ReadAccount))
    made.closed(NAMES[0])
    assert len(made.all(ReadAccount)) == before + 1  # asked for at once
    assert made.acts("8800") == [NAMES[1]]
    made.closed(NAMES[1])
    assert made.acts("8400") == []  # enough
    assert made.engine.view.unwinding == ""
    assert made.held[SYMBOL] == D("0.03")


def test_entries_go_first_and_stops_stay() -> None:
    made = three()
    made.look("0")  # fresh: the entry is judged at once
    made.alive()
    made.ask(enter("0.001", limit=D(29_500)))
    entry = made.last(SubmitOrder).approved.request.client_id
    made.accept(entry)
    acts = made.look("9000")
    assert [(type(c), c.client_id) for c in acts] == [(CancelOrder, entry)]
    assert made.acts("9000") == []  # the cancel is not confirmed
    made.tell(OrderCancelled, SYMBOL, entry)
    assert made.acts("8400") == []  # that was enough
    assert not made.all(ReduceOrder)
    stops = [t for m in made.engine._desk.symbols.values() for t in made.engine._desk.tracked(m)]
    assert [tracked.role for tracked in stops] == [OrderRole.STOP] * 3
    assert not any(tracked.cancelling for tracked in stops)


def test_an_account_read_before_the_fill_does_not_count() -> None:
    made = three()
    made.acts("9000")
    made.now_ns += NS_PER_S
    made.advance(2)
    early = made.last(ReadAccount)
    made.now_ns += NS_PER_S
    made.closed(NAMES[0])
    stale = made.account(initial_margin=D(9000))
    made.feed(AccountRead(ts_ns=made.now_ns, request_id=early.request_id, account=stale))
    assert len(made.all(ReduceOrder)) == 1


def test_what_cannot_be_read_unwinds_nothing() -> None:
    made = three()
    for _ in range(5):
        made.advance(3)
        request = made.last(ReadAccount)
        made.feed(ReadFailed(ts_ns=made.now_ns, request_id=request.request_id, what="account", reason="x"))
    assert not made.all(ReduceOrder)
    made.alive()
    made.feed(IntentAsked(ts_ns=made.now_ns, who="tester", intent=enter("0.001")))
    made.advance(3)
    assert made.engine.snapshot().refusals[-1].rule == "intent_expiry"  # no account, no entry


def test_a_closing_that_does_not_come_through_holds_nothing_up() -> None:
    made = three()
    assert made.acts("9000") == [NAMES[0]]
    made.advance(3)
    assert made.acts("9000") == [NAMES[1]]  # after five seconds without a fill
    made.closed(NAMES[1])
    made.closed(NAMES[0])
    assert made.acts("8000") == []
    assert made.engine.view.unwinding == ""


def test_where_all_is_stuck_the_venue_is_not_asked_in_a_loop() -> None:
    made = three()
    for _ in range(4):
        made.look("9000")
        made.advance(3)  # more than five seconds a round, and nothing is ever filled
    assert made.engine.view.unwinding == "waiting for what is being closed"
    before = len(made.all(ReadAccount))
    for _ in range(5):
        made.look("9000")
    assert len(made.all(ReadAccount)) - before <= 10  # one each two seconds, as in any position


def test_no_entry_meanwhile() -> None:
    made = three()
    made.acts("9000")
    made.alive()
    made.ask(enter("0.001"))
    assert made.engine.snapshot().refusals[-1].rule == "margin_guard"


def test_it_works_while_the_desk_is_halted_and_from_a_checkpoint() -> None:
    made = three()
    made.engine._core.halt("test")
    assert made.acts("9000") == [NAMES[0]]
    made.engine = Engine.restore(made.engine.checkpoint(), {})
    made.closed(NAMES[0])
    assert made.acts("9000") == [NAMES[1]]


def test_nothing_of_ours_to_close_is_left_alone() -> None:
    made = Bench(config=WIDE)
    made.advance(6)
    request = made.last(ReadAccount)
    seen = made.account(initial_margin=D(9900))
    made.feed(AccountRead(ts_ns=made.now_ns, request_id=request.request_id, account=seen))
    assert "margin_guard" not in made.codes
    assert not made.all(ReduceOrder)


@given(
    st.dictionaries(st.sampled_from((SYMBOL, *NAMES)), st.integers(1, 60), min_size=1), st.integers(0, 120)
)
@settings(max_examples=60)
def test_it_ends_for_any_book_smallest_first_and_no_more_than_needed(
    lots: dict[str, int], limit: int
) -> None:
    """The account binds 100 USDT a lot: it closes in order of size until 85 % or nothing is left."""
    made = Book({symbol: f"0.{count:03d}" for symbol, count in lots.items()})
    equity = max(limit, 1) * 100
    left = dict(lots)
    for _ in range(len(lots) + 1):
        bound = 100 * sum(left.values())
        closed = [c.symbol for c in made.look(str(bound), str(equity)) if isinstance(c, ReduceOrder)]
        if bound * 100 <= 85 * equity or not left:
            assert closed == []
            break
        (symbol,) = closed
        assert left[symbol] == min(left.values())
        del left[symbol]
        made.closed(symbol)
    bound = 100 * sum(left.values())
    assert bound * 100 <= 85 * equity
    assert made.engine.view.unwinding == "" or not left


@pytest.mark.parametrize("period", ["1", "10"])
def test_the_period_is_a_setting(period: str) -> None:
    quick = replace(WIDE, risk=replace(WIDE.risk, margin_guard_period_s=float(period)))
    made = Bench(config=quick)
    made.open()
    due = made.engine._desk.guard_due_ns - made.now_ns
    assert 0 < due <= float(period) * NS_PER_S
