"""Row 55: a contract that is to be delisted, halted, settled, with a position in it.

A file of its own, for the exchange of it is spoilt afterwards.
"""

from __future__ import annotations

import pytest

from contractdesk.console.desk import Desk
from contractdesk.venues.binance import terms
from tests.faults.case import Case, row
from tests.faults.desks import D, Take, booked, bought, creates
from tests.faults.wishes import refuses, refuses_soon
from tests.rules.venue import ETH, SOL, Seat, StillVenue, covered, held, live_stops

pytestmark = pytest.mark.timeout(180)
ETHUSDT = "ETHUSDT"


@pytest.fixture(autouse=True)
def quick_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contracts' terms are read every second instead of every minute."""
    monkeypatch.setattr(terms, "PERIOD_S", 1.0)


@row(55)
def test_row_55_it_is_to_be_delisted_and_then_halted(seat: Take, case: Case) -> None:
    at = seat()
    kept = bought(at)["open_algo_orders"]
    case.pull("status", symbol=ETHUSDT, status="PRE_SETTLE")
    refuses_soon(at, "freshness_symbol", within_s=10)
    by = refuses(at, "freshness_symbol")
    assert at.truth()["open_algo_orders"] == kept
    assert at.desk.close_position(ETH, size="0.02").done, "while it trades one can get out"
    at.until(lambda now: held(now, ETH) == D("0.03") and covered(now, ETH))
    case.pull("status", symbol=ETHUSDT, status="SETTLING")
    sent = len(at.creates())
    assert not at.desk.close_position(ETH, size="0.01").done
    refuses(at, "freshness_symbol")
    assert len(at.creates()) <= sent + 1, "one order was refused, and none is sent after it"
    assert covered(at.truth(), ETH)
    at.venue.post("status", {"symbol": ETHUSDT, "status": "TRADING"})
    assert at.desk.flatten().done
    case.saw(f"no entry ({by}), the stop stands, 0.02 sold while that was permitted; halted: no loop")


@row(55)
def test_row_55_the_venue_refuses_before_we_have_read_it(
    seat: Take, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "PERIOD_S", 600.0)
    at = seat()
    bought(at)
    case.pull("status", symbol=ETHUSDT, status="PRE_SETTLE")
    assert not at.desk.buy(ETH, size="0.01", stop="2950").done
    assert [each["code"] for each in creates(at, "entry")] == [0, -4140]
    refuses(at, "freshness_symbol")
    at.venue.post("status", {"symbol": ETHUSDT, "status": "TRADING"})
    case.saw("-4140 once: the terms are read, and no entry is sent any more")


@row(55)
def test_row_55_it_is_delisted_with_a_position_and_the_desk_opened_again(seat: Take, case: Case) -> None:
    at = seat()
    assert at.desk.buy(SOL, size="0.5", stop="145").done
    at.until(lambda now: covered(now, SOL))
    case.pull("delist", symbol="SOLUSDT")
    truth = at.until(lambda now: held(now, SOL) == 0 and not live_stops(now, SOL))
    settled = truth["fills"][-1]
    assert settled["client_id"].startswith("settlement_autoclose-")
    at.desk.wait_for(lambda s: not any(each.size for each in s.positions), 15)
    at.desk.close()
    again = reopened(at)
    assert not any(each.size for each in again.snapshot.positions)
    assert not again.buy(SOL, size="0.5", stop="145").done
    assert again.resume().done, "somebody else has closed it: only a person goes on"
    assert again.buy(ETH, size="0.05", stop="2950").done
    booked(at, D("0.05"))
    case.saw("settled at the mark and booked, no order left; the desk opens again, trades another, not this")


@row(55)
def test_row_55_it_is_delisted_while_the_desk_is_closed(venue: StillVenue, seat: Take, case: Case) -> None:
    venue.post("status", {"symbol": "SOLUSDT", "status": "TRADING"})  # as if the row before had not been
    at = seat()
    assert at.desk.buy(SOL, size="0.5", stop="145").done
    at.until(lambda now: covered(now, SOL))
    at.desk.close()
    case.pull("delist", symbol="SOLUSDT")
    again = reopened(at)
    assert not any(each.size for each in again.snapshot.positions)
    assert any(fill.client_id.startswith("settlement_autoclose-") for fill in again.snapshot.fills)
    assert again.resume().done
    assert again.buy(ETH, size="0.05", stop="2950").done
    booked(at, D("0.05"))
    case.saw("opened again: the settlement is read as the fill that it was, and the desk trades")


def reopened(at: Seat) -> Desk:
    at.desk = at.venue.open(at.name)
    return at.desk
