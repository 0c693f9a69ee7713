"""The size cap: position at mark + same-direction entries at their worst price <= 3 % of equity."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.commands import Approved
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.orders import OrderRole, OrderStatus, Side
from contractdesk.risk.settings import CapBasis, RiskSettings
from contractdesk.risk.sizing import cap_notional, cap_used
from tests.domain.terms import INVERSE, LINEAR
from tests.risk.desks import D, Desk, approved, enter, inverse_desk, linear_desk, only, order, refused, review

BUY, SELL = Side.BUY, Side.SELL


def test_an_unsized_entry_takes_the_caps_share_rounded_down() -> None:
    # collar: 60,000.1 x 1.005 = 60,300.1005; 300 / 60,300.1005 = 0.004975 -> 0.004
    word = approved(linear_desk(), enter(linear_desk()))
    assert word.request.size == D("0.004")
    assert word.worst_price == D("60300.1005")
    assert word.request.price is None
    assert word.stop_price == 59_400
    # a passive buy is filled at 60,000 at worst: 300 / 60,000 = 0.005, to the last cent
    assert approved(linear_desk(), enter(linear_desk(), limit="60000")).request.size == D("0.005")
    # below the mark the mark is the worse: the position will be valued there
    assert approved(linear_desk(), enter(linear_desk(), limit="50000", stop="45000")).worst_price == 60_000


def test_a_sell_is_worst_at_the_mark_or_its_limit() -> None:
    assert approved(linear_desk(), enter(linear_desk(), SELL)).worst_price == 60_000
    high = approved(linear_desk(), enter(linear_desk(), SELL, limit="70000", stop="71000"))
    assert high.worst_price == 70_000
    assert high.request.size == D("0.004")  # 300 / 70,000 = 0.00428


def test_an_explicit_size_at_the_cap_passes_and_one_lot_more_is_refused_not_shrunk() -> None:
    desk = linear_desk()
    assert approved(desk, enter(desk, size="0.005", limit="60000")).request.size == D("0.005")
    word = refused(desk, enter(desk, size="0.006", limit="60000"))
    assert (word.rule, word.found, word.limit, word.would_pass) == (
        "size_cap",
        "3.60 % of equity (360.00 USDT)",
        "<= 3 % of equity (300.00 USDT)",
        "size <= 0.005",
    )


def test_a_breach_never_reads_as_the_limit() -> None:
    desk = linear_desk("9999.99")
    word = refused(desk, enter(desk, size="0.005", limit="60000"))
    assert word.found == "3.01 % of equity (300.00 USDT)"
    assert word.limit == "<= 3 % of equity (299.99 USDT)"


@pytest.mark.parametrize("status", [OrderStatus.WORKING, OrderStatus.IN_FLIGHT, OrderStatus.UNKNOWN])
def test_what_may_still_fill_counts_in_full(status: OrderStatus) -> None:
    desk = linear_desk()
    desk.working = [order(LINEAR, BUY, "0.003", "60000", status=status)]
    word = refused(desk, enter(desk, size="0.003", limit="60000"))
    assert (word.rule, word.would_pass) == ("size_cap", "size <= 0.002")
    assert approved(desk, enter(desk, size="0.002", limit="60000"))


def test_a_market_entry_in_flight_counts_at_the_collar() -> None:
    desk = linear_desk()
    desk.working = [order(LINEAR, BUY, "0.003", None, status=OrderStatus.IN_FLIGHT)]
    # 0.003 x 60,300.1005 = 180.90; 119.0997 / 60,000 = 0.00198
    assert refused(desk, enter(desk, size="0.002", limit="60000")).would_pass == "size <= 0.001"


def test_only_the_rest_of_a_partial_fill_counts_beside_the_position() -> None:
    desk = linear_desk()
    only(desk).hold("0.002", "60000")
    desk.working = [order(LINEAR, BUY, "0.004", "60000", status=OrderStatus.PARTIALLY_FILLED, filled="0.002")]
    assert refused(desk, enter(desk, size="0.002", limit="60000")).would_pass == "size <= 0.001"


def test_the_position_counts_at_the_mark_not_at_its_entry() -> None:
    desk = linear_desk()
    only(desk).hold("0.003", "30000")
    assert approved(desk, enter(desk, limit="60000")).request.size == D("0.002")


def test_an_external_position_counts() -> None:
    desk = linear_desk()
    only(desk).external_size = D("0.003")
    assert approved(desk, enter(desk, limit="60000")).request.size == D("0.002")
    only(desk).external_size = D(1)
    word = refused(desk, enter(desk, limit="60000"))
    assert (word.rule, word.would_pass) == ("size_cap", "less exposure: close, or cancel entries, first")


def test_the_other_direction_and_the_way_out_do_not_count() -> None:
    desk = linear_desk()
    desk.working = [
        order(LINEAR, SELL, "0.004", "61000"),
        order(LINEAR, BUY, "0.004", "59000", role=OrderRole.EXIT),
        order(LINEAR, BUY, "0.004", "59000", role=OrderRole.STOP),
        order(LINEAR, BUY, "0.004", "59000", status=OrderStatus.CANCELLED),
    ]
    assert approved(desk, enter(desk, size="0.005", limit="60000"))


def test_notional_and_amount_are_rounded_down_to_lots() -> None:
    desk = linear_desk()
    assert approved(desk, enter(desk, notional="200", limit="60000")).request.size == D("0.003")
    assert approved(desk, enter(desk, amount="0.0042", limit="60000")).request.size == D("0.004")
    assert refused(desk, enter(desk, notional="400", limit="60000")).would_pass == "size <= 0.005"
    inverse = inverse_desk()
    assert approved(inverse, enter(inverse, amount="0.0105", limit="50000")).request.size == 5


def test_an_account_too_small_for_the_smallest_size_is_told_so() -> None:
    desk = linear_desk("1000")  # the cap is 30 USDT, one lot costs 60
    word = refused(desk, enter(desk, limit="60000"))
    assert word.rule == "size_cap"
    assert word.would_pass == "more equity: the smallest size, 0.001, is 60.00 USDT"


def test_inverse_counts_in_coin_and_the_lower_price_is_the_worse() -> None:
    desk = inverse_desk()
    # 15 x 100 / 50,000 = 0.03 BTC: exactly the cap; a buy's collar lies above the mark, so the mark rules
    word = approved(desk, enter(desk))
    assert (word.request.size, word.worst_price) == (D(15), D(50_000))
    assert refused(desk, enter(desk, size="16")).found == "3.20 % of equity (0.03200000 BTC)"
    # a limit below the mark is worse: 0.03 x 45,000 / 100 = 13.5
    assert approved(desk, enter(desk, limit="45000", stop="40000")).request.size == 13
    # a market sell may slip: 49,999.9 x 0.995 = 49,749.9
    assert approved(desk, enter(desk, SELL)).worst_price == D("49749.9005")


def test_a_coin_of_another_account_cannot_be_measured() -> None:
    desk = inverse_desk()
    desk.account = linear_desk().account
    word = refused(desk, enter(desk), RiskSettings(margin_check=False))
    assert (word.rule, word.would_pass) == ("size_cap", "a contract that settles in USDT")


@st.composite
def crowded(draw: st.DrawFn) -> tuple[Desk, str | None, str | None, Side]:
    """Any mixture of position, entries and wish."""
    desk = draw(st.sampled_from([linear_desk, inverse_desk]))()
    item, lots = only(desk), st.integers(0, 8)
    instrument, side = item.instrument, draw(st.sampled_from(Side))
    price = st.integers(-200, 200).map(lambda n: str((item.mark or D(0)) + n * 10))
    item.hold(str(side.sign * instrument.from_lots(draw(lots))), str(item.mark))
    item.external_size = side.sign * instrument.from_lots(draw(lots))
    for count in draw(st.lists(st.integers(1, 4), max_size=3)):
        limit = draw(st.none() | price)
        status = draw(st.sampled_from([OrderStatus.WORKING, OrderStatus.IN_FLIGHT, OrderStatus.UNKNOWN]))
        size = str(instrument.from_lots(count))
        desk.working.append(order(instrument, draw(st.sampled_from(Side)), size, limit, status=status))
    size = draw(st.none() | st.integers(1, 20).map(lambda n: str(instrument.from_lots(n))))
    return desk, size, draw(st.none() | price), side


def worst_case(desk: Desk, side: Side, size: Decimal, worst: Decimal) -> Fraction:
    """Everything filled at its worst, by the words of the rule."""
    item = only(desk)
    linear = item.instrument is LINEAR
    mark = item.mark or D(0)
    touch = item.instrument.from_ticks((item.book.best_ask if side is BUY else item.book.best_bid) or 0)
    collar = touch * (1 + side.sign * D("0.005"))
    parts = [(abs(item.position.size + item.external_size), mark), (size, worst)]
    for working in desk.orders(item.instrument.symbol):
        if working.request.side is side:
            price = working.request.price or collar
            parts.append((working.remaining, max(price, mark) if linear else min(price, mark)))
    if linear:
        return sum((Fraction(s) * Fraction(p) for s, p in parts), Fraction(0))
    return sum((Fraction(s) * 100 / Fraction(p) for s, p in parts), Fraction(0))


@given(crowded())
def test_nothing_approved_ever_exceeds_the_cap_and_what_would_pass_passes(
    case: tuple[Desk, str | None, str | None, Side],
) -> None:
    desk, size, limit, side = case
    assert desk.account is not None
    cap = Fraction(desk.account.equity) * 3 / 100
    mark = only(desk).mark or D(0)
    stop = str(mark / 2 if side is BUY else mark * 2)
    outcome, findings = review(desk, enter(desk, side, size=size, limit=limit, stop=stop))
    if isinstance(outcome, Approved):
        assert worst_case(desk, side, outcome.request.size, outcome.worst_price) <= cap
        assert size is None or outcome.request.size == D(size)
    advice = findings["size_cap"].would_pass
    if advice.startswith("size <= "):
        fits = D(advice.removeprefix("size <= "))
        more = fits + only(desk).instrument.lot_size
        asked = [review(desk, enter(desk, side, size=str(s), limit=limit))[1] for s in (fits, more)]
        assert [each["size_cap"].passed for each in asked] == [True, False]


def test_inverse_has_no_smallest_notional() -> None:
    assert INVERSE.min_notional == 0
    assert approved(inverse_desk(), enter(inverse_desk(), size="1")).request.size == 1


# -- by margin ----------------------------------------------------------------------------------

BY_MARGIN = RiskSettings(cap_basis=CapBasis.MARGIN)


def test_by_margin_the_leverage_multiplies_what_is_permitted() -> None:
    # 3 % of 10,000 is 300 USDT of margin; with leverage 10 that carries 3,000: 0.05 BTC at 60,000
    desk = linear_desk()
    assert approved(desk, enter(desk, size="0.050", limit="60000"), BY_MARGIN)
    word = refused(desk, enter(desk, size="0.051", limit="60000"), BY_MARGIN)
    assert (word.rule, word.found, word.limit, word.would_pass) == (
        "size_cap",
        "3.06 % of equity (306.00 USDT of margin)",
        "<= 3 % of equity (300.00 USDT of margin)",
        "size <= 0.05",
    )
    assert approved(desk, enter(desk, limit="60000"), BY_MARGIN).request.size == D("0.05")
    only(desk).leverage = D(0)
    assert refused(desk, enter(desk), BY_MARGIN).rule == "size_cap"


def test_a_higher_bracket_permits_less() -> None:
    # LINEAR: up to 50,000 leverage 125, above 100. 3 % of 20,000 is 600: 75,000 at 125, but in the
    # second bracket 60,000 at 100; the brackets are as far as each reaches
    desk = linear_desk("20000")
    only(desk).leverage = D(125)
    assert approved(desk, enter(desk, size="1.000", limit="60000", stop="59900"), BY_MARGIN)
    word = refused(desk, enter(desk, size="1.001", limit="60000", stop="59900"), BY_MARGIN)
    assert word.would_pass == "size <= 1"


@given(st.integers(1, 125), st.integers(1, 400_000), st.sampled_from([LINEAR, INVERSE]))
def test_the_largest_notional_is_the_largest(leverage: int, cents: int, instrument: Instrument) -> None:
    """Against the definition: what is counted of it fits, and of a little more it does not."""
    item = only(linear_desk() if instrument is LINEAR else inverse_desk())
    item.leverage = D(leverage)
    allowed = Fraction(cents, 100 if instrument is LINEAR else 1_000_000)
    most = cap_notional(item, allowed, CapBasis.MARGIN)
    assert most is not None
    used = cap_used(item, most, CapBasis.MARGIN)
    assert used is not None
    assert used <= allowed
    more = cap_used(item, most * Fraction(1_000_001, 1_000_000), CapBasis.MARGIN)
    assert more is not None
    assert more > allowed
