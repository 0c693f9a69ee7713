"""What a notebook holds: the verbs, the tables and the reprs of one desk.

Every verb looks blocking and is safe in any cell; each has an awaitable twin under ``desk.aio``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from contractdesk.config import Profile
from contractdesk.console import views
from contractdesk.console.book import BookView
from contractdesk.console.calls import announced, awaitable, blocking, run
from contractdesk.console.inquiries import Inquiries
from contractdesk.console.observing import Observation, Observer, Reactive
from contractdesk.console.order_verbs import OrderVerbs
from contractdesk.console.receipts import Receipt, cell, say
from contractdesk.console.result import result_of
from contractdesk.console.result import write as write_result
from contractdesk.console.risk import RiskTable
from contractdesk.console.stop_verbs import StopVerbs
from contractdesk.console.strategies import StrategyHandle, StrategyVerbs
from contractdesk.console.tables import Table
from contractdesk.console.tuning import Tuning
from contractdesk.console.verbs import Verbs
from contractdesk.console.windows import Windows
from contractdesk.desk.session import CLOSE_WITHIN_S, Session
from contractdesk.domain.views import DeskSnapshot
from contractdesk.errors import UserError
from contractdesk.strategy.base import Strategy

if TYPE_CHECKING:
    from contractdesk.console.replaying import When
    from contractdesk.console.state import DeskState
    from contractdesk.replay.models import Models
    from contractdesk.replay.twin_report import TwinReport


class AioDesk:
    """The awaitable twins of the verbs: ``await desk.aio.flatten()``, on any event loop."""

    def __init__(
        self,
        session: Session,
        verbs: Verbs,
        orders: OrderVerbs,
        stops: StopVerbs,
        strategies: StrategyVerbs,
        inquiries: Inquiries,
    ) -> None:
        self._session = session
        self._verbs = verbs
        self._orders = orders
        self._stops = stops
        self._strategies = strategies
        self._inquiries = inquiries

    halt = awaitable("_verbs", Verbs.halt)
    resume = awaitable("_verbs", Verbs.resume)
    flatten = awaitable("_verbs", Verbs.flatten)
    buy = awaitable("_verbs", Verbs.buy)
    sell = awaitable("_verbs", Verbs.sell)
    close_position = awaitable("_verbs", Verbs.close_position)
    move_stop = awaitable("_stops", StopVerbs.move_stop)
    trail_stop = awaitable("_stops", StopVerbs.trail_stop)
    adopt = awaitable("_stops", StopVerbs.adopt)
    cancel = awaitable("_orders", OrderVerbs.cancel)
    cancel_all = awaitable("_orders", OrderVerbs.cancel_all)
    move_entry = awaitable("_orders", OrderVerbs.move_entry)
    set_leverage = awaitable("_verbs", Verbs.set_leverage)
    set_margin_mode = awaitable("_verbs", Verbs.set_margin_mode)
    set_position_mode = awaitable("_verbs", Verbs.set_position_mode)
    account_state = awaitable("_inquiries", Inquiries.account_state)
    preflight = awaitable("_inquiries", Inquiries.preflight)
    why = awaitable("_inquiries", Inquiries.why)
    why_not = awaitable("_inquiries", Inquiries.why_not)
    size = awaitable("_inquiries", Inquiries.size)
    stress = awaitable("_inquiries", Inquiries.stress)
    tune_risk = awaitable("_verbs", Verbs.tune_risk)
    reset_risk = awaitable("_verbs", Verbs.reset_risk)
    start = awaitable("_strategies", StrategyVerbs.start)
    stop = awaitable("_strategies", StrategyVerbs.stop)
    tune = awaitable("_strategies", StrategyVerbs.tune)
    swap = awaitable("_strategies", StrategyVerbs.swap)


class Desk(Windows):
    """One account on one venue, with a bot in the background. Made by ``open_desk``."""

    def __init__(self, session: Session, tz: str = "UTC") -> None:
        self._session = session
        self._verbs = Verbs(session)
        self._orders = OrderVerbs(session)
        self._stops = StopVerbs(session)
        self._strategies = StrategyVerbs(session)
        self._inquiries = Inquiries(session)
        super().__init__()
        self._tz = tz
        self.tuning = Tuning(session, self._verbs, self._strategies)  # what the tuning panel works with
        self.aio = AioDesk(session, self._verbs, self._orders, self._stops, self._strategies, self._inquiries)
        self._reactive = Reactive(self, session)

    # -- verbs -----------------------------------------------------------------------------

    halt = blocking("_verbs", Verbs.halt)
    resume = blocking("_verbs", Verbs.resume)
    flatten = blocking("_verbs", Verbs.flatten)
    buy = blocking("_verbs", Verbs.buy)
    sell = blocking("_verbs", Verbs.sell)
    close_position = blocking("_verbs", Verbs.close_position)
    move_stop = blocking("_stops", StopVerbs.move_stop)
    trail_stop = blocking("_stops", StopVerbs.trail_stop)
    adopt = blocking("_stops", StopVerbs.adopt)
    cancel = blocking("_orders", OrderVerbs.cancel)
    cancel_all = blocking("_orders", OrderVerbs.cancel_all)
    move_entry = blocking("_orders", OrderVerbs.move_entry)
    set_leverage = blocking("_verbs", Verbs.set_leverage)
    set_margin_mode = blocking("_verbs", Verbs.set_margin_mode)
    set_position_mode = blocking("_verbs", Verbs.set_position_mode)
    account_state = blocking("_inquiries", Inquiries.account_state)
    preflight = blocking("_inquiries", Inquiries.preflight)
    why = blocking("_inquiries", Inquiries.why)
    why_not = blocking("_inquiries", Inquiries.why_not)
    size = blocking("_inquiries", Inquiries.size)
    stress = blocking("_inquiries", Inquiries.stress)

    def start(self, strategy: Strategy, name: str | None = None) -> StrategyHandle:
        """Run a strategy and give its handle; the one that already runs is left as it is, and shown."""
        announced(run(self._session, self._strategies.start(strategy, name), "start"))
        return StrategyHandle(self, name or type(strategy).__name__)

    def stop(self, strategy: str | StrategyHandle | None = None) -> Receipt:
        """Stop one strategy, or all: entries are cancelled, positions and their stops stay."""
        if strategy is None:
            return announced(run(self._session, self._strategies.stop_all(), "stop"))
        chosen = strategy if isinstance(strategy, str) else strategy.id
        return announced(run(self._session, self._strategies.stop(chosen), "stop"))

    def tune(self, strategy: str | StrategyHandle, **changes: Any) -> Receipt:
        """Change parameters of a running strategy; ConfigError names the permitted range."""
        chosen = strategy if isinstance(strategy, str) else strategy.id
        return announced(run(self._session, self._strategies.tune(chosen, changes), "tune"))

    def swap(self, strategy: str | StrategyHandle, cls: type[Strategy]) -> Receipt:
        """Replace the code of a running strategy at the end of its bar; positions are kept."""
        chosen = strategy if isinstance(strategy, str) else strategy.id
        return announced(run(self._session, self._strategies.swap(chosen, cls), "swap"))

    def replay(
        self,
        since: When = None,
        *,
        until: When = None,
        params: Mapping[str, Any] | None = None,
        risk: Mapping[str, Any] | None = None,
        models: Models | None = None,
    ) -> TwinReport:
        """This session run again from its tape, beside what happened; ``params`` and ``risk``: what if?
        See ``cd.replay_session``. The desk goes on meanwhile."""
        from contractdesk.console.replaying import replay_session

        if self._session.alive:  # what is still on its way to the disk is part of the session
            run(self._session, self._session.host.recorder.durable(), "replay")
        return replay_session(self.folder, since=since, until=until, params=params, risk=risk, models=models)

    def close(self, leave: str = "protected") -> Receipt:
        """End the desk: entries are cancelled; positions stay under their stops ("protected") or are
        closed ("flatten"). The sockets, the thread, the files and the account's lock are released."""
        if leave not in ("protected", "flatten"):
            raise UserError(f'leave={leave!r} must be "protected" or "flatten"')
        if self._session.closed:
            return announced(Receipt(verb="close", done=True, summary="the desk was already closed"))
        before = self.snapshot
        work = self._session.wind_down(flatten=leave == "flatten")
        done = run(self._session, work, "close", CLOSE_WITHIN_S + 5)
        if not done and leave == "flatten":
            say("close: positions could not be closed in time; the desk stays open. Try flatten() again.")
            return Receipt(verb="close", done=False, summary="still open", said_in=cell())
        receipt = self._verbs.closing_receipt(before, done=done)
        self.note_result(ended=True)
        try:
            self._session.release()
        finally:  # closed it is; told here, on the cell's thread: papermill keeps what a cell itself sends
            self._reactive.end()
            self._let_go()
        return announced(receipt)

    # -- tables ----------------------------------------------------------------------------

    @property
    def positions(self) -> Table:
        """Size in contracts, + long; amounts in the settle currency."""
        return views.positions(self.snapshot, self._tz)

    @property
    def orders(self) -> Table:
        """Open orders first, then the last closed ones."""
        return views.orders(self.snapshot, self._tz)

    @property
    def fills(self) -> Table:
        """Our executions, oldest first."""
        return views.fills(self._session.host.records, self._tz)

    @property
    def refusals(self) -> Table:
        """What the gate refused: rule, found, limit, what would pass."""
        return views.refusals(self.snapshot, self._tz)

    @property
    def strategies(self) -> Table:
        return views.strategies(self.snapshot, self._tz)

    @property
    def funding(self) -> views.Funding:
        """``.ledger`` (accrued, predicted, next), ``.payments`` (ours), ``.rates`` (public settlements)."""
        return views.Funding(self._session.host.records, self.snapshot, self._tz)

    @property
    def pnl(self) -> views.Pnl:
        """Realized PnL, fees and funding; ``.by("strategy", "symbol", "day")``, ``.df(by=[...])``."""
        return views.Pnl(self._session.host.records, self.snapshot)

    @property
    def risk(self) -> RiskTable:
        """Each rule's measured value now; ``.settings`` and ``.tune(size_cap="0.02")``."""
        return RiskTable(self._session, self._verbs, self._inquiries, self.snapshot)

    @property
    def changes(self) -> Table:
        """Every change ever made to parameters and limits: when, who, what, from, to; oldest first."""
        return self.tuning.table(self._tz)

    # -- looking ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._session.name

    @property
    def label(self) -> str:
        """EMBEDDED, PAPER, TESTNET or LIVE."""
        return self._session.profile.label

    @property
    def display_tz(self) -> str:
        """The time zone that tables and panels show times in; the settings file says which."""
        return self._tz

    @property
    def profile(self) -> Profile:
        """Venue, account, mode and options that it was opened with."""
        return self._session.profile

    @property
    def snapshot(self) -> DeskSnapshot:
        """The current frozen picture, replaced ten times a second; never blocks."""
        return self._session.snapshot

    @property
    def is_open(self) -> bool:
        return self._session.alive

    @property
    def symbols(self) -> list[str]:
        """Unified symbols that the venue lists."""
        return list(self._session.host.venue.instruments)

    @property
    def folder(self) -> Path:
        """Where the desk keeps its journal, tape and log, and the embedded exchange its own."""
        return self._session.paths.home

    @property
    def journal_path(self) -> Path:
        """SQLite: every event but the market's, and every command, written before it was sent."""
        return self._session.paths.journal

    @property
    def tape_path(self) -> Path:
        """The folder of rotating market recordings."""
        return self._session.paths.tape

    @property
    def log_path(self) -> Path:
        """JSON lines in ECS; rotated."""
        return self._session.paths.log

    def reset_metrics(self) -> None:
        """Measure lag and latencies from now on."""
        self._session.metrics.reset()

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Loop lag, order latency (signal to answer), round trip (sent to answer), time of one event; ms."""
        metrics = self._session.metrics
        return {
            "loop_lag": metrics.loop_lag.summary,
            "order_latency": metrics.order_latency.summary,
            "round_trip": metrics.round_trip.summary,
            "step": metrics.step.summary,
        }

    def book(self, symbol: str) -> BookView:
        """A live view of the order book; ``UnknownSymbol`` with near matches.

        The first look at a symbol that nobody watches waits, bounded, for its first picture.
        """
        if self.is_open and not self._session.thread.current:
            symbol = run(self._session, self._inquiries.look(symbol), "book")
        instrument = self._session.host.venue.resolve(symbol)
        return BookView(instrument, lambda: self.snapshot, lambda: self.is_open)

    def __getitem__(self, symbol: str) -> BookView:
        return self.book(symbol)

    def _ipython_key_completions_(self) -> list[str]:
        return self.symbols

    def wait_for(self, predicate: Callable[[DeskSnapshot], bool], timeout: float = 30.0) -> DeskSnapshot:
        """Wait until ``predicate(snapshot)`` holds; ``TimeoutError`` after ``timeout`` seconds."""
        try:
            found = self._session.host.board.wait_for(predicate, timeout)
        except KeyboardInterrupt:
            say("interrupted: only this cell waits no more; the desk and its strategies go on")
            raise
        if found is None:
            raise TimeoutError(f"not true within {timeout:g} s; {repr(self).partition(chr(10))[0]}")
        return found

    def observe(self, function: Observer, name: str = "snapshot") -> Observation:
        """Call ``function(value)`` when a part of the snapshot has changed, at most four times a second.

        ``name``: "state", "equity", "upnl", "margin", "protection", "positions", "orders", "fills",
        "refusals", "strategies", "notices", "risk", "book" ({symbol: its book}), or any field of the
        snapshot; UserError lists them. The values are frozen, and the function may keep them. It has a
        thread of its own and may call verbs; while it is busy only the latest value waits for it. One
        that raises is called no more, which the log says. ``close()`` of the result, or the end of its
        ``with``, ends it.
        """
        return self._reactive.observe(function, name)

    @property
    def state(self) -> DeskState:
        """Equity, margin, protection and more as traits, to be linked to your own widgets."""
        return self._reactive.state

    # -- faces -----------------------------------------------------------------------------

    def __repr__(self) -> str:
        from contractdesk.panels.render import text_of  # shares the widgets' words

        return text_of(self.snapshot, name=self.name, label=self._badge, tz=self._tz)

    def _repr_html_(self) -> str:
        from contractdesk.panels.render import html_of  # shares the widgets' words

        return html_of(self.snapshot, name=self.name, label=self._badge, tz=self._tz)

    @property
    def _badge(self) -> str:
        return self.label if self.is_open else f"{self.label} CLOSED"

    def exit(self) -> None:
        """End within 1.5 s, silently: entries cancelled, stops kept. The interpreter's end calls it."""
        if self.is_open:
            self._session.exit()
            self.note_result(ended=True)

    def note_result(self, *, ended: bool) -> None:
        """Say how it stands in the result file of a headless run; nothing happens in any other."""
        warmups = tuple(line for lines in self._strategies.warmups.values() for line in lines)
        trips = self._session.host.records.trips
        write_result(result_of(self, ended=ended, trips=trips, warmups=warmups))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_open:
            self.close()
