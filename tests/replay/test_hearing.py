"""Trades told many in one call: whatever a strategy does at them, it comes to what one by one comes to."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import msgspec
import numpy as np
import pytest

from contractdesk.domain.events import TradePrinted
from contractdesk.engine.state import HostStatus
from contractdesk.replay.contracts import contract_of
from contractdesk.replay.models import ConstantLatency, Models
from contractdesk.replay.outcome import Outcome
from contractdesk.replay.runner import Replay
from contractdesk.replay.setup import Setup
from contractdesk.replay.ticks import Ticks
from contractdesk.strategy.base import BarView, Context, Strategy, Wish
from contractdesk.strategy.intents import enter_long, exit_position
from tests.storage.recorded import SYMBOL, T0, TERMS

TRADES = 3_000
MS = 10**6


class Listener(Strategy):
    """Notes all that it is told; looks, enters and leaves now and then."""

    looks, enters, leaves, breaks = 41, 307, 511, 0

    @property
    def warmup(self) -> int:
        return 1

    def on_trade(self, trade: TradePrinted, ctx: Context) -> Wish:
        heard = self.state.setdefault("heard", [])
        heard.append(
            [trade.trade_id, str(trade.price), str(trade.size), trade.ts_ns, trade.venue_ns, ctx.now_ns]
        )
        count = len(heard)
        if self.looks and count % self.looks == 0:
            item = ctx.symbol(trade.symbol)
            seen = (item.last, item.mark, item.book.best_bid, item.book.best_ask, item.book_alive_ns)
            heard.append([str(each) for each in seen])
        if self.breaks and count > self.breaks:
            raise ValueError("enough")
        if count % self.enters == 0:
            return enter_long(trade.symbol, size=0.01, stop=trade.price * Decimal("0.99"))
        if count % self.leaves == 0 and ctx.position(trade.symbol).size:
            return exit_position(trade.symbol)
        return None

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        self.state.setdefault("heard", []).append([bar.close_ns, bar.close])


class Looker(Listener):
    looks = 1


class Breaker(Listener):
    breaks = 1_111


def outcome(kind: type[Listener], *, every: bool, feed_ms: float = 0, batch: int = 700) -> Outcome:
    random = Random(11)  # noqa: S311
    steps = np.array([random.choice((0, 0, 3, 90, 400, 2_500)) for _ in range(TRADES)]) * MS
    ts = T0 + np.cumsum(steps).astype(np.int64)
    ticks = 600_000 + np.cumsum([random.randint(-30, 30) for _ in range(TRADES)]).astype(np.int64)
    lots = np.array([random.randint(1, 9) for _ in range(TRADES)], dtype=np.int64)
    setup = Setup(
        instruments=(contract_of(TERMS),),
        strategies=(kind([SYMBOL]),),
        balance=Decimal(10**6),
        models=Models(latency=ConstantLatency(feed_ms=feed_ms, entry_ms=20, answer_ms=0)),
        start_ns=T0,
    )
    batches = (
        Ticks.of(
            ts[at : at + batch], ticks[at : at + batch], lots[at : at + batch], feed_ns=int(feed_ms * MS)
        )
        for at in range(0, TRADES, batch)
    )
    return Replay(setup, batches, every=every).run()


def told(made: Outcome) -> list[bytes]:
    memory = [hosted.memory for hosted in made.engine.view.strategies.values()]
    kept = (made.commands, made.fills, made.refusals, made.notices, made.closes, memory)
    return [msgspec.json.encode(each) for each in kept]


@pytest.mark.parametrize("feed_ms", [0, 5])
@pytest.mark.parametrize("kind", [Listener, Looker, Breaker])
def test_many_in_one_call_are_as_one_by_one(kind: type[Listener], feed_ms: float) -> None:
    made, slow = outcome(kind, every=False, feed_ms=feed_ms), outcome(kind, every=True, feed_ms=feed_ms)
    assert told(made) == told(slow)
    assert made.fills
    (hosted,) = made.engine.view.strategies.values()
    assert (hosted.status is HostStatus.DISABLED) == bool(kind.breaks)


def test_the_size_of_batches_does_not_matter() -> None:
    assert told(outcome(Listener, every=False, batch=101)) == told(outcome(Listener, every=False))
