"""What a callback returns, and a cell sends: wishes, built from plain numbers."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from contractdesk.domain.intents import AtrStop, FixedStop, Intent, IntentKind, StopSpec
from contractdesk.domain.orders import Side, TimeInForce
from contractdesk.errors import ConfigError

Number = Decimal | int | float | str


def enter_long(
    symbol: str,
    *,
    stop: StopSpec | Number | None = None,
    size: Number | None = None,
    notional: Number | None = None,
    amount: Number | None = None,
    limit: Number | None = None,
    post_only: bool = False,
    take_profit: Number | None = None,
    trail: bool | None = None,
    expire_s: float | None = None,
    reverse: bool = False,
    reason: str = "",
) -> Intent:
    """Wish to buy: at market, or at ``limit``; opens a long position or adds to it.

    At most one of ``size`` (contracts), ``notional`` (settle currency) and ``amount`` (base units);
    none means the size cap's share. ``stop`` is a price or ``atr_stop(...)``; the gate refuses an
    entry without one. An ATR stop follows the market as far behind as it began; a price does so as the
    ``trail_...`` settings say, for strategies, and for a person with ``trail=True`` only. A resting entry is
    cancelled after ``expire_s`` seconds. ``reverse`` closes a short position with the same order, and
    what was asked for is long afterwards; the cap counts the whole order, for the short's stop may be
    first. Raises ConfigError.
    """
    return _enter(
        Side.BUY,
        symbol,
        stop,
        size,
        notional,
        amount,
        limit,
        post_only,
        take_profit,
        trail,
        expire_s,
        reverse,
        reason,
    )


def enter_short(
    symbol: str,
    *,
    stop: StopSpec | Number | None = None,
    size: Number | None = None,
    notional: Number | None = None,
    amount: Number | None = None,
    limit: Number | None = None,
    post_only: bool = False,
    take_profit: Number | None = None,
    trail: bool | None = None,
    expire_s: float | None = None,
    reverse: bool = False,
    reason: str = "",
) -> Intent:
    """Wish to sell, mirrored: see ``enter_long``."""
    return _enter(
        Side.SELL,
        symbol,
        stop,
        size,
        notional,
        amount,
        limit,
        post_only,
        take_profit,
        trail,
        expire_s,
        reverse,
        reason,
    )


def exit_position(
    symbol: str, *, size: Number | None = None, limit: Number | None = None, reason: str = ""
) -> Intent:
    """Wish to close, reduce-only: all of the position, or ``size`` contracts of it."""
    return Intent(
        kind=IntentKind.EXIT,
        symbol=symbol,
        size=_positive("size", size),
        limit=_positive("limit", limit),
        reason=reason,
    )


def move_stop(symbol: str, price: Number, *, trail: bool | None = None, reason: str = "") -> Intent:
    """Wish to move the position's stop to ``price``, and let it follow the market from there or not."""
    _check_flag("trail", trail)
    return Intent(
        kind=IntentKind.MOVE_STOP, symbol=symbol, stop=fixed_stop(price), trail=trail, reason=reason
    )


def trail_stop(symbol: str, by: AtrStop | None = None, *, on: bool = True, reason: str = "") -> Intent:
    """Wish that the position's stop follows the market, ``by`` so many ATRs behind, or stays.

    None: as it was opened with, or as the risk settings say. Raises ConfigError.
    """
    if not (by is None or isinstance(by, AtrStop)):
        raise ConfigError(f"by={by!r} is not permitted: give atr_stop(14, 2.5), or nothing")
    _check_flag("on", on)
    return Intent(kind=IntentKind.MOVE_STOP, symbol=symbol, trail=on, trail_by=by, reason=reason)


def adopt(symbol: str, stop: StopSpec | Number, *, trail: bool | None = None, reason: str = "") -> Intent:
    """Wish to take a position that was opened elsewhere as this desk's own, under ``stop``."""
    _check_flag("trail", trail)
    return Intent(kind=IntentKind.ADOPT, symbol=symbol, stop=_stop(stop), trail=trail, reason=reason)


def cancel_entries(symbol: str, *, reason: str = "") -> Intent:
    """Wish to cancel the own resting entries of ``symbol``."""
    return Intent(kind=IntentKind.CANCEL, symbol=symbol, reason=reason)


def atr_stop(period: int = 14, multiple: Number = Decimal("2.5"), timeframe: str = "") -> AtrStop:
    """A stop ``multiple`` times ATR(``period``) away from the entry; "" is the strategy's timeframe."""
    if not (isinstance(period, int) and 1 <= period <= 1000):
        raise ConfigError(f"period={period!r} is not permitted: it must be from 1 to 1000 bars")
    return AtrStop(period=period, multiple=_decimal("multiple", multiple), timeframe=timeframe)


def fixed_stop(price: Number) -> FixedStop:
    """A stop at ``price``."""
    return FixedStop(price=_decimal("stop", price))


def _enter(
    side: Side,
    symbol: str,
    stop: StopSpec | Number | None,
    size: Number | None,
    notional: Number | None,
    amount: Number | None,
    limit: Number | None,
    post_only: bool,  # noqa: FBT001  (private; the public functions take it by keyword)
    take_profit: Number | None,
    trail: bool | None,  # noqa: FBT001  (private; the public functions take it by keyword)
    expire_s: float | None,
    reverse: bool,  # noqa: FBT001  (private; the public functions take it by keyword)
    reason: str,
) -> Intent:
    if sum(value is not None for value in (size, notional, amount)) > 1:
        raise ConfigError("an entry takes one of size, notional and amount")
    if post_only and limit is None:
        raise ConfigError("a post-only entry rests at a price: give limit=")
    _check_flag("trail", trail)
    _check_flag("reverse", reverse)
    if expire_s is not None and not expire_s > 0:
        raise ConfigError(f"expire_s={expire_s!r} is not permitted: it must be above 0 seconds")
    return Intent(
        kind=IntentKind.ENTER,
        symbol=symbol,
        side=side,
        size=_positive("size", size),
        notional=_positive("notional", notional),
        amount=_positive("amount", amount),
        limit=_positive("limit", limit),
        time_in_force=TimeInForce.GTX if post_only else TimeInForce.GTC,
        stop=None if stop is None else _stop(stop),
        take_profit=_positive("take_profit", take_profit),
        trail=trail,
        expire_s=expire_s,
        reverse=reverse,
        reason=reason,
    )


def _check_flag(name: str, value: object) -> None:
    """A word such as "no" is true to Python, and would mean the opposite of what it says."""
    if not (value is None or isinstance(value, bool)):
        raise ConfigError(f"{name}={value!r} is not permitted: it must be True or False")


def _stop(stop: StopSpec | Number) -> StopSpec:
    return stop if isinstance(stop, AtrStop | FixedStop) else fixed_stop(stop)


def _positive(name: str, value: Number | None) -> Decimal | None:
    return None if value is None else _decimal(name, value)


def _decimal(name: str, value: Number) -> Decimal:
    """A positive, finite decimal; floats by their shortest text, so that 0.1 is 0.1."""
    try:
        number = Decimal(repr(float(value))) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError, ValueError) as exc:
        raise ConfigError(f"{name}={value!r} is not a number") from exc
    if not number.is_finite() or number <= 0:
        raise ConfigError(f"{name}={value!r} is not permitted: it must be above 0")
    return number
