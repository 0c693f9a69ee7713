"""Keys of the whole console: what each does, and that none opens a position."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from contractdesk.panels.hotkeys import HOTKEYS, Verb
from contractdesk.panels.status import Status
from tests.e2e.synthetic import BTC
from tests.panels.seat import joined
from tests.panels.trading import TradingDesk

D = Decimal
ETH = "ETH/USDT:USDT"


def test_no_key_opens_a_position_and_none_is_used_twice() -> None:
    assert {one.verb for one in HOTKEYS} == {Verb.HALT, Verb.FLATTEN, Verb.CANCEL_ALL, Verb.CLOSE}
    assert len({one.key for one in HOTKEYS}) == len(HOTKEYS)
    jupyter = set("KJMABZLR")  # JupyterLab 4's own Shift chords in command mode
    assert not {one.key for one in HOTKEYS} & jupyter
    assert {one.verb for one in HOTKEYS if one.sure} == {Verb.FLATTEN, Verb.CLOSE}


def test_closing_by_key_names_the_symbol_that_was_shown_and_needs_a_position() -> None:
    desk = TradingDesk()
    status = Status(desk)
    status.refresh(desk.snapshot)
    assert status.symbol == BTC.symbol
    for symbol in ("ETH/USDT:USDT", "", None, 3, ["x"]):
        status.clicked({"verb": "close", "symbol": symbol})
        status.refresh(desk.snapshot)
        assert status.outcome == f"close: no position of this desk in {symbol}"
    joined()
    assert desk.asked == []
    status.clicked({"verb": "close", "symbol": BTC.symbol})
    status.clicked({"verb": "cancel_all"})
    joined()
    assert sorted(verb for verb, _, _ in desk.asked) == ["cancel_all", "close_position"]
    status.refresh(desk.snapshot)
    assert status.outcome == ""


def test_a_close_that_waits_for_the_venue_holds_up_no_other_symbols_and_is_said_where_it_is_asked_again() -> (
    None
):
    desk = TradingDesk()
    row = desk.snapshot.positions[0]
    desk.snapshot = replace(desk.snapshot, positions=(row, replace(row, symbol=ETH)))
    desk.answering.clear()
    status = Status(desk)
    for symbol in (BTC.symbol, ETH):
        status.clicked({"verb": "close", "symbol": symbol})
    status.refresh(desk.snapshot)
    assert status.outcome == ""
    status.clicked({"verb": "close", "symbol": ETH})
    status.refresh(desk.snapshot)
    assert status.outcome == f"close {ETH} is still under way"
    desk.answering.set()
    joined()
    assert sorted(arguments for _, arguments, _ in desk.asked) == [(BTC.symbol,), (ETH,)]
    status.refresh(desk.snapshot)
    assert status.outcome == "", "it has come true"
