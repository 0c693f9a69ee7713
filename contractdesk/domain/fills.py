"""Fills: executions of our own orders. A trade, in this code, is somebody else's public print."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from msgspec import Struct


class Liquidity(Enum):
    MAKER = "maker"
    TAKER = "taker"


class Fill(Struct, frozen=True, kw_only=True):
    """One execution, as the venue reports it; ``(symbol, identity)`` tells it from every other."""

    symbol: str
    trade_id: str
    client_id: str  # of the order; a foreign or venue-made id for what we did not send
    venue_order_id: str
    signed_size: Decimal  # contracts; + bought, - sold
    price: Decimal
    fee: Decimal  # + paid, - rebate
    fee_asset: str
    liquidity: Liquidity
    venue_ns: int
    ts_ns: int
    strategy_id: str = ""
    forced: bool = False  # by the venue: a liquidation, a deleveraging

    @property
    def identity(self) -> str:
        """The trade and our side of it: two orders of one account that met have one trade id between them."""
        return f"{self.trade_id}{'+' if self.signed_size > 0 else '-'}"

    @property
    def size(self) -> Decimal:
        """Contracts, unsigned."""
        return abs(self.signed_size)
