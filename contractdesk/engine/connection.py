"""The account's terms and the health of the connection: what entries depend on."""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.domain.account import MarginMode, PositionMode
from contractdesk.domain.commands import Severity
from contractdesk.domain.events import (
    ClockMeasured,
    InstrumentListed,
    LeverageChanged,
    LoopLagged,
    MarginCalled,
    ModesRead,
    StreamLost,
    StreamName,
    StreamRestored,
    VenueSilenced,
)
from contractdesk.domain.instrument import Instrument, Rounding
from contractdesk.domain.lease_events import LeaseBegun, LeaseEvent, LeaseLost
from contractdesk.domain.position import Position
from contractdesk.engine.core import SOON_NS, Core
from contractdesk.engine.coverage import renewed
from contractdesk.engine.state import NS_PER_S, Market

TermsReport = InstrumentListed | ModesRead | LeverageChanged | MarginCalled
HealthReport = ClockMeasured | VenueSilenced | LoopLagged | LeaseEvent


class Connection:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._desk = core.desk

    def on_terms(self, event: TermsReport) -> None:
        match event:
            case InstrumentListed():
                self._on_listed(event.instrument)
            case ModesRead():
                self._on_modes(event)
            case LeverageChanged():
                self._on_leverage(event)
            case MarginCalled():
                symbols = ", ".join(event.symbols)
                self._core.notify(Severity.ALARM, "margin_call", f"the venue calls for margin: {symbols}")

    def on_health(self, event: HealthReport) -> None:
        match event:
            case ClockMeasured():
                self._on_clock(event)
            case VenueSilenced():
                self._desk.silent_until_ns = max(self._desk.silent_until_ns, event.until_ns)
                text = f"the venue demands silence (HTTP {event.status})"
                self._core.notify(Severity.WARNING, "venue_silenced", text)
            case LoopLagged():
                self._desk.loop_lag_ms, self._desk.lagged_ns = event.lag_ms, event.ts_ns
            case LeaseLost():
                self._on_lease_lost(event.reason)
            case LeaseBegun():
                self._desk.config = replace(self._desk.config, epoch=event.epoch, taken_ns=event.ts_ns)
                text = f"the account is this desk's again; meanwhile: {event.done}"
                self._core.notify(Severity.ALARM, "lease_regained", text)

    def _on_lease_lost(self, reason: str) -> None:
        """As at a start: what stands at the venue now, its next whole picture will show."""
        self._desk.started = self._desk.private_stream_ready = False
        self._core.notify(Severity.ALARM, "lease_lost", f"this desk sends nothing: {reason}")

    def on_stream(self, event: StreamLost | StreamRestored) -> None:
        """No entry until the private stream is back and everything has been compared.

        The public ones speak through SymbolNotReady and SymbolReady.
        """
        if event.stream is not StreamName.PRIVATE:
            return
        if isinstance(event, StreamRestored):
            self._desk.stream_up = True
            self._compare_anew()
        else:
            self._desk.stream_up = self._desk.private_stream_ready = False
            self._core.notify(Severity.WARNING, "private_stream_lost", f"entries wait: {event.reason}")

    def on_sleep(self, slept_ns: int) -> None:
        """The host was suspended: see first, then judge.

        What was uncovered then may be covered or gone by now; its time begins again.
        """
        desk = self._desk
        desk.private_stream_ready = False
        for market in desk.symbols.values():
            market.guard.uncovered = renewed(market.guard.uncovered, desk.now_ns)
        text = f"nothing was heard for {slept_ns / NS_PER_S:.0f} s: entries wait for a reconciliation"
        self._core.notify(Severity.WARNING, "time_gap", text)
        self._compare_anew()

    def _compare_anew(self) -> None:
        """Only a picture that is asked for from now on makes the stream count again."""
        desk = self._desk
        desk.restored_ns = desk.now_ns
        if desk.started:
            desk.state_read = None
            self._core.reconcile_within(0)

    def _on_listed(self, instrument: Instrument) -> None:
        """New terms; a book in other ticks or lots is not to be used."""
        market = self._core.market(instrument.symbol)
        if market is None:
            position = Position(symbol=instrument.symbol)
            self._desk.symbols[instrument.symbol] = Market(instrument=instrument, position=position)
            if self._shown(instrument.symbol):  # opened elsewhere, in what nobody here has named before
                desk = self._desk
                desk.fills_known_ns = min(desk.fills_known_ns, desk.last_fill_ns)  # its are not read
                self._core.reconcile_within(SOON_NS)
            return
        before, market.instrument = market.instrument, instrument
        if (before.tick_size, before.lot_size) != (instrument.tick_size, instrument.lot_size):
            market.book.invalidate()
            self._onto_the_grid(market)

    def _onto_the_grid(self, market: Market) -> None:
        """What the position is to be stopped at lies on the new tick, and never further away than before."""
        guard, terms, long = market.guard, market.instrument, market.position.size > 0
        if guard.stop_price is not None:
            guard.stop_price = terms.round_price(guard.stop_price, Rounding.UP if long else Rounding.DOWN)
        if guard.take_profit is not None:
            guard.take_profit = terms.round_price(guard.take_profit, Rounding.DOWN if long else Rounding.UP)
        self._core.touch(terms.symbol)

    def _shown(self, symbol: str) -> bool:
        """The account that was read last has a position in it."""
        account = self._desk.account
        return account is not None and any(row.symbol == symbol and row.size for row in account.positions)

    def _on_modes(self, event: ModesRead) -> None:
        for symbol, leverage in event.leverages.items():
            market = self._core.market(symbol)
            if market is not None and leverage > 0:
                market.leverage = leverage
        for symbol, mode in event.margin_modes.items():
            market = self._core.market(symbol)
            if market is not None:
                self._on_margin_mode(market, mode)
        self._desk.hedged = event.position_mode is PositionMode.HEDGE
        if self._desk.hedged:
            self._core.halt("the account is in hedge mode, which this desk does not trade")

    def _on_margin_mode(self, market: Market, mode: MarginMode) -> None:
        before, market.margin_mode = market.margin_mode, mode
        if mode is MarginMode.ISOLATED and before is not mode and market.position.size:
            text = "isolated margin: liquidation may come before the stop, and entries are refused"
            self._core.notify(Severity.WARNING, "isolated_margin", text, market.instrument.symbol)

    def _on_leverage(self, event: LeverageChanged) -> None:
        market = self._core.market(event.symbol)
        if market is None or event.leverage <= 0:
            return
        market.leverage = event.leverage
        self._core.notify(Severity.INFO, "leverage_changed", f"leverage is {event.leverage}", event.symbol)

    def _on_clock(self, event: ClockMeasured) -> None:
        limit = self._desk.risk.max_clock_offset_ms
        was_off = abs(self._desk.clock_offset_ms) > limit
        self._desk.clock_offset_ms = event.offset_ms
        if abs(event.offset_ms) > limit and not was_off:
            text = f"the venue's clock is {event.offset_ms:+.0f} ms off ours: entries are refused"
            self._core.notify(Severity.ALARM, "clock_offset", text)
