"""A desk of its own for each test on one still exchange, and what that exchange says of it.

The exchange runs on a thread of the test's process, so its market says exactly what a test sets. All that
is judged is read from ``/control/state`` and ``/control/requests``.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlencode

from contractdesk.console.desk import Desk
from contractdesk.console.opening import open_desk
from contractdesk.desk import embedded
from contractdesk.exchange.launch import ExchangeOptions, Running, running
from contractdesk.exchange.wire.binance.signing import signature
from tests.rules.still import LOTS, OPENING, StillMarket, still_exchange

D = Decimal
T = TypeVar("T")
BTC, ETH, SOL = "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"
COIN = "BTC/USD:BTC"
VENUE = {BTC: "BTCUSDT", ETH: "ETHUSDT", SOL: "SOLUSDT", COIN: "BTCUSD_PERP"}
POLL_S = 0.02
NS_PER_S = 1_000_000_000


def eventually(read: Callable[[], T], wanted: Callable[[T], object], within_s: float = 60.0) -> T:
    """What ``read`` gives once it is wanted; an AssertionError with the last of it when it never is."""
    end, pause = time.monotonic() + within_s, threading.Event()
    while not wanted(value := read()):
        assert time.monotonic() < end, f"still {value}"
        pause.wait(POLL_S)
    return value


class StillVenue:
    """The exchange on its thread, and the desks that tests have opened there.

    ``asset`` is what its contracts settle in: with "BTC" they are inverse ones.
    """

    def __init__(self, opening: Mapping[str, Decimal] = OPENING, asset: str = "USDT") -> None:
        self.asset, self._opening = asset, opening
        self.api = "/fapi/v1" if asset == "USDT" else "/dapi/v1"
        self._ready, self._ending = threading.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._running: Running | None = None
        self._thread = threading.Thread(target=self._serve, name="still-exchange", daemon=True)
        self._desks: list[Desk] = []
        self._markets: dict[str, StillMarket] = {}
        self._thread.start()
        assert self._ready.wait(10)
        self.other = Hand(self, "somebody-else", "somebody-else", "1000000000")

    def _serve(self) -> None:
        self._loop.run_until_complete(self._until_told())

    async def _until_told(self) -> None:
        options = ExchangeOptions(accounts=())
        exchange, self._markets = still_exchange(time.time_ns(), self._opening)
        async with running(options, exchange=exchange) as self._running:
            self._ready.set()
            await self._ending.wait()

    @property
    def address(self) -> str:
        assert self._running is not None
        return self._running.url

    def close(self) -> None:
        for desk in self._desks:
            if desk.is_open:
                desk.close()
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(10)
        self._loop.close()

    def admit(self, name: str, balance: str) -> None:
        """A new account, with the key that its desk will use."""
        # The desks before, and who looks on, share this desk's address: they are not to spend its weight.
        self.post("limits", {"weight_1m": 100_000})
        key = {"key": f"{name}-key", "secret": f"{name}-secret", "asset": self.asset}
        self.post("account", key | {"balance": balance, "account": name})

    def open(self, name: str, **options: Any) -> Desk:
        """The desk of an account; its keys are in the environment."""
        where = {"rest": self.address, "stream": self.address.replace("http", "ws")}
        desk = open_desk("binance", name, "testnet", name=name, endpoints=where, **options)
        self._desks.append(desk)
        return desk

    # -- the control API -----------------------------------------------------------------------

    def get(self, path: str) -> Any:
        return json.loads(embedded.get(self.address, f"/control/{path}"))

    def post(self, path: str, body: dict[str, object]) -> Any:
        return json.loads(embedded.post(self.address, f"/control/{path}", body))

    def move(self, **prices: object) -> None:
        """``move(BTCUSDT="60000.1")``: the mark stands there when this returns."""
        for symbol, price in prices.items():
            self.post("price", {"symbol": symbol, "price": str(price)})
        wanted = {symbol: D(str(price)) for symbol, price in prices.items()}
        eventually(lambda: {symbol: self.mark(symbol) for symbol in wanted}, lambda now: now == wanted)

    def mark(self, symbol: str) -> Decimal:
        """The exchange's own, by its own name of the symbol."""
        return D(self.get("state")["marks"][symbol]["mark_price"])

    def restore(self) -> None:
        """All marks where the market opened."""
        self.move(**self._opening)

    @property
    def symbols(self) -> list[str]:
        """The desk's names of what is traded here."""
        return [symbol for symbol, name in VENUE.items() if name in self._opening]

    def asked(self) -> int:
        """The number of the last request."""
        rows = self.get("requests?limit=100000")
        return int(rows[-1]["seq"]) if rows else 0

    def silence(self, symbol: str, *, silent: bool = True) -> None:
        """Print no mark of the market's own until told otherwise."""
        self._markets[VENUE[symbol]].silent = silent

    def thin(self, symbol: str, lots: int) -> None:
        """Show so many lots a level from now on; 0: only users are left in the book."""
        self._markets[VENUE[symbol]].offer(lots)
        eventually(lambda: self.offered(symbol), lambda now: bool(now) == bool(lots))

    def coarsen(self, symbol: str, ticks: int) -> None:
        """Show levels so many ticks apart from now on, as a venue does whose tick has grown."""
        self._markets[VENUE[symbol]].step = ticks
        self.thin(symbol, LOTS // 2)  # anything new makes the market say what it shows
        self.thicken(symbol)

    def thicken(self, symbol: str) -> None:
        self.thin(symbol, LOTS)

    def offered(self, symbol: str) -> list[Any]:
        """The best level of either side, where there is one."""
        book = json.loads(embedded.get(self.address, f"{self.api}/depth?symbol={VENUE[symbol]}&limit=5"))
        return [*book["bids"][:1], *book["asks"][:1]]

    def fault(self, kind: str, **fields: object) -> int:
        found: int = self.post("fault", {"kind": kind, **fields})["id"]
        return found

    def forgive(self) -> None:
        """No fault any more."""
        self._delete("fault")

    def lift(self, fault_id: int) -> None:
        """This one not any more."""
        self._delete(f"fault?id={fault_id}")

    def _delete(self, path: str) -> None:
        request = urllib.request.Request(f"{self.address}/control/{path}", method="DELETE")  # noqa: S310
        urllib.request.urlopen(request).close()  # noqa: S310


class Hand:
    """A bare client with a key of its own to an account; it signs, and does nothing else."""

    def __init__(self, venue: StillVenue, key: str, account: str, balance: str = "10000") -> None:
        self._venue, self._key, self._secret = venue, key, f"{key}-secret"
        said = {"key": key, "secret": self._secret, "account": account, "balance": balance}
        venue.post("account", said | {"asset": venue.asset})

    def signed(self, method: str, path: str, **params: object) -> Any:
        """AssertionError for a refusal."""
        query = urlencode({"timestamp": int(time.time() * 1000), **params})
        url = f"{self._venue.address}{path}?{query}&signature={signature(self._secret, query)}"
        request = urllib.request.Request(url, method=method, headers={"X-MBX-APIKEY": self._key})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()}") from error

    def trade(self, symbol: str, side: str, quantity: str, **more: object) -> Any:
        """A market order."""
        params = {"symbol": VENUE[symbol], "side": side, "type": "MARKET", "quantity": quantity, **more}
        return self.signed("POST", f"{self._venue.api}/order", **params)


