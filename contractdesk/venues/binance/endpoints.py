"""Where Binance's futures are, and their REST endpoints with their weights.

An endpoint names its section of ccxt's API without the product (``Private``): ``Product.calls`` adds it.
https://developers.binance.com/docs/derivatives/usds-margined-futures
https://developers.binance.com/docs/derivatives/coin-margined-futures
"""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

from contractdesk.venues.rest import Effect, Endpoint

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class Endpoints(Struct, frozen=True, kw_only=True):
    """Base URLs without a trailing slash.

    ``scopes_known`` is False where the venue has no endpoint that tells a key's scopes (testnet).
    """

    rest_url: str
    ws_url: str  # the product's paths follow
    wallet_url: str  # where ``/sapi/v1`` lives
    scopes_known: bool = True

    @property
    def local(self) -> bool:
        """True for a server on this host: never behind a proxy."""
        return urlsplit(self.rest_url).hostname in LOOPBACK_HOSTS


def at(url: str) -> Endpoints:
    """Everything behind one plain base URL, such as ``http://127.0.0.1:8090``."""
    base = url.rstrip("/")
    return Endpoints(rest_url=base, ws_url=base.replace("http", "ws", 1), wallet_url=base)


WALLET = "sapi"  # of no product


def _public(path: str, weight: int = 1) -> Endpoint:
    return Endpoint(api="Public", method="GET", path=path, weight=weight)


def _private(
    path: str,
    weight: int = 1,
    method: str = "GET",
    effect: Effect = Effect.READ,
    api: str = "Private",
    orders: int = 0,
    *,
    harmless: bool = False,
) -> Endpoint:
    return Endpoint(
        api=api, method=method, path=path, weight=weight, effect=effect, orders=orders, harmless=harmless
    )


TIME = _public("time")
EXCHANGE_INFO = _public("exchangeInfo")
DEPTH = _public("depth", 20)  # limit 1000; fewer levels cost less
KLINES = _public("klines", 5)  # limit 500 to 1000
AGG_TRADES = _public("aggTrades", 20)
FUNDING_RATE = _public("fundingRate")
PREMIUM_INDEX = _public("premiumIndex")
OPEN_INTEREST = _public("openInterest")
OPEN_INTEREST_HISTORY = Endpoint(api="Data", method="GET", path="openInterestHist", weight=0)

# What each product has of its own.
ACCOUNT = _private("account", 5, api="PrivateV3")
POSITIONS = _private("positionRisk", 5, api="PrivateV3")
BRACKETS = _private("leverageBracket")
COIN_ACCOUNT = _private("account", 5)
COIN_POSITIONS = _private("positionRisk")
COIN_BRACKETS = _private("leverageBracket", 2, api="PrivateV2")

COMMISSION = _private("commissionRate", 20)
SYMBOL_CONFIG = _private("symbolConfig", 5)  # USDⓈ-M
ACCOUNT_CONFIG = _private("accountConfig", 5)  # USDⓈ-M
POSITION_MODE = _private("positionSide/dual", 30)
INCOME = _private("income", 30)
USER_TRADES = _private("userTrades", 5)
ORDER = _private("order")
OPEN_ORDERS = _private("openOrders", 40)  # of all symbols
ALGO_ORDER = _private("algoOrder")
OPEN_ALGO_ORDERS = _private("openAlgoOrders", 40)  # of all symbols
ALL_ORDERS = _private("allOrders", 5)
ALL_ALGO_ORDERS = _private("allAlgoOrders", 5)
NEW_ORDER = _private("order", 0, "POST", Effect.CREATE, orders=1)
NEW_ALGO_ORDER = _private("algoOrder", 0, "POST", Effect.CREATE, orders=1)
CANCEL_ORDER = _private("order", 1, "DELETE", Effect.REPEATABLE)
CANCEL_ALGO_ORDER = _private("algoOrder", 1, "DELETE", Effect.REPEATABLE)
SET_LEVERAGE = _private("leverage", 1, "POST", Effect.REPEATABLE)
SET_MARGIN_TYPE = _private("marginType", 1, "POST", Effect.REPEATABLE)
SET_POSITION_SIDE = _private("positionSide/dual", 1, "POST", Effect.REPEATABLE)
OPEN_LISTEN_KEY = _private("listenKey", 1, "POST", Effect.REPEATABLE, harmless=True)
PROLONG_LISTEN_KEY = _private("listenKey", 1, "PUT", Effect.REPEATABLE, harmless=True)
KEY_SCOPES = _private("account/apiRestrictions", 1, api=WALLET)
