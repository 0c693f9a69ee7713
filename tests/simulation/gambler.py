"""A strategy that trades much and at random: its dice lie in its state, so a story can be told again.

It stands in a module of its own, for the journal keeps a strategy with its whole module.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from contractdesk.domain.instrument import Rounding
from contractdesk.domain.orders import Side
from contractdesk.strategy import (
    Context,
    Param,
    Strategy,
    atr_stop,
    cancel_entries,
    enter_long,
    enter_short,
    exit_position,
    move_stop,
)
from contractdesk.strategy.base import Wish

NEAR, FAR = Decimal("0.0008"), Decimal("0.004")  # of a stop, from the mark


class Gambler(Strategy):
    """At each bar it may enter, add, exit, tighten its stop or cancel what rests."""

    seed = Param(0, ge=0, le=1 << 62)
    eager = Param(0.35, ge=0.0, le=1.0, doc="how often it wishes something at a bar")

    @property
    def warmup(self) -> int:
        return 20

    def on_bar(self, bar: Any, ctx: Context) -> Wish:
        self.state["throws"] = self.state.get("throws", 0) + 1
        dice = Random(self.seed * 1_000_003 + self.state["throws"])  # noqa: S311  (dice, not a secret)
        item = ctx.symbol(bar.symbol)
        if dice.random() >= self.eager or item.mark is None:
            return None
        if item.position.size:
            return self.holding(dice, bar.symbol, item)
        if ctx.entries(bar.symbol) and dice.random() < 0.5:
            return cancel_entries(bar.symbol)
        return self.entry(dice, bar.symbol, item, dice.choice((Side.BUY, Side.SELL)))

    def holding(self, dice: Random, symbol: str, item: Any) -> Wish:
        size, roll = item.position.size, dice.random()
        if roll < 0.4:
            return exit_position(symbol)
        if roll < 0.5:
            return exit_position(symbol, size=item.instrument.lot_size)
        if roll < 0.75:
            return self.entry(dice, symbol, item, Side.BUY if size > 0 else Side.SELL)
        if roll < 0.8:
            side = Side.SELL if size > 0 else Side.BUY
            return self.entry(dice, symbol, item, side, reverse=True)
        sign = 1 if size > 0 else -1
        return move_stop(symbol, item.instrument.round_price(item.mark * (1 - sign * NEAR), Rounding.NEAREST))

    def entry(self, dice: Random, symbol: str, item: Any, side: Side, *, reverse: bool = False) -> Wish:
        terms, sign = item.instrument, side.sign
        make = enter_long if side is Side.BUY else enter_short
        distance = NEAR + (FAR - NEAR) * Decimal(repr(dice.random()))
        price = terms.round_price(item.mark * (1 - sign * distance), Rounding.NEAREST)
        stop = atr_stop(14, 3) if dice.random() < 0.4 else price
        limit = None
        if dice.random() < 0.5 and item.book.valid:
            best = item.book.best_bid if side is Side.BUY else item.book.best_ask
            limit = terms.from_ticks(best + dice.randint(-3, 12) * sign)
        notional = Decimal(dice.choice((300, 700, 1500, 2500)))
        return make(
            symbol, stop=stop, notional=notional, limit=limit, reverse=reverse,
            expire_s=None if limit is None else dice.choice((3.0, 6.0, 12.0)),
        )  # fmt: skip
