"""The pump: the one thread that writes to widgets.

It samples ``desk.snapshot`` by reference, so a slow browser cannot slow the desk, and keeps all
panels and listeners of the kernel together within 50 messages a second. A display that stops
acknowledging gets one probe in 5 s, because jupyter_server keeps every message for a closed tab in memory.
"""

from __future__ import annotations

import logging
import threading

from contractdesk.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from contractdesk.domain.views import DeskSnapshot
from contractdesk.errors import UserError
from contractdesk.panels.base import DeskFace, Panel

_LOG = logging.getLogger("contractdesk.panels")
_LOG.addHandler(logging.NullHandler())  # a notebook's cells are no place for a pump's complaints

TICK_NS = 25 * NS_PER_MS  # also how old a picture may get before it is seen
PROBE_NS = 5 * NS_PER_S
HEARTBEAT_NS = 1 * NS_PER_S  # a picture that has not changed is sent again so often, as a sign of life
MESSAGES_PER_S = 38.0  # refill + burst stay below 50 in any second, acknowledgements included
BURST = 8.0  # also the most that one panel may cost
MAX_PANELS = 64
MAX_LISTENERS = 64
MAX_FAILURES = 5  # in a row; then the panel rests, or one bug would fill the log


class Budget:
    """A token bucket of messages; ``take`` never waits."""

    def __init__(self, per_s: float = MESSAGES_PER_S, burst: float = BURST) -> None:
        self._per_ns = per_s / NS_PER_S
        self._burst = burst
        self._tokens = burst
        self._at_ns: int | None = None

    def take(self, count: int, now_ns: int) -> bool:
        """True, and ``count`` tokens fewer, when there are so many; a full bucket suffices for any count."""
        if self._at_ns is not None:
            self._tokens = min(self._burst, self._tokens + (now_ns - self._at_ns) * self._per_ns)
        self._at_ns = now_ns
        if self._tokens < min(count, self._burst):
            return False
        self._tokens -= count
        return True

    def give_back(self, count: int) -> None:
        """Return what was taken and not used; a negative count was sent beyond it, and is owed."""
        self._tokens = min(self._burst, self._tokens + count)


class _Entry:
    __slots__ = ("due_ns", "failures", "panel", "shown", "shown_ns", "slow")

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.due_ns = 0
        self.failures = 0
        self.shown: DeskSnapshot | None = None
        self.shown_ns = 0
        self.slow = False


