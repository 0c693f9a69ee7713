"""When would a resting order have been filled? The queue models' errors on real captures of BTCUSDT.

    .venv/bin/python benchmarks/queues.py [--orders N] [--lots N] [--life SECONDS] [--seed N]

Orders are placed at random moments, buying and selling, at the touch that the desk sees then: the recorded
book as it was heard, clocks corrected. They reach the venue 10 ms later, behind what stands there, rest for a
fixed time and end; one that would take is not placed. Each model then says what became of them from trades
and depth alone, by the code that a replay uses. The truth, and how far it can be known at all, is in
``queue_truth.py``; it has seen the quotes, too, which no model has.

The models with a parameter are fitted on the capture of 2023-04-04/05, by the error of the filled share, and
reported on that of 2024-08-08; ``DepthQueue(power=1.0)`` is not fitted: each lot is alike. Where the truth is
an interval its middle counts, so that an error is left which no model can avoid; "decided" are the orders
whose fate is certain, and easier ones. Last, the models stand beside the fills of real orders, which nobody
has reckoned; as only orders that were filled are among them, who hopes is favoured there. The captures are of
some minutes: orders overlap, and are by far not as many independent cases as they are orders.
Exits with 1 where the fitted depth queue's errors on the other day are not below the touch-fill's.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from queue_truth import Fate, Filler, Market, Order, Quote, Shown, Trade, Truth, tracers

from contractdesk.domain.book import Book
from contractdesk.domain.market import unpack_levels
from contractdesk.domain.orders import OrderType, Side
from contractdesk.history import import_, load
from contractdesk.replay.contracts import contract_of
from contractdesk.replay.depth import DepthQueue, InLine
from contractdesk.replay.depth_rows import Message, What, read_depth
from contractdesk.replay.filling import reached
from contractdesk.replay.models import Queue, QueueAhead, TouchFill, TradeThrough
from contractdesk.replay.standing import Standing
from contractdesk.replay.ticks import read_ticks
from contractdesk.storage.dataset import Dataset

REPOSITORY = Path(__file__).parents[1]
DATA = Path(os.environ.get("CONTRACTDESK_DATA", REPOSITORY.parent / "shared" / "data"))
BTC = {"venue": "binance", "symbol": "BTC/USDT:USDT"}
GRID = {"tick": "0.1", "lot": "0.001"}
FITTED, REPORTED = ("20230404", "20230405"), ("20240808",)
FEED_NS, ENTRY_NS = 3_000_000, 10_000_000
POWERS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 30.0)
AHEADS = (0, 50, 100, 250, 500, 1_000, 2_000, 3_000, 5_000, 8_000, 12_000, 20_000)  # lots


class Day:
    """One capture: what the models see, and the market that the truth is read from."""

    def __init__(self, names: Sequence[str]) -> None:
        files = [DATA / "ws" / "binance_raw" / f"binance_usdm_btcusdt_{name}.gz" for name in names]
        with tempfile.TemporaryDirectory() as folder:
            for kind in ("trades", "quotes", "depth"):
                import_(files, kind=kind, root=folder, **BTC, **GRID)
            trades, quotes, depth = (
                load(BTC["symbol"], kind=kind, root=folder).dataset for kind in ("trades", "quotes", "depth")
            )
            terms = contract_of(trades.files()[0].terms)
            self.trades = [
                Trade(*row)
                for batch in read_ticks([trades], [terms], feed_ns=FEED_NS, recorded=True)
                for row in zip(
                    *(each.tolist() for each in (batch.ts_ns, batch.ticks, batch.lots)), strict=True
                )
            ]
            read = read_depth(depth, terms, feed_ns=FEED_NS, recorded=True, beside=trades)
            self.messages = [message for batch in read for message in batch]
            told = _quotes(quotes)
        self.levels: dict[tuple[bool, int], list[Shown]] = {}
        self.bests = list(self._walk())
        self.market = Market(self.trades, told, self.levels)

    def _walk(self) -> Iterator[tuple[int, int]]:
        """(bid, ask) after each message; and what each says of its levels is noted."""
        book = Book()
        for message in self.messages:
            if message.what is What.SNAPSHOT:
                book.apply_snapshot(message.bids, message.asks, message.last_id)
            else:
                book.apply(message.bids, message.asks, message.last_id)
            for buy, packed in ((True, message.bids), (False, message.asks)):
                for ticks, lots in unpack_levels(packed):
                    row = Shown(message.venue_ns, message.last_id, lots)
                    self.levels.setdefault((buy, ticks), []).append(row)
            yield book.best_bid or 0, book.best_ask or 0

    def orders(self, count: int, lots: int, life_ns: int, seed: int) -> Iterator[Order]:
        """Random ones that rest wholly within the recording."""
        random = Random(seed)  # noqa: S311  (a sample, not a secret)
        heard = [message.heard_ns for message in self.messages]
        first_ns, last_ns = heard[0] + life_ns, self.trades[-1].ts_ns - life_ns - ENTRY_NS
        for _ in range(count):
            sent_ns, buy = random.randrange(first_ns, last_ns), random.random() < 0.5
            bid, ask = self.bests[bisect_right(heard, sent_ns) - 1]
            now_bid, now_ask = self.bests[self.before(sent_ns + ENTRY_NS)]
            ticks = bid if buy else ask
            if (ticks < now_ask) if buy else (ticks > now_bid):
                yield Order(sent_ns + ENTRY_NS, sent_ns + ENTRY_NS + life_ns, buy, ticks, lots)

    def before(self, ts_ns: int) -> int:
        """The last message that the venue's book shows at ``ts_ns``."""
        return bisect_left(self.messages, ts_ns, key=_venue_ns) - 1


