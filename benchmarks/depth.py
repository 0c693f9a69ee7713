"""The depth path against ccxt.pro: bytes -> decoded -> applied -> readable top 20, on one core.

Ours is what the desk does with a push: the scanner, the book, the frozen top of the book. ccxt.pro's
is its own: the websocket client's handler, its order book, `limit()`. Both see the same messages in
one process, in rounds that alternate; the books must agree after every round. Streams: the recorded
one (depth@0ms), and the same merged as in depth@100ms, which is what the desk subscribes to; the last
line is its ratio, and below 20 the exit code is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from statistics import median
from typing import Any

import ccxt.pro
from ccxt.async_support.base.ws.client import Client
from depth_messages import Messages, load

from contractdesk.domain.book import Book
from contractdesk.domain.market import pack_levels, unpack_levels
from contractdesk.venues.scanner import DepthScanner

AIM = 20
DEPTH = 20
ROUNDS = 15
TICK, LOT = Decimal("0.1"), Decimal("0.001")
SYMBOL = "BTC/USDT:USDT"
Top = list[list[tuple[int, int]]]


class Ours:
    """The desk's path, and what it looks like as plain lists."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self._scan = DepthScanner("BTCUSDT", TICK, LOT).scan
        self._book = Book()
        sides = (
            pack_levels((int(Decimal(p) / TICK), int(Decimal(q) / LOT)) for p, q in snapshot[side])
            for side in ("bids", "asks")
        )
        self._book.apply_snapshot(*sides, snapshot["lastUpdateId"])

    def feed(self, raw: bytes) -> tuple[bytes, bytes]:
        frame = self._scan(raw)
        book = self._book
        book.apply(frame.bids, frame.asks, frame.last_id)
        return book.pack_top(DEPTH)

    def feed_lists(self, raw: bytes) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        frame = self._scan(raw)
        book = self._book
        book.apply(frame.bids, frame.asks, frame.last_id)
        return book.top(DEPTH)

    def top(self) -> Top:
        return [unpack_levels(side) for side in self._book.pack_top(DEPTH)]


class QuietClient(Client):
    """ccxt's websocket client without a socket: its messages are handed to it."""

    def receive(self) -> None: ...


class CcxtPro:
    """ccxt.pro's path, from the text that its client receives."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self._exchange = ccxt.pro.binanceusdm({"enableRateLimit": False})
        self._exchange.set_markets([market()])
        book = self._exchange.order_book({}, 1000)
        parsed = self._exchange.parse_order_book(snapshot, SYMBOL)
        parsed["nonce"] = snapshot["lastUpdateId"]
        book.reset(parsed)
        self._exchange.orderbooks[SYMBOL] = book
        self._hash = f"orderbook::{SYMBOL}"
        nothing = lambda *_: None  # noqa: E731
        url = "wss://fstream.binance.com/public/ws"
        self._client = QuietClient(url, self._exchange.handle_message, nothing, nothing, nothing, {})
        self._client.subscriptions[self._hash] = True

    def feed(self, text: str) -> tuple[list[Any], list[Any]]:
        self._client.future(self._hash)  # what watch_order_book() waits for
        self._client.handle_text_or_binary_message(text)
        book = self._exchange.orderbooks[SYMBOL].limit()
        return book["bids"][:DEPTH], book["asks"][:DEPTH]

    def top(self) -> Top:
        book = self._exchange.orderbooks[SYMBOL]
        return [[(round(p * 10), round(q * 1000)) for p, q in book[s][:DEPTH]] for s in ("bids", "asks")]


def market() -> dict[str, Any]:
    return {
        "id": "BTCUSDT", "symbol": SYMBOL, "base": "BTC", "quote": "USDT", "settle": "USDT",
        "baseId": "BTC", "quoteId": "USDT", "settleId": "USDT", "type": "swap", "spot": False,
        "swap": True, "future": False, "option": False, "contract": True, "linear": True,
        "inverse": False, "active": True, "contractSize": 1.0, "margin": False, "expiry": None,
        "info": {}, "limits": {}, "precision": {"price": 0.1, "amount": 0.001},
    }  # fmt: skip


def cpu_us(feed: Callable[[Any], object], messages: list[Any]) -> float:
    """CPU microseconds of this process a message."""
    start = time.process_time_ns()
    for message in messages:
        feed(message)
    return (time.process_time_ns() - start) / 1_000 / len(messages)


async def measure(messages: Messages) -> dict[str, list[float]]:
    """Feed all of them to everybody, round by round; ValueError when the books differ."""
    ours, lists, theirs = Ours(messages.snapshot), Ours(messages.snapshot), CcxtPro(messages.snapshot)
    texts = [frame.decode() for frame in messages.frames]  # ccxt's transport has decoded them
    lanes: dict[str, tuple[Callable[[Any], object], list[Any]]] = {
        "contractdesk": (ours.feed, messages.frames),
        "contractdesk, top as lists": (lists.feed_lists, messages.frames),
        "ccxt.pro": (theirs.feed, texts),
    }
    found: dict[str, list[float]] = {name: [] for name in lanes}
    size = len(texts) // ROUNDS
    for number in range(ROUNDS):
        order = list(lanes) if number % 2 else list(reversed(lanes))
        for name in order:
            feed, stream = lanes[name]
            found[name].append(cpu_us(feed, stream[number * size : (number + 1) * size]))
        if not ours.top() == lists.top() == theirs.top():
            raise ValueError(f"the books differ after round {number}")
    return found


def report(messages: Messages, found: dict[str, list[float]]) -> float:
    """Print the table (the first round only warms up); returns the ratio."""
    size = sum(map(len, messages.frames)) // len(messages.frames)
    print(f"{messages.source}: {len(messages.frames)} messages of {size} bytes on average")
    theirs = found["ccxt.pro"][1:]
    ratios = {}
    for name, rounds in found.items():
        ratios[name] = median(b / a for a, b in zip(rounds[1:], theirs, strict=True))
        print(f"  {name:28} {median(rounds[1:]):7.2f} us a message   {ratios[name]:6.1f} times")
    print(f"books identical after each of {ROUNDS} rounds, top {DEPTH}")
    return ratios["contractdesk"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=16_000)
    parser.add_argument("--generated", action="store_true", help="even where the recordings are")
    options = parser.parse_args()
    streams = load(options.messages, generated=options.generated)
    ratio = [report(messages, asyncio.run(measure(messages))) for messages in streams][-1]
    print(f"ratio ccxt.pro {ratio:.1f}")
    return 0 if ratio >= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
