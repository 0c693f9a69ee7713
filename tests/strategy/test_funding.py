"""The arithmetic of funding: beside the exchange's own books, and tables with the figures beside them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.domain.histories import HOUR_NS
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.domain.views import DeskSnapshot, PositionRow, SymbolSnapshot, TradingState
from contractdesk.exchange.accounts import Account
from contractdesk.exchange.terms import Listing
from contractdesk.strategy.funding import break_even_hours, ledger, payment
from tests.domain.terms import CONTRACTS, INVERSE, LINEAR, contracts, prices, sizes

D = Decimal
NEXT_NS = 1_700_006_400_000_000_000
rates = st.integers(-2_000_000, 2_000_000).map(lambda units: D(units).scaleb(-8))


def exchange_books(
    instrument: Instrument, size: Decimal, mark: Decimal, rate: Decimal, times: int
) -> Decimal:
    """What the exchange's own ledger sums up to after so many settlements of a position."""
    listing = Listing(instrument)
    account = Account("witness", {listing.symbol: listing})
    account.holdings[listing.symbol].take(listing, int(size / instrument.lot_size), 1_000)
    for number in range(times):
        account.fund(listing, rate, mark, number)
    return sum((entry.amount for entry in account.ledger), ZERO)


@given(contracts, st.data(), rates, st.sampled_from([1, -1]), st.integers(1, 24))
def test_predicted_summed_over_settlements_is_what_the_exchange_books(
    instrument: Instrument, data: st.DataObject, rate: Decimal, sign: int, times: int
) -> None:
    """At a constant rate and mark, linear and inverse, long and short, to the last digit."""
    mark, size = data.draw(prices(instrument)) + D("0.00000001"), sign * data.draw(sizes(instrument))
    predicted = payment(instrument, size, mark, rate)
    assert predicted * times == exchange_books(instrument, size, mark, rate, times)
    assert predicted == -payment(instrument, -size, mark, rate), "what a long pays, a short receives"
    assert predicted == -payment(instrument, size, mark, -rate)
    assert payment(instrument, ZERO, mark, rate) == 0


@given(
    contracts,
    st.data(),
    rates,
    st.sampled_from([1, -1]),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 10**9),
)
def test_after_the_break_even_hours_funding_has_cost_the_profit(
    instrument: Instrument, data: st.DataObject, rate: Decimal, sign: int, every: int, profit: int
) -> None:
    mark, size = data.draw(prices(instrument)), sign * data.draw(sizes(instrument))
    paid = instrument.cost(size, mark) * Fraction(rate)
    unrealized = D(profit).scaleb(-4)
    hours = break_even_hours(instrument, size, mark, rate, every * HOUR_NS, unrealized)
    if sign * rate <= 0:
        assert hours is None, "it is received, or nothing"
        return
    assert hours is not None
    assert float(paid) * hours / every == pytest.approx(float(unrealized), rel=1e-9)


@pytest.mark.parametrize(
    ("instrument", "size", "mark", "rate", "expected"),
    [
        (LINEAR, "0.5", "30000", "0.0001", "-1.5"),  # 15,000 USDT x 0.01 %
        (LINEAR, "-0.5", "30000", "0.0001", "1.5"),
        (LINEAR, "0.5", "30000", "-0.0003", "4.5"),
        (INVERSE, "300", "30000", "0.0001", "-0.0001"),  # 30,000 USD = 1 BTC
        (INVERSE, "-300", "30000", "-0.0001", "-0.0001"),
    ],
)
def test_longs_pay_a_positive_rate(
    instrument: Instrument, size: str, mark: str, rate: str, expected: str
) -> None:
    assert payment(instrument, D(size), D(mark), D(rate)) == D(expected)