def _venue_ns(message: Message) -> int:
    return message.venue_ns


def _quotes(dataset: Dataset) -> list[Quote]:
    """By the venue's time."""
    names = ("venue_ns", "update_id", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    found = []
    for part in dataset.scan(names):
        columns = [part.data[name].to_pylist() for name in names]
        found += [Quote(*row) for row in zip(*columns, strict=True)]
    return sorted(found, key=lambda quote: (quote.ts_ns, quote.update_id))


class Scene(NamedTuple):
    """An order, what became of it, and what a replay's venue sees while it rests."""

    order: Order
    truth: Truth
    level: int  # lots in the depth that is known when it comes
    events: list[tuple[int, int, int, int]]  # (ns, 0 trade / 1 level / 2 crossed, ticks, lots)


def _scene(day: Day, order: Order) -> Scene | None:
    """None where nothing is known of the level that it joins."""
    truth = day.market.truth(order)
    shown = day.levels.get((order.buy, order.ticks), [])
    known = bisect_left(shown, order.ts_ns, key=lambda row: row.ts_ns)
    if truth is None or not known:
        return None
    events = [(row.ts_ns + 1, 1, order.ticks, row.lots) for row in shown[known:] if row.ts_ns < order.end_ns]
    events += [(ts_ns, 2, order.ticks, 0) for ts_ns in _crossed(day, order)]
    events += _trades(day, order)
    return Scene(order, truth, shown[known - 1].lots, sorted(events))


def _crossed(day: Day, order: Order) -> Iterator[int]:
    """When depth first shows the other side at the order's price."""
    for at in range(day.before(order.ts_ns) + 1, day.before(order.end_ns) + 1):
        bid, ask = day.bests[at]
        if (ask and ask <= order.ticks) if order.buy else (bid and bid >= order.ticks):
            yield day.messages[at].venue_ns + 1
            return


def _trades(day: Day, order: Order) -> Iterator[tuple[int, int, int, int]]:
    begin = bisect_left(day.trades, order.ts_ns, key=lambda row: row.ts_ns)
    for trade in day.trades[begin : bisect_right(day.trades, order.end_ns, key=lambda row: row.ts_ns)]:
        if trade.ticks <= order.ticks if order.buy else trade.ticks >= order.ticks:
            yield trade.ts_ns, 0, trade.ticks, trade.lots


def predict(scene: Scene, queue: Queue) -> Fate:
    """What a replay's venue makes of the order under a model."""
    order = scene.order
    side = Side.BUY if order.buy else Side.SELL
    standing = Standing(client_id="", venue_id="", place=0, side=side, type=OrderType.LIMIT, lots=order.lots,
                        left=order.lots, ticks=order.ticks, ahead=queue.ahead(order.lots))  # fmt: skip
    if isinstance(queue, DepthQueue):
        standing.line = InLine.behind(scene.level)
    filler = Filler(order, 0)
    for ts_ns, what, ticks, lots in scene.events:
        if what == 1:
            if standing.line is not None and isinstance(queue, DepthQueue):
                standing.line.on_level(lots, queue)
            continue
        part = standing.left if what == 2 else reached(standing, ticks, lots) or 0
        standing.left -= part
        filler.fill(ts_ns, part)
        if not standing.left:
            break
    return filler.fate


class Errors(NamedTuple):
    """Means over orders: of filled or not, of the filled share, and of the seconds until it was filled."""

    rate: float  # share of orders that the model fills wholly
    fill: float
    share: float
    seconds: float


def errors(scenes: Sequence[Scene], queue: Queue) -> Errors:
    rows = [_row(scene, predict(scene, queue)) for scene in scenes]
    return Errors(*(float(value) for value in np.mean(rows, axis=0)))


def _row(scene: Scene, told: Fate) -> tuple[float, float, float, float]:
    lots, (soonest, latest) = scene.order.lots, scene.truth[1:3]
    whole = (float(soonest.filled == lots) + float(latest.filled == lots)) / 2
    share = (soonest.filled + latest.filled) / 2 / lots
    done_ns = (soonest.done_ns + latest.done_ns) / 2
    return (
        float(told.filled == lots),
        abs(float(told.filled == lots) - whole),
        abs(told.filled / lots - share),
        abs(told.done_ns - done_ns) / 1e9,
    )


def fit(scenes: Sequence[Scene], make: Callable[[float], Queue], values: Sequence[float]) -> Queue:
    """The value with the least error of the filled share."""
    return min((make(value) for value in values), key=lambda queue: errors(scenes, queue).share)


def truths(name: str, scenes: Sequence[Scene]) -> None:
    """What is known of a day's orders."""
    lots = scenes[0].order.lots
    ahead = np.median([scene.truth.ahead for scene in scenes])
    least, most = (np.mean([scene.truth[bound].filled == lots for scene in scenes]) for bound in (2, 1))
    cancelled, doubtful = (sum(scene.truth[place] for scene in scenes) for place in (3, 4))
    decided = np.mean([scene.truth.decided for scene in scenes])
    print(
        f"{name}: {len(scenes)} orders, {ahead:,.0f} lots ahead (median); filled {least:.1%} to {most:.1%}, "
        f"decided {decided:.1%}; {1 - doubtful / max(cancelled, 1):.0%} of cancelled lots have a place"
    )


def check(name: str, day: Day, life_ns: int) -> list[tuple[Scene, int]]:
    """Orders that were recognized, and when they were filled; the truth is told beside it."""
    found = [(_scene(day, order), seen_ns) for order, seen_ns in tracers(day.market, life_ns)]
    known = [(scene, seen_ns) for scene, seen_ns in found if scene is not None]
    bounds = [(scene.truth.soonest.done_ns, scene.truth.latest.done_ns, seen) for scene, seen in known]
    held = np.mean([low <= seen <= high for low, high, seen in bounds])
    off_s = [abs(low + high - 2 * seen) / 2e9 for low, high, seen in bounds]
    print(
        f"{name}: {len(known)} real orders were known again when they were filled; the truth's bounds hold "
        f"{held:.0%} of the moments, and it is off by {np.median(off_s):.3f} s (median), "
        f"{np.mean(off_s):.2f} s (mean)"
    )
    return known


def against_fills(known: Sequence[tuple[Scene, int]], queues: Sequence[Queue]) -> None:
    """Each model's error of the time to fill of real orders; one that it does not fill has its whole life."""
    waited = np.mean([seen_ns for _, seen_ns in known]) / 1e9
    print(f"\nreported on, {len(known)} fills of real orders, which waited {waited:.2f} s (mean)")
    print(f"  {'model':34}{'mean error':>12}{'median':>9}{'ratio':>8}")
    touch = 0.0
    for queue in queues:
        off_s = [abs(predict(scene, queue).done_ns - seen_ns) / 1e9 for scene, seen_ns in known]
        touch = touch or float(np.mean(off_s))
        print(f"  {queue!r:34}{np.mean(off_s):11.2f}s{np.median(off_s):8.2f}s{touch / np.mean(off_s):8.2f}")


def table(title: str, scenes: Sequence[Scene], queues: Sequence[Queue]) -> list[Errors]:
    print(f"\n{title} ({len(scenes)} orders)")
    print(f"  {'model':34}{'filled':>9}{'error: fill':>13}{'share':>9}{'time':>9}")
    found = [errors(scenes, queue) for queue in queues]
    for queue, row in zip(queues, found, strict=True):
        print(f"  {queue!r:34}{row.rate:9.1%}{row.fill:13.1%}{row.share:9.1%}{row.seconds:8.2f}s")
    for queue, row in zip(queues[1:], found[1:], strict=True):
        ratios = [touch / max(ours, 1e-9) for touch, ours in zip(found[0][1:], row[1:], strict=True)]
        told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"  ratio {queue!r}: touch-fill's errors of fill, share and time are {told} times as large")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--lots", type=int, default=10)
    parser.add_argument("--life", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    if not (DATA / "MANIFEST.md").exists():
        print(f"no recordings at {DATA} (set CONTRACTDESK_DATA)")
        return 2
    (fitted, _), (reported, known) = (_placed(names, chosen) for names in (FITTED, REPORTED))
    ahead = fit(fitted, lambda lots: QueueAhead(int(lots)), AHEADS)
    depth = fit(fitted, lambda power: DepthQueue(power=power), POWERS)
    queues = [TouchFill(), TradeThrough(), ahead, depth, DepthQueue(power=1.0)]
    table("fitted on, all", fitted, queues)
    found = table("reported on, all", reported, queues)
    table("reported on, decided", [scene for scene in reported if scene.truth.decided], queues)
    against_fills(known, queues)
    touch, ours = found[0], found[3]
    worse = any(mine >= theirs for theirs, mine in zip(touch[1:], ours[1:], strict=True))
    return int(worse)


def _placed(names: Sequence[str], chosen: argparse.Namespace) -> tuple[list[Scene], list[tuple[Scene, int]]]:
    """A capture's orders, and real ones whose fill is known; what is known of them is told."""
    day, life_ns = Day(names), round(chosen.life * 1e9)
    orders = day.orders(chosen.orders, chosen.lots, life_ns, chosen.seed)
    found = [scene for scene in (_scene(day, order) for order in orders) if scene is not None]
    truths("+".join(names), found)
    return found, check("+".join(names), day, life_ns)


if __name__ == "__main__":
    sys.exit(main())
