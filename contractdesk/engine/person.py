"""What a person asks of the desk: halting, resuming, flattening, tuning, orders by hand."""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.domain.commands import Severity
from contractdesk.domain.events import (
    BreakerReset,
    CancelAsked,
    ClosingAsked,
    FlattenAsked,
    HaltAsked,
    IntentAsked,
    ResumeAsked,
    RiskTuned,
    StrategyStarted,
    StrategyStopped,
    StrategySwapped,
    StrategyTuned,
)
from contractdesk.domain.intents import AtrStop, Intent, IntentKind
from contractdesk.domain.orders import OrderRole
from contractdesk.domain.position import Trail
from contractdesk.domain.views import TradingState
from contractdesk.engine.breaking import Breaking
from contractdesk.engine.core import Core, Wished
from contractdesk.engine.flattening import Flattening
from contractdesk.engine.intents import Intents
from contractdesk.engine.market_feed import BY_HAND_TIMEFRAME, BY_HAND_WARMUP, MarketFeed
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.state import Market
from contractdesk.engine.strategies import Host
from contractdesk.errors import ConfigError
from contractdesk.risk.breaker import RESET
from contractdesk.risk.gate import RiskGate
from contractdesk.risk.settings import RiskSettings, told, tuned
from contractdesk.risk.trailing import TrailingStop

PersonRequest = (
    IntentAsked | CancelAsked | FlattenAsked | HaltAsked | ResumeAsked | BreakerReset | StrategyStarted
    | StrategyStopped | StrategyTuned | StrategySwapped | RiskTuned | ClosingAsked
)  # fmt: skip


def followed(intent: Intent, market: Market, risk: RiskSettings) -> str:
    """The timeframe of the bars by which the stop of a wish by hand will follow; "" = it stays put."""
    by = intent.trail_by if isinstance(intent.trail_by, AtrStop) else None  # others are refused
    named = by or (intent.stop if isinstance(intent.stop, AtrStop) else None)
    on, trail = intent.trail, Trail(by=named, timeframe=BY_HAND_TIMEFRAME)
    if intent.kind is not IntentKind.ENTER and market.position.size:
        trail = replace(market.trail, by=by or market.trail.by)  # it follows as it did, but by other terms
    elif on is None:
        on = named is not None
    return TrailingStop.of(risk, trail).timeframe if on else ""


