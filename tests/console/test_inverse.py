"""An inverse contract end to end: a desk in BTC trades BTC/USD:BTC, and the exchange's books are the witness.

One contract is 100 USD, worth 100 / price BTC; the account has 1 BTC, so that the cap is 0.03 BTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Any

import pytest

import contractdesk as cd
from contractdesk.console.desk import Desk
from contractdesk.desk import embedded
from contractdesk.domain.account import liquidation_price
from contractdesk.domain.instrument import ContractKind, Instrument, cash
from contractdesk.domain.orders import OrderRole
from contractdesk.domain.views import DeskSnapshot, PositionRow
from contractdesk.errors import ConfigError, DeskBusy, UnknownSymbol, UserError
from tests.console.loopback import Watcher, address, ready, truth

COIN, VENUE = "BTC/USD:BTC", "BTCUSD_PERP"
D = Decimal
USD = D(100)  # a contract
CAP = D("0.03")
CENT = D("0.00000001")


@pytest.fixture(scope="module")
def coin(home: object) -> Iterator[Desk]:
    desk = cd.open_desk("embedded", name="coin", product="coin-m", seed=12, idle_limit_s=120)
    desk.start(Watcher([COIN], "1m"), name="watcher")
    ready(desk, COIN)
    yield desk
    desk.close()


def terms(desk: Desk) -> Instrument:
    return desk.snapshot.symbols[COIN].instrument


def own_liquidation(desk: Desk, account: dict[str, Any]) -> Decimal | None:
    """By the desk's arithmetic, from the fills since it was flat and the wallet."""
    instrument, size, cost = terms(desk), D(0), Fraction(0)
    for fill in account["fills"]:
        signed = D(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1)
        size += signed
        cost = cost + instrument.cost(signed, D(fill["price"])) if size else Fraction(0)
    return liquidation_price(instrument, size, cost, D(account["balances"]["BTC"]["wallet"]))


def shown_with(desk: Desk, liquidation: Decimal | None) -> PositionRow:
    """The position as the desk shows it, once it shows that liquidation price."""
    desk.account_state()

    def as_expected(picture: DeskSnapshot) -> list[PositionRow]:
        return [each for each in picture.positions if each.size and each.liquidation_price == liquidation]

    (found,) = as_expected(desk.wait_for(lambda s: bool(as_expected(s)), 5))
    return found


def walk_to(desk: Desk, price: Decimal) -> None:
    """Lead the market there and wait until the desk has seen the mark arrive."""
    body = {"symbol": VENUE, "price": str(price), "seconds": 0.5}
    embedded.post(address(desk), "/control/price", body)
    desk.wait_for(lambda s: abs(s.symbols[COIN].mark / price - 1) < D("0.004"), 15)


# -- the account ------------------------------------------------------------------------------


def test_the_account_is_in_btc_and_only_inverse_contracts_are_listed(coin: Desk) -> None:
    picture = coin.snapshot
    assert (picture.asset, picture.wallet_balance) == ("BTC", D(1))
    assert "1.000000 BTC" in repr(coin)
    instrument = terms(coin)
    assert (instrument.kind, instrument.contract_size, instrument.settle) == (
        ContractKind.INVERSE,
        USD,
        "BTC",
    )
    assert (instrument.min_notional, instrument.tiers[0].cap) == (D(0), D(5))
    assert (instrument.maker_fee, instrument.taker_fee) == (D("0.0002"), D("0.0005"))
    with pytest.raises(UnknownSymbol, match="BTC/USD:BTC"):
        coin.buy("BTC/USDT:USDT", size=1, stop=50_000)
    assert all(coin.preflight().column("passed"))


def test_open_interest_is_told_free_of_the_price(coin: Desk) -> None:
    """11,800,000 contracts of 100 USD each, whatever BTC costs."""
    coin.wait_for(lambda s: COIN in s.symbols, 5)
    reads = coin._session.state.symbols[COIN].interest.reads
    assert {amount for _, amount in reads} == {D(11_800_000) * USD}


# -- the size cap -----------------------------------------------------------------------------


