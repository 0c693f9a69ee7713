"""Strategies that wish at random, and say in each wish's reason what they see of the desk.

Their dice lie in ``self.state``, so two runs that are told the same throw the same; and what one of
them is told otherwise shows in the words of its next command or refusal.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from contractdesk.domain.instrument import Rounding
from contractdesk.domain.intents import Intent
from contractdesk.domain.orders import Side
from contractdesk.domain.views import SymbolView
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
from contractdesk.strategy.indicators import Ema, Seed
from contractdesk.strategy.intents import trail_stop

D = Decimal


class Gambler(Strategy):
    """At each bar, and sometimes after a fill, a change of its position, funding or a refusal."""

    seed = Param(0, ge=0, le=1 << 62)
    eager = Param(0.5, ge=0.0, le=1.0, doc="how often it wishes something at a bar")
    bold = Param(1.0, ge=0.0, le=100.0, doc="notional of an entry at most, of the account's equity")

    def dice(self) -> Random:
        self.state["throws"] = self.state.get("throws", 0) + 1
        return Random(self.seed * 1_000_003 + self.state["throws"])  # noqa: S311  (dice, not a secret)

    def on_bar(self, bar: Any, ctx: Context) -> Wish:
        dice = self.dice()
        if dice.random() >= self.eager:
            return None
        ema = ctx.indicator(bar.symbol, Ema(3, Seed.FIRST))
        return self.wish(dice, bar.symbol, ctx, f"bar {bar.close:g} {ema:.9g}")

    def on_fill(self, fill: Any, ctx: Context) -> Wish:
        return self.seldom(0.3, fill.symbol, ctx, "fill")

    def on_position(self, position: Any, ctx: Context) -> Wish:
        return self.seldom(0.2, position.symbol, ctx, "position")

    def on_funding(self, funding: Any, ctx: Context) -> Wish:
        return self.seldom(0.5, funding.symbol, ctx, "funding")

    def on_order(self, order: Any, ctx: Context) -> Wish:
        return self.seldom(0.05, order.request.symbol, ctx, "order")

    def on_risk(self, refused: Any, ctx: Context) -> Wish:
        return self.seldom(0.1, refused.symbol, ctx, "refused")

    def seldom(self, share: float, symbol: str, ctx: Context, why: str) -> Wish:
        dice = self.dice()
        return self.wish(dice, symbol, ctx, why) if dice.random() < share else None

    # -- what ------------------------------------------------------------------------------

    def wish(self, dice: Random, symbol: str, ctx: Context, why: str) -> Wish:
        item = ctx.symbol(symbol)
        if item.mark is None or ctx.view.account is None:
            return None
        why = f"{why}: {seen(item, ctx)}"
        roll = dice.random()
        if not item.position.size and not any(ctx.entries(symbol)):
            return self.enter(dice, item, ctx, why)
        if roll < 0.3:
            return self.enter(dice, item, ctx, why)
        if roll < 0.45:
            return self.leave(dice, item, why)
        if roll < 0.7 and item.position.size:
            return self.move(dice, item, why)
        if roll < 0.8:
            return cancel_entries(symbol, reason=why)
        if roll < 0.9:
            return [cancel_entries(symbol, reason=why), self.enter(dice, item, ctx, why)]
        return None

    def enter(self, dice: Random, item: SymbolView, ctx: Context, why: str) -> Intent:
        account, mark = ctx.view.account, item.mark
        assert account is not None
        assert mark is not None
        side = dice.choice([Side.BUY, Side.SELL])
        away = D(repr(round(10 ** dice.uniform(-3, -1), 5)))
        if dice.random() < 0.9:
            away = min(away, D("0.7") / item.leverage)  # in front of liquidation
        atr = atr_stop(dice.randint(1, 5), D(dice.randint(5, 60)) / 10)
        fixed = grid(item, mark * (1 - side.sign * away))
        options: dict[str, Any] = {
            "stop": atr if dice.random() < 0.5 else fixed,
            "notional": max(D(1), account.equity) * D(repr(self.bold)) * D(dice.randint(1, 100)) / 100,
            "trail": dice.choice([None, None, True, False]),
            "reverse": dice.random() < 0.7,
            "reason": why,
        }
        if dice.random() < 0.2:
            options["notional"] = None  # the cap's share
        if dice.random() < 0.4:
            ticks = dice.randint(-8, 5)
            options["limit"] = grid(item, mark + side.sign * ticks * item.instrument.tick_size)
            options["post_only"] = dice.random() < 0.5
            options["expire_s"] = dice.choice([None, 0.5, 3.0, 20.0])
        if dice.random() < 0.4:
            options["take_profit"] = grid(item, mark * (1 + side.sign * D(dice.randint(1, 50)) / 5000))
        make = enter_long if side is Side.BUY else enter_short
        return make(item.instrument.symbol, **options)

    def leave(self, dice: Random, item: SymbolView, why: str) -> Intent:
        terms, size = item.instrument, abs(item.position.size)
        part = terms.round_size(size * D(dice.randint(1, 9)) / 10)
        limit = None
        if dice.random() < 0.3 and item.mark is not None:
            limit = grid(item, item.mark + dice.randint(-20, 20) * terms.tick_size)
        return exit_position(
            terms.symbol, size=part if part and dice.random() < 0.5 else None, limit=limit, reason=why
        )

    def move(self, dice: Random, item: SymbolView, why: str) -> Intent:
        symbol, mark = item.instrument.symbol, item.mark
        assert mark is not None
        if dice.random() < 0.4:
            by = atr_stop(dice.randint(1, 4), D(dice.randint(5, 30)) / 10)
            return trail_stop(symbol, by if dice.random() < 0.7 else None, on=dice.random() < 0.9, reason=why)
        away = D(dice.randint(-5, 60)) / 1000
        sign = 1 if item.position.size > 0 else -1
        trail = dice.choice([None, True, False])
        return move_stop(symbol, grid(item, mark * (1 - sign * away)), trail=trail, reason=why)


class Listener(Gambler):
    """Hears each trade of its symbols."""

    def on_trade(self, trade: Any, ctx: Context) -> Wish:
        return self.seldom(0.02, trade.symbol, ctx, f"trade {trade.price} {trade.size} {trade.venue_ns}")


class Reader(Gambler):
    """Reads the book whenever it changes."""

    def on_book(self, symbol: str, ctx: Context) -> Wish:
        return self.seldom(0.02, symbol, ctx, "book")


def seen(item: SymbolView, ctx: Context) -> str:
    """What a strategy may read of its symbol and its desk, in words."""
    view, book, trail = ctx.view, item.book, item.trail
    account = view.account
    told = [
        view.now_ns, view.state.value, view.drawdown, view.day_change, view.unwinding, view.account_ns,
        account and account.wallet_balance, len(view.entry_times), view.drawdown_after(D(-1)),
        book.best_bid, book.best_ask, item.book_alive_ns, item.last, item.mark, item.index, item.mark_ns,
        item.position.size, item.position.realized_pnl, item.position.fees, item.position.funding,
        item.stop_price, item.guarded, trail.best, trail.on, item.external_size,
    ]  # fmt: skip
    return " ".join(str(each) for each in told)


def grid(item: SymbolView, price: Decimal) -> Decimal:
    tick = item.instrument.tick_size
    return max(tick, item.instrument.round_price(price, Rounding.NEAREST))
