"""Rows 11, 19, 20: sizes and prices that do not fit, before and after the venue changes what fits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from contractdesk.desk import embedded
from contractdesk.domain.views import TradingState
from contractdesk.errors import ContractdeskError
from tests.faults.case import Case, row
from tests.faults.desks import SIZE, STOP, D, Take, booked, bought, creates, naked, rest, under_stop
from tests.rules.venue import ETH, NS_PER_S, StillVenue, held, live_stops
from tests.rules.witness import naked_between

pytestmark = pytest.mark.timeout(120)
FINE = {"tick_size": "0.01", "lot_size": "0.001", "min_size": "0.001", "min_notional": "20"}


@pytest.fixture
def coarse(venue: StillVenue) -> Iterator[None]:
    """What a scenario has changed is as before when it ends; it is set up before the desk."""
    before = next(each for each in _symbols(venue) if each["symbol"] == "ETHUSDT")["filters"]
    assert {each.get("tickSize") for each in before} >= {FINE["tick_size"]}
    yield
    venue.post("filters", {"symbol": "ETHUSDT", **FINE})
    venue.coarsen(ETH, 1)


def _symbols(venue: StillVenue) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(embedded.get(venue.address, "/fapi/v1/exchangeInfo"))["symbols"]
    return found


@row(11)
def test_row_11_filled_beyond_its_size(seat: Take, case: Case) -> None:
    at = seat()
    rest(at)
    case.pull("overfill", account=at.name, symbol="ETHUSDT", quantity="0.02")
    truth = under_stop(at, D("0.07"))
    booked(at, D("0.07"))
    at.desk.wait_for(lambda s: s.state is TradingState.HALTED)
    at.desk.wait_for(lambda s: any(notice.code == "overfilled" for notice in s.notices))
    sent = len(creates(at, "entry"))
    assert at.desk.buy(ETH, size="0.01", stop=STOP).refused is not None
    assert len(creates(at, "entry")) == sent == 1
    case.saw(f"0.05 wished, {held(truth, ETH)} held on both sides under one stop; halted, {naked(truth)}")


BAD: list[dict[str, Any]] = [
    {"size": "NaN"},
    {"size": "Infinity"},
    {"size": "-0.05"},
    {"size": 0},
    {"size": SIZE, "limit": "NaN"},
    {"size": SIZE, "stop": "NaN"},
    {"size": SIZE, "stop": float("inf")},
    {"size": "0.001"},  # 3 USDT
    {"size": "0.0004"},  # less than a lot
    {"notional": "nan"},
]


@row(19)
def test_row_19_what_is_no_size_and_no_price_is_never_sent(seat: Take, case: Case) -> None:
    at = seat()
    said = []
    for terms in BAD:
        try:
            receipt = at.desk.buy(ETH, **({"stop": STOP} | terms))
        except ContractdeskError as refusal:
            said.append(str(refusal))
        else:
            assert not receipt.done, terms
            said.append(receipt.summary)
    assert creates(at, "entry") == []
    case.count(len(said))
    case.saw(f"{len(said)} of {len(BAD)} refused with a reason, none sent")


@row(19)
def test_row_19_off_the_grid_is_put_on_it_or_not_sent(seat: Take, case: Case) -> None:
    at = seat()
    receipt = at.desk.buy(ETH, size="0.0505", limit="2990.005", stop="2950.005")
    answers = {each["code"] for each in at.creates()}
    assert answers <= {0}, "the venue has nothing to correct"
    for order in at.truth()["open_orders"]:
        assert D(order["price"]) % D("0.01") == 0
        assert D(order["quantity"]) % D("0.001") == 0
    case.count(1)
    case.saw(f"off the grid: {receipt.summary}; codes of the venue: {sorted(answers) or 'none'}")


@row(20)
def test_row_20_the_tick_and_the_lot_grow_under_a_position(coarse: None, seat: Take, case: Case) -> None:
    """The stop's price is off the new tick when it has to be placed anew."""
    at = seat()
    bought(at, stop="2950.05")
    case.pull("filters", symbol="ETHUSDT", tick_size="0.1", lot_size="0.01", min_size="0.01")
    at.venue.coarsen(ETH, 10)
    case.pull("expire_algos", account=at.name, symbol="ETHUSDT")
    truth = under_stop(at)
    (stop,) = live_stops(truth, ETH)
    assert D(stop["trigger_price"]) == D("2950.1"), "on the new tick, and no further away"
    refused = [each for each in creates(at, "stop") if each["code"]]
    assert [each["code"] for each in refused] == [-4014]
    at.desk.wait_for(lambda s: s.symbols[ETH].book_valid and s.symbols[ETH].ready)
    receipt = at.desk.buy(ETH, size="0.02", limit="3000", stop=STOP)
    assert receipt.done, receipt
    at.other("SELL", ETH, "0.02")
    truth = under_stop(at, D("0.07"))
    case.saw(f"-4014 once, the terms read, 2950.05 became {stop['trigger_price']}; {naked(truth)}")


@row(20)
def test_row_20_an_entry_after_the_filters_have_changed(coarse: None, seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    case.pull("filters", symbol="ETHUSDT", lot_size="0.01", min_size="0.01", min_notional="60")
    first = at.desk.buy(ETH, size="0.015", limit="2999.95", stop=STOP)
    assert not first.done
    second = at.desk.buy(ETH, size="0.015", limit="2999.95", stop=STOP)
    assert not second.done
    third = at.desk.buy(ETH, size="0.031", limit="2999.95", stop=STOP)
    assert third.done, third
    codes = [each["code"] for each in creates(at, "entry")[1:]]
    assert codes == [-1111, 0], "refused once; then known here"
    truth = at.truth()
    assert naked_between(truth, ETH) == []
    (order,) = truth["open_orders"]
    case.saw(f"-1111 once; then too small is refused here, and 0.031 is sent as {order['quantity']}")


@row(20)
def test_row_20_a_lot_that_a_position_does_not_fit(coarse: None, seat: Take, case: Case) -> None:
    at = seat()
    bought(at, size="0.055")
    case.pull("filters", symbol="ETHUSDT", lot_size="0.01", min_size="0.01")
    case.pull("expire_algos", account=at.name, symbol="ETHUSDT")
    truth = at.until(lambda now: live_stops(now, ETH))
    (stop,) = live_stops(truth, ETH)
    assert D(stop["quantity"]) == D("0.06"), "rounded up: it only reduces"
    at.until(lambda now: now["now_ns"] > stop["created_ns"] + 2 * NS_PER_S)
    assert len(creates(at, "stop")) <= 3
    at.desk.close_position(ETH)
    truth = at.until(lambda now: not held(now, ETH) and not now["open_algo_orders"])
    case.saw(f"0.055 held, a lot of 0.01: a stop over {stop['quantity']}, closed to {held(truth, ETH)}")
