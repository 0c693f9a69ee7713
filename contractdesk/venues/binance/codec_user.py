"""Binance futures user-data frames to typed updates; pure.

https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams
https://developers.binance.com/docs/derivatives/coin-margined-futures/user-data-streams
Messages of one type are ordered among themselves; across types nothing is promised. What an update
means for our orders is decided in ``user_events``.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import Enum

import msgspec
from msgspec import Struct, field

from contractdesk.errors import VenueProtocolError

VENUE = "binance"
ZERO = Decimal(0)
ADL_PREFIX = "adl_autoclose"
FORCED_PREFIXES = ("autoclose-", ADL_PREFIX)  # liquidation, deleveraging
VENUE_PREFIXES = ("autoclose-", ADL_PREFIX, "settlement_autoclose-")  # ids that the venue itself makes


class Execution(Enum):
    """ORDER_TRADE_UPDATE ``x``: what happened now."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    AMENDMENT = "AMENDMENT"
    CALCULATED = "CALCULATED"  # liquidation or ADL


class AlgoStatus(Enum):
    """ALGO_UPDATE ``X``."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class OrderBody(Struct):
    symbol: str = field(name="s")
    client_id: str = field(name="c")
    side: str = field(name="S")
    execution: str = field(name="x")  # an Execution, or a word we do not know yet
    status: str = field(name="X")
    venue_id: int = field(name="i")
    size: Decimal = field(name="q")
    price: Decimal = field(name="p")
    time_ms: int = field(name="T")
    stop_price: Decimal = field(name="sp", default=ZERO)
    filled: Decimal = field(name="z", default=ZERO)  # in all
    last_size: Decimal = field(name="l", default=ZERO)
    last_price: Decimal = field(name="L", default=ZERO)
    fee_asset: str | None = field(name="N", default=None)
    fee: Decimal = field(name="n", default=ZERO)
    trade_id: int = field(name="t", default=0)
    maker: bool = field(name="m", default=False)
    reason: str | int | None = field(name="er", default=None)


class OrderTradeUpdate(Struct, tag_field="e", tag="ORDER_TRADE_UPDATE"):
    event_ms: int = field(name="E")
    order: OrderBody = field(name="o")


class AlgoBody(Struct):
    client_id: str = field(name="caid")
    algo_id: int = field(name="aid")
    symbol: str = field(name="s")
    side: str = field(name="S")
    status: str = field(name="X")  # an AlgoStatus, or a word we do not know yet
    child_id: str | int = field(name="ai", default="")
    reason: str | None = field(name="rm", default=None)

    @property
    def child(self) -> str:
        """Venue id of the regular order that it became; "" while there is none."""
        return "" if self.child_id in ("", "0", 0) else str(self.child_id)


class AlgoUpdate(Struct, tag_field="e", tag="ALGO_UPDATE"):
    event_ms: int = field(name="E")
    algo: AlgoBody = field(name="o")


class TradeLite(Struct, tag_field="e", tag="TRADE_LITE"):
    """A fill before its full report: no fee, so it is a hint and never a fill."""

    event_ms: int = field(name="E")
    symbol: str = field(name="s")
    trade_id: int = field(name="t")


class BalanceBody(Struct):
    asset: str = field(name="a")
    wallet_balance: Decimal = field(name="wb")
    change: Decimal = field(name="bc", default=ZERO)


class PositionBody(Struct):
    symbol: str = field(name="s")
    size: Decimal = field(name="pa")
    entry_price: Decimal = field(name="ep")
    position_side: str = field(name="ps", default="BOTH")


class AccountBody(Struct):
    cause: str = field(name="m")
    balances: list[BalanceBody] = field(name="B", default_factory=list)
    positions: list[PositionBody] = field(name="P", default_factory=list)


class AccountUpdate(Struct, tag_field="e", tag="ACCOUNT_UPDATE"):
    event_ms: int = field(name="E")
    account: AccountBody = field(name="a")


class CalledPosition(Struct):
    symbol: str = field(name="s")


class MarginCall(Struct, tag_field="e", tag="MARGIN_CALL"):
    event_ms: int = field(name="E")
    positions: list[CalledPosition] = field(name="p", default_factory=list)


class LeverageBody(Struct):
    symbol: str = field(name="s")
    leverage: Decimal = field(name="l")


class AssetModeBody(Struct):
    multi_assets: bool = field(name="j")


class AccountConfigUpdate(Struct, tag_field="e", tag="ACCOUNT_CONFIG_UPDATE"):
    event_ms: int = field(name="E")
    leverage: LeverageBody | None = field(name="ac", default=None)
    assets: AssetModeBody | None = field(name="ai", default=None)


class ListenKeyExpired(Struct, tag_field="e", tag="listenKeyExpired"):
    event_ms: int | str = field(name="E", default=0)


class TriggerRejected(Struct, tag_field="e", tag="CONDITIONAL_ORDER_TRIGGER_REJECT"):
    """Deprecated; ALGO_UPDATE says it now."""


class StrategyUpdate(Struct, tag_field="e", tag="STRATEGY_UPDATE"):
    """Of the venue's own strategies; not ours."""


class GridUpdate(Struct, tag_field="e", tag="GRID_UPDATE"):
    """Of the venue's own grid bots; not ours."""


UserUpdate = (
    OrderTradeUpdate | AlgoUpdate | TradeLite | AccountUpdate | MarginCall | AccountConfigUpdate
    | ListenKeyExpired | TriggerRejected | StrategyUpdate | GridUpdate
)  # fmt: skip


class _Combined(Struct):
    data: UserUpdate


_raw = msgspec.json.Decoder(UserUpdate, strict=False)  # some ids come as numbers or as text
_combined = msgspec.json.Decoder(_Combined, strict=False)


def decode_user(frame: bytes) -> UserUpdate:
    """One frame of the private stream, bare or combined. Raises VenueProtocolError."""
    try:
        if frame.startswith(b'{"stream"'):
            return _combined.decode(frame).data
        update: UserUpdate = _raw.decode(frame)
    except (msgspec.DecodeError, InvalidOperation) as unfit:
        raise VenueProtocolError(VENUE, frame) from unfit
    return update
