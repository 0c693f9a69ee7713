"""The Strategy that users subclass, and the Context that its callbacks read.

A strategy only wishes: it returns intents, and the engine and the risk gate decide. It has no clock,
no I/O and no memory but its parameters and ``state``, so that a recorded session runs again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct

from contractdesk.domain.events import (
    FundingPaid,
    FundingSettled,
    LiquidationPrinted,
    TradePrinted,
)
from contractdesk.domain.fills import Fill
from contractdesk.domain.intents import Intent, Refused
from contractdesk.domain.market import Bar, as_floats, timeframe_ns
from contractdesk.domain.orders import Order, OrderRole, Side
from contractdesk.domain.position import Position
from contractdesk.domain.views import DeskView, SymbolView
from contractdesk.errors import ConfigError
from contractdesk.strategy.params import Param, checked, declared, plain

if TYPE_CHECKING:  # numpy: loaded with the first series, not with the first strategy
    from contractdesk.strategy.bars import Bars, BarSeries
    from contractdesk.strategy.indicators import Indicator

__all__ = ["CALLBACKS", "BarView", "Context", "Param", "Strategy", "Wish"]

Wish = None | Intent | Sequence[Intent]
CALLBACKS = (
    "on_start", "on_bar", "on_trade", "on_book", "on_funding", "on_liquidation",
    "on_order", "on_fill", "on_position", "on_risk", "on_end",
)  # fmt: skip


class BarView(Struct, frozen=True, kw_only=True):
    """A closed bar as ``on_bar`` gets it: floats to compare with, and the ``exact`` bar."""

    symbol: str
    timeframe: str
    open_ns: int  # UTC; the bar covers [open_ns, close_ns)
    close_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float  # contracts
    exact: Bar

    @classmethod
    def of(cls, symbol: str, timeframe: str, bar: Bar, figures: Sequence[float] = ()) -> Self:
        """``figures`` are the bar's prices and volume as floats, where somebody has them already."""
        opened, high, low, close, volume = figures or as_floats(bar)
        return cls(
            symbol=symbol,
            timeframe=timeframe,
            open_ns=bar.open_ns,
            close_ns=bar.open_ns + timeframe_ns(timeframe),
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=volume,
            exact=bar,
        )


