"""contractdesk: a Jupyter-resident console for crypto contract trading.

::

    import contractdesk as cd
    desk = cd.open_desk("embedded")
    trend = desk.start(cd.library.TrendFollow(symbols=["BTC/USDT:USDT"], timeframe="1m", fast=12))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from contractdesk import errors as errors
    from contractdesk import history as history
    from contractdesk import replay as replay
    from contractdesk.console.audit import audit as audit
    from contractdesk.console.desk import Desk as Desk
    from contractdesk.console.nested import allow_nested as allow_nested
    from contractdesk.console.opening import open_desk as open_desk
    from contractdesk.console.replaying import replay_session as replay_session
    from contractdesk.console.sizing import size as size
    from contractdesk.panels.heatmap import heatmap as heatmap
    from contractdesk.panels.replay import charts as charts
    from contractdesk.replay.sweeps.sweep import sweep as sweep
    from contractdesk.replay.sweeps.walking import walk_forward as walk_forward
    from contractdesk.strategy import Atr as Atr
    from contractdesk.strategy import BarView as BarView
    from contractdesk.strategy import Bollinger as Bollinger
    from contractdesk.strategy import Ema as Ema
    from contractdesk.strategy import Macd as Macd
    from contractdesk.strategy import MacdOutput as MacdOutput
    from contractdesk.strategy import Rsi as Rsi
    from contractdesk.strategy import Sma as Sma
    from contractdesk.strategy import library as library
    from contractdesk.strategy.base import Context as Context
    from contractdesk.strategy.base import Strategy as Strategy
    from contractdesk.strategy.intents import atr_stop as atr_stop
    from contractdesk.strategy.intents import cancel_entries as cancel_entries
    from contractdesk.strategy.intents import enter_long as enter_long
    from contractdesk.strategy.intents import enter_short as enter_short
    from contractdesk.strategy.intents import exit_position as exit_position
    from contractdesk.strategy.intents import fixed_stop as fixed_stop
    from contractdesk.strategy.intents import move_stop as move_stop
    from contractdesk.strategy.intents import trail_stop as trail_stop
    from contractdesk.strategy.params import Param as Param

_HOMES = {
    "audit": "contractdesk.console.audit",
    "Desk": "contractdesk.console.desk",
    "allow_nested": "contractdesk.console.nested",
    "open_desk": "contractdesk.console.opening",
    "replay_session": "contractdesk.console.replaying",
    "size": "contractdesk.console.sizing",
    "charts": "contractdesk.panels.replay",
    "heatmap": "contractdesk.panels.heatmap",
    "sweep": "contractdesk.replay.sweeps.sweep",
    "walk_forward": "contractdesk.replay.sweeps.walking",
    "Atr": "contractdesk.strategy",
    "BarView": "contractdesk.strategy",
    "Bollinger": "contractdesk.strategy",
    "Ema": "contractdesk.strategy",
    "Macd": "contractdesk.strategy",
    "MacdOutput": "contractdesk.strategy",
    "Rsi": "contractdesk.strategy",
    "Sma": "contractdesk.strategy",
    "Context": "contractdesk.strategy.base",
    "Strategy": "contractdesk.strategy.base",
    "atr_stop": "contractdesk.strategy.intents",
    "cancel_entries": "contractdesk.strategy.intents",
    "enter_long": "contractdesk.strategy.intents",
    "enter_short": "contractdesk.strategy.intents",
    "exit_position": "contractdesk.strategy.intents",
    "fixed_stop": "contractdesk.strategy.intents",
    "move_stop": "contractdesk.strategy.intents",
    "trail_stop": "contractdesk.strategy.intents",
    "Param": "contractdesk.strategy.params",
}
_MAGICS = "contractdesk.console.magics"  # needs IPython: loaded by nobody but who has it
_MODULES = {
    "errors": "contractdesk.errors",
    "history": "contractdesk.history",
    "library": "contractdesk.strategy.library",
    "replay": "contractdesk.replay",
}

__all__ = [
    "Atr",
    "BarView",
    "Bollinger",
    "Context",
    "Desk",
    "Ema",
    "Macd",
    "MacdOutput",
    "Param",
    "Rsi",
    "Sma",
    "Strategy",
    "allow_nested",
    "atr_stop",
    "audit",
    "cancel_entries",
    "charts",
    "enter_long",
    "enter_short",
    "errors",
    "exit_position",
    "fixed_stop",
    "heatmap",
    "history",
    "library",
    "move_stop",
    "open_desk",
    "replay",
    "replay_session",
    "size",
    "sweep",
    "trail_stop",
    "walk_forward",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: importing the package costs next to nothing."""
    if name in _MODULES:
        value: Any = importlib.import_module(_MODULES[name])
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext contractdesk``: the ``%desk`` magic, and symbols that complete inside strings."""
    importlib.import_module(_MAGICS).load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext contractdesk``: takes both away; desks stay open."""
    importlib.import_module(_MAGICS).unload(shell)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
