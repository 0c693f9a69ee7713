"""Names of public streams: what a SUBSCRIBE may ask for, and on which of the three paths.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
"""

from __future__ import annotations

import re
from collections.abc import Container
from enum import Enum

from msgspec import Struct


class Path(Enum):
    """The routed socket paths; LEGACY is the unrouted one.

    Of USDⓈ-M it serves what PUBLIC serves; COIN-M has no other, and all of its streams there.
    """

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"
    LEGACY = ""


class Kind(Enum):
    """Stream families; the value is the word in the stream's name."""

    DEPTH = "depth"
    PARTIAL = "depth<levels>"
    BOOK_TICKER = "bookTicker"
    TRADE = "trade"
    AGG_TRADE = "aggTrade"
    MARK = "markPrice"
    KLINE = "kline"
    TICKER = "ticker"
    MINI_TICKER = "miniTicker"
    FORCED = "forceOrder"


PUBLIC_KINDS = frozenset({Kind.DEPTH, Kind.PARTIAL, Kind.BOOK_TICKER, Kind.TRADE})
DEPTH_SPEEDS_MS = (100, 250, 500)
PARTIAL_LEVELS = (5, 10, 20)
INTERVALS_S = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "4h": 14_400,
    "6h": 21_600,
    "8h": 28_800,
    "12h": 43_200,
    "1d": 86_400,
}

_SPEED = {"": 250, "@100ms": 100, "@250ms": 250, "@500ms": 500}
_DEPTH = re.compile(r"depth(5|10|20)?(|@100ms|@250ms|@500ms)")
_PLAIN = {
    "bookTicker": Kind.BOOK_TICKER,
    "trade": Kind.TRADE,
    "aggTrade": Kind.AGG_TRADE,
    "ticker": Kind.TICKER,
    "miniTicker": Kind.MINI_TICKER,
    "forceOrder": Kind.FORCED,
}
_ALL = {
    "!markPrice@arr": (Kind.MARK, 3_000),
    "!markPrice@arr@1s": (Kind.MARK, 1_000),
    "!bookTicker": (Kind.BOOK_TICKER, 0),
    "!ticker@arr": (Kind.TICKER, 1_000),
    "!miniTicker@arr": (Kind.MINI_TICKER, 1_000),
    "!forceOrder@arr": (Kind.FORCED, 1_000),
}
_EVERY_MS = {Kind.TICKER: 2_000, Kind.MINI_TICKER: 2_000, Kind.FORCED: 1_000}


class Stream(Struct, frozen=True, kw_only=True):
    """A stream's name, taken apart. ``symbol`` is "" for those of all symbols."""

    name: str
    kind: Kind
    symbol: str = ""
    every_ms: int = 0  # 0: at once
    levels: int = 0
    interval: str = ""
    routed: bool = True

    def on(self, path: Path) -> bool:
        """True when ``path`` delivers it; elsewhere a subscription is accepted and stays silent."""
        match path:
            case Path.LEGACY if not self.routed:
                return True
            case Path.PUBLIC | Path.LEGACY:
                return self.kind in PUBLIC_KINDS
            case Path.MARKET:
                return self.kind not in PUBLIC_KINDS
            case Path.PRIVATE:
                return False


def parse_stream(name: str, symbols: Container[str]) -> Stream | None:
    """The stream of that name; None when there is none such, or its symbol is not listed."""
    if name in _ALL:
        kind, every_ms = _ALL[name]
        return Stream(name=name, kind=kind, every_ms=every_ms)
    lower, at, word = name.partition("@")
    symbol = lower.upper()
    if not at or lower != lower.lower() or symbol not in symbols:
        return None
    if word in _PLAIN:
        kind = _PLAIN[word]
        return Stream(name=name, kind=kind, symbol=symbol, every_ms=_EVERY_MS.get(kind, 0))
    if word in ("markPrice", "markPrice@1s"):
        every_ms = 3_000 if word == "markPrice" else 1_000
        return Stream(name=name, kind=Kind.MARK, symbol=symbol, every_ms=every_ms)
    if word.startswith("kline_") and word[6:] in INTERVALS_S:
        return Stream(name=name, kind=Kind.KLINE, symbol=symbol, every_ms=250, interval=word[6:])
    return _depth_stream(name, symbol, word)


def _depth_stream(name: str, symbol: str, word: str) -> Stream | None:
    found = _DEPTH.fullmatch(word)
    if found is None:
        return None
    every_ms = _SPEED[found[2]]
    if found[1]:
        levels = int(found[1])
        return Stream(name=name, kind=Kind.PARTIAL, symbol=symbol, every_ms=every_ms, levels=levels)
    return Stream(name=name, kind=Kind.DEPTH, symbol=symbol, every_ms=every_ms)
