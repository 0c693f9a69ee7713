"""Bars told many in one call: whatever a strategy does at them, it comes to what one by one comes to."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import msgspec
import numpy as np
import pytest

from contractdesk.engine.state import HostStatus
from contractdesk.replay import closing
from contractdesk.replay.contracts import contract_of
from contractdesk.replay.models import ConstantLatency, Models
from contractdesk.replay.outcome import Outcome
from contractdesk.replay.runner import Replay
from contractdesk.replay.setup import Setup
from contractdesk.replay.ticks import Ticks
from contractdesk.strategy.base import BarView, Context, Strategy, Wish
from contractdesk.strategy.intents import enter_long, exit_position, move_stop
from tests.storage.recorded import SYMBOL, T0, TERMS

TRADES = 3_000
MS = 10**6


class Reader(Strategy):
    """Notes all that it is told; looks, enters, moves its stop and leaves now and then."""

    looks, enters, moves, leaves, breaks = 11, 31, 13, 71, 0

    @property
    def warmup(self) -> int:
        return 1

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        heard = self.state.setdefault("heard", [])
        heard.append([bar.open_ns, bar.open, bar.high, bar.low, bar.close, bar.volume, ctx.now_ns])
        count, close = len(heard), bar.exact.close
        if self.looks and count % self.looks == 0:
            item = ctx.symbol(bar.symbol)
            seen = (item.last, item.mark, item.book.best_bid, item.book.best_ask, item.book_alive_ns)
            heard[-1] += [str(each) for each in seen]
        if self.breaks and count > self.breaks:
            raise ValueError("enough")
        held = ctx.position(bar.symbol).size
        if count % self.enters == 0:
            return enter_long(bar.symbol, size=0.01, stop=close * Decimal("0.99"), trail=count % 2 == 0)
        if held and count % self.leaves == 0:
            return exit_position(bar.symbol)
        return move_stop(bar.symbol, close * Decimal("0.995")) if held and count % self.moves == 0 else None


class Looker(Reader):
    looks = 1


class Breaker(Reader):
    breaks = 77


def outcome(
    kind: type[Reader], *, every: bool, feed_ms: float = 0, timeframe: str = "1m", batch: int = 700
) -> Outcome:
    random = Random(11)  # noqa: S311
    steps = np.array([random.choice((0, 3, 900, 4_000, 25_000)) for _ in range(TRADES)]) * MS
    steps[[700, 1_900]] = 900_000 * MS  # a quarter of an hour without trades
    ts = T0 + np.cumsum(steps).astype(np.int64)
    ticks = 600_000 + np.cumsum([random.randint(-90, 90) for _ in range(TRADES)]).astype(np.int64)
    lots = np.array([random.randint(1, 9) for _ in range(TRADES)], dtype=np.int64)
    setup = Setup(
        instruments=(contract_of(TERMS),),
        strategies=(kind([SYMBOL], timeframe=timeframe),),
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


@pytest.mark.parametrize("timeframe", ["1m", "3m"])
@pytest.mark.parametrize("feed_ms", [0, 5])
@pytest.mark.parametrize("kind", [Reader, Looker, Breaker])
def test_many_in_one_call_are_as_one_by_one(kind: type[Reader], feed_ms: float, timeframe: str) -> None:
    made = outcome(kind, every=False, feed_ms=feed_ms, timeframe=timeframe)
    slow = outcome(kind, every=True, feed_ms=feed_ms, timeframe=timeframe)
    assert told(made) == told(slow)
    assert made.fills
    (hosted,) = made.engine.view.strategies.values()
    assert (hosted.status is HostStatus.DISABLED) == bool(kind.breaks)


@pytest.mark.parametrize("batch", [7, 101])
def test_the_size_of_batches_does_not_matter(batch: int) -> None:
    assert told(outcome(Reader, every=False, batch=batch)) == told(outcome(Reader, every=False))


def test_bars_are_closed_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    walk = closing.Closing.walk

    def counted(self: closing.Closing, due_ns: int, limit_ns: int) -> int:
        why = walk(self, due_ns, limit_ns)
        counts.append(self.count)
        return why

    monkeypatch.setattr(closing.Closing, "walk", counted)
    outcome(Reader, every=False)
    assert max(counts) > closing.FEWEST
