"""The ladder's messages, as a browser would send them and as nobody should: what the desk is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from contractdesk.clock import NS_PER_S
from contractdesk.domain.intents import AtrStop, FixedStop
from contractdesk.errors import VenueUnreachable
from contractdesk.panels.hand import LAPSES_NS
from contractdesk.panels.layout import console
from tests.e2e.synthetic import BTC
from tests.panels.seat import ORDER, Seat, joined
from tests.panels.trading import Said, TradingDesk

D = Decimal


# -- the switch ----------------------------------------------------------------------------------


def test_trading_is_off_at_first_and_what_comes_then_does_nothing(seat: Callable[..., Seat]) -> None:
    at = seat()
    assert at.look() == {"on": False, "objection": "", "ticket": {}, "said": {"text": "", "tone": "muted"}}
    for message in ({"arm": ORDER}, {"place": 1}, {"cancel": "hand0"}):
        said = at.send(**message)
        assert said["ticket"] == {}
        assert said["said"]["text"] == "nothing done: trading is off on this ladder: turn Trade on first"
    assert at.desk.asked == []


def test_on_live_the_switch_needs_a_cell(seat: Callable[..., Seat]) -> None:
    at = seat("LIVE")
    said = at.send(trade=True)
    assert not said["on"]
    assert said["said"]["text"].startswith("nothing done: LIVE: trading from the ladder is off; run desk.con")
    assert at.send(arm=ORDER)["said"]["text"].startswith("nothing done: LIVE: ")
    at.ladder.permit(None)
    assert not at.send(trade=True)["on"], "no word is no permission"
    at.ladder.permit(True)
    assert not at.look()["on"], "a permission turns nothing on"
    assert at.send(trade=True)["on"]
    assert at.arm()["ready"]
    at.ladder.permit(False)
    assert at.look()["ticket"] == {}
    assert not at.send(trade=True)["on"]
    assert at.desk.asked == []


def test_what_is_not_true_turns_nothing_on(seat: Callable[..., Seat]) -> None:
    for value in (1, "yes", None, [True]):
        assert not seat().send(trade=value)["on"]


def test_a_console_permits_by_keyword_only(seat: Callable[..., Seat]) -> None:
    desk = TradingDesk("LIVE")
    screen = console(desk, trading=True)
    try:
        screen.ladder.clicked({"trade": True})
        screen.ladder.refresh(desk.snapshot)
        assert screen.ladder.hand["on"]
        assert console(desk) is screen
        screen.ladder.refresh(desk.snapshot)
        assert screen.ladder.hand["on"], "running the cell again without a word changes nothing"
        console(desk, trading=False)
        screen.ladder.refresh(desk.snapshot)
        assert not screen.ladder.hand["on"]
    finally:
        screen.close()


# -- placing ---------------------------------------------------------------------------------------


def test_a_click_arms_a_ticket_with_the_gates_figures_and_place_sends_it_once(
    seat: Callable[..., Seat],
) -> None:
    at = seat().on()
    ticket = at.arm()
    assert (ticket["title"], ticket["side"], ticket["ticks"]) == ("BUY limit @ 28,140.0", "buy", 281_400)
    assert ticket["lines"] == [
        "0.005 BTC for 140.70 USDT, what the size cap leaves",
        "loses 0.75 USDT at the stop, 28,000.0",
        "stop 2.5 x ATR(14), follows the market",
    ]
    assert at.desk.asked == [], "armed is not sent"
    said = at.send(place=ticket["id"])
    assert said["ticket"] == {}
    assert said["said"] == {"text": "working: as it was asked", "tone": "buy"}
    stop = AtrStop(period=14, multiple=D("2.5"))
    once = [("buy", (BTC.symbol,), {"stop": stop, "notional": None, "limit": D("28140.0")})]
    assert at.desk.asked == once
    assert at.send(place=ticket["id"])["said"]["text"] == "nothing done: this ticket is not armed any more"
    assert at.desk.asked == once


def test_a_notional_and_a_stop_at_an_offset(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    ticket = at.arm(notional="250", stop="offset", by="0.5")
    at.send(place=ticket["id"])
    ((verb, _, options),) = at.desk.asked
    # 28,140 x 0.995 = 27,999.3
    assert (verb, options["notional"], options["stop"]) == ("buy", D(250), FixedStop(price=D("27999.3")))


def test_against_a_position_a_click_closes_and_never_reverses(seat: Callable[..., Seat]) -> None:
    at = seat().on()  # long 0.007
    ticket = at.arm(side="sell", price="28160.0")
    assert ticket["title"] == "CLOSE long 0.007 @ 28,160.0"
    at.send(place=ticket["id"])
    ticket = at.arm(side="sell", price="28160.0", notional="60")  # 60 / 28,160 = 0.00213
    at.send(place=ticket["id"])
    closing = {"size": D("0.007"), "limit": D("28160.0")}
    assert at.desk.asked == [
        ("close_position", (BTC.symbol,), closing),
        ("close_position", (BTC.symbol,), closing | {"size": D("0.002")}),
    ]


def test_an_entry_says_which_entries_make_way_for_it(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    at.desk.snapshot = replace(at.desk.snapshot, positions=())
    ticket = at.arm(side="sell", price="28160.0")
    assert ticket["title"] == "SELL limit @ 28,160.0"
    assert ticket["lines"][-1] == "1 own buy entry will be cancelled"


def test_a_refused_order_is_told_and_not_placed(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    at.desk.refusal = "size_cap: 451.20 USDT; limit 300.00 USDT; would pass: size <= 0.01"
    ticket = at.arm(notional="451")
    assert ticket["refusal"] == f"refused by {at.desk.refusal}"
    assert at.send(place=ticket["id"])["said"]["text"] == f"nothing done: refused by {at.desk.refusal}"
    assert at.desk.asked == []
    at.desk.refusal = ""
    at.clock.advance(2 * NS_PER_S)
    at.look()
    joined()
    assert at.look()["ticket"]["refusal"] == "", "it is measured again as long as it is armed"


def test_what_the_gate_refuses_at_the_last_moment_is_told_too(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    at.desk.answer = Said("refused by trading_state: found HALTED, limit ACTIVE", done=False)
    said = at.send(place=at.arm()["id"])["said"]
    assert said == {"text": "refused by trading_state: found HALTED, limit ACTIVE", "tone": "alarm"}
    at.desk.answer = VenueUnreachable("no answer")
    said = at.send(place=at.arm()["id"])["said"]
    assert said == {"text": "BUY limit @ 28,140.0 failed: no answer", "tone": "alarm"}


def test_while_an_order_has_no_answer_no_other_is_sent(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    first = at.arm()
    at.desk.answering.clear()
    at.ladder.clicked({"place": first["id"], "seen": at.ladder.seq})
    at.ladder.clicked({"arm": ORDER, "seen": at.ladder.seq})
    for _ in range(200):  # until the gate's figures are there
        ticket = at.look()["ticket"]
        if ticket.get("ready"):
            break
        threading.Event().wait(0.01)
    at.ladder.clicked({"place": ticket["id"], "seen": at.ladder.seq})
    assert at.look()["said"]["text"] == "nothing done: the order before this one has no answer yet"
    at.desk.answering.set()
    joined()
    assert len(at.desk.asked) == 1


def test_a_late_click_does_nothing(seat: Callable[..., Seat]) -> None:
    """Out of a tab, or a kernel, that stood still: judged by the picture that was looked at."""
    at = seat().on()
    ticket = at.arm()
    old = at.ladder.seq
    at.clock.advance(5 * NS_PER_S)
    at.look()
    for message in ({"place": ticket["id"]}, {"arm": ORDER}):
        for seen in (old, None, "1", True, 10**9):
            said = at.send(**message, seen=seen)["said"]["text"]
            assert said == "nothing done: this click was made on an old picture; look again"
    assert at.desk.asked == []
    at.send(place=ticket["id"])
    assert len(at.desk.asked) == 1


def test_a_ticket_lapses_and_goes_with_its_symbol(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    at.arm()
    at.clock.advance(LAPSES_NS + 1)
    assert at.look()["said"]["text"] == "the ticket has lapsed: nothing was sent"
    at.arm()
    view = at.desk.snapshot.symbols[BTC.symbol]
    eth = replace(view, instrument=replace(BTC, symbol="ETH/USDT:USDT"))
    at.desk.snapshot = replace(at.desk.snapshot, symbols={BTC.symbol: view, "ETH/USDT:USDT": eth})
    at.ladder.clicked({"symbol": "ETH/USDT:USDT"})
    assert at.look()["ticket"] == {}
    assert at.send(arm=ORDER)["said"]["text"] == (
        "nothing done: this ladder shows ETH/USDT:USDT, not 'BTC/USDT:USDT': look again"
    )


def test_a_limit_that_the_market_has_passed_is_said_to_take(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    assert at.arm()["warning"] == ""
    assert at.arm(price="28300.0")["warning"].startswith(
        "it would not rest but take at once: the best ask is "
    )


# -- forged messages -------------------------------------------------------------------------------

FORGED: list[tuple[dict[str, Any], str]] = [
    ({"price": "28140.05"}, "28140.05 is not on the price grid of BTC/USDT:USDT: 0.1"),
    ({"price": "-28140"}, "price '-28140' is not an amount: write digits, such as 0.1"),
    ({"price": "0"}, "price must be above 0"),
    ({"price": "NaN"}, "price 'NaN' is not an amount"),
    ({"price": "1e5"}, "price '1e5' is not an amount"),
    ({"price": 28140.0}, "this is no order that a ladder can give (Expected `str`, got `float`"),
    ({"price": None}, "this is no order that a ladder can give (Expected `str`, got `null`"),
    ({"notional": "-5"}, "size '-5' is not an amount: write digits, such as 250"),
    ({"notional": "NaN"}, "size 'NaN' is not an amount"),
    ({"notional": "Infinity"}, "size 'Infinity' is not an amount"),
    ({"notional": "1e999999999"}, "size '1e999999999' is not an amount"),
    ({"notional": "0.0"}, "size must be above 0"),
    ({"notional": "9" * 400}, "size '99999999999999999999' is not an amount"),
    ({"symbol": "DOGE/USDT:USDT"}, "this ladder shows BTC/USDT:USDT, not 'DOGE/USDT:USDT': look again"),
    ({"side": "hold"}, "this is no order that a ladder can give (Invalid enum value 'hold'"),
    ({"stop": "none"}, "this is no order that a ladder can give (Invalid enum value 'none'"),
    ({"by": ""}, "stop '' is not an amount: write digits, such as 2.5"),
    ({"by": "21"}, "a stop of 21 x ATR is too far: give 20 or less"),
    ({"stop": "offset", "by": "51"}, "a stop 51 % away is too far: give 50 or less"),
    ({"kind": "market"}, "this is no order that a ladder can give (Invalid value 'market'"),
    (
        {"leverage": "100"},
        "this is no order that a ladder can give (Object contains unknown field `leverage`",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), FORGED)
def test_a_forged_order_is_refused_with_a_sentence_and_arms_nothing(
    seat: Callable[..., Seat], changes: dict[str, Any], sentence: str
) -> None:
    at = seat().on()
    said = at.send(arm=ORDER | changes)
    assert said["said"]["text"].startswith(f"nothing done: {sentence}")
    assert said["said"]["tone"] == "alarm"
    assert said["ticket"] == {}
    assert at.send(place=1)["said"]["text"] == "nothing done: this ticket is not armed any more"
    assert at.desk.asked == []


@pytest.mark.parametrize(
    "content", [None, [], "halt", 7, {}, {"arm": None}, {"arm": []}, {"place": None}, {"cancel": {}}]
)
def test_nonsense_does_nothing_and_raises_nothing(seat: Callable[..., Seat], content: Any) -> None:
    at = seat().on()
    at.ladder._on_message(at.ladder, content, [])
    assert at.look()["ticket"] == {}
    assert at.desk.asked == []
