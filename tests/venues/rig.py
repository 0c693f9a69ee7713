"""A venue on the loopback exchange: a process of its own, an account for each test, bounded waits."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from functools import wraps
from typing import Any, TypeVar

from contractdesk.clock import SystemClock
from contractdesk.domain.events import Event, EventBase
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderType, Side, TimeInForce
from contractdesk.venues.binance.endpoints import at
from contractdesk.venues.binance.venue import BinanceVenue
from contractdesk.venues.credentials import Credentials, Secret
from contractdesk.venues.limits import Quota
from contractdesk.venues.streams import StreamTimes

SYMBOL = "BTC/USDT:USDT"
LIMIT_S = 20.0
QUICK = StreamTimes(open_s=2.0, ping_s=0.3, pong_s=0.3)
WIDE = Quota(weight_1m=1_000_000)  # all tests share one address
_numbers = itertools.count(1)
E = TypeVar("E", bound=EventBase)


@contextmanager
def exchange_process(*options: str) -> Iterator[str]:
    """The base URL of a running loopback exchange."""
    command = [sys.executable, "-m", "contractdesk.exchange", "--port", "0", "--idle-limit", "300", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline().split()
            assert ready[:1] == ["ready"], ready
            yield ready[1]
        finally:
            process.terminate()


class Rig:
    """One account, one venue, and everything that the venue emitted."""

    def __init__(self, url: str, times: StreamTimes = QUICK) -> None:
        number = next(_numbers)
        self.url = url
        self.times = times
        self.key = f"canary-key-{number}"
        self.secret = f"canary-secret-{number}"
        self.clock = SystemClock()
        self.events: list[Event] = []
        self._news = asyncio.Event()
        self.venue = self.new_venue()

    def new_venue(self) -> BinanceVenue:
        credentials = Credentials("test", Secret(self.key), Secret(self.secret))
        return BinanceVenue(at(self.url), credentials, self.clock, seed=1, times=self.times, quota=WIDE)

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def control(self, method: str, name: str, body: object = None) -> Any:
        """The exchange's own word, or a lever."""

        def ask() -> Any:
            data = None if body is None else json.dumps(body).encode()
            url = f"{self.url}/control/{name}"
            asked = urllib.request.Request(url, data, method=method)  # noqa: S310  (loopback)
            with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310  (loopback)
                return json.load(answer)

        return await asyncio.to_thread(ask)

    async def account(self, **scopes: bool) -> None:
        """Open this rig's account, on an exchange that does not count weights."""
        await self.control("POST", "limits", {"weight_1m": WIDE.weight_1m})
        wish = {"key": self.key, "secret": self.secret, "balance": "10000", "scopes": scopes}
        await self.control("POST", "account", wish)

    async def fault(self, kind: str, **terms: object) -> int:
        return int((await self.control("POST", "fault", {"kind": kind, **terms}))["id"])

    async def requests(self, since: int = 0) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await self.control("GET", f"requests?since={since}")
        return rows

    async def last_request(self) -> int:
        rows = await self.requests()
        return int(rows[-1]["seq"]) if rows else 0

    async def truth(self, table: str) -> list[dict[str, Any]]:
        """This account's rows of a table of the exchange's state."""
        rows: list[dict[str, Any]] = (await self.control("GET", "state"))["accounts"][self.key][table]
        return rows

    async def streams(self) -> list[tuple[str, list[str]]]:
        """(path, sorted topics) of all sockets, sorted."""
        sockets = await self.control("GET", "sockets")
        return sorted((row["path"], sorted(row["streams"])) for row in sockets)

    async def price(self) -> Decimal:
        """The last trade that was emitted."""
        trade = await self.seen("TradePrinted")
        return Decimal(trade.price)  # type: ignore[attr-defined]

    def of(self, kind: str, since: int = 0) -> list[Any]:
        """Events by class name, from the ``since``-th event on."""
        return [event for event in self.events[since:] if type(event).__name__ == kind]

    async def seen(self, kind: str, fits: Callable[[Any], bool] = lambda _: True, *, since: int = 0) -> Any:
        """The first such event; fails when there is none in time."""

        async def wait() -> Any:
            while True:
                self._news.clear()
                for event in self.of(kind, since):
                    if fits(event):
                        return event
                await self._news.wait()

        try:
            return await asyncio.wait_for(wait(), LIMIT_S)
        except TimeoutError:
            last = [type(event).__name__ for event in self.events[since:]][-12:]
            raise AssertionError(f"no {kind} in {LIMIT_S} s; the last events: {last}") from None

    def mark(self) -> int:
        """Where the events stand now: for ``since``."""
        return len(self.events)


@asynccontextmanager
async def open_rig(
    url: str,
    *,
    watch: bool = True,
    timeframes: tuple[str, ...] = ("1m", "1s"),
    times: StreamTimes = QUICK,
) -> AsyncIterator[Rig]:
    """A rig with an open venue, watching BTC/USDT:USDT; leaves no task, fault or order behind."""
    rig = Rig(url, times)
    await rig.account()
    before = asyncio.all_tasks()
    await rig.venue.open(rig.emit)
    try:
        if watch:
            await rig.venue.watch(SYMBOL, timeframes, 30)
        yield rig
    finally:
        await rig.control("DELETE", "fault")
        await rig.venue.close()
        assert asyncio.all_tasks() <= before | {asyncio.current_task()}


def request(
    role: OrderRole = OrderRole.ENTRY, side: Side = Side.BUY, size: str = "0.01", **terms: Any
) -> OrderRequest:
    """An order with a client id of its own; market unless it has a price or a trigger."""
    kind = OrderType.MARKET
    if "price" in terms:
        kind = OrderType.LIMIT
    if "trigger_price" in terms:
        kind = OrderType.STOP_MARKET
    defaults: dict[str, Any] = {
        "client_id": f"cdtest{next(_numbers):07d}{role.value}",
        "symbol": SYMBOL,
        "side": side,
        "size": Decimal(size),
        "role": role,
        "type": kind,
        "time_in_force": TimeInForce.GTC,
        "reduce_only": role is not OrderRole.ENTRY,
    }
    return OrderRequest(**(defaults | terms))


def live(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine test on a loop of its own."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run
