"""How this kernel's desks stand, told on iopub once a second and when it changes, whatever its cells do.

A ``contractdesk_state`` has no parent, so that no cell and no headless run takes it for its own output;
the JupyterLab extension listens. Every one names all desks that are open: one that is missing is closed,
and the last one of a kernel names none. Nothing is sent where there is no kernel.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from contractdesk.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from contractdesk.desk.supervisor import attempt
from contractdesk.domain.views import DeskSnapshot, TradingState
from contractdesk.panels import gist

if TYPE_CHECKING:
    from contractdesk.console.desk import Desk

STATE = "contractdesk_state"  # message type on iopub
PERIOD_S = 1.0
LOOK_S = 0.1  # a desk that was halted, or closed, is told so soon
_OWN = "own"  # origin of a position that is ours to protect
_LOG = logging.getLogger("contractdesk.console")
_LOG.addHandler(logging.NullHandler())  # a notebook's cells are no place for it


class DeskState(Struct, frozen=True, kw_only=True):
    """One open desk; amounts are decimal numerals in ``asset``, ages in ms."""

    name: str
    label: str  # EMBEDDED, PAPER, TESTNET or LIVE
    venue: str
    state: str  # ACTIVE, REDUCING or HALTED
    reason: str
    breaker: str  # why it is latched; "" = it is not
    asset: str
    equity: str
    unrealized_pnl: str
    margin_ratio: float | None
    holding: bool  # contracts of our own
    protected_fraction: float  # of them, 1 = every one is under a stop that the venue has confirmed
    naked_s: float
    feed_age_ms: float | None  # of the oldest; None: nothing is watched or has come, or no private stream
    private_stream_ready: bool
    loop_lag_ms: float
    silent_ms: float  # since the desk made its last picture: ten a second are usual


class Beat(Struct, frozen=True, kw_only=True):
    """Content of a ``contractdesk_state``."""

    sequence: int
    period_s: float
    desks: tuple[DeskState, ...]


def state_of(name: str, label: str, venue: str, snapshot: DeskSnapshot, silent_ms: float) -> DeskState:
    """The few values of a desk that are told to the outside."""
    age_ms = gist.feed_age_ms(snapshot) if snapshot.private_stream_ready else None
    return DeskState(
        name=name,
        label=label,
        venue=venue,
        state=snapshot.state.value,
        reason=snapshot.state_reason,
        breaker=next((g.found for g in snapshot.risk if g.rule == "breaker" and not g.passed), ""),
        asset=snapshot.asset,
        equity=_numeral(snapshot.equity),
        unrealized_pnl=_numeral(snapshot.unrealized_pnl),
        margin_ratio=None if snapshot.margin_ratio is None else float(snapshot.margin_ratio),
        holding=any(row.size and row.origin == _OWN for row in snapshot.positions),
        protected_fraction=float(snapshot.protected_fraction),
        naked_s=round(snapshot.naked_s, 1),
        feed_age_ms=None if age_ms is None else round(age_ms, 1),
        private_stream_ready=snapshot.private_stream_ready,
        loop_lag_ms=round(snapshot.loop_lag_ms, 1),
        silent_ms=round(silent_ms, 1),
    )


class Heartbeat:
    """Tells on a daemon thread of its own, from ``begin`` until no desk is open; nothing raises out of it.

    ``desks`` gives those that are open, ``send`` the content to who listens.
    """

    def __init__(
        self,
        desks: Callable[[], Iterable[Desk]],
        send: Callable[[dict[str, Any]], object],
        clock: Clock | None = None,
    ) -> None:
        self._desks = desks
        self._send = send
        self._clock = clock or SystemClock()
        self._sequence = 0
        self._pictures: dict[Desk, tuple[DeskSnapshot, int]] = {}  # the newest, and when it was first seen
        self._told: list[tuple[Desk, TradingState, str]] | None = None
        self._told_ns = 0
        self._soon = threading.Event()
        self._lock = threading.Lock()  # guards the thread's beginning and end
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Tell now, and go on; to be called whenever a desk was opened."""
        with self._lock:
            self._soon.set()
            if not self.running:
                self._thread = threading.Thread(target=self._run, name="contractdesk-heartbeat", daemon=True)
                self._thread.start()

    def step(self) -> bool:
        """Look at the desks, and tell what is due; False where none is open, and all have been told so."""
        now_ns = self._clock.monotonic_ns()
        desks = list(self._desks())
        self._pictures = {desk: self._seen(desk, now_ns) for desk in desks}
        standing = [(d, s.state, s.state_reason) for d, (s, _) in self._pictures.items()]
        if standing != self._told or now_ns - self._told_ns >= PERIOD_S * NS_PER_S:
            self._send(msgspec.to_builtins(self._beat(desks, now_ns)))
            self._told, self._told_ns = standing, now_ns
        return bool(desks)

    def _beat(self, desks: list[Desk], now_ns: int) -> Beat:
        self._sequence += 1
        states = tuple(self._state(desk, now_ns) for desk in desks)
        return Beat(sequence=self._sequence, period_s=PERIOD_S, desks=states)

    def _seen(self, desk: Desk, now_ns: int) -> tuple[DeskSnapshot, int]:
        before, snapshot = self._pictures.get(desk), desk.snapshot
        return before if before is not None and before[0] is snapshot else (snapshot, now_ns)

    def _state(self, desk: Desk, now_ns: int) -> DeskState:
        snapshot, since_ns = self._pictures[desk]
        silent_ms = (now_ns - since_ns) / NS_PER_MS
        return state_of(desk.name, desk.label, desk.profile.venue.value, snapshot, silent_ms)

    def _run(self) -> None:
        while True:
            self._soon.clear()
            more, error = attempt(self.step)
            if error is not None:  # the next one may pass; a kernel that ends takes this thread with it
                _LOG.warning("the desks' state could not be told: %r", error, exc_info=error)
            elif not more and self._ended():
                return
            self._soon.wait(LOOK_S if error is None else PERIOD_S)

    def _ended(self) -> bool:
        """True where none was opened meanwhile: the next ``begin`` starts another thread."""
        with self._lock:
            if self._soon.is_set():
                return False
            self._thread = None
            return True


def _numeral(amount: Decimal) -> str:
    return f"{amount:f}"
