"""A recorded market of some days for the loopback exchange, with what makes paging hard in it."""

from __future__ import annotations

import gzip
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOURS = 52  # at least one whole day, wherever midnight is
BURSTS = {7: 1_100, 30: 40}  # hour: so many trades within one millisecond
SILENCE = range(44 * 60, 47 * 60)  # minutes without a trade
SYMBOL = "BTC/USDT:USDT"
_START_NS = 1_700_000_000 * 10**9
_MINUTE_NS = 60 * 10**9


def record(path: Path, hours: int = HOURS) -> int:
    """Write the capture: a trade every fourth minute, and the bursts. Returns its length in seconds."""
    with gzip.open(path, "wt", compresslevel=1) as file:
        for stamp_ns, message in _messages(hours):
            file.write(f"{stamp_ns} {json.dumps(message, separators=(',', ':'))}\n")
    return hours * 3_600


def _messages(hours: int) -> Iterator[tuple[int, dict[str, Any]]]:
    book = {"lastUpdateId": 1, "bids": [["59999.0", "5.000"]], "asks": [["60001.0", "5.000"]]}
    yield _START_NS, book
    mark = {
        "e": "markPriceUpdate",
        "p": "60000",
        "i": "60000",
        "r": "0.0001",
        "T": (_START_NS // 10**6) + 10**9,
    }
    yield _START_NS, {"stream": "btcusdt@markPrice", "data": mark}
    for minute in [each for each in range(0, hours * 60, 4) if each not in SILENCE]:
        stamp_ns = _START_NS + minute * _MINUTE_NS
        hour, rest = divmod(minute, 60)
        for number in range(BURSTS.get(hour, 1) if rest == 32 else 1):
            price = f"{60_000 + (minute * 7 + number) % 400 / 10:.1f}"
            trade = {"e": "trade", "p": price, "q": f"{1 + number % 9}.001", "m": number % 2 == 0}
            yield stamp_ns, {"stream": "btcusdt@trade", "data": trade}


def ask(url: str, body: object = None, method: str = "GET") -> Any:
    """JSON of the running exchange."""
    data = None if body is None else json.dumps(body).encode()
    wanted = urllib.request.Request(url, data, method=method)  # noqa: S310  (loopback)
    with urllib.request.urlopen(wanted, timeout=10) as answer:  # noqa: S310  (loopback)
        return json.load(answer)


def every_trade(url: str) -> list[dict[str, Any]]:
    """All that the exchange has, in its own words, oldest first."""
    found: list[dict[str, Any]] = []
    while True:
        asked = f"{url}/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1000&fromId={len(found) + 1}"
        rows = ask(asked)
        found += rows
        if not rows:
            return found


def asked_for(url: str, name: str, since: int = 0) -> list[dict[str, Any]]:
    """The requests for an endpoint after one of the log."""
    rows = ask(f"{url}/control/requests?since={since}")
    return [row for row in rows if row["path"].endswith(name)]


def last_request(url: str) -> int:
    rows = ask(f"{url}/control/requests")
    return int(rows[-1]["seq"]) if rows else 0
