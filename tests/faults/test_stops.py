"""Rows 23-27, 30, 32: a stop that is rejected, lost, taken away, or that does not close what it should."""

from __future__ import annotations

from typing import Any

import pytest

from contractdesk.domain.commands import Severity
from contractdesk.domain.views import TradingState
from tests.faults.case import Case, row
from tests.faults.desks import (
    SIZE,
    STOP,
    STOPS,
    D,
    Take,
    asked_for,
    booked,
    bought,
    creates,
    naked,
    never_twice,
    under_stop,
)
from tests.rules.venue import ETH, NS_PER_S, Seat, covered, held, live_stops
from tests.rules.witness import longest_naked_s, most_live

pytestmark = pytest.mark.timeout(120)
CLOSES = {"method": "POST", "role": "reduce"}
FLAT_S = 5  # from when a position can not be protected any more until it is closed


def flat(at: Seat, within_s: float = 60.0) -> dict[str, Any]:
    """The exchange's picture once nothing is held and no order or stop is left."""
    truth: dict[str, Any] = at.until(
        lambda now: not held(now, ETH) and not now["open_orders"] and not now["open_algo_orders"], within_s
    )
    assert truth["fills"], "something was held"
    assert D(truth["fills"][-1]["quantity"]) > 0
    return truth


def alarmed(at: Seat, code: str) -> None:
    at.desk.wait_for(lambda s: any(notice.code == code for notice in s.notices), 10)


