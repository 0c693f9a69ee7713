"""Rows 56-63: what the venue and others do to the account: by force, by funding, by hand, by mode."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from contractdesk.domain.views import TradingState
from contractdesk.venues.binance import health
from tests.faults.case import Case, row
from tests.faults.desks import D, Take, booked, bought, creates, never_twice, under_stop
from tests.faults.wishes import enters, refuses
from tests.rules.venue import BTC, ETH, Seat, covered, eventually, held, live_stops

pytestmark = pytest.mark.timeout(180)
ETHUSDT = "ETHUSDT"


def halted(at: Seat, word: str, within_s: float = 60.0) -> str:
    """The desk is HALTED, for a reason with that word; the reason."""
    picture = at.desk.wait_for(lambda s: s.state is TradingState.HALTED, within_s)
    assert word in picture.state_reason, picture.state_reason
    refuses(at)
    return str(picture.state_reason)


# -- 56, 57: by force ----------------------------------------------------------------------------


@row(56)
def test_row_56_a_part_is_liquidated(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    case.pull("liquidate", account=at.name, symbol=ETHUSDT, quantity="0.02")
    truth = under_stop(at, D("0.03"))
    booked(at, D("0.03"))
    why = halted(at, "by force")
    never_twice(at)
    forced = [fill for fill in truth["fills"] if fill["client_id"].startswith("autoclose-")]
    assert len(forced) == 1
    case.saw(f"0.03 left under one stop of 0.03; halted: {why}")


@row(57)
def test_row_57_a_part_is_deleveraged(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    case.pull("deleverage", account=at.name, symbol=ETHUSDT, quantity="0.02")
    under_stop(at, D("0.03"))
    booked(at, D("0.03"))
    halted(at, "by force")
    assert len(creates(at, "entry")) == 1
    case.saw("0.03 left under one stop of 0.03; halted, nothing entered again")


@row(57, suite=True)
def test_row_57_all_of_it_is_deleveraged(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    case.pull("deleverage", account=at.name, symbol=ETHUSDT, quantity="0.05")
    truth = at.until(lambda now: held(now, ETH) == 0 and not live_stops(now, ETH))
    booked(at, D(0))
    halted(at, "by force")
    assert len(creates(at, "entry")) == 1
    assert truth["open_algo_orders"] == []
    case.saw("flat: no order is left, halted, nothing entered again")


# -- 58, 59: cash --------------------------------------------------------------------------------


def funding_of(truth: dict[str, Any]) -> list[Decimal]:
    return [D(entry["amount"]) for entry in truth["ledger"] if entry["kind"] == "FUNDING_FEE"]


@row(58)
def test_row_58_funding_of_every_kind(seat: Take, case: Case) -> None:
    """Positive, flipped, three within a minute, one told twice and one told late."""
    at = seat()
    bought(at)
    for rate in ("0.0001", "-0.0003", "0.0002"):
        case.pull("fund", symbol=ETHUSDT, rate=rate)
    twice = case.strike("duplicate_event", event="ACCOUNT_UPDATE", execution="FUNDING_FEE")
    case.pull("fund", symbol=ETHUSDT, rate="0.0001")
    eventually(lambda: case.struck(twice), bool, 5)
    case.strike("delay_event", event="ACCOUNT_UPDATE", execution="FUNDING_FEE", ms=3_000)
    case.pull("fund", symbol=ETHUSDT, rate="-0.0002")
    paid = funding_of(at.truth())
    assert len(paid) == 5
    at.desk.wait_for(lambda s: len(s.payments) == 5, 30)
    case.strike("cut", path="private")  # and a backfill tells all of them again
    at.desk.wait_for(lambda s: s.private_stream_ready, 20)
    mine = [payment.amount for payment in at.desk.snapshot.payments]
    assert sorted(mine) == sorted(paid)
    (position,) = [each for each in at.desk.snapshot.positions if each.symbol == ETH]
    assert position.funding == sum(paid)
    at.desk.wait_for(lambda s: s.wallet_balance == D(at.truth()["balances"]["USDT"]["wallet"]), 10)
    case.saw(f"5 payments, {sum(paid)} in all: the ledger and the wallet agree to the last digit")


@pytest.fixture
def quick_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account is looked at every second instead of every 30 s."""
    monkeypatch.setattr(health, "PERIOD_S", 1.0)


def looked_at(at: Seat, times: int) -> None:
    """Wait until the ledger has been read so often again."""

    def reads() -> int:
        return sum(1 for each in at.requests() if each["path"].endswith("/income"))

    before = reads()
    eventually(reads, lambda now: now >= before + times, 30)


