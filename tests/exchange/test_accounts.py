"""Money: exact cost, one rounding a booking, margin, funding and liquidation, with the sums beside."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.exchange import margin
from contractdesk.exchange.accounts import Account, Holding
from contractdesk.exchange.listings import default_listings
from contractdesk.exchange.market import Depth
from contractdesk.exchange.model import (
    AccountChanged,
    AccountReason,
    AlgoStatus,
    ExecutionKind,
    ForcedOrder,
    FundingHappened,
    LedgerKind,
    MarginCall,
    OrderChanged,
    OrderStatus,
    SetLeverage,
    Side,
    Transfer,
)
from contractdesk.exchange.terms import Listing, money
from tests.exchange.quiet import BTC, HOUR_NS, START_NS, Pit, inverse_listing, mark_tick

D = Decimal
BIDS = [(599_990, 500), (590_000, 100_000), (300_000, 1_000_000)]
ASKS = [(600_010, 500), (610_000, 100_000)]
LINEAR = default_listings()[0]
INVERSE = inverse_listing()

trades = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 50), st.integers(400_000, 800_000)), max_size=30
)


@given(st.fractions(min_value=-(10**12), max_value=10**12))
def test_money_rounds_once_half_to_even(exact: Fraction) -> None:
    rounded = money(exact)
    assert abs(Fraction(rounded) - exact) <= Fraction(1, 2 * 10**8)
    assert rounded == rounded.quantize(D("1e-8"))


@pytest.mark.parametrize(("exact", "booked"), [(5, 0), (15, 2), (25, 2), (-5, 0), (-15, -2), (26, 3)])
def test_a_half_goes_to_the_even_neighbour(exact: int, booked: int) -> None:
    assert money(Fraction(exact, 10**9)) == D(booked).scaleb(-8)
    assert money(Fraction(exact, 10**9)) == (D(exact).scaleb(-9)).quantize(D("1e-8"), ROUND_HALF_EVEN)


@pytest.mark.parametrize("listing", [LINEAR, INVERSE])
@given(sequence=trades, mark=st.integers(300_000, 900_000))
def test_realized_and_unrealized_are_every_trade_marked_to_market(
    listing: Listing, sequence: list[tuple[Side, int, int]], mark: int
) -> None:
    holding, realized, marked = Holding(), Fraction(0), Fraction(0)
    for side, lots, tick in sequence:
        signed = side.sign * lots
        realized += holding.take(listing, signed, tick)
        marked += listing.profit(listing.value(signed, tick), listing.value(signed, mark))
    unrealized = listing.profit(holding.cost, listing.value(holding.lots, mark))
    assert realized + unrealized == marked
    assert holding.lots == sum(side.sign * lots for side, lots, _ in sequence)
    assert (holding.cost == 0) == (holding.lots == 0)


@pytest.mark.parametrize("listing", [LINEAR, INVERSE])
@given(sequence=trades)
def test_a_wallet_is_the_sum_of_its_ledger(listing: Listing, sequence: list[tuple[Side, int, int]]) -> None:
    account = Account("ann", {listing.symbol: listing})
    for number, (side, lots, tick) in enumerate(sequence):
        account.trade(listing, side, lots, tick, maker=bool(number % 2), trade_id=number, ts_ns=number)
        account.fund(listing, D("0.000123"), D(tick) / 7, number)
    assert account.wallets.get(listing.asset, 0) == sum(entry.amount for entry in account.ledger)
    assert [entry.entry_id for entry in account.ledger] == list(range(1, len(account.ledger) + 1))


def test_profit_and_fees_of_a_round_trip() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100")  # at 60,001: fee 6,000.1 x 0.0005 = 3.00005
    pit.place("ann", Side.SELL, "0.100")  # at 59,999: fee 2.99995, profit 0.1 x -2
    booked = [(entry.kind, entry.amount) for entry in pit.exchange.ledger("ann")]
    assert booked == [
        (LedgerKind.TRANSFER, D("10000")),
        (LedgerKind.COMMISSION, D("-3.00005")),
        (LedgerKind.REALIZED_PNL, D("-0.2")),
        (LedgerKind.COMMISSION, D("-2.99995")),
    ]
    assert pit.wallet("ann") == D("9993.8")


def test_a_maker_pays_the_makers_fee() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.SELL, "0.010", "60000.5")
    pit.place("bob", Side.BUY, "0.010")
    (mine,), (theirs,) = pit.exchange.fills("ann"), pit.exchange.fills("bob")
    assert (mine.maker, mine.commission) == (True, D("0.120001"))  # 600.005 x 0.0002
    assert (theirs.maker, theirs.commission) == (False, D("0.3000025"))
    assert mine.trade_id == theirs.trade_id


def test_margin_of_a_position_and_of_open_orders_on_both_sides() -> None:
    pit = Pit(BIDS, ASKS)
    pit.handle(SetLeverage(account="ann", symbol=BTC, leverage=10))
    pit.place("ann", Side.BUY, "0.100")
    pit.place("ann", Side.BUY, "0.100", "59000")  # 6,000 + 5,900
    pit.place("ann", Side.SELL, "0.150", "62000")  # |6,000 - 9,300| is smaller
    pit.place("ann", Side.SELL, "0.100", "61000", reduce_only=True)  # needs none
    (row,) = pit.exchange.account("ann").positions
    assert (row.initial_margin, row.open_order_initial_margin) == (D(600), D(590))
    assert (row.bid_notional, row.ask_notional) == (D(5900), D(9300))
    assert row.maintenance_margin == D(24)  # 6,000 x 0.004
    assert row.unrealized == D("-0.1")  # 0.1 x (60,000 - 60,001)
    assert row.entry_price == D(60001)
    assert row.break_even_price == D("60031.0005")  # 60,001 + 3.00005 / 0.1
    (balance,) = pit.exchange.account("ann").balances
    assert balance.available == D("10000") - D("3.00005") - D("0.1") - D(1190)


def test_an_order_that_reduces_passes_without_free_margin() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "3.290")  # 197,400 of 200,000 at 20x
    pit.mark("59900")
    assert pit.exchange.account("ann").balances[0].available == 0
    assert pit.place("ann", Side.SELL, "6.500", "60100").status is OrderStatus.NEW


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("quantity", ["1.000", "3.000"])
def test_at_the_liquidation_price_the_balance_is_the_maintenance_margin(side: Side, quantity: str) -> None:
    pit = Pit([(599_990, 5000)], [(600_010, 5000)])
    pit.place("ann", side, quantity)
    (row,) = pit.exchange.account("ann").positions
    price = Fraction(row.liquidation_price)
    size, entry = Fraction(row.size), Fraction(row.entry_price)
    equity = Fraction(pit.wallet("ann")) + size * (price - entry)
    assert abs(equity - LINEAR.maintenance_margin(abs(size) * price)) < Fraction(1, 10**6)


@pytest.mark.parametrize("side", Side)
def test_the_liquidation_price_of_an_inverse_position(side: Side) -> None:
    listing = inverse_listing()
    pit = Pit([(599_990, 9000)], [(600_010, 9000)], listing=listing, balance="0.5")
    pit.place("ann", side, "3000")  # 300,000 USD, some 5 BTC
    (row,) = pit.exchange.account("ann").positions
    size, entry, price = Fraction(row.size), Fraction(row.entry_price), Fraction(row.liquidation_price)
    assert price > 0
    equity = Fraction(pit.wallet("ann")) + size * 100 * (1 / entry - 1 / price)
    maintenance = listing.maintenance_margin(abs(size) * 100 / price)
    assert abs(equity - maintenance) < Fraction(1, 10**6)


def test_funding_is_paid_by_longs_to_shorts_at_the_rate_in_force() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100")
    pit.place("bob", Side.SELL, "0.200")
    pit.send(mark_tick("60000", rate="0.0003"))
    events = pit.exchange.advance(START_NS + HOUR_NS)
    (settled,) = [event.funding for event in events if isinstance(event, FundingHappened)]
    assert (settled.rate, settled.ts_ns) == (D("0.0003"), START_NS + HOUR_NS)
    paid = {event.account: event for event in events if isinstance(event, AccountChanged)}
    assert paid["ann"].change == D("-1.8")  # 6,000 x 0.0003
    assert paid["bob"].change == D("3.6")
    assert all(event.reason is AccountReason.FUNDING_FEE for event in paid.values())
    assert pit.exchange.funding_rates(BTC) == [settled]
    assert pit.exchange.mark(BTC).next_funding_ns == START_NS + HOUR_NS  # as announced last
    pit.now_ns = START_NS + HOUR_NS
    pit.send(mark_tick("60000"))  # names the past settlement once more
    assert pit.exchange.mark(BTC).next_funding_ns == START_NS + 9 * HOUR_NS
    assert len(pit.exchange.funding_rates(BTC)) == 1


def test_a_margin_call_comes_once_then_liquidation() -> None:
    pit = Pit(BIDS, ASKS, balance="1000")
    pit.handle(SetLeverage(account="ann", symbol=BTC, leverage=100))
    pit.place("ann", Side.BUY, "0.500")  # 30,000.5; maintenance 0.4 %
    stop = pit.handle(pit.stop("ann", Side.SELL, "57000", "0.500")).response
    pit.place("ann", Side.SELL, "0.500", "62900", reduce_only=True)
    calls = [event for event in pit.mark("58270") if isinstance(event, MarginCall)]
    assert [(call.account, call.asset) for call in calls] == [("ann", "USDT")]
    assert not [event for event in pit.mark("58265") if isinstance(event, MarginCall)]
    events = pit.mark("58200")
    (forced,) = [event.order for event in events if isinstance(event, ForcedOrder)]
    assert forced.client_id.startswith("autoclose-")
    assert (forced.side, forced.status) == (Side.SELL, OrderStatus.FILLED)
    kinds = [event.kind for event in events if isinstance(event, OrderChanged)]
    assert kinds == [ExecutionKind.CANCELED, ExecutionKind.NEW, ExecutionKind.CALCULATED]
    assert pit.size("ann") == 0
    assert pit.exchange.algo("ann", algo_id=stop.algo_id).status is AlgoStatus.EXPIRED  # type: ignore[union-attr]
    fee = pit.exchange.ledger("ann")[-1]
    assert fee.kind is LedgerKind.INSURANCE_CLEAR
    assert fee.amount == -money(Fraction(D("29999.5")) * Fraction(1, 80))  # 1.25 %
    assert pit.wallet("ann") == sum(entry.amount for entry in pit.exchange.ledger("ann"))


def test_a_wallet_below_zero_is_made_good_by_the_insurance_fund() -> None:
    pit = Pit(BIDS, ASKS, balance="1000")
    pit.handle(SetLeverage(account="ann", symbol=BTC, leverage=100))
    pit.place("ann", Side.BUY, "0.500")
    pit.send(Depth([(599_990, 0), (590_000, 0)], []))
    pit.mark("31000")
    assert pit.size("ann") == 0
    assert pit.wallet("ann") == 0
    assert pit.exchange.ledger("ann")[-1].amount > 14_000


def test_what_the_book_cannot_absorb_is_liquidated_at_the_next_mark() -> None:
    pit = Pit([(599_990, 500), (300_000, 300)], ASKS, balance="1000")
    pit.handle(SetLeverage(account="ann", symbol=BTC, leverage=100))
    pit.place("ann", Side.BUY, "0.500")
    pit.send(Depth([(599_990, 0)], []))
    pit.mark("31000")
    assert pit.size("ann") == D("0.200")
    pit.send(Depth([(300_000, 300)], []))
    pit.mark("31000")
    assert pit.size("ann") == 0


def test_only_what_is_available_can_be_withdrawn() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100")
    free = pit.exchange.account("ann").balances[0].available
    pit.handle(Transfer(account="ann", asset="USDT", amount=-free))
    assert pit.exchange.account("ann").balances[0].available == 0


def test_free_margin_is_what_the_balance_says() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100", "59000.3")
    floor = pit.exchange._floor
    exact = margin.free_margin(floor, floor.accounts["ann"], "USDT")
    assert money(exact) == pit.exchange.account("ann").balances[0].available
