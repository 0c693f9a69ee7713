"""``desk.state``: traits that say what the desk says, within the notebook's budget, for anybody's widgets."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
import traitlets

from contractdesk.clock import NS_PER_S
from contractdesk.console.desk import Desk
from contractdesk.console.opening import open_desk
from contractdesk.console.state import DeskState, StateWriter, values
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import gist
from contractdesk.panels.pump import THE_PUMP, Pump
from tests.console.loopback import BTC, Watcher, ready
from tests.console.test_observing import WITHIN_S, Stepped
from tests.panels.test_pump import Recorder, run


class Counted(StateWriter):
    """Remembers how many messages each refresh was reckoned at."""

    def __init__(self, pump: Pump) -> None:
        super().__init__(Stepped(), pump)
        self.sent: list[int] = []

    def refresh(self, snapshot: DeskSnapshot) -> int:
        sent = super().refresh(snapshot)
        self.sent.append(sent)
        return sent


class Sink(traitlets.HasTraits):
    """Somebody's own widget: counts what reaches it."""

    value: Any = traitlets.Any()

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0
        self.observe(self._count, names="value")

    def _count(self, _: Any) -> None:
        self.changes += 1


def test_the_traits_are_what_the_status_bar_says() -> None:
    desk = Stepped()
    snapshot = desk.snapshot
    found = values(desk, snapshot)
    assert set(found) == set(DeskState().trait_names())
    assert found["equity"] == float(round(snapshot.equity, 2))
    assert found["trading"] == "ACTIVE"
    assert [found[name] for name in ("equity_text", "upnl_text", "margin_text")] == [
        item.text for item in gist.items(snapshot)[:3]
    ]
    assert found["feed_age_ms"] == round(max(s.feed_age_ms for s in snapshot.symbols.values()), 1)
    assert (
        values(desk, DeskSnapshot(ts_ns=0, state=snapshot.state, state_reason="", asset="USDT"))[
            "feed_age_ms"
        ]
        is None
    ), "not known is None, never zero"


def test_linked_widgets_follow_a_desk_and_naming_it_is_the_present(desk: Desk) -> None:
    label, bar = ipywidgets.Label(), ipywidgets.FloatText()
    equity = traitlets.dlink((desk.state, "equity"), (bar, "value"))
    words = traitlets.dlink((desk.state, "equity"), (label, "value"), lambda value: f"{value:,.2f}")
    assert label.value == "10,000.00"
    assert bar.value == 10_000.0
    desk.start(Watcher([BTC], "1s"), name="watcher")
    ready(desk)
    desk.buy(BTC, notional=140, stop=desk.book(BTC).best_bid * 9 / 10)  # type: ignore[operator]
    moved = threading.Event()
    bar.observe(lambda _: moved.set(), names="value")
    assert moved.wait(WITHIN_S), "the pump writes it"
    assert desk.state.open_positions == 1
    assert desk.state.protected_fraction == 1.0
    assert desk.state.protection_text == "protected 100 %"
    desk.halt("a test")
    assert desk.state.trading == "HALTED", "what a verb has done is there at once"
    assert "a test" in desk.state.reason
    assert desk.state is desk.state
    desk.resume()
    desk.flatten()
    equity.unlink()
    words.unlink()
    desk.resume()


def test_they_cannot_be_set() -> None:
    with pytest.raises(traitlets.TraitError, match="read-only"):
        DeskState().equity = 5.0


