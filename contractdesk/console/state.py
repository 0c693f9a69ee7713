"""``desk.state``: the desk's figures as traitlets, to be linked to anybody's own widgets.

Loaded when it is first asked for: ``import contractdesk`` and the core know no traitlets.
"""

from __future__ import annotations

import html
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from traitlets import All, Bool, Float, HasTraits, Int, Unicode

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats, gist
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.pump import BURST, Pump

_LOG = logging.getLogger("contractdesk.panels")
PERIOD_NS = 500 * NS_PER_MS  # as the charts: ten linked labels are at most twenty messages a second
PATIENCE_S = 0.2  # for a cell that meets the pump at the writing: it may be in a slow handler


class DeskState(HasTraits):
    """A desk's figures as read-only traits: ``dlink((desk.state, "equity_text"), (label, "value"))``.

    ``equity`` and its like are numbers (floats, to be shown: ``desk.snapshot`` has the exact ones), in
    the settle currency; None is what is not known. ``equity_text`` and its like are the status bar's
    words, which fit a Label. ``trading`` is ACTIVE, REDUCING or HALTED; the whole is no string.

    The panels' pump writes them, at most twice a second, and once in 5 s while open panels get no
    answer from a browser; naming ``desk.state`` in a cell brings them to the present at once. Every
    linked trait that changed is one message of the notebook's 50 a second: panels then wait their turn.
    A handler runs in the pump's thread, where a slow one delays the panels: ``desk.observe`` gives its
    functions threads of their own. What a handler raises is logged, and the others go on. After
    ``close()`` the last figures stay, and ``is_open`` is False; a desk opened again has a new state.
    """

    name: Any = Unicode("", read_only=True, help="of the desk")
    label: Any = Unicode("", read_only=True, help="EMBEDDED, PAPER, TESTNET or LIVE")
    is_open: Any = Bool(default_value=False, read_only=True)
    trading: Any = Unicode("", read_only=True, help="ACTIVE, REDUCING or HALTED")
    reason: Any = Unicode("", read_only=True, help="why it is not ACTIVE")
    asset: Any = Unicode("", read_only=True, help="the settle currency")
    equity: Any = Float(0.0, read_only=True, help="balance and unrealized profit, settle currency")
    balance: Any = Float(0.0, read_only=True, help="of the wallet, settle currency")
    available: Any = Float(0.0, read_only=True, help="for new margin, settle currency")
    upnl: Any = Float(0.0, read_only=True, help="unrealized profit, settle currency")
    margin_ratio: Any = Float(
        None, allow_none=True, read_only=True, help="initial margin / equity; None: not known"
    )
    protected_fraction: Any = Float(1.0, read_only=True, help="of the open contracts, under a stop")
    naked_s: Any = Float(0.0, read_only=True, help="how long the oldest unprotected contract has been so")
    open_positions: Any = Int(0, read_only=True, help="symbols with a position, external ones included")
    open_orders: Any = Int(0, read_only=True, help="orders that may still fill, stops included")
    strategies: Any = Int(0, read_only=True, help="that are running")
    loop_lag_ms: Any = Float(0.0, read_only=True, help="of the desk's loop")
    feed_age_ms: Any = Float(
        None, allow_none=True, read_only=True, help="of the oldest feed; None: not known"
    )
    equity_text: Any = Unicode("", read_only=True, help="10,012.34 USDT")
    upnl_text: Any = Unicode("", read_only=True, help="+12.34")
    margin_text: Any = Unicode("", read_only=True, help="3.1 %")
    protection_text: Any = Unicode("", read_only=True, help="flat, protected 100 % or naked 0.4 s")
    feed_text: Any = Unicode("", read_only=True, help="140 ms")
    lag_text: Any = Unicode("", read_only=True, help="3.2 ms")
    notice: Any = Unicode("", read_only=True, help="the last one")

    def __init__(self) -> None:
        super().__init__()
        self._handlers: dict[object, list[object]] = {}
        self._complained: set[str] = set()

    # -- who listens -----------------------------------------------------------------------

    def observe(self, handler: Callable[..., Any], names: Any = All, type: Any = "change") -> None:  # noqa: A002  # traitlets' word
        """As of every HasTraits. ``handler(change)`` runs in the pump's thread."""
        super().observe(handler, names=names, type=type)
        for name in _listed(names):
            there = self._handlers.setdefault(name, [])
            if handler not in there:
                there.append(handler)

    def unobserve(self, handler: Callable[..., Any], names: Any = All, type: Any = "change") -> None:  # noqa: A002  # traitlets' word
        """As of every HasTraits."""
        super().unobserve(handler, names=names, type=type)
        for name in _listed(names):
            if handler in (there := self._handlers.get(name, [])):
                there.remove(handler)

    def listeners(self, name: str) -> int:
        """How many hear of a change of this trait: about so many messages it costs."""
        return len(self._handlers.get(name, ())) + len(self._handlers.get(All, ()))

    def notify_change(self, change: Any) -> None:
        """Tell the handlers. What one raises is logged once for each trait, and stays here."""
        try:
            super().notify_change(change)
        except Exception as error:
            name = str(change["name"])
            if name not in self._complained:
                self._complained.add(name)
                _LOG.warning("a handler of desk.state.%s raised %r", name, error, exc_info=error)

    # -- faces -----------------------------------------------------------------------------

    def __repr__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        words = "  ".join(f"{name} {text}" for name, text in self._words())
        return f"{self.name} {self._badge}  {self.trading}{reason}  {words}"

    def _repr_html_(self) -> str:
        reason = f" ({html.escape(self.reason)})" if self.reason else ""
        rows = "".join(
            f'<tr><td style="text-align:left">{html.escape(name)}</td><td>{html.escape(text)}</td></tr>'
            for name, text in self._words()
        )
        head = (
            f"<b>{html.escape(self.name)}</b> {html.escape(self._badge)} <b>{html.escape(self.trading)}</b>"
        )
        return (
            f'<table class="contractdesk"><caption style="text-align:left">{head}{reason}</caption>'
            f"<tbody>{rows}</tbody></table>"
        )

    @property
    def _badge(self) -> str:
        return self.label if self.is_open else f"{self.label} CLOSED"

    def _words(self) -> list[tuple[str, str]]:
        return [
            ("Equity", self.equity_text),
            ("uPnL", self.upnl_text),
            ("Margin", self.margin_text),
            ("Protection", self.protection_text),
            ("Positions", str(self.open_positions)),
            ("Orders", str(self.open_orders)),
            ("Feed", self.feed_text),
            ("Loop lag", self.lag_text),
        ]


