"""An exchange whose market does nothing of its own, so that a test says all that happens in it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from contractdesk.domain.instrument import ContractKind
from contractdesk.exchange.core import Exchange
from contractdesk.exchange.fed import FedMarket
from contractdesk.exchange.listings import default_listings
from contractdesk.exchange.market import Depth, Level, MarkTick, Message
from contractdesk.exchange.model import (
    AlgoType,
    Event,
    NewAlgo,
    NewOrder,
    Order,
    OrderType,
    Result,
    Side,
    TimeInForce,
    WorkingType,
)
from contractdesk.exchange.terms import Listing, Terms

NS_PER_S = 1_000_000_000
START_NS = 1_700_000_000 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
BTC = "BTCUSDT"
D = Decimal


def mark_tick(mark: str, rate: str = "0.0001") -> MarkTick:
    """A mark, its index beside it; funding settles an hour after the start."""
    return MarkTick(D(mark), D(mark), D(rate), START_NS + HOUR_NS)


class Pit:
    """An exchange on one quiet market, with customers ann and bob of 10,000 each."""

    def __init__(
        self,
        bids: Sequence[Level] = (),
        asks: Sequence[Level] = (),
        *,
        mark: str = "60000",
        balance: str = "10000",
        listing: Listing | None = None,
    ) -> None:
        self.listing = listing or default_listings()[0]
        self.symbol = self.listing.symbol
        self.market = FedMarket(Depth(bids, asks), mark_tick(mark))
        self.exchange = Exchange([self.listing], {self.symbol: self.market}, START_NS)
        for name in ("ann", "bob"):
            self.exchange.open_account(name, {self.listing.asset: D(balance)}, START_NS)
        self.now_ns = START_NS

    def send(self, *messages: Message) -> list[Event]:
        """Let the market send these messages now."""
        self.now_ns += NS_PER_S
        self.market.feed(self.now_ns, *messages)
        return self.exchange.advance(self.now_ns)

    def mark(self, price: str) -> list[Event]:
        return self.send(mark_tick(price))

    def place(
        self,
        account: str,
        side: Side,
        quantity: str | None,
        price: str | None = None,
        tif: TimeInForce = TimeInForce.GTC,
        *,
        reduce_only: bool = False,
        client_id: str = "",
    ) -> Order:
        """A LIMIT where it has a price, else a MARKET order."""
        response = self.handle(
            NewOrder(
                account=account,
                symbol=self.symbol,
                side=side,
                type=OrderType.MARKET if price is None else OrderType.LIMIT,
                quantity=None if quantity is None else D(quantity),
                price=None if price is None else D(price),
                time_in_force=tif,
                reduce_only=reduce_only,
                client_id=client_id,
            )
        ).response
        assert isinstance(response, Order)
        return response

    def stop(
        self, account: str, side: Side, trigger: str, quantity: str | None = None, **more: object
    ) -> NewAlgo:
        """The request of a stop on the mark; ``more`` overrides its fields."""
        request = NewAlgo(
            account=account,
            symbol=self.symbol,
            side=side,
            type=AlgoType.STOP_MARKET,
            trigger_price=D(trigger),
            quantity=None if quantity is None else D(quantity),
            working_type=WorkingType.MARK_PRICE,
            reduce_only=quantity is not None,
            close_position=quantity is None,
        )
        return replace(request, **more)

    def handle(self, request: object) -> Result:
        return self.exchange.handle(request, self.now_ns)  # type: ignore[arg-type]

    def size(self, account: str) -> Decimal:
        rows = {row.symbol: row for row in self.exchange.account(account).positions}
        return rows[self.symbol].size

    def wallet(self, account: str) -> Decimal:
        (balance,) = self.exchange.account(account).balances
        return balance.wallet


def inverse_listing() -> Listing:
    """BTCUSD_PERP-like: a contract is 100 USD, settled in BTC."""
    instrument = replace(
        default_listings()[0].instrument,
        symbol="BTC/USD:BTC",
        venue_symbol="BTCUSD_PERP",
        kind=ContractKind.INVERSE,
        quote="USD",
        settle="BTC",
        contract_size=D(100),
        lot_size=D(1),
        min_size=D(1),
        max_size=D(1_000_000),
        max_market_size=D(60_000),
        min_notional=D(0),
    )
    return Listing(instrument, Terms())
