"""The widgets without a browser: what they would send, and what a click does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from contractdesk.clock import NS_PER_S, ManualClock
from contractdesk.domain.market import unpack_levels
from contractdesk.errors import VenueUnreachable
from contractdesk.panels import Panels
from contractdesk.panels.chart import Chart
from contractdesk.panels.ladder import LEVELS_A_SIDE, Ladder
from contractdesk.panels.layout import console
from contractdesk.panels.pump import THE_PUMP
from contractdesk.panels.risk import share_of
from contractdesk.panels.status import Caller, Status, Verb
from contractdesk.panels.tables import TABLES, Page, Tables
from contractdesk.panels.trouble import CLOSED
from tests.e2e.synthetic import BTC, SyntheticDesk
from tests.panels.seat import Seat
from tests.panels.tuner import TunableDesk

D = Decimal
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def desk() -> SyntheticDesk:
    return SyntheticDesk()


@pytest.fixture
def screen(desk: SyntheticDesk) -> Iterator[Any]:
    shown = console(desk)
    yield shown
    shown.close()


def test_the_ladder_is_fed_the_books_own_bytes(desk: SyntheticDesk) -> None:
    ladder = Ladder(desk)
    ladder.refresh(desk.snapshot)
    view = desk.snapshot.symbols[BTC.symbol]
    assert view.bids.startswith(ladder.bids)
    assert len(unpack_levels(ladder.bids)) == len(unpack_levels(ladder.asks)) == LEVELS_A_SIDE
    assert ladder.terms["priceDecimals"] == 1
    assert ladder.terms["sizeDecimals"] == 3
    assert ladder.terms["unit"] == "BTC"
    assert ladder.terms["label"] == "EMBEDDED"


def test_the_ladder_marks_own_orders_the_stop_the_entry_and_the_mark(desk: SyntheticDesk) -> None:
    ladder = Ladder(desk)
    ladder.refresh(desk.snapshot)
    kinds = [mark["kind"] for mark in ladder.marks]
    assert sorted(kinds) == ["entry", "liq", "mark", "order", "order", "stop"]
    stop = next(mark for mark in ladder.marks if mark["kind"] == "stop")
    assert stop["ticks"] == 281_315
    assert [line["name"] for line in ladder.foot] == ["Position", "uPnL", "Stop"]
    assert ladder.foot[0]["text"].startswith("long 0.007 @ 28,152.5")


def test_a_ladder_without_its_book_says_why(desk: SyntheticDesk) -> None:
    ladder = Ladder(desk)
    view = replace(desk.snapshot.symbols[BTC.symbol], bids=b"", asks=b"", book_valid=False)
    ladder.refresh(replace(desk.snapshot, symbols={BTC.symbol: view}, positions=()))
    assert ladder.quote["trouble"] == "book invalid: resyncing"
    assert ladder.foot[0]["text"] == "flat"
    ladder.refresh(replace(desk.snapshot, symbols={}))
    assert ladder.terms["symbol"] == ""


def test_inverse_contracts_are_counted_in_contracts(desk: SyntheticDesk) -> None:
    terms = replace(BTC, contract_size=D(100), lot_size=D(1))
    view = replace(desk.snapshot.symbols[BTC.symbol], instrument=terms)
    ladder = Ladder(desk)
    ladder.refresh(replace(desk.snapshot, symbols={BTC.symbol: view}))
    assert ladder.terms["unit"] == "contracts"


def test_another_symbol_is_chosen_by_a_click_and_only_if_it_is_there(desk: SyntheticDesk) -> None:
    view = desk.snapshot.symbols[BTC.symbol]
    other = replace(view, instrument=replace(BTC, symbol="ETH/USDT:USDT"))
    both = replace(desk.snapshot, symbols={BTC.symbol: view, "ETH/USDT:USDT": other})
    ladder = Ladder(desk)
    ladder.clicked({"symbol": "ETH/USDT:USDT"})
    ladder.refresh(both)
    assert ladder.terms["symbol"] == "ETH/USDT:USDT"
    ladder.clicked({"symbol": "DOGE"})
    ladder.refresh(both)
    assert ladder.terms["symbol"] == BTC.symbol, "the one with a position"


def test_every_refresh_raises_the_sequence_and_acknowledgements_reach_the_pulse(desk: SyntheticDesk) -> None:
    status = Status(desk)
    assert status.refresh(desk.snapshot) == 1
    assert status.seq == 1
    status.pulse.sent(0)
    assert status.pulse.silent(9 * NS_PER_S)
    status._on_message(status, {"ack": 1}, [])
    assert not status.pulse.silent(9 * NS_PER_S)


def test_the_halt_button_calls_the_desk_and_unknown_messages_call_nothing(desk: SyntheticDesk) -> None:
    called = threading.Event()
    desk.halt = called.set  # type: ignore[method-assign,assignment]
    status = Status(desk)
    status._on_message(status, {"verb": "withdraw"}, [])
    status._on_message(status, {"verb": None}, [])
    assert not called.is_set()
    status._on_message(status, {"verb": "halt"}, [])
    assert called.wait(5)


def test_a_verb_that_still_runs_is_not_called_again_and_a_failure_is_told(desk: SyntheticDesk) -> None:
    entered, leave, calls = threading.Event(), threading.Event(), []

    def slow() -> None:
        calls.append(1)
        entered.set()
        leave.wait(5)
        raise VenueUnreachable("no answer")

    desk.flatten = slow  # type: ignore[method-assign,assignment]
    caller = Caller(desk, ManualClock())
    caller.call(Verb.FLATTEN)
    assert entered.wait(5)
    caller.call(Verb.FLATTEN)
    assert caller.outcome.text == "flatten is still under way"
    leave.set()
    for thread in threading.enumerate():
        if thread.name.endswith("-flatten"):
            thread.join(5)
    assert len(calls) == 1
    assert caller.outcome.text == "flatten failed: no answer"


def test_a_desk_that_makes_no_new_pictures_is_called_silent(desk: SyntheticDesk) -> None:
    clock = ManualClock()
    status = Status(desk, clock=clock)
    status.refresh(desk.snapshot)
    clock.advance(3 * NS_PER_S)
    status.refresh(desk.snapshot)
    assert status.trouble == ""
    clock.advance(2 * NS_PER_S)
    status.refresh(desk.snapshot)
    assert status.trouble == "the desk has been silent for 5.0 s"
    assert not status.closed
    status.refresh(replace(desk.snapshot))
    assert status.trouble == "", "a new picture, even of the same values"


def test_no_failure_hides_that_the_desk_is_silent_and_it_stands_for_a_while_only(desk: SyntheticDesk) -> None:
    clock, failed = ManualClock(), "close: no position of this desk in DOGE"
    status = Status(desk, clock=clock)
    status.refresh(desk.snapshot)
    status.clicked({"verb": "close", "symbol": "DOGE"})
    status.refresh(desk.snapshot)
    assert status.outcome == failed
    clock.advance(5 * NS_PER_S)
    status.refresh(desk.snapshot)
    assert (status.trouble, status.outcome) == ("the desk has been silent for 5.0 s", failed)
    clock.advance(60 * NS_PER_S)
    status.refresh(replace(desk.snapshot))
    assert status.outcome == ""


@pytest.mark.parametrize("name", [name for name in Panels.names() if name != "console"])
def test_every_panel_of_a_closed_desk_calls_it_closed(name: str) -> None:
    desk = TunableDesk()
    panel = getattr(Panels(desk), name)()
    try:
        shown = panel.header if isinstance(panel, Chart) else panel
        panel.refresh(desk.snapshot)
        assert (shown.trouble, shown.closed) == ("", False)
        desk.is_open = False
        panel.refresh(desk.snapshot)
        assert (shown.trouble, shown.closed) == (CLOSED, True)
        data, _ = panel._repr_mimebundle_()
        assert "EMBEDDED CLOSED" in data["text/plain"]
        assert "EMBEDDED CLOSED" in data["text/html"]
    finally:
        panel.close()


def test_a_ladder_alone_says_that_its_desk_is_silent(seat: Callable[..., Seat]) -> None:
    at = seat()
    at.clock.advance(5 * NS_PER_S)
    at.look()
    assert at.ladder.trouble == "the desk has been silent for 5.0 s"


def test_pages_that_did_not_change_are_not_sent_again(desk: SyntheticDesk) -> None:
    tables = Tables(desk, TABLES)
    tables.refresh(desk.snapshot)
    sent: list[set[str]] = []
    tables.send_state = lambda key=None: sent.append(set(key))  # type: ignore[method-assign]
    tables.refresh(replace(desk.snapshot, refusals=()))
    assert sent == [{"seq", "refusals"}]


def test_tabs_count_what_is_open(desk: SyntheticDesk) -> None:
    tables = Tables(desk, TABLES)
    tables.refresh(desk.snapshot)
    assert (tables.positions["count"], tables.orders["count"], tables.fills["count"]) == (1, 3, 3)


def test_the_risk_page_says_how_many_rules_block_and_what_would_pass(desk: SyntheticDesk) -> None:
    risk = Tables(desk, (Page.RISK,))
    risk.refresh(desk.snapshot)
    assert risk.risk["title"] == "Risk: 1 blocking"
    assert "passes with a right clock" in risk.risk["html"]


@pytest.mark.parametrize(
    ("found", "limit", "share"),
    [
        ("1.5 %", "3 %", 0.5),
        ("0.1 s", "2 s", 0.05),
        ("9 %", "3 %", 1.0),
        ("-8 %", "3 %", 0.0),
        ("1,500.00 USDT", "3,000 USDT", 0.5),
        ("28131.5", "28150.2", None),  # prices: their ratio means nothing
        ("12 s", "2 %", None),
        ("never read", "2 s", None),
        ("1 %", "0 %", None),
    ],
)
def test_a_gauge_has_a_bar_only_where_both_are_of_one_unit(
    found: str, limit: str, share: float | None
) -> None:
    from contractdesk.domain.intents import Finding

    assert share_of(Finding(rule="r", found=found, limit=limit, passed=True)) == share


def test_the_console_of_a_desk_is_one_and_its_panels_share_the_status_bars_pulse(
    desk: SyntheticDesk, screen: Any
) -> None:
    assert console(desk) is screen
    parts = [panel for panel in THE_PUMP.panels if panel.desk is desk]
    assert len(parts) == 7
    assert {id(panel.pulse) for panel in parts} == {id(screen.status.pulse)}
    assert [panel.acknowledges for panel in parts].count(True) == 1


def test_a_desk_that_is_closed_costs_nothing_more_and_its_console_stays_as_it_is(
    desk: SyntheticDesk, screen: Any
) -> None:
    desk.is_open = False
    THE_PUMP.let_go(desk)
    assert screen.status.trouble == CLOSED
    assert console(desk) is screen
    alone = Panels(desk).ladder()
    assert alone.trouble == CLOSED
    assert [panel for panel in THE_PUMP.panels if panel.desk is desk] == []
    alone.close()


def test_a_closed_console_is_replaced_by_a_new_one(desk: SyntheticDesk, screen: Any) -> None:
    screen.close()
    again = console(desk)
    assert again is not screen
    again.close()


def test_everything_shows_text_and_html_beside_the_widget(desk: SyntheticDesk, screen: Any) -> None:
    panels = Panels(desk)
    opened = [
        panels.ladder(),
        panels.status(),
        panels.risk(),
        panels.equity(),
        panels.depth(),
        panels.price(),
    ]
    try:
        for shown in (screen, *opened):
            data, _ = shown._repr_mimebundle_()
            assert set(data) >= {WIDGET, "text/plain", "text/html"}
            assert "EMBEDDED" in data["text/plain"]
            assert "EMBEDDED" in data["text/html"]
    finally:
        for shown in opened:
            shown.close()


def test_panels_are_listed_by_name(desk: SyntheticDesk) -> None:
    assert "ladder()" in repr(Panels(desk))
    assert "flush" not in repr(Panels(desk))
    assert "let_go" not in repr(Panels(desk))


def test_each_panel_alone_is_a_call_on_the_desk() -> None:
    from contractdesk.console.windows import Windows

    class Face(TunableDesk, Windows):
        """A desk as the console has it, over the synthetic market."""

    face = Face()
    Windows.__init__(face)
    alone = [name for name in Panels.names() if name != "console"]
    assert {"status", "ladder", "price", "depth", "equity", "risk", "positions", "funding", "latency"} <= set(
        alone
    )
    for name in alone:
        make = getattr(face, f"{name}_panel")
        assert make.__doc__ == getattr(Panels, name).__doc__
        shown = make()
        try:
            assert shown.desk is face, name
            assert shown in THE_PUMP.panels, name
        finally:
            shown.close()


def test_the_clock_of_the_status_bar_is_of_the_chosen_zone(desk: SyntheticDesk) -> None:
    desk.display_tz = "Europe/Berlin"
    status = Status(desk)
    status.refresh(desk.snapshot)
    assert status.clock == "01:58:25 CEST"
