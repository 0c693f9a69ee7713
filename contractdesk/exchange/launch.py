"""Start the exchange: as a process of its own (``serve``) or within one (``running``)."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal, InvalidOperation
from typing import Self

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from contractdesk.clock import NS_PER_S, Clock, SystemClock
from contractdesk.errors import ConfigError
from contractdesk.exchange.control import Control
from contractdesk.exchange.core import Exchange
from contractdesk.exchange.limits import Quota
from contractdesk.exchange.markets import generated_exchange, recorded_exchange
from contractdesk.exchange.server import Server
from contractdesk.exchange.wire.binance.amending import AMEND_STOPS
from contractdesk.exchange.wire.binance.keys import Credential, Scopes

HOST = "127.0.0.1"
VENUES = ("binance",)
LONGEST_CATCH_UP_NS = 5 * NS_PER_S  # a process that slept longer lets the market sleep too
IDLE_CHECK_S = 0.5
SHUTDOWN_S = 1.0


class AccountOption(Struct, frozen=True, kw_only=True):
    """One API key and what its account holds. The secret never appears in a repr."""

    key: str
    secret: str
    balance: Decimal = Decimal(10_000)  # USDT
    coins: Decimal = Decimal(1)  # BTC, for the contracts that settle in it
    scopes: Scopes = Scopes()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``KEY:SECRET[:BALANCE[:COINS]]``; ConfigError for anything else."""
        key, _, rest = text.partition(":")
        secret, *amounts = rest.split(":")
        if not all((key, secret, *amounts)) or len(amounts) > 2:
            raise ConfigError("an account is KEY:SECRET, KEY:SECRET:BALANCE or KEY:SECRET:BALANCE:COINS")
        made = cls(key=key, secret=secret)
        stated = {name: _amount(key, each) for name, each in zip(("balance", "coins"), amounts, strict=False)}
        return replace(made, **stated)

    @property
    def balances(self) -> dict[str, Decimal]:
        """By asset."""
        return {"USDT": self.balance, "BTC": self.coins}

    def __repr__(self) -> str:
        return f"AccountOption(balance={self.balance})"


def _amount(key: str, text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise ConfigError(f"the balance of account {key} is not a positive number: {text}")
    return amount


DEMO = AccountOption(key="demo-key", secret="demo-secret")  # noqa: S106 - the published demo account


class ExchangeOptions(Struct, frozen=True, kw_only=True):
    """What ``contractdesk exchange`` can be told."""

    venue: str = "binance"
    port: int = 0  # 0: any free one
    seed: int = 1  # of the generated market
    recording: str | None = None  # path, pattern or folder: this market instead of a generated one
    speed: float = 1.0  # of the recording
    start_s: float = 60.0  # so much of the recording is history when the market opens
    repeat: bool = False  # at its end the recording begins again
    accounts: tuple[AccountOption, ...] = (DEMO,)
    idle_limit_s: float | None = None  # end after nobody has been connected for so long
    quota: Quota = Quota()
    amend_stops: bool = False  # a dialect for tests; see ``wire.binance.amending``


class Running(Struct, frozen=True):
    """A server that accepts connections."""

    server: Server
    port: int
    market: asyncio.Task[None]  # drives the exchange; it is done only when that has failed

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{HOST}:{self.port}"


def build(options: ExchangeOptions, clock: Clock, exchange: Exchange | None = None) -> Server:
    """The exchange and its server, not bound yet; ConfigError for what cannot be.

    ``exchange`` stands in for the one that the options describe.
    """
    if options.venue not in VENUES:
        raise ConfigError(f"no venue {options.venue!r}: the exchange speaks {', '.join(VENUES)}")
    extra = AMEND_STOPS if options.amend_stops else None
    server = Server(exchange or _exchange(options, clock.now_ns()), clock, options.quota, extra)
    for option in options.accounts:
        credential = Credential(option.key, option.secret, option.key, option.scopes)
        balances = {each: held for each, held in option.balances.items() if each in server.assets}
        server.add_key(credential, balances)
    return server


def _exchange(options: ExchangeOptions, now_ns: int) -> Exchange:
    if options.recording is None:
        return generated_exchange(options.seed, now_ns, longest_catch_up_ns=LONGEST_CATCH_UP_NS)
    if not options.speed > 0:
        raise ConfigError(f"the speed of a recording is a positive number, not {options.speed}")
    return recorded_exchange(
        options.recording,
        now_ns,
        speed=options.speed,
        history_s=options.start_s,
        repeat=options.repeat,
        longest_catch_up_ns=LONGEST_CATCH_UP_NS,
    )


@asynccontextmanager
async def running(
    options: ExchangeOptions | None = None,
    clock: Clock | None = None,
    exchange: Exchange | None = None,
) -> AsyncIterator[Running]:
    """Serve on this loop for the duration of the context; it ends with every socket closed."""
    options = options or ExchangeOptions()
    server = build(options, clock or SystemClock(), exchange)
    app = server.app()
    app.add_routes(Control(server).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    market = asyncio.create_task(server.run())
    try:
        site = web.TCPSite(runner, HOST, options.port)
        try:
            await site.start()
        except OSError as exc:
            raise ConfigError(f"port {options.port} of {HOST} cannot be used: {exc.strerror}") from exc
        yield Running(server, _bound_port(runner), market)
    finally:
        market.cancel()
        with suppress(asyncio.CancelledError):
            await market
        server.hub.cut(lambda _: True)
        await runner.cleanup()


def _bound_port(runner: web.AppRunner) -> int:
    port: int = runner.addresses[0][1]
    return port


def serve(options: ExchangeOptions) -> None:
    """Serve until SIGINT, SIGTERM or the idle limit; says ``ready URL`` on standard output.

    ConfigError for what cannot be served; whatever breaks the exchange itself is raised.
    """
    asyncio.run(_serve(options))


async def _serve(options: ExchangeOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(options) as venue:
        sys.stdout.write(f"ready {venue.url}\n")
        sys.stdout.flush()
        await _until_done(venue, stop, options.idle_limit_s)


async def _until_done(venue: Running, stop: asyncio.Event, idle_limit_s: float | None) -> None:
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), IDLE_CHECK_S)
        if venue.market.done():
            return  # its error is raised where the context ends
        if idle_limit_s is not None and venue.server.idle_s() > idle_limit_s:
            return
