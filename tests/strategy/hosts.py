"""A small host: bars in, wishes out, as the engine calls a strategy."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from contractdesk.domain.intents import Intent
from contractdesk.domain.market import Bar, timeframe_ns
from contractdesk.strategy.bars import BarSeries
from contractdesk.strategy.base import BarView, Context, Strategy, Wish
from tests.domain.terms import LINEAR
from tests.risk.desks import NOW, Desk, linear_desk

SYMBOL = LINEAR.symbol


def bar(number: int, close: str, *, high: str | None = None, low: str | None = None, tf: str = "1m") -> Bar:
    """Bar ``number``, flat at ``close`` unless its high and low are given."""
    price = Decimal(close)
    return Bar(
        open_ns=NOW - NOW % timeframe_ns(tf) + number * timeframe_ns(tf),
        open=price,
        high=Decimal(high or close),
        low=Decimal(low or close),
        close=price,
        volume=Decimal(1),
    )


def wishes(wish: Wish) -> list[Intent]:
    if wish is None:
        return []
    return [wish] if isinstance(wish, Intent) else list(wish)


class Host:
    """One strategy on one symbol of a desk whose position and orders the test sets."""

    def __init__(self, strategy: Strategy, desk: Desk | None = None) -> None:
        self.desk = desk or linear_desk()
        self.strategy = strategy
        self.series = BarSeries(strategy.timeframe)
        self.context = Context(self.desk, "s", lambda symbol: self.series)
        self.count = 0

    def close(self, *closes: str) -> list[Intent]:
        """Close bars at these prices; what the last one made the strategy wish."""
        last: list[Intent] = []
        for price in closes:
            made = bar(self.count, price, tf=self.strategy.timeframe)
            self.count += 1
            self.series.append(made)
            view = BarView.of(SYMBOL, self.strategy.timeframe, made)
            last = wishes(self.strategy.on_bar(view, self.context))
        return last

    def hold(self, size: str) -> list[Intent]:
        """The position changes to ``size``; what that made the strategy wish."""
        item = self.desk.symbols[SYMBOL]
        item.hold(size, "60000")
        return wishes(self.strategy.on_position(item.position, self.context))


def closes(values: Iterable[float]) -> list[str]:
    return [f"{value:.2f}" for value in values]
