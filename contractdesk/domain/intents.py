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
    MOVE_STOP = "move_stop"  # to a price, or to follow the market, or to stay
    ADOPT = "adopt"  # a position that was opened elsewhere, with a stop
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
    trail: bool | None = None  # the stop follows the market; None: unless a person has named its price
    trail_by: AtrStop | None = None  # so far behind; None: as the ATR stop, or the settings, say
    expire_s: float | None = None  # a resting entry is cancelled after so long
    reverse: bool = False  # the same order first closes what is held in the other direction
    reason: str = ""


class Finding(Struct, frozen=True, kw_only=True):
    """What one rule measured for one wish, passed or not."""

    rule: str  # stable name, e.g. "size_cap"
    found: str
    limit: str
    passed: bool
    would_pass: str = ""  # the change that would satisfy a failed rule
    left: str = ""  # of a rule that passed: how far it is from failing, where that can be measured


class Gauge(Finding, frozen=True, kw_only=True):
    """What a rule measures before anybody wishes anything."""

    then: str = ""  # what would happen, if it tripped now


class Refused(Struct, frozen=True, kw_only=True):
    """The gate's no: the first rule that failed, and all that was measured."""

    symbol: str
    rule: str
    found: str
    limit: str
    would_pass: str
    intent: Intent
    intent_id: int
    strategy_id: str
    ts_ns: int
    findings: tuple[Finding, ...] = ()


class SizePreview(Struct, frozen=True, kw_only=True):
    """What an entry would be, before anybody sends it; amounts in the settle currency."""

    symbol: str
    side: Side
    size: Decimal  # contracts, on the lot grid
    price: Decimal  # the worst price that the checks assume
    notional: Decimal
    initial_margin: Decimal
    fee: Decimal
    stop_price: Decimal | None
    loss_at_stop: Decimal | None  # fees of both sides included
    liquidation_price: Decimal | None
    binding: str  # which limit fixed the size: "size_cap", "margin", "requested", "risk", "max_size"
    refusal: str = ""  # why it would be refused as it stands, "" if it would pass
