"""Contract terms: grids, values, margins."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.instrument import Instrument, Rounding, cash
from tests.domain.terms import INVERSE, LINEAR, MULTIPLIED, contracts, prices, sizes

D = Decimal
amounts = st.integers(0, 10**14).map(lambda n: D(n).scaleb(-6))


@given(st.integers(-(10**19), 10**19), st.integers(0, 14))  # a decimal has 28 digits
def test_cash_rounds_half_to_even_from_fractions_and_decimals_alike(digits: int, places: int) -> None:
    exact = D(digits).scaleb(-places)
    expected = exact.quantize(D("1e-8"), rounding=ROUND_HALF_EVEN)
    assert cash(exact) == expected
    assert cash(Fraction(exact)) == expected


def test_cash_ties() -> None:
    assert cash(Fraction(5, 10**9)) == 0
    assert cash(Fraction(15, 10**9)) == D("2e-8")
    assert cash(Fraction(-15, 10**9)) == D("-2e-8")
    assert cash(Fraction(1, 3)) == D("0.33333333")


@given(contracts, st.integers(-(10**12), 10**12))
def test_ticks_and_lots_go_both_ways(instrument: Instrument, count: int) -> None:
    assert instrument.to_ticks(instrument.from_ticks(count)) == count
    assert instrument.to_lots(instrument.from_lots(count)) == count


@given(contracts, amounts)
def test_rounding_lands_on_the_grid_beside_the_value(instrument: Instrument, value: Decimal) -> None:
    down, up = (instrument.round_price(value, way) for way in (Rounding.DOWN, Rounding.UP))
    near = instrument.round_price(value, Rounding.NEAREST)
    instrument.to_ticks(down), instrument.to_ticks(up), instrument.to_ticks(near)
    assert down <= value <= up
    assert up - down in (0, instrument.tick_size)
    assert abs(near - value) * 2 <= instrument.tick_size
    size = instrument.round_size(value)
    assert instrument.from_lots(instrument.to_lots(size)) == size
    assert 0 <= value - size < instrument.lot_size


def test_off_the_grid_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a multiple of the tick size"):
        LINEAR.to_ticks(D("100.05"))
    with pytest.raises(ValueError, match="not a multiple of the lot size"):
        INVERSE.to_lots(D("1.5"))


@given(st.data())
def test_the_average_price_of_a_cost_is_the_price(data: st.DataObject) -> None:
    instrument = data.draw(contracts)
    size, price = data.draw(sizes(instrument)), data.draw(prices(instrument))
    for signed in (size, -size):
        cost = instrument.cost(signed, price)
        assert instrument.average_price(signed, cost) == price
        assert instrument.exact_pnl(signed, cost, price) == 0
        assert (cost > 0) == (signed > 0)


@given(st.data())
def test_a_long_gains_what_a_short_loses(data: st.DataObject) -> None:
    instrument = data.draw(contracts)
    size, entry, exit_ = (data.draw(sizes(instrument)), *(data.draw(prices(instrument)) for _ in "ab"))
    long = instrument.exact_pnl(size, instrument.cost(size, entry), exit_)
    short = instrument.exact_pnl(-size, instrument.cost(-size, entry), exit_)
    assert long == -short
    assert (long > 0) == (exit_ > entry)


@given(st.data())
def test_size_for_notional_is_the_largest_that_fits(data: st.DataObject) -> None:
    instrument, notional = data.draw(contracts), data.draw(amounts)
    price = data.draw(prices(instrument))
    size = instrument.size_for_notional(notional, price)
    instrument.to_lots(size)
    assert instrument.cost(size, price) <= Fraction(notional)
    assert instrument.cost(size + instrument.lot_size, price) > Fraction(notional)


def test_values_by_hand() -> None:
    assert LINEAR.notional(D("-0.5"), D(60_000)) == 30_000
    assert LINEAR.quote_notional(D("-0.5"), D(60_000)) == 30_000
    assert INVERSE.notional(D(30), D(60_000)) == D("0.05")  # 3000 USD / 60000
    assert INVERSE.quote_notional(D(30), D(60_000)) == 3000
    assert MULTIPLIED.notional(D(2), D("0.25")) == 500  # 2 x 1000 DOGE
    assert LINEAR.fee(D("0.5"), D(60_000), maker=False) == 12  # 30000 x 0.04 %
    assert LINEAR.fee(D("-0.5"), D(60_000), maker=True) == 6
    assert INVERSE.fee(D(30), D(60_000), maker=False) == D("0.000025")


@given(contracts, amounts)
def test_the_tier_holds_the_notional_and_the_last_one_is_open(
    instrument: Instrument, notional: Decimal
) -> None:
    tier = instrument.tier(notional)
    assert notional <= tier.cap or tier is instrument.tiers[-1]
    assert tier.floor < notional or tier is instrument.tiers[0]


@given(contracts)
def test_maintenance_joins_at_the_tier_edges(instrument: Instrument) -> None:
    for below, above in zip(instrument.tiers, instrument.tiers[1:], strict=False):
        edge = below.cap
        assert edge == above.floor
        assert edge * above.maintenance_rate - above.maintenance_amount == instrument.maintenance_margin(edge)


@given(contracts, amounts, amounts)
def test_maintenance_never_falls(instrument: Instrument, one: Decimal, other: Decimal) -> None:
    low, high = sorted((one, other))
    assert 0 <= instrument.maintenance_margin(low) <= instrument.maintenance_margin(high)


@given(contracts, amounts, st.integers(1, 125))
def test_initial_margin_obeys_the_lower_of_both_leverages(
    instrument: Instrument, notional: Decimal, leverage: int
) -> None:
    margin = instrument.initial_margin(notional, D(leverage))
    most = min(D(leverage), instrument.tier(notional).max_leverage)
    assert abs(Fraction(margin) * Fraction(most) - Fraction(notional)) <= Fraction(most) / 10**8
