"""Limits and switches of the risk rules, each with its range; tunable live, never out of range."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct


class RiskSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Defaults are the mission's."""

    size_cap: Decimal = Decimal("0.03")  # of equity, a symbol's worst-case notional
    slippage_collar: Decimal = Decimal("0.005")  # worst price of a market order, from the far side
    margin_check: bool = True
    stop_liquidation_buffer: Decimal = Decimal("0.005")  # stop at least this far inside liquidation
    stop_deadline_s: float = 3.0  # a filled contract is under a confirmed stop within this
    flatten_deadline_s: float = 5.0  # else the position is gone within this
    account_max_age_s: float = 2.0
    intent_expiry_s: float = 2.0
    book_max_age_s: float = 2.0
    mark_max_age_s: float = 5.0
    max_loop_lag_ms: float = 2000.0
    max_clock_offset_ms: float = 5000.0
    max_intents_per_s: int = 50  # a strategy that wishes faster is disabled