class Seat:
    """One account: its desk, a second client with a key of its own, and the exchange's word on both."""

    def __init__(self, venue: StillVenue, desk: Desk, second: Hand, since: int) -> None:
        self.venue = venue
        self.desk = desk
        self.name = desk.name
        self.second = second
        self._since = since

    # -- the witness ---------------------------------------------------------------------------

    def truth(self) -> dict[str, Any]:
        """The exchange's whole picture of the account, with its ``now_ns`` and ``marks``."""
        state = self.venue.get("state")
        account: dict[str, Any] = state["accounts"][self.name]
        return account | {"now_ns": state["now_ns"], "marks": state["marks"]}

    def until(self, wanted: Callable[[dict[str, Any]], object], within_s: float = 60.0) -> dict[str, Any]:
        """The exchange's picture once it is as wanted."""
        return eventually(self.truth, wanted, within_s)

    def size(self, symbol: str) -> Decimal:
        return held(self.truth(), symbol)

    def equity(self) -> Decimal:
        return D(self.truth()["balances"][self.venue.asset]["margin_balance"])

    def creates(self) -> list[dict[str, Any]]:
        """What this desk has sent to make an order, entries, exits and stops alike, answered or not."""
        rows = self.requests()
        return [row for row in rows if row["role"] != "other" and row["client_id"].startswith("cd")]

    def requests(self) -> list[dict[str, Any]]:
        """The exchange's log of requests since the desk was opened; one desk is open at a time."""
        rows: list[dict[str, Any]] = self.venue.get(f"requests?since={self._since}&limit=100000")
        return rows

    # -- the other hand ------------------------------------------------------------------------

    def other(self, side: str, symbol: str, quantity: str) -> None:
        """A market order of somebody else, who trades with what rests nearest to the mark."""
        self.venue.other.trade(symbol, side, quantity)

    def transfer(self, amount: str) -> None:
        self.venue.post("transfer", {"account": self.name, "amount": amount, "asset": self.venue.asset})


# -- reading a picture -----------------------------------------------------------------------------


def held(truth: dict[str, Any], symbol: str) -> Decimal:
    """Signed contracts that the exchange has for the account."""
    return D(truth["positions"][VENUE[symbol]]["size"])


def live_stops(truth: dict[str, Any], symbol: str) -> list[dict[str, Any]]:
    return [row for row in truth["open_algo_orders"] if row["symbol"] == VENUE[symbol]]


def covered(truth: dict[str, Any], symbol: str) -> bool:
    """One reduce-only stop of exactly the position's size, on its closing side."""
    size = held(truth, symbol)
    side = "SELL" if size > 0 else "BUY"
    rows = [(row["side"], D(row["quantity"]), row["reduce_only"]) for row in live_stops(truth, symbol)]
    return rows == ([(side, abs(size), True)] if size else [])