class Person:
    def __init__(
        self,
        core: Core,
        orders: OrderTracker,
        flattening: Flattening,
        intents: Intents,
        host: Host,
        feed: MarketFeed,
        breaking: Breaking,
    ) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self._flattening = flattening
        self._intents = intents
        self._host = host
        self._feed = feed
        self._breaking = breaking

    def ask(self, event: PersonRequest) -> None:  # noqa: C901  (a flat dispatch, a case each)
        match event:
            case IntentAsked():
                self._wish(event)
            case CancelAsked():
                self._cancel(event)
            case FlattenAsked():
                self._flatten(event.symbol, f"flatten asked by {event.who}", lasting=True)
            case HaltAsked():
                self._halt(event)
            case ResumeAsked():
                self._resume(event)
            case BreakerReset():
                self._breaking.reset(event)
            case StrategyStarted():
                self._start(event)
            case StrategyStopped():
                self._host.stop(event)
            case StrategyTuned():
                self._host.tune(event)
            case StrategySwapped():
                self._host.swap(event)
            case RiskTuned():
                self._tune_risk(event)
            case ClosingAsked():
                self._close(event)

    # -- orders ----------------------------------------------------------------------------

    def _wish(self, event: IntentAsked) -> None:
        symbol = event.intent.symbol
        market = self._core.market(symbol)
        if market is not None:
            self._watch_for(event.intent, market)
        self._core.wishes.append(
            Wished(event.intent, "", f"by hand ({event.who})", event.ts_ns, BY_HAND_TIMEFRAME)
        )

    def _watch_for(self, intent: Intent, market: Market) -> None:
        """What is traded by hand is watched, and the bars by which its stop will follow as well."""
        desk, timeframe = self._desk, followed(intent, market, self._desk.risk)
        if timeframe not in (*desk.config.native_timeframes, desk.risk.trail_timeframe):
            timeframe = ""  # others are made for strategies only
        if not market.watched:
            timeframe = timeframe or BY_HAND_TIMEFRAME
        if timeframe and timeframe not in market.watched:
            self._watch(intent.symbol, timeframe, BY_HAND_WARMUP)

    def _cancel(self, event: CancelAsked) -> None:
        tracked = self._orders.find(event.client_id)
        if tracked is None or not tracked.order.status.open:
            self._say(Severity.WARNING, "not_cancelled", f"{event.client_id} is no open order of this desk")
        elif tracked.role is OrderRole.STOP:
            text = f"{event.client_id} is a protective stop: move_stop(), or close the position"
            self._say(Severity.WARNING, "not_cancelled", text)
        else:
            if tracked.role is OrderRole.TAKE_PROFIT:
                self._desk.symbols[tracked.order.request.symbol].guard.take_profit = None
            self._orders.cancel_by_hand(tracked)

    # -- trading state ---------------------------------------------------------------------

    def _halt(self, event: HaltAsked) -> None:
        reason = event.reason or f"halt asked by {event.who}"
        self._core.enter_state(TradingState.HALTED, reason)
        self._cancel_all_entries()
        severity = Severity.ALARM if event.who == "venue" else Severity.WARNING
        self._say(severity, "halted", f"halted: {reason}; stops are kept")

    def _resume(self, event: ResumeAsked) -> None:
        desk = self._desk
        if not desk.started:
            self._say(Severity.WARNING, "not_resumed", "the desk is still starting")
        elif desk.breaker.reason:
            text = f"the breaker has tripped ({desk.breaker.reason}): {RESET}"
            self._say(Severity.WARNING, "not_resumed", text)
        elif desk.hedged:
            self._say(Severity.WARNING, "not_resumed", "the account is in hedge mode: set one-way mode first")
        else:
            self._core.enter_state(TradingState.ACTIVE, "")
            self._say(Severity.INFO, "resumed", f"resumed by {event.who}")

    def _flatten(self, symbol: str | None, reason: str, *, lasting: bool) -> None:
        """Entries are cancelled, positions closed; more entries only after ``resume()``.

        ``lasting``: a desk that is closed and opened again waits for it, too.
        """
        if symbol is not None and symbol not in self._desk.symbols:
            self._say(Severity.WARNING, "unknown_symbol", f"{symbol} is not on this desk")
            return
        if lasting:
            self._desk.reduced = reason
        self._reduce(reason)
        for name, market in self._desk.symbols.items():
            if symbol in (None, name):
                self._cancel_entries(market)
                self._flattening.begin(market, reason)

    def _close(self, event: ClosingAsked) -> None:
        reason = f"closing, asked by {event.who}"
        if event.flatten:
            self._flatten(None, reason, lasting=False)
            return
        self._reduce(reason)
        self._cancel_all_entries()

    def _reduce(self, reason: str) -> None:
        """REDUCING until ``resume()``; a desk that the breaker has halted waits for that, too."""
        if self._desk.state is TradingState.HALTED:
            self._desk.breaker.resume_too = True
        else:
            self._core.enter_state(TradingState.REDUCING, reason)

    def _cancel_all_entries(self) -> None:
        for market in self._desk.symbols.values():
            self._cancel_entries(market)

    def _cancel_entries(self, market: Market) -> None:
        """However often it has failed; and whatever else was to go is tried again as well."""
        for tracked in self._desk.tracked(market):
            if tracked.cancelling:
                self._orders.cancel_by_hand(tracked)
        self._orders.cancel_entries(market)

    # -- strategies and settings -----------------------------------------------------------

    def _start(self, event: StrategyStarted) -> None:
        hosted = self._host.start(event)
        if hosted is None:
            return
        for symbol in hosted.symbols:
            if self._watch(symbol, hosted.timeframe, hosted.warmup):
                hosted.warming += (symbol,)
        self._host.on_start(hosted.strategy_id)

    def _tune_risk(self, event: RiskTuned) -> None:
        before = self._desk.risk
        try:
            self._desk.risk = tuned(before, event.settings)
        except ConfigError as exc:
            self._say(Severity.WARNING, "tuning_refused", str(exc))
            return
        self._intents.gate = RiskGate(self._desk.risk)
        if self._desk.risk.trail_timeframe:
            for symbol, market in self._desk.symbols.items():
                if market.watched:
                    self._watch(symbol, self._desk.risk.trail_timeframe, BY_HAND_WARMUP)
        text = f"{event.who} set {told(before, self._desk.risk, event.settings)}"
        self._say(Severity.INFO, "risk_tuned", text)

    def _watch(self, symbol: str, timeframe: str, warmup: int) -> bool:
        """With the bars that stops follow by, where the settings name them; see ``MarketFeed.watch``."""
        frames = dict.fromkeys((timeframe, self._desk.risk.trail_timeframe or timeframe))
        return self._feed.watch(symbol, tuple(frames), warmup)

    def _say(self, severity: Severity, code: str, message: str) -> None:
        self._core.notify(severity, code, message)
