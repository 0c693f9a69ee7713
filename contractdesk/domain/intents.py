"""What a strategy or a person wishes. An intent is not an order until the risk gate says so."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from msgspec import Struct

from contractdesk.domain.orders import Side, TimeInForce


class AtrStop(Struct, frozen=True, tag="atr"):
    """A stop ``multiple`` times ATR(``period``) of the intent's timeframe away from the entry."""

    period: int = 14
    multiple: Decimal = Decimal("2.5")
    timeframe: str = ""  # "" means the strategy's own


class FixedStop(Struct, frozen=True, tag="fixed"):
    """A stop at a price."""

    price: Decimal


StopSpec = AtrStop | FixedStop


class IntentKind(Enum):
    ENTER = "enter"  # opens or adds; passes every rule
    EXIT = "exit"  # closes, reduce-only; never blocked by a rule
    MOVE_STOP = "move_stop"
    CANCEL = "cancel"  # own resting entries of the symbol


class Intent(Struct, frozen=True, kw_only=True):
    """A wish. At most one of ``size``, ``notional`` and ``amount`` is set; none means the cap's share."""

    kind: IntentKind
    symbol: str
    side: Side = Side.BUY
    size: Decimal | None = None  # contracts
    notional: Decimal | None = None  # settle currency
    amount: Decimal | None = None  # base units
    limit: Decimal | None = None  # None: market
    time_in_force: TimeInForce = TimeInForce.GTC
    stop: StopSpec | None = None
    take_profit: Decimal | None = None
    expire_s: float | None = None  # a resting entry is cancelled after so long
    reason: str = ""
