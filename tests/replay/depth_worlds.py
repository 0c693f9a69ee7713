"""Small markets with a book: trades and depth in whole ticks and lots, and strategies that look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np

from contractdesk.domain.intents import Intent
from contractdesk.domain.market import pack_levels
from contractdesk.replay import ConstantLatency, DepthQueue, Models, contract_of
from contractdesk.replay.depth_rows import Message, What
from contractdesk.replay.recorded import RecordedBook
from contractdesk.replay.runner import Outcome, Replay
from contractdesk.replay.setup import Setup
from contractdesk.replay.ticks import Ticks
from contractdesk.risk.settings import RiskSettings
from contractdesk.storage.terms import Terms
from contractdesk.strategy import (
    Context,
    Param,
    Strategy,
    cancel_entries,
    enter_long,
    enter_short,
    exit_position,
)
from contractdesk.strategy.base import Wish

T0 = 1_700_000_000 * 10**9
MS = 10**6
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
Levels = Sequence[tuple[int, int]]
Trades = Sequence[tuple[int, int, int]]  # (ms, ticks, lots)


def contract(symbol: str) -> Any:
    """Ticks of 0.1, lots of 0.001."""
    terms = Terms(venue="binance", symbol=symbol, venue_symbol=symbol[:3] + "USDT", tick_size=Decimal("0.1"),
                  lot_size=Decimal("0.001"))  # fmt: skip
    return contract_of(terms)


def message(ms: float, bids: Levels = (), asks: Levels = (), what: What = What.DELTA) -> Message:
    """At the venue at ``ms``, heard 5 ms later."""
    at = T0 + round(ms * MS)
    return Message(at, at + 5 * MS, what, pack_levels(bids), pack_levels(asks), last_id=round(ms * 1000))


def snapshot(ms: float, bids: Levels, asks: Levels) -> Message:
    return message(ms, bids, asks, What.SNAPSHOT)


def ticks(trades: Trades, place: int = 0) -> Ticks:
    columns = np.ascontiguousarray(np.array(trades, np.int64).reshape(-1, 3).T)
    which = np.full(len(trades), place, np.int64)
    return Ticks.of(T0 + columns[0] * MS, columns[1], columns[2], feed_ns=5 * MS, which=which)


def replay(
    strategy: Strategy,
    trades: Ticks | Iterable[Ticks],
    books: Sequence[Iterable[Sequence[Message]] | None],
    *,
    every: bool = False,
    queue: Any = None,
) -> Outcome:
    """Commands take 20 ms, answers 10 ms, the feed 5 ms."""
    setup = Setup(
        instruments=tuple(contract(symbol) for symbol in (BTC, ETH)[: len(books)]),
        strategies=(strategy,),
        balance=Decimal(1_000_000),
        risk=RiskSettings(open_interest_gate=False),
        models=Models(
            latency=ConstantLatency(feed_ms=5, entry_ms=20, answer_ms=10, read_ms=30),
            queue=queue or DepthQueue(power=1.0),
        ),
    )
    batches = [trades] if isinstance(trades, Ticks) else trades
    recorded = [None if each is None else RecordedBook(iter([list(part) for part in each])) for each in books]
    return Replay(setup, batches, recorded=recorded, every=every).run()


class Script(Strategy):
    """Does what ``acts`` says, each at the first change of its book at or after so many ms.

    An act is an intent, or makes one of the context.
    """

    acts: Sequence[tuple[float, Intent | Callable[[Context], Wish]]] = ()

    def on_book(self, symbol: str, ctx: Context) -> Wish:
        done = self.state.get("done", 0)
        if done >= len(self.acts) or ctx.view.now_ns < T0 + self.acts[done][0] * MS:
            return None
        self.state["done"] = done + 1
        act = self.acts[done][1]
        return act(ctx) if callable(act) else act


def script(*acts: tuple[float, Intent | Callable[[Context], Wish]]) -> Strategy:
    return type("Scripted", (Script,), {"acts": acts})([BTC])


class Quoter(Strategy):
    """Quotes, takes, cancels and leaves by dice, and says in each reason what it sees of all books."""

    seed = Param(0, ge=0, le=1 << 62)
    eager = Param(0.3, ge=0.0, le=1.0)

    def look(self, symbol: str, ctx: Context) -> Wish:
        throws = self.state["throws"] = self.state.get("throws", 0) + 1
        dice, item = Random(self.seed * 1_000_003 + throws), ctx.symbol(symbol)  # noqa: S311  (dice, not a secret)
        bid, ask = item.book.best_bid, item.book.best_ask
        if dice.random() > self.eager or bid is None or ask is None or item.mark is None:
            return None
        why = f"{ctx.view.now_ns} " + " ".join(str(ctx.symbol(each).book.top(3)) for each in self.symbols)
        price, roll = item.instrument.from_ticks, dice.random()
        if item.position.size and roll < 0.3:
            quote = ask if item.position.size > 0 else bid
            return exit_position(symbol, limit=price(quote) if roll < 0.2 else None, reason=why)
        if any(ctx.entries(symbol)):
            return cancel_entries(symbol, reason=why) if roll < 0.5 else None
        buy = dice.random() < 0.5
        make, away = (enter_long, -20) if buy else (enter_short, 20)
        options: dict[str, Any] = {"size": Decimal(dice.randint(1, 60)) / 1000, "reason": why}
        touch = bid if buy else ask
        if dice.random() < 0.7:
            options["limit"] = price(touch + (1 if buy else -1) * dice.randint(-1, 2))
            options["post_only"] = dice.random() < 0.5
        return make(symbol, stop=price(touch + away), **options)


class BookQuoter(Quoter):
    def on_book(self, symbol: str, ctx: Context) -> Wish:
        return self.look(symbol, ctx)


class BarQuoter(Quoter):
    """Looks at its book once a second only: in between nobody needs to be told of it."""

    def on_bar(self, bar: Any, ctx: Context) -> Wish:
        return self.look(bar.symbol, ctx)


class Market:
    """A made-up book of some levels, whose touch wanders, with trades at it; times in whole ms."""

    def __init__(self, dice: Random, seconds: int) -> None:
        self.dice, self.middle = dice, 1_000
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.trades: list[tuple[int, int, int]] = [(0, self.middle, 1)]
        self.messages: list[Message] = []
        ms = dice.randint(0, 300)
        self._tell(ms, whole=True)
        while ms < seconds * 1000:
            ms += dice.choice([0, 1, 5, 20, 80])
            self._step(ms)

    def _step(self, ms: int) -> None:
        roll = self.dice.random()
        if roll < 0.5:
            at = self.middle + self.dice.choice([-1, 0, 0, 1])
            self.trades.append((ms, at, self.dice.randint(1, 40)))
        elif roll < 0.98:
            self.middle += self.dice.choice([-1, 0, 0, 0, 1])
            self._tell(ms)
        elif roll < 0.99:
            self.messages.append(message(ms, what=What.INVALID))
        else:
            self._tell(ms, whole=True)

    def _tell(self, ms: int, *, whole: bool = False) -> None:
        """What the book has become; as a snapshot, or as the levels that differ."""
        bids, asks = self._side(-1), self._side(1)
        if whole:
            self.messages.append(snapshot(ms, list(bids.items()), list(asks.items())))
        else:
            self.messages.append(message(ms, _changes(self.bids, bids), _changes(self.asks, asks)))
        self.bids, self.asks = bids, asks

    def _side(self, sign: int) -> dict[int, int]:
        known = self.bids if sign < 0 else self.asks
        places = [self.middle + sign * step for step in range(1, 5)]
        return {at: known.get(at, 0) or self.dice.randint(1, 60) for at in places if self.dice.random() < 0.9}

    @property
    def heard(self) -> list[Message]:
        """Each later than the one before, as ``read_depth`` makes them."""
        last, made = 0, []
        for each in self.messages:
            last = max(each.heard_ns, last + 1)
            made.append(Message(each.venue_ns, last, each.what, each.bids, each.asks, last_id=each.last_id))
        return made


def _changes(before: Mapping[int, int], after: Mapping[int, int]) -> list[tuple[int, int]]:
    changed = {at: after.get(at, 0) for at in {*before, *after} if before.get(at) != after.get(at)}
    return sorted(changed.items())
