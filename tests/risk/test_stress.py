"""The account under a shock, beside what the exchange's own arithmetic makes of the same fall."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.domain.account import Account, VenuePosition
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import Side as OurSide
from contractdesk.errors import ConfigError
from contractdesk.exchange.model import Side
from contractdesk.exchange.terms import Listing
from contractdesk.risk.settings import RiskSettings
from contractdesk.risk.stress import Shock, Stress, stressed
from tests.domain.terms import LINEAR
from tests.exchange.quiet import Pit, inverse_listing
from tests.risk.desks import D, Desk, Item, account, book, linear_desk, only, order

WIDE = RiskSettings(size_cap=D(10))


def seen(pit: Pit) -> Desk:
    """Ann's account as a desk would have read it, with her open orders."""
    state = pit.exchange.account("ann")
    (balance,), (row,) = state.balances, state.positions
    terms = pit.listing.instrument
    desk = linear_desk()
    item = Item(terms, only(desk).book, row.mark_price, only(desk).position)
    if row.size:
        item.hold(str(row.size), str(row.entry_price))
    item.leverage = D(row.leverage)
    desk.symbols = {terms.symbol: item}
    desk.account = Account(
        asset=terms.settle,
        wallet_balance=balance.wallet,
        unrealized_pnl=balance.unrealized,
        initial_margin=balance.initial_margin,
        maintenance_margin=balance.maintenance_margin,
        available=balance.available,
        positions=(
            VenuePosition(
                symbol=terms.symbol, size=row.size, entry_price=row.entry_price,
                unrealized_pnl=row.unrealized, leverage=D(row.leverage),
            ),
        ),
    )  # fmt: skip
    desk.working = [
        order(
            terms, OurSide.BUY if one.side is Side.BUY else OurSide.SELL, str(one.remaining), str(one.price)
        )
        for one in pit.exchange.open_orders("ann")
    ]
    return desk


def stress(desk: Desk, settings: RiskSettings = WIDE, **shock: object) -> Stress:
    made = stressed(desk, settings, Shock(**shock))
    assert made is not None
    return made


def held(side: Side, size: str, listing: Listing | None = None, balance: str = "10000") -> Pit:
    """Ann holds ``size`` at 60,000, bought from (or sold to) bob."""
    pit = Pit(listing=listing, balance=balance)
    pit.place("bob", side.opposite, size, "60000")
    pit.place("ann", side, size, "60000")
    return pit


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("move", ["-0.1", "-0.02", "0", "0.03", "0.1"])
def test_the_exchange_comes_to_the_same_figures(move: str, side: Side, *, inverse: bool) -> None:
    pit = held(
        side, "120" if inverse else "0.2", inverse_listing() if inverse else None, "1" if inverse else "10000"
    )
    pit.place("ann", Side.BUY, "10" if inverse else "0.01", "50000")
    pit.place("ann", Side.SELL, "10" if inverse else "0.01", "70000")
    found = stress(seen(pit), price=D(move))
    (line,) = found.positions
    pit.mark(str(D(60_000) * (1 + D(move))))
    state = pit.exchange.account("ann")
    (balance,), (row,) = state.balances, state.positions
    assert found.equity == balance.margin_balance
    assert found.initial_margin == balance.initial_margin
    assert found.maintenance_margin == balance.maintenance_margin
    assert (line.initial_margin, line.maintenance_margin) == (
        row.initial_margin + row.open_order_initial_margin, row.maintenance_margin,
    )  # fmt: skip
    assert (line.liquidation_price or ZERO) == row.liquidation_price
    assert (line.size, line.notional) == (row.size, abs(row.notional))


@given(st.sampled_from(list(Side)), st.integers(2, 300), st.integers(-300, 300))
def test_any_fall_of_any_size(side: Side, lots: int, permille: int) -> None:
    pit = held(side, f"{lots / 1000:.3f}", balance="1000000")
    found = stress(seen(pit), price=D(permille) / 1000)
    pit.mark(f"{60_000 * (1000 + permille) / 1000:.2f}")
    (balance,) = pit.exchange.account("ann").balances
    assert (found.equity, found.initial_margin, found.maintenance_margin) == (
        balance.margin_balance, balance.initial_margin, balance.maintenance_margin,
    )  # fmt: skip


def fired(found: Stress) -> dict[str, str]:
    return {row.rule: row.then for row in found.rules if row.fires}


def test_the_wallet_is_as_new_as_the_positions() -> None:
    """A fee or a loss that was booked after the account was read is not in the account."""
    desk = long_desk()
    before = stress(desk, price=D("-0.01"))
    desk.told = D(9_990)
    after = stress(desk, price=D("-0.01"))
    assert (before.equity_before, before.equity) == (10_000, 9_940)
    assert (after.equity_before, after.equity) == (9_990, 9_930)


