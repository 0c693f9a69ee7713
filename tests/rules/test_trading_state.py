"""REDUCING and HALTED end to end: a strategy sends nothing that opens, a person's way out always works."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from contractdesk.domain.intents import Intent
from contractdesk.domain.views import TradingState
from contractdesk.errors import UserError
from contractdesk.strategy import intents
from contractdesk.strategy.base import BarView, Context, Strategy
from tests.rules.venue import BTC, ETH, Seat, covered, held, live_stops

D = Decimal
SIDES = [("buy", 1), ("sell", -1)]
AWAY = {1: ("2950", "2960"), -1: ("3050", "3040")}  # a stop, and one nearer to the market
FAR = {1: 3_100, -1: 2_900}  # where an exit rests


class Restless(Strategy):
    """Wishes at every bar to enter, and to leave what it holds."""

    def on_bar(self, bar: BarView, ctx: Context) -> list[Intent]:
        stop = intents.fixed_stop(round(bar.close * 0.98, 2))
        return [intents.enter_long(bar.symbol, stop=stop), intents.exit_position(bar.symbol)]


def restless(at: Seat) -> None:
    """A strategy on ETH, whose bars begin with a trade."""
    at.other("BUY", ETH, "0.007")
    at.desk.start(Restless([ETH], "1s"), name="restless")


def still_refused(at: Seat, more: int = 3) -> None:
    """The strategy has wished on, and been refused for the state; or its exit came while its entry waited."""
    before = len(at.desk.snapshot.refusals)
    at.desk.wait_for(lambda s: len(s.refusals) >= before + more, 20)
    assert {row.rule for row in at.desk.snapshot.refusals[before:]} - {"superseded"} == {"trading_state"}


def the_way_out_works(at: Seat, sign: int) -> None:
    """Of a position of 0.05 ETH: moving its stop, a resting exit and its cancel, half of it, all of it."""
    assert at.desk.move_stop(ETH, AWAY[sign][1]).done
    truth = at.until(lambda now: covered(now, ETH))
    assert [D(row["trigger_price"]) for row in live_stops(truth, ETH)] == [D(AWAY[sign][1])]

    resting = at.desk.close_position(ETH, limit=FAR[sign])
    assert resting.done
    (order,) = at.truth()["open_orders"]
    assert (order["reduce_only"], D(order["price"])) == (True, FAR[sign])
    assert resting.order is not None
    assert at.desk.cancel(resting.order.request.client_id).done
    assert at.truth()["open_orders"] == []

    assert at.desk.close_position(ETH, size="0.02").done
    truth = at.until(lambda now: covered(now, ETH))
    assert held(truth, ETH) == sign * D("0.03")
    assert at.desk.close_position(ETH).done
    truth = at.until(lambda now: not live_stops(now, ETH))
    assert held(truth, ETH) == 0


def entries(at: Seat) -> int:
    return sum(1 for row in at.creates() if row["role"] == "entry")


@pytest.mark.parametrize(("side", "sign"), SIDES)
def test_halted(seat: Callable[..., Seat], side: str, sign: int) -> None:
    at = seat()
    order = at.desk.buy if side == "buy" else at.desk.sell
    assert order(ETH, size="0.05", stop=AWAY[sign][0]).done
    assert order(ETH, size="0.01", limit=2_990 if sign > 0 else 3_010, stop=AWAY[sign][0]).done
    kept = live_stops(at.truth(), ETH)
    assert at.desk.halt("a test").done
    truth = at.until(lambda now: not now["open_orders"])
    assert live_stops(truth, ETH) == kept != []
    before = entries(at)
    at.desk.start(Restless([BTC], "1s"), name="restless")
    at.other("BUY", BTC, "0.002")
    still_refused(at)
    the_way_out_works(at, sign)
    assert entries(at) == before
    assert at.desk.snapshot.state is TradingState.HALTED


@pytest.mark.parametrize(("side", "sign"), SIDES)
def test_reducing(seat: Callable[..., Seat], side: str, sign: int) -> None:
    at = seat()
    assert at.desk.flatten().done
    assert at.desk.snapshot.state is TradingState.REDUCING
    restless(at)
    still_refused(at)
    at.desk.stop("restless")
    refused = at.desk.buy(ETH, size="0.05", stop=2_950).refused
    assert refused is not None
    assert (refused.rule, refused.would_pass) == ("trading_state", "resume()")
    assert at.creates() == []
    at.second.trade(ETH, side.upper(), "0.05")
    at.desk.wait_for(lambda s: any(row.origin != "own" and row.size for row in s.positions), 20)
    assert at.desk.adopt(ETH, stop=AWAY[sign][0]).done
    assert covered(at.truth(), ETH)
    the_way_out_works(at, sign)
    assert entries(at) == 0


def reopened(at: Seat) -> None:
    """Another desk on the same account, once it has compared its books."""
    at.desk = at.venue.open(at.name)
    at.desk.wait_for(lambda s: s.private_stream_ready, 20)


@pytest.mark.parametrize(("side", "sign"), SIDES)
def test_a_flatten_outlasts_the_desk_until_resume(
    seat: Callable[..., Seat], side: str, sign: int, capsys: pytest.CaptureFixture[str]
) -> None:
    at = seat()
    order = (
        (lambda: at.desk.buy(ETH, size="0.05", stop="2950"))
        if sign > 0
        else (lambda: at.desk.sell(ETH, size="0.05", stop="3050"))
    )
    assert order().done
    assert at.desk.flatten().done
    assert at.desk.close().done
    capsys.readouterr()
    reopened(at)
    assert at.desk.snapshot.state is TradingState.REDUCING
    assert at.desk.snapshot.state_reason == "flatten asked by person"
    told = "is REDUCING (flatten asked by person); resume() lets it enter again"
    assert told in capsys.readouterr().out
    sent = entries(at)
    refused = order().refused
    assert refused is not None
    assert (refused.rule, refused.would_pass) == ("trading_state", "resume()")
    assert (entries(at), at.size(ETH)) == (sent, 0)
    assert at.desk.resume().done
    assert order().done
    assert at.size(ETH) == sign * D("0.05")
    assert at.desk.close(leave="flatten").done  # the end of a session is no flatten(): the next one trades
    reopened(at)
    assert at.desk.snapshot.state is TradingState.ACTIVE


@pytest.mark.parametrize(("side", "sign"), SIDES)
def test_flatten_is_whole_even_where_it_meets_our_own_entry(
    seat: Callable[..., Seat], side: str, sign: int
) -> None:
    """The entry rests at the mark, nearer than anybody else: the closing order trades with it first."""
    at = seat()
    order = at.desk.buy if side == "buy" else at.desk.sell
    assert order(ETH, size="0.05", stop=AWAY[sign][0]).done
    assert order(ETH, size="0.02", limit=3_000, stop=AWAY[sign][0]).done
    slow = {"method": "DELETE", "path": "/fapi/v1/order"}
    at.venue.fault("delay", ms=500, when="before", match=slow)  # the cancel comes after the closing order
    assert at.desk.flatten().done
    truth = at.until(lambda now: not now["open_orders"] and not live_stops(now, ETH))
    assert held(truth, ETH) == 0
    rows = at.desk.positions.df
    assert not rows["size"].any()
    booked = {fill["trade_id"] for fill in truth["fills"]}
    assert len(at.desk.fills) == len(truth["fills"]) > len(booked)  # they did meet: one trade, two fills


@pytest.mark.parametrize(("side", "sign"), SIDES)
def test_what_was_opened_elsewhere_a_moment_ago_can_be_adopted(
    seat: Callable[..., Seat], side: str, sign: int
) -> None:
    """In a contract that this desk has never named: desk.positions shows it, and adopt() waits."""
    at = seat()
    at.second.trade(ETH, side.upper(), "0.05")
    at.desk.wait_for(lambda s: any(row.origin == "external" for row in s.positions), 20)
    assert at.desk.adopt(ETH, stop=AWAY[sign][0]).done
    truth = at.truth()
    assert covered(truth, ETH)
    assert held(truth, ETH) == sign * D("0.05")
    with pytest.raises(UserError, match="opened elsewhere"):
        at.desk.adopt(ETH, stop=AWAY[sign][0])
