"""Binance's two futures products as the desk's venue meets them: USDⓈ-M and COIN-M.

Everything in which they differ for us stands here or is done by the product's own API class.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.venues.binance import endpoints as at
from contractdesk.venues.binance.endpoints import Endpoints
from contractdesk.venues.rest import Endpoint


class Product(Struct, frozen=True, kw_only=True):
    """One of the two. Socket paths begin with a slash and follow ``Endpoints.ws_url``."""

    name: str
    root: str  # of its sections in ccxt's API
    ccxt: str  # the class that signs and sends
    production: Endpoints
    testnet: Endpoints
    public_path: str
    market_path: str
    private_path: str
    key_in_query: bool  # where the listen key goes; else it is the last word of the path
    last_bars: (
        bool  # of a stretch of more bars than a page the venue tells the last ones; else the first ones
    )
    account: Endpoint
    positions: Endpoint
    brackets: Endpoint

    def private_stream(self, listen_key: str) -> str:
        """Where the user stream of this key is."""
        before = "?listenKey=" if self.key_in_query else "/"
        return f"{self.private_path}{before}{listen_key}"

    def calls(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint in this product's section of ccxt's API."""
        return endpoint if endpoint.api == at.WALLET else replace(endpoint, api=self.root + endpoint.api)


USDM = Product(
    name="usd-m",
    root="fapi",
    ccxt="binanceusdm",
    production=Endpoints(
        rest_url="https://fapi.binance.com",
        ws_url="wss://fstream.binance.com",
        wallet_url="https://api.binance.com",
    ),
    testnet=Endpoints(
        rest_url="https://demo-fapi.binance.com",
        ws_url="wss://fstream.binancefuture.com",
        wallet_url="https://demo-api.binance.com",
        scopes_known=False,
    ),
    public_path="/public/stream",
    market_path="/market/stream",
    private_path="/private/ws",
    key_in_query=True,
    last_bars=False,
    account=at.ACCOUNT,
    positions=at.POSITIONS,
    brackets=at.BRACKETS,
)
COINM = Product(
    name="coin-m",
    root="dapi",
    ccxt="binancecoinm",
    production=Endpoints(
        rest_url="https://dapi.binance.com",
        ws_url="wss://dstream.binance.com",
        wallet_url="https://api.binance.com",
    ),
    testnet=Endpoints(
        rest_url="https://demo-dapi.binance.com",
        ws_url="wss://dstream.binancefuture.com",
        wallet_url="https://demo-api.binance.com",
        scopes_known=False,
    ),
    public_path="/stream",
    market_path="/stream",
    private_path="/ws",
    key_in_query=False,
    last_bars=True,
    account=at.COIN_ACCOUNT,
    positions=at.COIN_POSITIONS,
    brackets=at.COIN_BRACKETS,
)
