"""The law of positions: realized + unrealized = every fill marked to market."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ContractKind, Instrument
from contractdesk.domain.orders import Side
from contractdesk.domain.position import Position
from tests.domain.terms import INVERSE, LINEAR, histories, prices

D = Decimal
HALF_QUANTUM = Fraction(1, 2 * 10**8)


def folded(instrument: Instrument, fills: list[Fill]) -> Position:
    position = Position(symbol=instrument.symbol)
    for fill in fills:
        position = position.apply(fill, instrument)
    return position


def marked(instrument: Instrument, fills: list[Fill], mark: Decimal) -> Fraction:
    """Each fill's own profit at ``mark``, by the contract's definition and nothing of ours."""
    total = Fraction(0)
    for fill in fills:
        units = Fraction(fill.signed_size) * Fraction(instrument.contract_size)
        entry, now = Fraction(fill.price), Fraction(mark)
        linear = instrument.kind is ContractKind.LINEAR
        total += units * (now - entry) if linear else units * (1 / entry - 1 / now)
    return total


def fill(size: str, price: str, *, fee: str = "0", trade_id: str = "1", ts_ns: int = 1) -> Fill:
    return Fill(
        symbol="S",
        trade_id=trade_id,
        client_id="c",
        venue_order_id="v",
        signed_size=D(size),
        price=D(price),
        fee=D(fee),
        fee_asset="USDT",
        liquidity=Liquidity.TAKER,
        venue_ns=ts_ns,
        ts_ns=ts_ns,
    )


@given(st.data())
def test_realized_and_unrealized_are_all_fills_marked_to_market(data: st.DataObject) -> None:
    instrument, fills = data.draw(histories())
    mark = data.draw(prices(instrument))
    position = folded(instrument, fills)
    ours = position.realized_pnl + position.unrealized_pnl(instrument, mark)
    bookings = len(fills) + 1  # each is rounded once
    assert abs(Fraction(ours) - marked(instrument, fills, mark)) <= bookings * HALF_QUANTUM
    assert position.fees == sum((f.fee for f in fills), D(0))
    assert position.size == sum((f.signed_size for f in fills), D(0))


@given(st.data())
def test_the_order_of_fills_does_not_change_what_was_earned(data: st.DataObject) -> None:
    instrument, fills = data.draw(histories(most=8))
    mark = data.draw(prices(instrument))
    one, other = (folded(instrument, order) for order in (fills, data.draw(st.permutations(fills))))
    difference = (one.realized_pnl + one.unrealized_pnl(instrument, mark)) - (
        other.realized_pnl + other.unrealized_pnl(instrument, mark)
    )
    assert one.size == other.size
    assert abs(Fraction(difference)) <= 2 * (len(fills) + 1) * HALF_QUANTUM


@given(st.data())
def test_a_fill_in_parts_is_the_fill(data: st.DataObject) -> None:
    instrument, fills = data.draw(histories(most=6))
    mark = data.draw(prices(instrument))
    parts: list[Fill] = []
    for f in fills:
        lots = instrument.to_lots(f.size)
        first = data.draw(st.integers(0, lots))
        sign = 1 if f.signed_size > 0 else -1
        for number, count in enumerate((first, lots - first)):
            if count:
                size = sign * instrument.from_lots(count)
                parts.append(fill(str(size), str(f.price), trade_id=f"{f.trade_id}.{number}"))
    whole, pieces = folded(instrument, fills), folded(instrument, parts)
    difference = (whole.realized_pnl + whole.unrealized_pnl(instrument, mark)) - (
        pieces.realized_pnl + pieces.unrealized_pnl(instrument, mark)
    )
    assert whole.size == pieces.size
    assert whole.cost == pieces.cost
    assert abs(Fraction(difference)) <= 3 * (len(fills) + 1) * HALF_QUANTUM


@given(histories())
def test_the_entry_price_lies_among_the_fills_and_a_flat_position_costs_nothing(
    history: tuple[Instrument, list[Fill]],
) -> None:
    instrument, fills = history
    position = folded(instrument, fills)
    if position.flat:
        assert position.cost == 0
        assert position.entry_price(instrument) == 0
        assert position.unrealized_pnl(instrument, D(1)) == 0
        return
    entry, paid = position.entry_price(instrument), [f.price for f in fills]
    assert min(paid) - D("1e-8") <= entry <= max(paid) + D("1e-8")
    assert (position.cost > 0) == (position.size > 0)


def test_a_flip_closes_then_opens_linear() -> None:
    # long 1 @ 100, sell 3 @ 110: 1 x 10 realized, short 2 @ 110; at 105 they have earned 2 x 5
    position = folded(LINEAR, [fill("1", "100", fee="0.04"), fill("-3", "110", fee="0.13", ts_ns=2)])
    assert position.realized_pnl == 10
    assert position.fees == D("0.17")
    assert position.size == -2
    assert position.entry_price(LINEAR) == 110
    assert position.unrealized_pnl(LINEAR, D(105)) == 10
    assert position.opened_ns == 2
    assert position.closing_side is Side.BUY
    assert position.net_pnl == D("9.83")


def test_a_flip_closes_then_opens_inverse() -> None:
    # 10 x 100 USD: long @ 50,000, sell 20 @ 62,500: 1000/50000 - 1000/62500 = 0.02 - 0.016 BTC
    position = folded(INVERSE, [fill("10", "50000"), fill("-20", "62500", ts_ns=2)])
    assert position.realized_pnl == D("0.004")
    assert position.size == -10
    # at 80,000: 1000/80000 - 1000/62500 = 0.0125 - 0.016
    assert position.unrealized_pnl(INVERSE, D(80_000)) == D("-0.0035")


def test_opened_is_when_the_position_last_left_zero() -> None:
    opened = folded(
        LINEAR, [fill("1", "100", ts_ns=1), fill("1", "100", ts_ns=2), fill("-1", "100", ts_ns=3)]
    )
    assert opened.opened_ns == 1
    again = folded(LINEAR, [fill(size, "100", ts_ns=n) for n, size in enumerate(("1", "-1", "1"), 1)])
    assert again.opened_ns == 3


def test_funding_is_received_with_its_sign() -> None:
    position = folded(LINEAR, [fill("1", "100", fee="0.04")]).paid(D("-0.5"))
    assert position.funding == D("-0.5")
    assert position.net_pnl == D("-0.54")


def test_accrued_funding_is_that_of_the_open_size_only() -> None:
    """It begins anew when the position leaves zero or crosses it; adding and reducing keep it."""
    held = Position(symbol="S").apply(fill("2", "100"), LINEAR).paid(D(-3))
    assert held.accrued_funding == -3
    held = held.apply(fill("1", "100", trade_id="2"), LINEAR).paid(D(-4))
    held = held.apply(fill("-2", "100", trade_id="3"), LINEAR)
    assert held.accrued_funding == -7
    crossed = held.apply(fill("-2", "100", trade_id="4"), LINEAR)
    assert (crossed.accrued_funding, crossed.funding) == (0, -7)
    assert crossed.paid(D(5)).accrued_funding == 5
    flat = crossed.paid(D(5)).apply(fill("1", "100", trade_id="5"), LINEAR).paid(D(1))
    assert (flat.accrued_funding, flat.funding) == (0, -1)
    assert flat.apply(fill("1", "100", trade_id="6"), LINEAR).accrued_funding == 0