def test_links_are_reckoned_in_messages_and_the_panels_have_their_share() -> None:
    pump = Pump()
    writer, panel = Counted(pump), Recorder(Stepped(), hz=10)
    sinks = [Sink() for _ in range(12)]
    names = ("equity", "upnl", "equity_text", "upnl_text", "feed_age_ms", "loop_lag_ms") * 2
    links = [
        traitlets.dlink((writer.state, name), (sink, "value"))
        for name, sink in zip(names, sinks, strict=True)
    ]
    pump.attend(writer, start=False)
    pump.add(panel, start=False)
    before = sum(sink.changes for sink in sinks)
    run(pump, 20, beats=(panel,))
    reached = sum(sink.changes for sink in sinks) - before
    assert reached == sum(writer.sent), "each change that reached a widget was reckoned"
    assert reached >= 12 * 10, "they moved"
    assert len(writer.sent) <= 41, "at most twice a second"
    assert reached + len(panel.seen) <= 20 * 50
    assert len(panel.seen) >= 190, "the ladder kept its pace"
    for link in links:
        link.unlink()
    assert writer.cost == 1, "what nobody hears costs nothing"


def test_a_hundred_links_do_not_break_the_budget() -> None:
    pump = Pump()
    writer = Counted(pump)
    sinks = [Sink() for _ in range(100)]
    for sink in sinks:
        traitlets.dlink((writer.state, "equity_text"), (sink, "value"))
    pump.attend(writer, start=False)
    before = sum(sink.changes for sink in sinks)
    run(pump, 60)
    assert sum(sink.changes for sink in sinks) - before <= 60 * 50


def test_while_no_browser_answers_the_panels_it_is_written_once_in_five_seconds() -> None:
    pump = Pump()
    writer, panel = Counted(pump), Recorder(Stepped())
    pump.attend(writer, start=False)
    run(pump, 10)
    assert len(writer.sent) >= 19, "with no panel there is nobody to wait for: headless it goes on"
    pump.add(panel, start=False)
    run(pump, 10, since_ns=10 * NS_PER_S)
    writer.sent.clear()
    run(pump, 50, since_ns=20 * NS_PER_S)
    assert 9 <= len(writer.sent) <= 11
    panel.pulse.beat()
    writer.sent.clear()
    run(pump, 5, since_ns=70 * NS_PER_S, beats=(panel,))
    assert len(writer.sent) >= 9


def test_a_cell_that_meets_the_pump_at_the_writing_is_not_held_up() -> None:
    writer = StateWriter(Stepped(), Pump())
    writer.present()
    held, done = threading.Event(), threading.Event()

    def slow(_: Any) -> None:
        held.set()
        assert done.wait(WITHIN_S)

    writer.state.observe(slow, names="feed_age_ms")
    pump = threading.Thread(target=lambda: writer.refresh(writer.desk.snapshot))
    pump.start()
    assert held.wait(WITHIN_S)
    assert writer.present() is writer.state, "as it is, though not all of it is new"
    done.set()
    pump.join(WITHIN_S)
    assert not pump.is_alive()


def test_a_handler_that_raises_is_logged_once_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    pump = Pump()
    writer, sink = Counted(pump), Sink()

    def broken(_: Any) -> None:
        raise RuntimeError("a user's mistake")

    writer.state.observe(broken, names="equity")
    traitlets.dlink((writer.state, "upnl"), (sink, "value"))
    pump.attend(writer, start=False)
    run(pump, 20)
    assert sink.changes > 20
    assert writer.alive
    said = [r.getMessage() for r in caplog.records if "handler of desk.state.equity" in r.getMessage()]
    assert len(said) == 1


def test_a_closed_desk_leaves_its_last_figures(home: Path) -> None:
    brief = open_desk("embedded", name="brief", seed=2, idle_limit_s=30)
    state = brief.state
    assert state.is_open
    brief.close()
    assert not state.is_open
    assert state.equity == 10_000.0
    assert brief.state is state
    assert "CLOSED" in repr(state)
    assert all(entry.panel is not brief._reactive._writer for entry in THE_PUMP._living())


def test_it_reads_as_text_and_as_escaped_html() -> None:
    writer = StateWriter(Stepped(), Pump())
    state = writer.present()
    assert repr(state).startswith(f"synthetic EMBEDDED  ACTIVE  Equity {state.equity_text}  uPnL ")
    assert state.equity_text in state._repr_html_()
    state.set_trait("reason", "<script>alert(1)</script>")
    state.set_trait("protection_text", "<b>")
    page = state._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;" in page
