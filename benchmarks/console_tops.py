"""The top of the book, as the exchange has it and as the browser shows it, each with its time."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from playwright.sync_api import Page
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SAMPLE_MS = 50
NEVER_MS = float("inf")

# Timers are a browser's own: no question of ours delays a sample.
_SAMPLE = """
(every) => {
  window.tops = [];
  clearInterval(window.topTimer);
  window.topTimer = setInterval(() => {
    const shown = document.querySelector(".cd-ladder-canvas")?.dataset.top;
    if (shown) window.tops.push([Date.now() / 1000, shown]);
  }, every);
}
"""


class Top(NamedTuple):
    """Best prices and what stands there, in ticks and lots."""

    bid: int
    bid_lots: int
    ask: int
    ask_lots: int

    @property
    def prices(self) -> tuple[int, int]:
        return self.bid, self.ask


class Seen(NamedTuple):
    """What was shown at a wall-clock second."""

    at_s: float
    top: Top


class Exchanged:
    """Every top that the exchange publishes (``bookTicker``), from now on, on a thread of its own."""

    def __init__(self, address: str, symbol: str, tick: Decimal, lot: Decimal) -> None:
        self._steps = (tick, lot)
        url = f"{address.replace('http', 'ws', 1)}/public/ws/{symbol.lower()}@bookTicker"
        self._socket = connect(url, proxy=None)
        self._tops: list[tuple[float, float, Top]] = []  # of the exchange's own time, when we heard it, what
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.close()
        self._thread.join(5)

    def ages_ms(self, shown: Iterable[Seen], *, sizes: bool = False) -> list[float]:
        """For each sample, for how long the exchange had something else by then; inf for what it never had.

        A top stands from the exchange's own time of it until we have heard of the next one.
        """
        spans: dict[object, list[tuple[float, float]]] = {}
        for (since, _, top), (_, until, _) in zip(self._tops, self._tops[1:], strict=False):
            spans.setdefault(top if sizes else top.prices, []).append((since, until))
        end = self._tops[-1][1] if self._tops else 0.0
        return [
            _age_ms(seen.at_s, spans.get(seen.top if sizes else seen.top.prices, []))
            for seen in shown
            if seen.at_s < end  # what came after the last one known is not to be judged
        ]

    def _listen(self) -> None:
        tick, lot = self._steps
        try:
            for frame in self._socket:
                told = json.loads(frame)
                numbers = (
                    int(Decimal(told[name]) / step)
                    for name, step in (("b", tick), ("B", lot), ("a", tick), ("A", lot))
                )
                self._tops.append((told["T"] / 1e3, time.time(), Top(*numbers)))
        except ConnectionClosed:
            return


def _age_ms(at_s: float, spans: list[tuple[float, float]]) -> float:
    """Since when none of the spans holds, at ``at_s``."""
    began = bisect_right(spans, at_s, key=lambda span: span[0])
    if not began:
        return NEVER_MS
    return max(0.0, at_s - spans[began - 1][1]) * 1e3


def sample(page: Page) -> None:
    """Begin to note what the ladder shows, 20 times a second."""
    page.evaluate(_SAMPLE, SAMPLE_MS)


def sampled(page: Page) -> list[Seen]:
    """Stop noting; what has been noted since ``sample``."""
    rows = page.evaluate("() => { clearInterval(window.topTimer); return window.tops; }")
    return [Seen(at_s, _top(text)) for at_s, text in rows]


def _top(text: str) -> Top:
    bid, _, ask = text.partition(" ")
    return Top(*(int(number) for side in (bid, ask) for number in side.split(",")))
