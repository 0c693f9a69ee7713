"""Hosting strategies: they are built from their source's hash, called under guard, and only wish.

One that raises, returns something else than intents, or wishes too fast is disabled: its resting
entries are cancelled, its positions stay protected. One strategy a symbol.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from contractdesk.domain.commands import Severity
from contractdesk.domain.events import (
    FundingPaid,
    FundingSettled,
    LiquidationPrinted,
    StrategyStarted,
    StrategyStopped,
    StrategySwapped,
    StrategyTuned,
    TradePrinted,
)
from contractdesk.domain.intents import Intent, Refused
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import OrderRole
from contractdesk.engine.core import Booking, Core, Telling, Wished
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.state import NS_PER_S, Hosted, HostStatus, Tracked
from contractdesk.errors import CallbackOverrun, UserError
from contractdesk.strategy.bars import BarSeries
from contractdesk.strategy.base import CALLBACKS, BarView, Context, Strategy, Wish

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")  # differs from run to run, and commands must not


class Host:
    def __init__(self, core: Core, orders: OrderTracker, classes: Mapping[str, type[Strategy]]) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self._classes = classes
        self._live: dict[str, Strategy] = {}
        for hosted in self._desk.strategies.values():
            if hosted.status is HostStatus.RUNNING:
                self._revive(hosted)
        self._index()

    # -- the person ------------------------------------------------------------------------

    def start(self, event: StrategyStarted) -> Hosted | None:
        """Build and host a strategy; None, with a notice, where that cannot be."""
        objection = self._objection(event)
        if objection:
            self._warn("strategy_refused", f"{event.strategy_id}: {objection}")
            return None
        hosted = Hosted(
            strategy_id=event.strategy_id,
            class_name=event.class_name,
            source_hash=event.source_hash,
            params=event.params,
            symbols=event.symbols,
            timeframe=event.timeframe,
        )
        strategy = self._build(hosted, event.source_hash, event.params)
        if strategy is None:
            return None
        hosted.params, hosted.memory = strategy.params, strategy.state
        self._desk.strategies[event.strategy_id] = hosted
        self._live[event.strategy_id] = strategy
        self._index()
        return hosted

    def on_start(self, strategy_id: str) -> None:
        self._call(strategy_id, "on_start", lambda: "start", self._desk.now_ns)

    def stop(self, event: StrategyStopped) -> None:
        hosted = self._desk.strategies.get(event.strategy_id)
        if hosted is None or hosted.status is not HostStatus.RUNNING:
            self._warn("strategy_unknown", f"{event.strategy_id} does not run")
            return
        self._call(event.strategy_id, "on_end", lambda: "stop", event.ts_ns)
        if hosted.status is HostStatus.RUNNING:
            hosted.status = HostStatus.STOPPED
        self._retire(hosted)

    def tune(self, event: StrategyTuned) -> None:
        """Take the changed parameters from the next event on, or refuse them all."""
        strategy, hosted = self._live.get(event.strategy_id), self._desk.strategies.get(event.strategy_id)
        if strategy is None or hosted is None:
            self._warn("strategy_unknown", f"{event.strategy_id} does not run")
            return
        try:
            tuned = strategy.with_params(**event.params)
        except UserError as exc:
            self._warn("tuning_refused", f"{event.strategy_id}: {exc}")
            return
        self._live[event.strategy_id], hosted.params = tuned, tuned.params
        self._core.notify(Severity.INFO, "tuned", f"{event.strategy_id}: {_shown(event.params)}")

    def swap(self, event: StrategySwapped) -> None:
        """Take new code at the end of the bar that is open now."""
        hosted = self._desk.strategies.get(event.strategy_id)
        if hosted is None or hosted.status is not HostStatus.RUNNING:
            self._warn("strategy_unknown", f"{event.strategy_id} does not run")
        else:
            hosted.swap_class, hosted.swap_hash = event.class_name, event.source_hash

    # -- the market ------------------------------------------------------------------------

    def on_bar(self, symbol: str, timeframe: str, bar: Bar, figures: Sequence[float] = ()) -> None:
        strategy_id = self._by_symbol.get(symbol)
        hosted = self._desk.strategies.get(strategy_id) if strategy_id else None
        if strategy_id is None or hosted is None or hosted.timeframe != timeframe:
            return
        if symbol in hosted.warming:
            return  # it is history to a strategy that has not had its warm-up
        if hosted.swap_hash:
            self._swap(hosted)
        view = BarView.of(symbol, timeframe, bar, figures)
        signal = partial(_bar_signal, symbol, timeframe, bar)
        self._call(strategy_id, "on_bar", signal, self._desk.now_ns, view)

    def on_warm(self, symbol: str, told: tuple[str, ...] | None) -> None:
        """The history of these timeframes (None: of all) has come: their bars are told from now on."""
        hosted = self._desk.strategies.get(self._by_symbol.get(symbol, ""))
        if hosted is None or (told is not None and hosted.timeframe not in told):
            return
        if symbol in hosted.warming:
            hosted.warming = tuple(each for each in hosted.warming if each != symbol)

    def on_trade(self, trade: TradePrinted) -> None:
        self._call_for(trade.symbol, "on_trade", partial(_trade_signal, trade), trade)

    def hear(self, telling: Telling) -> bool:
        """``on_trade`` of trades of one symbol, up to the first that has a consequence; True for a wish.

        A callback that wishes nothing and has not looked at the market has left everything as it was: then
        the next one finds what it would have found, had they been told one by one.
        """
        trades, desk = telling.trades, self._desk
        strategy_id = self._by_symbol.get(trades[0].symbol)
        strategy = self._live.get(strategy_id) if strategy_id else None
        if strategy_id is None or strategy is None or "on_trade" not in self._subscribed[strategy_id]:
            return False
        hosted, context, on_trade = (
            desk.strategies[strategy_id],
            self._contexts[strategy_id],
            strategy.on_trade,
        )
        wish: object = None
        try:
            for trade in telling.left:
                desk.now_ns = trade.ts_ns
                wish = on_trade(trade, context)
                if wish is not None:
                    break
        except (Exception, SystemExit) as exc:  # the supervisor of foreign code: whatever it raises
            self._raised(hosted, "on_trade", exc)
            return True
        hosted.memory = strategy.state
        if wish is None:
            return False
        self._take_wish(hosted, "on_trade", wish, partial(_trade_signal, trade), desk.now_ns)
        return True

    def on_book(self, symbol: str) -> None:
        self._call_for(symbol, "on_book", lambda: f"book of {symbol}", symbol)

    def on_liquidation(self, event: LiquidationPrinted) -> None:
        self._call_for(
            event.symbol, "on_liquidation", lambda: f"liquidation of {event.size} at {event.price}", event
        )

    def on_funding(self, symbol: str, event: FundingSettled | FundingPaid) -> None:
        self._call_for(symbol, "on_funding", lambda: f"funding of {symbol}", event)

    # -- its own orders --------------------------------------------------------------------

    def on_order(self, tracked: Tracked) -> None:
        order = tracked.order
        words = partial("order {} is {}".format, tracked.id, order.status.value)
        self._call(order.request.strategy_id, "on_order", words, self._desk.now_ns, order)

    def on_booking(self, booking: Booking) -> None:
        fill = booking.fill
        words = partial("fill {} of {:+} at {}".format, fill.trade_id, fill.signed_size, fill.price)
        self._call(fill.strategy_id, "on_fill", words, self._desk.now_ns, fill)
        position = self._desk.symbols[fill.symbol].position
        self._call_for(fill.symbol, "on_position", lambda: f"position of {position.size:+}", position)

    def on_refused(self, refused: Refused) -> None:
        words = partial("refusal of intent {}".format, refused.intent_id)
        self._call(refused.strategy_id, "on_risk", words, self._desk.now_ns, refused)

    # -- calling ---------------------------------------------------------------------------

    def _call_for(self, symbol: str, callback: str, signal: Callable[[], str], *args: object) -> None:
        """Call the strategy that has this symbol, if there is one."""
        strategy_id = self._by_symbol.get(symbol)
        if strategy_id is not None:
            self._call(strategy_id, callback, signal, self._desk.now_ns, *args)

    def _call(
        self, strategy_id: str, callback: str, signal: Callable[[], str], signal_ns: int, *args: object
    ) -> None:
        """Call one callback under guard; its intents join the queue to the gate.

        ``signal`` words the cause: only a wish needs them.
        """
        strategy = self._live.get(strategy_id)
        if strategy is None or callback not in self._subscribed[strategy_id]:
            return
        hosted = self._desk.strategies[strategy_id]
        method: Callable[..., Wish] = getattr(strategy, callback)
        watch, context = self._core.watch, self._contexts[strategy_id]
        wish: object
        try:
            wish = method(*args, context) if watch is None else watch(partial(method, *args, context))
        except (
            Exception,
            SystemExit,
            CallbackOverrun,
        ) as exc:  # the supervisor of foreign code: whatever it raises
            self._raised(hosted, callback, exc)
            return
        hosted.memory = strategy.state
        if wish is not None:
            self._take_wish(hosted, callback, wish, signal, signal_ns)

    def _raised(self, hosted: Hosted, callback: str, exc: BaseException) -> None:
        self._disable(hosted, f"{callback} raised {type(exc).__name__}: {_ADDRESS.sub('0x', str(exc))}")

    def _take_wish(
        self, hosted: Hosted, callback: str, wish: object, signal: Callable[[], str], signal_ns: int
    ) -> None:
        strategy_id = hosted.strategy_id
        intents = _intents(wish)
        if intents is None:
            self._disable(hosted, f"{callback} returned a {type(wish).__name__}, not an intent")
        elif not self._floods(hosted, len(intents)):
            words = f"{callback}: {signal()}"
            for intent in intents:
                self._core.wishes.append(Wished(intent, strategy_id, words, signal_ns, hosted.timeframe))

    def _series_of(self, hosted: Hosted) -> Callable[[str], BarSeries]:
        return lambda symbol: self._desk.symbols[symbol].series[hosted.timeframe]

    def _floods(self, hosted: Hosted, wishes: int) -> bool:
        """Count wishes by the second; one beyond the limit disables the strategy."""
        if self._desk.now_ns >= hosted.second_ns + NS_PER_S:
            hosted.second_ns, hosted.wishes = self._desk.now_ns, 0
        hosted.wishes += wishes
        most = self._desk.risk.max_intents_per_s
        if hosted.wishes <= most:
            return False
        self._disable(hosted, f"it wished {hosted.wishes} times in a second, {most} are permitted")
        return True

    # -- building and retiring -------------------------------------------------------------

    def _objection(self, event: StrategyStarted) -> str:
        known = self._desk.strategies.get(event.strategy_id)
        if known is not None and known.status is HostStatus.RUNNING:
            return f"it already runs with {_shown(known.params)}; use tune()"
        for symbol in event.symbols:
            if symbol not in self._desk.symbols:
                return f"{symbol} is not listed by the venue"
            taken = self._by_symbol.get(symbol)
            if taken is not None:
                return f"{symbol} is already traded by {taken}: one strategy a symbol"
        return ""

    def _build(self, hosted: Hosted, source_hash: str, params: Mapping[str, Any]) -> Strategy | None:
        strategy_class = self._classes.get(source_hash)
        if strategy_class is None:
            self._warn("strategy_refused", f"{hosted.strategy_id}: no source with hash {source_hash}")
            return None
        try:
            build = partial(strategy_class, list(hosted.symbols), timeframe=hosted.timeframe, **params)
            built = build() if self._core.watch is None else self._core.watch(build)
            assert isinstance(built, Strategy)  # noqa: S101  (narrows what a watch carries as object)
            strategy = built
            hosted.warmup = strategy.warmup
        except (
            Exception,
            SystemExit,
            CallbackOverrun,
        ) as exc:  # the supervisor of foreign code: its constructor, too
            text = f"{type(exc).__name__}: {_ADDRESS.sub('0x', str(exc))}"
            self._warn("strategy_refused", f"{hosted.strategy_id}: {text}")
            return None
        return strategy

    def _revive(self, hosted: Hosted) -> None:
        """Build a strategy as it was in a checkpoint."""
        strategy = self._build(hosted, hosted.source_hash, hosted.params)
        if strategy is None:
            hosted.status, hosted.why = HostStatus.DISABLED, "it could not be built again"
        else:
            strategy.state = hosted.memory
            self._live[hosted.strategy_id] = strategy

    def _swap(self, hosted: Hosted) -> None:
        """Put new code in the place of the old; parameters that it still has are kept."""
        class_name, source_hash = hosted.swap_class, hosted.swap_hash
        hosted.swap_class = hosted.swap_hash = ""
        known = self._classes[source_hash].declared() if source_hash in self._classes else {}
        params = {name: value for name, value in hosted.params.items() if name in known}
        strategy = self._build(hosted, source_hash, params)
        if strategy is None:
            return
        strategy.state = hosted.memory
        hosted.class_name, hosted.source_hash, hosted.params = class_name, source_hash, strategy.params
        self._live[hosted.strategy_id] = strategy
        self._index()
        self._core.notify(Severity.INFO, "swapped", f"{hosted.strategy_id} runs {class_name}")

    def _disable(self, hosted: Hosted, why: str) -> None:
        hosted.status, hosted.why = HostStatus.DISABLED, why
        text = f"{hosted.strategy_id} is disabled: {why}; its positions stay protected"
        self._core.notify(Severity.ALARM, "strategy_disabled", text)
        self._retire(hosted)

    def _retire(self, hosted: Hosted) -> None:
        """No more callbacks, and no resting entries."""
        self._live.pop(hosted.strategy_id, None)
        self._index()
        for symbol in hosted.symbols:
            self._core.touch(symbol)  # where nothing else happens: the deadlines are told anew
            for tracked in self._desk.tracked(self._desk.symbols[symbol]):
                if (
                    tracked.role is OrderRole.ENTRY
                    and tracked.order.request.strategy_id == hosted.strategy_id
                ):
                    self._orders.cancel(tracked)

    def _index(self) -> None:
        self._by_symbol = {
            symbol: strategy_id
            for strategy_id in self._live
            for symbol in self._desk.strategies[strategy_id].symbols
        }
        self._subscribed = {
            strategy_id: frozenset(name for name in CALLBACKS if strategy.subscribes(name))
            for strategy_id, strategy in self._live.items()
        }
        self._contexts = {  # they hold nothing of a single callback: one a strategy is enough
            strategy_id: Context(
                self._desk,
                strategy_id,
                self._series_of(self._desk.strategies[strategy_id]),
                self._core.catch_up,
            )
            for strategy_id in self._live
        }
        self.reads_books = any("on_book" in names for names in self._subscribed.values())
        self.reads_trades = any("on_trade" in names for names in self._subscribed.values())

    def _warn(self, code: str, message: str) -> None:
        self._core.notify(Severity.WARNING, code, message)


def _trade_signal(trade: TradePrinted) -> str:
    return f"trade {trade.trade_id} at {trade.price}"


def _bar_signal(symbol: str, timeframe: str, bar: Bar) -> str:
    return f"{timeframe} bar of {symbol} closed at {bar.close}"


def _intents(wish: object) -> Sequence[Intent] | None:
    """The intents a callback returned; None where it returned something else."""
    if wish is None:
        return ()
    if isinstance(wish, Intent):
        return (wish,)
    if isinstance(wish, list | tuple) and all(isinstance(item, Intent) for item in wish):
        return wish
    return None


def _shown(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in params.items()) or "no parameters"