class _Audience(Pulse):
    """The state has no script of its own that could answer: it rests where nobody answers the panels."""

    __slots__ = ("_pump",)

    def __init__(self, pump: Pump) -> None:
        super().__init__()
        self._pump = pump

    def sent(self, now_ns: int) -> None:
        """Nothing answers to it."""

    def silent(self, now_ns: int) -> bool:
        return self._pump.deserted(now_ns)


class StateWriter:
    """Keeps one ``DeskState`` at the present; the pump takes it for a panel."""

    period_ns = PERIOD_NS
    acknowledges = True  # so that the pump goes on with it, slowly, while no browser answers

    def __init__(self, desk: DeskFace, pump: Pump) -> None:
        self.desk = desk
        self.pulse: Pulse = _Audience(pump)
        self.state = DeskState()
        self.alive = True
        self._shown: tuple[DeskSnapshot, bool] | None = None
        self._writing = threading.RLock()  # the pump and a cell that asks; also a handler that asks

    @property
    def cost(self) -> int:
        """A guess; ``refresh`` says what it was."""
        return max(1, min(int(BURST), sum(map(self.state.listeners, self.state.trait_names()))))

    def present(self) -> DeskState:
        """The state, written anew on the caller's thread if the desk has gone on."""
        if self._writing.acquire(timeout=PATIENCE_S):
            try:
                self.refresh(self.desk.snapshot)
            finally:
                self._writing.release()
        return self.state

    def refresh(self, snapshot: DeskSnapshot) -> int:
        """Set what differs; returns about how many messages the links made of it."""
        with self._writing:
            shown = (snapshot, self.desk.is_open)
            if self._shown is not None and shown[0] is self._shown[0] and shown[1] == self._shown[1]:
                return 0
            self._shown = shown
            state, sent = self.state, 0
            for name, value in values(self.desk, snapshot).items():
                if getattr(state, name) != value:
                    state.set_trait(name, value)
                    sent += state.listeners(name)
            return sent

    def finish(self) -> None:
        """The desk is closed: the last figures stay."""
        self.alive = False


_TEXTS: Final = {
    "equity_text": "equity",
    "upnl_text": "upnl",
    "margin_text": "margin",
    "protection_text": "protection",
    "feed_text": "feed",
    "lag_text": "lag",
}


def values(desk: DeskFace, snapshot: DeskSnapshot) -> Mapping[str, Any]:
    """The traits that show ``snapshot``."""
    words = {item.key: item.text for item in gist.items(snapshot)}
    age_ms = gist.feed_age_ms(snapshot)
    ratio = snapshot.margin_ratio
    return {
        "name": desk.name,
        "label": desk.label,
        "is_open": desk.is_open,
        "trading": snapshot.state.value,
        "reason": snapshot.state_reason,
        "asset": snapshot.asset,
        "equity": _number(snapshot.equity, snapshot.asset),
        "balance": _number(snapshot.wallet_balance, snapshot.asset),
        "available": _number(snapshot.available, snapshot.asset),
        "upnl": _number(snapshot.unrealized_pnl, snapshot.asset),
        "margin_ratio": None if ratio is None else round(float(ratio), 6),
        "protected_fraction": float(snapshot.protected_fraction),
        "naked_s": round(snapshot.naked_s, 1),
        "open_positions": sum(1 for row in snapshot.positions if row.size),
        "open_orders": sum(1 for order in snapshot.orders if order.status.open),
        "strategies": sum(1 for row in snapshot.strategies if row.status == "running"),
        "loop_lag_ms": round(snapshot.loop_lag_ms, 1),
        "feed_age_ms": None if age_ms is None else round(age_ms, 1),
        "notice": snapshot.notices[-1].message if snapshot.notices else "",
        **{trait: words[key] for trait, key in _TEXTS.items()},
    }


def _number(amount: Any, asset: str) -> float:
    """To the digits that the status bar shows: what nobody can see is no change, and no message."""
    return round(float(amount), formats.cash_places(asset))


def _listed(names: Any) -> list[Any]:
    """The names of traitlets' ``names=`` argument."""
    return [names] if names is All or isinstance(names, str) else list(names)