def test_the_cap_is_in_btc_and_one_contract_more_is_refused(coin: Desk) -> None:
    """A limit at 59,000 is worth most, in BTC, at 59,000: 17 contracts are 0.0288 BTC, 18 are 0.0305."""
    limit = D(59_000)
    most = (CAP * limit / USD).to_integral_value(ROUND_FLOOR)
    assert most == 17
    refused = coin.buy(COIN, size=most + 1, limit=limit, stop=55_000)
    assert refused.refused is not None
    assert refused.refused.rule == "size_cap"
    assert "BTC" in refused.refused.found
    assert re.search(rf"\b{most}\b", refused.refused.would_pass), refused.refused
    passed = coin.buy(COIN, size=most, limit=limit, stop=55_000)
    (resting,) = truth(coin)["open_orders"]
    assert (D(resting["quantity"]), D(resting["price"])) == (most, limit)
    ours = next(o for o in coin.snapshot.orders if o.request.client_id == resting["client_id"])
    assert ours.request.role is OrderRole.ENTRY
    assert coin.cancel(resting["client_id"]).done, passed
    assert truth(coin)["open_orders"] == []


# -- a long and a short -----------------------------------------------------------------------


@pytest.mark.parametrize(("side", "stop", "target"), [(1, 57_000, 60_500), (-1, 63_500, 59_800)])
def test_a_position_lives_and_is_closed_and_the_books_agree(
    coin: Desk, side: int, stop: int, target: int
) -> None:
    before = len(truth(coin)["fills"])
    receipt = (coin.buy if side > 0 else coin.sell)(COIN, size=16, stop=stop)
    assert receipt.done, receipt
    coin.wait_for(lambda s: any(each.guarded == 16 for each in s.positions), 10)

    account = truth(coin)
    position = account["positions"][VENUE]
    assert D(position["size"]) == side * 16
    (guard,) = [order for order in account["algo_orders"] if order["status"] == "NEW"]
    assert (D(guard["quantity"]), guard["reduce_only"], guard["working_type"]) == (16, True, "MARK_PRICE")
    assert D(guard["trigger_price"]) == stop

    stands = D(position["liquidation_price"]) or None  # a short worth less than the wallet has none
    assert (stands is None) == (side < 0)
    assert own_liquidation(coin, account) == stands
    held = shown_with(coin, stands)
    assert held.entry_price == D(position["entry_price"])

    wallet = D(account["balances"]["BTC"]["wallet"])
    embedded.post(address(coin), "/control/fund", {"symbol": VENUE, "rate": "0.0004"})
    coin.wait_for(lambda s: s.wallet_balance != wallet, 10)
    coin.wait_for(lambda s: any(each.size and each.funding for each in s.positions), 10)
    paid = D(truth(coin)["ledger"][-1]["amount"])
    assert paid * side < 0  # longs pay a positive rate
    assert paid == paid.quantize(CENT)

    walk_to(coin, D(target))
    picture = coin.wait_for(lambda s: any(each.unrealized_pnl * side for each in s.positions), 10)
    (held,) = [each for each in picture.positions if each.size]
    cost = _cost(terms(coin), truth(coin)["fills"][before:])
    assert held.unrealized_pnl == cash(terms(coin).exact_pnl(held.size, cost, held.mark))
    theirs = truth(coin)["positions"][VENUE]
    marked = terms(coin).exact_pnl(held.size, cost, D(theirs["mark_price"]))
    assert D(theirs["unrealized"]) == cash(marked)

    assert coin.close_position(COIN).done
    coin.wait_for(lambda s: not any(each.size for each in s.positions), 10)
    account = truth(coin)
    assert D(account["positions"][VENUE]["size"]) == 0
    assert not [order for order in account["algo_orders"] if order["status"] == "NEW"]
    report = cd.audit(coin)
    assert report.passed, report
    figures = {row.what: row for row in report.agreements}
    assert all(row.desk == row.exchange for row in report.agreements)
    assert figures["realized PnL"].exchange
    assert figures["funding"].exchange
    assert figures["fees"].exchange > 0
    moved = sum((D(entry["amount"]) for entry in account["ledger"]), D(0))
    assert coin.snapshot.wallet_balance == moved


def _cost(instrument: Instrument, fills: list[dict[str, Any]]) -> Fraction:
    signs = {"BUY": 1, "SELL": -1}
    return sum(
        (instrument.cost(signs[each["side"]] * D(each["quantity"]), D(each["price"])) for each in fills),
        Fraction(0),
    )