def long_desk(size: str = "0.1", stop: str = "57000", equity: str = "10000") -> Desk:
    desk = linear_desk(equity)
    only(desk).hold(size, "60000")
    only(desk).stop_price = D(stop)
    return desk


def test_nothing_fires_where_nothing_moves() -> None:
    found = stress(long_desk())
    assert fired(found) == {}
    assert (found.equity_before, found.equity, found.margin_ratio) == (10_000, 10_000, D("0.06"))


def test_the_stop_fires_at_its_price_and_says_what_the_gap_costs() -> None:
    # 60,000 x 0.95 = 57,000: at the stop; 10 % lower: 54,000, -600 instead of -300
    assert "hard_stop BTC/USDT:USDT" in fired(stress(long_desk(), price=D("-0.05")))
    assert "hard_stop BTC/USDT:USDT" not in fired(stress(long_desk(), price=D("-0.0499")))
    words = fired(stress(long_desk(), price=D("-0.1")))["hard_stop BTC/USDT:USDT"]
    assert words == "closed near the mark: -600.00 USDT; at the stop it would be -300.00 USDT"


@pytest.mark.parametrize(("size", "fires"), [("0.133", False), ("0.134", True)])
def test_the_breaker_at_its_limit(size: str, *, fires: bool) -> None:
    """-10 % of 0.134 x 60,000 is 804 of 10,000; the desk has measured no profit or loss before."""
    found = stress(long_desk(size), price=D("-0.1"))
    assert ("breaker" in fired(found)) is fires


def test_the_guard_says_in_which_order_it_would_close() -> None:
    desk = long_desk("0.5", "40000")  # 30,000 of notional, 3,000 of margin at leverage 10
    other = replace(LINEAR, symbol="ETH/USDT:USDT")
    item = Item(other, book(other, "59999.9", "60000.1"), D(60_000), only(desk).position)
    desk.symbols["ETH/USDT:USDT"] = item
    item.hold("-0.6", "60000")
    desk.working = [order(LINEAR, OurSide.BUY, "0.01", "59000")]
    assert fired(stress(desk)) == {}
    found = fired(
        stress(desk, price={"BTC/USDT:USDT": D("-0.25")})
    )  # -7,500: 2,500 left, 5,850 and more bound
    assert found["margin_guard"] == "entries cancelled, then BTC/USDT:USDT closed, then ETH/USDT:USDT closed"
    assert "liquidation" not in found


def test_liquidation_and_no_equity() -> None:
    found = stress(long_desk("1", "40000"), price=D("-0.17"))
    assert found.margin_ratio is None
    assert "liquidation" in fired(found)
    assert "breaker" in fired(found)


def test_funding_and_leverage() -> None:
    found = stress(long_desk(), funding=D("0.001"), leverage=D(2))
    assert found.equity == D("9994")  # 6,000 x 0.001
    assert found.initial_margin == 3000
    short = long_desk("-0.1", "63000")
    assert stress(short, funding=D("0.001")).equity == D("10006")


def test_what_is_not_watched_is_taken_as_it_is_and_named() -> None:
    desk = long_desk()
    assert desk.account is not None
    stranger = VenuePosition(
        symbol="X/USDT:USDT", size=D(5), entry_price=D(1), unrealized_pnl=D(-50), leverage=D(5)
    )
    desk.account = replace(desk.account, positions=(stranger,))
    found = stress(desk, price=D("-0.01"))
    assert found.unknown == ("X/USDT:USDT",)
    assert found.equity == D(10_000 - 60 - 50)
    desk.account = None
    assert stressed(desk, WIDE, Shock()) is None


def test_an_inverse_account_is_stressed_in_coin() -> None:
    found = stress(seen(held(Side.BUY, "120", inverse_listing(), "1")), price=D("-0.5"))
    # 12,000 USD: 0.2 BTC at 60,000, 0.4 at 30,000: -0.2
    (line,) = found.positions
    assert (line.change, line.notional, found.asset) == (D("-0.2"), D("0.4"), "BTC")


@pytest.mark.parametrize(
    ("shock", "words"),
    [
        ({"price": D(-1)}, "above -1"),
        ({"price": {"BTC/USDT:USDT": D("NaN")}}, "a share of the price"),
        ({"funding": D("Infinity")}, "a rate"),
        ({"leverage": D(0)}, "from 1 to 1000"),
    ],
)
def test_what_cannot_be_is_one_clear_error(shock: dict[str, Decimal], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Shock(**shock)


def test_an_account_without_positions() -> None:
    desk = linear_desk()
    desk.account = account("10000")
    found = stress(desk, price=D("-0.5"))
    assert (found.positions, found.margin_ratio, fired(found)) == ((), ZERO, {})