class Pump:
    """Refreshes the panels that were added to it; its thread ends when none is left."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._budget = Budget()
        self._lock = threading.Lock()  # guards the list and the thread, not the refreshing
        self._writing = threading.RLock()  # one writer at a time, also during a flush
        self._entries: list[_Entry] = []
        self._listeners: list[_Entry] = []
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def panels(self) -> tuple[Panel, ...]:
        with self._lock:
            return tuple(entry.panel for entry in self._entries)

    def add(self, *panels: Panel, start: bool = True) -> None:
        """Take panels in; beyond ``MAX_PANELS`` the oldest are let go. Those of a closed desk show once."""
        with self._lock:
            self._entries = [*self._entries, *map(_Entry, panels)][-MAX_PANELS:]
            if start:
                self._start()
        for panel in panels:
            if not panel.desk.is_open:
                self.let_go(panel.desk)

    def let_go(self, desk: DeskFace) -> None:
        """A closed desk's panels show its last picture and stay at it: the budget is for those that live."""
        with self._writing:
            for entry in self._living():
                if entry.panel.desk is desk:
                    self._show(entry)
            with self._lock:
                self._entries = [entry for entry in self._entries if entry.panel.desk is not desk]

    def attend(self, listener: Panel, *, start: bool = True) -> None:
        """Take in what shows nothing itself, but hands on what it hears; no newer one pushes it out.

        Raises UserError where ``MAX_LISTENERS`` are there already.
        """
        with self._lock:
            self._listeners = [entry for entry in self._listeners if entry.panel.alive]
            if len(self._listeners) >= MAX_LISTENERS:
                raise UserError(f"{MAX_LISTENERS} observers listen already: close() some of them first")
            self._listeners.append(_Entry(listener))
            if start:
                self._start()

    def deserted(self, now_ns: int) -> bool:
        """True where panels wait for a browser's acknowledgement, and none of them gets one."""
        pulses = [entry.panel.pulse for entry in self._entries if entry.panel.acknowledges]
        return bool(pulses) and all(pulse.silent(now_ns) for pulse in pulses)

    def step(self, now_ns: int) -> None:
        """Refresh what is due at ``now_ns`` (monotonic) and fits the budget; never raises.

        The longest due goes first, and what it cannot afford yet nobody else may spend: none starves.
        """
        with self._writing:
            due = [entry for entry in self._living() if self._due(entry, now_ns)]
            for entry in sorted(due, key=lambda entry: entry.due_ns):
                if not self._budget.take(entry.panel.cost, now_ns):
                    return
                sent = self._refresh(entry, now_ns)
                self._budget.give_back(entry.panel.cost - sent)

    def flush(self) -> None:
        """Show the latest snapshot everywhere now: the last word of a headless notebook."""
        with self._writing:
            for entry in self._living():
                self._show(entry)

    def _living(self) -> list[_Entry]:
        with self._lock:
            self._entries = [entry for entry in self._entries if entry.panel.alive]
            self._listeners = [entry for entry in self._listeners if entry.panel.alive]
            return [*self._entries, *self._listeners]

    def _due(self, entry: _Entry, now_ns: int) -> bool:
        if not entry.panel.pulse.silent(now_ns):
            if entry.slow:  # the browser is back: show it the present, not what was due
                entry.slow, entry.due_ns = False, now_ns
            return now_ns >= entry.due_ns
        if not entry.slow:
            entry.slow, entry.due_ns = True, now_ns + PROBE_NS
        return entry.panel.acknowledges and now_ns >= entry.due_ns

    def _refresh(self, entry: _Entry, now_ns: int) -> int:
        """Show the latest snapshot; returns the messages sent, none for one that is already shown."""
        panel = entry.panel
        try:
            snapshot = panel.desk.snapshot
            if snapshot is entry.shown and now_ns - entry.shown_ns < HEARTBEAT_NS:
                return 0  # and it stays due: the next picture is not to wait for another period
            self._postpone(entry, now_ns)
            sent = panel.refresh(snapshot)
        except Exception:
            self._failed(entry)
            return panel.cost
        entry.failures, entry.shown, entry.shown_ns = 0, snapshot, now_ns
        if panel.acknowledges:
            panel.pulse.sent(now_ns)
        return sent

    def _show(self, entry: _Entry) -> None:
        """The latest snapshot, whatever was shown before and whether it is due."""
        entry.shown = None
        self._refresh(entry, self._clock.monotonic_ns())

    def _postpone(self, entry: _Entry, now_ns: int) -> None:
        """To its next period; what was due longer ago is not caught up on."""
        period_ns = PROBE_NS if entry.slow else entry.panel.period_ns
        late = now_ns - entry.due_ns >= period_ns
        entry.due_ns = now_ns + period_ns if late else entry.due_ns + period_ns

    def _failed(self, entry: _Entry) -> None:
        entry.failures += 1
        _LOG.warning("%s could not be refreshed", type(entry.panel).__name__, exc_info=True)
        if entry.failures >= MAX_FAILURES:
            entry.due_ns += PROBE_NS

    def _start(self) -> None:
        if not self.running:
            self._thread = threading.Thread(target=self._run, name="contractdesk-pump", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()  # never set: its wait is a sleep that an interrupt cannot tear
        while True:
            started_ns = self._clock.monotonic_ns()
            self.step(started_ns)
            with self._lock:
                if not any(entry.panel.alive for entry in (*self._entries, *self._listeners)):
                    self._thread = None
                    return
            spent_ns = self._clock.monotonic_ns() - started_ns
            pause.wait(max(TICK_NS - spent_ns, TICK_NS // 5) / NS_PER_S)


THE_PUMP = Pump()
"""The kernel's pump: the budget is a notebook's, so all desks of a kernel share it."""
