"""The liquidation price: there, equity is the maintenance margin; on the safe side, it is more."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from contractdesk.domain.account import Account, liquidation_price
from contractdesk.domain.instrument import ContractKind, Instrument
from tests.domain.terms import INVERSE, LINEAR, contracts, prices, sizes

D = Decimal
ROUNDING = Fraction(1, 10**8)


def slack(
    instrument: Instrument, size: Decimal, cost: Fraction, wallet: Decimal, others: Decimal, mark: Decimal
) -> Fraction:
    """Equity less maintenance margin at ``mark``, from the definitions."""
    units = Fraction(size) * Fraction(instrument.contract_size)
    price = Fraction(mark)
    if instrument.kind is ContractKind.LINEAR:
        pnl, notional = units * price - cost, abs(units) * price
    else:
        pnl, notional = cost - units / price, abs(units) / price
    tier = next((t for t in instrument.tiers if notional <= Fraction(t.cap)), instrument.tiers[-1])
    maintenance = notional * Fraction(tier.maintenance_rate) - Fraction(tier.maintenance_amount)
    return Fraction(wallet) + pnl - maintenance - Fraction(others)


@st.composite
def positions(draw: st.DrawFn) -> tuple[Instrument, Decimal, Fraction, Decimal, Decimal, Decimal]:
    """Contract, signed size, cost, mark, wallet and the maintenance of other positions; healthy."""
    instrument = draw(contracts)
    size = draw(sizes(instrument)) * draw(st.sampled_from([1, -1]))
    entry, mark = draw(prices(instrument)), draw(prices(instrument))
    notional = instrument.notional(size, mark)
    wallet = (notional * draw(st.integers(1, 400)) / 100).quantize(D("1e-8"))
    others = (wallet * draw(st.integers(0, 50)) / 100).quantize(D("1e-8"))
    cost = instrument.cost(size, entry)
    assume(slack(instrument, size, cost, wallet, others, mark) > 0)
    return instrument, size, cost, mark, wallet, others


@given(positions())
def test_at_the_liquidation_price_equity_is_the_maintenance_margin(
    case: tuple[Instrument, Decimal, Fraction, Decimal, Decimal, Decimal],
) -> None:
    instrument, size, cost, mark, wallet, others = case
    price = liquidation_price(instrument, size, cost, wallet, other_maintenance=others)
    if price is None or price <= D("1e-6"):
        return  # never, or where a rounding to 1e-8 says nothing
    assert (price < mark) == (size > 0)
    around = [slack(instrument, size, cost, wallet, others, price + step) for step in (-D("1e-8"), D("1e-8"))]
    assert min(around) <= 0 <= max(around)


@given(positions(), st.integers(1, 10**6))
def test_without_a_liquidation_price_no_mark_liquidates(
    case: tuple[Instrument, Decimal, Fraction, Decimal, Decimal, Decimal], factor: int
) -> None:
    instrument, size, cost, mark, wallet, others = case
    if liquidation_price(instrument, size, cost, wallet, other_maintenance=others) is None:
        for price in (mark * factor, mark / factor):
            assert slack(instrument, size, cost, wallet, others, price) > 0


@given(positions(), st.integers(1, 99))
def test_between_the_mark_and_the_liquidation_price_the_position_lives(
    case: tuple[Instrument, Decimal, Fraction, Decimal, Decimal, Decimal], share: int
) -> None:
    instrument, size, cost, mark, wallet, others = case
    price = liquidation_price(instrument, size, cost, wallet, other_maintenance=others)
    if price is not None and abs(price - mark) > D("1e-4"):
        assert slack(instrument, size, cost, wallet, others, price + (mark - price) * share / 100) > 0


def test_linear_by_hand() -> None:
    # long 1 @ 60,000 with 6,000: 6000 + p - 60000 = p x 0.005 - 50 (tier 2) -> p = 53950 / 0.995
    price = liquidation_price(LINEAR, D(1), Fraction(60_000), D(6_000))
    assert price == D("54221.10552764")
    # short: 6000 + 60000 - p = p x 0.005 - 50 -> p = 66050 / 1.005
    assert liquidation_price(LINEAR, D(-1), Fraction(-60_000), D(6_000)) == D("65721.39303483")


def test_inverse_by_hand() -> None:
    # 600 x 100 USD long @ 60,000 (1 BTC) with 0.1: 0.1 + 1 - 60000/p = 0.004 x 60000/p
    assert liquidation_price(INVERSE, D(600), Fraction(1), D("0.1")) == D("54763.63636364")
    # a short of 1x collateral cannot be liquidated: its loss is bounded by the collateral
    assert liquidation_price(INVERSE, D(-600), Fraction(-1), D("1.1")) is None


def test_beyond_the_last_tier_there_still_is_a_liquidation_price() -> None:
    # short 1000 @ 20,000 = 20 million, the last tier's cap; with 4 million it lives to about 23,000
    price = liquidation_price(LINEAR, D(-1000), Fraction(-20_000_000), D(4_000_000))
    assert price is not None
    assert 22_000 < price < 24_000


def test_other_positions_share_the_wallet() -> None:
    alone = liquidation_price(LINEAR, D(1), Fraction(60_000), D(6_000))
    beside = liquidation_price(
        LINEAR, D(1), Fraction(60_000), D(7_000), other_maintenance=D(400), other_unrealized=D(-600)
    )
    assert alone == beside


def test_no_position_has_no_liquidation_price() -> None:
    assert liquidation_price(LINEAR, D(0), Fraction(0), D(100)) is None


def test_the_account_sums_up() -> None:
    account = Account(
        asset="USDT",
        wallet_balance=D(1000),
        unrealized_pnl=D(-200),
        initial_margin=D(200),
        maintenance_margin=D(20),
        available=D(600),
    )
    assert account.equity == 800
    assert account.margin_ratio == D("0.25")
    broke = Account(
        asset="USDT",
        wallet_balance=D(100),
        unrealized_pnl=D(-100),
        initial_margin=D(1),
        maintenance_margin=D(1),
        available=D(0),
    )
    assert broke.margin_ratio is None
