from __future__ import annotations

import threading

from msgspec.structs import replace

from contractdesk.clock import NS_PER_MS, NS_PER_S
from contractdesk.domain.views import DeskSnapshot, TradingState
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.ladder import Ladder
from contractdesk.panels.pump import BURST, MAX_PANELS, TICK_NS, Budget, Pump
from tests.e2e.synthetic import SyntheticDesk


class Recorder:
    """A panel that remembers when it was refreshed, and draws nothing."""

    def __init__(
        self,
        desk: DeskFace,
        *,
        hz: float = 10,
        cost: int = 1,
        pulse: Pulse | None = None,
        broken: bool = False,
    ) -> None:
        self.desk = desk
        self.pulse = pulse or Pulse()
        self.acknowledges = pulse is None
        self.period_ns = round(NS_PER_S / hz)
        self.cost = cost
        self.alive = True
        self.seen: list[DeskSnapshot] = []
        self.shown = threading.Event()
        self._broken = broken

    def refresh(self, snapshot: DeskSnapshot) -> int:
        self.seen.append(snapshot)
        if self._broken:
            raise RuntimeError("a bug in a panel")
        self.shown.set()
        return self.cost


class MovingDesk(SyntheticDesk):
    """Every look at it is a new picture."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def snapshot(self) -> DeskSnapshot:
        self._count += 1
        return DeskSnapshot(ts_ns=self._count, state=TradingState.ACTIVE, state_reason="", asset="USDT")


class StillDesk(MovingDesk):
    """A closed desk: the same picture for ever."""

    picture = DeskSnapshot(ts_ns=1, state=TradingState.HALTED, state_reason="closed", asset="USDT")

    @property
    def snapshot(self) -> DeskSnapshot:
        return self.picture


def run(pump: Pump, seconds: float, *, since_ns: int = 0, beats: tuple[Recorder, ...] = ()) -> list[int]:
    """Step for ``seconds`` of a virtual clock; the browsers of ``beats`` acknowledge each second.

    Returns the messages sent in each step.
    """
    sent = []
    panels = [panel for panel in pump.panels if isinstance(panel, Recorder)]
    for step in range(round(seconds * NS_PER_S / TICK_NS)):
        before = sum(len(panel.seen) * panel.cost for panel in panels)
        pump.step(since_ns + step * TICK_NS)
        sent.append(sum(len(panel.seen) * panel.cost for panel in panels) - before)
        if step % 20 == 0:
            for panel in beats:
                panel.pulse.beat()
    return sent


def pumped(*panels: Recorder) -> Pump:
    pump = Pump()
    pump.add(*panels, start=False)
    return pump


def test_ladders_move_ten_times_a_second_and_charts_twice() -> None:
    ladder, chart = Recorder(MovingDesk(), hz=10), Recorder(MovingDesk(), hz=2)
    run(pumped(ladder, chart), 10, beats=(ladder, chart))
    assert len(ladder.seen) == 100
    assert len(chart.seen) == 20


def test_a_new_picture_is_shown_within_a_tick_whenever_it_comes() -> None:
    """Pictures come ten times a second, here 5 ms after the pump has looked."""
    desk = StillDesk()
    panel = Recorder(desk, hz=1e9 / Ladder.period_ns)
    pump = pumped(panel)
    for step in range(200):
        now_ns = step * TICK_NS
        published_ns = (now_ns - 5 * NS_PER_MS) // (100 * NS_PER_MS)
        if desk.picture.ts_ns != published_ns:
            desk.picture = replace(desk.picture, ts_ns=published_ns)
        pump.step(now_ns)
        panel.pulse.beat()
        assert panel.seen[-1] is desk.picture or step == 1  # the first comes right after one of before
    assert len(panel.seen) == 51


def test_greedy_panels_together_stay_within_fifty_messages_in_any_second() -> None:
    panels = tuple(Recorder(MovingDesk(), hz=20, cost=cost) for cost in (1, 2, 3, 5, 8))
    sent = run(pumped(*panels), 20, beats=panels)
    window = NS_PER_S // TICK_NS
    assert max(sum(sent[i : i + window]) for i in range(len(sent) - window)) <= 50
    assert min(len(panel.seen) for panel in panels) >= 35, "none starves"


def test_what_was_not_sent_is_given_back() -> None:
    budget = Budget(per_s=1, burst=8)
    assert budget.take(8, 0)
    assert not budget.take(1, 0)
    budget.give_back(6)
    assert budget.take(6, 0)
    assert not budget.take(1, 0)


def test_a_cost_above_the_burst_is_served_when_the_bucket_is_full() -> None:
    budget = Budget()
    assert budget.take(int(BURST) * 2, 0)
    assert not budget.take(1, 0)


def test_a_closed_tab_gets_one_probe_in_five_seconds_and_a_returning_one_is_served_at_once() -> None:
    panel = Recorder(MovingDesk())
    pump = pumped(panel)
    run(pump, 8)
    lively = len(panel.seen)
    run(pump, 60, since_ns=8 * NS_PER_S)
    assert 11 <= len(panel.seen) - lively <= 14
    panel.pulse.beat()
    probes = len(panel.seen)
    run(pump, 2, since_ns=68 * NS_PER_S, beats=(panel,))
    assert len(panel.seen) - probes >= 19


def test_panels_that_cannot_acknowledge_rest_with_the_one_that_can() -> None:
    status = Recorder(MovingDesk())
    chart = Recorder(MovingDesk(), hz=2, pulse=status.pulse)
    pump = pumped(status, chart)
    run(pump, 10)
    before = len(chart.seen)
    run(pump, 30, since_ns=10 * NS_PER_S)
    assert len(chart.seen) == before


def test_a_picture_that_does_not_change_is_sent_once_a_second() -> None:
    panel = Recorder(StillDesk())
    run(pumped(panel), 10, beats=(panel,))
    assert 9 <= len(panel.seen) <= 11


def test_a_panel_with_a_bug_rests_and_the_others_go_on() -> None:
    bad, good = Recorder(MovingDesk(), broken=True), Recorder(MovingDesk())
    run(pumped(bad, good), 10, beats=(good,))
    assert len(good.seen) == 100
    assert len(bad.seen) < 10


def test_flush_shows_the_present_even_to_a_silent_browser() -> None:
    panel = Recorder(StillDesk())
    pump = pumped(panel)
    run(pump, 10)
    before = len(panel.seen)
    pump.flush()
    assert len(panel.seen) == before + 1


def test_a_closed_desks_panels_are_shown_its_end_and_leave_the_budget_to_the_others() -> None:
    closed, living = StillDesk(), MovingDesk()
    left, others = [Recorder(closed) for _ in range(40)], Recorder(living)
    pump = pumped(*left, others)
    closed.is_open = False
    closed.picture = replace(closed.picture, ts_ns=2)
    pump.let_go(closed)
    assert [panel.seen for panel in left] == [[closed.picture]] * 40
    assert pump.panels == (others,)
    run(pump, 10, beats=(others,))
    assert len(others.seen) == 100
    late = Recorder(closed)
    pump.add(late, start=False)
    assert late.seen == [closed.picture]
    assert pump.panels == (others,)


def test_closed_panels_are_forgotten_and_the_list_is_bounded() -> None:
    pump = Pump()
    panels = [Recorder(MovingDesk()) for _ in range(MAX_PANELS + 5)]
    pump.add(*panels, start=False)
    assert len(pump.panels) == MAX_PANELS
    for panel in panels:
        panel.alive = False
    pump.step(0)
    assert pump.panels == ()


def test_the_thread_runs_while_a_panel_lives_and_starts_again_for_the_next() -> None:
    pump = Pump()
    for _ in range(2):
        panel = Recorder(MovingDesk())
        pump.add(panel)
        assert panel.shown.wait(5)
        thread = next(thread for thread in threading.enumerate() if thread.name == "contractdesk-pump")
        assert thread.daemon
        panel.alive = False
        thread.join(5)
        assert not pump.running


def test_a_tick_is_at_most_half_of_the_shortest_period() -> None:
    assert Ladder.period_ns >= TICK_NS * 2
