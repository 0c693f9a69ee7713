"""Binance's two futures products, USDⓈ-M and COIN-M: what sets their faces apart.

One table of handlers serves both. A request sees the contracts and the wallets of its own product only.
https://developers.binance.com/docs/derivatives/coin-margined-futures
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.instrument import ContractKind, Instrument
from contractdesk.exchange.model import AccountState
from contractdesk.exchange.terms import Listing

PERPETUAL = "PERPETUAL"
Json = dict[str, object]


class Product(Struct, frozen=True, kw_only=True):
    """One of the two."""

    name: str
    root: str  # the first word of its REST paths
    kind: ContractKind
    number: int  # ``st`` of the streams, which have carried both since the products were merged
    worth: str  # what a size is worth is told in: quoteQty, cumQuote; baseQty, cumBase
    least_price_decimals: int
    lists: bool  # marks and tickers come as lists, even those of one symbol
    routed: bool  # its streams are spread over /public, /market and /private

    def listed(self, listings: Mapping[str, Listing]) -> dict[str, Listing]:
        """Its contracts among all."""
        return {symbol: row for symbol, row in listings.items() if row.instrument.kind is self.kind}

    def shows(self, state: AccountState, listings: Mapping[str, Listing]) -> AccountState:
        """An account as this product knows it."""
        mine = self.listed(listings)
        assets = {row.asset for row in mine.values()}
        return replace(
            state,
            balances=tuple(row for row in state.balances if row.asset in assets),
            positions=tuple(row for row in state.positions if row.symbol in mine),
        )


USDM = Product(
    name="usd-m",
    root="fapi",
    kind=ContractKind.LINEAR,
    number=1,
    worth="Quote",
    least_price_decimals=2,
    lists=False,
    routed=True,
)
COINM = Product(
    name="coin-m",
    root="dapi",
    kind=ContractKind.INVERSE,
    number=2,
    worth="Base",
    least_price_decimals=0,
    lists=True,
    routed=False,
)
PRODUCTS = (USDM, COINM)


def product_of(terms: Instrument) -> Product:
    """The product that lists these terms."""
    return COINM if terms.kind is COINM.kind else USDM


def product_in(assets: Collection[str], listings: Mapping[str, Listing]) -> Product:
    """The product whose wallets hold one of these assets; USDⓈ-M for what neither lists."""
    coins = {row.asset for row in COINM.listed(listings).values()}
    return COINM if coins.intersection(assets) else USDM


def pair_of(terms: Instrument) -> str:
    """The name of the index that the contract follows, such as BTCUSD."""
    return f"{terms.base}{terms.quote}"


def worth_of(terms: Instrument, size: Decimal, price: Decimal) -> Decimal:
    """Unsigned: in quote (USDⓈ-M), or in base, rounded to 1e-8 (COIN-M)."""
    coin = terms.kind is COINM.kind
    return terms.notional(size, price) if coin else terms.quote_notional(size, price)


def paired(terms: Instrument, row: Json) -> Json:
    """COIN-M names the pair beside the symbol."""
    return {**row, "pair": pair_of(terms)} if product_of(terms) is COINM else row


def marked(terms: Instrument, frame: Json, *, pair: bool = True) -> Json:
    """A frame of a merged stream: COIN-M's carry ``st``, and mostly the pair as ``ps``."""
    if product_of(terms) is not COINM:
        return frame
    named: Json = {"ps": pair_of(terms)} if pair else {}
    return {**frame, **named, "st": COINM.number}