class Context:
    """What a callback may read: made for one callback, valid only during it."""

    __slots__ = ("_catch_up", "_series", "_view", "strategy_id")

    def __init__(
        self,
        view: DeskView,
        strategy_id: str,
        series: Callable[[str], BarSeries],
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        """``series`` gives the bars of a symbol in the strategy's timeframe.

        ``catch_up`` is called before anybody looks at the market's present state.
        """
        self.strategy_id = strategy_id
        self._view = view
        self._series = series
        self._catch_up = catch_up

    @property
    def view(self) -> DeskView:
        """The whole desk, now."""
        self._catch_up()
        return self._view

    @property
    def now_ns(self) -> int:
        return self._view.now_ns

    def symbol(self, symbol: str) -> SymbolView:
        """Book, mark, funding and position of one symbol; ConfigError where the desk has it not."""
        try:
            return self.view.symbols[symbol]
        except KeyError:
            known = ", ".join(self.view.symbols) or "none"
            raise ConfigError(f"{symbol!r} is not on this desk; it has: {known}") from None

    def bars(self, symbol: str, n: int, before: BarView | None = None) -> Bars:
        """Exactly ``n`` closed bars, oldest first; NaN rows in front where history is shorter.

        ``before`` leaves out that bar and all later ones.
        """
        return self._series(symbol).last(n, before=before.open_ns if before else None)

    def indicator(self, symbol: str, indicator: Indicator, ago: int = 0) -> float:
        """The indicator's value at the last closed bar, or ``ago`` bars earlier; NaN in warm-up."""
        return self._series(symbol).value(indicator, ago)

    def position(self, symbol: str) -> Position:
        """Ours, as it is booked: it does not depend on where the market is."""
        known = self._view.symbols.get(symbol)
        return self.symbol(symbol).position if known is None else known.position

    def entries(self, symbol: str) -> tuple[Order, ...]:
        """This strategy's own entries that may still fill, in-flight and unknown ones included."""
        return tuple(
            order
            for order in self._view.orders(symbol)
            if order.request.role is OrderRole.ENTRY and order.request.strategy_id == self.strategy_id
        )

    def entering(self, symbol: str) -> bool:
        """True while an entry of this strategy waits for its check, is on its way or rests.

        What to ask before wishing one: several bars may close before the first wish has become an order.
        """
        return self._view.waits(symbol, self.strategy_id) or bool(self.entries(symbol))

    def touch(self, symbol: str, side: Side) -> Decimal | None:
        """The price at which a passive order of ``side`` joins the queue; None without a valid book."""
        item = self.symbol(symbol)
        ticks = item.book.best_bid if side is Side.BUY else item.book.best_ask
        return None if ticks is None or not item.book.valid else item.instrument.from_ticks(ticks)


class Strategy:
    """Base of all strategies: subclass it, declare ``Param``s, override callbacks.

    A callback returns None, one intent or a list of them, and never blocks. What a strategy must
    remember beyond its bars it keeps in ``self.state``, a dict of plain JSON values that survives
    a restart, a swap of its code and a change of its parameters.
    """

    def __init__(self, symbols: Sequence[str] | str, timeframe: str = "1m", **params: Any) -> None:
        """Raises ConfigError for an empty or repeated symbol, a timeframe or a parameter."""
        self.symbols = _symbols(symbols)
        self.timeframe = _timeframe(timeframe)
        self.state: dict[str, Any] = {}
        self._values: dict[str, Any] = checked(type(self), params, {})
        self.validate()

    # -- parameters ------------------------------------------------------------------------

    @property
    def params(self) -> dict[str, Any]:
        """All parameters by name, as plain JSON values."""
        return {name: plain(value) for name, value in self._values.items()}

    @classmethod
    def declared(cls) -> dict[str, Param[Any]]:
        """The declared parameters by name: default, range and doc."""
        return declared(cls)

    def with_params(self, **changes: Any) -> Self:
        """A strategy with ``changes`` applied, sharing symbols and ``state``; ConfigError if refused."""
        tuned = copy.copy(self)
        vars(tuned)["_values"] = checked(type(self), changes, self._values)
        tuned.validate()
        return tuned

    def validate(self) -> None:
        """Check parameters against each other; override it, and raise ConfigError."""

    @property
    def warmup(self) -> int:
        """Closed bars to load before the first ``on_bar``; override it for long lookbacks."""
        return 500

    def subscribes(self, callback: str) -> bool:
        """True when the class overrides ``callback``: only then is it called."""
        return getattr(type(self), callback) is not getattr(Strategy, callback)

    def __repr__(self) -> str:
        shown = "".join(f", {name}={value!r}" for name, value in self.params.items())
        return f"{type(self).__name__}({list(self.symbols)!r}, timeframe={self.timeframe!r}{shown})"

    # -- callbacks -------------------------------------------------------------------------

    def on_start(self, ctx: Context) -> Wish:
        """The strategy has started; its symbols may not be ready yet."""

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        """A bar of one of its symbols has closed; it is the last one in ``ctx.bars``."""

    def on_trade(self, trade: TradePrinted, ctx: Context) -> Wish:
        """A public trade."""

    def on_book(self, symbol: str, ctx: Context) -> Wish:
        """The book of ``symbol`` has changed: read ``ctx.symbol(symbol).book``."""

    def on_funding(self, funding: FundingSettled | FundingPaid, ctx: Context) -> Wish:
        """A public settlement, or our own payment."""

    def on_liquidation(self, liquidation: LiquidationPrinted, ctx: Context) -> Wish:
        """Somebody's forced order."""

    def on_order(self, order: Order, ctx: Context) -> Wish:
        """One of its orders has changed."""

    def on_fill(self, fill: Fill, ctx: Context) -> Wish:
        """One of its orders was filled, wholly or in part."""

    def on_position(self, position: Position, ctx: Context) -> Wish:
        """The position of one of its symbols has changed size."""

    def on_risk(self, refused: Refused, ctx: Context) -> Wish:
        """One of its intents was refused."""

    def on_end(self, ctx: Context) -> Wish:
        """The strategy is being stopped; its entries are cancelled after this, exits are still taken."""


def _symbols(symbols: Sequence[str] | str) -> tuple[str, ...]:
    listed = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    if not listed or not all(isinstance(symbol, str) and symbol for symbol in listed):
        raise ConfigError(f"symbols={symbols!r} must name at least one symbol, e.g. ['BTC/USDT:USDT']")
    if len(set(listed)) != len(listed):
        raise ConfigError(f"symbols={symbols!r} names a symbol twice")
    return listed


def _timeframe(timeframe: str) -> str:
    try:
        timeframe_ns(timeframe)
    except (ValueError, TypeError) as exc:
        raise ConfigError(
            f"timeframe={timeframe!r} must be a number and one of s, m, h, d, e.g. '1m'"
        ) from exc
    return timeframe