def test_the_tables_show_satoshis(coin: Desk) -> None:
    account = truth(coin)
    fees = sum(D(e["amount"]) for e in account["ledger"] if e["kind"] == "COMMISSION")
    assert coin.pnl.fees == -fees
    assert f"{-fees:f}" in repr(cd.audit(coin))
    assert {fill["fee_asset"] for fill in coin.fills} == {"BTC"}
    assert len(coin.funding.payments) == 2


def test_a_desk_that_comes_back_knows_its_position(coin: Desk) -> None:
    """It is closed with a position under its stop, and opened again on the same exchange."""
    assert coin.sell(COIN, size=5, stop=63_500).done  # two settlements at 0.04 % refuse further longs
    coin.wait_for(lambda s: any(each.guarded == 5 for each in s.positions), 10)
    coin.close()
    again = cd.open_desk("embedded", name="coin", product="coin-m", seed=12, idle_limit_s=120)
    try:
        ready(again, COIN)
        (held,) = [each for each in again.snapshot.positions if each.size]
        assert (held.size, held.guarded, held.origin) == (-5, 5, "own")
        assert cd.audit(again).passed
        assert again.flatten().done
        assert cd.audit(again).passed
    finally:
        again.close()


def test_one_name_is_not_two_desks(coin: Desk) -> None:
    """The accounts of the two products differ, the files of a desk called "coin" do not."""
    first = cd.open_desk("embedded", name="coin", product="coin-m", seed=12, idle_limit_s=120)
    with first, pytest.raises(DeskBusy, match="another name"):
        cd.open_desk("embedded", name="coin", seed=12, idle_limit_s=120)


# -- other desks ------------------------------------------------------------------------------


def test_a_short_beyond_its_wallet_is_liquidated_where_the_desk_says(home: object) -> None:
    """With a raised cap: 900 contracts short are about 1.5 BTC on a wallet of 1."""
    options = {"product": "coin-m", "seed": 13, "idle_limit_s": 120, "risk": {"size_cap": "5"}}
    desk = cd.open_desk("embedded", name="coin-short", **options)
    try:
        desk.start(Watcher([COIN], "1m"), name="watcher")
        ready(desk, COIN)
        receipt = desk.sell(COIN, size=900, stop=66_000)
        assert receipt.done, receipt
        desk.wait_for(lambda s: any(each.guarded == 900 for each in s.positions), 10)
        account = truth(desk)
        stands = D(account["positions"][VENUE]["liquidation_price"])
        assert stands > 100_000
        assert own_liquidation(desk, account) == stands
        assert shown_with(desk, stands).size == -900
        assert desk.flatten().done
        assert cd.audit(desk).passed
    finally:
        desk.close()


def test_options_that_do_not_go_together_are_one_clear_error() -> None:
    with pytest.raises(ConfigError, match='product="coin-m"'):
        cd.open_desk("embedded", name="wrong", asset="BTC")
    with pytest.raises(ConfigError, match="spot"):
        cd.open_desk("embedded", name="wrong", product="spot")


def test_a_coin_that_the_exchange_does_not_list_is_refused(home: object) -> None:
    with pytest.raises(UserError, match="settles in ETH"):
        cd.open_desk("embedded", name="ether", product="coin-m", asset="ETH", seed=12, idle_limit_s=60)


def test_a_paper_desk_trades_the_coin_too(home: object) -> None:
    """Its market is the public half of an exchange of its own; the account of 2 BTC is made up here."""
    with cd.open_desk("embedded", name="coin-public", product="coin-m", seed=14, idle_limit_s=120) as public:
        where = {"rest": address(public), "stream": address(public).replace("http", "ws", 1)}
        desk = cd.open_desk("binance", mode="paper", product="coin-m", endpoints=where, balance=2)
        try:
            assert (desk.name, desk.snapshot.asset) == ("binance-main-coin-m-paper", "BTC")
            assert desk.sell(COIN, size=20, stop=63_500).done
            held = desk.wait_for(lambda s: any(each.guarded == 20 for each in s.positions), 10)
            fees = sum((each.fees for each in held.positions), D(0))
            assert held.wallet_balance == 2 - fees
            assert desk.close_position(COIN).done
            picture = desk.wait_for(lambda s: not any(each.size for each in s.positions), 10)
            (row,) = picture.positions
            assert picture.wallet_balance == 2 + row.realized_pnl - row.fees
            assert row.realized_pnl == row.realized_pnl.quantize(CENT)
        finally:
            desk.close()
