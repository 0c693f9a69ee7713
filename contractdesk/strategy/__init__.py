"""What we want: strategies wish, and never talk to a venue."""

from contractdesk.strategy.base import BarView, Context, Param, Strategy
from contractdesk.strategy.indicators import Atr, Bollinger, Ema, Macd, MacdOutput, Rsi, Sma
from contractdesk.strategy.intents import (
    atr_stop,
    cancel_entries,
    enter_long,
    enter_short,
    exit_position,
    fixed_stop,
    move_stop,
)

__all__ = [
    "Atr",
    "BarView",
    "Bollinger",
    "Context",
    "Ema",
    "Macd",
    "MacdOutput",
    "Param",
    "Rsi",
    "Sma",
    "Strategy",
    "atr_stop",
    "cancel_entries",
    "enter_long",
    "enter_short",
    "exit_position",
    "fixed_stop",
    "move_stop",
]
