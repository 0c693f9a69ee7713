"""``desk.observe``: what changes is told, on a thread of its own; what a callback does hurts nobody."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contractdesk.clock import NS_PER_S
from contractdesk.console.book import BookView
from contractdesk.console.desk import Desk
from contractdesk.console.observing import FACETS, Observation
from contractdesk.console.opening import open_desk
from contractdesk.domain.views import DeskSnapshot, TradingState
from contractdesk.errors import UserError
from contractdesk.panels.pump import MAX_LISTENERS, TICK_NS, Pump
from tests.console.loopback import BTC, Watcher, ready
from tests.e2e.synthetic import Market, SyntheticDesk
from tests.panels.test_pump import Recorder, run

WITHIN_S = 60.0


class Stepped(SyntheticDesk):
    """Every look at it is the market's next picture."""

    def __init__(self) -> None:
        self._market = Market()
        for _ in range(100):  # until it holds a position, and its figures move
            self._market.step()
        self.is_open = True

    @property
    def snapshot(self) -> DeskSnapshot:
        return self._market.step()


class Ear:
    """Hears what it is called with, and can be waited for; it is held up until ``go`` is set."""

    def __init__(self, *, held: bool = False) -> None:
        self.heard: list[Any] = []
        self.go = threading.Event()
        self._came = threading.Condition()
        if not held:
            self.go.set()

    def __call__(self, value: Any) -> None:
        with self._came:
            self.heard.append(value)
            self._came.notify_all()
        assert self.go.wait(WITHIN_S)

    def until(self, true: Callable[[list[Any]], bool]) -> list[Any]:
        with self._came:
            assert self._came.wait_for(lambda: true(self.heard), WITHIN_S), self.heard
            return list(self.heard)


def listening(function: Callable[[Any], object], name: str, failures: list[Exception]) -> Observation:
    return Observation(Stepped(), function, name, lambda _, error: failures.append(error))


def steps(pump: Pump, count: int) -> None:
    for step in range(count):
        pump.step(step * TICK_NS)


# -- with a virtual clock ------------------------------------------------------------------


def test_a_slow_callback_gets_the_latest_value_and_the_pump_does_not_wait_for_it() -> None:
    ear, pump = Ear(held=True), Pump()
    observation = listening(ear, "equity", [])
    panel = Recorder(Stepped())
    pump.add(panel, start=False)
    pump.attend(observation, start=False)
    pump.step(0)
    ear.until(lambda heard: len(heard) == 1)  # and there it stays
    run(pump, 10, beats=(panel,))
    assert len(panel.seen) > 95, "the panels went on"
    last = observation._last
    ear.go.set()
    assert ear.until(lambda heard: len(heard) == 2)[1] == last, "one call, with the latest"
    observation.close()


def test_it_is_called_at_most_four_times_a_second_and_each_call_is_of_the_notebooks_budget() -> None:
    calls = 0

    class Counted(Observation):
        def refresh(self, snapshot: DeskSnapshot) -> int:
            nonlocal calls
            told = super().refresh(snapshot)
            calls += told
            return told

    pump = Pump()
    observations = [Counted(Stepped(), lambda _: None, "snapshot", print) for _ in range(30)]
    pump.attend(observations[0], start=False)
    run(pump, 10)
    assert 38 <= calls <= 41
    for more in observations[1:]:
        pump.attend(more, start=False)
    calls = 0
    run(pump, 10, since_ns=10 * NS_PER_S)
    assert calls <= 400, "thirty of them would call 1,200 times; the budget is 38 a second"
    for observation in observations:
        observation.close()


def test_one_that_raises_is_called_no_more_and_its_error_is_kept() -> None:
    failures: list[Exception] = []
    done = threading.Event()

    def broken(_: Any) -> None:
        done.set()
        raise RuntimeError("a user's mistake")

    pump, observation = Pump(), listening(broken, "snapshot", failures)
    pump.attend(observation, start=False)
    pump.step(0)
    observation._thread.join(WITHIN_S)
    assert done.is_set()
    assert [str(error) for error in failures] == ["a user's mistake"]
    assert observation.error is failures[0]
    assert not observation.alive
    assert "broken() raised RuntimeError" in repr(observation)
    steps(pump, 100)
    assert len(failures) == 1


def test_close_may_be_said_twice_from_within_and_by_a_with() -> None:
    pump = Pump()
    with listening(Ear(), "snapshot", []) as observation:
        pump.attend(observation, start=False)
        observation.close()
        observation.close()
    observation._thread.join(WITHIN_S)
    assert not observation._thread.is_alive()

    heard: list[Any] = []

    def once(value: Any) -> None:
        heard.append(value)
        second.close()

    second = listening(once, "snapshot", [])
    pump.attend(second, start=False)
    steps(pump, 50)
    second._thread.join(WITHIN_S)
    assert len(heard) == 1


