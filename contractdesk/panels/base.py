"""What panels see of a desk, and what the pump sees of a panel."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from contractdesk.clock import NS_PER_S
from contractdesk.domain.intents import SizePreview, StopSpec
from contractdesk.domain.views import DeskSnapshot

SILENT_NS = 4 * NS_PER_S  # a desk that has made no picture for so long is said to be silent
AWAY_NS = 8 * NS_PER_S  # a browser that has not acknowledged for so long is taken to be away


class Outcome(Protocol):
    """What a verb did, in one sentence; ``done`` is False where not all of it came true in time."""

    @property
    def done(self) -> bool: ...

    @property
    def summary(self) -> str: ...


class DeskFace(Protocol):
    """The part of a desk that panels may touch: one picture to read, and verbs to call.

    The verbs may block and may raise ``ContractdeskError``; panels call them off the widgets' thread.
    What they return is shown only where it is false: not all came true in time.
    """

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str:
        """``EMBEDDED``, ``PAPER``, ``TESTNET`` or ``LIVE``: stands on every panel."""
        ...

    @property
    def display_tz(self) -> str:
        """The name of the time zone that people read times in, such as ``UTC`` or ``Europe/Berlin``."""
        ...

    @property
    def snapshot(self) -> DeskSnapshot:
        """The latest frozen picture, by reference; cheap, never blocks. A living desk replaces it."""
        ...

    @property
    def is_open(self) -> bool: ...

    def halt(self) -> object: ...

    def resume(self) -> object: ...

    def flatten(self) -> object: ...

    def cancel_all(self) -> Outcome: ...

    def cancel(self, order_id: str) -> Outcome: ...

    def move_entry(self, order_id: str, price: Decimal) -> Outcome: ...

    def move_stop(self, symbol: str, price: Decimal) -> Outcome: ...

    def close_position(
        self, symbol: str, *, size: Decimal | None = None, limit: Decimal | None = None
    ) -> Outcome: ...

    def buy(
        self, symbol: str, *, stop: StopSpec, notional: Decimal | None = None, limit: Decimal | None = None
    ) -> Outcome: ...

    def sell(
        self, symbol: str, *, stop: StopSpec, notional: Decimal | None = None, limit: Decimal | None = None
    ) -> Outcome: ...

    def size(
        self,
        symbol: str,
        *,
        side: str,
        stop: StopSpec,
        notional: Decimal | None = None,
        limit: Decimal | None = None,
    ) -> SizePreview:
        """What ``buy`` or ``sell`` would be, and what the gate would say; sends nothing."""
        ...


class Pulse:
    """Whether a browser still draws what is sent; one for each thing that is displayed.

    Written by the pump (``sent``) and by the widgets' thread (``beat``); single attribute writes,
    so no lock is needed.
    """

    __slots__ = ("_awaiting_ns",)

    def __init__(self) -> None:
        self._awaiting_ns: int | None = None

    def sent(self, now_ns: int) -> None:
        """Something that the browser acknowledges was sent at ``now_ns`` (monotonic)."""
        if self._awaiting_ns is None:
            self._awaiting_ns = now_ns

    def beat(self) -> None:
        """The browser has drawn."""
        self._awaiting_ns = None

    def silent(self, now_ns: int) -> bool:
        """True when what was sent has stayed without an answer for ``AWAY_NS``."""
        since = self._awaiting_ns
        return since is not None and now_ns - since >= AWAY_NS


class Panel(Protocol):
    """A window on the desk's snapshots, refreshed by the pump and by nobody else."""

    @property
    def desk(self) -> DeskFace: ...

    @property
    def pulse(self) -> Pulse: ...

    @property
    def period_ns(self) -> int:
        """Between two refreshes."""
        ...

    @property
    def cost(self) -> int:
        """Messages that one refresh sends, at most."""
        ...

    @property
    def acknowledges(self) -> bool:
        """Its script answers on the pulse; others of that pulse rest while the pulse is silent."""
        ...

    @property
    def alive(self) -> bool:
        """False once it was closed; it is then forgotten."""
        ...

    def refresh(self, snapshot: DeskSnapshot) -> int:
        """Show ``snapshot``; returns how many messages that took. Runs in the pump's thread."""
        ...