@row(23, suite=True)
def test_row_23_the_stop_would_trigger_at_once(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("answer", status=400, code=-2021, msg="Order would immediately trigger.", match=STOPS)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = flat(at)
    assert longest_naked_s(truth, ETH) <= FLAT_S
    case.saw(f"-2021: closed, {naked(truth)}")


@row(23)
def test_row_23_the_stop_is_rejected_for_ever(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("answer", status=400, code=-2010, msg="no", match=STOPS, count=0)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = flat(at)
    assert longest_naked_s(truth, ETH) <= FLAT_S
    case.saw(f"rejected {len(creates(at, 'stop'))} times: closed, {naked(truth)}")


@row(23, suite=True)
def test_row_23_neither_a_stop_nor_a_close_is_accepted(seat: Take, case: Case) -> None:
    at = seat(risk={"stop_deadline_s": 0.5, "flatten_deadline_s": 1.0})
    case.strike("answer", status=400, code=-2010, msg="no stops", match=STOPS, count=0)
    closes = case.strike("answer", status=400, code=-2011, msg="no closes", match=CLOSES, count=0)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    alarmed(at, "flatten_late")
    assert held(at.truth(), ETH) == SIZE
    said = next(row for row in at.desk.snapshot.notices if row.code == "flatten_late")
    assert said.severity is Severity.ALARM
    assert said.message.startswith(f"{SIZE} contracts of {ETH} are still held after ")
    assert "no closes" in said.message
    refused = case.struck(closes)
    case.lift(closes)
    flat(at)
    case.saw(f"{refused} closes refused, and a person told: closed as soon as one was accepted")


@row(24)
def test_row_24_the_stop_is_accepted_and_its_answer_lost(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("drop_request", when="after", match=STOPS)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at)
    never_twice(at)
    assert most_live(truth, ETH) <= 2
    case.saw(f"accepted: {len(creates(at, 'stop'))} sent, 1 left, {naked(truth)}")


@row(24)
def test_row_24_the_stop_is_accepted_and_nobody_tells(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("drop_request", when="after", match=STOPS)
    case.strike("drop_event", event="ALGO_UPDATE", count=0)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at)
    never_twice(at)
    first = creates(at, "stop")[0]["client_id"]
    assert asked_for(at, first)
    assert all(stop["reduce_only"] for stop in truth["algo_orders"])
    case.saw(f"accepted, no event: asked for, {len(creates(at, 'stop'))} sent, 1 left, {naked(truth)}")


@row(24)
def test_row_24_the_stop_is_not_accepted(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("drop_request", when="before", match=STOPS)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at)
    never_twice(at)
    case.saw(f"not accepted: {len(creates(at, 'stop'))} sent, 1 left, {naked(truth)}")


@row(25)
def test_row_25_the_stop_is_rejected_when_it_triggers(seat: Take, case: Case) -> None:
    """Nobody stands in the book when it triggers; a second later somebody does."""
    at = seat()
    (stop,) = live_stops(bought(at), ETH)
    at.venue.thin(ETH, 0)
    case.pull("mark", symbol="ETHUSDT", mark="2949")
    at.until(lambda now: any(algo["status"] == "REJECTED" for algo in now["algo_orders"]))
    at.venue.thicken(ETH)
    truth = flat(at)
    (algo,) = [each for each in truth["algo_orders"] if each["algo_id"] == stop["algo_id"]]
    took_s = (truth["fills"][-1]["ts_ns"] - algo["triggered_ns"]) / NS_PER_S
    assert algo["status"] == "REJECTED"
    assert took_s <= FLAT_S
    alarmed(at, "flattening")
    case.saw(f"nobody in the book: {algo['status']}, closed {took_s:.2f} s after its trigger")


@row(25)
def test_row_25_margin_is_missing_when_it_triggers(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    case.strike("reject_trigger", symbol="ETHUSDT")
    at.venue.move(ETHUSDT="2949")
    truth = flat(at)
    (algo,) = [each for each in truth["algo_orders"] if each["triggered_ns"]]
    took_s = (truth["fills"][-1]["ts_ns"] - algo["triggered_ns"]) / NS_PER_S
    assert algo["status"] == "REJECTED"
    assert took_s <= FLAT_S
    alarmed(at, "flattening")
    case.saw(f"{algo['reason']}: {algo['status']}, closed {took_s:.2f} s after its trigger")


@row(26)
def test_row_26_the_stop_closes_a_part(seat: Take, case: Case) -> None:
    """The book holds 0.01 in all when it triggers, and no more for a second."""
    at = seat()
    bought(at)
    at.venue.thin(ETH, 2)
    case.pull("mark", symbol="ETHUSDT", mark="2949")
    at.until(lambda now: any(algo["status"] == "FINISHED" for algo in now["algo_orders"]))
    part = held(at.truth(), ETH)
    at.venue.thicken(ETH)
    truth = flat(at)
    (algo,) = [each for each in truth["algo_orders"] if each["triggered_ns"]]
    assert D(0) < D(algo["executed"]) < SIZE
    took_s = (truth["fills"][-1]["ts_ns"] - algo["triggered_ns"]) / NS_PER_S
    assert took_s <= FLAT_S
    case.saw(f"{algo['executed']} of {SIZE} closed by the stop, {part} left: closed after {took_s:.2f} s")


@row(27)
def test_row_27_somebody_cancels_the_stop(seat: Take, case: Case) -> None:
    at = seat()
    (old,) = live_stops(bought(at), ETH)
    at.second.signed("DELETE", "/fapi/v1/algoOrder", algoId=old["algo_id"])
    case.count(len([each for each in at.truth()["algo_orders"] if each["status"] == "CANCELED"]))
    truth = at.until(lambda now: covered(now, ETH))
    (new,) = live_stops(truth, ETH)
    assert (new["algo_id"] != old["algo_id"], D(new["trigger_price"])) == (True, STOP)
    assert longest_naked_s(truth, ETH) <= 3
    case.saw(f"cancelled once: another stands at {new['trigger_price']}, {naked(truth)}")


@row(27)
def test_row_27_the_venue_takes_the_stop_away_three_times(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    for _ in range(3):
        at.until(lambda now: covered(now, ETH))
        case.pull("expire_algos", account=at.name, symbol="ETHUSDT")
    truth = flat(at)
    assert longest_naked_s(truth, ETH) <= FLAT_S
    at.desk.wait_for(lambda s: s.state is TradingState.HALTED)
    before = len(creates(at, "entry"))
    refused = at.desk.buy(ETH, size="0.02", stop=STOP).refused
    assert refused is not None
    assert len(creates(at, "entry")) == before
    case.saw(f"taken away 3 times: closed and halted, {naked(truth)}")


@row(30)
def test_row_30_a_part_is_closed_by_another_client(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    at.second.trade(ETH, "SELL", "0.02")
    truth = under_stop(at, D("0.03"), 20)
    foreign = [fill for fill in truth["fills"] if not fill["client_id"].startswith("cd")]
    case.count(len(foreign))
    booked(at, D("0.03"))
    at.venue.move(ETHUSDT="2949")
    truth = flat(at)
    assert sum(D(f["quantity"]) for f in truth["fills"] if f["side"] == "SELL") == SIZE, "it did not flip"
    case.saw(f"0.02 sold elsewhere: the stop shrank to 0.03 and closed exactly that, {held(truth, ETH)} held")


def anew(at: Seat) -> None:
    """The desk has read everything once more."""
    asked = at.venue.asked()
    at.venue.fault("cut", path="private")
    reads = ("/fapi/v1/openAlgoOrders", "/fapi/v3/positionRisk")
    at.until(lambda _: {r["path"] for r in at.requests() if r["seq"] > asked} >= set(reads))
    at.desk.wait_for(lambda s: s.private_stream_ready)


@row(32)
def test_row_32_as_many_conditional_orders_as_the_venue_takes(seat: Take, case: Case) -> None:
    """Another client of the account has 199 of them, and then one more."""
    at = seat()
    terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "STOP_MARKET", "quantity": "0.001"}
    for number in range(199):
        at.second.signed(
            "POST", "/fapi/v1/algoOrder", algoType="CONDITIONAL", triggerPrice=str(70_000 + number), **terms
        )
    case.count(len(at.truth()["open_algo_orders"]) // 199)
    anew(at)
    refused = at.desk.buy(ETH, size=SIZE, stop=STOP).refused
    assert refused is not None
    assert creates(at, "entry") == []
    (_,) = {each["side"] for each in at.truth()["open_algo_orders"]}
    at.second.signed("DELETE", "/fapi/v1/algoOpenOrders", symbol="BTCUSDT")
    anew(at)
    bought(at)
    case.saw(f"199 of 200 stand: refused by {refused.rule}, nothing sent; with room again it is taken")