@row(59)
def test_row_59_the_wallet_moves_and_the_ledger_says_nothing(
    seat: Take, case: Case, quick_health: None
) -> None:
    at = seat()
    kept = bought(at)["open_algo_orders"]
    looked_at(at, 3)
    case.pull("adjust", account=at.name, amount="-200")
    why = halted(at, "(-2.0%)")
    assert at.desk.resume().done
    looked_at(at, 6)
    assert at.desk.snapshot.state is TradingState.ACTIVE, "it was told twice"
    assert at.truth()["open_algo_orders"] == kept
    case.saw(f"halted once: {why[:60]}..; the stop stands")


@row(59)
def test_row_59_what_the_ledger_explains_halts_nothing(seat: Take, case: Case, quick_health: None) -> None:
    """A deposit, a withdrawal, and a loss that another client has made: each more than 1.5 %."""
    at = seat()
    bought(at)
    looked_at(at, 2)
    at.transfer("2000")
    looked_at(at, 3)
    at.transfer("-1500")
    looked_at(at, 3)
    at.second.trade(BTC, "BUY", "2")
    at.venue.move(BTCUSDT="59900")
    at.second.trade(BTC, "SELL", "2", reduceOnly="true")
    at.venue.restore()
    looked_at(at, 4)
    ledger = at.truth()["ledger"]
    moved = [entry for entry in ledger if entry["kind"] in ("TRANSFER", "REALIZED_PNL")]
    case.count(len(moved) - 1)  # beside the opening balance
    assert at.desk.snapshot.state is not TradingState.HALTED, at.desk.snapshot.state_reason
    case.saw("a deposit, a withdrawal and another client's loss: all explained, not halted")


# -- 62, 63: modes -------------------------------------------------------------------------------


@row(62)
def test_row_62_hedge_mode_is_switched_on_elsewhere(seat: Take, case: Case, quick_health: None) -> None:
    at = seat()
    at.desk.book(ETH)
    at.second.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
    assert at.truth()["position_mode"] == "hedge"
    case.count(1)
    why = halted(at, "hedge mode")
    assert not at.desk.buy(ETH, size="0.05", stop="2950").done
    assert creates(at, "entry") == []
    at.second.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false")
    looked_at(at, 2)
    assert at.desk.resume().done
    enters(at, within_s=15)
    case.saw(f"nothing sent; halted: {why}; traded again once it was off and resumed")


@row(62)
def test_row_62_an_order_into_hedge_mode_is_refused_by_the_venue(seat: Take, case: Case) -> None:
    """Within the 30 s until it is seen: -4061 is definitive, and there is no loop."""
    at = seat()
    at.desk.book(ETH)
    at.second.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
    assert not at.desk.buy(ETH, size="0.05", stop="2950").done
    refused = [each["code"] for each in at.requests() if each["role"] == "entry"]
    assert refused == [-4061]
    case.count(len(refused))
    at.second.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false")
    case.saw("one order, refused with -4061; nothing held, nothing sent again")


CHANGES = ["streamed", "read"]


@pytest.mark.parametrize("how", CHANGES)
@row(63)
def test_row_63_the_leverage_is_changed_elsewhere(
    seat: Take, case: Case, quick_health: None, how: str
) -> None:
    at = seat()
    kept = bought(at)["open_algo_orders"]
    if how == "read":
        case.strike("drop_event", event="ACCOUNT_CONFIG_UPDATE")
    at.second.signed("POST", "/fapi/v1/leverage", symbol=ETHUSDT, leverage=7)
    assert at.truth()["positions"][ETHUSDT]["leverage"] == 7
    case.count(1)
    halted(at, "from 20 to 7")
    assert at.truth()["open_algo_orders"] == kept
    assert covered(at.truth(), ETH)
    assert at.desk.resume().done
    at.desk.set_leverage(ETH, 10)
    looked_at(at, 3)
    assert at.desk.snapshot.state is TradingState.ACTIVE, "our own change has halted it"
    case.saw(f"20x to 7x, {how}: halted, the stop stands; our own change halts nothing")


@row(63)
def test_row_63_the_margin_mode_is_changed_elsewhere(seat: Take, case: Case, quick_health: None) -> None:
    at = seat()
    at.desk.book(ETH)
    at.second.signed("POST", "/fapi/v1/marginType", symbol=ETHUSDT, marginType="ISOLATED")
    case.count(1)
    halted(at, "isolated")
    assert creates(at, "entry") == []
    at.second.signed("POST", "/fapi/v1/marginType", symbol=ETHUSDT, marginType="CROSSED")
    case.saw("ISOLATED: halted, nothing sent")