def test_newer_panels_do_not_push_a_listener_out_and_listeners_are_bounded() -> None:
    pump, ear = Pump(), Ear()
    observations = [listening(ear, "snapshot", []) for _ in range(MAX_LISTENERS + 1)]
    for observation in observations[:-1]:
        pump.attend(observation, start=False)
    with pytest.raises(UserError, match=r"close\(\) some"):
        pump.attend(observations[-1], start=False)
    pump.add(*(Recorder(Stepped()) for _ in range(70)), start=False)
    pump.step(0)
    assert len(pump._listeners) == MAX_LISTENERS
    observations[0].close()
    pump.attend(observations[-1], start=False)
    for observation in observations:
        observation.close()
    pump.step(NS_PER_S)
    assert not pump._listeners


# -- on a real desk ------------------------------------------------------------------------


def test_every_facet_is_told_of_what_the_desk_does(desk: Desk) -> None:
    # Protection of all is back within the sampling's period: no call is owed for what was over so soon.
    ears = {name: Ear() for name in FACETS if name != "protection"}
    observations = [desk.observe(ear, name) for name, ear in ears.items()]
    desk.start(Watcher([BTC], "1s"), name="watcher")
    ready(desk)
    desk.buy(BTC, notional=140, stop=desk.book(BTC).best_bid * 9 / 10)  # type: ignore[operator]
    desk.buy(BTC, size=500, stop=1)
    desk.halt("a test")
    for name, ear in ears.items():
        assert ear.until(len), name
    assert ears["state"].until(lambda heard: heard[-1] is TradingState.HALTED)
    assert ears["positions"].until(lambda heard: heard[-1] and heard[-1][0].size > 0)
    assert ears["fills"].heard[-1][-1].symbol == BTC
    assert ears["refusals"].heard[-1][-1].rule == desk.refusals.column("rule")[-1]
    book = ears["book"].heard[-1][BTC]
    assert isinstance(book, BookView)
    frozen = book.bids
    assert frozen
    desk.wait_for(lambda s: BookView(book.instrument, lambda: s, lambda: True).bids != frozen, WITHIN_S)
    assert book.bids == frozen, "what was told stays as it was"
    for observation in observations:
        observation.close()
    desk.resume()
    desk.flatten()


def test_a_callback_may_call_verbs(desk: Desk) -> None:
    desk.resume()
    receipts: list[Any] = []
    with desk.observe(
        lambda state: receipts.append(desk.resume()) if state is TradingState.HALTED else None, "state"
    ):
        desk.halt("and back")
        desk.wait_for(lambda s: bool(receipts) and s.state is TradingState.ACTIVE, WITHIN_S)
    assert receipts[0].done


def test_the_person_is_told_once_of_one_that_was_removed(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def mistaken(_: Any) -> None:
        raise KeyError("nonsense")

    seen = desk.snapshot.notices
    observation = desk.observe(mistaken, "snapshot")
    after = desk.wait_for(lambda s: s.notices != seen and s.notices[-1].code == "observer_removed", WITHIN_S)
    said = after.notices[-1].message
    assert "mistaken() observes snapshot no more: it raised KeyError: 'nonsense' (line " in said
    assert __file__ in said
    assert [record.levelno for record in caplog.records if record.getMessage() == said] == [logging.WARNING]
    assert not observation.alive


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            (print, "nonsense"),
            "'nonsense' cannot be observed; there are snapshot, state, equity, upnl, margin,",
        ),
        (("positions", print), "takes a function first"),
    ],
)
def test_what_cannot_be_observed_is_one_sentence(desk: Desk, arguments: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        desk.observe(*arguments)


def test_a_coroutine_is_refused(desk: Desk) -> None:
    async def later(_: Any) -> None: ...

    with pytest.raises(UserError, match="plain function"):
        desk.observe(later, "state")


def test_a_closed_desk_tells_its_last_and_ends_its_threads(home: Path) -> None:
    brief = open_desk("embedded", name="brief", seed=2, idle_limit_s=30)
    ear = Ear()
    observation = brief.observe(ear, "state_reason")
    brief.close()
    observation._thread.join(WITHIN_S)
    assert not observation._thread.is_alive()
    assert ear.heard[-1] == brief.snapshot.state_reason
    with pytest.raises(UserError, match="closed"):
        brief.observe(ear, "state")


def test_observing_needs_no_notebook(home: Path) -> None:
    code = """
import sys, threading
import contractdesk as cd
desk = cd.open_desk("embedded", name="plain", seed=3, idle_limit_s=60)
came = threading.Event()
desk.observe(lambda state: came.set(), "state")
desk.halt()
assert came.wait(10)
repr(desk), desk._repr_html_(), repr(desk.positions), repr(desk.risk)
desk.close()
print(sorted({"traitlets", "IPython", "ipywidgets", "ipykernel"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
