"""Measuring the account's profit after each valid mark and booking, and halting when the breaker trips.

P is over all contracts that settle in the account's asset, those that are not ours included: the
venue's margin balance falls with them, and so does what our own positions are liquidated from. Ours
count with all that was booked, unrealized at the last valid mark (at cost where there has never been
one); those of others count from mark to mark since they were first seen, because what they were
bought at is before this desk's time: neither opening a desk on an old loss nor a late read of the
account may look like a crash. Transfers change E and never P.
"""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.commands import Severity
from contractdesk.domain.events import BreakerReset
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.views import TradingState
from contractdesk.engine.core import Core
from contractdesk.engine.flattening import Flattening
from contractdesk.engine.ledger import unrealized
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.state import DAY_NS, NS_PER_S, DayOpen, Market
from contractdesk.risk.breaker import RESET, drawdown_words
from contractdesk.risk.settings import OnTrip

TRIPPED = "breaker_tripped"  # code of the notice
_TOLD, _THEN = "the breaker has tripped: ", "; entries are cancelled"  # around the reason in it


class Breaking:
    def __init__(self, core: Core, orders: OrderTracker, flattening: Flattening) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self._flattening = flattening

    def measure(self) -> None:
        """Take a sample where something has moved, and trip; before anything else is decided by it."""
        desk = self._desk
        if not self._core.measuring:
            return
        self._core.measuring = False
        if not desk.started or desk.account is None:
            return  # E is not known yet
        equity = desk.wallet_balance + unrealized(desk, _trusted)
        window_ns = int(desk.risk.breaker_window_s * NS_PER_S)
        profit, day = self._profit(), desk.now_ns // DAY_NS
        if equity > 0 and (desk.day_open is None or desk.day_open.day != day):
            desk.day_open = DayOpen(day, profit, equity)
        tripping = desk.breaker.take(desk.now_ns, profit, equity, desk.risk.breaker_drop, window_ns)
        if tripping and not desk.breaker.reason:
            self._trip(drawdown_words(desk.breaker.drawdown(desk.now_ns), desk.risk.breaker_window_s))

    def recall(self, told: str) -> None:
        """It has tripped, by a notice on record, though what it was measured by is lost."""
        if not self._desk.breaker.reason:
            self._trip(told.removeprefix(_TOLD).partition(_THEN)[0])

    def reset(self, event: BreakerReset) -> None:
        """Unlatch; ACTIVE again, unless somebody has to resume it for another reason, too."""
        desk, breaker = self._desk, self._desk.breaker
        if not breaker.reason:
            self._core.notify(Severity.INFO, "not_reset", "the breaker has not tripped")
            return
        if not event.reason.strip():
            self._core.notify(Severity.WARNING, "not_reset", "the breaker is reset with a reason only")
            return
        told = desk.state_reason == _state_reason(breaker.reason)
        alone = told and not breaker.resume_too
        breaker.reset()
        if alone and desk.started and not desk.hedged:
            self._core.enter_state(TradingState.ACTIVE, "")
        elif alone:
            desk.state_reason = "the breaker is reset; resume() once the desk has started"
        elif told:
            desk.state_reason = "the breaker is reset; resume() ends what else stopped the desk"
        text = f"{event.who} reset the breaker: {event.reason}; the desk is {desk.state.value}"
        self._core.notify(Severity.WARNING, "breaker_reset", text)

    def _profit(self) -> Decimal:
        desk = self._desk
        ours = (item for item in desk.symbols.values() if item.instrument.settle == desk.config.asset)
        return sum((profit_of(market, market.trusted.price) for market in ours), ZERO)

    def _trip(self, reason: str) -> None:
        """HALTED at once: entries go, stops stay, and it is latched."""
        desk, breaker = self._desk, self._desk.breaker
        breaker.reason = reason
        breaker.resume_too = desk.state is not TradingState.ACTIVE
        self._core.enter_state(TradingState.HALTED, _state_reason(breaker.reason))
        flatten = desk.risk.on_trip is OnTrip.FLATTEN
        for market in desk.symbols.values():
            self._orders.cancel_entries(market)
            if flatten:
                self._flattening.begin(market, "the breaker has tripped")
        then = "positions are closed" if flatten else "stops are kept"
        self._core.notify(Severity.ALARM, TRIPPED, f"{_TOLD}{reason}{_THEN}, {then}; {RESET}")


def _state_reason(reason: str) -> str:
    return f"breaker: {reason}; {RESET}"


def _trusted(market: Market) -> Decimal | None:
    return market.trusted.price


def profit_of(market: Market, mark: Decimal | None) -> Decimal:
    """What a symbol has made up to ``mark``; None: only what is booked."""
    position = market.position
    if mark is None:
        return position.net_pnl
    own = position.net_pnl + position.unrealized_pnl(market.instrument, mark)
    return own + market.carried.profit(market.instrument, market.external_size, mark)