@pytest.mark.parametrize(
    ("size", "rate", "hours_between", "profit", "expected"),
    [
        ("0.5", "0.0001", 8, "15", 80.0),  # 1.5 a settlement: ten of them
        ("0.5", "0.0001", 1, "15", 10.0),
        ("0.5", "0.0001", 8, "0.75", 4.0),
        ("-0.5", "-0.0001", 4, "15", 40.0),  # a short pays a negative rate
        ("-0.5", "0.0001", 8, "15", None),  # received
        ("0.5", "0", 8, "15", None),
        ("0.5", "0.0001", 8, "0", None),  # nothing to eat
        ("0.5", "0.0001", 8, "-1", None),
        ("0.5", "0.0001", 0, "15", None),  # nobody knows how often
        ("0", "0.0001", 8, "15", None),
    ],
)
def test_break_even_hours(
    size: str, rate: str, hours_between: int, profit: str, expected: float | None
) -> None:
    found = break_even_hours(LINEAR, D(size), D(30_000), D(rate), hours_between * HOUR_NS, D(profit))
    assert found == expected


# -- the ledger -----------------------------------------------------------------------------------


def shown(instrument: Instrument = LINEAR, **changes: object) -> SymbolSnapshot:
    item = SymbolSnapshot(
        instrument=instrument, bids=b"", asks=b"", book_valid=True, ready=True, not_ready_reason="",
        feed_age_ms=0.0, last=None, mark=D(30_000), index=None, funding_rate=D("0.0001"),
        next_funding_ns=NEXT_NS, funding_interval_ns=4 * HOUR_NS, settled_rates=D("0.0003"),
    )  # fmt: skip
    return replace(item, **changes)


def held(symbol: str = LINEAR.symbol, **changes: object) -> PositionRow:
    row = PositionRow(
        symbol=symbol, size=D("0.5"), entry_price=D(29_970), mark=D(30_000), notional=D(15_000),
        unrealized_pnl=D(15), realized_pnl=ZERO, fees=ZERO, funding=D(-9), accrued_funding=D("-4.5"),
        stop_price=None, guarded=ZERO, liquidation_price=None, strategy_id="", origin="own", opened_ns=1,
    )  # fmt: skip
    return replace(row, **changes)


def picture(items: list[SymbolSnapshot], *positions: PositionRow) -> DeskSnapshot:
    return DeskSnapshot(
        ts_ns=NEXT_NS, state=TradingState.ACTIVE, state_reason="", asset="USDT", positions=positions,
        symbols={item.instrument.symbol: item for item in items}, funding_limit=D("0.0005"),
    )  # fmt: skip


def test_a_row_has_what_is_booked_what_comes_and_how_long_the_profit_lasts() -> None:
    (row,) = ledger(picture([shown()], held()))
    assert (row.symbol, row.size, row.rate) == (LINEAR.symbol, D("0.5"), D("0.0001"))
    assert (row.interval_hours, row.next_ns) == (4, NEXT_NS)
    assert (row.predicted, row.accrued) == (D("-1.5"), D("-4.5"))
    assert row.break_even_hours == 40.0
    assert (row.settled_8h, row.limit_8h) == (D("0.0003"), D("0.0005"))


def test_a_watched_symbol_without_a_position_has_a_row_and_an_unwatched_one_none() -> None:
    others = [shown(contract, mark=None, funding_rate=None) for contract in CONTRACTS[1:]]
    (row,) = ledger(picture([shown(), *others]))
    assert (row.symbol, row.size, row.predicted, row.accrued) == (LINEAR.symbol, ZERO, ZERO, ZERO)
    assert row.break_even_hours is None


def test_what_is_not_known_is_left_out() -> None:
    bare = shown(mark=None, funding_rate=None, funding_interval_ns=0, settled_rates=None, next_funding_ns=0)
    (row,) = ledger(picture([bare], held()))
    assert (row.size, row.rate, row.interval_hours, row.next_ns) == (D("0.5"), None, None, 0)
    assert (row.predicted, row.break_even_hours, row.settled_8h) == (None, None, None)


def test_a_position_that_is_not_ours_is_not_in_it() -> None:
    (row,) = ledger(picture([shown()], held(origin="external", accrued_funding=ZERO)))
    assert (row.size, row.predicted, row.break_even_hours) == (ZERO, ZERO, None)
