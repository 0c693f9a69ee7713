"""``desk.observe(function, "positions")``, and where ``desk.state`` comes from.

Both listen to the panels' pump: it samples the desk's snapshots, so nothing that listens can slow the
desk. Nothing here imports Jupyter; ``desk.state`` loads traitlets when it is first asked for.
"""

from __future__ import annotations

import inspect
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self

from contractdesk.clock import NS_PER_MS
from contractdesk.console.book import BookView
from contractdesk.desk.session import Session
from contractdesk.desk.supervisor import attempt
from contractdesk.domain.commands import Severity
from contractdesk.domain.views import DeskSnapshot
from contractdesk.errors import UserError
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.pump import THE_PUMP, Pump

if TYPE_CHECKING:
    from contractdesk.console.state import DeskState, StateWriter

Observer = Callable[[Any], object]
PERIOD_NS = 250 * NS_PER_MS  # four calls a second: what a person can follow, and a notebook can carry


def _books(snapshot: DeskSnapshot) -> dict[str, BookView]:
    """Each watched symbol's book as it stood in ``snapshot``."""
    return {
        name: BookView(symbol.instrument, lambda: snapshot, lambda: True)
        for name, symbol in snapshot.symbols.items()
    }


def _levels(snapshot: DeskSnapshot) -> object:
    return {name: (s.bids, s.asks, s.book_valid) for name, s in snapshot.symbols.items()}


FACETS: Final[dict[str, Callable[[DeskSnapshot], Any]]] = {
    "snapshot": lambda s: s,
    "state": lambda s: s.state,
    "equity": lambda s: s.equity,
    "upnl": lambda s: s.unrealized_pnl,
    "margin": lambda s: s.margin_ratio,
    "protection": lambda s: s.protected_fraction,
    "positions": lambda s: s.positions,
    "orders": lambda s: s.orders,
    "fills": lambda s: s.fills,
    "refusals": lambda s: s.refusals,
    "strategies": lambda s: s.strategies,
    "notices": lambda s: s.notices,
    "risk": lambda s: s.risk,
    "book": _books,
}
"""What can be observed: a part of the snapshot by the trader's word for it."""

_COMPARED: Final[dict[str, Callable[[DeskSnapshot], Any]]] = {"book": _levels}  # where that is not the value


class Observation:
    """One function that is called with what has changed; ``close()`` ends it, also as a context manager.

    It is called on a thread of its own and gets the latest value only: what came while it was busy is
    left out. Where it raises it is called no more; ``error`` is what it raised.
    """

    period_ns = PERIOD_NS
    cost = 1  # the message of the widget that it probably writes to
    acknowledges = False

    def __init__(
        self,
        desk: DeskFace,
        function: Observer,
        name: str,
        failed: Callable[[Observation, Exception], object],
    ) -> None:
        self.desk = desk
        self.pulse = Pulse()  # never sent on, so never silent: it hears also where no browser looks
        self.name = name
        self.function = function
        self.error: Exception | None = None
        self._failed = failed
        self._value = _facet(name)
        self._compared = _COMPARED.get(name, self._value)
        self._last: Any = self._compared(desk.snapshot)
        self._box: deque[Any] = deque(maxlen=1)
        self._woken = threading.Event()
        self._open = True
        self._muted = False
        # Made here, on the observer's own cell: what it prints appears below that cell.
        self._thread = threading.Thread(target=self._run, name=f"contractdesk-observer-{name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """False after ``close()``, after an error, and once the desk is closed."""
        return self._open

    def refresh(self, snapshot: DeskSnapshot) -> int:
        """Hand on what has changed since the last time; called by the pump, and by nobody else."""
        now = self._compared(snapshot)
        if now == self._last:
            return 0
        self._last = now
        self._box.append(self._value(snapshot))
        self._woken.set()
        return self.cost

    def finish(self) -> None:
        """End it after what it has still to hear."""
        self._open = False
        self._woken.set()

    def close(self) -> None:
        """Call it no more; a call that is under way ends by itself. Any number of times."""
        self._muted = True
        self.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.error is not None:
            return f"<observation of {self.name}: ended, {_called(self.function)} raised {self.error!r}>"
        return f"<observation of {self.name} by {_called(self.function)}{'' if self._open else ': closed'}>"

    def _run(self) -> None:
        while self._open:
            self._woken.wait()
            self._woken.clear()
            while self._box and not self._muted:
                self._tell(self._box.popleft())

    def _tell(self, value: Any) -> None:
        _, error = attempt(self.function, value)
        if error is not None:
            self.error = error
            self.close()
            self._failed(self, error)


class Reactive:
    """All that listens to one desk."""

    def __init__(self, desk: DeskFace, session: Session, pump: Pump = THE_PUMP) -> None:
        self._desk = desk
        self._session = session
        self._pump = pump
        self._observations: tuple[Observation, ...] = ()
        self._writer: StateWriter | None = None
        self._lock = threading.Lock()

    def observe(self, function: Observer, name: str) -> Observation:
        """Listen with ``function``; UserError for what cannot be observed, or cannot be called."""
        _callable(function)
        _facet(name)
        if not self._session.alive:
            raise UserError("this desk is closed: nothing changes any more")
        observation = Observation(self._desk, function, name, self._removed)
        try:
            self._pump.attend(observation)
        except UserError:
            observation.close()
            raise
        with self._lock:
            self._observations = (*(o for o in self._observations if o.alive), observation)
        return observation

    @property
    def state(self) -> DeskState:
        """The desk's traits, brought to the present; the pump keeps them so from then on."""
        with self._lock:
            if self._writer is None:
                from contractdesk.console.state import StateWriter  # traitlets load when they are asked for

                self._writer = StateWriter(self._desk, self._pump)
                if self._session.alive:
                    self._pump.attend(self._writer)
                else:
                    self._writer.finish()
        return self._writer.present()

    def end(self) -> None:
        """The desk is closed: tell the last of it, then nothing more."""
        listening: list[Observation | StateWriter] = [*self._observations]
        if self._writer is not None:
            listening.append(self._writer)
        if not listening:
            return
        self._pump.flush()  # on this cell's thread: papermill keeps what a cell itself sends
        for listener in listening:
            listener.finish()

    def _removed(self, observation: Observation, error: Exception) -> None:
        """Say it once, in the log and in the log panel."""
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f" (line {frame.tb_lineno} of {frame.tb_frame.f_code.co_filename})" if frame else ""
        said = (
            f"{_called(observation.function)} observes {observation.name} no more: it raised"
            f" {type(error).__name__}: {error}{where}; repair it and observe() again"
        )
        host = self._session.host
        if self._session.alive:
            self._session.thread.call(host.alarm, "observer_removed", said, Severity.WARNING)
        else:
            host.logger.warning(said, extra={"event.code": "observer_removed"})


def _facet(name: str) -> Callable[[DeskSnapshot], Any]:
    """Of a trader's word, or of any field of the snapshot."""
    if name in FACETS:
        return FACETS[name]
    if name in DeskSnapshot.__struct_fields__:
        return lambda snapshot: getattr(snapshot, name)
    raise UserError(
        f"{name!r} cannot be observed; there are {', '.join(FACETS)}, and the other fields of desk.snapshot"
    )


def _callable(function: object) -> None:
    if not callable(function):
        raise UserError(f'observe(function, "positions") takes a function first; this is {function!r}')
    if inspect.iscoroutinefunction(function):
        raise UserError(
            f"{_called(function)} is a coroutine: observe() takes a plain function, with its own thread"
        )


def _called(function: object) -> str:
    return f"{getattr(function, '__name__', type(function).__name__)}()"
