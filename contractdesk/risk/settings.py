"""Limits and switches of the risk rules, each with its range; tunable live, never out of range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
from msgspec import Struct

from contractdesk.domain.market import timeframe_ns
from contractdesk.errors import ConfigError


class OnTrip(Enum):
    """What becomes of positions when the breaker trips; entries are cancelled either way."""

    HALT = "halt"  # they stay, under their stops
    FLATTEN = "flatten"  # they are closed, reduce-only


class CapBasis(Enum):
    """What the size cap counts of a symbol."""

    NOTIONAL = "notional"
    MARGIN = "margin"  # initial margin at the leverage in force: leverage multiplies what the cap permits


class RiskSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Defaults are the mission's."""

    size_cap: Decimal = Decimal("0.03")  # of equity, a symbol's worst case
    cap_basis: CapBasis = CapBasis.NOTIONAL
    slippage_collar: Decimal = Decimal("0.005")  # worst price of a market order, from the far side
    margin_check: bool = True
    stop_liquidation_buffer: Decimal = Decimal("0.005")  # stop at least this far inside liquidation
    stop_deadline_s: float = 3.0  # a filled contract is under a confirmed stop within this
    flatten_deadline_s: float = 5.0  # else it is closed; one that is still held after this is alarmed
    account_max_age_s: float = 2.0
    intent_expiry_s: float = 2.0
    trailing: bool = True  # stops follow the best mark; off: they stay where they are
    trail_period: int = 14  # closed bars of the ATR (Wilder)
    trail_multiple: Decimal = Decimal("2.5")  # ATRs from the best mark
    trail_timeframe: str = ""  # of those bars; "" = that of the entry
    trail_min_step: Decimal = Decimal("0.1")  # ATRs; a smaller improvement is not worth a request
    funding_gate: Decimal = Decimal("0.0005")  # settled in 8 hours, above which no long is entered
    funding_gate_shorts: bool = False  # below minus that, no short either
    open_interest_gate: bool = True
    open_interest_drop: Decimal = Decimal("0.05")  # from the highest of the window
    open_interest_window_s: float = 3600.0
    open_interest_max_age_s: float = 180.0
    breaker_drop: Decimal = Decimal("0.08")  # of equity, lost within the window
    breaker_window_s: float = 300.0
    on_trip: OnTrip = OnTrip.HALT
    margin_guard: Decimal = Decimal("0.85")  # initial margin of equity, above which positions are unwound
    margin_guard_period_s: float = 3.0
    max_gross_exposure: Decimal = Decimal(0)  # of equity, all symbols; 0 = no limit
    max_entries_per_hour: int = 0  # 0 = no limit
    max_daily_loss: Decimal = Decimal(0)  # of the equity at 00:00 UTC; 0 = no limit
    book_max_age_s: float = 2.0
    mark_max_age_s: float = 5.0
    max_loop_lag_ms: float = 2000.0
    max_clock_offset_ms: float = 5000.0
    max_intents_per_s: int = 50  # a strategy that wishes faster is disabled

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            given = Decimal(value)
            if not given.is_finite() or not Decimal(low) <= given <= Decimal(high):
                raise ConfigError(f"{name}={value} is not permitted: it must be from {low} to {high}")
        if self.flatten_deadline_s < self.stop_deadline_s:
            raise ConfigError("flatten_deadline_s must be at least stop_deadline_s")
        if self.trail_timeframe:
            _check_timeframe(self.trail_timeframe)


# Inclusive. A cap above 1 is for accounts that are run with leverage on purpose.
RANGES: dict[str, tuple[str, str]] = {
    "size_cap": ("0", "10"),
    "slippage_collar": ("0", "0.05"),
    "stop_liquidation_buffer": ("0", "0.5"),
    "stop_deadline_s": ("0.1", "30"),
    "flatten_deadline_s": ("0.1", "60"),
    "account_max_age_s": ("0.1", "10"),
    "intent_expiry_s": ("0.1", "10"),
    "funding_gate": ("0", "1"),
    "trail_period": ("2", "200"),
    "trail_multiple": ("0.1", "50"),
    "trail_min_step": ("0", "10"),
    "open_interest_drop": ("0", "1"),
    "open_interest_window_s": ("300", "14400"),
    "open_interest_max_age_s": ("5", "900"),
    "breaker_drop": ("0.001", "1"),
    "breaker_window_s": ("10", "900"),
    "margin_guard": ("0.05", "1"),
    "margin_guard_period_s": ("0.5", "60"),
    "max_gross_exposure": ("0", "100"),
    "max_entries_per_hour": ("0", "10000"),
    "max_daily_loss": ("0", "1"),
    "book_max_age_s": ("0.1", "10"),
    "mark_max_age_s": ("0.1", "30"),
    "max_loop_lag_ms": ("10", "10000"),
    "max_clock_offset_ms": ("10", "5000"),
    "max_intents_per_s": ("1", "10000"),
}


# What a fraction is of: it is said in per cent, so that 2 is not taken for 2 %.
SHARES = {
    "size_cap": "of equity a symbol",
    "slippage_collar": "of the price",
    "stop_liquidation_buffer": "of the price",
    "funding_gate": "in 8 hours",
    "open_interest_drop": "of the highest",
    "breaker_drop": "of equity",
    "margin_guard": "of equity",
    "max_gross_exposure": "of equity",
    "max_daily_loss": "of equity",
}


def told(before: RiskSettings, after: RiskSettings, names: Iterable[str]) -> str:
    """What a tuning changes: "size_cap 3 % -> 200 % of equity a symbol, trailing True -> False"."""
    return ", ".join(
        f"{name} {_shown(name, getattr(before, name))} -> {_shown(name, getattr(after, name))}"
        f"{' ' + SHARES[name] if name in SHARES else ''}"
        for name in names
    )


def tuned(settings: RiskSettings, changes: Mapping[str, Any]) -> RiskSettings:
    """``settings`` with ``changes`` in them; ConfigError names the setting and its range.

    Values may be what a journal or a slider gives: decimals as strings, floats or ints.
    """
    fields = {field.name: field.type for field in msgspec.structs.fields(RiskSettings)}
    for name in changes:
        if name not in fields:
            raise ConfigError(f"there is no risk setting {name!r}; there are: {', '.join(sorted(fields))}")
    parsed = {name: _parse(name, value, fields[name]) for name, value in changes.items()}
    return RiskSettings(**{**msgspec.structs.asdict(settings), **parsed})


def _check_timeframe(timeframe: str) -> None:
    try:
        timeframe_ns(timeframe)
    except ValueError as exc:
        raise ConfigError(f"trail_timeframe={timeframe!r} is not permitted: {exc}") from exc


def _parse(name: str, value: object, kind: Any) -> object:
    if kind is Decimal and isinstance(value, int | float) and not isinstance(value, bool):
        value = repr(float(value)) if isinstance(value, float) else str(value)
    if kind is float and isinstance(value, Decimal):
        value = float(value)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{name}={value!r} is not permitted: {_permitted(name, kind)}") from exc


def _shown(name: str, value: object) -> str:
    if name in SHARES and isinstance(value, Decimal):
        return f"{(value * 100).normalize():f} %"
    return str(value.value) if isinstance(value, Enum) else f"{value!s}"


def _permitted(name: str, kind: type) -> str:
    if issubclass(kind, Enum):
        return "it must be one of " + ", ".join(repr(member.value) for member in kind)
    low_high = RANGES.get(name)
    return f"it must be a {kind.__name__}" + (f" from {low_high[0]} to {low_high[1]}" if low_high else "")
