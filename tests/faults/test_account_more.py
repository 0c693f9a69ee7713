"""Rows 60 and 61: margin that runs out, losses that are true and one that is not."""

from __future__ import annotations

import pytest

from contractdesk.domain.views import TradingState
from tests.faults.case import Case, row
from tests.faults.desks import D, Take, creates
from tests.faults.wishes import refuses
from tests.rules.test_breaker_limits import adopted, rest, seen, standing, tripped
from tests.rules.test_margin import HELD, LIMIT_OF_GUARD, initial_margin, judge, leave, loaded, reads
from tests.rules.venue import BTC, SOL, covered, eventually

pytestmark = pytest.mark.timeout(240)
SHORT = {BTC: D("-0.05")}


@row(60)
def test_row_60_margin_above_85_per_cent_with_an_entry_and_three_positions(seat: Take, case: Case) -> None:
    """195.50 of 196 USDT are bound: the entry, then SOL, then BTC has to go; ETH stays."""
    at = loaded(seat)
    since_ns = leave(at, "196.00")
    transfers = [
        each for each in at.truth()["ledger"] if each["kind"] == "TRANSFER" and D(each["amount"]) < 0
    ]
    case.count(len(transfers))
    truth = at.until(
        lambda now: (
            not now["open_orders"]
            and initial_margin(now) <= LIMIT_OF_GUARD * D(now["balances"]["USDT"]["margin_balance"])
            and all(covered(now, symbol) for symbol in HELD)
        )
    )
    asked = reads(at)
    at.until(lambda _: reads(at) >= asked + 2)
    judge(at, at.truth(), since_ns, [SOL, BTC])
    share = initial_margin(truth) / D(truth["balances"]["USDT"]["margin_balance"])
    case.saw(
        f"the entry cancelled, then SOL and BTC closed one after the other: {share:.1%}; ETH keeps its stop"
    )


@row(61)
def test_row_61_a_bad_tick_does_nothing_and_a_true_loss_halts_for_good(seat: Take, case: Case) -> None:
    """3.3 % off the index and 10 % of the equity, were it true; then it is."""
    at = adopted(seat, SHORT)
    assert rest(at).done
    kept = at.truth()["open_algo_orders"]
    at.venue.silence(BTC)
    case.pull("mark", symbol="BTCUSDT", mark="62000")
    at.desk.wait_for(lambda s: s.symbols[BTC].mark == 62_000, 5)
    at.venue.silence(BTC, silent=False)
    eventually(lambda: at.venue.mark("BTCUSDT"), lambda now: now == 60_000)
    seen(at, {BTC: D(60_000)})
    standing(at, kept)
    case.pull("price", symbol="BTCUSDT", price="62000")
    eventually(lambda: at.venue.mark("BTCUSDT"), lambda now: now == 62_000)
    tripped(at, kept, SHORT)
    at.venue.restore()
    assert not at.desk.resume().done, "resume() never clears it"
    refuses(at, "breaker", symbol=SOL)
    at.desk.close()
    at.desk = at.venue.open(at.name)
    assert at.desk.snapshot.state is TradingState.HALTED
    sent = len(creates(at, "entry"))
    refuses(at, "breaker", symbol=SOL)
    assert at.truth()["open_algo_orders"] == kept
    assert at.desk.risk.reset("breaker", reason="understood")
    assert len(creates(at, "entry")) == sent
    case.saw(
        "the bad tick: nothing; the loss: halted once, the stop kept; halted still after it was opened again"
    )
